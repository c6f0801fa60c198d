/* dot_plain_avx2.c - weights of F32, F16 and BF16: see dot.h for the definition.
 *
 * The 32 lanes are four vectors. The few elements after the last whole 32 go through a copy that is
 * filled up with zeros. Several columns share the loads (and the widening) of a weight row: up to
 * three at a time, which is what the registers hold.
 */
#include "dot_sets.h"
#include "vector_avx2.h"

enum { LANES = 32, TOGETHER = 3 };

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

typedef struct lanes {
    __m256 v[4];
} lanes;

/* n columns of 32 elements each. */
VECTOR_INLINE void step(dtype type, const uint8_t *w, const float *const *x, size_t at, size_t n,
                        lanes *acc)
{
    for (size_t v = 0; v < 4; v++) {
        __m256 weights = weights_at(type, w + 8 * v * size_of(type));
        for (size_t i = 0; i < n; i++)
            acc[i].v[v] = _mm256_fmadd_ps(weights, _mm256_loadu_ps(x[i] + at + 8 * v), acc[i].v[v]);
    }
}

VECTOR_INLINE void one_row(dtype type, const uint8_t *row, size_t cols, const void *const *inputs,
                           size_t n, float *const *out, size_t r)
{
    const float *x[TOGETHER];
    lanes acc[TOGETHER];
    for (size_t i = 0; i < n; i++) {
        x[i] = inputs[i];
        for (int v = 0; v < 4; v++)
            acc[i].v[v] = _mm256_setzero_ps();
    }
    size_t whole = cols / LANES * LANES, rest = cols - whole;
    for (size_t at = 0; at < whole; at += LANES)
        step(type, row + at * size_of(type), x, at, n, acc);
    if (rest) {
        uint8_t weights[LANES * sizeof(float)] = {0};
        float filled[TOGETHER][LANES] = {{0}};
        memcpy(weights, row + whole * size_of(type), rest * size_of(type));
        for (size_t i = 0; i < n; i++) {
            memcpy(filled[i], x[i] + whole, rest * sizeof(float));
            x[i] = filled[i];
        }
        step(type, weights, x, 0, n, acc);
    }
    for (size_t i = 0; i < n; i++)
        out[i][r] = vector_sum(_mm256_add_ps(_mm256_add_ps(acc[i].v[0], acc[i].v[1]),
                                             _mm256_add_ps(acc[i].v[2], acc[i].v[3])));
}

VECTOR_INLINE void rows(dtype type, const uint8_t *weight, size_t cols, size_t first, size_t last,
                        const void *const *x, size_t n, float *const *out)
{
    size_t stride = cols * size_of(type);
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = weight + r * stride;
        size_t i = 0;
        for (; i + 3 <= n; i += 3)
            one_row(type, row, cols, x + i, 3, out + i, r);
        if (n - i == 2)
            one_row(type, row, cols, x + i, 2, out + i, r);
        if (n - i == 1)
            one_row(type, row, cols, x + i, 1, out + i, r);
    }
}

#define ROWS(lower, UPPER)                                                                         \
    void dot_avx2_##lower(const void *weight, size_t cols, size_t first, size_t last,              \
                          const void *const *x, size_t n, float *const *out)                       \
    {                                                                                              \
        rows(DTYPE_##UPPER, weight, cols, first, last, x, n, out);                                 \
    }
ROWS(f32, F32)
ROWS(f16, F16)
ROWS(bf16, BF16)
