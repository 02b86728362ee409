// SPDX-License-Identifier: Apache-2.0

#include "CChecksum.h"

#include <pthread.h>

// The IEEE polynomial, bits reversed: the least significant bit is that of the highest power.
#define POLYNOMIAL 0xedb88320u

// table[k][b] is the sum of byte b followed by k zero bytes.
static uint32_t table[8][256];
static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static bool accelerated;

#if defined(__x86_64__) && (defined(__clang__) || defined(__GNUC__))
#define HAS_FOLDING 1
#include <immintrin.h>
#endif

static void prepare(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
        table[0][byte] = sum;
    }
    for (int zeros = 1; zeros < 8; zeros++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = table[zeros - 1][byte];
            table[zeros][byte] = (before >> 8) ^ table[0][before & 0xff];
        }
    }
#if HAS_FOLDING
    __builtin_cpu_init();
    accelerated = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#endif
}

// `state` is the inverted sum, here and below. Slicing by eight after Kounavis and Berry (2005).
static uint32_t by_table(uint32_t state, const uint8_t *bytes, size_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint32_t low = state ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8
            | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        state = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff]
            ^ table[4][low >> 24] ^ table[3][bytes[4]] ^ table[2][bytes[5]] ^ table[1][bytes[6]]
            ^ table[0][bytes[7]];
    }
    for (; count > 0; bytes++, count--) state = (state >> 8) ^ table[0][(state ^ *bytes) & 0xff];
    return state;
}

#if HAS_FOLDING

// Folding after Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009).
// The constants are x^n mod P, bit-reflected, for the distance n that a fold carries a lane over.
__attribute__((target("pclmul,sse4.1"))) static inline __m128i fold(
    __m128i lane, __m128i constants, __m128i next
) {
    __m128i low = _mm_clmulepi64_si128(lane, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(lane, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

#define LOAD(offset) _mm_loadu_si128((const __m128i *)(bytes + (offset)))

// `count` is a multiple of 16 and at least 64.
__attribute__((target("pclmul,sse4.1"))) static uint32_t by_folding(
    uint32_t state, const uint8_t *bytes, size_t count
) {
    const __m128i over_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i over_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i over_64 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_word = _mm_setr_epi32(-1, 0, -1, 0);

    __m128i a = _mm_xor_si128(LOAD(0), _mm_cvtsi32_si128((int)state));
    __m128i b = LOAD(16), c = LOAD(32), d = LOAD(48);
    bytes += 64;
    count -= 64;
    for (; count >= 64; bytes += 64, count -= 64) {
        a = fold(a, over_512, LOAD(0));
        b = fold(b, over_512, LOAD(16));
        c = fold(c, over_512, LOAD(32));
        d = fold(d, over_512, LOAD(48));
    }
    a = fold(a, over_128, b);
    a = fold(a, over_128, c);
    a = fold(a, over_128, d);
    for (; count >= 16; bytes += 16, count -= 16) a = fold(a, over_128, LOAD(0));

    // 128 bits to 64, to 32 by Barrett's reduction.
    __m128i rest = _mm_clmulepi64_si128(a, over_128, 0x10);
    a = _mm_xor_si128(_mm_srli_si128(a, 8), rest);
    rest = _mm_srli_si128(a, 4);
    a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low_word), over_64, 0x00), rest);
    rest = _mm_clmulepi64_si128(_mm_and_si128(a, low_word), barrett, 0x10);
    rest = _mm_clmulepi64_si128(_mm_and_si128(rest, low_word), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, rest), 1);
}

#endif

bool herd_crc32_is_accelerated(void) {
    pthread_once(&prepared, prepare);
    return accelerated;
}

uint32_t herd_crc32_portable(uint32_t seed, const uint8_t *bytes, size_t count) {
    pthread_once(&prepared, prepare);
    return ~by_table(~seed, bytes, count);
}

uint32_t herd_crc32(uint32_t seed, const uint8_t *bytes, size_t count) {
    pthread_once(&prepared, prepare);
    uint32_t state = ~seed;
#if HAS_FOLDING
    if (accelerated && count >= 64) {
        size_t folded = count & ~(size_t)15;
        state = by_folding(state, bytes, folded);
        bytes += folded;
        count -= folded;
    }
#endif
    return ~by_table(state, bytes, count);
}

// The product of two polynomials modulo P, bits reversed; `left` is not zero.
static uint32_t multiply(uint32_t left, uint32_t right) {
    uint32_t product = 0;
    for (uint32_t bit = (uint32_t)1 << 31; bit; bit >>= 1) {
        if (left & bit) product ^= right;
        right = (right >> 1) ^ (right & 1 ? POLYNOMIAL : 0);
    }
    return product;
}

uint32_t herd_crc32_combine(uint32_t first, uint32_t second, uint64_t second_count) {
    // The first sum, carried over as many zero bytes: times x to the power of 8 per byte, by repeated squaring.
    uint32_t power = (uint32_t)1 << 23;
    for (; second_count; second_count >>= 1) {
        if (second_count & 1) first = multiply(power, first);
        power = multiply(power, power);
    }
    return first ^ second;
}
