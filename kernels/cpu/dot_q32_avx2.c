/* dot_q32_avx2.c - weights of 32-element blocks: see dot.h for the definition.
 *
 * The unit is a group of eight blocks, because one vector can then hold a sum
 * of each: the codes of blocks 2p and 2p + 1 share vectors (first halves in
 * one, second halves in the other), so three steps of adding neighbours bring
 * eight sums to one vector, in the order ACTIVATION_LANE, and the float steps
 * cost one instruction for eight blocks. Codes are unsigned where possible,
 * their offset taken off the sums; int16 sums are widened just before they
 * could overflow:
 *
 *     codes      pair of products   two halves   four   eight
 *     0..15           3810             7620      15240  30480    widened last
 *     0..31           7874            15748      31496           widened before
 * the last step -128..127      32512 widened at once
 *
 * In a row's last, incomplete group absent blocks are read from a block of
 * zeros, so nothing is read outside the row. A row is opened once for all
 * columns; with one column all of it stays in registers.
 */
#include "dot_sets.h"
#include "q32_avx2.h"

/* ---- multiplying ----------------------------------------------------------------------------- */

/* Neighbouring quadwords of two vectors added: a halving step within 128-bit
 * halves. */
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

/* The products of one pair of blocks, added as far as int16 (SIGNED: int32)
 * allows. */
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

/* The sums of the first `count` blocks of a group, in lane order; the others
 * are 0. */
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

/* ---- rows ------------------------------------------------------------------------------------ */

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

/* The last, incomplete group: one constant count in each branch, so that
 * nothing is computed for absent blocks. */
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
    size_t bytes = GROUP_BLOCKS * block_size(type), whole = blocks / GROUP_BLOCKS;
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
    size_t blocks = cols / 32, stride = blocks * block_size(type);
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
