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

static inline uint32_t rotate(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

static inline uint32_t load_word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void store_word(uint32_t word, uint8_t *bytes) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

// One block, as FIPS 180-4 section 6.2.2 writes it; its variables a to h are V(0) to V(7).
static void take_block(uint32_t state[8], const uint8_t *block) {
    uint32_t words[64], v[8];
    for (int i = 0; i < 16; i++) words[i] = load_word(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t early = words[i - 15], late = words[i - 2];
        uint32_t sigma0 = rotate(early, 7) ^ rotate(early, 18) ^ early >> 3;
        uint32_t sigma1 = rotate(late, 17) ^ rotate(late, 19) ^ late >> 10;
        words[i] = words[i - 16] + sigma0 + words[i - 7] + sigma1;
    }
    memcpy(v, state, sizeof v);
    // Each round renames all eight; here their places move instead.
#define V(n) v[((n) - i) & 7]
#pragma GCC unroll 64
    for (int i = 0; i < 64; i++) {
        uint32_t sum1 = rotate(V(4), 6) ^ rotate(V(4), 11) ^ rotate(V(4), 25);
        uint32_t choice = (V(4) & V(5)) ^ (~V(4) & V(6));
        uint32_t first = V(7) + sum1 + choice + round_constants[i] + words[i];
        uint32_t sum0 = rotate(V(0), 2) ^ rotate(V(0), 13) ^ rotate(V(0), 22);
        uint32_t majority = (V(0) & V(1)) ^ (V(0) & V(2)) ^ (V(1) & V(2));
        V(3) += first;
        V(7) = first + sum0 + majority;
    }
#undef V
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void herd_sha256_update_portable(herd_sha256 *state, const uint8_t *bytes, size_t blocks) {
    for (; blocks > 0; blocks--, bytes += 64) take_block(state->word, bytes);
}

#if defined(__x86_64__) && (defined(__clang__) || defined(__GNUC__))

#include <cpuid.h>
#include <immintrin.h>

#define ACCELERATED __attribute__((target("sha,sse4.1")))

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

ACCELERATED static void update(herd_sha256 *state, const uint8_t *bytes, size_t blocks) {
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

ACCELERATED static void update_pair(
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

static void update(herd_sha256 *state, const uint8_t *bytes, size_t blocks) {
    herd_sha256_update_portable(state, bytes, blocks);
}

static void update_pair(
    herd_sha256 *first, const uint8_t *first_bytes, herd_sha256 *second,
    const uint8_t *second_bytes, size_t blocks
) {
    herd_sha256_update_portable(first, first_bytes, blocks);
    herd_sha256_update_portable(second, second_bytes, blocks);
}

#endif

// Whether the instructions are there, looked up once; the same answer from every thread, so no order is needed.
static bool is_accelerated(void) {
    static _Atomic int known = -1;
    int answer = known;
    if (answer < 0) known = answer = herd_sha256_is_accelerated();
    return answer > 0;
}

void herd_sha256_update(herd_sha256 *state, const uint8_t *bytes, size_t blocks) {
    if (is_accelerated()) update(state, bytes, blocks);
    else herd_sha256_update_portable(state, bytes, blocks);
}

void herd_sha256_update_pair(
    herd_sha256 *first, const uint8_t *first_bytes, herd_sha256 *second,
    const uint8_t *second_bytes, size_t blocks
) {
    if (is_accelerated()) return update_pair(first, first_bytes, second, second_bytes, blocks);
    herd_sha256_update_portable(first, first_bytes, blocks);
    herd_sha256_update_portable(second, second_bytes, blocks);
}

herd_sha256 herd_sha256_load(const uint8_t bytes[32]) {
    herd_sha256 state;
    for (int i = 0; i < 8; i++) state.word[i] = load_word(bytes + 4 * i);
    return state;
}

void herd_sha256_store(const herd_sha256 *state, uint8_t bytes[32]) {
    for (int i = 0; i < 8; i++) store_word(state->word[i], bytes + 4 * i);
}

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
    herd_sha256_store(state, digest);
}
