/* norm.cu - the ops that touch each activation once: embedding, norms, RoPE, sums and gates.
 *
 * Sums have the CPU's order (cpu/norm.c): sixteen lanes, element i in lane i % 16, folded in halves. A
 * warp makes the sum; the block does the rest.
 */
#include <assert.h>

#include "device.cuh"
#include "weights.cuh"

enum { THREADS = 256, SUM_LANES = 16 };

/* Sum of x[i] * w[i], or of x[i]^2 where w is null, in every lane of the warp. */
__device__ inline float sum_of_products(global<const float> x, global<const float> w, size_t n)
{
    int lane = lane_of_warp();
    float sum = 0;
    for (size_t i = (size_t)lane; lane < SUM_LANES && i < n; i += SUM_LANES) {
        float v = x[i];
        sum += w ? v * w[i] : v * v;
    }
    return sum_over(sum, SUM_LANES - 1);
}

/* ---- embedding and gathering -------------------------------------------------------------------- */

/* One weight of any type, in f32: dequantize_row(). */
__device__ inline float one_weight(int type, global<const uint8_t> row, size_t i,
                                   global<const uint64_t> books)
{
    int form = form_of(type);
    if (form == 0)
        return plain_weight(type, row, i);
    size_t block = form == 1 ? 32 : 256;
    global<const uint8_t> b = row + i / block * (size_t)block_bytes(type);
    int at = (int)(i % block);
    eight w = form == 1 ? open32(type, b, at / 8, books) : open256(type, b, at / 8, books);
    int word = at % 8 < 4 ? w.codes.x : w.codes.y;
    float code = (float)(int8_t)(word >> (8 * (at % 4)));
    if (form == 1)
        return type == DTYPE_Q4_1 || type == DTYPE_Q5_1 ? w.d * code + w.dmin : w.d * code;
    if (type == DTYPE_Q2_K || type == DTYPE_Q4_K || type == DTYPE_Q5_K) {
        int min =
            type == DTYPE_Q2_K ? b[at / 16] >> 4 : q4_k_min(global_as<const uint4>(b)[0], at / 32);
        return w.d * (float)w.scale * code - w.dmin * (float)min;
    }
    return w.d * (float)w.scale * code;
}

__global__ void embed(global<float> out, global<const uint8_t> table, int type, size_t cols,
                      global<const int> ids, float scale, global<const uint64_t> books)
{
    size_t row = blockIdx.y;
    global<const uint8_t> from = table + (size_t)ids[row] * row_bytes(type, cols);
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < cols;
         i += (size_t)gridDim.x * blockDim.x)
        out[row * cols + i] = one_weight(type, from, i, books) * scale;
}

void cuda_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale)
{
    cuda_backend *d = cuda_of(b);
    assert(out->cols == table->cols && (size_t)n <= out->rows);
    int *copy = (int *)device_need(d, USE_IDS, (size_t)n * sizeof *ids);
    if (!copy)
        return;
    device_upload(d, copy, ids, (size_t)n * sizeof *ids);
    if (device_well(d))
        LAUNCH(d, embed, dim3(blocks_for(out->cols, THREADS), (unsigned)n), THREADS, floats_of(out),
               (const uint8_t *)table->data, (int)table->type, table->cols, (const int *)copy,
               scale, (const uint64_t *)d->books);
}

__global__ void gather(global<float> out, global<const float> x, size_t cols,
                       global<const int> rows)
{
    size_t from = (size_t)rows[blockIdx.y];
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < cols;
         i += (size_t)gridDim.x * blockDim.x)
        out[blockIdx.y * cols + i] = x[from * cols + i];
}

void cuda_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n)
{
    cuda_backend *d = cuda_of(b);
    assert(out->cols == x->cols && (size_t)n <= out->rows);
    int *copy = (int *)device_need(d, USE_IDS, (size_t)n * sizeof *rows);
    if (!copy)
        return;
    device_upload(d, copy, rows, (size_t)n * sizeof *rows);
    if (device_well(d))
        LAUNCH(d, gather, dim3(blocks_for(out->cols, THREADS), (unsigned)n), THREADS,
               floats_of(out), (const float *)floats_of(x), x->cols, (const int *)copy);
}

/* ---- norms ---------------------------------------------------------------------------------------- */

/* One block a vector of `width`; out may be x. */
__global__ void rmsnorm(global<float> out, global<const float> x, global<const float> weight,
                        size_t width, float eps, global<unsigned> fault, unsigned kind)
{
    SHARED(float, total, 1);
    size_t at = (size_t)blockIdx.x * width;
    if (threadIdx.x < WARP) {
        float sum = sum_of_products(x + at, global<const float>(nullptr), width);
        if (threadIdx.x == 0) {
            total[0] = sum;
            if (!is_finite(sum))
                atomicCAS(fault, 0u, kind);
        }
        if (PLANTED(BARRIER))
            __syncthreads();
    }
    __syncthreads();
    float inverse = 1.0f / sqrtf(total[0] / (float)width + eps);
    for (size_t i = threadIdx.x; i < width; i += blockDim.x)
        out[at + i] = x[at + i] * inverse * weight[i];
}

static void norm_vectors(cuda_backend *d, tensor *out, const tensor *x, const tensor *weight,
                         size_t width, float eps, int n)
{
    size_t vectors = (size_t)n * (x->cols / width);
    if (device_well(d))
        LAUNCH(d, rmsnorm, (unsigned)vectors, width < THREADS ? 64 : THREADS, floats_of(out),
               (const float *)floats_of(x), (const float *)floats_of(weight), width, eps, d->fault,
               device_fault(d, FAULT_ACTIVATIONS));
}

void cuda_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps, int n)
{
    assert(out->cols == x->cols && weight->cols == x->cols && weight->type == DTYPE_F32);
    norm_vectors(cuda_of(b), out, x, weight, x->cols, eps, n);
}

void cuda_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                       float eps, int n)
{
    assert(x->cols == (size_t)heads * (size_t)head_dim && weight->type == DTYPE_F32);
    assert(weight->cols == (size_t)head_dim);
    norm_vectors(cuda_of(b), x, x, weight, (size_t)head_dim, eps, n);
}

/* ---- RoPE ------------------------------------------------------------------------------------------- */

/* Row blockIdx.y; a thread turns one pair of one head. */
__global__ void rope(global<float> x, global<const float> cosines, global<const float> sines,
                     int heads, int head_dim, int half, bool pairs)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= heads * half)
        return;
    int j = i % half;
    size_t row = blockIdx.y, angle = row * (size_t)half + (size_t)j;
    size_t head = (row * (size_t)heads + (size_t)(i / half)) * (size_t)head_dim;
    size_t a = head + (size_t)(pairs ? 2 * j : j), c = a + (size_t)(pairs ? 1 : half);
    float va = x[a], vc = x[c], cosine = cosines[angle], sine = sines[angle];
    x[a] = va * cosine - vc * sine;
    x[c] = vc * cosine + va * sine;
}

void cuda_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n)
{
    cuda_backend *d = cuda_of(b);
    int half = rotary_dim / 2;
    assert(rotary_dim <= head_dim && rotary_dim % 2 == 0);
    assert(x->cols == (size_t)heads * (size_t)head_dim);
    if (device_well(d) && half)
        LAUNCH(d, rope, dim3(blocks_for((size_t)heads * (size_t)half, THREADS), (unsigned)n),
               THREADS, floats_of(x), d->batch.cosines, d->batch.sines, heads, head_dim, half,
               pairs);
}

/* ---- sums and gates ------------------------------------------------------------------------------------ */

__global__ void add_scaled(global<float> x, global<const float> y, float scale, size_t n)
{
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i < n || PLANTED(BOUND))
        x[i] += scale * y[i];
}

void cuda_add(backend *b, tensor *x, const tensor *y, float scale, int n)
{
    cuda_backend *d = cuda_of(b);
    size_t all = (size_t)n * x->cols;
    assert(x->cols == y->cols);
    if (device_well(d))
        LAUNCH(d, add_scaled, blocks_for(all, THREADS), THREADS, floats_of(x),
               (const float *)floats_of(y), scale, all);
}

__global__ void scale_all(global<float> x, float scale, size_t n)
{
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i < n)
        x[i] *= scale;
}

void cuda_scale(backend *b, tensor *x, float scale, int n)
{
    cuda_backend *d = cuda_of(b);
    size_t all = (size_t)n * x->cols;
    if (device_well(d))
        LAUNCH(d, scale_all, blocks_for(all, THREADS), THREADS, floats_of(x), scale, all);
}

/* One block a row. */
__global__ void sigmoid_gate(global<float> y, size_t width, global<const float> weight,
                             global<const float> x, size_t cols)
{
    SHARED(float, gate, 1);
    size_t row = blockIdx.x;
    if (threadIdx.x < WARP) {
        float z = sum_of_products(x + row * cols, weight, cols);
        if (threadIdx.x == 0)
            gate[0] = 1.0f / (1.0f + exp_f32(-z));
    }
    __syncthreads();
    float by = gate[0];
    for (size_t i = threadIdx.x; i < width; i += blockDim.x)
        y[row * width + i] *= by;
}

void cuda_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n)
{
    cuda_backend *d = cuda_of(b);
    assert(weight->cols == x->cols && weight->type == DTYPE_F32);
    if (device_well(d))
        LAUNCH(d, sigmoid_gate, (unsigned)n, THREADS, floats_of(y), y->cols,
               (const float *)floats_of(weight), (const float *)floats_of(x), x->cols);
}
