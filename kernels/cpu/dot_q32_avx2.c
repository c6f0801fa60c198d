/* dot_q32_avx2.c - weights of 32-element blocks: see dot.h for the definition.
 *
 * The unit is a group of eight blocks, because one vector can then hold a sum of each: the codes of
 * blocks 2p and 2p + 1 share vectors (first halves in one, second halves in the other), so three
 * steps of adding neighbours bring eight sums to one vector, in the order ACTIVATION_LANE, and the
 * float steps cost one instruction for eight blocks. Codes are unsigned where possible, their
 * offset taken off the sums; int16 sums are widened just before they could overflow:
 *
 *     codes      pair of products   two halves   four   eight
 *     0..15           3810             7620      15240  30480    widened last
 *     0..31           7874            15748      31496           widened before the last step
 *     -128..127      32512                                       widened at once
 *
 * In a row's last, incomplete group absent blocks are read from a block of zeros, so nothing is
 * read outside the row. A row is opened once for all columns; with one column all of it stays in
 * registers.
 */
#include "dot_sets.h"
#include "vector_avx2.h"

enum {
    GROUP_BLOCKS = 8,
    BLOCK_BYTES_MAX = 34,
    AHEAD = 4096, /* bytes of weights asked for before they are needed */
};

/* A group of weights: codes[2p] the first halves of blocks 2p and 2p + 1, codes[2p + 1] the second
 * halves; scales and minimums in lane order. */
typedef struct group {
    __m256i codes[8];
    __m256 d, m;
} group;

/* ---- opening: scales ------------------------------------------------------------------------------ */

/* Where block b of a group of `count` lies; past the end of the row, codes of 0. Their activations
 * are 0, so the scale does not matter, but the exponent of MXFP4 must not make it subnormal: slow. */
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

/* ---- opening: codes ------------------------------------------------------------------------------- */

VECTOR_INLINE __m256i low_nibbles(__m256i bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

VECTOR_INLINE __m256i high_nibbles(__m256i bytes)
{
    return low_nibbles(_mm256_srli_epi16(bytes, 4));
}

/* 16 in each byte whose bit is set: the low 16 bits of the word of each half, in order. */
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

VECTOR_INLINE int has_minimum(dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1;
}

/* Bytes of a block, and where its codes and fifth bits begin. */
VECTOR_INLINE size_t size_of(dtype type)
{
    switch ((int)type) {
    case DTYPE_Q4_1:
        return sizeof(block_q4_1);
    case DTYPE_Q5_0:
        return sizeof(block_q5_0);
    case DTYPE_Q5_1:
        return sizeof(block_q5_1);
    case DTYPE_Q8_0:
        return sizeof(block_q8_0);
    case DTYPE_MXFP4:
        return sizeof(block_mxfp4);
    default:
        return sizeof(block_q4_0); /* and IQ4_NL */
    }
}

VECTOR_INLINE size_t codes_at(dtype type)
{
    return type == DTYPE_Q8_0 ? 2 : size_of(type) - 16;
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
    size_t size = size_of(type);
    for (size_t b = 0; b < GROUP_BLOCKS; b += 2)
        if (b < count)
            open_pair(type, at + b * size, block_at(at, size, b + 1, count), &g->codes[b]);
        else
            g->codes[b] = g->codes[b + 1] = _mm256_setzero_si256();
}

VECTOR_INLINE void open_scales(dtype type, const uint8_t *at, size_t count, group *g)
{
    __m256i words = words_of_blocks(at, size_of(type), count);
    if (type == DTYPE_MXFP4) {
        g->d = powers_of_words(words);
        return;
    }
    __m256i halves = halves_of_words(words);
    g->d = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
    if (has_minimum(type))
        g->m = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
}

/* ---- multiplying ---------------------------------------------------------------------------------- */

/* Neighbouring quadwords of two vectors added: a halving step within 128-bit halves. */
VECTOR_INLINE __m256i halve64_16(__m256i a, __m256i b)
{
    return _mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

VECTOR_INLINE __m256i halve64_32(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

#define SHUFFLE(a, b, order)                                                                       \
    _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), order))

/* The same for the double words of four blocks. */
VECTOR_INLINE __m256i halve32_16(__m256i a, __m256i b)
{
    return _mm256_add_epi16(SHUFFLE(a, b, 0x88), SHUFFLE(a, b, 0xDD));
}

VECTOR_INLINE __m256i halve32_32(__m256i a, __m256i b)
{
    return _mm256_add_epi32(SHUFFLE(a, b, 0x88), SHUFFLE(a, b, 0xDD));
}

/* The products of one pair of blocks, added as far as int16 (SIGNED: int32) allows. */
VECTOR_INLINE __m256i products_of_pair(kind k, const __m256i codes[2], const int8_t *a)
{
    __m256i a0 = vector_load32(a), a1 = vector_load32(a + 32);
    if (k != SIGNED)
        return _mm256_add_epi16(_mm256_maddubs_epi16(codes[0], a0),
                                _mm256_maddubs_epi16(codes[1], a1));
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i p0 = _mm256_maddubs_epi16(_mm256_abs_epi8(codes[0]), _mm256_sign_epi8(a0, codes[0]));
    __m256i p1 = _mm256_maddubs_epi16(_mm256_abs_epi8(codes[1]), _mm256_sign_epi8(a1, codes[1]));
    return _mm256_add_epi32(_mm256_madd_epi16(p0, ones), _mm256_madd_epi16(p1, ones));
}

/* The sums of the first `count` blocks of a group, in lane order; the others are 0. */
VECTOR_INLINE __m256i sums_of_group(kind k, const group *g, size_t count, const activation_q32 *a)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i t[4];
    for (size_t p = 0; p < 4; p++)
        t[p] = 2 * p < count ? products_of_pair(k, &g->codes[2 * p], a->q + 64 * p)
                             : _mm256_setzero_si256();
    if (k == SIGNED)
        return halve32_32(halve64_32(t[0], t[1]), halve64_32(t[2], t[3]));
    __m256i u0 = halve64_16(t[0], t[1]), u1 = halve64_16(t[2], t[3]);
    if (k == NIBBLES)
        return _mm256_madd_epi16(halve32_16(u0, u1), ones);
    return halve32_32(_mm256_madd_epi16(u0, ones), _mm256_madd_epi16(u1, ones));
}

VECTOR_INLINE __m256 step(dtype type, const group *g, size_t count, const activation_q32 *a,
                          __m256 lanes)
{
    __m256i sums = sums_of_group(kind_of(type), g, count, a);
    if (offset_of(type)) {
        __m256i all = vector_load32(a->sum);
        sums = _mm256_sub_epi32(sums, _mm256_mullo_epi32(all, _mm256_set1_epi32(offset_of(type))));
    }
    __m256 d = _mm256_mul_ps(g->d, _mm256_load_ps(a->scale));
    lanes = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(sums), lanes);
    if (has_minimum(type))
        lanes = _mm256_fmadd_ps(g->m, _mm256_load_ps(a->offset), lanes);
    return lanes;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

/* One group of a row by n columns. */
VECTOR_INLINE void one_group(dtype type, const uint8_t *at, size_t count, const void *const *x,
                             size_t n, size_t k, __m256 *lanes)
{
    group g;
    open_codes(type, at, count, &g);
    open_scales(type, at, count, &g);
    for (size_t i = 0; i < n; i++)
        lanes[i] = step(type, &g, count, (const activation_q32 *)x[i] + k, lanes[i]);
}

/* The last, incomplete group: one constant count in each branch, so that nothing is computed for
 * absent blocks. */
VECTOR_INLINE void last_group(dtype type, const uint8_t *at, size_t count, const void *const *x,
                              size_t n, size_t k, __m256 *lanes)
{
#define LAST(constant)                                                                             \
    if (count == (constant)) {                                                                     \
        one_group(type, at, constant, x, n, k, lanes);                                             \
        return;                                                                                    \
    }
    LAST(1) LAST(2) LAST(3) LAST(4) LAST(5) LAST(6) LAST(7)
#undef LAST
}

/* One row by n columns. The lanes of a single column stay in a register. */
VECTOR_INLINE void one_row(dtype type, const uint8_t *row, size_t blocks, const void *const *x,
                           size_t n, float *const *out, size_t r)
{
    size_t bytes = GROUP_BLOCKS * size_of(type), whole = blocks / GROUP_BLOCKS;
    __m256 lanes[DOT_COLUMNS];
    for (size_t i = 0; i < n; i++)
        lanes[i] = _mm256_setzero_ps();
    for (size_t k = 0; k < whole; k++) {
        vector_prefetch((uintptr_t)row + k * bytes + AHEAD, bytes);
        one_group(type, row + k * bytes, GROUP_BLOCKS, x, n, k, lanes);
    }
    if (blocks % GROUP_BLOCKS)
        last_group(type, row + whole * bytes, blocks % GROUP_BLOCKS, x, n, whole, lanes);
    for (size_t i = 0; i < n; i++)
        out[i][r] = vector_sum(lanes[i]);
}

VECTOR_INLINE void rows(dtype type, const uint8_t *weight, size_t cols, size_t first, size_t last,
                        const void *const *x, size_t n, float *const *out)
{
    size_t blocks = cols / 32, stride = blocks * size_of(type);
    for (size_t r = first; r < last; r++) {
        if (n == 1)
            one_row(type, weight + r * stride, blocks, x, 1, out, r);
        else
            one_row(type, weight + r * stride, blocks, x, n, out, r);
    }
}

#define ROWS(lower, UPPER)                                                                         \
    void dot_avx2_##lower(const void *weight, size_t cols, size_t first, size_t last,              \
                          const void *const *x, size_t n, float *const *out)                       \
    {                                                                                              \
        rows(DTYPE_##UPPER, weight, cols, first, last, x, n, out);                                 \
    }
ROWS(q4_0, Q4_0)
ROWS(q4_1, Q4_1)
ROWS(q5_0, Q5_0)
ROWS(q5_1, Q5_1)
ROWS(q8_0, Q8_0)
ROWS(iq4_nl, IQ4_NL)
ROWS(mxfp4, MXFP4)
