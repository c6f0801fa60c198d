/* iq_avx2.h - what the kernels of code book types share: signs, scales.
 *
 * Only for files compiled with AVX2 or more, as vector_avx2.h.
 */
#ifndef CPU_IQ_AVX2_H
#define CPU_IQ_AVX2_H

#include "../iq.h"
#include "block_size.h"

VECTOR_INLINE int iq_is_1(dtype type)
{
    return type == DTYPE_IQ1_S || type == DTYPE_IQ1_M;
}

/* The binary16 scale of a block. */
VECTOR_INLINE uint16_t iq_half(dtype type, const uint8_t *block)
{
    if (type != DTYPE_IQ1_M)
        return vector_load_u16(block);
    uint64_t s;
    memcpy(&s, block + offsetof(block_iq1_m, scales), sizeof s);
    return (uint16_t)((s >> 12 & 0xF) | (s >> 24 & 0xF0) | (s >> 36 & 0xF00) | (s >> 48 & 0xF000));
}

/* Of 32 bytes whose bit 7 is clear: set where the other bits have an odd number of ones. */
VECTOR_INLINE __m256i iq_vector_signs(__m256i seven)
{
    const char o = (char)0x80;
    const __m256i odd = _mm256_setr_epi8(0, o, o, 0, o, 0, 0, o, o, 0, 0, o, 0, o, o, 0, 0, o, o, 0,
                                         o, 0, 0, o, o, 0, 0, o, 0, o, o, 0);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(seven, 4), _mm256_set1_epi8(7));
    return _mm256_or_si256(seven, _mm256_shuffle_epi8(odd, _mm256_xor_si256(seven, high)));
}

/* Four fields of seven bits in each word, moved to its bytes. */
VECTOR_INLINE __m256i iq_seven_bits(__m256i words)
{
    __m256i a = _mm256_and_si256(words, _mm256_set1_epi32(0x7F));
    __m256i b = _mm256_and_si256(_mm256_slli_epi32(words, 1), _mm256_set1_epi32(0x7F00));
    __m256i c = _mm256_and_si256(_mm256_slli_epi32(words, 2), _mm256_set1_epi32(0x7F0000));
    __m256i d = _mm256_and_si256(_mm256_slli_epi32(words, 3), _mm256_set1_epi32(0x7F000000));
    return _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
}

/* 2 scale + 1 of the low and high nibbles of eight bytes, in order. */
VECTOR_INLINE __m128i iq_nibble_scales(__m128i bytes)
{
    const __m128i four = _mm_set1_epi8(15), one = _mm_set1_epi8(1);
    __m128i low = _mm_and_si128(bytes, four), high = _mm_and_si128(_mm_srli_epi16(bytes, 4), four);
    __m128i both = _mm_unpacklo_epi8(low, high);
    return _mm_or_si128(_mm_add_epi8(both, both), one);
}

#endif
