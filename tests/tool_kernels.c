/* tool_kernels.c - how fast the products are, beside the memory they read.
 *
 *     build/tests/tool_kernels [threads [isa [type]]]
 *
 * Decoding reads every weight once per token, so the figure that matters for one column is bytes of
 * weights per second, and its share of what a plain read of the same memory reaches. Matrices are
 * read in turn from a buffer much larger than the caches. For many columns the figure is
 * operations (a multiplication and an addition are two) per second. The best of several rounds is
 * printed, since other programs can only slow a round down. A region that does nothing is the price
 * of the pool.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kernels/cpu/matmul.h"
#include "blocks.h"

enum {
    BUFFER = 384 << 20, /* bytes: no cache holds it */
    SLICE = 16 << 20,   /* read in one measurement */
    ROUNDS = 72,        /* measurements: the buffer three times */
    COLUMNS = 128,
    EMPTY_REGIONS = 20000,
};

/* One thread is measured by the processor's time, which other programs disturb less. */
static double now(const thread_pool *p)
{
    struct timespec t;
    clock_gettime(thread_pool_threads(p) == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory)
        abort();
    return memory;
}

/* ---- the plain read and the empty region ------------------------------------------------------------- */

enum { READ_BLOCK = 1 << 18 };

typedef struct reading {
    const uint8_t *bytes;
    atomic_size_t next;
    atomic_uint_fast64_t seen; /* keeps the reads */
} reading;

static void read_blocks(void *arg, int index, int count)
{
    (void)index, (void)count;
    reading *r = arg;
    for (size_t at; (at = atomic_fetch_add(&r->next, READ_BLOCK)) < SLICE;) {
        const uint64_t *words = (const uint64_t *)(const void *)(r->bytes + at);
        uint64_t mix[8] = {0};
        for (size_t i = 0; i < READ_BLOCK / sizeof *words; i += 8)
            for (size_t k = 0; k < 8; k++)
                mix[k] ^= words[i + k];
        for (size_t k = 0; k < 8; k++)
            atomic_fetch_xor(&r->seen, mix[k]);
    }
}

static double plain_read(thread_pool *p, const uint8_t *buffer)
{
    double best = 1e9;
    for (size_t i = 0; i < ROUNDS; i++) {
        reading r = {.bytes = buffer + i * SLICE % BUFFER};
        double start = now(p);
        thread_pool_run(p, read_blocks, &r);
        double seconds = now(p) - start;
        best = seconds < best ? seconds : best;
    }
    return SLICE / best;
}

static void nothing(void *arg, int index, int count)
{
    (void)arg, (void)index, (void)count;
}

static double empty_region(thread_pool *p)
{
    double start = now(p);
    for (int i = 0; i < EMPTY_REGIONS; i++)
        thread_pool_run(p, nothing, NULL);
    return (now(p) - start) / EMPTY_REGIONS;
}

/* ---- products ------------------------------------------------------------------------------------------ */

typedef struct bench {
    matmul_device device;
    uint8_t *buffer; /* random bytes with sane scales, rewritten for each type */
    float *x, *out;
    void *scratch;
} bench;

/* Fills the buffer with copies of one matrix; returns how many fit. */
static size_t fill(const bench *b, dtype type, size_t rows, size_t cols)
{
    blocks_random random = {9};
    size_t bytes = rows * dtype_row_bytes(type, cols), copies = BUFFER / bytes;
    size_t unit = rows < 512 ? rows : 512;
    void *part = blocks_matrix(&random, type, unit, cols);
    size_t unit_bytes = unit * dtype_row_bytes(type, cols);
    for (size_t at = 0; at < copies * bytes; at += unit_bytes) {
        size_t left = copies * bytes - at;
        memcpy(b->buffer + at, part, left < unit_bytes ? left : unit_bytes);
    }
    free(part);
    return copies;
}

/* Seconds for one product with n columns, each time with the next copy: the best slice. */
static double product(const bench *b, dtype type, size_t rows, size_t cols, size_t n, size_t copies)
{
    matmul_task task = {.type = type, .rows = rows, .out = b->out, .out_stride = rows};
    matmul_input input = {.x = b->x, .stride = cols, .cols = cols, .n = n};
    size_t bytes = rows * dtype_row_bytes(type, cols), times = n > 8 ? 1 : SLICE / bytes;
    times = times ? times : 1;
    const thread_pool *p = b->device.threads;
    double best = 1e9;
    size_t next = 0, rounds = n == 1 ? ROUNDS : n > 8 ? 8 : ROUNDS / 3;
    for (size_t round = 0; round < rounds; round++) {
        double start = now(p);
        for (size_t i = 0; i < times; i++, next++) {
            task.weight = b->buffer + next % copies * bytes;
            matmul_run(b->device, &task, 1, input, b->scratch);
        }
        double seconds = (now(p) - start) / (double)times;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void measure(const bench *b, dtype type, size_t rows, size_t cols, double plain)
{
    size_t copies = fill(b, type, rows, cols);
    double bytes = (double)(rows * dtype_row_bytes(type, cols));
    double one = product(b, type, rows, cols, 1, copies);
    printf("%-7s %6zu x %-5zu %8.1f us %6.2f GB/s %5.2f of a read;", dtype_describe(type)->name,
           rows, cols, one * 1e6, bytes / one * 1e-9, bytes / one / plain);
    const size_t several[] = {2, 3, 4, 8};
    for (size_t i = 0; i < sizeof several / sizeof *several; i++)
        printf(" %zu: %.2fx", several[i], product(b, type, rows, cols, several[i], copies) / one);
    size_t few = rows < 4096 ? rows : 4096;
    double many = product(b, type, few, cols, COLUMNS, 1);
    printf("; %d: %.0f GFLOP/s\n", COLUMNS, 2e-9 * (double)(few * cols * COLUMNS) / many);
    fflush(stdout);
}

typedef struct shape {
    dtype type;
    size_t rows, cols;
} shape;

int main(int argc, char **argv)
{
    static const shape shapes[] = {
        {DTYPE_Q4_1, 1536, 576},    {DTYPE_Q4_1, 576, 1536},     {DTYPE_Q4_1, 49152, 576},
        {DTYPE_Q8_0, 49152, 576},   {DTYPE_Q4_K, 2048, 768},     {DTYPE_Q4_K, 768, 2048},
        {DTYPE_Q4_K, 4096, 2048},   {DTYPE_Q6_K, 151936, 2048},  {DTYPE_Q6_K, 2048, 768},
        {DTYPE_F32, 1024, 2048},    {DTYPE_F32, 128, 2048},      {DTYPE_F16, 1024, 2048},
        {DTYPE_BF16, 1024, 2048},   {DTYPE_Q4_0, 4096, 2048},    {DTYPE_Q5_0, 4096, 2048},
        {DTYPE_Q5_1, 4096, 2048},   {DTYPE_Q8_0, 4096, 2048},    {DTYPE_Q2_K, 4096, 2048},
        {DTYPE_Q3_K, 4096, 2048},   {DTYPE_Q5_K, 4096, 2048},    {DTYPE_IQ4_NL, 4096, 2048},
        {DTYPE_IQ4_XS, 4096, 2048}, {DTYPE_MXFP4, 4096, 2048},   {DTYPE_IQ1_S, 4096, 2048},
        {DTYPE_IQ1_M, 4096, 2048},  {DTYPE_IQ2_XXS, 4096, 2048}, {DTYPE_IQ2_XS, 4096, 2048},
        {DTYPE_IQ2_S, 4096, 2048},  {DTYPE_IQ3_XXS, 4096, 2048}, {DTYPE_IQ3_S, 4096, 2048},
    };
    error err = {0};
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    const dot_kernels *kernels = dot_select(argc > 2 ? argv[2] : "auto", &err);
    thread_pool *p = threads >= 1 ? thread_pool_open(threads, &err) : NULL;
    if (!kernels || !p) {
        fprintf(stderr, "%s\n", err.text[0] ? err.text : "threads: at least 1");
        return 2;
    }
    blocks_random random = {10};
    bench b = {.device = {kernels, p}, .buffer = allocate(BUFFER)};
    b.x = blocks_activations(&random, COLUMNS * 2048);
    b.out = allocate(8 * 151936 * sizeof(float));
    b.scratch = allocate(matmul_scratch_bytes(2048, COLUMNS));
    memset(b.buffer, 1, BUFFER);
    double plain = plain_read(p, b.buffer);
    printf("%s, %d threads; plain read %.2f GB/s; empty region %.2f us\n", kernels->name, threads,
           plain * 1e-9, empty_region(p) * 1e6);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (argc < 4 || strcmp(argv[3], dtype_describe(shapes[i].type)->name) == 0)
            measure(&b, shapes[i].type, shapes[i].rows, shapes[i].cols, plain);
    free(b.buffer);
    free(b.x);
    free(b.out);
    free(b.scratch);
    thread_pool_close(p);
    return 0;
}
