/* dot_plain_avx2.c - weights of F32, F16 and BF16: see dot.h for the
 * definition.
 *
 * The 32 lanes are four vectors. One column takes all four at once. More
 * columns share the loads (and the widening) of weights, and rows those of
 * activations, in tiles. Three results of four vectors fit into the registers,
 * one row by three columns; or six of two, three rows by two columns, and such
 * a tile goes over its rows twice: the first half's sum is v[0] + v[1], the
 * second's v[2] + v[3], what the definition adds first. The few elements after
 * the last whole 32 go through a copy that is filled up with zeros.
 */
#include "dot_sets.h"
#include "vector_avx2.h"

enum {
    LANES = 32,
    HALF = 16,
    MOST_ROWS = 3,
    MOST_COLUMNS = 3,
};

VECTOR_INLINE size_t size_of(dtype type)
{
    return type == DTYPE_F32 ? 4 : 2;
}

/* Eight weights from any address. */
VECTOR_INLINE __m256 weights_at(dtype type, const uint8_t *at)
{
    if (type == DTYPE_F32)
        return _mm256_castsi256_ps(vector_load32(at));
    if (type == DTYPE_F16)
        return _mm256_cvtph_ps(vector_load16(at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(vector_load16(at)), 16));
}

/* ---- one column ------------------------------------------------------------------------------ */

VECTOR_INLINE void step(dtype type, const uint8_t *w, const float *x, __m256 lanes[4])
{
    for (size_t v = 0; v < 4; v++)
        lanes[v] = _mm256_fmadd_ps(weights_at(type, w + 8 * v * size_of(type)),
                                   _mm256_loadu_ps(x + 8 * v), lanes[v]);
}

VECTOR_INLINE float one_result(dtype type, const uint8_t *row, size_t cols, const float *x)
{
    __m256 lanes[4];
    for (int v = 0; v < 4; v++)
        lanes[v] = _mm256_setzero_ps();
    size_t whole = cols / LANES * LANES, rest = cols - whole;
    for (size_t at = 0; at < whole; at += LANES)
        step(type, row + at * size_of(type), x + at, lanes);
    if (rest) {
        uint8_t weights[LANES * sizeof(float)] = {0};
        float filled[LANES] = {0};
        memcpy(weights, row + whole * size_of(type), rest * size_of(type));
        memcpy(filled, x + whole, rest * sizeof(float));
        step(type, weights, filled, lanes);
    }
    return vector_sum(
        _mm256_add_ps(_mm256_add_ps(lanes[0], lanes[1]), _mm256_add_ps(lanes[2], lanes[3])));
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* Lanes of a tile's results: all four vectors of them, or the first or last
 * two. */
typedef struct tile {
    __m256 v[MOST_ROWS][MOST_COLUMNS][4];
} tile;

/* 8 * vectors elements of each row and column. */
VECTOR_INLINE void tile_step(dtype type, const uint8_t *w, size_t stride, const float *const *x,
                             size_t at, size_t rows, size_t columns, size_t vectors, tile *t)
{
    for (size_t v = 0; v < vectors; v++) {
        __m256 weights[MOST_ROWS];
        for (size_t r = 0; r < rows; r++)
            weights[r] = weights_at(type, w + r * stride + 8 * v * size_of(type));
        for (size_t c = 0; c < columns; c++) {
            __m256 activations = _mm256_loadu_ps(x[c] + at + 8 * v);
            for (size_t r = 0; r < rows; r++)
                t->v[r][c][v] = _mm256_fmadd_ps(weights[r], activations, t->v[r][c][v]);
        }
    }
}

/* The `rest` elements after the last whole step. */
VECTOR_INLINE void last_step(dtype type, const uint8_t *w, size_t stride, const float *const *x,
                             size_t at, size_t rest, size_t rows, size_t columns, size_t vectors,
                             tile *t)
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
    tile_step(type, weights[0], sizeof weights[0], inputs, 0, rows, columns, vectors, t);
}

/* sums[r][c] = v[0] + v[1], of four vectors (v[0] + v[1]) + (v[2] + v[3]), of
 * the lanes from `from` on. ahead: weights that follow are asked for, when a
 * row is first read. */
VECTOR_INLINE void part_of_tile(dtype type, const uint8_t *w, size_t stride, size_t cols,
                                size_t from, size_t vectors, const float *const *x, size_t rows,
                                size_t columns, int ahead, __m256 sums[MOST_ROWS][MOST_COLUMNS])
{
    tile t;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            for (size_t v = 0; v < vectors; v++)
                t.v[r][c][v] = _mm256_setzero_ps();
    size_t whole = cols / LANES * LANES, rest = cols - whole, at = from, most = 8 * vectors;
    for (; at < whole; at += LANES) {
        const uint8_t *weights = w + at * size_of(type);
        for (size_t r = 0; r < rows && ahead && from == 0; r++)
            vector_prefetch_early((uintptr_t)weights + r * stride + DOT_AHEAD, 64);
        tile_step(type, weights, stride, x, at, rows, columns, vectors, &t);
    }
    if (rest > from)
        last_step(type, w + at * size_of(type), stride, x, at,
                  rest - from < most ? rest - from : most, rows, columns, vectors, &t);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            const __m256 *v = t.v[r][c];
            sums[r][c] = _mm256_add_ps(v[0], v[1]);
            if (vectors == 4)
                sums[r][c] = _mm256_add_ps(sums[r][c], _mm256_add_ps(v[2], v[3]));
        }
}

/* Weight rows [r, r + rows) by columns; all lanes at once where the registers
 * hold them. */
VECTOR_INLINE void one_tile(dtype type, const uint8_t *w, size_t stride, size_t cols,
                            const void *const *inputs, float *const *out, size_t r, size_t rows,
                            size_t columns, int ahead)
{
    const float *x[MOST_COLUMNS];
    __m256 low[MOST_ROWS][MOST_COLUMNS], high[MOST_ROWS][MOST_COLUMNS];
    for (size_t c = 0; c < columns; c++)
        x[c] = inputs[c];
    if (rows == 1) {
        part_of_tile(type, w, stride, cols, 0, 4, x, 1, columns, ahead, low);
    } else {
        part_of_tile(type, w, stride, cols, 0, 2, x, rows, columns, ahead, low);
        part_of_tile(type, w, stride, cols, HALF, 2, x, rows, columns, ahead, high);
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < columns; c++)
            out[c][r + i] =
                vector_sum(rows == 1 ? low[i][c] : _mm256_add_ps(low[i][c], high[i][c]));
}

/* All weight rows by one group of columns, which stay in the first cache. The
 * first group finds the weights in memory, the others near. */
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

/* Widening is what tiles of two rows and more save; weights that need none are
 * as well read anew. */
VECTOR_INLINE void all_rows(dtype type, const uint8_t *weight, size_t cols, size_t first,
                            size_t last, const void *const *x, size_t n, float *const *out)
{
    size_t stride = cols * size_of(type), i = 0;
    if (n == 1) {
        for (size_t r = first; r < last; r++)
            out[0][r] = one_result(type, weight + r * stride, cols, x[0]);
        return;
    }
    while (n - i >= 3 && (type == DTYPE_F32 || (n - i) % 2)) {
        if (i == 0)
            group(type, weight, cols, first, last, x, out, 1, 3, 1);
        else
            group(type, weight, cols, first, last, x + i, out + i, 1, 3, 0);
        i += 3;
    }
    for (; i + 2 <= n; i += 2)
        if (type == DTYPE_F32)
            group(type, weight, cols, first, last, x + i, out + i, 1, 2, 0);
        else if (i == 0)
            group(type, weight, cols, first, last, x, out, 3, 2, 1);
        else
            group(type, weight, cols, first, last, x + i, out + i, 3, 2, 0);
    for (; i < n; i++)
        for (size_t r = first; r < last; r++)
            out[i][r] = one_result(type, weight + r * stride, cols, x[i]);
}

#define ROWS(lower, UPPER)                                                                         \
    void dot_avx2_##lower(const void *weight, size_t cols, size_t first, size_t last,              \
                          const void *const *x, size_t n, float *const *out)                       \
    {                                                                                              \
        all_rows(DTYPE_##UPPER, weight, cols, first, last, x, n, out);                             \
    }
ROWS(f32, F32)
ROWS(f16, F16)
ROWS(bf16, BF16)
