/* dot_plain_avx512.c - weights of F32, F16 and BF16 with wide vectors: see
 * dot.h for the definition.
 *
 * The 32 lanes are two vectors, so twelve results fit into the registers: a
 * tile of four weight rows by three columns, in which each load of weights (and
 * its widening) serves all columns and each load of activations all rows. The
 * columns of one group stay in the first cache while the weight rows go by. A
 * tile changes which results are computed side by side, never the order inside
 * one.
 *
 * A single column is bound by memory: there the kernels for AVX2 are as good.
 */
#include "dot_sets_avx512.h"
#include "vector_avx2.h"

enum {
    LANES = 32,
    MOST_ROWS = 4,
    MOST_COLUMNS = 3,
};

VECTOR_INLINE size_t size_of(dtype type)
{
    return type == DTYPE_F32 ? 4 : 2;
}

/* Sixteen weights from any address. */
VECTOR_INLINE __m512 weights_at(dtype type, const uint8_t *at)
{
    if (type == DTYPE_F32)
        return _mm512_loadu_ps(at);
    if (type == DTYPE_F16)
        return _mm512_cvtph_ps(vector_load32(at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(vector_load32(at)), 16));
}

/* The lanes of a tile's results. */
typedef struct tile {
    __m512 v[MOST_ROWS][MOST_COLUMNS][2];
} tile;

/* 32 elements of each row and column. */
VECTOR_INLINE void step(dtype type, const uint8_t *w, size_t stride, const float *const *x,
                        size_t at, size_t rows, size_t columns, tile *t)
{
    for (size_t half = 0; half < 2; half++) {
        __m512 activations[MOST_COLUMNS];
        for (size_t c = 0; c < columns; c++)
            activations[c] = _mm512_loadu_ps(x[c] + at + 16 * half);
        for (size_t r = 0; r < rows; r++) {
            __m512 weights = weights_at(type, w + r * stride + 16 * half * size_of(type));
            for (size_t c = 0; c < columns; c++)
                t->v[r][c][half] = _mm512_fmadd_ps(weights, activations[c], t->v[r][c][half]);
        }
    }
}

/* The elements after the last whole 32, filled up with zeros. */
VECTOR_INLINE void last_step(dtype type, const uint8_t *w, size_t stride, const float *const *x,
                             size_t at, size_t rest, size_t rows, size_t columns, tile *t)
{
    uint8_t weights[MOST_ROWS][LANES * sizeof(float)] = {{0}};
    float filled[MOST_COLUMNS][LANES] = {{0}};
    const float *inputs[MOST_COLUMNS];
    for (size_t r = 0; r < rows; r++)
        memcpy(weights[r], w + r * stride, rest * size_of(type));
    for (size_t c = 0; c < columns; c++) {
        memcpy(filled[c], x[c] + at, rest * sizeof(float));
        inputs[c] = filled[c];
    }
    step(type, weights[0], sizeof weights[0], inputs, 0, rows, columns, t);
}

VECTOR_INLINE __m256 halves_added(__m512 v)
{
    return _mm256_add_ps(_mm512_castps512_ps256(v),
                         _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
}

/* Weight rows [r, r + rows) by columns. */
VECTOR_INLINE void one_tile(dtype type, const uint8_t *w, size_t stride, size_t cols,
                            const void *const *inputs, float *const *out, size_t r, size_t rows,
                            size_t columns, int ahead)
{
    const float *x[MOST_COLUMNS];
    tile t;
    for (size_t c = 0; c < columns; c++) {
        x[c] = inputs[c];
        for (size_t i = 0; i < rows; i++)
            t.v[i][c][0] = t.v[i][c][1] = _mm512_setzero_ps();
    }
    size_t whole = cols / LANES * LANES;
    for (size_t at = 0; at < whole; at += LANES) {
        const uint8_t *weights = w + at * size_of(type);
        for (size_t i = 0; i < rows && ahead; i++)
            vector_prefetch_early((uintptr_t)weights + i * stride + DOT_AHEAD, 64);
        step(type, weights, stride, x, at, rows, columns, &t);
    }
    if (cols > whole)
        last_step(type, w + whole * size_of(type), stride, x, whole, cols - whole, rows, columns,
                  &t);
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < columns; c++)
            out[c][r + i] =
                vector_sum(_mm256_add_ps(halves_added(t.v[i][c][0]), halves_added(t.v[i][c][1])));
}

/* All weight rows by one group of columns. The first group finds the weights in
 * memory, the others near. */
VECTOR_INLINE void group(dtype type, const uint8_t *weight, size_t cols, size_t first, size_t last,
                         const void *const *x, float *const *out, size_t rows, size_t columns,
                         int ahead)
{
    size_t stride = cols * size_of(type), r = first;
    for (; r + rows <= last; r += rows)
        one_tile(type, weight + r * stride, stride, cols, x, out, r, rows, columns, ahead);
    for (; r < last; r++)
        one_tile(type, weight + r * stride, stride, cols, x, out, r, 1, columns, ahead);
}

VECTOR_INLINE void all_rows(dtype type, const uint8_t *weight, size_t cols, size_t first,
                            size_t last, const void *const *x, size_t n, float *const *out)
{
    size_t i = n == 2 || n == 4 ? 2 : 3; /* threes and twos, never one alone */
    if (i == 2)
        group(type, weight, cols, first, last, x, out, 4, 2, 1);
    else
        group(type, weight, cols, first, last, x, out, 4, 3, 1);
    while (i < n)
        if (n - i == 2 || n - i == 4) {
            group(type, weight, cols, first, last, x + i, out + i, 4, 2, 0);
            i += 2;
        } else {
            group(type, weight, cols, first, last, x + i, out + i, 4, 3, 0);
            i += 3;
        }
}

#define ROWS(lower, UPPER)                                                                         \
    void dot_avx512_##lower(const void *weight, size_t cols, size_t first, size_t last,            \
                            const void *const *x, size_t n, float *const *out)                     \
    {                                                                                              \
        if (n == 1)                                                                                \
            dot_avx2_##lower(weight, cols, first, last, x, n, out);                                \
        else                                                                                       \
            all_rows(DTYPE_##UPPER, weight, cols, first, last, x, n, out);                         \
    }
ROWS(f32, F32)
ROWS(f16, F16)
ROWS(bf16, BF16)
