/* cuda_host.h - CUDA C++ on the host: what the kernels of kernels/cuda/ need to be compiled by a C++
 * compiler and run by a test. It is included before anything else in place of the CUDA headers.
 *
 * A launch runs its blocks one after the other, in a random order; the threads of a block are fibers that
 * take turns, again in a random order, and change hands where they wait for each other. What a GPU leaves
 * undefined is a failure here, told by kernel, block and thread:
 *   - an access outside the buffer that the pointer came from, or not aligned for its type;
 *   - a barrier, a shuffle or a vote that not all named threads reach, or reach at different places;
 *   - a read of shared memory that nobody wrote, and more of it than a block has;
 *   - a value that another thread wrote in the same launch with no barrier between (a race).
 * A failed launch is reported as CUDA reports one: by cudaGetLastError(), with the sentence as its text.
 *
 * Device memory is the host's, filled with ones bits when it is allocated, so that a float nobody wrote is
 * a NaN. Where it ends and who wrote what is kept beside it.
 */
#ifndef TESTS_CUDA_HOST_H
#define TESTS_CUDA_HOST_H

#define CUDA_ON_HOST 1

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

/* ---- geometry --------------------------------------------------------------------------------- */

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c)
    {
    }
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

static inline int2 make_int2(int x, int y)
{
    return int2{x, y};
}

/* ---- what watches ------------------------------------------------------------------------------ */

/* Who wrote a byte last. */
struct host_writer {
    uint32_t launch, block;
    uint16_t thread, epoch, warp_epoch; /* barriers of the block and of its warp before that */
    uint8_t used;                       /* of shared memory: written at all */
    uint8_t atomic;                     /* added to, which others may do too */
};

struct host_span {
    char *from, *to;
    host_writer *writers; /* [to - from] */
    bool shared;
};

host_span *host_find(const void *p); /* the buffer of an address; a failure when there is none */
void host_read(const host_span *s, const void *p, size_t bytes, size_t align);
void host_write(const host_span *s, const void *p, size_t bytes, size_t align);
/* Read and written in one step: other threads may do the same at any time. */
void host_atomic(const host_span *s, const void *p, size_t bytes, size_t align);
[[noreturn]] void host_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

template <class T> struct host_cell { /* one element that is read or written */
    const host_span *s;
    T *p;
    operator T() const
    {
        host_read(s, p, sizeof(T), alignof(T));
        return *p;
    }
    host_cell &operator=(T v)
    {
        host_write(s, p, sizeof(T), alignof(T));
        *p = v;
        return *this;
    }
    host_cell &operator=(const host_cell &other)
    {
        return *this = (T)other;
    }
    host_cell &operator+=(T v)
    {
        return *this = (T)((T) * this + v);
    }
    host_cell &operator*=(T v)
    {
        return *this = (T)((T) * this * v);
    }
};

template <class T> struct host_pointer {
    const host_span *s;
    T *p;
    host_pointer() : s(nullptr), p(nullptr)
    {
    }
    host_pointer(T *raw) : s(raw ? host_find(raw) : nullptr), p(raw)
    {
    }
    host_pointer(const host_span *of, T *raw) : s(of), p(raw)
    {
    }
    operator host_pointer<const T>() const
    {
        return host_pointer<const T>(s, p);
    }
    auto operator[](size_t i) const
    {
        if constexpr (std::is_const_v<T>) {
            host_read(s, p + i, sizeof(T), alignof(T));
            return (std::remove_const_t<T>)p[i];
        } else {
            return host_cell<T>{s, p + i};
        }
    }
    host_pointer operator+(size_t i) const
    {
        return host_pointer(s, p + i);
    }
    explicit operator bool() const
    {
        return p != nullptr;
    }
    bool operator==(const host_pointer &o) const
    {
        return p == o.p;
    }
};

template <class T> using global = host_pointer<T>;

template <class T> inline global<T> global_at(const void *raw)
{
    return global<T>((T *)(uintptr_t)raw);
}

template <class To, class From> inline global<To> global_as(host_pointer<From> p)
{
    return global<To>(p.s, (To *)(uintptr_t)p.p);
}

/* ---- a block's threads together ----------------------------------------------------------------- */

host_span *host_shared(size_t bytes, size_t align, int site);
void host_barrier(int site);
/* All lanes of `mask` come here with a value; returns those of all lanes. */
const uint64_t *host_warp(unsigned mask, int site, uint64_t value);
int host_lane();

/* Function, file and line would do; a line is enough to tell places of one kernel apart. */
#define SHARED(type, name, n)                                                                      \
    host_span *name##_span = host_shared(sizeof(type) * (n), alignof(type), __LINE__);             \
    host_pointer<type> name(name##_span, (type *)(void *)name##_span->from)

#define __syncthreads()                host_barrier(__LINE__)
#define __syncwarp()                   ((void)host_warp(0xFFFFFFFFu, __LINE__, 0))
#define __shfl_xor_sync(mask, v, lane) host_shuffle(mask, v, host_lane() ^ (lane), __LINE__)
#define __shfl_sync(mask, v, lane)     host_shuffle(mask, v, (lane)&31, __LINE__)
#define __ballot_sync(mask, yes)       host_ballot(mask, yes, __LINE__)

template <class T> inline T host_shuffle(unsigned mask, T v, int from, int site)
{
    uint64_t bits = 0;
    static_assert(sizeof(T) <= 8);
    memcpy(&bits, &v, sizeof v);
    const uint64_t *all = host_warp(mask, site, bits);
    if (!(mask >> from & 1))
        host_fail("a shuffle reads lane %d, which takes no part", from);
    memcpy(&v, &all[from], sizeof v);
    return v;
}

inline unsigned host_ballot(unsigned mask, bool yes, int site)
{
    const uint64_t *all = host_warp(mask, site, yes);
    unsigned bits = 0;
    for (int i = 0; i < 32; i++)
        bits |= (mask >> i & 1) && all[i] ? 1u << i : 0;
    return bits;
}

inline int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 4; i++)
        c += (int8_t)(a >> (8 * i)) * (int8_t)(b >> (8 * i));
    return c;
}

inline unsigned atomicCAS(host_pointer<unsigned> p, unsigned compare, unsigned value)
{
    if (p.p < (unsigned *)(void *)p.s->from || p.p >= (unsigned *)(void *)p.s->to)
        host_fail("an atomic outside its buffer");
    unsigned before = *p.p;
    *p.p = before == compare ? value : before;
    return before;
}

/* Returns what was there. Any order gives the same sum. */
template <class T> inline T atomicAdd(host_pointer<T> p, std::common_type_t<T> value)
{
    static_assert(std::is_integral_v<T>, "a sum of floats would depend on the order");
    host_atomic(p.s, p.p, sizeof(T), alignof(T));
    T before = *p.p;
    *p.p = before + value;
    return before;
}

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}

/* ---- launching ------------------------------------------------------------------------------------ */

typedef void host_body(void *user);
void host_run(const char *kernel, dim3 grid, dim3 block, host_body *body, void *user);

template <class F> void host_launch(const char *kernel, dim3 grid, dim3 block, F body)
{
    host_run(
        kernel, grid, block, [](void *user) { (*(F *)user)(); }, &body);
}

#define LAUNCH(device, kernel, grid, block, ...)                                                   \
    do {                                                                                           \
        host_launch(#kernel, grid, block, [&] { kernel(__VA_ARGS__); });                           \
        device_check(device, cudaGetLastError(), #kernel);                                         \
    } while (0)

/* Faults that the kernels hold ready for tests: one of them at a time, PLANT_NOTHING otherwise. */
enum host_plant {
    PLANT_NOTHING,
    PLANT_BARRIER,
    PLANT_BOUND,
    PLANT_MASK,
    PLANT_STRIDE,
    PLANT_ALIGNMENT,
    PLANT_RACE,
    PLANT_TIE,
    PLANT_SPLIT,
};
extern host_plant host_planted;
#define PLANTED(fault) (host_planted == PLANT_##fault)

#define HOST_SHOWN extern "C" __attribute__((visibility("default")))
/* Blocks and threads take turns in an order that follows from this number. */
HOST_SHOWN void host_seed(unsigned seed);
/* One of host_plant, from now on. */
HOST_SHOWN void host_plant_fault(int fault);
/* After so many more launches the device is gone for good: all that is asked of it fails. -1 = it is
 * there again. $CUDA_HOST_BREAK says it for a whole program. */
HOST_SHOWN void host_break(int launches);
/* The device has so much memory from now on; 0 = without end. $CUDA_HOST_MEMORY says it for a whole
 * program. */
HOST_SHOWN void host_memory_kib(int kib);
/* Bytes: the most of it that was taken since this was last asked. */
HOST_SHOWN unsigned long host_memory_taken(void);

/* ---- the runtime's functions that the backend calls ----------------------------------------------- */

typedef int cudaError_t;
typedef void *cudaStream_t;
enum {
    cudaSuccess = 0,
    cudaErrorMemoryAllocation = 2,
    cudaErrorLaunchFailure = 719,
    cudaErrorDeviceGone = 999, /* any that stays */
};
enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice
};
struct cudaDeviceProp {
    char name[256];
    int major, minor;
};

cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaStreamCreate(cudaStream_t *s);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s);
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s);
cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t e);

#endif
