/* device.cu - opening a GPU, the rows of a step, and the table of ops. */
#include "device.cuh"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "../iq.h"
#include "weights.cuh"

extern "C" {
#include "../cpu/sample.h"
}

/* ---- failures -------------------------------------------------------------------------------- */

bool device_check(cuda_backend *d, cudaError_t result, const char *what)
{
    if (result == cudaSuccess)
        return true;
    if (d->loss.code != ERROR_NONE)
        return false;
    error_set(&d->loss, ERROR_RUN, "%s: %s", what, cudaGetErrorString(result));
    if (d->layer >= 0)
        error_prefix(&d->loss, "layer %d: ", d->layer);
    return false;
}

static void keep_fault(cuda_backend *d, unsigned fault)
{
    int layer = (int)(fault / 4) - 1;
    error_set(&d->failure, ERROR_RUN, "%s are not finite",
              fault % 4 == FAULT_ROUTER ? "router logits" : "activations");
    if (layer >= 0)
        error_prefix(&d->failure, "layer %d: ", layer);
}

static int cuda_sync(backend *b, error *err)
{
    cuda_backend *d = cuda_of(b);
    unsigned fault = 0;
    if (device_well(d) &&
        device_check(d, cudaStreamSynchronize(d->stream), "waiting for the device") &&
        device_check(
            d, cudaMemcpyAsync(&fault, d->fault, sizeof fault, cudaMemcpyDeviceToHost, d->stream),
            "a fault") &&
        device_check(d, cudaStreamSynchronize(d->stream), "waiting for the device") && fault) {
        keep_fault(d, fault);
        (void)cudaMemsetAsync(d->fault, 0, sizeof fault, d->stream);
    }
    device_tell(d, device_well(d));
    if (device_well(d))
        return 0;
    if (err)
        *err = d->loss.code != ERROR_NONE ? d->loss : d->failure;
    d->failure.code = ERROR_NONE;
    return -1;
}

static bool cuda_lost(const backend *b)
{
    return ((const cuda_backend *)b)->loss.code != ERROR_NONE;
}

static void cuda_fail(backend *b, const error *why)
{
    cuda_backend *d = cuda_of(b);
    if (!device_well(d))
        return;
    d->failure = *why;
    if (d->layer >= 0)
        error_prefix(&d->failure, "layer %d: ", d->layer);
}

static const kv_layout *cuda_pages(const backend *b)
{
    return &((const cuda_backend *)b)->layout;
}

/* ---- the batch ---------------------------------------------------------------------------------- */

static void cuda_layer(backend *b, int layer)
{
    cuda_of(b)->layer = layer;
}

static size_t pages_of(const batch_row *row)
{
    return row->pages ? (size_t)row->position / KV_PAGE + 1 : 0;
}

/* Rows of one session, from row i on; *pages = those that the farthest one needs. */
static int run_of(const batch_row *rows, int i, int n, size_t *pages)
{
    int end = i;
    for (*pages = 0; end < n && rows[end].pages == rows[i].pages; end++)
        *pages = pages_of(&rows[end]) > *pages ? pages_of(&rows[end]) : *pages;
    return end - i;
}

static size_t even(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

/* Where the parts of a batch lie in one piece of memory. */
struct batch_parts {
    size_t position, list, routing, pages, cosines, sines, bytes;
};

static batch_parts cut_batch(const batch_row *rows, int n, size_t angles)
{
    batch_parts at;
    size_t all = 0, pages;
    for (int i = 0; i < n; i += run_of(rows, i, n, &pages), all += pages)
        ;
    at.position = 0;
    at.list = even((size_t)n * sizeof(int));
    at.routing = at.list + even((size_t)n * sizeof(int));
    at.pages = at.routing + even((size_t)n * sizeof(void *));
    at.cosines = at.pages + even(all * sizeof(void *));
    at.sines = at.cosines + even(angles);
    at.bytes = at.sines + even(angles);
    return at;
}

static void fill_batch(const batch_parts *at, const batch_row *rows, int n, char *to,
                       device_batch *batch)
{
    int *position = (int *)(void *)(to + at->position), *list = (int *)(void *)(to + at->list);
    const void **routing = (const void **)(void *)(to + at->routing);
    void **all = (void **)(void *)(to + at->pages);
    size_t used = 0, pages;
    for (int i = 0, run; i < n; i += run, used += pages) {
        run = run_of(rows, i, n, &pages);
        if (pages)
            memcpy(all + used, rows[i].pages, pages * sizeof *all);
        for (int j = i; j < i + run; j++) {
            const device_tables *t = rows[j].routing ? tables_of(rows[j].routing) : NULL;
            position[j] = rows[j].position;
            list[j] = (int)used;
            routing[j] = t ? t->layers : NULL;
            batch->ranked = t && t->rank > batch->ranked ? t->rank : batch->ranked;
            batch->longest =
                rows[j].position >= batch->longest ? rows[j].position + 1 : batch->longest;
        }
    }
}

void *device_staging(cuda_backend *d, size_t bytes)
{
    if (bytes <= d->staging_bytes)
        return d->staging;
    free(d->staging);
    d->staging = malloc(bytes);
    d->staging_bytes = d->staging ? bytes : 0;
    if (!d->staging)
        error_memory(&d->failure, "a batch");
    return d->staging;
}

static void cuda_batch(backend *b, const kv_layout *layout, const batch_row *rows, int n,
                       const float *cosines, const float *sines, int half)
{
    cuda_backend *d = cuda_of(b);
    size_t angles = cosines ? (size_t)n * (size_t)half * sizeof(float) : 0;
    batch_parts at = cut_batch(rows, n, angles);
    char *host = (char *)device_staging(d, at.bytes),
         *to = (char *)device_need(d, USE_BATCH, at.bytes);
    d->layout = *layout;
    d->batch = device_batch();
    if (!host || !to)
        return;
    d->batch.n = n;
    d->batch.half = half;
    fill_batch(&at, rows, n, host, &d->batch);
    if (angles) {
        memcpy(host + at.cosines, cosines, angles);
        memcpy(host + at.sines, sines, angles);
    }
    device_upload(d, to, host, at.bytes);
    d->batch.position = (const int *)(void *)(to + at.position);
    d->batch.list = (const int *)(void *)(to + at.list);
    d->batch.routing = (const device_routing *const *)(void *)(to + at.routing);
    d->batch.pages = (void *const *)(void *)(to + at.pages);
    d->batch.cosines = (const float *)(void *)(to + at.cosines);
    d->batch.sines = (const float *)(void *)(to + at.sines);
}

/* ---- figures -------------------------------------------------------------------------------------- */

enum { SWEEP_GRID = 1024, SWEEP_BLOCK = 256, LOGPROB_BLOCK = 1024 };

static const size_t SWEEP_MOST = (size_t)1 << 30;

__global__ void sweep(global<const uint4> v, size_t n, global<unsigned> seen)
{
    unsigned mixed = 0;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n;
         i += (size_t)gridDim.x * blockDim.x) {
        uint4 word = v[i];
        mixed ^= word.x ^ word.y ^ word.z ^ word.w;
    }
    if (mixed == 0x9E3779B9u) /* so that the reads are not left out */
        atomicCAS(seen, 0u, 0u);
}

static double cuda_read_seconds(backend *b, const void *host, size_t bytes)
{
    cuda_backend *d = cuda_of(b);
    size_t piece = (bytes < SWEEP_MOST ? bytes : SWEEP_MOST) / 16 * 16;
    error err;
    void *copy = device_new(d, piece + 16, "a bandwidth figure", &err);
    struct timespec from, to;
    if (!copy)
        return 0;
    device_upload(d, copy, host, piece);
    (void)cudaStreamSynchronize(d->stream);
    clock_gettime(CLOCK_MONOTONIC, &from);
    LAUNCH(d, sweep, SWEEP_GRID, SWEEP_BLOCK, (const uint4 *)copy, piece / 16, d->fault);
    (void)cudaStreamSynchronize(d->stream);
    clock_gettime(CLOCK_MONOTONIC, &to);
    device_free(d, copy);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
    return piece ? seconds * ((double)bytes / (double)piece) : 0;
}

/* As cpu.c: sums of blocks of eight lanes, in double. */
static double cuda_logprob(backend *b, const float *z, size_t n, int id)
{
    float most = z[0];
    double sum = 0;
    (void)b;
    for (size_t i = 1; i < n; i++)
        most = z[i] > most ? z[i] : most;
    for (size_t at = 0; at < n; at += LOGPROB_BLOCK) {
        float lanes[8] = {0};
        for (size_t j = 0; j < LOGPROB_BLOCK && at + j < n; j++)
            lanes[j % 8] += exp_f32(z[at + j] - most);
        sum += (double)(((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                        ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])));
    }
    return (double)z[id] - (double)most - log(sum);
}

/* Logits that have come to the host are chosen from there, as the CPU does. */
static void cuda_sample(backend *b, sample_row *rows, int n)
{
    for (sample_row *row = rows; row < rows + n; row++) {
        sample_pick(sample_baseline(), row);
        if (row->vocabulary && row->fault == SAMPLE_OK)
            row->logprob = cuda_logprob(b, row->logits, row->vocabulary, row->id);
    }
}

/* ---- opening and closing ---------------------------------------------------------------------------- */

static void cuda_close(backend *b)
{
    cuda_backend *d = cuda_of(b);
    for (int i = 0; i < USES; i++)
        device_free(d, d->scratch[i].data);
    device_free(d, d->fault);
    device_free(d, d->books);
    (void)cudaStreamDestroy(d->stream);
    free(d->staging);
    for (device_asked *a = d->asked, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(d);
}

static const char *cuda_isa(const backend *b)
{
    return ((const cuda_backend *)b)->label;
}

static int cuda_threads(const backend *b)
{
    (void)b;
    return 1;
}

static const backend_table *table_of_ops(void)
{
    static backend_table t;
    t.name = "cuda";
    t.host_memory = false;
    t.attention_parts = 0;
    t.router_parts = 1u << ROUTER_SOFTMAX;
    t.close = cuda_close;
    t.isa = cuda_isa;
    t.threads = cuda_threads;
    t.sync = cuda_sync;
    t.memory = cuda_memory;
    t.lost = cuda_lost;
    t.move = cuda_move;
    t.fail = cuda_fail;
    t.read_seconds = cuda_read_seconds;
    t.logprob = cuda_logprob;
    t.sample = cuda_sample;
    t.sample_logits = cuda_sample_logits;
    t.score_logits = cuda_score_logits;
    t.tensor_new = cuda_tensor_new;
    t.tensor_map = cuda_tensor_map;
    t.tensor_lend = cuda_tensor_lend;
    t.tensor_free = cuda_tensor_free;
    t.tensor_write = cuda_tensor_write;
    t.tensor_read = cuda_tensor_read;
    t.kv_page_new = cuda_kv_page_new;
    t.kv_page_free = cuda_kv_page_free;
    t.kv_page_copy = cuda_kv_page_copy;
    t.tables_copy = cuda_tables_copy;
    t.tables_drop = cuda_tables_drop;
    t.bank_changed = cuda_bank_changed;
    t.bank_need = cuda_bank_need;
    t.bank_drop = cuda_bank_drop;
    t.layer = cuda_layer;
    t.batch = cuda_batch;
    t.embed = cuda_embed;
    t.rmsnorm = cuda_rmsnorm;
    t.head_rmsnorm = cuda_head_rmsnorm;
    t.matmul = cuda_matmul;
    t.matmul_swiglu = cuda_matmul_swiglu;
    t.rope = cuda_rope;
    t.kv_store = cuda_kv_store;
    t.attention = cuda_attention;
    t.pages = cuda_pages;
    t.add = cuda_add;
    t.scale = cuda_scale;
    t.sigmoid_gate = cuda_sigmoid_gate;
    t.gather = cuda_gather;
    t.routes_new = cuda_routes_new;
    t.routes_free = cuda_routes_free;
    t.route = cuda_route;
    t.routes_read = cuda_routes_read;
    t.routes_write = cuda_routes_write;
    t.routes_slot = cuda_routes_slot;
    t.experts = cuda_experts;
    return &t;
}

/* The tables of the weight types, one behind the other. */
static int make_books(cuda_backend *d, error *err)
{
    uint64_t all[BOOK_WORDS];
    memcpy(all + BOOK_IQ1, iq1_grid, sizeof iq1_grid);
    memcpy(all + BOOK_IQ2_XXS, iq2_xxs_grid, sizeof iq2_xxs_grid);
    memcpy(all + BOOK_IQ2_XS, iq2_xs_grid, sizeof iq2_xs_grid);
    memcpy(all + BOOK_IQ2_S, iq2_s_grid, sizeof iq2_s_grid);
    memcpy(all + BOOK_IQ3_XXS, iq3_xxs_grid, sizeof iq3_xxs_grid);
    memcpy(all + BOOK_IQ3_S, iq3_s_grid, sizeof iq3_s_grid);
    memcpy(all + BOOK_IQ4, quant_iq4_values, sizeof quant_iq4_values);
    memcpy(all + BOOK_MXFP4, quant_mxfp4_values, sizeof quant_mxfp4_values);
    d->books = (uint64_t *)device_new(d, sizeof all, "the code books", err);
    if (!d->books)
        return -1;
    device_upload(d, d->books, all, sizeof all);
    return 0;
}

static int open_device(cuda_backend *d, error *err)
{
    int n = 0;
    cudaDeviceProp p;
    cudaError_t result = cudaGetDeviceCount(&n);
    if (result != cudaSuccess || n == 0)
        return error_set(err, ERROR_RUN, "no NVIDIA GPU can be used: %s",
                         result == cudaSuccess ? "none is there" : cudaGetErrorString(result));
    if (!device_check(d, cudaSetDevice(0), "taking GPU 0") ||
        !device_check(d, cudaGetDeviceProperties(&p, 0), "asking GPU 0") ||
        !device_check(d, cudaStreamCreate(&d->stream), "a stream")) {
        *err = d->loss;
        return -1;
    }
    snprintf(d->label, sizeof d->label, "%.100s, sm_%d%d", p.name, p.major, p.minor);
    d->fault = (unsigned *)device_new(d, sizeof *d->fault, "faults", err);
    if (!d->fault || make_books(d, err))
        return -1;
    device_check(d, cudaMemsetAsync(d->fault, 0, sizeof *d->fault, d->stream), "faults");
    return cuda_sync(&d->base, err);
}

backend *cuda_open(const backend_options *options, error *err)
{
    cuda_backend *d = (cuda_backend *)calloc(1, sizeof *d);
    error scratch;
    (void)options;
    err = err ? err : &scratch;
    if (!d) {
        error_memory(err, "the CUDA backend");
        return NULL;
    }
    d->base.table = table_of_ops();
    d->layer = -1;
    list_begin(&d->tensors);
    list_begin(&d->tables);
    list_begin(&d->banks);
    if (open_device(d, err) == 0)
        return &d->base;
    cuda_close(&d->base);
    return NULL;
}
