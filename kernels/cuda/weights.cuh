/* weights.cuh - one weight row times up to eight activation rows, by a warp: every type.
 *
 * The arithmetic is that of cpu/dot.h. A warp opens 256 weights at a time, eight to a lane, as two words
 * of int8 codes and the scale they stand under; integer sums are exact, so how the lanes share them is
 * free, and the float steps that follow are the definition's:
 *   F32 F16 BF16   lane l has elements l, l + 32, ...; the tree of 32 lanes
 *   blocks of 32   four lanes have a block; each block of a group of eight has a sum of its own
 *   blocks of 256  the warp has a block; one sum for the row and one for its minimums
 * Weights are read once for all rows of the call.
 */
#ifndef KERNELS_CUDA_WEIGHTS_CUH
#define KERNELS_CUDA_WEIGHTS_CUH

#include "blocks.cuh"

/* Rows of activations in the forms of cpu/activation.h. q and the scales of a row are filled up with
 * zeros to groups of 256. */
struct device_rows {
    global<const float> x; /* [., stride] */
    size_t stride, cols;
    global<const int8_t> q;    /* [., padded] of the form that the weights want */
    global<const float> scale; /* [., padded / 32] or [., padded / 256] */
    global<const int16_t> sum; /* [., padded / 16] of q */
    size_t padded;
};

/* i from 0 to n - 1 <= MOST_COLUMNS, as straight code: what stands in arrays of a thread keeps registers only
 * where every index is known. */
#define EACH_COLUMN(i, n) _Pragma("unroll") for (int i = 0; i < MOST_COLUMNS; i++) if (i < (n))

/* ---- products ----------------------------------------------------------------------------------------------- */

__device__ inline void dot_plain(int type, global<const uint8_t> row, const device_rows &x,
                                 const int *at, int n, float *out)
{
    size_t lane = (size_t)lane_of_warp();
    EACH_COLUMN (i, n)
        out[i] = 0;
    for (size_t j = lane; j < x.cols; j += WARP) {
        float w = plain_weight(type, row, j);
        EACH_COLUMN (i, n)
            out[i] = fmaf(w, x.x[(size_t)at[i] * x.stride + j], out[i]);
    }
    EACH_COLUMN (i, n)
        out[i] = sum_of_lanes32(out[i]);
}

__device__ inline int dot_eight(const eight &w, global<const int8_t> q)
{
    global<const int> words = global_as<const int>(q);
    return __dp4a(w.codes.y, words[1], __dp4a(w.codes.x, words[0], 0));
}

__device__ inline void dot_blocks32(int type, global<const uint8_t> row, const device_rows &x,
                                    const int *at, int n, global<const uint64_t> books, float *out)
{
    int lane = lane_of_warp();
    bool has_min = type == DTYPE_Q4_1 || type == DTYPE_Q5_1;
    size_t blocks = x.cols / 32;
    EACH_COLUMN (i, n)
        out[i] = 0;
    for (size_t first = 0; first < blocks; first += 8) {
        size_t b = first + (size_t)lane / 4;
        eight w = {make_int2(0, 0), 0, 0, 1, 0};
        if (b < blocks)
            w = open32(type, row + b * (size_t)block_bytes(type), lane % 4, books);
        EACH_COLUMN (i, n) {
            size_t r = (size_t)at[i];
            size_t q = r * x.padded + first * 32 + 8 * (size_t)lane;
            int sum = sum_over(dot_eight(w, x.q + q), 3);
            float scale = x.scale[r * (x.padded / 32) + b];
            out[i] = fmaf(w.d * scale, (float)sum, out[i]);
            if (has_min) {
                size_t s = r * (x.padded / 16) + 2 * b;
                out[i] = fmaf(w.dmin, scale * (float)(x.sum[s] + x.sum[s + 1]), out[i]);
            }
        }
    }
    /* The lanes of cpu/activation.h in the order of the blocks: 0 + 1, 4 + 5, then 2 + 3, 6 + 7. */
    EACH_COLUMN (i, n) {
        out[i] += __shfl_xor_sync(ALL_LANES, out[i], 4);
        out[i] += __shfl_xor_sync(ALL_LANES, out[i], 16);
        out[i] += __shfl_xor_sync(ALL_LANES, out[i], 8);
    }
}

__device__ inline void dot_blocks256(int type, global<const uint8_t> row, const device_rows &x,
                                     const int *at, int n, global<const uint64_t> books, float *out)
{
    int lane = lane_of_warp();
    bool has_min = type == DTYPE_Q2_K || type == DTYPE_Q4_K || type == DTYPE_Q5_K;
    float mins[MOST_COLUMNS];
    EACH_COLUMN (i, n)
        out[i] = mins[i] = 0;
    for (size_t b = 0; b < x.cols / GROUP; b++) {
        eight w = open256(type, row + b * (size_t)block_bytes(type), lane, books);
        EACH_COLUMN (i, n) {
            size_t r = (size_t)at[i];
            size_t q = r * x.padded + b * GROUP + 8 * (size_t)lane;
            int sum = sum_of_ints(w.scale * dot_eight(w, x.q + q));
            float scale = x.scale[r * (x.padded / GROUP) + b];
            out[i] = fmaf(w.d * scale, (float)sum, out[i]);
            if (!has_min)
                continue;
            int part = lane < 16 ? w.min * x.sum[r * (x.padded / 16) + b * 16 + (size_t)lane] : 0;
            mins[i] = fmaf(w.dmin * scale, (float)sum_of_ints(part), mins[i]);
        }
    }
    EACH_COLUMN (i, n)
        out[i] -= mins[i];
}

/* out[i] = row . x[at[i]] for i < n <= MOST_COLUMNS, in every lane. row: x.cols weights of `type`. All
 * lanes of the warp come with the same arguments. */
__device__ inline void dot_rows(int type, global<const uint8_t> row, const device_rows &x,
                                const int *at, int n, global<const uint64_t> books, float *out)
{
    int form = form_of(type);
    if (form == 0)
        dot_plain(type, row, x, at, n, out);
    else if (form == 1)
        dot_blocks32(type, row, x, at, n, books, out);
    else
        dot_blocks256(type, row, x, at, n, books, out);
}

/* ---- kernels by type ------------------------------------------------------------------------------------------ */

/* A kernel that multiplies is compiled for each of the types that most files are made of, and once for all
 * others, which looks at the type while it runs. */
enum { ANY_TYPE = DTYPE_COUNT };

#define LAUNCH_TYPE(kernel, type, device, grid, block, ...)                                        \
    LAUNCH(device, kernel<type>, grid, block, __VA_ARGS__)
#define FOR_TYPE(type, kernel, launch, ...)                                                        \
    switch ((int)(type)) {                                                                         \
    case DTYPE_F32:                                                                                \
        launch(kernel, DTYPE_F32, __VA_ARGS__);                                                    \
        break;                                                                                     \
    case DTYPE_F16:                                                                                \
        launch(kernel, DTYPE_F16, __VA_ARGS__);                                                    \
        break;                                                                                     \
    case DTYPE_BF16:                                                                               \
        launch(kernel, DTYPE_BF16, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case DTYPE_Q4_0:                                                                               \
        launch(kernel, DTYPE_Q4_0, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case DTYPE_Q8_0:                                                                               \
        launch(kernel, DTYPE_Q8_0, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case DTYPE_Q4_K:                                                                               \
        launch(kernel, DTYPE_Q4_K, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case DTYPE_Q5_K:                                                                               \
        launch(kernel, DTYPE_Q5_K, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case DTYPE_Q6_K:                                                                               \
        launch(kernel, DTYPE_Q6_K, __VA_ARGS__);                                                   \
        break;                                                                                     \
    default:                                                                                       \
        launch(kernel, ANY_TYPE, __VA_ARGS__);                                                     \
    }

/* The kernel that makes q, scale and sum of rows (matmul.cu), and the memory it needs. */
struct cuda_backend;
size_t quantised_bytes(int form, size_t cols, size_t rows);
/* rows [n, cols] f32, `stride` apart, in a form, in `memory` of quantised_bytes(). */
device_rows device_quantise(cuda_backend *d, int form, const float *x, size_t stride, size_t cols,
                            int n, void *memory);

#endif
