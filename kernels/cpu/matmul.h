/* matmul.h - matrix products over the pool.
 *
 * A product is out[i, r] = weight row r . x row i (+ bias[r]). The work is cut into blocks of weight
 * rows that threads take from a counter; a block is computed for all activation rows, 8 or 64 at a
 * time, while it lies in the cache. A block computes whole results, so neither its size nor the
 * thread that takes it can change a byte.
 *
 * Products that share x are one call: x is quantised once per form, then one parallel region covers
 * all of them. Nothing is allocated: the caller brings the scratch memory.
 *
 * The lower half of the interface is for callers with their own regions (the experts): quantise,
 * then call matmul_block() for the rows and columns they please.
 */
#ifndef CPU_MATMUL_H
#define CPU_MATMUL_H

#include <stddef.h>
#include <stdint.h>

#include "dot.h"
#include "thread_pool.h"

/* Where the products run. */
typedef struct matmul_device {
    const dot_kernels *kernels;
    thread_pool *threads;
} matmul_device;

/* One weight matrix [rows, cols] and where its results go. */
typedef struct matmul_task {
    dtype type;
    const void *weight;
    size_t rows;
    const void *bias;  /* f32 [rows] at any address, or NULL */
    float *out;        /* [n, rows], row i at out + i * out_stride */
    size_t out_stride; /* in floats */
} matmul_task;

/* The shared input [n, cols], row i at x + i * stride (in floats). n >= 1. */
typedef struct matmul_input {
    const float *x;
    size_t stride, cols, n;
} matmul_input;

enum { MATMUL_TASKS = 8 }; /* the most tasks in one call */

/* Scratch bytes that a call needs for inputs of up to n rows of up to cols, whatever the types; a
 * multiple of 64. */
size_t matmul_scratch_bytes(size_t cols, size_t n);

/* All tasks in one region. scratch: aligned to 64. 1 <= count <= MATMUL_TASKS. */
void matmul_run(matmul_device device, const matmul_task *tasks, int count, matmul_input input,
                void *scratch);

/* gate->out[i, r] = silu(gate row r . x_i) * (up row r . x_i), each with its bias. gate and up have
 * the same rows; up->out is not used. */
void matmul_swiglu(matmul_device device, const matmul_task *gate, const matmul_task *up,
                   matmul_input input, void *scratch);

/* ---- parts, for callers with regions of their own --------------------------------------------- */

/* Activation rows in one form: row i at base + i * stride (in bytes). */
typedef struct matmul_rows {
    const uint8_t *base;
    size_t stride;
} matmul_rows;

/* The input in the form that weights of `type` want: quantised into scratch, by all threads when
 * there is enough of it; for ACTIVATION_F32 the input itself and scratch is not touched. Needs
 * n * activation_bytes(form, cols) bytes. */
matmul_rows matmul_quantize(matmul_device device, dtype type, matmul_input input, void *scratch);

/* out[i][r] = weight row r . x[i] for first <= r < last and i < n, any n: for use inside a region.
 * x: pointers to activation rows in the form of `type`. */
void matmul_block(const dot_kernels *kernels, dtype type, const void *weight, size_t cols,
                  size_t first, size_t last, const void *const *x, size_t n, float *const *out);

/* Asks memory for the first weights of a run of blocks. The kernels ask for what lies DOT_AHEAD ahead
 * of them, so without this the start of a run is waited for line by line. Any address will do. */
void matmul_begin(const void *weights);

/* Rows of one block: few enough that all threads find work in `total` rows (all tasks of the region
 * together) and that a block stays in the cache, enough that taking it costs nothing. At least 1. */
size_t matmul_block_rows(dtype type, size_t cols, size_t total, int threads);

#endif
