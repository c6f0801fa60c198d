/* attention.c - the KV cache and causal grouped-query attention over it.
 *
 * A page holds 64 positions; for each layer, the keys of each KV head [64, head_dim], then the
 * values. A session's pages are read in ascending order, one page at a time, with an online softmax
 * (Milakov and Gimelshein 2018): per query a running maximum, a running sum and an output
 * accumulator, all rescaled when a page raises the maximum. What a query computes depends on its
 * own length and on page boundaries alone, so it is the same alone or among others, and no memory
 * grows with the context.
 *
 * Queries that read the same keys share the work of loading them: the heads of one KV head, and in
 * prefill neighbouring rows of one session, form a group. Each tile of keys (8 positions) is
 * converted to f32 once, then met by all queries of the group; the values likewise. Groups are
 * the unit that threads take.
 */
#include "attention.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "cpu.h"
#include "mathx.h"

enum { GROUP = 16 }; /* queries that share a pass over the pages */

/* ---- pages ---------------------------------------------------------------------------------- */

/* Where position `at` of a page keeps its key (or value, when values is true) for one KV head. */
static char *kv_vector(const kv_layout *kv, void *page, int layer, int head, bool values, int at)
{
    size_t vector = dtype_row_bytes(kv->type, (size_t)kv->head_dim);
    size_t block = ((size_t)layer * 2 + (values ? 1 : 0)) * (size_t)kv->kv_heads + (size_t)head;
    return (char *)page + (block * KV_PAGE + (size_t)at) * vector;
}

typedef struct store_work {
    cpu_backend *cpu;
    const tensor *k, *v; /* [n, kv_heads * head_dim] */
    int layer;
} store_work;

static void store_rows(void *user, int from, int to, int thread)
{
    const store_work *w = user;
    const kv_layout *kv = &w->cpu->layout;
    const attention_kernels *kernels = w->cpu->kernels;
    size_t dim = (size_t)kv->head_dim;
    (void)thread;
    for (int i = from; i < to; i++) {
        int position = w->cpu->rows[i].position;
        void *page = w->cpu->rows[i].pages[position / KV_PAGE];
        for (int h = 0; h < kv->kv_heads; h++) {
            size_t at = (size_t)h * dim;
            kernels->narrow(kv->type, cpu_row(w->k, i) + at,
                            kv_vector(kv, page, w->layer, h, false, position % KV_PAGE), dim);
            kernels->narrow(kv->type, cpu_row(w->v, i) + at,
                            kv_vector(kv, page, w->layer, h, true, position % KV_PAGE), dim);
        }
    }
}

void cpu_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n)
{
    cpu_backend *cpu = cpu_of(b);
    assert(n <= cpu->batch && layer < cpu->layout.layers && k->cols == v->cols);
    assert(k->cols == (size_t)cpu->layout.kv_heads * (size_t)cpu->layout.head_dim);
    store_work w = {cpu, k, v, layer};
    cpu_rows(cpu, n, 2 * k->cols, store_rows, &w);
}

/* ---- one group ------------------------------------------------------------------------------ */

/* One query and its online softmax over the positions folded in so far. */
typedef struct query {
    const float *q; /* [head_dim] */
    float *acc;     /* [head_dim] sum of p * value */
    int length;     /* it sees positions [0, length) */
    float most;     /* the largest score so far */
    float sum;      /* of p = exp(score - most) */
} query;

typedef struct group {
    const kv_layout *kv;
    const attention_kernels *kernels;
    const dot_kernels *dots;
    void *const *pages;
    float *tile; /* [ATTENTION_TILE, head_dim] */
    query queries[GROUP];
    int count, layer, head;
    float scale;
} group;

/* Positions [at, at + n) of the page's keys or values in f32. */
static const float *load_tile(const group *g, void *page, bool values, int at, int n)
{
    const char *stored = kv_vector(g->kv, page, g->layer, g->head, values, at);
    if (g->kv->type == DTYPE_F32)
        return (const float *)(const void *)stored;
    g->kernels->widen(g->kv->type, stored, g->tile, (size_t)n * (size_t)g->kv->head_dim);
    return g->tile;
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

/* Turns the query's scores over one chunk into weights and makes its accumulator agree with them. */
static void soften_chunk(const group *g, query *q, float *scores, int n)
{
    if (n <= 0)
        return;
    float most = q->most;
    for (int j = 0; j < n; j++)
        most = scores[j] > most ? scores[j] : most;
    g->dots->exp(scores, most, (size_t)n);
    float lanes[8] = {0};
    for (int j = 0; j < n; j++)
        lanes[j % 8] += scores[j];
    float keep = mathx_exp(q->most - most);
    q->sum = q->sum * keep + attention_fold(lanes);
    q->most = most;
    for (int i = 0; i < g->kv->head_dim; i++)
        q->acc[i] *= keep;
}

/* Folds positions [from, to) of one page, which starts at position `start`, into every query. */
static void fold_chunk(group *g, void *page, int start, int from, int to)
{
    float scores[GROUP][KV_PAGE];
    size_t dim = (size_t)g->kv->head_dim;
    for (int at = from; at < to; at += ATTENTION_TILE) {
        const float *keys = load_tile(g, page, false, at - start, at_most(ATTENTION_TILE, to - at));
        for (int i = 0; i < g->count; i++) {
            int seen = at_most(ATTENTION_TILE, at_most(to, g->queries[i].length) - at);
            if (seen > 0)
                g->kernels->score(g->queries[i].q, keys, dim, seen, g->scale,
                                  &scores[i][at - from]);
        }
    }
    for (int i = 0; i < g->count; i++)
        soften_chunk(g, &g->queries[i], scores[i], at_most(to, g->queries[i].length) - from);
    for (int at = from; at < to; at += ATTENTION_TILE) {
        const float *values =
            load_tile(g, page, true, at - start, at_most(ATTENTION_TILE, to - at));
        for (int i = 0; i < g->count; i++) {
            int seen = at_most(ATTENTION_TILE, at_most(to, g->queries[i].length) - at);
            if (seen > 0)
                g->kernels->blend(g->queries[i].acc, &scores[i][at - from], values, dim, seen);
        }
    }
}

/* Folds positions [from, to) of the session into every query, page by page. */
static void fold_positions(group *g, int from, int to)
{
    for (int i = 0; i < g->count; i++) {
        g->queries[i].most = -INFINITY;
        g->queries[i].sum = 0;
        memset(g->queries[i].acc, 0, (size_t)g->kv->head_dim * sizeof(float));
    }
    for (int page = from / KV_PAGE; page * KV_PAGE < to; page++) {
        int start = page * KV_PAGE;
        fold_chunk(g, g->pages[page], start, from > start ? from : start,
                   at_most(to, start + KV_PAGE));
    }
}

#ifdef SPLIT_BY_THREAD
/* A negative control for the tests, never part of a normal build: the positions are split evenly
 * among the threads and the parts merged in thread order, as engines do that are not bit-exact. The
 * numbers stay right, but their last bits now depend on the thread count. */
enum { SPLIT_DIM = 512 };

static void attend(group *g, int length, int threads)
{
    group part = *g;
    float acc[GROUP][SPLIT_DIM];
    assert(g->kv->head_dim <= SPLIT_DIM);
    fold_positions(g, 0, length / threads);
    for (int t = 1; t < threads; t++) {
        for (int i = 0; i < g->count; i++)
            part.queries[i].acc = acc[i];
        fold_positions(&part, length * t / threads, length * (t + 1) / threads);
        for (int i = 0; i < g->count; i++) {
            query *all = &g->queries[i], *q = &part.queries[i];
            float most = fmaxf(all->most, q->most);
            float keep = mathx_exp(all->most - most), scale = mathx_exp(q->most - most);
            if (q->sum == 0)
                continue;
            for (int d = 0; d < g->kv->head_dim; d++)
                all->acc[d] = all->acc[d] * keep + q->acc[d] * scale;
            all->sum = all->sum * keep + q->sum * scale;
            all->most = most;
        }
    }
}
#else
static void attend(group *g, int length, int threads)
{
    (void)threads;
    fold_positions(g, 0, length);
}
#endif

/* ---- all rows ------------------------------------------------------------------------------- */

/* The grid that threads take cells of: row blocks x KV heads x parts of a KV head's query heads. */
typedef struct attention_work {
    cpu_backend *cpu;
    const tensor *q;
    tensor *out;
    char *tiles; /* [threads, tile_bytes] */
    size_t tile_bytes;
    atomic_int next;
    int layer, n, heads_per_kv, part_heads, parts, block_rows, cells;
    float scale;
} attention_work;

/* Rows [row, row + rows), which share their pages, and query heads [head, head + heads). */
static void attend_rows(const attention_work *w, group *g, int row, int rows, int head, int heads)
{
    size_t dim = (size_t)g->kv->head_dim;
    int longest = 0;
    g->count = 0;
    g->pages = w->cpu->rows[row].pages;
    for (int i = row; i < row + rows; i++) {
        int length = w->cpu->rows[i].position + 1;
        longest = length > longest ? length : longest;
        for (int h = head; h < head + heads; h++)
            g->queries[g->count++] = (query){.q = cpu_row(w->q, i) + (size_t)h * dim,
                                             .acc = cpu_row(w->out, i) + (size_t)h * dim,
                                             .length = length};
    }
    attend(g, longest, pool_threads(w->cpu->workers));
    for (int i = 0; i < g->count; i++) {
        float inverse = 1.0f / g->queries[i].sum;
        for (size_t d = 0; d < dim; d++)
            g->queries[i].acc[d] *= inverse;
    }
}

static void attend_cell(const attention_work *w, int cell, int thread)
{
    int part = cell % w->parts, kv_head = cell / w->parts % w->cpu->layout.kv_heads;
    int row = cell / w->parts / w->cpu->layout.kv_heads * w->block_rows;
    int end = at_most(row + w->block_rows, w->n);
    int head = kv_head * w->heads_per_kv + part * w->part_heads;
    int heads = at_most(w->part_heads, w->heads_per_kv - part * w->part_heads);
    group g = {.kv = &w->cpu->layout,
               .kernels = w->cpu->kernels,
               .dots = w->cpu->dots,
               .tile = (float *)(void *)(w->tiles + (size_t)thread * w->tile_bytes),
               .layer = w->layer,
               .head = kv_head,
               .scale = w->scale};
    while (row < end) {
        int rows = 1;
        while (row + rows < end && w->cpu->rows[row + rows].pages == w->cpu->rows[row].pages)
            rows++;
        attend_rows(w, &g, row, rows, head, heads);
        row += rows;
    }
}

static void attend_cells(void *user, int thread, int threads)
{
    attention_work *w = user;
    (void)threads;
    for (;;) {
        int cell = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (cell >= w->cells)
            return;
        attend_cell(w, cell, thread);
    }
}

void cpu_attention(backend *b, tensor *out, const tensor *q, int layer, int heads, float scale,
                   int n)
{
    cpu_backend *cpu = cpu_of(b);
    const kv_layout *kv = &cpu->layout;
    assert(n <= cpu->batch && layer < kv->layers && heads % kv->kv_heads == 0);
    assert(q->cols == (size_t)heads * (size_t)kv->head_dim && out->cols == q->cols);
    int threads = pool_threads(cpu->workers);
    attention_work w = {.cpu = cpu, .q = q, .out = out, .layer = layer, .n = n, .scale = scale};
    w.tile_bytes = ((size_t)kv->head_dim * ATTENTION_TILE * sizeof(float) + 127) / 64 * 64;
    w.tiles = cpu_scratch(cpu, &cpu->attention, (size_t)threads * w.tile_bytes, "attention");
    if (!w.tiles)
        return;
    w.heads_per_kv = heads / kv->kv_heads;
    w.part_heads = at_most(w.heads_per_kv, GROUP);
    while (w.part_heads > 1 &&
           n * kv->kv_heads * ((w.heads_per_kv - 1) / w.part_heads + 1) < 4 * threads)
        w.part_heads = (w.part_heads + 1) / 2;
    w.parts = (w.heads_per_kv - 1) / w.part_heads + 1;
    w.block_rows = GROUP / w.part_heads;
    while (w.block_rows > 1 && ((n - 1) / w.block_rows + 1) * kv->kv_heads * w.parts < 4 * threads)
        w.block_rows /= 2;
    w.cells = ((n - 1) / w.block_rows + 1) * kv->kv_heads * w.parts;
    pool_run(cpu->workers, attend_cells, &w);
}
