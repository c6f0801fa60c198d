/* attention_chunk.h - the inner loops of attention, defined once for every ISA level.
 *
 * They work on one chunk: the keys or the values of up to KV_PAGE consecutive positions of one KV
 * head, as the page stores them, met by all queries of a group. Stored elements are converted to
 * f32 exactly (F16 always; Q8_0 because 8 bits times an 11-bit scale fit in 24), so only these
 * operations decide the bytes:
 *   score    element i of the product goes to lane i % 8 by fma, from +0; the lanes are added as
 *            ((0+1)+(2+3)) + ((4+5)+(6+7)); then one multiplication by the scale
 *   softmax  p_j = exp(s_j - most); their sum runs in lanes j % 8 and is folded the same way
 *   add      acc_i = acc_i * keep, then acc_i = fma(p_j, v_ji, acc_i), positions ascending
 * attention_chunk_baseline.c is the plain reading; attention_chunk_avx2.c and attention_chunk_avx512.c
 * do the same in wider vectors.
 */
#ifndef KERNELS_CPU_ATTENTION_CHUNK_H
#define KERNELS_CPU_ATTENTION_CHUNK_H

#include <stddef.h>

#include "../backend.h"

/* Vectors [positions, dim] of one KV head, one after the other. */
typedef struct attention_chunk {
    dtype type; /* F32, F16 or Q8_0 */
    const void *data;
    size_t dim;
    int positions;    /* 1..KV_PAGE */
    const void *next; /* what is going to be read after this, of the same size; NULL = nothing */
} attention_chunk;

typedef struct attention_kernels {
    /* to [n] = x [n] in `type` */
    void (*store)(dtype type, const float *x, void *to, size_t n);
    /* scores[i][j] = scale * (q[i] . keys[j]); q[i] [dim] */
    void (*score)(const attention_chunk *keys, const float *const *q, int queries, float scale,
                  float (*scores)[KV_PAGE]);
    /* *most becomes the maximum of itself and the n scores; they become p; returns their sum. */
    float (*softmax)(float *scores, int n, float *most);
    /* acc[i] [dim] = acc[i] * keep[i] + sum over j of p[i][j] * values[j] */
    void (*accumulate)(const attention_chunk *values, float (*p)[KV_PAGE], const float *keep,
                       int queries, float *const *acc);
} attention_kernels;

const attention_kernels *attention_baseline(void);
const attention_kernels *attention_avx2(void);
const attention_kernels *attention_avx512(void);

/* The lanes of one sum, added in their fixed order. */
static inline float attention_fold(const float lanes[8])
{
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

#endif
