/* cpu.c - opens the CPU backend and owns its memory: tensors, pages, scratch.
 *
 * Also here are the two products, which only hand over to matmul.c, and the sharing of small row
 * work. Own tensors are aligned to a cache line; borrowed ones lie wherever their file put them.
 */
#include "cpu.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cores.h"
#include "cpu_state.h"
#include "matmul.h"

enum {
    ALIGNMENT = 64,
    SWEEP_BLOCK = 1 << 20,
    WORTH_WAKING = 32768, /* elements: waking the workers costs about two microseconds */
};

/* Zeroed when asked, aligned, to be freed with free(). bytes may be 0. */
static void *allocate(size_t bytes, bool zeroed)
{
    if (bytes > SIZE_MAX - 2 * ALIGNMENT)
        return NULL;
    size_t padded = (bytes / ALIGNMENT + 1) * ALIGNMENT;
    void *data = aligned_alloc(ALIGNMENT, padded);
    if (data && zeroed)
        memset(data, 0, padded);
    return data;
}

/* ---- failures and scratch ------------------------------------------------------------------- */

void cpu_keep_failure(cpu_backend *cpu, const error *err)
{
    if (cpu->failure.code == ERROR_NONE)
        cpu->failure = *err;
}

void cpu_report_faults(cpu_backend *cpu)
{
    unsigned faults = atomic_exchange(&cpu->faults, 0);
    if (!faults)
        return;
    error err;
    error_set(&err, ERROR_RUN, "%s are not finite",
              faults & FAULT_ROUTER ? "router logits" : "activations");
    if (cpu->layer >= 0)
        error_prefix(&err, "layer %d: ", cpu->layer);
    cpu_keep_failure(cpu, &err);
}

static void cpu_fail(backend *b, const error *why)
{
    error err = *why;
    if (cpu_of(b)->layer >= 0)
        error_prefix(&err, "layer %d: ", cpu_of(b)->layer);
    cpu_keep_failure(cpu_of(b), &err);
}

static const kv_layout *cpu_pages(const backend *b)
{
    return &((const cpu_backend *)b)->layout;
}

static int cpu_sync(backend *b, error *err)
{
    cpu_backend *cpu = cpu_of(b);
    if (cpu->failure.code == ERROR_NONE)
        return 0;
    if (err)
        *err = cpu->failure;
    cpu->failure = (error){0};
    return -1;
}

void *cpu_scratch(cpu_backend *cpu, scratch *s, size_t bytes, const char *what)
{
    if (bytes <= s->bytes)
        return s->data;
    free(s->data);
    *s = (scratch){.data = allocate(bytes, false), .bytes = bytes};
    if (s->data)
        return s->data;
    error err;
    s->bytes = 0;
    error_memory(&err, what);
    cpu_keep_failure(cpu, &err);
    return NULL;
}

/* ---- opening and closing -------------------------------------------------------------------- */

static void cpu_close(backend *b)
{
    cpu_backend *cpu = cpu_of(b);
    thread_pool_close(cpu->workers);
    free(cpu->activation.data);
    free(cpu->routing.data);
    for (size_t i = 0; i < sizeof cpu->experts / sizeof *cpu->experts; i++)
        free(cpu->experts[i].data);
    for (size_t i = 0; i < sizeof cpu->updates / sizeof *cpu->updates; i++)
        free(cpu->updates[i].data);
    for (size_t i = 0; i < sizeof cpu->held / sizeof *cpu->held; i++)
        free(cpu->held[i].data);
    free(cpu);
}

static const char *cpu_isa(const backend *b)
{
    return ((const cpu_backend *)b)->dots->name;
}

static int cpu_threads(const backend *b)
{
    return thread_pool_threads(((const cpu_backend *)b)->workers);
}

/* ---- tensors -------------------------------------------------------------------------------- */

static tensor *new_tensor(backend *b, dtype type, size_t rows, size_t cols, error *err)
{
    tensor *t = malloc(sizeof *t);
    if (!t) {
        error_memory(err, "a tensor");
        return NULL;
    }
    *t = (tensor){.owner = b,
                  .type = type,
                  .rows = rows,
                  .cols = cols,
                  .row_bytes = dtype_row_bytes(type, cols)};
    return t;
}

static tensor *cpu_tensor_new(backend *b, dtype type, size_t rows, size_t cols, error *err)
{
    tensor *t = new_tensor(b, type, rows, cols, err);
    size_t bytes;
    if (!t)
        return NULL;
    if (!__builtin_mul_overflow(rows, t->row_bytes, &bytes) && (t->data = allocate(bytes, true)))
        return t;
    free(t);
    error_memory(err, "a tensor");
    return NULL;
}

static tensor *cpu_tensor_map(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                              error *err)
{
    tensor *t = new_tensor(b, type, rows, cols, err);
    if (!t)
        return NULL;
    t->data = (void *)(uintptr_t)host; /* never written: `borrowed` says so */
    t->borrowed = true;
    return t;
}

static void cpu_tensor_free(tensor *t)
{
    if (!t->borrowed)
        free(t->data);
    free(t);
}

static void cpu_tensor_write(backend *b, tensor *t, size_t row, size_t rows, const void *src)
{
    (void)b;
    assert(!t->borrowed && row + rows <= t->rows);
    memcpy((char *)t->data + row * t->row_bytes, src, rows * t->row_bytes);
}

static void cpu_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst)
{
    (void)b;
    assert(row + rows <= t->rows);
    memcpy(dst, (const char *)t->data + row * t->row_bytes, rows * t->row_bytes);
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void *cpu_kv_page_new(backend *b, const kv_layout *layout, error *err)
{
    (void)b;
    void *page = allocate(kv_page_bytes(layout), false);
    if (!page)
        error_memory(err, "a page of the KV cache");
    return page;
}

static void cpu_kv_page_free(backend *b, void *page)
{
    (void)b;
    free(page);
}

static void cpu_kv_page_copy(backend *b, const kv_layout *layout, void *to, const void *from)
{
    (void)b;
    memcpy(to, from, kv_page_bytes(layout));
}

static void cpu_layer(backend *b, int layer)
{
    cpu_of(b)->layer = layer;
}

/* ---- row work ------------------------------------------------------------------------------- */

typedef struct row_work {
    cpu_rows_fn *fn;
    void *user;
    int n, block; /* rows, and how many are taken at a time */
    atomic_int next;
} row_work;

static void take_rows(void *arg, int index, int count)
{
    row_work *w = arg;
    (void)count;
    for (int from; (from = atomic_fetch_add(&w->next, w->block)) < w->n;)
        w->fn(w->user, from, from + w->block < w->n ? from + w->block : w->n, index);
}

void cpu_rows(cpu_backend *cpu, int n, size_t row_cost, cpu_rows_fn *fn, void *user)
{
    row_work w = {.fn = fn, .user = user, .n = n};
    w.block = n / (4 * thread_pool_threads(cpu->workers)) + 1;
    if (n > 1 && (size_t)n * row_cost >= WORTH_WAKING)
        thread_pool_run(cpu->workers, take_rows, &w);
    else
        fn(user, 0, n, 0);
}

/* ---- products ------------------------------------------------------------------------------- */

static matmul_device device_of(const cpu_backend *cpu)
{
    return (matmul_device){.kernels = cpu->dots, .threads = cpu->workers};
}

static matmul_task task_of(const tensor *weight, const tensor *bias, tensor *out)
{
    assert(out->type == DTYPE_F32 && out->cols >= weight->rows);
    assert(!bias || (bias->type == DTYPE_F32 && bias->cols == weight->rows));
    return (matmul_task){.type = weight->type,
                         .weight = weight->data,
                         .rows = weight->rows,
                         .bias = bias ? bias->data : NULL,
                         .out = out->data,
                         .out_stride = out->cols};
}

static matmul_input input_of(const tensor *x, int n)
{
    assert(x->type == DTYPE_F32 && n > 0 && (size_t)n <= x->rows);
    return (matmul_input){.x = x->data, .stride = x->cols, .cols = x->cols, .n = (size_t)n};
}

/* Sized for all rows of x, not for n: a bigger batch later finds it there. */
static void *product_scratch(cpu_backend *cpu, const tensor *x)
{
    return cpu_scratch(cpu, &cpu->activation, matmul_scratch_bytes(x->cols, x->rows), "a product");
}

static void cpu_matmul(backend *b, const product *products, int count, const tensor *x, int n)
{
    cpu_backend *cpu = cpu_of(b);
    matmul_task tasks[MATMUL_TASKS];
    void *memory = product_scratch(cpu, x);
    assert(count > 0 && count <= MATMUL_TASKS);
    for (int i = 0; i < count; i++) {
        assert(products[i].weight->cols == x->cols);
        tasks[i] = task_of(products[i].weight, products[i].bias, products[i].out);
    }
    if (memory)
        matmul_run(device_of(cpu), tasks, count, input_of(x, n), memory);
}

static void cpu_matmul_swiglu(backend *b, tensor *out, const gated_weights *w, const tensor *x,
                              int n)
{
    cpu_backend *cpu = cpu_of(b);
    void *memory = product_scratch(cpu, x);
    assert(w->gate->cols == x->cols && w->up->cols == x->cols && w->gate->rows == w->up->rows);
    matmul_task gate = task_of(w->gate, w->gate_bias, out), up = task_of(w->up, w->up_bias, out);
    if (memory)
        matmul_swiglu(device_of(cpu), &gate, &up, input_of(x, n), memory);
}

/* ---- the bandwidth sweep -------------------------------------------------------------------- */

typedef struct sweep {
    const char *bytes;
    size_t size;
    atomic_size_t next;
    atomic_uint seen; /* keeps the reads from being optimised away */
} sweep;

/* Asks for what lies a page ahead, as the products do; it may be past the end. */
static uint64_t read_words(const char *from, size_t words)
{
    enum { AHEAD = 4096 };
    uint64_t lanes[8] = {0}, word;
    for (size_t i = 0; i + 8 <= words; i += 8) {
        __builtin_prefetch((const void *)((uintptr_t)from + i * sizeof word + AHEAD), 0, 2);
        for (size_t l = 0; l < 8; l++) {
            memcpy(&word, from + (i + l) * sizeof word, sizeof word);
            lanes[l] ^= word;
        }
    }
    for (size_t l = 1; l < 8; l++)
        lanes[0] ^= lanes[l];
    return lanes[0];
}

static void sweep_blocks(void *arg, int index, int count)
{
    sweep *s = arg;
    (void)index, (void)count;
    for (size_t at; (at = atomic_fetch_add(&s->next, SWEEP_BLOCK)) < s->size;) {
        size_t bytes = s->size - at < SWEEP_BLOCK ? s->size - at : SWEEP_BLOCK;
        uint64_t mixed = read_words(s->bytes + at, bytes / sizeof(uint64_t));
        atomic_fetch_xor(&s->seen, (unsigned)(mixed ^ mixed >> 32));
    }
}

static double cpu_read_seconds(backend *b, const void *host, size_t bytes)
{
    sweep s = {.bytes = host, .size = bytes};
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    thread_pool_run(cpu_of(b)->workers, sweep_blocks, &s);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
}

/* ---- likelihoods ---------------------------------------------------------------------------- */

static double cpu_logprob(backend *b, const float *z, size_t n, int id)
{
    enum { BLOCK = 1024 };
    const attention_kernels *k = cpu_of(b)->kernels;
    float block[BLOCK], most = z[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        most = z[i] > most ? z[i] : most;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        memcpy(block, z + at, m * sizeof *block);
        sum += (double)k->softmax(block, (int)m, &most);
    }
    return (double)z[id] - (double)most - log(sum);
}

/* ---- choosing ------------------------------------------------------------------------------- */

typedef struct choice {
    cpu_backend *cpu;
    sample_row *rows;
} choice;

static void choose_rows(void *user, int from, int to, int thread)
{
    const choice *c = user;
    (void)thread;
    for (sample_row *row = c->rows + from; row < c->rows + to; row++) {
        sample_pick(c->cpu->samples, row);
        if (row->vocabulary && row->fault == SAMPLE_OK)
            row->logprob = cpu_logprob(&c->cpu->base, row->logits, row->vocabulary, row->id);
    }
}

static void cpu_sample(backend *b, sample_row *rows, int n)
{
    choice c = {.cpu = cpu_of(b), .rows = rows};
    cpu_rows(c.cpu, n, rows[0].candidates, choose_rows, &c);
}

/* Chooses from rows of logits in a tensor, as from the host's. */
typedef struct choice_among {
    cpu_backend *cpu;
    const tensor *logits;
    sample_row *const *rows;
} choice_among;

static void choose_among(void *user, int from, int to, int thread)
{
    const choice_among *c = user;
    (void)thread;
    for (int i = from; i < to; i++) {
        sample_row *row = c->rows[i];
        if (!row)
            continue;
        const float *z = (const float *)c->logits->data + (size_t)i * c->logits->cols;
        choice one = {.cpu = c->cpu, .rows = row};
        row->broken = 0;
        while (row->broken < c->logits->cols && isfinite(z[row->broken]))
            row->broken++;
        if (row->broken == c->logits->cols)
            row->broken = SAMPLE_ALL_FINITE;
        row->logits = z;
        choose_rows(&one, 0, 1, thread);
        row->logits = NULL;
    }
}

static void cpu_sample_logits(backend *b, const tensor *logits, sample_row *const *rows, int n)
{
    choice_among c = {cpu_of(b), logits, rows};
    cpu_rows(c.cpu, n, logits->cols, choose_among, &c);
}

static void cpu_score_logits(backend *b, const tensor *logits, const int *ids,
                             double *const *logprobs, int n)
{
    for (int i = 0; i < n; i++)
        if (logprobs[i])
            *logprobs[i] = cpu_logprob(b, (const float *)logits->data + (size_t)i * logits->cols,
                                       logits->cols, ids[i]);
}

/* ---- the table ------------------------------------------------------------------------------ */

static const backend_table table = {
    .name = "cpu",
    .host_memory = true,
    .attention_parts = 0,
    .router_parts = 1u << ROUTER_SOFTMAX,
    .close = cpu_close,
    .isa = cpu_isa,
    .threads = cpu_threads,
    .sync = cpu_sync,
    .fail = cpu_fail,
    .read_seconds = cpu_read_seconds,
    .logprob = cpu_logprob,
    .sample = cpu_sample,
    .sample_logits = cpu_sample_logits,
    .score_logits = cpu_score_logits,
    .tensor_new = cpu_tensor_new,
    .tensor_map = cpu_tensor_map,
    .tensor_lend = cpu_tensor_map,
    .tensor_free = cpu_tensor_free,
    .tensor_write = cpu_tensor_write,
    .tensor_read = cpu_tensor_read,
    .kv_page_new = cpu_kv_page_new,
    .kv_page_free = cpu_kv_page_free,
    .kv_page_copy = cpu_kv_page_copy,
    .layer = cpu_layer,
    .batch = cpu_batch,
    .embed = cpu_embed,
    .rmsnorm = cpu_rmsnorm,
    .head_rmsnorm = cpu_head_rmsnorm,
    .matmul = cpu_matmul,
    .matmul_swiglu = cpu_matmul_swiglu,
    .rope = cpu_rope,
    .kv_store = cpu_kv_store,
    .attention = cpu_attention,
    .pages = cpu_pages,
    .add = cpu_add,
    .scale = cpu_scale,
    .sigmoid_gate = cpu_sigmoid_gate,
    .gather = cpu_gather,
    .routes_new = cpu_routes_new,
    .routes_free = cpu_routes_free,
    .route = cpu_route,
    .routes_read = cpu_routes_read,
    .routes_write = cpu_routes_write,
    .routes_slot = cpu_routes_slot,
    .experts = cpu_experts,
};

backend *cpu_open(const backend_options *options, error *err)
{
    const dot_kernels *dots = dot_select(options->isa ? options->isa : "auto", err);
    if (!dots)
        return NULL;
    cpu_backend *cpu = calloc(1, sizeof *cpu);
    if (!cpu) {
        error_memory(err, "the CPU backend");
        return NULL;
    }
    cpu->base.table = &table;
    cpu->layer = -1;
    cpu->dots = dots;
    bool baseline = strcmp(dots->name, "baseline") == 0;
    cpu->kernels = baseline                            ? attention_baseline()
                   : strcmp(dots->name, "avx512") == 0 ? attention_avx512()
                                                       : attention_avx2();
    cpu->samples = baseline ? sample_baseline() : sample_avx2();
    cpu->workers =
        thread_pool_open(options->threads > 0 ? options->threads : cores_physical(), err);
    if (cpu->workers)
        return &cpu->base;
    cpu_close(&cpu->base);
    return NULL;
}
