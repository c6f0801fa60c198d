/* attention_chunk_baseline.c - the inner loops of attention as attention_chunk.h defines them:
 * the oracle. */
#include <math.h>

#include "../dequantize.h"
#include "../quantize.h"
#include "attention_chunk.h"
#include "mathx.h"

enum { PIECE = 32 }; /* elements converted at a time: a block of Q8_0 */

/* Elements [at, at + PIECE) of vector j, or up to its end; returns how many. */
static size_t load_piece(const attention_chunk *c, int j, size_t at, float piece[PIECE])
{
    const char *vector = (const char *)c->data + (size_t)j * dtype_row_bytes(c->type, c->dim);
    size_t n = c->dim - at < PIECE ? c->dim - at : PIECE;
    dequantize_row(c->type, vector + dtype_row_bytes(c->type, at), piece, n);
    return n;
}

static void score(const attention_chunk *keys, const float *const *q, int queries, float scale,
                  float (*scores)[KV_PAGE])
{
    float key[PIECE];
    for (int i = 0; i < queries; i++)
        for (int j = 0; j < keys->positions; j++) {
            float lanes[8] = {0};
            for (size_t at = 0; at < keys->dim; at += PIECE)
                for (size_t d = 0, n = load_piece(keys, j, at, key); d < n; d++)
                    lanes[d % 8] = fmaf(q[i][at + d], key[d], lanes[d % 8]);
            scores[i][j] = attention_fold(lanes) * scale;
        }
}

static float softmax(float *scores, int n, float *most)
{
    float lanes[8] = {0};
    for (int j = 0; j < n; j++)
        *most = scores[j] > *most ? scores[j] : *most;
    for (int j = 0; j < n; j++) {
        scores[j] = mathx_exp(scores[j] - *most);
        lanes[j % 8] += scores[j];
    }
    return attention_fold(lanes);
}

static void accumulate(const attention_chunk *values, float (*p)[KV_PAGE], const float *keep,
                       int queries, float *const *acc)
{
    float value[PIECE];
    for (int i = 0; i < queries; i++) {
        for (size_t d = 0; d < values->dim; d++)
            acc[i][d] *= keep[i];
        for (int j = 0; j < values->positions; j++)
            for (size_t at = 0; at < values->dim; at += PIECE)
                for (size_t d = 0, n = load_piece(values, j, at, value); d < n; d++)
                    acc[i][at + d] = fmaf(p[i][j], value[d], acc[i][at + d]);
    }
}

const attention_kernels *attention_baseline(void)
{
    static const attention_kernels kernels = {quantize_row, score, softmax, accumulate};
    return &kernels;
}
