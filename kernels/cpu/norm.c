/* norm.c - the ops that touch each activation once: embedding, norms, RoPE, sums and gates.
 *
 * They are a few per cent of the time, so they are plain loops that the compiler vectorises for
 * any x86-64; there is one version for every ISA level. Sums run in LANES fixed lanes, element i
 * in lane i % LANES, folded in halves at the end: the order is a property of the row's length
 * alone. Small batches stay on the calling thread, because waking the others takes longer.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "../dequantize.h"
#include "cpu_state.h"
#include "mathx.h"

enum { LANES = 16 };

static float fold(float *lanes)
{
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    return lanes[0];
}

/* Sum of x[i] * weight[i], or of x[i]^2 when weight is NULL. x [n] */
static float dot_lanes(const float *x, const unaligned_float *weight, size_t n)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    if (weight)
        for (; i + LANES <= n; i += LANES)
            for (size_t l = 0; l < LANES; l++)
                lanes[l] += x[i + l] * weight[i + l].value;
    else
        for (; i + LANES <= n; i += LANES)
            for (size_t l = 0; l < LANES; l++)
                lanes[l] += x[i + l] * x[i + l];
    for (; i < n; i++)
        lanes[i % LANES] += x[i] * (weight ? weight[i].value : x[i]);
    return fold(lanes);
}

/* ---- embedding and gathering ---------------------------------------------------------------- */

typedef struct embed_work {
    tensor *out;
    const tensor *table;
    const int *ids;
    float scale;
} embed_work;

static void embed_rows(void *user, int from, int to, int thread)
{
    const embed_work *w = user;
    (void)thread;
    for (int i = from; i < to; i++) {
        const char *row = (const char *)w->table->data + (size_t)w->ids[i] * w->table->row_bytes;
        float *out = cpu_row(w->out, i);
        dequantize_row(w->table->type, row, out, w->table->cols);
        for (size_t j = 0; j < w->table->cols; j++)
            out[j] *= w->scale;
    }
}

void cpu_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale)
{
    assert(out->cols == table->cols && (size_t)n <= out->rows);
    embed_work w = {out, table, ids, scale};
    cpu_rows(cpu_of(b), n, table->cols * 4, embed_rows, &w);
}

void cpu_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n)
{
    (void)b;
    assert(out->cols == x->cols && (size_t)n <= out->rows);
    for (int j = 0; j < n; j++)
        memcpy(cpu_row(out, j), cpu_row(x, rows[j]), x->cols * sizeof(float));
}

/* ---- norms ---------------------------------------------------------------------------------- */

/* out = x / sqrt(mean(x^2) + eps) * weight over one row or one head; out may be x. Returns whether
 * the sum of squares is finite. */
static bool norm_vector(float *out, const float *x, const unaligned_float *weight, size_t n,
                        float eps)
{
    float sum = dot_lanes(x, NULL, n);
    float inverse = 1.0f / sqrtf(sum / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * inverse * weight[i].value;
    return isfinite(sum);
}

typedef struct norm_work {
    cpu_backend *cpu;
    tensor *out;
    const tensor *x;
    const unaligned_float *weight;
    size_t width; /* elements normed together */
    float eps;
} norm_work;

static void norm_rows(void *user, int from, int to, int thread)
{
    const norm_work *w = user;
    (void)thread;
    for (int i = from; i < to; i++)
        for (size_t at = 0; at < w->x->cols; at += w->width)
            if (!norm_vector(cpu_row(w->out, i) + at, cpu_row(w->x, i) + at, w->weight, w->width,
                             w->eps))
                atomic_fetch_or(&w->cpu->faults, FAULT_ACTIVATIONS);
}

void cpu_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps, int n)
{
    assert(out->cols == x->cols && weight->cols == x->cols && weight->type == DTYPE_F32);
    norm_work w = {cpu_of(b), out, x, weight->data, x->cols, eps};
    cpu_rows(w.cpu, n, x->cols, norm_rows, &w);
    cpu_report_faults(w.cpu);
}

void cpu_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                      float eps, int n)
{
    assert(x->cols == (size_t)heads * (size_t)head_dim && weight->type == DTYPE_F32);
    assert(weight->cols == (size_t)head_dim);
    norm_work w = {cpu_of(b), x, x, weight->data, (size_t)head_dim, eps};
    cpu_rows(w.cpu, n, x->cols, norm_rows, &w);
    cpu_report_faults(w.cpu);
}

/* ---- RoPE ----------------------------------------------------------------------------------- */

typedef struct rope_work {
    tensor *x;
    const float *cosines, *sines; /* [n, half] */
    size_t heads, head_dim, half;
    bool pairs;
} rope_work;

/* (a, c) turned by each angle: a' = a cos - c sin, c' = c cos + a sin. */
static void rope_head(float *x, const float *cosines, const float *sines, size_t half, bool pairs)
{
    size_t step = pairs ? 2 : 1, partner = pairs ? 1 : half;
    for (size_t j = 0; j < half; j++) {
        float *a = x + j * step, *c = a + partner;
        float turned = *a * cosines[j] - *c * sines[j];
        *c = *c * cosines[j] + *a * sines[j];
        *a = turned;
    }
}

static void rope_rows(void *user, int from, int to, int thread)
{
    const rope_work *w = user;
    (void)thread;
    for (int i = from; i < to; i++)
        for (size_t h = 0; h < w->heads; h++)
            rope_head(cpu_row(w->x, i) + h * w->head_dim, w->cosines + (size_t)i * w->half,
                      w->sines + (size_t)i * w->half, w->half, w->pairs);
}

void cpu_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n)
{
    cpu_backend *cpu = cpu_of(b);
    if (!cpu_has_batch(cpu, n))
        return;
    assert(rotary_dim <= head_dim && rotary_dim % 2 == 0);
    assert(x->cols == (size_t)heads * (size_t)head_dim);
    rope_work w = {
        x,    cpu->cosines, cpu->sines, (size_t)heads, (size_t)head_dim, (size_t)rotary_dim / 2,
        pairs};
    cpu_rows(cpu, n, x->cols, rope_rows, &w);
}

/* ---- sums and gates ------------------------------------------------------------------------- */

typedef struct pair_work {
    tensor *x;
    const tensor *y;
    const unaligned_float *weight;
    float scale;
} pair_work;

static void add_rows(void *user, int from, int to, int thread)
{
    const pair_work *w = user;
    (void)thread;
    float *x = cpu_row(w->x, from);
    const float *y = cpu_row(w->y, from);
    for (size_t i = 0; i < (size_t)(to - from) * w->x->cols; i++)
        x[i] += w->scale * y[i];
}

void cpu_add(backend *b, tensor *x, const tensor *y, float scale, int n)
{
    assert(x->cols == y->cols);
    pair_work w = {x, y, NULL, scale};
    cpu_rows(cpu_of(b), n, x->cols, add_rows, &w);
}

static void scale_rows(void *user, int from, int to, int thread)
{
    const pair_work *w = user;
    (void)thread;
    float *x = cpu_row(w->x, from);
    for (size_t i = 0; i < (size_t)(to - from) * w->x->cols; i++)
        x[i] *= w->scale;
}

void cpu_scale(backend *b, tensor *x, float scale, int n)
{
    pair_work w = {x, NULL, NULL, scale};
    cpu_rows(cpu_of(b), n, x->cols, scale_rows, &w);
}

static void gate_rows(void *user, int from, int to, int thread)
{
    const pair_work *w = user;
    (void)thread;
    for (int i = from; i < to; i++) {
        float z = dot_lanes(cpu_row(w->y, i), w->weight, w->y->cols);
        float gate = 1.0f / (1.0f + mathx_exp(-z));
        float *out = cpu_row(w->x, i);
        for (size_t j = 0; j < w->x->cols; j++)
            out[j] *= gate;
    }
}

void cpu_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n)
{
    assert(weight->cols == x->cols && weight->type == DTYPE_F32);
    pair_work w = {y, x, weight->data, 1.0f};
    cpu_rows(cpu_of(b), n, x->cols + y->cols, gate_rows, &w);
}
