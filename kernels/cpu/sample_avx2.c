/* sample_avx2.c - see sample.h: the kernels for AVX2.
 *
 * weigh() does the operations of sample_weight.h on four lanes, in their order, so its integers are the
 * same; mass() is an estimate, and the only one whose order matters to nobody.
 */
#include "sample.h"
#include "sample_weight.h"
#include "vector_avx2.h"

static bool scan(const float *z, size_t n, float *most)
{
    const __m256 infinite = _mm256_set1_ps(INFINITY);
    __m256 largest[4], bad = _mm256_setzero_ps();
    for (int v = 0; v < 4; v++)
        largest[v] = _mm256_set1_ps(-INFINITY);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (int v = 0; v < 4; v++) {
            __m256 x = _mm256_loadu_ps(z + i + 8 * v);
            bad = _mm256_or_ps(bad, _mm256_cmp_ps(x, infinite, _CMP_NLT_UQ));
            largest[v] = _mm256_max_ps(x, largest[v]);
        }
    float lanes[8], all = -INFINITY;
    _mm256_storeu_ps(lanes, _mm256_max_ps(_mm256_max_ps(largest[0], largest[1]),
                                          _mm256_max_ps(largest[2], largest[3])));
    for (int l = 0; l < 8; l++)
        all = lanes[l] > all ? lanes[l] : all;
    bool good = _mm256_movemask_ps(bad) == 0;
    for (; i < n; i++) {
        good = good && z[i] < INFINITY;
        all = z[i] > all ? z[i] : all;
    }
    *most = all;
    return good;
}

/* Lists the lanes of one vector that the mask names. */
VECTOR_INLINE size_t list_lanes(const float *z, size_t i, unsigned mask, double *logit, int *id,
                                size_t count)
{
    if (mask == 0xFF) {
        const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_storeu_pd(logit + count, _mm256_cvtps_pd(_mm_loadu_ps(z + i)));
        _mm256_storeu_pd(logit + count + 4, _mm256_cvtps_pd(_mm_loadu_ps(z + i + 4)));
        _mm256_storeu_si256((__m256i *)(id + count),
                            _mm256_add_epi32(_mm256_set1_epi32((int)i), lanes));
        return count + 8;
    }
    for (; mask; mask &= mask - 1) {
        size_t at = i + (size_t)__builtin_ctz(mask);
        logit[count] = (double)z[at];
        id[count++] = (int)at;
    }
    return count;
}

static size_t list(const float *z, size_t n, float cut, double *logit, int *id)
{
    const __m256 least = _mm256_set1_ps(cut);
    size_t i = 0, count = 0;
    for (; i + 32 <= n; i += 32) {
        unsigned mask[4];
        for (int v = 0; v < 4; v++)
            mask[v] = (unsigned)_mm256_movemask_ps(
                _mm256_cmp_ps(_mm256_loadu_ps(z + i + 8 * v), least, _CMP_GE_OQ));
        if (mask[0] | mask[1] | mask[2] | mask[3])
            for (size_t v = 0; v < 4; v++)
                count = list_lanes(z, i + 8 * v, mask[v], logit, id, count);
    }
    for (; i < n; i++)
        if (z[i] >= cut)
            count = list_lanes(z, i, 1, logit, id, count);
    return count;
}

/* exp(x) for -60 <= x <= 1 to 2^-20: a polynomial of degree 6 and one scaling, less than
 * vector_exp() does. */
VECTOR_INLINE __m256 rough_exp(__m256 x)
{
    const __m256 round = _mm256_set1_ps(MATHX_ROUND);
    __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(MATHX_LOG2E), round);
    __m256 n = _mm256_sub_ps(shifted, round);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-MATHX_LN2_HIGH), x);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(MATHX_C6), r, _mm256_set1_ps(MATHX_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
}

static double mass(const float *z, size_t n, float best, float rate)
{
    enum { BLOCK = 512 }; /* so few are added in single precision: 16 to a lane */
    const __m256 b = _mm256_set1_ps(best), f = _mm256_set1_ps(rate), low = _mm256_set1_ps(-60);
    __m256d all = _mm256_setzero_pd();
    size_t i = 0;
    while (i + 32 <= n) {
        size_t end = n - i < BLOCK ? n - i : BLOCK;
        __m256 sum[4];
        for (int v = 0; v < 4; v++)
            sum[v] = _mm256_setzero_ps();
        for (end += i; i + 32 <= end; i += 32)
            for (int v = 0; v < 4; v++) {
                __m256 x = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(z + i + 8 * v), b), f);
                sum[v] = _mm256_add_ps(sum[v], rough_exp(_mm256_max_ps(x, low)));
            }
        __m256 s = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
        all = _mm256_add_pd(all, _mm256_cvtps_pd(_mm256_castps256_ps128(s)));
        all = _mm256_add_pd(all, _mm256_cvtps_pd(_mm256_extractf128_ps(s, 1)));
    }
    double lanes[4];
    _mm256_storeu_pd(lanes, all);
    double total = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    for (; i < n; i++)
        total += (double)mathx_exp((z[i] - best) * rate);
    return total;
}

/* sample_weight() on four lanes. */
VECTOR_INLINE __m256i weights_of(__m256d d)
{
#define C(x)      _mm256_set1_pd(x)
#define MUL(a, b) _mm256_mul_pd(a, b)
#define ADD(a, b) _mm256_add_pd(a, b)
    const __m256d two52 = C(WEIGHT_TWO52);
    __m256d shifted = ADD(MUL(d, C(WEIGHT_LOG2E)), two52);
    __m256d n = _mm256_sub_pd(shifted, two52);
    __m256d r = ADD(_mm256_sub_pd(MUL(n, C(WEIGHT_LN2_HIGH)), d), MUL(n, C(WEIGHT_LN2_LOW)));
    __m256d r2 = MUL(r, r), r4 = MUL(r2, r2), r8 = MUL(r4, r4);
    __m256d low = ADD(ADD(C(1), r), MUL(r2, ADD(C(1.0 / 2), MUL(r, C(1.0 / 6)))));
    __m256d middle = ADD(ADD(C(1.0 / 24), MUL(r, C(1.0 / 120))),
                         MUL(r2, ADD(C(1.0 / 720), MUL(r, C(1.0 / 5040)))));
    __m256d high = ADD(ADD(ADD(C(1.0 / 40320), MUL(r, C(1.0 / 362880))),
                           MUL(r2, ADD(C(1.0 / 3628800), MUL(r, C(1.0 / 39916800))))),
                       MUL(r4, ADD(C(1.0 / 479001600), MUL(r, C(1.0 / 6227020800)))));
    __m256d sum = ADD(ADD(low, MUL(r4, middle)), MUL(r8, high));
    __m256i power = _mm256_and_si256(_mm256_castpd_si256(shifted), _mm256_set1_epi64x(0xFF));
    power = _mm256_slli_epi64(
        _mm256_sub_epi64(_mm256_set1_epi64x(1023 + SAMPLE_WEIGHT_BITS), power), 52);
    __m256d weight = ADD(MUL(sum, _mm256_castsi256_pd(power)), two52);
#undef C
#undef MUL
#undef ADD
    return _mm256_and_si256(_mm256_castpd_si256(weight), _mm256_set1_epi64x((1ll << 52) - 1));
}

static void weigh(const double *logit, size_t n, double best, double temperature, uint64_t *weight,
                  uint16_t *bucket)
{
    const __m256d b = _mm256_set1_pd(best), t = _mm256_set1_pd(temperature);
    const __m256d reach = _mm256_set1_pd(SAMPLE_REACH);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256d d = _mm256_div_pd(_mm256_sub_pd(b, _mm256_loadu_pd(logit + i)), t);
        __m256d near = _mm256_cmp_pd(d, reach, _CMP_LT_OQ);
        d = _mm256_blendv_pd(reach, d, near); /* REACH weighs 0 and is in the last bucket */
        _mm256_storeu_si256((__m256i *)(weight + i), weights_of(d));
        __m128i places =
            _mm256_cvttpd_epi32(_mm256_mul_pd(d, _mm256_set1_pd(SAMPLE_BUCKETS_PER_NAT)));
        _mm_storel_epi64((__m128i *)(bucket + i), _mm_packus_epi32(places, places));
    }
    for (; i < n; i++)
        sample_weigh_one(logit[i], best, temperature, &weight[i], &bucket[i]);
}

const sample_kernels *sample_avx2(void)
{
    static const sample_kernels kernels = {
        .scan = scan, .list = list, .mass = mass, .weigh = weigh};
    return &kernels;
}
