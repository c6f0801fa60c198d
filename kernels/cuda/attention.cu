/* attention.cu - pages of keys and values, and causal grouped-query attention over them.
 *
 * A row's past is cut into spans of SPAN positions, always at the same places. Over a span an online softmax
 * goes page by page, by the definitions of cpu/attention_chunk.h; the spans' shares are joined in ascending
 * order. What is computed thus depends on the row's own length alone, whoever does it: with few rows each
 * span is a block of its own, so that a long past keeps the whole device busy; with many, one block has
 * one head of one row and walks its spans. A past of one span has the CPU's bytes; a longer one differs
 * from them by the rounding of the joints.
 */
#include <assert.h>

#include "device.cuh"

enum {
    THREADS = 128,
    DIMS = 8,
    MOST_DIM = THREADS * DIMS,
    SPAN = 8 * KV_PAGE,
    PART_ROWS = 8 /* with more rows there are blocks enough */
};

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

/* Where a block finds what it attends to. */
struct attend_view {
    device_kv kv;
    int layer, heads;
    float scale;
    global<const float> q;
    global<const int> position, list;
    global<void *const> pages;
};

/* What one thread has of a softmax over some positions: its elements of the weighted sum, not yet divided. */
struct share {
    float most, sum, acc[DIMS];
};

/* Positions [first, end) of one head of a row, page by page. score, weight: the block's [KV_PAGE]. */
__device__ inline share attend_span(const attend_view &v, size_t row, size_t head, int first,
                                    int end, global<float> score, global<float> weight)
{
    const device_kv &kv = v.kv;
    size_t at = (row * (size_t)v.heads + head) * (size_t)kv.dim;
    int kv_head = (int)head / (v.heads / kv.kv_heads), thread = (int)threadIdx.x;
    share s;
    s.most = -INFINITY;
    s.sum = 0;
#pragma unroll
    for (int i = 0; i < DIMS; i++)
        s.acc[i] = 0;
    for (; first < end; first += KV_PAGE) {
        int count = end - first < KV_PAGE ? end - first : KV_PAGE;
        global<const uint8_t> page =
            global_at<const uint8_t>(v.pages[(size_t)v.list[row] + (size_t)(first / KV_PAGE)]);
        if (thread < count)
            score[(size_t)thread] =
                score_of(kv, v.q + at, page + vector_at(kv, v.layer, kv_head, false, thread)) *
                v.scale;
        __syncthreads();
        float before = s.most;
        for (int j = 0; j < count; j++) {
            float x = score[(size_t)j];
            s.most = x > s.most ? x : s.most;
        }
        if (thread < count) {
            float p = exp_f32(score[(size_t)thread] - s.most);
            if (PLANTED(RACE))
                score[(size_t)thread] = p;
            weight[(size_t)thread] = p;
        }
        __syncthreads();
        float keep = exp_f32(before - s.most);
        s.sum = s.sum * keep + sum_shared(weight, count);
        global<const uint8_t> value = page + vector_at(kv, v.layer, kv_head, true, 0);
#pragma unroll
        for (int i = 0; i < DIMS; i++) {
            int e = thread + i * THREADS;
            if (e >= kv.dim)
                break;
            float a = s.acc[i] * keep;
            for (int j = 0; j < count; j++)
                a = fmaf(weight[(size_t)j], element(kv.type, value + (size_t)j * kv.vector, e), a);
            s.acc[i] = a;
        }
    }
    return s;
}

/* Makes *whole that of the positions of both; `next` stands behind. */
__device__ inline void join(share *whole, const share &next)
{
    float most = next.most > whole->most ? next.most : whole->most;
    float keep = exp_f32(whole->most - most), take = exp_f32(next.most - most);
    whole->most = most;
    whole->sum = whole->sum * keep + next.sum * take;
#pragma unroll
    for (int i = 0; i < DIMS; i++)
        whole->acc[i] = whole->acc[i] * keep + next.acc[i] * take;
}

__device__ inline void write_share(const attend_view &v, const share &s, size_t row, size_t head,
                                   global<float> out)
{
    size_t at = (row * (size_t)v.heads + head) * (size_t)v.kv.dim;
    int thread = (int)threadIdx.x;
    float inverse = 1.0f / s.sum;
#pragma unroll
    for (int i = 0; i < DIMS; i++)
        if (thread + i * THREADS < v.kv.dim)
            out[at + (size_t)(thread + i * THREADS)] = s.acc[i] * inverse;
}

/* Head blockIdx.x of row blockIdx.y: its spans one after the other. */
__global__ void attend(attend_view v, global<float> out)
{
    SHARED(float, score, KV_PAGE);
    SHARED(float, weight, KV_PAGE);
    size_t row = blockIdx.y, head = blockIdx.x;
    int length = v.position[row] + 1, span = SPAN;
    if (PLANTED(SPLIT) && gridDim.y > 1)
        span += KV_PAGE;
    share whole = attend_span(v, row, head, 0, length < span ? length : span, score, weight);
    for (int first = span; first < length; first += span) {
        int end = length - first < span ? length : first + span;
        share next = attend_span(v, row, head, first, end, score, weight);
        join(&whole, next);
    }
    write_share(v, whole, row, head, out);
}

/* Where a span's share waits for the others: most, sum, then the elements. */
__device__ inline size_t part_at(const attend_view &v, int spans, size_t row, size_t head,
                                 size_t span)
{
    return ((row * (size_t)v.heads + head) * (size_t)spans + span) * (size_t)(v.kv.dim + 2);
}

/* Span blockIdx.z alone. */
__global__ void attend_part(attend_view v, global<float> parts)
{
    SHARED(float, score, KV_PAGE);
    SHARED(float, weight, KV_PAGE);
    size_t row = blockIdx.y, head = blockIdx.x;
    int length = v.position[row] + 1, first = (int)blockIdx.z * SPAN, thread = (int)threadIdx.x;
    if (first >= length)
        return;
    share s = attend_span(v, row, head, first, length - first < SPAN ? length : first + SPAN, score,
                          weight);
    size_t at = part_at(v, (int)gridDim.z, row, head, blockIdx.z);
    if (thread == 0) {
        parts[at] = s.most;
        parts[at + 1] = s.sum;
    }
#pragma unroll
    for (int i = 0; i < DIMS; i++)
        if (thread + i * THREADS < v.kv.dim)
            parts[at + 2 + (size_t)(thread + i * THREADS)] = s.acc[i];
}

__device__ inline share read_part(const attend_view &v, global<const float> parts, size_t at)
{
    share s;
    s.most = parts[at];
    s.sum = parts[at + 1];
#pragma unroll
    for (int i = 0; i < DIMS; i++) {
        int e = (int)threadIdx.x + i * THREADS;
        s.acc[i] = e < v.kv.dim ? parts[at + 2 + (size_t)e] : 0.0f;
    }
    return s;
}

/* Head blockIdx.x of row blockIdx.y, of which `spans` at most were done. */
__global__ void join_parts(attend_view v, global<const float> parts, int spans, global<float> out)
{
    size_t row = blockIdx.y, head = blockIdx.x;
    int length = v.position[row] + 1;
    share whole = read_part(v, parts, part_at(v, spans, row, head, 0));
    for (int span = 1; span * SPAN < length; span++) {
        share next = read_part(v, parts, part_at(v, spans, row, head, (size_t)span));
        join(&whole, next);
    }
    write_share(v, whole, row, head, out);
}

/* Few rows with a long past: one block for each span. */
static void attend_in_parts(cuda_backend *d, const attend_view &v, float *out, int n, int spans)
{
    size_t floats = (size_t)n * (size_t)v.heads * (size_t)spans * (size_t)(v.kv.dim + 2);
    float *parts = (float *)device_need(d, USE_PARTS, floats * sizeof(float));
    if (!parts)
        return;
    LAUNCH(d, attend_part, dim3((unsigned)v.heads, (unsigned)n, (unsigned)spans), THREADS, v,
           parts);
    if (device_well(d))
        LAUNCH(d, join_parts, dim3((unsigned)v.heads, (unsigned)n), THREADS, v,
               (const float *)parts, spans, out);
}

void cuda_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                    int n)
{
    cuda_backend *d = cuda_of(b);
    int heads = form->heads, spans = (d->batch.longest + SPAN - 1) / SPAN;
    assert(layer < d->layout.layers && heads % d->layout.kv_heads == 0);
    assert(d->layout.head_dim <= MOST_DIM && out->cols == q->cols);
    assert(q->cols == (size_t)heads * (size_t)d->layout.head_dim);
    if (!device_well(d))
        return;
    attend_view v = {
        kv_of(&d->layout), layer,         heads,         form->scale, (const float *)floats_of(q),
        d->batch.position, d->batch.list, d->batch.pages};
    if (n <= PART_ROWS && spans > 1)
        attend_in_parts(d, v, floats_of(out), n, spans);
    else
        LAUNCH(d, attend, dim3((unsigned)heads, (unsigned)n), THREADS, v, floats_of(out));
}
