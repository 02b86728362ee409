// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The CRC-32 (IEEE 802.3, as in zlib, gzip and Go's hash/crc32) of `count` bytes.
///
/// `seed` is 0 to begin, or the result for the bytes before these: chained calls give the sum of the whole.
/// Uses carry-less multiplication where the processor has it. `bytes` may be null when `count` is 0.
uint32_t herd_crc32(uint32_t seed, const uint8_t *bytes, size_t count);

/// The same by tables alone, eight bytes at a time: what other processors run, exported so that tests can.
uint32_t herd_crc32_portable(uint32_t seed, const uint8_t *bytes, size_t count);

/// Whether ``herd_crc32`` uses carry-less multiplication on this processor.
bool herd_crc32_is_accelerated(void);
