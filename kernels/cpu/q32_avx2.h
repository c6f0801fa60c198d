/* q32_avx2.h - what the kernels of 32-element blocks share: a group of eight
 * blocks, opened.
 *
 * Only for files compiled with AVX2 or more, as vector_avx2.h. dot_q32_avx2.c
 * says why the unit is a group.
 */
#ifndef CPU_Q32_AVX2_H
#define CPU_Q32_AVX2_H

#include "activation.h"
#include "block_size.h"

enum {
    GROUP_BLOCKS = 8,
    BLOCK_BYTES_MAX = 34,
    AHEAD = 4096, /* bytes of weights asked for before they are needed */
};

/* A group of weights: codes[2p] the first halves of blocks 2p and 2p + 1,
 * codes[2p + 1] the second halves; scales and minimums in lane order. */
typedef struct group {
    __m256i codes[8];
    __m256 d, m;
} group;

/* ---- opening: scales ------------------------------------------------------------------------- */

/* Where block b of a group of `count` lies; past the end of the row, codes of
 * 0. Their activations are 0, so the scale does not matter, but the exponent of
 * MXFP4 must not make it subnormal: slow. */
VECTOR_INLINE const uint8_t *block_at(const uint8_t *first, size_t size, size_t b, size_t count)
{
    static const uint8_t absent[BLOCK_BYTES_MAX] = {2};
    return b < count ? first + b * size : absent;
}

/* The first words of eight blocks, block b's at lane ACTIVATION_LANE(b). */
VECTOR_INLINE __m256i words_of_blocks(const uint8_t *first, size_t size, size_t count)
{
    __m256i pair[4];
    for (size_t p = 0; p < 4; p++)
        pair[p] = vector_join16(block_at(first, size, 2 * p, count),
                                block_at(first, size, 2 * p + 1, count));
    return _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(pair[0], pair[1]),
                                 _mm256_unpacklo_epi32(pair[2], pair[3]));
}

/* The lower halves of eight words, then the upper ones, each in lane order. */
VECTOR_INLINE __m256i halves_of_words(__m256i words)
{
    const __m256i split = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0,
                                           1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(words, split), 0xD8);
}

/* e < 2 ? 0x00200000 << e : (e - 1) << 23, as a float: quant_e8m0_half. */
VECTOR_INLINE __m256 powers_of_words(__m256i words)
{
    __m256i e = _mm256_and_si256(words, _mm256_set1_epi32(0xFF));
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    __m256i is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
    return _mm256_castsi256_ps(_mm256_blendv_epi8(small, normal, is_normal));
}

/* ---- opening: codes -------------------------------------------------------------------------- */

VECTOR_INLINE __m256i low_nibbles(__m256i bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

VECTOR_INLINE __m256i high_nibbles(__m256i bytes)
{
    return low_nibbles(_mm256_srli_epi16(bytes, 4));
}

/* 16 in each byte whose bit is set: the low 16 bits of the word of each half,
 * in order. */
VECTOR_INLINE __m256i sixteens_of_bits(__m256i words, int second_half)
{
    const char s = second_half ? 2 : 0, t = second_half ? 3 : 1;
    const __m256i spread = _mm256_setr_epi8(s, s, s, s, s, s, s, s, t, t, t, t, t, t, t, t, s, s, s,
                                            s, s, s, s, s, t, t, t, t, t, t, t, t);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i picked = _mm256_and_si256(_mm256_shuffle_epi8(words, spread), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(picked, bit), _mm256_set1_epi8(16));
}

VECTOR_INLINE __m256i fifth_bits(const uint8_t *a, const uint8_t *b, int second_half)
{
    __m256i words =
        _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_cvtsi32_si128((int)vector_load_u32(a))),
                                _mm_cvtsi32_si128((int)vector_load_u32(b)), 1);
    return sixteens_of_bits(words, second_half);
}

VECTOR_INLINE __m256i values_of_codes(const int8_t values[16], __m256i codes)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(vector_load16(values)), codes);
}

/* How the integer part of a type is computed. */
typedef enum kind {
    NIBBLES,   /* 0..15 */
    FIVE_BITS, /* 0..31, and MXFP4 moved up to 0..24 */
    SIGNED,    /* -128..127 */
} kind;

VECTOR_INLINE kind kind_of(dtype type)
{
    if (type == DTYPE_Q4_0 || type == DTYPE_Q4_1)
        return NIBBLES;
    return type == DTYPE_Q8_0 || type == DTYPE_IQ4_NL ? SIGNED : FIVE_BITS;
}

/* What was added to the codes to make them unsigned. */
VECTOR_INLINE int offset_of(dtype type)
{
    return type == DTYPE_Q4_0 ? 8 : type == DTYPE_Q5_0 ? 16 : type == DTYPE_MXFP4 ? 12 : 0;
}

/* Where the codes of a block begin; fifth bits stand before them. */
VECTOR_INLINE size_t codes_at(dtype type)
{
    return type == DTYPE_Q8_0 ? 2 : block_size(type) - 16;
}

/* The codes of the blocks at a and b. */
VECTOR_INLINE void open_pair(dtype type, const uint8_t *a, const uint8_t *b, __m256i codes[2])
{
    size_t at = codes_at(type);
    __m256i bytes = vector_join16(a + at, b + at);
    if (type == DTYPE_Q8_0) {
        codes[0] = bytes;
        codes[1] = vector_join16(a + at + 16, b + at + 16);
        return;
    }
    codes[0] = low_nibbles(bytes);
    codes[1] = high_nibbles(bytes);
    for (int half = 0; half < 2; half++) {
        if (type == DTYPE_Q5_0 || type == DTYPE_Q5_1)
            codes[half] = _mm256_or_si256(codes[half], fifth_bits(a + at - 4, b + at - 4, half));
        if (type == DTYPE_IQ4_NL)
            codes[half] = values_of_codes(quant_iq4_values, codes[half]);
        if (type == DTYPE_MXFP4)
            codes[half] = _mm256_add_epi8(values_of_codes(quant_mxfp4_values, codes[half]),
                                          _mm256_set1_epi8(12));
    }
}

/* The first `count` blocks of a group; the others are zeros. */
VECTOR_INLINE void open_codes(dtype type, const uint8_t *at, size_t count, group *g)
{
    size_t size = block_size(type);
    for (size_t b = 0; b < GROUP_BLOCKS; b += 2)
        if (b < count)
            open_pair(type, at + b * size, block_at(at, size, b + 1, count), &g->codes[b]);
        else
            g->codes[b] = g->codes[b + 1] = _mm256_setzero_si256();
}

VECTOR_INLINE void open_scales(dtype type, const uint8_t *at, size_t count, group *g)
{
    __m256i words = words_of_blocks(at, block_size(type), count);
    if (type == DTYPE_MXFP4) {
        g->d = powers_of_words(words);
        return;
    }
    __m256i halves = halves_of_words(words);
    g->d = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
    if (has_minimum(type))
        g->m = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
}

#endif
