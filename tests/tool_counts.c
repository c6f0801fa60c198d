/* tool_counts.c - the hot paths, each run once inside a function that a profiler can stop at.
 *
 *     build/tests/tool_counts build
 *     build/tests/tool_counts ISA MODEL
 *
 * The first prints what the counts depend on besides the sources: compiler, options, C library. The
 * second runs each case twice, the second time inside counted(), and prints its name before that:
 * test_counts.py has callgrind dump the instructions of each call of counted(). Data are fixed and
 * there is one thread, so counts repeat.
 */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/run/engine.h"
#include "../engine/run/sampler.h"
#include "../kernels/cpu/dot.h"
#include "../kernels/devices/backend_open.h"
#include "blocks.h"

enum {
    ROWS = 16,
    COLS = 1024,
    COLUMNS = DOT_COLUMNS,
    EXPERTS = 128,
    HEADS = 8,
    KV_HEADS = 2,
    HEAD_DIM = 64,
    PAST = 150,         /* positions before the one that attends */
    VOCABULARY = 30000, /* of the sampler */
    RANK = 8,
};

/* How the objects were compiled, as the Makefile says it. */
#ifndef COUNTS_FLAGS
#define COUNTS_FLAGS ""
#endif

typedef struct lab {
    backend *b;
    const dot_kernels *dots;
    engine *e;
    session *sessions[3];
    error err;
} lab;

static void must(const lab *l, bool good)
{
    if (good)
        return;
    fprintf(stderr, "tool_counts: %s\n", l->err.text[0] ? l->err.text : "out of memory");
    exit(2);
}

typedef void work(lab *l, void *arg);

void counted(work *run, lab *l, void *arg);

__attribute__((noinline)) void counted(work *run, lab *l, void *arg)
{
    run(l, arg);
}

static void run_case(lab *l, const char *name, work *run, void *arg)
{
    run(l, arg); /* memory grows, symbols are bound */
    printf("%s\n", name);
    fflush(stdout);
    counted(run, l, arg);
}

/* ---- kernels --------------------------------------------------------------------------------- */

typedef struct product_case {
    dtype type;
    size_t n;
    const void *weight;
    const void *x[COLUMNS];
    float *out[COLUMNS];
} product_case;

static void product_rows(lab *l, void *arg)
{
    product_case *p = arg;
    l->dots->rows[p->type](p->weight, COLS, 0, ROWS, p->x, p->n, p->out);
}

static void count_products(lab *l, dtype type)
{
    blocks_random random = {3};
    activation_form form = activation_of(type);
    size_t stride = activation_bytes(form, COLS);
    float *x = blocks_activations(&random, COLUMNS * COLS);
    uint8_t *inputs = aligned_alloc(64, (COLUMNS * stride + 63) / 64 * 64);
    float results[COLUMNS][ROWS];
    void *weight = blocks_matrix(&random, type, ROWS, COLS);
    must(l, x && inputs && weight);
    product_case p = {.type = type, .weight = weight};
    for (size_t i = 0; i < COLUMNS; i++) {
        if (form == ACTIVATION_F32)
            memcpy(inputs + i * stride, x + i * COLS, COLS * sizeof *x);
        else
            l->dots->quantize[form](x + i * COLS, COLS, inputs + i * stride);
        p.x[i] = inputs + i * stride;
        p.out[i] = results[i];
    }
    for (int i = 0; i < 3; i++) {
        char name[64];
        p.n = (const size_t[]){1, 3, COLUMNS}[i];
        snprintf(name, sizeof name, "product %s by %zu", dtype_describe(type)->name, p.n);
        run_case(l, name, product_rows, &p);
    }
    free(weight);
    free(inputs);
    free(x);
}

typedef struct row_case {
    float *x, *y;
    void *out;
    activation_form form;
} row_case;

static void quantise_row(lab *l, void *arg)
{
    const row_case *r = arg;
    l->dots->quantize[r->form](r->x, COLS, r->out);
}

static void swiglu_row(lab *l, void *arg)
{
    const row_case *r = arg;
    l->dots->swiglu(r->y, r->x, r->x, COLS);
}

static void exp_row(lab *l, void *arg)
{
    const row_case *r = arg;
    memcpy(r->y, r->x, COLS * sizeof *r->y);
    l->dots->exp(r->y, 1, COLS);
}

static void update_row(lab *l, void *arg)
{
    const row_case *r = arg;
    l->dots->add_rows(r->y, r->x, COLS, r->x, RANK, COLS);
}

static void count_rows(lab *l)
{
    blocks_random random = {4};
    row_case r = {.x = blocks_activations(&random, RANK * COLS), .y = calloc(COLS, sizeof *r.y)};
    r.out = aligned_alloc(64, 4 * COLS);
    must(l, r.x && r.y && r.out);
    r.form = ACTIVATION_Q32;
    run_case(l, "quantise q32", quantise_row, &r);
    r.form = ACTIVATION_Q256;
    run_case(l, "quantise q256", quantise_row, &r);
    run_case(l, "swiglu", swiglu_row, &r);
    run_case(l, "exp", exp_row, &r);
    run_case(l, "low-rank update", update_row, &r);
    free(r.x);
    free(r.y);
    free(r.out);
}

/* ---- ops ------------------------------------------------------------------------------------- */

typedef struct op_case {
    tensor *in, *out, *weight;
    routes *chosen;
    sampler *sampler;
    const float *logits;
} op_case;

static void attend(lab *l, void *arg)
{
    const op_case *o = arg;
    attention_form form = {
        .heads = HEADS, .key_width = HEAD_DIM, .value_width = HEAD_DIM, .scale = 0.125f};
    op_attention(l->b, o->out, o->in, 0, &form, 1);
}

static void normalise(lab *l, void *arg)
{
    const op_case *o = arg;
    op_rmsnorm(l->b, o->out, o->in, o->weight, 1e-6f, COLUMNS);
}

static void choose_experts(lab *l, void *arg)
{
    const op_case *o = arg;
    op_route(l->b, o->chosen, o->in, NULL, 0, &(router_form){.renormalise = true}, 1);
}

static void choose_token(lab *l, void *arg)
{
    const op_case *o = arg;
    int id;
    must(l, sampler_pick(o->sampler, o->logits, NULL, 0, 7, NULL, &id, &l->err) == 0);
}

static tensor *filled(lab *l, size_t rows, size_t cols)
{
    blocks_random random = {5};
    tensor *t = tensor_new(l->b, DTYPE_F32, rows, cols, &l->err);
    float *x = blocks_activations(&random, rows * cols);
    must(l, t && x);
    tensor_write(l->b, t, 0, rows, x);
    free(x);
    return t;
}

static void count_attention(lab *l, dtype type)
{
    enum { PAGES = PAST / KV_PAGE + 1 };
    kv_layout layout = {1, KV_HEADS, HEAD_DIM, type};
    void *pages[PAGES];
    char name[64];
    for (int i = 0; i < PAGES; i++) {
        must(l, (pages[i] = kv_page_new(l->b, &layout, &l->err)) != NULL);
        memset(pages[i], 0, kv_page_bytes(&layout));
    }
    batch_row row = {.position = PAST, .pages = pages};
    op_case o = {.in = filled(l, 1, HEADS * HEAD_DIM), .out = filled(l, 1, HEADS * HEAD_DIM)};
    op_batch(l->b, &layout, &row, 1, NULL, NULL, 0);
    snprintf(name, sizeof name, "attention %s", dtype_describe(type)->name);
    run_case(l, name, attend, &o);
    for (int i = 0; i < PAGES; i++)
        kv_page_free(l->b, pages[i]);
    tensor_free(o.in);
    tensor_free(o.out);
}

static void count_route(lab *l)
{
    kv_layout layout = {1, KV_HEADS, HEAD_DIM, DTYPE_F16};
    layer_routing plain = {.k = 8, .trained_k = 8, .norm_width = 8, .tail_gain = 1, .strength = 1};
    routing_tables *tables = routing_tables_new(l->b, &plain, 1, EXPERTS, &l->err);
    batch_row row = {.routing = tables};
    op_case o = {.in = filled(l, 1, EXPERTS), .chosen = routes_new(l->b, 1, 8, &l->err)};
    must(l, tables && o.chosen);
    op_batch(l->b, &layout, &row, 1, NULL, NULL, 0);
    run_case(l, "route", choose_experts, &o);
    routes_free(l->b, o.chosen);
    routing_tables_free(tables);
    tensor_free(o.in);
}

static void count_norm(lab *l)
{
    op_case o = {.in = filled(l, COLUMNS, COLS),
                 .out = filled(l, COLUMNS, COLS),
                 .weight = filled(l, 1, COLS)};
    run_case(l, "rmsnorm", normalise, &o);
    tensor_free(o.in);
    tensor_free(o.out);
    tensor_free(o.weight);
}

static void count_sampler(lab *l, const char *name, double temperature, int top_k)
{
    blocks_random random = {6};
    float *logits = blocks_activations(&random, VOCABULARY);
    must(l, logits != NULL);
    for (size_t i = 0; i < 40; i++) /* the few that may be said */
        logits[700 * i] = 20 - 0.2f * (float)i;
    sampling s = sampling_defaults();
    s.temperature = temperature;
    s.top_k = top_k;
    op_case o = {.logits = logits, .sampler = sampler_open(l->b, &s, "a", VOCABULARY, &l->err)};
    must(l, o.sampler != NULL);
    run_case(l, name, choose_token, &o);
    sampler_close(o.sampler);
    free(logits);
}

/* ---- a step of decoding ---------------------------------------------------------------------- */

enum { READ = 20 }; /* tokens before it */

/* One token in each of the first n sessions. */
static void advance(lab *l, void *arg)
{
    int n = *(int *)arg, id = 5;
    float *logits = malloc((size_t)engine_config(l->e)->vocabulary * sizeof *logits);
    step steps[3];
    must(l, logits != NULL);
    for (int i = 0; i < n; i++) {
        session_rewind(l->sessions[i], READ);
        steps[i] = (step){l->sessions[i], &id, 1, LOGITS_LAST, logits};
    }
    must(l, engine_advance(l->e, steps, n, &l->err) == 0);
    free(logits);
}

static void read_prompt(lab *l, void *arg)
{
    int ids[READ];
    for (int i = 0; i < READ; i++)
        ids[i] = 3 + i;
    step read = {arg, ids, READ, LOGITS_NONE, NULL};
    session_rewind(arg, 0);
    must(l, engine_advance(l->e, &read, 1, &l->err) == 0);
}

static void count_steps(lab *l)
{
    int n = 1;
    for (int i = 0; i < 3; i++) {
        must(l, (l->sessions[i] = session_open(l->e, 64, DTYPE_F16, &l->err)) != NULL);
        read_prompt(l, l->sessions[i]);
    }
    run_case(l, "prompt of 20", read_prompt, l->sessions[0]);
    run_case(l, "decode step", advance, &n);
    n = 3;
    run_case(l, "decode step of 3", advance, &n);
    for (int i = 0; i < 3; i++)
        session_close(l->sessions[i]);
}

static void count_all(lab *l)
{
    for (int type = 0; type < DTYPE_COUNT; type++)
        if (l->dots->rows[type])
            count_products(l, (dtype)type);
    count_rows(l);
    count_norm(l);
    count_attention(l, DTYPE_F32);
    count_attention(l, DTYPE_F16);
    count_attention(l, DTYPE_Q8_0);
    count_route(l);
    count_sampler(l, "sampler, greedy", 0, 0);
    count_sampler(l, "sampler, top-p", 0.7, 0);
    count_sampler(l, "sampler, top-k", 0.6, 20);
    count_steps(l);
}

int main(int argc, char **argv)
{
    lab l = {0};
    if (argc == 2 && strcmp(argv[1], "build") == 0) {
        printf("compiler %s%s; libc %s\n", __VERSION__, COUNTS_FLAGS, gnu_get_libc_version());
        return 0;
    }
    if (argc != 3) {
        fprintf(stderr, "usage: tool_counts build | ISA MODEL\n");
        return 2;
    }
    engine_options options = {
        .path = argv[2], .backend = {.name = "cpu", .isa = argv[1], .threads = 1}, .max_rows = 32};
    must(&l, (l.dots = dot_select(argv[1], &l.err)) != NULL);
    must(&l, (l.e = engine_open(&options, &l.err)) != NULL);
    l.b = engine_backend(l.e);
    count_all(&l);
    engine_close(l.e);
    return 0;
}
