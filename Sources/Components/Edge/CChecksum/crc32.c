// SPDX-License-Identifier: Apache-2.0
#include "CChecksum.h"

#include <pthread.h>

#define POLYNOMIAL 0xEDB88320u

static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    for (uint32_t value = 0; value < 256; value++) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][value] = crc;
    }
    for (uint32_t value = 0; value < 256; value++)
        for (int slice = 1; slice < 8; slice++)
            tables[slice][value] = tables[slice - 1][value] >> 8 ^ tables[0][tables[slice - 1][value] & 255];
}

// Slicing by eight: Kounavis and Berry, "A systematic approach to building high performance software-based CRC
// generators" (2005).
uint32_t herd_crc32_portable(uint32_t seed, const uint8_t *bytes, size_t count) {
    pthread_once(&tables_once, make_tables);
    uint32_t crc = ~seed;
    while (count >= 8) {
        uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^ tables[4][low >> 24]
            ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^ tables[1][bytes[6]] ^ tables[0][bytes[7]];
        bytes += 8;
        count -= 8;
    }
    while (count-- > 0) crc = crc >> 8 ^ tables[0][(crc ^ *bytes++) & 255];
    return ~crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

// Folding by carry-less multiplication, four lanes of 128 bits: Gopal et al., "Fast CRC computation for generic
// polynomials using PCLMULQDQ instruction" (Intel, 2009); the constants are x^n mod P, bit-reflected, from that paper.
// `count` is a multiple of 16 and at least 64; `crc` and the result are not inverted.
__attribute__((target("pclmul,sse4.1"))) static uint32_t fold(uint32_t crc, const uint8_t *bytes, size_t count) {
    const __m128i by_four = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);  // x^(512-32), x^(512+32)
    const __m128i by_one = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);   // x^(128-32), x^(128+32)
    const __m128i to_64 = _mm_set_epi64x(0, 0x0163cd6124);               // x^64
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);  // quotient, polynomial
    const __m128i low_32 = _mm_set_epi32(0, 0, 0, -1);

    __m128i lanes[4];
    for (int i = 0; i < 4; i++) lanes[i] = _mm_loadu_si128((const __m128i *)(bytes + 16 * i));
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128((int)crc));
    bytes += 64;
    count -= 64;
    for (; count >= 64; bytes += 64, count -= 64) {
        for (int i = 0; i < 4; i++) {
            __m128i low = _mm_clmulepi64_si128(lanes[i], by_four, 0x00);
            __m128i high = _mm_clmulepi64_si128(lanes[i], by_four, 0x11);
            lanes[i] = _mm_xor_si128(_mm_xor_si128(low, high), _mm_loadu_si128((const __m128i *)(bytes + 16 * i)));
        }
    }

    __m128i sum = lanes[0];
    for (int i = 1; i < 4; i++) {
        __m128i low = _mm_clmulepi64_si128(sum, by_one, 0x00);
        __m128i high = _mm_clmulepi64_si128(sum, by_one, 0x11);
        sum = _mm_xor_si128(_mm_xor_si128(low, high), lanes[i]);
    }
    for (; count >= 16; bytes += 16, count -= 16) {
        __m128i low = _mm_clmulepi64_si128(sum, by_one, 0x00);
        __m128i high = _mm_clmulepi64_si128(sum, by_one, 0x11);
        sum = _mm_xor_si128(_mm_xor_si128(low, high), _mm_loadu_si128((const __m128i *)bytes));
    }

    // 128 bits to 64, then Barrett's reduction to 32.
    sum = _mm_xor_si128(_mm_srli_si128(sum, 8), _mm_clmulepi64_si128(sum, by_one, 0x10));
    __m128i upper = _mm_srli_si128(sum, 4);
    sum = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(sum, low_32), to_64, 0x00), upper);
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(sum, low_32), barrett, 0x10);
    quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_32), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(sum, quotient), 1);
}

static int has_folding;
static pthread_once_t folding_once = PTHREAD_ONCE_INIT;
static void find_folding(void) {
    __builtin_cpu_init();
    has_folding = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

uint32_t herd_crc32(uint32_t seed, const uint8_t *bytes, size_t count) {
    pthread_once(&folding_once, find_folding);
    if (has_folding && count >= 64) {
        size_t whole = count & ~(size_t)15;
        seed = ~fold(~seed, bytes, whole);
        bytes += whole;
        count -= whole;
    }
    return herd_crc32_portable(seed, bytes, count);
}
#else
uint32_t herd_crc32(uint32_t seed, const uint8_t *bytes, size_t count) { return herd_crc32_portable(seed, bytes, count); }
#endif
