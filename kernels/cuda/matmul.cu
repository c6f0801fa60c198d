/* matmul.cu - products of weights with a few rows, and the int8 copies of rows that they take.
 *
 * A warp makes one output for up to eight rows, so that a weight row is read once for all passes of a
 * step. More rows, in prefill, are taken eight at a time.
 */
#include <assert.h>

#include "device.cuh"
#include "weights.cuh"

enum { THREADS = 128, WARPS = THREADS / WARP };

#define ACTIVATION_TINY 0x1p-100f

/* ---- int8 copies (cpu/activation.h) --------------------------------------------------------------- */

/* One warp a group of 256, eight elements to a lane; `share` lanes have a common scale: 4 or 32. */
__global__ void quantise(global<const float> x, size_t stride, size_t cols, size_t padded,
                         int share, global<int8_t> q, global<float> scale, global<int16_t> sum)
{
    int lane = lane_of_warp();
    size_t row = blockIdx.y, first = blockIdx.x * (size_t)GROUP + 8 * (size_t)lane;
    float v[8];
    uint32_t largest = 0;
    for (int i = 0; i < 8; i++) {
        v[i] = first + (size_t)i < cols ? x[row * stride + first + (size_t)i] : 0.0f;
        uint32_t bits = bits_as<uint32_t>(v[i]) & 0x7FFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    for (int bit = 1; bit < share; bit *= 2) {
        uint32_t other = __shfl_xor_sync(ALL_LANES, largest, bit);
        largest = other > largest ? other : largest;
    }
    float most = bits_as<float>(largest), factor = 127.0f / most;
    bool counts = is_finite(most) && !(most < ACTIVATION_TINY);
    int code[8], total = 0;
    for (int i = 0; i < 8; i++) {
        code[i] = counts ? (int)rintf(v[i] * factor) : 0;
        total += code[i];
    }
    int2 packed = pack(code);
    size_t at = row * padded + first;
    global<int> words = global_as<int>(q + at);
    words[0] = packed.x;
    words[1] = packed.y;
    total += __shfl_xor_sync(ALL_LANES, total, 1);
    if (lane % 2 == 0)
        sum[at / 16] = (int16_t)total;
    if (lane % share == 0)
        scale[at / (8 * (size_t)share)] = !is_finite(most) ? most : counts ? most / 127.0f : 0.0f;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

size_t quantised_bytes(int form, size_t cols, size_t rows)
{
    size_t all = rows * padded_cols(cols);
    return form == 0 ? 0
                     : aligned(all) + aligned(all / 16 * 2) +
                           aligned(all / (form == 1 ? 32 : 256) * sizeof(float));
}

device_rows device_quantise(cuda_backend *d, int form, const float *x, size_t stride, size_t cols,
                            int n, void *memory)
{
    device_rows r = device_rows();
    size_t padded = padded_cols(cols), all = (size_t)n * padded;
    r.x = x;
    r.stride = stride;
    r.cols = cols;
    r.padded = padded;
    if (form == 0 || !memory || !device_well(d))
        return r;
    int8_t *q = (int8_t *)memory;
    int16_t *sum = (int16_t *)(void *)(q + aligned(all));
    float *scale = (float *)(void *)(q + aligned(all) + aligned(all / 16 * 2));
    LAUNCH(d, quantise, dim3((unsigned)(padded / GROUP), (unsigned)n), WARP, x, stride, cols,
           padded, form == 1 ? 4 : WARP, q, scale, sum);
    r.q = (const int8_t *)q;
    r.sum = (const int16_t *)sum;
    r.scale = (const float *)scale;
    return r;
}

/* The forms of x that some weights want, made once. */
struct input_forms {
    device_rows of[3];
    bool made[3];
};

static const device_rows *want_form(cuda_backend *d, input_forms *f, int type, const tensor *x,
                                    int n)
{
    int form = form_of(type);
    if (!f->made[form]) {
        device_use use = form == 1 ? USE_QUANTISED32 : USE_QUANTISED256;
        void *memory = form ? device_need(d, use, quantised_bytes(form, x->cols, x->rows)) : NULL;
        f->of[form] = device_quantise(d, form, floats_of(x), x->cols, x->cols, n, memory);
        f->made[form] = true;
    }
    return &f->of[form];
}

/* ---- products -------------------------------------------------------------------------------------- */

/* A weight matrix and where its outputs go, to be handed to a kernel. */
struct device_product {
    global<const uint8_t> weight;
    int type;
    size_t rows, bytes; /* outputs; bytes of a weight row */
    global<const float> bias;
    global<float> out;
    size_t stride;
};

/* at[0..count) = the rows of this block of rows; returns count. */
__device__ inline int rows_of_block(int n, int *at)
{
    int first = (int)blockIdx.y * MOST_COLUMNS;
    int count = n - first < MOST_COLUMNS ? n - first : MOST_COLUMNS;
    for (int i = 0; i < count; i++)
        at[i] = first + i;
    return count;
}

/* values[lane] of an array that every lane has, without giving it an address. */
__device__ inline float value_of_lane(const float *values, int n)
{
    int lane = lane_of_warp();
    float mine = 0;
    for (int i = 0; i < n; i++)
        mine = i == lane ? values[i] : mine;
    return mine;
}

/* TYPE: of the weights, or ANY_TYPE: then p.type says it. */
template <int TYPE>
__global__ void multiply(device_product p, device_rows x, int n, global<const uint64_t> books)
{
    int at[MOST_COLUMNS], lane = lane_of_warp(), count = rows_of_block(n, at);
    size_t r = blockIdx.x * (size_t)WARPS + threadIdx.x / WARP;
    float out[MOST_COLUMNS];
    if (r >= p.rows)
        return;
    dot_rows(TYPE == ANY_TYPE ? p.type : TYPE, p.weight + r * p.bytes, x, at, count, books, out);
    float mine = value_of_lane(out, count);
    if (lane < count)
        p.out[(size_t)(at[0] + lane) * p.stride + r] = p.bias ? mine + p.bias[r] : mine;
}

template <int TYPE>
__global__ void multiply_gated(device_product gate, device_product up, device_rows gate_x,
                               device_rows up_x, int n, global<const uint64_t> books)
{
    int at[MOST_COLUMNS], lane = lane_of_warp(), count = rows_of_block(n, at);
    size_t r = blockIdx.x * (size_t)WARPS + threadIdx.x / WARP;
    float out[MOST_COLUMNS];
    if (r >= gate.rows)
        return;
    dot_rows(TYPE == ANY_TYPE ? gate.type : TYPE, gate.weight + r * gate.bytes, gate_x, at, count,
             books, out);
    float g = value_of_lane(out, count);
    dot_rows(TYPE == ANY_TYPE ? up.type : TYPE, up.weight + r * up.bytes, up_x, at, count, books,
             out);
    float u = value_of_lane(out, count);
    if (lane >= count)
        return;
    g = gate.bias ? g + gate.bias[r] : g;
    u = up.bias ? u + up.bias[r] : u;
    gate.out[(size_t)(at[0] + lane) * gate.stride + r] = silu(g) * u;
}

static device_product product_of(const tensor *weight, const tensor *bias, const tensor *out)
{
    device_product p = device_product();
    assert(out->type == DTYPE_F32 && out->cols >= weight->rows);
    p.weight = (const uint8_t *)weight->data;
    p.type = (int)weight->type;
    p.rows = weight->rows;
    p.bytes = weight->row_bytes;
    p.bias = bias ? (const float *)bias->data : NULL;
    p.out = floats_of(out);
    p.stride = out->cols;
    return p;
}

static dim3 grid_of(size_t rows, int n)
{
    return dim3(blocks_for(rows, WARPS), blocks_for((size_t)n, MOST_COLUMNS));
}

void cuda_matmul(backend *b, const product *products, int count, const tensor *x, int n)
{
    cuda_backend *d = cuda_of(b);
    input_forms forms = input_forms();
    for (int i = 0; i < count; i++) {
        const tensor *w = products[i].weight;
        assert(w->cols == x->cols);
        const device_rows *rows = want_form(d, &forms, (int)w->type, x, n);
        if (!device_well(d))
            return;
        device_product p = product_of(w, products[i].bias, products[i].out);
        FOR_TYPE(w->type, multiply, LAUNCH_TYPE, d, grid_of(w->rows, n), THREADS, p, *rows, n,
                 (const uint64_t *)d->books);
    }
}

void cuda_matmul_swiglu(backend *b, tensor *out, const gated_weights *w, const tensor *x, int n)
{
    cuda_backend *d = cuda_of(b);
    input_forms forms = input_forms();
    assert(w->gate->cols == x->cols && w->up->cols == x->cols && w->gate->rows == w->up->rows);
    const device_rows *gate = want_form(d, &forms, (int)w->gate->type, x, n);
    const device_rows *up = want_form(d, &forms, (int)w->up->type, x, n);
    if (!device_well(d))
        return;
    int type = w->gate->type == w->up->type ? (int)w->gate->type : ANY_TYPE;
    device_product a = product_of(w->gate, w->gate_bias, out);
    device_product c = product_of(w->up, w->up_bias, out);
    FOR_TYPE(type, multiply_gated, LAUNCH_TYPE, d, grid_of(w->gate->rows, n), THREADS, a, c, *gate,
             *up, n, (const uint64_t *)d->books);
}
