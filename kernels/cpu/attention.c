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
 * prefill neighbouring rows of one session, form a group. Groups are the unit that threads take.
 */
#include "attention_chunk.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "cpu_state.h"
#include "mathx.h"

enum {
    GROUP = 16,           /* queries that share a pass over the pages */
    WORTH_WAKING = 65536, /* heads x positions x head_dim: below, waking workers takes longer */
};

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
            kernels->store(kv->type, cpu_row(w->k, i) + at,
                           kv_vector(kv, page, w->layer, h, false, position % KV_PAGE), dim);
            kernels->store(kv->type, cpu_row(w->v, i) + at,
                           kv_vector(kv, page, w->layer, h, true, position % KV_PAGE), dim);
        }
    }
}

void cpu_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n)
{
    cpu_backend *cpu = cpu_of(b);
    if (!cpu_has_batch(cpu, n))
        return;
    assert(layer < cpu->layout.layers && k->cols == v->cols);
    assert(k->cols == (size_t)cpu->layout.kv_heads * (size_t)cpu->layout.head_dim);
    store_work w = {cpu, k, v, layer};
    cpu_rows(cpu, n, 2 * k->cols, store_rows, &w);
}

/* ---- one group ------------------------------------------------------------------------------ */

/* Queries that read the same keys and values, each with its online softmax over the positions
 * folded in so far. */
typedef struct group {
    const kv_layout *kv;
    const attention_kernels *kernels;
    void *const *pages;
    int count, layer, head;
    float scale;
    const float *q[GROUP]; /* [head_dim] */
    float *acc[GROUP];     /* [head_dim] sum of p * value */
    int length[GROUP];     /* the query sees positions [0, length) */
    float most[GROUP];     /* the largest score so far */
    float sum[GROUP];      /* of p = exp(score - most) */
} group;

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

/* Queries [first, first + n) of the group meet `count` positions of a page, from `at` on. */
static void fold_queries(group *g, void *page, const void *next, int at, int count, int first,
                         int n)
{
    float scores[GROUP][KV_PAGE], keep[GROUP];
    attention_chunk keys = {
        .type = g->kv->type, .dim = (size_t)g->kv->head_dim, .positions = count};
    attention_chunk values = keys;
    keys.data = kv_vector(g->kv, page, g->layer, g->head, false, at);
    keys.next = values.data = kv_vector(g->kv, page, g->layer, g->head, true, at);
    values.next = next;
    g->kernels->score(&keys, g->q + first, n, g->scale, scores);
    for (int i = 0; i < n; i++) {
        float before = g->most[first + i];
        float sum = g->kernels->softmax(scores[i], count, &g->most[first + i]);
        keep[i] = mathx_exp(before - g->most[first + i]);
        g->sum[first + i] = g->sum[first + i] * keep[i] + sum;
    }
    g->kernels->accumulate(&values, scores, keep, n, g->acc + first);
}

/* Folds positions [from, to) of the page that starts at position `start` into the group: queries
 * that see equally many of them go together. */
static void fold_chunk(group *g, int start, int from, int to, const void *next)
{
    for (int i = 0, n; i < g->count; i += n) {
        int end = at_most(to, g->length[i]);
        for (n = 1; i + n < g->count && at_most(to, g->length[i + n]) == end; n++)
            ;
        if (end > from)
            fold_queries(g, g->pages[start / KV_PAGE], next, from - start, end - from, i, n);
    }
}

/* Folds positions [from, to) of the session into every query, page by page. */
static void fold_positions(group *g, int from, int to)
{
    for (int i = 0; i < g->count; i++) {
        g->most[i] = -INFINITY;
        g->sum[i] = 0;
        memset(g->acc[i], 0, (size_t)g->kv->head_dim * sizeof(float));
    }
    for (int page = from / KV_PAGE; page * KV_PAGE < to; page++) {
        int start = page * KV_PAGE, end = start + KV_PAGE;
        const void *next =
            end < to ? kv_vector(g->kv, g->pages[page + 1], g->layer, g->head, false, 0) : NULL;
        fold_chunk(g, start, from > start ? from : start, at_most(to, end), next);
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
            part.acc[i] = acc[i];
        fold_positions(&part, length * t / threads, length * (t + 1) / threads);
        for (int i = 0; i < g->count; i++) {
            if (part.sum[i] == 0) /* sees nothing of this part */
                continue;
            float most = fmaxf(g->most[i], part.most[i]);
            float keep = mathx_exp(g->most[i] - most), scale = mathx_exp(part.most[i] - most);
            for (int d = 0; d < g->kv->head_dim; d++)
                g->acc[i][d] = g->acc[i][d] * keep + acc[i][d] * scale;
            g->sum[i] = g->sum[i] * keep + part.sum[i] * scale;
            g->most[i] = most;
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
        for (int h = head; h < head + heads; h++, g->count++) {
            g->q[g->count] = cpu_row(w->q, i) + (size_t)h * dim;
            g->acc[g->count] = cpu_row(w->out, i) + (size_t)h * dim;
            g->length[g->count] = length;
        }
    }
    attend(g, longest, thread_pool_threads(w->cpu->workers));
    for (int i = 0; i < g->count; i++) {
        float inverse = 1.0f / g->sum[i];
        for (size_t d = 0; d < dim; d++)
            g->acc[i][d] *= inverse;
    }
}

static void attend_cell(const attention_work *w, int cell)
{
    int part = cell % w->parts, kv_head = cell / w->parts % w->cpu->layout.kv_heads;
    int row = cell / w->parts / w->cpu->layout.kv_heads * w->block_rows;
    int end = at_most(row + w->block_rows, w->n);
    int head = kv_head * w->heads_per_kv + part * w->part_heads;
    int heads = at_most(w->part_heads, w->heads_per_kv - part * w->part_heads);
    group g = {.kv = &w->cpu->layout,
               .kernels = w->cpu->kernels,
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
    (void)thread, (void)threads;
    for (;;) {
        int cell = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (cell >= w->cells)
            return;
        attend_cell(w, cell);
    }
}

/* Cells small enough that every thread gets some, as large as that allows. */
static void cut_cells(attention_work *w, int kv_heads, int threads)
{
    int enough = threads > 1 ? 2 * threads : 1;
    w->part_heads = at_most(w->heads_per_kv, GROUP);
    w->block_rows = GROUP / w->part_heads;
    for (;;) {
        w->parts = (w->heads_per_kv - 1) / w->part_heads + 1;
        w->cells = ((w->n - 1) / w->block_rows + 1) * kv_heads * w->parts;
        if (w->cells >= enough)
            return;
        if (w->block_rows > 1)
            w->block_rows /= 2;
        else if (w->part_heads > 1)
            w->part_heads = (w->part_heads + 1) / 2;
        else
            return;
    }
}

void cpu_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                   int n)
{
    cpu_backend *cpu = cpu_of(b);
    const kv_layout *kv = &cpu->layout;
    if (!cpu_has_batch(cpu, n))
        return;
    assert(layer < kv->layers && form->heads % kv->kv_heads == 0);
    assert(q->cols == (size_t)form->heads * (size_t)kv->head_dim && out->cols == q->cols);
    attention_work w = {.cpu = cpu,
                        .q = q,
                        .out = out,
                        .layer = layer,
                        .n = n,
                        .heads_per_kv = form->heads / kv->kv_heads,
                        .scale = form->scale};
    size_t work = 0;
    for (int i = 0; i < n; i++)
        work += ((size_t)cpu->rows[i].position + 1) * q->cols;
    bool small = work < WORTH_WAKING;
    cut_cells(&w, kv->kv_heads, small ? 1 : thread_pool_threads(cpu->workers));
    if (small)
        attend_cells(&w, 0, 1);
    else
        thread_pool_run(cpu->workers, attend_cells, &w);
}
