/* attention.h - the inner loops of attention, defined once for every ISA level.
 *
 * A tile is up to ATTENTION_TILE consecutive positions of one KV head, in f32: keys and values are
 * converted to f32 exactly (F16 always, Q8_0 because 8 bits times an 11-bit scale fit in 24), so
 * only the operations below decide the bytes:
 *   score    element i of the product goes to lane i % 8 by fma, from +0; the lanes are added as
 *            ((0+1)+(2+3)) + ((4+5)+(6+7)); then one multiplication by the scale.
 *   soften   p_j = exp(s_j - most); their sum runs in lanes j % 8, folded the same way.
 *   blend    acc_i = fma(p_j, v_ji, acc_i), positions ascending.
 * attention_avx2.c does just these operations on eight lanes at a time.
 */
#ifndef KERNELS_CPU_ATTENTION_H
#define KERNELS_CPU_ATTENTION_H

#include <stddef.h>

#include "../quant.h"

enum { ATTENTION_TILE = 8 };

typedef struct attention_kernels {
    /* out [n] = the stored elements in f32; to [n] = the elements in `type`: F32, F16, Q8_0. */
    void (*widen)(dtype type, const void *stored, float *out, size_t n);
    void (*narrow)(dtype type, const float *x, void *to, size_t n);
    /* scores [positions] = scale * (q . keys[j]); q [dim], keys [positions, dim] */
    void (*score)(const float *q, const float *keys, size_t dim, int positions, float scale,
                  float *scores);
    /* acc [dim] += p[j] * values[j]; values [positions, dim] */
    void (*blend)(float *acc, const float *p, const float *values, size_t dim, int positions);
} attention_kernels;

const attention_kernels *attention_baseline(void);
const attention_kernels *attention_avx2(void);

/* The lanes of one sum, added in their fixed order. */
static inline float attention_fold(const float lanes[8])
{
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

#endif
