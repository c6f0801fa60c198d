/* dot_avx2.c - the set of AVX2 kernels, with its quantisers and element-wise functions.
 *
 * Quantising: the largest magnitude is a maximum of integers, which has no order; each element is
 * multiplied and converted alone; so only the instruction count differs from activation.c. The
 * conversion rounds to nearest even, as the default environment makes it.
 */
#include "dot_sets.h"
#include "vector_avx2.h"

/* ---- quantising ------------------------------------------------------------------------------------ */

VECTOR_INLINE __m256i magnitudes(const float *x)
{
    return _mm256_and_si256(vector_load32(x), _mm256_set1_epi32(0x7FFFFFFF));
}

VECTOR_INLINE float largest_of(__m256i v)
{
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    __m128i one = _mm_max_epi32(two, _mm_shuffle_epi32(two, 0xB1));
    return _mm_cvtss_f32(_mm_castsi128_ps(one));
}

/* What a block's elements are multiplied with, and its scale. */
typedef struct factors {
    float factor, scale;
} factors;

VECTOR_INLINE factors factors_of(float largest)
{
    if (largest < ACTIVATION_TINY)
        return (factors){0, 0};
    if (!(largest < INFINITY))
        return (factors){0, largest};
    return (factors){127.0f / largest, largest / 127.0f};
}

/* 32 elements, in order; a factor of 0 gives zeros even for infinities and NaN. */
VECTOR_INLINE __m256i codes_of(const float *x, float factor)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256 f = _mm256_set1_ps(factor);
    __m256i v0 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), f));
    __m256i v1 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), f));
    __m256i v2 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), f));
    __m256i v3 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), f));
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(v0, v1), _mm256_packs_epi32(v2, v3));
    packed = _mm256_permutevar8x32_epi32(packed, order);
    return factor == 0 ? _mm256_setzero_si256() : packed;
}

/* Eight sums of four codes. */
VECTOR_INLINE __m256i sums_of_4(__m256i codes)
{
    const __m256i ones = _mm256_set1_epi16(1);
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), codes), ones);
}

VECTOR_INLINE int32_t sum_of_8(__m256i v)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

/* A whole group of x, or a copy filled up with zeros. */
VECTOR_INLINE const float *group_at(const float *x, size_t left, float filled[ACTIVATION_GROUP])
{
    if (left >= ACTIVATION_GROUP)
        return x;
    memset(filled, 0, ACTIVATION_GROUP * sizeof *filled);
    memcpy(filled, x, left * sizeof *x);
    return filled;
}

void dot_avx2_quantize_q32(const float *x, size_t cols, void *out)
{
    activation_q32 *a = out;
    for (size_t at = 0; at < cols; at += ACTIVATION_GROUP, a++) {
        float filled[ACTIVATION_GROUP];
        const float *group = group_at(x + at, cols - at, filled);
        for (int b = 0; b < 8; b++) {
            const float *block = group + 32 * b;
            int lane = ACTIVATION_LANE(b);
            __m256i largest =
                _mm256_max_epi32(_mm256_max_epi32(magnitudes(block), magnitudes(block + 8)),
                                 _mm256_max_epi32(magnitudes(block + 16), magnitudes(block + 24)));
            factors f = factors_of(largest_of(largest));
            __m256i codes = codes_of(block, f.factor);
            a->scale[lane] = f.scale;
            a->sum[lane] = sum_of_8(sums_of_4(codes));
            a->offset[lane] = f.scale * (float)a->sum[lane];
            _mm_store_si128((__m128i *)&a->q[ACTIVATION_PLACE(b, 0)],
                            _mm256_castsi256_si128(codes));
            _mm_store_si128((__m128i *)&a->q[ACTIVATION_PLACE(b, 16)],
                            _mm256_extracti128_si256(codes, 1));
        }
    }
}

void dot_avx2_quantize_q256(const float *x, size_t cols, void *out)
{
    activation_q256 *a = out;
    for (size_t at = 0; at < cols; at += ACTIVATION_GROUP, a++) {
        float filled[ACTIVATION_GROUP];
        const float *group = group_at(x + at, cols - at, filled);
        __m256i largest = magnitudes(group);
        for (int j = 8; j < ACTIVATION_GROUP; j += 8)
            largest = _mm256_max_epi32(largest, magnitudes(group + j));
        factors f = factors_of(largest_of(largest));
        memset(a, 0, sizeof *a);
        a->scale = f.scale;
        for (int k = 0; k < 8; k++) {
            __m256i codes = codes_of(group + 32 * k, f.factor);
            _mm256_store_si256((__m256i *)&a->q[32 * k], codes);
            int32_t fours[8];
            _mm256_storeu_si256((__m256i *)fours, sums_of_4(codes));
            a->sum16[2 * k] = (int16_t)(fours[0] + fours[1] + fours[2] + fours[3]);
            a->sum16[2 * k + 1] = (int16_t)(fours[4] + fours[5] + fours[6] + fours[7]);
            a->sum32[k] = (int16_t)(a->sum16[2 * k] + a->sum16[2 * k + 1]);
        }
    }
}

/* ---- element-wise ---------------------------------------------------------------------------------- */

void dot_avx2_swiglu(float *out, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_mul_ps(vector_silu(_mm256_loadu_ps(gate + i)),
                                                _mm256_loadu_ps(up + i)));
    for (; i < n; i++)
        out[i] = mathx_silu(gate[i]) * up[i];
}

void dot_avx2_exp(float *x, float shift, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(x + i,
                         vector_exp(_mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(shift))));
    for (; i < n; i++)
        x[i] = mathx_exp(x[i] - shift);
}

/* Up to 32 outputs stay in registers while the rows go by. */
VECTOR_INLINE void add_block(float *y, const float *b, size_t stride, const float *h, size_t rank,
                             int vectors)
{
    __m256 sum[4];
    for (int v = 0; v < vectors; v++)
        sum[v] = _mm256_loadu_ps(y + 8 * v);
    for (size_t j = 0; j < rank; j++, b += stride) {
        __m256 factor = _mm256_broadcast_ss(h + j);
        for (int v = 0; v < vectors; v++)
            sum[v] = _mm256_fmadd_ps(factor, _mm256_loadu_ps(b + 8 * v), sum[v]);
    }
    for (int v = 0; v < vectors; v++)
        _mm256_storeu_ps(y + 8 * v, sum[v]);
}

void dot_avx2_add_rows(float *y, const float *b, size_t stride, const float *h, size_t rank,
                       size_t n)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        add_block(y + i, b + i, stride, h, rank, 4);
    for (; i + 8 <= n; i += 8)
        add_block(y + i, b + i, stride, h, rank, 1);
    for (; i < n; i++)
        for (size_t j = 0; j < rank; j++)
            y[i] = fmaf(h[j], b[j * stride + i], y[i]);
}

const dot_kernels dot_avx2 = {
    .name = "avx2",
    .rows = {[DTYPE_F32] = dot_avx2_f32,         [DTYPE_F16] = dot_avx2_f16,
             [DTYPE_BF16] = dot_avx2_bf16,       [DTYPE_Q4_0] = dot_avx2_q4_0,
             [DTYPE_Q4_1] = dot_avx2_q4_1,       [DTYPE_Q5_0] = dot_avx2_q5_0,
             [DTYPE_Q5_1] = dot_avx2_q5_1,       [DTYPE_Q8_0] = dot_avx2_q8_0,
             [DTYPE_Q2_K] = dot_avx2_q2_k,       [DTYPE_Q3_K] = dot_avx2_q3_k,
             [DTYPE_Q4_K] = dot_avx2_q4_k,       [DTYPE_Q5_K] = dot_avx2_q5_k,
             [DTYPE_Q6_K] = dot_avx2_q6_k,       [DTYPE_IQ4_NL] = dot_avx2_iq4_nl,
             [DTYPE_IQ4_XS] = dot_avx2_iq4_xs,   [DTYPE_MXFP4] = dot_avx2_mxfp4,
             [DTYPE_IQ1_S] = dot_avx2_iq1_s,     [DTYPE_IQ1_M] = dot_avx2_iq1_m,
             [DTYPE_IQ2_XXS] = dot_avx2_iq2_xxs, [DTYPE_IQ2_XS] = dot_avx2_iq2_xs,
             [DTYPE_IQ2_S] = dot_avx2_iq2_s,     [DTYPE_IQ3_XXS] = dot_avx2_iq3_xxs,
             [DTYPE_IQ3_S] = dot_avx2_iq3_s},
    .quantize =
        {[ACTIVATION_Q32] = dot_avx2_quantize_q32, [ACTIVATION_Q256] = dot_avx2_quantize_q256},
    .swiglu = dot_avx2_swiglu,
    .exp = dot_avx2_exp,
    .add_rows = dot_avx2_add_rows,
};
