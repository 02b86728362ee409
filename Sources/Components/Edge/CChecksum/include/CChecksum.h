// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

/// The CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320, as zlib's `crc32`) of `count` bytes after those whose
/// checksum is `seed`; 0 begins. Uses carry-less multiplication where the processor has it.
uint32_t herd_crc32(uint32_t seed, const uint8_t *bytes, size_t count);

/// The same by tables, eight bytes at a time, on any processor.
uint32_t herd_crc32_portable(uint32_t seed, const uint8_t *bytes, size_t count);
