/* vector_avx2.h - what the *_avx2.c files share: loads, sums of lanes, and exp on eight lanes.
 *
 * Only for files compiled with AVX2, FMA and F16C. Everything is inline: a function of its own
 * here, called by baseline code, would run instructions that the processor may not have.
 */
#ifndef CPU_VECTOR_AVX2_H
#define CPU_VECTOR_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "mathx.h"

#define VECTOR_INLINE static inline __attribute__((always_inline))

VECTOR_INLINE __m128i vector_load16(const void *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

VECTOR_INLINE __m256i vector_load32(const void *bytes)
{
    return _mm256_loadu_si256((const __m256i *)bytes);
}

/* Sixteen bytes in each half. */
VECTOR_INLINE __m256i vector_join16(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(vector_load16(low)), vector_load16(high),
                                   1);
}

VECTOR_INLINE uint32_t vector_load_u32(const void *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

VECTOR_INLINE uint16_t vector_load_u16(const void *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Asks for `bytes` (a constant) from an address that may lie outside any object: it never faults. */
VECTOR_INLINE void vector_prefetch(uintptr_t at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)(at + i), _MM_HINT_T0);
}

/* The same for what is needed later: only into the second cache, so that the first keeps its own. */
VECTOR_INLINE void vector_prefetch_early(uintptr_t at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)(at + i), _MM_HINT_T1);
}

/* ((v0 + v4) + (v2 + v6)) + ((v1 + v5) + (v3 + v7)): the tree of dot.h. */
VECTOR_INLINE float vector_sum(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* mathx_exp on eight lanes: the same operations in the same order. */
VECTOR_INLINE __m256 vector_exp(__m256 x)
{
    const __m256 round = _mm256_set1_ps(MATHX_ROUND);
    __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    __m256 y = _mm256_min_ps(_mm256_set1_ps(MATHX_EXP_MAX), x);
    y = _mm256_max_ps(_mm256_set1_ps(MATHX_EXP_MIN), y);
    __m256 n = _mm256_sub_ps(_mm256_fmadd_ps(y, _mm256_set1_ps(MATHX_LOG2E), round), round);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-MATHX_LN2_HIGH), y);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-MATHX_LN2_LOW), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(MATHX_C7), r, _mm256_set1_ps(MATHX_C6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(MATHX_C2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i whole = _mm256_cvttps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half);
    __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(first));
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(second));
    return _mm256_blendv_ps(p, x, nan);
}

/* mathx_silu on eight lanes. */
VECTOR_INLINE __m256 vector_silu(__m256 x)
{
    __m256 negative = _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), vector_exp(negative)));
}

#endif
