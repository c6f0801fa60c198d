/* matmul.c - see matmul.h.
 *
 * A region is described by one struct on the caller's stack; threads share only its counter of
 * blocks. Blocks are numbered through all tasks: block b belongs to the last task whose `start` is
 * not above b.
 */
#include "matmul.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "guided.h"

enum {
    BLOCK_BYTES = 48 * 1024, /* weights of one block: with the activations, within the L2 cache */
    BLOCKS_PER_THREAD = 6,   /* so that the last block is a small part of a region */
    BLOCK_ROWS_MAX = 256,
    TILE_ROWS = 16,             /* what the kernels for many columns compute together */
    CHUNK = 8,                  /* most blocks that a thread takes at a time */
    QUANTIZE_ALONE = 16 * 1024, /* elements that one thread quantises faster than two are woken */
};

/* ---- parts -------------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t matmul_block_rows(dtype type, size_t cols, size_t total, int threads)
{
    size_t bytes = dtype_row_bytes(type, cols);
    size_t rows = smaller(BLOCK_BYTES / (bytes ? bytes : 1), BLOCK_ROWS_MAX);
    if (TILE_ROWS * bytes <= (size_t)2 * BLOCK_BYTES)
        rows = rows > TILE_ROWS ? rows - rows % TILE_ROWS : TILE_ROWS;
    rows = smaller(rows, total / ((size_t)threads * BLOCKS_PER_THREAD)) & ~(size_t)3;
    return rows > 4 ? rows : 4;
}

void matmul_block(const dot_kernels *kernels, dtype type, const void *weight, size_t cols,
                  size_t first, size_t last, const void *const *x, size_t n, float *const *out)
{
    size_t i = 0;
    for (size_t some; kernels->many[type] && i < n && n - i >= kernels->many_from[type];
         i += some) {
        some = smaller(n - i, DOT_MANY);
        kernels->many[type](weight, cols, first, last, x + i, some, out + i);
    }
    for (; i < n; i += DOT_COLUMNS)
        kernels->rows[type](weight, cols, first, last, x + i, smaller(n - i, DOT_COLUMNS), out + i);
}

void matmul_begin(const void *weights)
{
    for (size_t i = 0; i < DOT_AHEAD; i += 64)
        __builtin_prefetch((const void *)((uintptr_t)weights + i), 0, 2);
}

typedef struct quantizing {
    dot_quantize_fn *quantize;
    matmul_input input;
    uint8_t *out;
    size_t stride;
    atomic_size_t next;
} quantizing;

static void quantize_rows(void *arg, int index, int count)
{
    (void)index, (void)count;
    quantizing *job = arg;
    for (size_t i; (i = atomic_fetch_add(&job->next, 1)) < job->input.n;)
        job->quantize(job->input.x + i * job->input.stride, job->input.cols,
                      job->out + i * job->stride);
}

matmul_rows matmul_quantize(matmul_device device, dtype type, matmul_input input, void *scratch)
{
    activation_form form = activation_of(type);
    if (form == ACTIVATION_F32)
        return (matmul_rows){(const uint8_t *)input.x, input.stride * sizeof *input.x};
    quantizing job = {.quantize = device.kernels->quantize[form],
                      .input = input,
                      .out = scratch,
                      .stride = activation_bytes(form, input.cols)};
    if (input.n > 1 && input.n * input.cols > QUANTIZE_ALONE)
        thread_pool_run(device.threads, quantize_rows, &job);
    else
        quantize_rows(&job, 0, 1);
    return (matmul_rows){scratch, job.stride};
}

size_t matmul_scratch_bytes(size_t cols, size_t n)
{
    size_t row = activation_bytes(ACTIVATION_Q32, cols) + activation_bytes(ACTIVATION_Q256, cols);
    return (n * row + 63) / 64 * 64;
}

/* The input in every form that the tasks want, each made once. */
typedef struct forms {
    matmul_rows rows[ACTIVATION_FORMS];
} forms;

static forms quantize_for(matmul_device device, const matmul_task *tasks, int count,
                          matmul_input input, void *scratch)
{
    forms f = {0};
    uint8_t *at = scratch;
    for (int t = 0; t < count; t++) {
        activation_form form = activation_of(tasks[t].type);
        if (f.rows[form].base)
            continue;
        f.rows[form] = matmul_quantize(device, tasks[t].type, input, at);
        if (form != ACTIVATION_F32)
            at += input.n * f.rows[form].stride;
    }
    return f;
}

/* ---- products ------------------------------------------------------------------------------------ */

typedef struct region {
    const dot_kernels *kernels;
    const matmul_task *tasks;
    int count;
    size_t cols, n;
    forms inputs;
    size_t block_rows[MATMUL_TASKS];
    size_t start[MATMUL_TASKS + 1]; /* first block of each task; the last entry is their number */
    atomic_size_t next;
} region;

/* Pointers to up to DOT_MANY rows of activations and of results. */
typedef struct columns {
    const void *x[DOT_MANY];
    float *out[DOT_MANY];
    size_t n;
} columns;

/* Writes no more of *c than there are. */
static void columns_at(const region *job, const matmul_task *task, size_t first, columns *c)
{
    matmul_rows rows = job->inputs.rows[activation_of(task->type)];
    c->n = smaller(job->n - first, DOT_MANY);
    for (size_t i = 0; i < c->n; i++) {
        c->x[i] = rows.base + (first + i) * rows.stride;
        c->out[i] = task->out + (first + i) * task->out_stride;
    }
}

/* out[i][r - base] += bias[r] for first <= r < last and i < n. */
static void add_bias(const void *bias, size_t first, size_t last, float *const *out, size_t n,
                     size_t base)
{
    float value;
    for (size_t r = first; bias && r < last; r++) {
        memcpy(&value, (const uint8_t *)bias + r * sizeof value, sizeof value);
        for (size_t i = 0; i < n; i++)
            out[i][r - base] += value;
    }
}

/* `begins`: the block before it was not this thread's. */
static void run_block(const region *job, size_t block, bool begins)
{
    int t = 0;
    while (block >= job->start[t + 1])
        t++;
    const matmul_task *task = &job->tasks[t];
    size_t first = (block - job->start[t]) * job->block_rows[t];
    size_t last = smaller(first + job->block_rows[t], task->rows);
    if (begins || first == 0)
        matmul_begin((const uint8_t *)task->weight +
                     first * dtype_row_bytes(task->type, job->cols));
    for (size_t i = 0; i < job->n; i += DOT_MANY) {
        columns c;
        columns_at(job, task, i, &c);
        matmul_block(job->kernels, task->type, task->weight, job->cols, first, last, c.x, c.n,
                     c.out);
        add_bias(task->bias, first, last, c.out, c.n, 0);
    }
}

static void run_blocks(void *arg, int index, int count)
{
    (void)index;
    region *job = arg;
    size_t total = job->start[job->count], first, last;
    while (last = guided_chunk(&job->next, total, CHUNK, count, &first), first < total)
        for (size_t b = first; b < last; b++)
            run_block(job, b, b == first);
}

void matmul_run(matmul_device device, const matmul_task *tasks, int count, matmul_input input,
                void *scratch)
{
    region job = {.kernels = device.kernels,
                  .tasks = tasks,
                  .count = count,
                  .cols = input.cols,
                  .n = input.n,
                  .inputs = quantize_for(device, tasks, count, input, scratch)};
    int threads = thread_pool_threads(device.threads);
    size_t total = 0;
    for (int t = 0; t < count; t++)
        total += tasks[t].rows;
    for (int t = 0; t < count; t++) {
        size_t rows = matmul_block_rows(tasks[t].type, input.cols, total, threads);
        job.block_rows[t] = rows;
        job.start[t + 1] = job.start[t] + (tasks[t].rows + rows - 1) / rows;
    }
    thread_pool_run(device.threads, run_blocks, &job);
}

/* ---- gate and up in one region -------------------------------------------------------------------- */

typedef struct gated {
    const dot_kernels *kernels;
    const matmul_task *gate, *up;
    matmul_rows gate_rows, up_rows;
    size_t cols, n, block_rows;
    atomic_size_t next;
} gated;

/* Rows [first, last) for up to DOT_MANY columns. The kernels write element r of the row they are
 * given: `up` goes to a small array on the stack that stands for that stretch of the row. */
static void gate_columns(const gated *job, size_t first, size_t last, size_t at)
{
    float up[DOT_MANY][BLOCK_ROWS_MAX];
    const void *gate_x[DOT_MANY], *up_x[DOT_MANY];
    float *gate_out[DOT_MANY], *up_out[DOT_MANY];
    size_t n = smaller(job->n - at, DOT_MANY);
    for (size_t i = 0; i < n; i++) {
        gate_x[i] = job->gate_rows.base + (at + i) * job->gate_rows.stride;
        up_x[i] = job->up_rows.base + (at + i) * job->up_rows.stride;
        gate_out[i] = job->gate->out + (at + i) * job->gate->out_stride;
        up_out[i] = up[i];
    }
    size_t stride = dtype_row_bytes(job->up->type, job->cols);
    const uint8_t *up_weight = (const uint8_t *)job->up->weight + first * stride;
    matmul_block(job->kernels, job->gate->type, job->gate->weight, job->cols, first, last, gate_x,
                 n, gate_out);
    matmul_block(job->kernels, job->up->type, up_weight, job->cols, 0, last - first, up_x, n,
                 up_out);
    add_bias(job->gate->bias, first, last, gate_out, n, 0);
    add_bias(job->up->bias, first, last, up_out, n, first);
    for (size_t i = 0; i < n; i++)
        job->kernels->swiglu(gate_out[i] + first, gate_out[i] + first, up[i], last - first);
}

static void run_gated(void *arg, int index, int count)
{
    (void)index;
    gated *job = arg;
    size_t total = (job->gate->rows + job->block_rows - 1) / job->block_rows, first, last;
    while (last = guided_chunk(&job->next, total, CHUNK, count, &first), first < total)
        for (size_t b = first; b < last; b++)
            for (size_t i = 0; i < job->n; i += DOT_MANY)
                gate_columns(job, b * job->block_rows,
                             smaller((b + 1) * job->block_rows, job->gate->rows), i);
}

void matmul_swiglu(matmul_device device, const matmul_task *gate, const matmul_task *up,
                   matmul_input input, void *scratch)
{
    matmul_task both[2] = {*gate, *up};
    forms inputs = quantize_for(device, both, 2, input, scratch);
    int threads = thread_pool_threads(device.threads);
    gated job = {.kernels = device.kernels,
                 .gate = gate,
                 .up = up,
                 .gate_rows = inputs.rows[activation_of(gate->type)],
                 .up_rows = inputs.rows[activation_of(up->type)],
                 .cols = input.cols,
                 .n = input.n,
                 .block_rows = matmul_block_rows(gate->type, input.cols, gate->rows, threads)};
    thread_pool_run(device.threads, run_gated, &job);
}
