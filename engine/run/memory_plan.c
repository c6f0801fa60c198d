/* memory_plan.c - see memory_plan.h. */
#include "memory_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "forward.h"

enum { GRAIN = 512 }; /* cudaMalloc() gives multiples of it */

static uint64_t grains(uint64_t bytes)
{
    return (bytes + GRAIN - 1) / GRAIN * GRAIN;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- weights --------------------------------------------------------------------------------- */

static uint64_t tensor_bytes(const tensor *t)
{
    return grains(tensor_rows(t) * dtype_row_bytes(tensor_type(t), tensor_cols(t)));
}

/* Whether one of the programs may call it. */
static bool is_called(const memory_ask *a, int layer, int expert)
{
    for (int i = 0; i < a->program_count; i++) {
        const layer_routing *of = &router_program_routing(a->programs[i])[layer];
        if (!of->allowed || of->allowed[expert])
            return true;
    }
    return false;
}

/* Without programs all of them, of which nothing needs to be loaded. */
static uint64_t called_experts(const memory_ask *a)
{
    uint64_t sum = 0;
    if (!a->program_count)
        return a->weights->all_expert_bytes +
               (uint64_t)a->weights->moe_layers * (uint64_t)a->config->experts * 3 * GRAIN;
    for (int i = 0; i < a->config->layers; i++) {
        const layer_weights *w = &a->weights->layers[i];
        for (int e = 0; a->config->moe_layer[i] && e < a->config->experts; e++)
            if (is_called(a, i, e))
                sum += tensor_bytes(w->expert_gate[e]) + tensor_bytes(w->expert_up[e]) +
                       tensor_bytes(w->expert_down[e]);
    }
    return sum;
}

/* ---- a batch --------------------------------------------------------------------------------- */

/* Rows of activations as int8, in both forms that products take (kernels/cuda/matmul.cu). */
static uint64_t quantised(uint64_t rows, uint64_t cols)
{
    uint64_t all = rows * ((cols + QUANT_K - 1) / QUANT_K * QUANT_K);
    uint64_t codes = all + all / 16 * sizeof(int16_t);
    return 2 * codes + all / 32 * sizeof(float) + all / QUANT_K * sizeof(float) + 6 * GRAIN;
}

/* The pairs of rows and experts of a batch, their hidden rows and outputs (kernels/cuda/experts.cu). */
static uint64_t expert_work(const memory_ask *a)
{
    const model_config *c = a->config;
    uint64_t pairs = (uint64_t)a->max_rows * (uint64_t)a->slots;
    if (!c->experts)
        return 0;
    return pairs * ((uint64_t)c->expert_width + (uint64_t)c->width) * sizeof(float) +
           quantised(pairs, (uint64_t)c->expert_width) + 3 * pairs * sizeof(int) +
           (uint64_t)c->experts * 16;
}

static uint64_t batch_work(const memory_ask *a)
{
    const model_config *c = a->config;
    uint64_t rows = (uint64_t)a->max_rows, width = (uint64_t)c->width;
    uint64_t h = (uint64_t)c->heads * (uint64_t)c->head_dim;
    uint64_t g = (uint64_t)c->kv_heads * (uint64_t)c->head_dim;
    uint64_t ffn = (uint64_t)c->ffn_width, shared = (uint64_t)c->shared_width;
    uint64_t floats =
        3 * width + 2 * h + 2 * g + ffn + shared + (shared ? width : 0) + (uint64_t)c->experts;
    uint64_t widest = larger(larger(width, h), larger(ffn, shared));
    uint64_t lists = (uint64_t)a->passes * (uint64_t)(a->context / KV_PAGE + 1) * sizeof(void *);
    uint64_t angles = (uint64_t)c->rope.dim * sizeof(float);
    uint64_t choice = c->experts ? (uint64_t)a->slots * 12 + 12 : 0;
    return rows * (floats * sizeof(float) + angles + choice + 4 * sizeof(void *)) + lists +
           quantised(rows, widest) + forward_output_bytes(c);
}

/* Of the rows that tokens are drawn from, or of a block whose likelihoods are asked for, whichever is more
 * (kernels/cuda/sample.cu). */
static uint64_t draw_work(const memory_ask *a)
{
    uint64_t vocabulary = (uint64_t)a->config->vocabulary, some = vocabulary / 256;
    return larger((uint64_t)a->passes * (22 * vocabulary + some + vocabulary / 8 + 26 * GRAIN),
                  32 * (some + 6 * GRAIN));
}

/* The shares of a long past, span by span, of few rows (kernels/cuda/attention.cu). */
static uint64_t span_work(const memory_ask *a)
{
    enum { ROWS = 8, SPAN = 8 * KV_PAGE };
    const model_config *c = a->config;
    uint64_t spans = ((uint64_t)a->context + SPAN - 1) / SPAN;
    uint64_t floats = ROWS * (uint64_t)c->heads * spans * ((uint64_t)c->head_dim + 2);
    return spans > 1 ? floats * sizeof(float) : 0;
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* Of the tables that weight types and router programs have there; small things, generously. */
static uint64_t tables(const memory_ask *a)
{
    const model_config *c = a->config;
    uint64_t layer = (uint64_t)c->experts * 32 + 256;
    return (uint64_t)(a->passes + 1) * (uint64_t)c->layers * layer + (64u << 10) +
           (uint64_t)c->layers * ((uint64_t)c->experts * 48 + 16 * GRAIN);
}

memory_plan memory_plan_of(const memory_ask *a)
{
    const model_config *c = a->config;
    kv_layout layout = {c->layers, c->kv_heads, c->head_dim, a->kv};
    uint64_t pages = ((uint64_t)a->context + KV_PAGE - 1) / KV_PAGE * (uint64_t)a->passes;
    return (memory_plan){.dense =
                             a->weights->bytes + a->weights->grown - a->weights->all_expert_bytes,
                         .experts = called_experts(a),
                         .pages = pages * grains(kv_page_bytes(&layout)),
                         .work = batch_work(a) + expert_work(a) + draw_work(a) + span_work(a) +
                                 tables(a) + 64 * GRAIN};
}

uint64_t memory_plan_total(const memory_plan *p)
{
    return p->dense + p->experts + p->pages + p->work;
}

/* ---- what would fit -------------------------------------------------------------------------- */

static bool fits(memory_ask a, uint64_t room)
{
    memory_plan p = memory_plan_of(&a);
    return memory_plan_total(&p) <= room;
}

static int most_context(memory_ask a, uint64_t room)
{
    int low = 0, high = a.context / KV_PAGE; /* in pages: `low` fits */
    while (low + 1 < high) {
        int middle = low + (high - low) / 2;
        a.context = middle * KV_PAGE;
        *(fits(a, room) ? &low : &high) = middle;
    }
    return low * KV_PAGE;
}

/* Bytes of all weights if every matrix had this type. */
static uint64_t weights_as(const memory_ask *a, dtype type)
{
    const weights *w = a->weights;
    uint64_t per_block = dtype_row_bytes(type, QUANT_K);
    return w->matrix_elements / QUANT_K * per_block + (w->bytes + w->grown - w->matrix_bytes);
}

memory_fit memory_fit_of(const memory_ask *ask, uint64_t room)
{
    static const dtype types[] = {DTYPE_Q8_0, DTYPE_Q6_K, DTYPE_Q5_K,
                                  DTYPE_Q4_K, DTYPE_Q3_K, DTYPE_Q2_K};
    memory_plan p = memory_plan_of(ask);
    memory_fit fit = {.type = DTYPE_COUNT, .context = most_context(*ask, room)};
    memory_ask other = *ask;
    other.kv = DTYPE_Q8_0;
    fit.q8_0 = ask->kv != DTYPE_Q8_0 && ask->config->head_dim % 32 == 0 && fits(other, room);
    for (size_t i = 0; i < sizeof types / sizeof *types && fit.type == DTYPE_COUNT; i++) {
        uint64_t as = weights_as(ask, types[i]);
        if (as < p.dense + p.experts && as + p.pages + p.work <= room) {
            fit.type = types[i];
            fit.weight = as;
        }
    }
    uint64_t rest = p.dense + p.pages + p.work;
    uint64_t one =
        (uint64_t)ask->weights->moe_layers * (ask->weights->expert_bytes + 3 * (uint64_t)GRAIN);
    if (one && rest < room)
        fit.experts = (int)((room - rest) / one);
    if (fit.experts < ask->config->experts_per_token)
        fit.experts = 0;
    return fit;
}

/* Appends to text [size], after a comma where something stands already. */
static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...)
{
    size_t at = 0;
    va_list list;
    while (at < size && text[at])
        at++;
    if (at && at + 3 < size)
        at += (size_t)snprintf(text + at, size - at, ", ");
    va_start(list, format);
    (void)vsnprintf(text + at, size - at, format, list);
    va_end(list);
}

static double gib(uint64_t bytes)
{
    return (double)bytes * 0x1p-30;
}

void memory_fit_text(const memory_fit *fit, const memory_ask *ask, char *text, size_t size)
{
    text[0] = '\0';
    if (fit->context)
        append(text, size, "a context of %d tokens", fit->context);
    if (fit->q8_0)
        append(text, size, "--kv q8_0");
    if (fit->type != DTYPE_COUNT)
        append(text, size, "weights in %s (%.1f GiB)", dtype_describe(fit->type)->name,
               gib(fit->weight));
    if (fit->experts && fit->experts < ask->config->experts)
        append(text, size, "keep-masks that allow at most %d of %d experts a layer together",
               fit->experts, ask->config->experts);
}

int memory_check(const memory_ask *ask, uint64_t room, const char *room_is, error *err)
{
    char would[256];
    memory_plan p = memory_plan_of(ask);
    if (memory_plan_total(&p) <= room)
        return 0;
    memory_fit fit = memory_fit_of(ask, room);
    memory_fit_text(&fit, ask, would, sizeof would);
    return error_set(err, ERROR_LOAD,
                     "the model takes %.2f GiB of GPU memory (weights %.2f, keys and values %.2f "
                     "for %d x %d tokens, work %.2f), and %.2f %s; %s%s",
                     gib(memory_plan_total(&p)), gib(p.dense + p.experts), gib(p.pages),
                     ask->passes, ask->context, gib(p.work), gib(room), room_is,
                     would[0] ? "would fit: " : "nothing alone would make it fit", would);
}
