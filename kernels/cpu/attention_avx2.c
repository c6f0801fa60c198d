/* attention_avx2.c - the inner loops of attention on eight lanes, bit-equal to the baseline.
 *
 * score takes eight positions at once, one accumulator each: the eight sums are then folded together
 * by two rounds of horizontal adds, which pair the lanes just as attention_fold() does. blend keeps
 * 64 elements of the accumulator in registers while all positions of the tile pass.
 */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "attention.h"

/* ---- storage types -------------------------------------------------------------------------- */

static void widen_half(const void *stored, float *out, size_t n)
{
    const char *from = stored;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(from + 2 * i))));
    dequantize_row(DTYPE_F16, from + 2 * i, out + i, n - i);
}

static void widen_q8(const void *stored, float *out, size_t n)
{
    const block_q8_0 *blocks = stored;
    for (size_t b = 0; b < n / 32; b++) {
        __m256 d = _mm256_set1_ps(_cvtsh_ss(blocks[b].d));
        for (size_t i = 0; i < 32; i += 8) {
            __m128i bytes = _mm_loadl_epi64((const void *)(blocks[b].qs + i));
            __m256 codes = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
            _mm256_storeu_ps(out + 32 * b + i, _mm256_mul_ps(d, codes));
        }
    }
}

static void widen(dtype type, const void *stored, float *out, size_t n)
{
    if (type == DTYPE_F16)
        widen_half(stored, out, n);
    else if (type == DTYPE_Q8_0)
        widen_q8(stored, out, n);
    else
        memcpy(out, stored, n * sizeof *out);
}

static void narrow(dtype type, const float *x, void *to, size_t n)
{
    size_t i = 0;
    if (type != DTYPE_F16) {
        quantize_row(type, x, to, n);
        return;
    }
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((void *)((char *)to + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    quantize_row(type, x + i, (char *)to + 2 * i, n - i);
}

/* ---- scores --------------------------------------------------------------------------------- */

static float score_one(const float *q, const float *key, size_t dim, __m256 sum, size_t from)
{
    float lanes[8];
    for (; from + 8 <= dim; from += 8)
        sum = _mm256_fmadd_ps(_mm256_loadu_ps(q + from), _mm256_loadu_ps(key + from), sum);
    _mm256_storeu_ps(lanes, sum);
    for (size_t i = from; i < dim; i++)
        lanes[i - from] = fmaf(q[i], key[i], lanes[i - from]);
    return attention_fold(lanes);
}

/* The folds of eight accumulators, in order. */
static __m256 fold_eight(const __m256 sums[8])
{
    __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(sums[0], sums[1]), _mm256_hadd_ps(sums[2], sums[3]));
    __m256 high =
        _mm256_hadd_ps(_mm256_hadd_ps(sums[4], sums[5]), _mm256_hadd_ps(sums[6], sums[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                         _mm256_permute2f128_ps(low, high, 0x31));
}

static void score(const float *q, const float *keys, size_t dim, int positions, float scale,
                  float *scores)
{
    if (positions < 8 || dim % 8 != 0) {
        for (int j = 0; j < positions; j++)
            scores[j] = score_one(q, keys + (size_t)j * dim, dim, _mm256_setzero_ps(), 0) * scale;
        return;
    }
    __m256 sums[8];
    for (size_t j = 0; j < 8; j++)
        sums[j] = _mm256_setzero_ps();
    for (size_t i = 0; i < dim; i += 8) {
        __m256 part = _mm256_loadu_ps(q + i);
        for (size_t j = 0; j < 8; j++)
            sums[j] = _mm256_fmadd_ps(part, _mm256_loadu_ps(keys + j * dim + i), sums[j]);
    }
    _mm256_storeu_ps(scores, _mm256_mul_ps(fold_eight(sums), _mm256_set1_ps(scale)));
}

/* ---- values --------------------------------------------------------------------------------- */

/* `vectors` * 8 elements of the accumulator; inlined with a constant so that they stay in registers. */
static inline __attribute__((always_inline)) void blend_columns(float *acc, const float *p,
                                                                const float *values, size_t dim,
                                                                int positions, size_t vectors)
{
    __m256 sums[8];
    for (size_t v = 0; v < vectors; v++)
        sums[v] = _mm256_loadu_ps(acc + 8 * v);
    for (int j = 0; j < positions; j++) {
        __m256 weight = _mm256_set1_ps(p[j]);
        for (size_t v = 0; v < vectors; v++)
            sums[v] =
                _mm256_fmadd_ps(weight, _mm256_loadu_ps(values + (size_t)j * dim + 8 * v), sums[v]);
    }
    for (size_t v = 0; v < vectors; v++)
        _mm256_storeu_ps(acc + 8 * v, sums[v]);
}

static void blend(float *acc, const float *p, const float *values, size_t dim, int positions)
{
    size_t i = 0;
    for (; i + 64 <= dim; i += 64)
        blend_columns(acc + i, p, values + i, dim, positions, 8);
    for (; i + 8 <= dim; i += 8)
        blend_columns(acc + i, p, values + i, dim, positions, 1);
    for (; i < dim; i++)
        for (int j = 0; j < positions; j++)
            acc[i] = fmaf(p[j], values[(size_t)j * dim + i], acc[i]);
}

const attention_kernels *attention_avx2(void)
{
    static const attention_kernels kernels = {widen, narrow, score, blend};
    return &kernels;
}
