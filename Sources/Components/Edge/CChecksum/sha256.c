// SPDX-License-Identifier: Apache-2.0

#include "CChecksum.h"

#include <string.h>

// SHA-256 by the processor's SHA instructions, after FIPS 180-4 and Gulley et al., "Intel SHA Extensions" (2013).
//
// A round waits for the one before it, so a single message leaves half of the unit idle; two messages side by side cost
// no more time than one. That is why this is here and not a library's, which take one message at a time.

herd_sha256 herd_sha256_begin(void) {
    return (herd_sha256){{
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    }};
}

#if defined(__x86_64__) && (defined(__clang__) || defined(__GNUC__))

#include <cpuid.h>
#include <immintrin.h>

#define ACCELERATED __attribute__((target("sha,sse4.1")))

static const uint32_t round_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

bool herd_sha256_is_accelerated(void) {
    unsigned int a, b, c, d;
    // Leaf 7 tells of SHA; compilers' __builtin_cpu_supports does not know it everywhere.
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (b & (1u << 29)) != 0 && __builtin_cpu_supports("sse4.1");
}

// The words of a state in the order that the instructions want: a, b, e, f and c, d, g, h, each from high to low.
typedef struct {
    __m128i abef, cdgh;
} lane;

ACCELERATED static inline lane load(const herd_sha256 *state) {
    __m128i low = _mm_loadu_si128((const __m128i *)&state->word[0]);
    __m128i high = _mm_loadu_si128((const __m128i *)&state->word[4]);
    low = _mm_shuffle_epi32(low, 0xb1);
    high = _mm_shuffle_epi32(high, 0x1b);
    return (lane){_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xf0)};
}

ACCELERATED static inline void store(lane from, herd_sha256 *state) {
    __m128i low = _mm_shuffle_epi32(from.abef, 0x1b);
    __m128i high = _mm_shuffle_epi32(from.cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)&state->word[0], _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)&state->word[4], _mm_alignr_epi8(high, low, 8));
}

// A block's sixteen words, big-endian in memory.
ACCELERATED static inline void load_words(__m128i words[4], const uint8_t *block) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    for (int i = 0; i < 4; i++) {
        words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
    }
}

// Four rounds, and the four words that are due sixteen rounds later.
ACCELERATED static inline void four_rounds(lane *in, __m128i words[4], int group) {
    __m128i constants = _mm_load_si128((const __m128i *)&round_constants[4 * group]);
    __m128i sum = _mm_add_epi32(words[group & 3], constants);
    in->cdgh = _mm_sha256rnds2_epu32(in->cdgh, in->abef, sum);
    in->abef = _mm_sha256rnds2_epu32(in->abef, in->cdgh, _mm_shuffle_epi32(sum, 0x0e));
    if (group >= 12) return;
    __m128i last = words[(group + 3) & 3];
    __m128i next = _mm_sha256msg1_epu32(words[group & 3], words[(group + 1) & 3]);
    next = _mm_add_epi32(next, _mm_alignr_epi8(last, words[(group + 2) & 3], 4));
    words[group & 3] = _mm_sha256msg2_epu32(next, last);
}

ACCELERATED static inline lane add(lane left, lane right) {
    return (lane){
        _mm_add_epi32(left.abef, right.abef), _mm_add_epi32(left.cdgh, right.cdgh),
    };
}

ACCELERATED void herd_sha256_update(herd_sha256 *state, const uint8_t *bytes, size_t blocks) {
    lane sum = load(state);
    for (; blocks > 0; blocks--, bytes += 64) {
        __m128i words[4];
        lane current = sum;
        load_words(words, bytes);
#pragma GCC unroll 16
        for (int group = 0; group < 16; group++) four_rounds(&current, words, group);
        sum = add(sum, current);
    }
    store(sum, state);
}

ACCELERATED void herd_sha256_update_pair(
    herd_sha256 *first, const uint8_t *first_bytes, herd_sha256 *second,
    const uint8_t *second_bytes, size_t blocks
) {
    lane first_sum = load(first), second_sum = load(second);
    for (; blocks > 0; blocks--, first_bytes += 64, second_bytes += 64) {
        __m128i first_words[4], second_words[4];
        lane first_lane = first_sum, second_lane = second_sum;
        load_words(first_words, first_bytes);
        load_words(second_words, second_bytes);
#pragma GCC unroll 16
        for (int group = 0; group < 16; group++) {
            four_rounds(&first_lane, first_words, group);
            four_rounds(&second_lane, second_words, group);
        }
        first_sum = add(first_sum, first_lane);
        second_sum = add(second_sum, second_lane);
    }
    store(first_sum, first);
    store(second_sum, second);
}

#else

bool herd_sha256_is_accelerated(void) { return false; }

void herd_sha256_update(herd_sha256 *state, const uint8_t *bytes, size_t blocks) {
    (void)state, (void)bytes, (void)blocks;
    __builtin_trap();
}

void herd_sha256_update_pair(
    herd_sha256 *first, const uint8_t *first_bytes, herd_sha256 *second,
    const uint8_t *second_bytes, size_t blocks
) {
    (void)first, (void)first_bytes, (void)second, (void)second_bytes, (void)blocks;
    __builtin_trap();
}

#endif

void herd_sha256_finish(
    herd_sha256 *state, const uint8_t *tail, size_t tail_count, uint64_t message_count,
    uint8_t digest[32]
) {
    uint8_t end[128] = {0};
    if (tail_count > 0) memcpy(end, tail, tail_count);
    end[tail_count] = 0x80;
    // The length, in bits, takes the last eight bytes of the last block; one block more where it does not fit.
    size_t blocks = tail_count < 56 ? 1 : 2;
    uint64_t bits = message_count * 8;
    for (int i = 0; i < 8; i++) end[64 * blocks - 1 - (size_t)i] = (uint8_t)(bits >> (8 * i));
    herd_sha256_update(state, end, blocks);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 4; j++) digest[4 * i + j] = (uint8_t)(state->word[i] >> (24 - 8 * j));
    }
}
