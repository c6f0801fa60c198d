/* attention_chunk_avx2.h - what the vector kernels of attention share: loads, the fold, asking ahead.
 *
 * Only for files compiled with AVX2 or more, as vector_avx2.h.
 */
#ifndef KERNELS_CPU_ATTENTION_CHUNK_AVX2_H
#define KERNELS_CPU_ATTENTION_CHUNK_AVX2_H

#include "attention_chunk.h"
#include "vector_avx2.h"

enum { ATTENTION_LINE = 64 }; /* bytes */

typedef __m256 load_fn(const char *vector, size_t at);

VECTOR_INLINE __m256 load_f32(const char *vector, size_t at)
{
    return _mm256_loadu_ps((const float *)(const void *)vector + at);
}

VECTOR_INLINE __m256 load_f16(const char *vector, size_t at)
{
    return _mm256_cvtph_ps(vector_load16(vector + 2 * at));
}

VECTOR_INLINE __m256 load_q8_0(const char *vector, size_t at)
{
    const char *block = vector + at / 32 * sizeof(block_q8_0);
    __m256 d = _mm256_set1_ps(_cvtsh_ss(vector_load_u16(block)));
    __m128i codes = _mm_loadl_epi64((const void *)(block + 2 + at % 32));
    return _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)));
}

/* Asks for bytes [from, from + n) of what is read next. */
VECTOR_INLINE void expect(const attention_chunk *c, size_t from, size_t n)
{
    for (size_t at = 0; c->next && at < n; at += ATTENTION_LINE)
        _mm_prefetch((const char *)c->next + from + at, _MM_HINT_T1);
}

/* The folds of four accumulators, in order. */
VECTOR_INLINE __m128 fold_four(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 quarters = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps(quarters, 1));
}

#endif
