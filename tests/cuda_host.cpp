/* cuda_host.cpp - see cuda_host.h. */
#include "cuda_host.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

/* ---- fibers ---------------------------------------------------------------------------------------- */

/* Keeps the registers that a function must keep, stores where, and goes on where another stopped. */
extern "C" void host_switch(void **stopped, void *go);
asm(R"(
    .text
    .globl host_switch
    .type host_switch, @function
host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size host_switch, .-host_switch
)");

namespace
{

enum { MOST_THREADS = 1024, STACK = 128 << 10, SHARED_BYTES = 48 << 10, WARPS = MOST_THREADS / 32 };

enum state { READY, AT_BARRIER, IN_WARP, DONE };

struct fiber {
    void *stack, *stopped;
    state where;
    int site;
    unsigned mask;
};

struct warp {
    uint64_t value[32], told[32];
    unsigned arrived;
    uint16_t epoch;
};

struct machine {
    fiber fibers[MOST_THREADS];
    warp warps[WARPS];
    void *scheduler;
    int threads, current;
    uint16_t epoch;
    uint32_t launch, block;
    const char *kernel;
    host_body *body;
    void *user;
    bool failed;
    char text[400];
    unsigned seed;
    unsigned long launches;
    /* shared memory of the block */
    std::vector<host_span *> spans;
    std::vector<int> sites;
    size_t shared_used;
    alignas(16) char shared[SHARED_BYTES];
    host_writer shared_writers[SHARED_BYTES];
    std::map<const char *, host_span *> buffers; /* by their end */
    host_span *last;
    /* what it has left: launches, -1 = without end; of memory, 0 = without end */
    long left;
    size_t memory, taken, most_taken;
};

machine *m;

machine *get()
{
    if (!m) {
        const char *left = getenv("CUDA_HOST_BREAK"), *memory = getenv("CUDA_HOST_MEMORY");
        m = new machine();
        m->left = left ? atol(left) : -1;
        m->memory = memory ? (size_t)atol(memory) << 10 : 0;
    }
    return m;
}

unsigned random_below(unsigned n)
{
    m->seed = m->seed * 1664525u + 1013904223u;
    return (unsigned)((uint64_t)(m->seed >> 8) * n >> 24);
}

void shuffle(std::vector<int> &order)
{
    for (size_t i = order.size(); i > 1; i--)
        std::swap(order[i - 1], order[random_below((unsigned)i)]);
}

void wait()
{
    fiber *f = &m->fibers[m->current];
    host_switch(&f->stopped, m->scheduler);
}

void fiber_main()
{
    m->body(m->user);
    m->fibers[m->current].where = DONE;
    wait();
    abort();
}

void start(fiber *f)
{
    if (!f->stack) {
        f->stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (f->stack == MAP_FAILED)
            abort();
    }
    void **top = (void **)((char *)f->stack + STACK) - 2;
    top[0] = (void *)fiber_main; /* where `ret` goes, with the stack as after a call */
    top[1] = nullptr;
    f->stopped = top - 6;
    memset(f->stopped, 0, 6 * sizeof(void *));
    f->where = READY;
}

void place_threads(int i)
{
    threadIdx = dim3((unsigned)i % blockDim.x, (unsigned)i / blockDim.x % blockDim.y,
                     (unsigned)i / blockDim.x / blockDim.y);
}

/* Keeps the first failure, as one of a thread's. */
void note(int thread, const char *format, ...) __attribute__((format(printf, 2, 3)));
void note(int thread, const char *format, ...)
{
    char what[300];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (!m->failed)
        snprintf(m->text, sizeof m->text, "%s, block %u, thread %d: %s",
                 m->kernel ? m->kernel : "-", m->block, thread, what);
    m->failed = true;
}

/* Whether a barrier can open; a failure when it never will. */
void open_barrier()
{
    int waiting = 0, site = 0, where = -1;
    for (int i = 0; i < m->threads; i++) {
        const fiber *f = &m->fibers[i];
        if (f->where == IN_WARP)
            return note(i, "a warp waits for lanes that do not come (line %d)", f->site);
        if (f->where != AT_BARRIER)
            continue;
        if (waiting++ && f->site != site)
            return note(i, "threads %d and %d wait at different barriers (lines %d and %d)", where,
                        i, site, f->site);
        site = f->site;
        where = i;
    }
    if (waiting < m->threads)
        return note(where,
                    "%d of %d threads wait at a barrier that the others do not reach (line %d)",
                    waiting, m->threads, site);
    m->epoch++;
    for (int i = 0; i < m->threads; i++)
        m->fibers[i].where = READY;
}

bool all_done()
{
    for (int i = 0; i < m->threads; i++)
        if (m->fibers[i].where != DONE)
            return false;
    return true;
}

void run_block(std::vector<int> &order)
{
    m->epoch = 0;
    m->shared_used = 0;
    for (host_span *s : m->spans)
        delete s;
    m->spans.clear();
    m->sites.clear();
    memset(m->shared, 0xFF, sizeof m->shared);
    memset((void *)m->shared_writers, 0, sizeof m->shared_writers);
    memset((void *)m->warps, 0, sizeof m->warps);
    for (int i = 0; i < m->threads; i++)
        start(&m->fibers[i]);
    while (!m->failed && !all_done()) {
        bool ran = false;
        for (int i : order) {
            if (m->fibers[i].where != READY || m->failed)
                continue;
            ran = true;
            m->current = i;
            place_threads(i);
            host_switch(&m->scheduler, m->fibers[i].stopped);
        }
        if (!ran && !m->failed)
            open_barrier();
    }
}

} // namespace

void host_fail(const char *format, ...)
{
    char what[300];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    note(m->current, "%s", what);
    if (!m->kernel || m->current < 0) {
        fprintf(stderr, "%s\n", m->text);
        abort();
    }
    for (;;) /* the fiber is not gone on with */
        wait();
}

/* ---- memory ----------------------------------------------------------------------------------------- */

host_span *host_find(const void *p)
{
    machine *x = get();
    const char *at = (const char *)p;
    if (x->last && at >= x->last->from && at < x->last->to)
        return x->last;
    auto found = x->buffers.upper_bound(at);
    if (found == x->buffers.end() || at < found->second->from)
        host_fail("%p is not in device memory", p);
    return x->last = found->second;
}

static void check_place(const host_span *s, const void *p, size_t bytes, size_t align)
{
    const char *at = (const char *)p;
    if (!s)
        host_fail("an access through a null pointer");
    if (at < s->from || at + bytes > s->to)
        host_fail("%zu bytes at offset %td of a %sbuffer of %td bytes", bytes, at - s->from,
                  s->shared ? "shared " : "", s->to - s->from);
    if ((uintptr_t)at % align)
        host_fail("an access of %zu bytes at offset %td, not a multiple of %zu", bytes,
                  at - s->from, align);
}

/* Whether what `w` wrote in this launch can still be on its way. */
static bool races(const host_writer *w)
{
    if (w->launch != m->launch || (w->block == m->block && w->thread == m->current))
        return false;
    if (w->block != m->block)
        return true;
    if (w->epoch != m->epoch)
        return false;
    int mine = m->current / 32;
    return w->thread / 32 != mine || w->warp_epoch == m->warps[mine].epoch;
}

static void check_race(const host_writer *w, size_t bytes, const char *what)
{
    for (size_t i = 0; i < bytes; i++)
        if (races(&w[i]))
            host_fail("a race: thread %d of block %u wrote what this one %s", w[i].thread,
                      w[i].block, what);
}

void host_read(const host_span *s, const void *p, size_t bytes, size_t align)
{
    check_place(s, p, bytes, align);
    const host_writer *w = s->writers + ((const char *)p - s->from);
    check_race(w, bytes, "reads");
    for (size_t i = 0; i < bytes && s->shared; i++)
        if (!w[i].used)
            host_fail("shared memory at offset %td was never written", (const char *)p - s->from);
}

void host_write(const host_span *s, const void *p, size_t bytes, size_t align)
{
    check_place(s, p, bytes, align);
    host_writer *w = s->writers + ((const char *)p - s->from);
    check_race(w, bytes, "writes");
    for (size_t i = 0; i < bytes; i++)
        w[i] = host_writer{
            m->launch, m->block, (uint16_t)m->current, m->epoch, m->warps[m->current / 32].epoch,
            1,         0};
}

/* By nobody in particular, so that no other atomic races with it; a plain access before a barrier does. */
void host_atomic(const host_span *s, const void *p, size_t bytes, size_t align)
{
    check_place(s, p, bytes, align);
    host_writer *w = s->writers + ((const char *)p - s->from);
    for (size_t i = 0; i < bytes; i++) {
        if (!w[i].atomic)
            check_race(&w[i], 1, "adds to");
        if (s->shared && !w[i].used)
            host_fail("shared memory at offset %td was never written", (const char *)p - s->from);
        w[i] = host_writer{
            m->launch, m->block, (uint16_t)m->current, m->epoch, m->warps[m->current / 32].epoch,
            1,         1};
    }
}

host_span *host_shared(size_t bytes, size_t align, int site)
{
    for (size_t i = 0; i < m->sites.size(); i++)
        if (m->sites[i] == site)
            return m->spans[i];
    size_t at = (m->shared_used + align - 1) / align * align;
    if (at + bytes > SHARED_BYTES)
        host_fail("%zu bytes of shared memory, a block has %d", at + bytes, SHARED_BYTES);
    m->shared_used = at + bytes;
    m->spans.push_back(
        new host_span{m->shared + at, m->shared + at + bytes, m->shared_writers + at, true});
    m->sites.push_back(site);
    return m->spans.back();
}

/* ---- waiting for each other --------------------------------------------------------------------------- */

int host_lane()
{
    return m->current % 32;
}

void host_barrier(int site)
{
    fiber *f = &m->fibers[m->current];
    f->where = AT_BARRIER;
    f->site = site;
    wait();
}

const uint64_t *host_warp(unsigned mask, int site, uint64_t value)
{
    int first = m->current / 32 * 32, lane = m->current % 32;
    warp *w = &m->warps[m->current / 32];
    fiber *f = &m->fibers[m->current];
    if (!(mask >> lane & 1))
        host_fail("lane %d names others and not itself (line %d)", lane, site);
    w->value[lane] = value;
    f->where = IN_WARP;
    f->site = site;
    f->mask = mask;
    for (int i = 0; i < 32; i++) {
        if (!(mask >> i & 1))
            continue;
        const fiber *other = &m->fibers[first + i];
        if (first + i >= m->threads || other->where == DONE)
            host_fail("lane %d takes part in a warp's step (line %d) but is gone", i, site);
        if (other->where != IN_WARP) {
            wait();
            return w->told;
        }
        if (other->site != site || other->mask != mask)
            host_fail("lanes %d and %d meet in different steps (lines %d and %d)", lane, i, site,
                      other->site);
    }
    memcpy(w->told, w->value, sizeof w->told);
    w->epoch++;
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            m->fibers[first + i].where = READY;
    return w->told;
}

/* Whether the device has given up. */
static bool gone()
{
    return get()->left == 0;
}

void host_run(const char *kernel, dim3 grid, dim3 block, host_body *body, void *user)
{
    if (get()->left > 0)
        m->left--;
    if (m->failed || gone())
        return;
    m->kernel = kernel;
    m->current = 0;
    m->body = body;
    m->user = user;
    m->launch++;
    m->launches++;
    m->block = 0;
    gridDim = grid;
    blockDim = block;
    m->threads = (int)(block.x * block.y * block.z);
    size_t blocks = (size_t)grid.x * grid.y * grid.z;
    if (m->threads < 1 || m->threads > MOST_THREADS || blocks < 1 || grid.y > 65535 ||
        grid.z > 65535) {
        snprintf(m->text, sizeof m->text, "%s: a grid of %zu blocks of %d threads", kernel, blocks,
                 m->threads);
        m->failed = true;
        return;
    }
    std::vector<int> order((size_t)m->threads), turns(blocks);
    for (size_t i = 0; i < order.size(); i++)
        order[i] = (int)i;
    for (size_t i = 0; i < blocks; i++)
        turns[i] = (int)i;
    shuffle(turns);
    for (size_t i = 0; i < blocks && !m->failed; i++) {
        m->block = (uint32_t)turns[i];
        blockIdx = dim3(m->block % grid.x, m->block / grid.x % grid.y, m->block / grid.x / grid.y);
        shuffle(order);
        run_block(order);
    }
    m->kernel = nullptr;
    m->current = -1;
}

void host_seed(unsigned seed)
{
    get()->seed = seed;
}

void host_break(int launches)
{
    get()->left = launches;
}

void host_memory_kib(int kib)
{
    get()->memory = (size_t)kib << 10;
}

unsigned long host_memory_taken(void)
{
    unsigned long most = get()->most_taken;
    m->most_taken = m->taken;
    return most;
}

host_plant host_planted;

void host_plant_fault(int fault)
{
    host_planted = (host_plant)fault;
}

/* ---- the runtime ---------------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *n)
{
    *n = 1;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int)
{
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    *p = cudaDeviceProp();
    snprintf(p->name, sizeof p->name, "the host");
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    *total = get()->memory ? m->memory : (size_t)1 << 34;
    *free = *total > m->taken ? *total - m->taken : 0;
    return gone() ? cudaErrorDeviceGone : cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *s)
{
    *s = nullptr;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t)
{
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t)
{
    return cudaGetLastError();
}

/* What a GPU takes for so many bytes. */
static size_t grains(size_t bytes)
{
    return (bytes + 511) / 512 * 512;
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    bytes = bytes ? bytes : 1;
    if (gone())
        return cudaErrorDeviceGone;
    if (get()->memory && m->taken + grains(bytes) > m->memory)
        return cudaErrorMemoryAllocation;
    m->taken += grains(bytes);
    m->most_taken = m->taken > m->most_taken ? m->taken : m->most_taken;
    host_span *s = new host_span();
    s->from = (char *)aligned_alloc(256, (bytes + 255) / 256 * 256);
    s->to = s->from + bytes;
    s->writers = (host_writer *)calloc(bytes, sizeof(host_writer));
    if (!s->from || !s->writers)
        abort();
    memset(s->from, 0xFF, bytes);
    get()->buffers[s->to] = s;
    *p = s->from;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    if (!p)
        return cudaSuccess;
    host_span *s = host_find(p);
    if (p != s->from)
        abort();
    m->taken -= grains((size_t)(s->to - s->from));
    m->buffers.erase(s->to);
    m->last = nullptr;
    free(s->from);
    free(s->writers);
    delete s;
    return cudaSuccess;
}

/* A range that the host copies: it must lie in one buffer. */
static void check_range(const void *p, size_t bytes)
{
    const host_span *s = host_find(p);
    if ((const char *)p + bytes > s->to) {
        fprintf(stderr, "a copy of %zu bytes passes the end of its buffer\n", bytes);
        abort();
    }
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t)
{
    if (gone())
        return cudaErrorDeviceGone;
    if (bytes && kind != cudaMemcpyDeviceToHost)
        check_range(to, bytes);
    if (bytes && kind != cudaMemcpyHostToDevice)
        check_range(from, bytes);
    if (bytes)
        memcpy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t)
{
    if (gone())
        return cudaErrorDeviceGone;
    if (bytes) {
        check_range(p, bytes);
        memset(p, value, bytes);
    }
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    bool failed = get()->failed;
    m->failed = false;
    return gone() ? cudaErrorDeviceGone : failed ? cudaErrorLaunchFailure : cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaErrorLaunchFailure      ? get()->text
           : e == cudaErrorMemoryAllocation ? "out of memory"
           : e == cudaErrorDeviceGone       ? "the device is gone"
                                            : "no error";
}
