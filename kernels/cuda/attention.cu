/* attention.cu - pages of keys and values, and causal grouped-query attention over them.
 *
 * A block has one query head of one row and walks the row's pages in order with an online softmax, one
 * page at a time, by the definitions of cpu/attention_chunk.h. What it computes depends on the row's own
 * length alone.
 */
#include <assert.h>

#include "device.cuh"

enum { THREADS = 128, DIMS = 8, MOST_DIM = THREADS * DIMS };

struct device_kv {
    int layers, kv_heads, dim, type;
    size_t vector; /* bytes of one key */
};

static device_kv kv_of(const kv_layout *l)
{
    device_kv kv = {l->layers, l->kv_heads, l->head_dim, (int)l->type,
                    dtype_row_bytes(l->type, (size_t)l->head_dim)};
    return kv;
}

/* Where position `at` of a page keeps its key, or its value, for one KV head. */
__device__ inline size_t vector_at(const device_kv &kv, int layer, int head, bool values, int at)
{
    size_t block = ((size_t)layer * 2 + (values ? 1 : 0)) * (size_t)kv.kv_heads + (size_t)head;
    return (block * KV_PAGE + (size_t)at) * kv.vector;
}

__device__ inline float element(int type, global<const uint8_t> vector, int i)
{
    if (type == DTYPE_F32)
        return global_as<const float>(vector)[(size_t)i];
    if (type == DTYPE_F16)
        return half_as_float(global_as<const uint16_t>(vector)[(size_t)i]);
    global<const uint8_t> block = vector + (size_t)(i / 32) * sizeof(block_q8_0);
    return (float)(int8_t)block[2 + (size_t)(i % 32)] *
           half_as_float(global_as<const uint16_t>(block)[0]);
}

/* ---- storing ---------------------------------------------------------------------------------------- */

/* A block of 32 as Q8_0, by a warp: quantize_row(). */
__device__ inline void store_q8_0(global<uint8_t> to, float x)
{
    float largest = fabsf(x);
    for (int bit = 1; bit < WARP; bit *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, bit));
    float d = largest / 127.0f, inverse = d == 0 ? 0 : 1.0f / d;
    int lane = lane_of_warp();
    to[2 + (size_t)lane] = (uint8_t)(int8_t)fminf(fmaxf(roundf(x * inverse), -127.0f), 127.0f);
    if (lane == 0)
        global_as<uint16_t>(to)[0] = float_as_half(d);
}

/* Row blockIdx.x, KV head blockIdx.y, keys or values by blockIdx.z; one warp. */
__global__ void kv_store(device_kv kv, int layer, global<const float> k, global<const float> v,
                         global<const int> position, global<const int> list,
                         global<void *const> pages)
{
    size_t row = blockIdx.x, head = blockIdx.y;
    int at = position[row], lane = lane_of_warp();
    void *page = pages[(size_t)list[row] + (size_t)(at / KV_PAGE)];
    global<uint8_t> to =
        global_at<uint8_t>(page) + vector_at(kv, layer, (int)head, blockIdx.z == 1, at % KV_PAGE);
    size_t from = (row * (size_t)kv.kv_heads + head) * (size_t)kv.dim;
    for (int i = 0; i < kv.dim; i += WARP) {
        int j = i + lane;
        float x = j >= kv.dim ? 0.0f : blockIdx.z ? v[from + (size_t)j] : k[from + (size_t)j];
        if (kv.type == DTYPE_Q8_0)
            store_q8_0(to + (size_t)(i / 32) * sizeof(block_q8_0), x);
        else if (j < kv.dim && kv.type == DTYPE_F16)
            global_as<uint16_t>(to)[(size_t)j] = float_as_half(x);
        else if (j < kv.dim)
            global_as<float>(to)[(size_t)j] = x;
    }
}

void cuda_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n)
{
    cuda_backend *d = cuda_of(b);
    assert(layer < d->layout.layers && k->cols == v->cols);
    assert(k->cols == (size_t)d->layout.kv_heads * (size_t)d->layout.head_dim);
    if (device_well(d))
        LAUNCH(d, kv_store, dim3((unsigned)n, (unsigned)d->layout.kv_heads, 2), WARP,
               kv_of(&d->layout), layer, (const float *)floats_of(k), (const float *)floats_of(v),
               d->batch.position, d->batch.list, d->batch.pages);
}

/* ---- attention ---------------------------------------------------------------------------------------- */

/* The lanes of one sum, added in the CPU's order. */
__device__ inline float fold_lanes(const float *l)
{
    return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

__device__ inline float score_of(const device_kv &kv, global<const float> q,
                                 global<const uint8_t> key)
{
    float lanes[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int i = 0; i < kv.dim; i += 8)
        for (int l = 0; l < 8 && i + l < kv.dim; l++)
            lanes[l] = fmaf(q[(size_t)(i + l)], element(kv.type, key, i + l), lanes[l]);
    return fold_lanes(lanes);
}

/* Sum of the n values that the block shares, in lanes j % 8; every thread has it. */
__device__ inline float sum_shared(global<float> p, int n)
{
    float lanes[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int j = 0; j < n; j += 8)
        for (int l = 0; l < 8 && j + l < n; l++)
            lanes[l] += p[(size_t)(j + l)];
    return fold_lanes(lanes);
}

/* Head blockIdx.x of row blockIdx.y. */
__global__ void attend(device_kv kv, int layer, int heads, float scale, global<const float> q,
                       global<float> out, global<const int> position, global<const int> list,
                       global<void *const> pages)
{
    SHARED(float, score, KV_PAGE);
    SHARED(float, weight, KV_PAGE);
    size_t row = blockIdx.y, at = (row * (size_t)heads + blockIdx.x) * (size_t)kv.dim;
    int kv_head = (int)blockIdx.x / (heads / kv.kv_heads), thread = (int)threadIdx.x;
    int length = position[row] + 1;
    float most = -INFINITY, sum = 0, acc[DIMS];
    for (int i = 0; i < DIMS; i++)
        acc[i] = 0;
    for (int first = 0; first < length; first += KV_PAGE) {
        int count = length - first < KV_PAGE ? length - first : KV_PAGE;
        global<const uint8_t> page =
            global_at<const uint8_t>(pages[(size_t)list[row] + (size_t)(first / KV_PAGE)]);
        if (thread < count)
            score[(size_t)thread] =
                score_of(kv, q + at, page + vector_at(kv, layer, kv_head, false, thread)) * scale;
        __syncthreads();
        float before = most;
        for (int j = 0; j < count; j++) {
            float s = score[(size_t)j];
            most = s > most ? s : most;
        }
        if (thread < count) {
            float p = exp_f32(score[(size_t)thread] - most);
            if (PLANTED(RACE))
                score[(size_t)thread] = p;
            weight[(size_t)thread] = p;
        }
        __syncthreads();
        float keep = exp_f32(before - most);
        sum = sum * keep + sum_shared(weight, count);
        global<const uint8_t> value = page + vector_at(kv, layer, kv_head, true, 0);
#pragma unroll
        for (int i = 0; i < DIMS; i++) {
            int e = thread + i * THREADS;
            if (e >= kv.dim)
                break;
            float a = acc[i] * keep;
            for (int j = 0; j < count; j++)
                a = fmaf(weight[(size_t)j], element(kv.type, value + (size_t)j * kv.vector, e), a);
            acc[i] = a;
        }
    }
    float inverse = 1.0f / sum;
#pragma unroll
    for (int i = 0; i < DIMS; i++)
        if (thread + i * THREADS < kv.dim)
            out[at + (size_t)(thread + i * THREADS)] = acc[i] * inverse;
}

void cuda_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                    int n)
{
    cuda_backend *d = cuda_of(b);
    int heads = form->heads;
    assert(layer < d->layout.layers && heads % d->layout.kv_heads == 0);
    assert(d->layout.head_dim <= MOST_DIM && out->cols == q->cols);
    assert(q->cols == (size_t)heads * (size_t)d->layout.head_dim);
    if (device_well(d))
        LAUNCH(d, attend, dim3((unsigned)heads, (unsigned)n), THREADS, kv_of(&d->layout), layer,
               heads, form->scale, (const float *)floats_of(q), floats_of(out), d->batch.position,
               d->batch.list, d->batch.pages);
}
