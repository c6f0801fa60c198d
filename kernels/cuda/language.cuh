/* language.cuh - the few words in which the kernels are written, beside CUDA C++ itself.
 *
 * The kernels run in two places: on a GPU, compiled by nvcc, and on the host, where tests compile the same
 * files with a C++ compiler over a header that stands in for the device and watches every access. What
 * differs between the two is said here once:
 *
 *   global<T>             a pointer into device memory; on the host one that knows its buffer's bounds.
 *                         Elements are read and written whole: v = p[i], p[i] = v
 *   global_at<T>(raw)     an address that lay in a table in device memory, as such a pointer
 *   SHARED(type, name, n) an array that the threads of a block share
 *   LAUNCH(...)           runs a kernel on a device's stream and asks whether it started
 *   PLANTED(fault)        false; on the host a test can make it true, to see that the fault is found
 *
 * Arithmetic is that of the CPU backend, operation by operation (cpu/dot.h and the files it names):
 * products and sums are not contracted, fmaf rounds once, sums have a fixed tree. So a GPU gives the
 * CPU's bytes; nvcc is told so by -fmad=false.
 */
#ifndef KERNELS_CUDA_LANGUAGE_CUH
#define KERNELS_CUDA_LANGUAGE_CUH

#ifdef __CUDACC__

#include <cuda_fp16.h>
#include <cuda_runtime.h>

template <class T> using global = T *;

template <class T> __device__ inline T *global_at(const void *raw)
{
    return (T *)(uintptr_t)raw;
}

/* The same bytes as elements of another type; they must be aligned for it. */
template <class To, class From> __device__ inline To *global_as(From *p)
{
    return (To *)(uintptr_t)p;
}

#define SHARED(type, name, n) __shared__ type name[n]
#define PLANTED(fault)        false
#define LAUNCH(device, kernel, grid, block, ...)                                                   \
    do {                                                                                           \
        kernel<<<grid, block, 0, (device)->stream>>>(__VA_ARGS__);                                 \
        device_check(device, cudaGetLastError(), #kernel);                                         \
    } while (0)

#endif /* the host's header has defined the same */

enum { WARP = 32 };

static const unsigned ALL_LANES = 0xFFFFFFFFu;

#endif
