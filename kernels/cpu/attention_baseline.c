/* attention_baseline.c - the inner loops of attention, as attention.h defines them: the oracle. */
#include <math.h>

#include "attention.h"

static void score(const float *q, const float *keys, size_t dim, int positions, float scale,
                  float *scores)
{
    for (int j = 0; j < positions; j++) {
        const float *key = keys + (size_t)j * dim;
        float lanes[8] = {0};
        for (size_t i = 0; i < dim; i++)
            lanes[i % 8] = fmaf(q[i], key[i], lanes[i % 8]);
        scores[j] = attention_fold(lanes) * scale;
    }
}

static void blend(float *acc, const float *p, const float *values, size_t dim, int positions)
{
    for (int j = 0; j < positions; j++)
        for (size_t i = 0; i < dim; i++)
            acc[i] = fmaf(p[j], values[(size_t)j * dim + i], acc[i]);
}

const attention_kernels *attention_baseline(void)
{
    static const attention_kernels kernels = {dequantize_row, quantize_row, score, blend};
    return &kernels;
}
