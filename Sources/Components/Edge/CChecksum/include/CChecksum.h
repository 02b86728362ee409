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

/// The CRC-32 of some bytes, whose sum is `first`, and `second_count` more, whose sum is `second`.
uint32_t herd_crc32_combine(uint32_t first, uint32_t second, uint64_t second_count);

/// Whether ``herd_crc32`` uses carry-less multiplication on this processor.
bool herd_crc32_is_accelerated(void);

/// A SHA-256 (FIPS 180-4) under way: the chaining value, eight words.
typedef struct herd_sha256 {
    uint32_t word[8];
} herd_sha256;

/// Whether this processor has the SHA instructions. Without them the functions below work by shifts and additions, at a
/// fifth of the speed.
bool herd_sha256_is_accelerated(void);

/// The state that `bytes` holds, each word from high to low: the inverse of ``herd_sha256_store``.
herd_sha256 herd_sha256_load(const uint8_t bytes[32]);

/// Writes the chaining value; after the padding it is the digest.
void herd_sha256_store(const herd_sha256 *state, uint8_t bytes[32]);

/// The state before any byte.
herd_sha256 herd_sha256_begin(void);

/// Takes in `blocks` blocks of 64 bytes.
void herd_sha256_update(herd_sha256 *state, const uint8_t *bytes, size_t blocks);

/// The same without special instructions: what other processors run, exported so that tests can.
void herd_sha256_update_portable(herd_sha256 *state, const uint8_t *bytes, size_t blocks);

/// The same for two independent states at once, in the time of one: an instruction of one fills the time in which the
/// other waits for its last result.
void herd_sha256_update_pair(
    herd_sha256 *first, const uint8_t *first_bytes, herd_sha256 *second,
    const uint8_t *second_bytes, size_t blocks
);

/// Takes in the `tail_count` bytes after the last whole block, fewer than 64, and the padding of a message of
/// `message_count` bytes, and writes the digest.
void herd_sha256_finish(
    herd_sha256 *state, const uint8_t *tail, size_t tail_count, uint64_t message_count,
    uint8_t digest[32]
);
