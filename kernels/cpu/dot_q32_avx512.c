/* dot_q32_avx512.c - weights of 32-element blocks with VNNI: see dot.h for the
 * definition.
 *
 * The groups of dot_q32_avx2.c, two weight rows side by side in one wide
 * vector. VPDPBUSD multiplies unsigned codes with activations and adds four
 * products into 32 bits, exactly (it is the form that does not saturate: the
 * largest sum of a block, of codes up to 255, is 32 * 255 * 127). So codes that
 * have a sign get one of 128 more, and all offsets come off again with the sum
 * of the activations.
 *
 * All of it is integer until the sums are scaled, lane by lane, as the
 * definition has it.
 */
#include "dot_sets_avx512.h"
#include "q32_avx2.h"

/* A group of two rows: the first in the lower halves. */
typedef struct two_groups {
    __m512i codes[8];
    __m512 d, m;
} two_groups;

/* ---- opening --------------------------------------------------------------------------------- */

VECTOR_INLINE __m512i join(__m256i low, __m256i high)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

VECTOR_INLINE __m512 join_floats(__m256 low, __m256 high)
{
    return _mm512_castsi512_ps(join(_mm256_castps_si256(low), _mm256_castps_si256(high)));
}

VECTOR_INLINE void open_rows(dtype type, const uint8_t *first, const uint8_t *second, size_t count,
                             two_groups *g)
{
    group low, high;
    open_codes(type, first, count, &low);
    open_codes(type, second, count, &high);
    open_scales(type, first, count, &low);
    open_scales(type, second, count, &high);
    for (size_t i = 0; i < 8; i++) {
        g->codes[i] = join(low.codes[i], high.codes[i]);
        if (kind_of(type) == SIGNED) /* 128 more */
            g->codes[i] = _mm512_xor_si512(g->codes[i], _mm512_set1_epi8((char)0x80));
    }
    g->d = join_floats(low.d, high.d);
    if (has_minimum(type))
        g->m = join_floats(low.m, high.m);
}

/* ---- multiplying ----------------------------------------------------------------------------- */

/* The same 32 bytes for both rows. */
VECTOR_INLINE __m512i for_both(const void *bytes)
{
    return _mm512_broadcast_i64x4(vector_load32(bytes));
}

VECTOR_INLINE __m512 floats_for_both(const float *values)
{
    return _mm512_castsi512_ps(for_both(values));
}

/* Neighbouring quadwords, then double words, of two vectors added within
 * 128-bit parts. */
VECTOR_INLINE __m512i halve64(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

VECTOR_INLINE __m512i halve32(__m512i a, __m512i b)
{
    __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xDD)));
}

VECTOR_INLINE __m512i products_of_pair(const __m512i codes[2], const int8_t *a)
{
    __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), codes[0], for_both(a));
    return _mm512_dpbusd_epi32(sum, codes[1], for_both(a + 32));
}

/* What the offset of the codes adds to the sums, from those of the activations.
 */
VECTOR_INLINE __m512i offset_times(dtype type, __m512i sums)
{
    if (kind_of(type) == SIGNED)
        return _mm512_slli_epi32(sums, 7);
    if (type == DTYPE_Q4_0)
        return _mm512_slli_epi32(sums, 3);
    if (type == DTYPE_Q5_0)
        return _mm512_slli_epi32(sums, 4);
    return _mm512_add_epi32(_mm512_slli_epi32(sums, 3), _mm512_slli_epi32(sums, 2)); /* MXFP4 */
}

VECTOR_INLINE __m512 step(dtype type, const two_groups *g, size_t count, const activation_q32 *a,
                          __m512 lanes)
{
    __m512i t[4];
    for (size_t p = 0; p < 4; p++)
        t[p] = 2 * p < count ? products_of_pair(&g->codes[2 * p], a->q + 64 * p)
                             : _mm512_setzero_si512();
    __m512i sums = halve32(halve64(t[0], t[1]), halve64(t[2], t[3]));
    if (offset_of(type) || kind_of(type) == SIGNED)
        sums = _mm512_sub_epi32(sums, offset_times(type, for_both(a->sum)));
    __m512 d = _mm512_mul_ps(g->d, floats_for_both(a->scale));
    lanes = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sums), lanes);
    if (has_minimum(type))
        lanes = _mm512_fmadd_ps(g->m, floats_for_both(a->offset), lanes);
    return lanes;
}

/* ---- rows ------------------------------------------------------------------------------------ */

VECTOR_INLINE void one_group(dtype type, const uint8_t *first, const uint8_t *second, size_t count,
                             const void *const *x, size_t n, size_t k, __m512 *lanes)
{
    two_groups g;
    open_rows(type, first, second, count, &g);
    for (size_t i = 0; i < n; i++)
        lanes[i] = step(type, &g, count, (const activation_q32 *)x[i] + k, lanes[i]);
}

/* The last, incomplete group: one constant count in each branch. */
VECTOR_INLINE void last_group(dtype type, const uint8_t *first, const uint8_t *second, size_t count,
                              const void *const *x, size_t n, size_t k, __m512 *lanes)
{
#define LAST(constant)                                                                             \
    if (count == (constant)) {                                                                     \
        one_group(type, first, second, constant, x, n, k, lanes);                                  \
        return;                                                                                    \
    }
    LAST(1) LAST(2) LAST(3) LAST(4) LAST(5) LAST(6) LAST(7)
#undef LAST
}

/* Rows r and r + 1 (the same one twice where there is no other) by n columns.
 */
VECTOR_INLINE void two_rows(dtype type, const uint8_t *first, const uint8_t *second, size_t blocks,
                            const void *const *x, size_t n, __m512 *lanes)
{
    size_t bytes = GROUP_BLOCKS * block_size(type), whole = blocks / GROUP_BLOCKS;
    for (size_t i = 0; i < n; i++)
        lanes[i] = _mm512_setzero_ps();
    for (size_t k = 0; k < whole; k++) {
        vector_prefetch((uintptr_t)first + k * bytes + AHEAD, bytes);
        vector_prefetch((uintptr_t)second + k * bytes + AHEAD, bytes);
        one_group(type, first + k * bytes, second + k * bytes, GROUP_BLOCKS, x, n, k, lanes);
    }
    if (blocks % GROUP_BLOCKS)
        last_group(type, first + whole * bytes, second + whole * bytes, blocks % GROUP_BLOCKS, x, n,
                   whole, lanes);
}

VECTOR_INLINE void rows(dtype type, const uint8_t *weight, size_t cols, size_t first, size_t last,
                        const void *const *x, size_t n, float *const *out)
{
    size_t blocks = cols / 32, stride = blocks * block_size(type);
    for (size_t r = first; r < last; r += 2) {
        __m512 lanes[DOT_COLUMNS];
        const uint8_t *row = weight + r * stride, *other = r + 1 < last ? row + stride : row;
        if (n == 1)
            two_rows(type, row, other, blocks, x, 1, lanes);
        else
            two_rows(type, row, other, blocks, x, n, lanes);
        for (size_t i = 0; i < n; i++) {
            __m512d both = _mm512_castps_pd(lanes[i]);
            out[i][r] = vector_sum(_mm512_castps512_ps256(lanes[i]));
            if (r + 1 < last)
                out[i][r + 1] = vector_sum(_mm256_castpd_ps(_mm512_extractf64x4_pd(both, 1)));
        }
    }
}

#define ROWS(lower, UPPER)                                                                         \
    void dot_avx512_##lower(const void *weight, size_t cols, size_t first, size_t last,            \
                            const void *const *x, size_t n, float *const *out)                     \
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
