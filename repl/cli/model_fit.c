/* model_fit.c - see model_fit.h. */
#include "model_fit.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../engine/base/mapped_file.h"
#include "../../engine/run/weights.h"
#include "../screen/console.h"

/* What a layer does besides products: 50 microseconds on 2 cores (SmolLM2 by `bench`). */
#define LAYER_SECONDS 50e-6

enum { MATRIX_BYTES = 96 << 20, SWEEPS = 3, DISK_PARTS = 24, DISK_PART = 1 << 20 };

/* ---- what there is to multiply -------------------------------------------------------------------- */

static uint64_t bytes_of(const tensor *t)
{
    return t ? (uint64_t)tensor_rows(t) * dtype_row_bytes(tensor_type(t), tensor_cols(t)) : 0;
}

static void add(uint64_t *by_type, const tensor *t)
{
    if (t)
        by_type[tensor_type(t)] += bytes_of(t);
}

static void count_layer(const layer_weights *l, int experts, fit_variant *v)
{
    const tensor *dense[] = {l->q,    l->k,      l->v,           l->o,         l->gate,       l->up,
                             l->down, l->router, l->shared_gate, l->shared_up, l->shared_down};
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++)
        add(v->dense, dense[i]);
    for (int e = 0; l->bank && e < experts; e++) {
        add(v->experts, l->expert_gate[e]);
        add(v->experts, l->expert_up[e]);
        add(v->experts, l->expert_down[e]);
    }
}

static uint64_t sum(const uint64_t *by_type)
{
    uint64_t total = 0;
    for (int t = 0; t < DTYPE_COUNT; t++)
        total += by_type[t];
    return total;
}

static fit_variant own_variant(const engine *e)
{
    const weights *w = engine_weights(e);
    fit_variant v = {.own = true};
    for (int i = 0; i < w->layer_count; i++)
        count_layer(&w->layers[i], w->experts, &v);
    add(v.dense, w->output);
    v.embedding = w->tied ? 0 : bytes_of(w->embedding);
    v.file = engine_weight_bytes(e);
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (v.dense[t] + v.experts[t] > v.dense[v.type] + v.experts[v.type])
            v.type = (dtype)t;
    return v;
}

static double bits(dtype type)
{
    const dtype_info *info = dtype_describe(type);
    return 8.0 * (double)info->bytes / info->block;
}

static void convert(const uint64_t *from, dtype type, uint64_t *to)
{
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (t == DTYPE_F32) /* routers stay as they are */
            to[t] += from[t];
        else if (from[t])
            to[type] += (uint64_t)((double)from[t] * bits(type) / bits((dtype)t));
}

int fit_variants(const engine *e, fit_variant *out)
{
    static const dtype types[] = {DTYPE_Q8_0, DTYPE_Q6_K, DTYPE_Q5_K, DTYPE_Q5_0,
                                  DTYPE_Q4_K, DTYPE_Q4_0, DTYPE_Q3_K, DTYPE_Q2_K};
    int n = 0, width = engine_config(e)->width;
    const fit_variant own = out[n++] = own_variant(e);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        fit_variant v = {.type = types[i]};
        if (bits(types[i]) >= bits(own.type) || width % dtype_describe(types[i])->block)
            continue;
        convert(own.dense, v.type, v.dense);
        convert(own.experts, v.type, v.experts);
        v.embedding = (uint64_t)((double)own.embedding * bits(v.type) / bits(own.type));
        v.file = sum(v.dense) + sum(v.experts) + v.embedding;
        out[n++] = v;
    }
    return n;
}

/* ---- measuring ------------------------------------------------------------------------------------ */

/* Seconds of one product of `weight` with n rows, the least of a few. */
static double product_seconds(backend *b, const tensor *weight, const tensor *x, tensor *out, int n)
{
    double best = INFINITY;
    for (int i = 0; i < SWEEPS; i++) {
        product p = {out, weight, NULL};
        double from = console_seconds();
        op_matmul(b, &p, 1, x, n);
        (void)backend_sync(b, NULL);
        best = fmin(best, console_seconds() - from);
    }
    return best;
}

static int measure_type(engine *e, dtype type, int passes, fit_rates *out, error *err)
{
    backend *b = engine_backend(e);
    size_t cols = (size_t)engine_config(e)->width, row = dtype_row_bytes(type, cols);
    size_t rows = MATRIX_BYTES / row;
    tensor *w = tensor_new(b, type, rows, cols, err);
    tensor *x = w ? tensor_new(b, DTYPE_F32, (size_t)passes, cols, err) : NULL;
    tensor *y = x ? tensor_new(b, DTYPE_F32, (size_t)passes, rows, err) : NULL;
    for (int n = 1; y && n <= passes; n += passes > 1 ? passes - 1 : 1)
        out->products[type][n] = (double)(rows * row) / product_seconds(b, w, x, y, n);
    int result = y ? 0 : -1;
    tensor_free(w);
    tensor_free(x);
    tensor_free(y);
    return result;
}

static int measure_memory(engine *e, fit_rates *out, error *err)
{
    void *buffer =
        mmap(NULL, MATRIX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return error_memory(err, "the memory test");
    memset(buffer, 1, MATRIX_BYTES);
    for (int i = 0; i < SWEEPS; i++)
        out->memory = fmax(out->memory, MATRIX_BYTES / backend_read_seconds(engine_backend(e),
                                                                            buffer, MATRIX_BYTES));
    (void)munmap(buffer, MATRIX_BYTES);
    return 0;
}

/* Parts all over the file of the experts, past what the page cache keeps of them. */
static void measure_disk(engine *e, fit_rates *out)
{
    const weights *w = engine_weights(e);
    int layer = 0;
    while (layer + 1 < w->layer_count && !w->layers[layer].bank)
        layer++;
    const tensor *t = w->layers[layer].bank ? w->layers[layer].expert_gate[0] : w->output;
    const mapped_file *m = checkpoint_file(engine_checkpoint(e), tensor_host(t));
    char *to = malloc(DISK_PART);
    double seconds = 0, bytes = 0;
    for (int i = 0; m && to && i < DISK_PARTS; i++) {
        off_t at = (off_t)(m->size / DISK_PARTS) * i;
        (void)posix_fadvise(m->fd, at, DISK_PART, POSIX_FADV_DONTNEED);
        double from = console_seconds();
        ssize_t n = pread(m->fd, to, DISK_PART, at);
        seconds += console_seconds() - from;
        bytes += n > 0 ? (double)n : 0;
    }
    free(to);
    out->disk = seconds > 0 ? bytes / seconds : 0;
}

int fit_measure(engine *e, const fit_variant *variants, int count, int passes, bool disk,
                fit_rates *out, error *err)
{
    bool wanted[DTYPE_COUNT] = {false};
    *out = (fit_rates){0};
    for (int i = 0; i < count; i++)
        for (int t = 0; t < DTYPE_COUNT; t++)
            wanted[t] = wanted[t] || variants[i].dense[t] || variants[i].experts[t];
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (wanted[t] && measure_type(e, (dtype)t, passes, out, err))
            return -1;
    if (disk)
        measure_disk(e, out);
    return measure_memory(e, out, err);
}

/* ---- predicting ----------------------------------------------------------------------------------- */

static double seconds_of(const uint64_t *by_type, double share, const fit_rates *r, int rows)
{
    double seconds = 0;
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (by_type[t])
            seconds += (double)by_type[t] * share / r->products[t][rows];
    return seconds;
}

/* Share of a layer's experts that n passes of k call, choosing apart. */
static double called(const model_config *c, int k, int n, double may)
{
    double of = may * c->experts;
    if (of < k)
        of = k;
    return c->experts ? of / c->experts * (1 - pow(1 - k / of, n)) : 0;
}

fit_answer fit_predict(const engine *e, const fit_rates *r, const fit_question *q)
{
    const model_config *c = engine_config(e);
    const fit_variant *v = q->variant;
    engine_memory_needs now;
    engine_needs(e, &now);
    double experts = (double)sum(v->experts);
    uint64_t kv = engine_kv_bytes(e, q->context, q->kv) * (uint64_t)q->passes;
    uint64_t fixed = sum(v->dense) + kv + now.batch;
    fit_answer a = {.needed = fixed + (uint64_t)(experts * q->may)};
    a.fits = !q->memory || a.needed <= q->memory;
    double share = called(c, q->experts, q->passes, q->may);
    double dense = seconds_of(v->dense, 1, r, q->passes), mix = seconds_of(v->experts, share, r, 1);
    double position = (double)engine_kv_bytes(e, KV_PAGE, q->kv) / KV_PAGE;
    dense += position * FIT_DEPTH * q->passes / r->memory + LAYER_SECONDS * c->layers;
    if (!a.fits) {
        double pool = q->memory > fixed ? (double)(q->memory - fixed) : 0;
        if (pool < (double)now.least || r->disk <= 0)
            return a;
        a.reading = experts * share * (1 - pool / (experts * q->may)) / r->disk;
    }
    a.step = dense + fmax(mix, a.reading);
    return a;
}
