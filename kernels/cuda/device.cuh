/* device.cuh - one GPU as a backend: its state, and what the files of this folder share.
 *
 * Ops enqueue kernels on one stream and return. Nothing is read back before cuda_sync(): what a kernel
 * finds wrong (activations or router logits that are not finite) it leaves in one word of device memory,
 * first come, and the first CUDA call that fails is kept with the op's name and the layer. After a
 * failure ops do nothing until it has been reported; after one of the device, nothing ever.
 *
 * Weights lie in device memory as the file has them, each matrix at an address of its own. Memory that
 * an op needs while it runs grows to the largest need seen and is kept.
 *
 *   device.cu     opening, the batch, handles            norm.cu       what touches each element once
 *   matmul.cu     products                               attention.cu  pages and attention
 *   route.cu      the router program                     experts.cu    the chosen experts
 *   sample.cu     a token for a row of logits            weights.cuh   the weight types, by a warp
 *   memory.cu     tensors, pages, scratch
 */
#ifndef KERNELS_CUDA_DEVICE_CUH
#define KERNELS_CUDA_DEVICE_CUH

#include <stdio.h>

#include "../backend_impl.h"
#include "language.cuh"
#include "math.cuh"

/* ---- what lies in device memory -------------------------------------------------------------- */

/* A list of low-rank updates of one matrix of one expert. */
struct device_low_rank {
    const void *a, *b; /* A [rank, cols], B [rank, rows] f32 */
    int a_type, rank;
    float scale;
    int cols, rows;
};

struct device_update { /* [gate, up, down] of one expert: entries [first, first + n) of `all` */
    int first[3], n[3], rank[3];
};

/* layer_routing, where pointers are to device memory. */
struct device_routing {
    int k, trained_k, norm_width, adaptive_min;
    float tail_gain, adaptive_ratio, strength;
    int experts;                                                 /* the model's and the adapters' */
    const void *bias, *allowed, *named, *forced, *place, *score; /* or NULL */
    const void *update;                                          /* int32 [experts], -1 = none */
    const void *updates, *low_ranks;
};

/* A matrix of an expert; data NULL where a place is empty. */
struct device_matrix {
    const void *data;
    int type, rows;
};

struct device_expert {
    device_matrix part[3]; /* gate, up, down */
};

/* A place in a list of all things of a kind, in host memory; the list itself is one. */
struct device_link {
    device_link *next, *before;
    void *whole; /* what has this place */
};

static inline void list_begin(device_link *list)
{
    list->next = list->before = list;
}

static inline void list_in(device_link *list, device_link *place)
{
    place->next = list;
    place->before = list->before;
    place->before->next = place->next->before = place;
}

static inline void list_out(device_link *place)
{
    place->before->next = place->next;
    place->next->before = place->before;
}

struct device_tensor {
    tensor base; /* first */
    device_link place;
    void *kept; /* host: what was written from there, zero elsewhere; NULL = nothing */
};

/* ---- the backend ------------------------------------------------------------------------------ */

/* Device memory that an op needs while it runs. */
struct device_scratch {
    void *data;
    size_t bytes;
};

/* Of scratch. */
enum device_use {
    USE_BATCH,
    USE_IDS,
    USE_QUANTISED32,
    USE_QUANTISED256,
    USE_HIDDEN32,
    USE_HIDDEN256,
    USE_PAIRS,
    USE_HIDDEN,
    USE_OUTPUT,
    USE_UPDATES,
    USE_DRAWS,
    USE_DRAW_WORK,
    USE_DRAWN,
    USE_PARTS,
    USES
};

/* The rows of a step, in device memory. */
struct device_batch {
    int n, half;
    const int *position;                  /* [n] */
    void *const *pages;                   /* all page lists, one behind the other */
    const int *list;                      /* [n] where in `pages` a row's list begins */
    const device_routing *const *routing; /* [n] its layers, NULL where the row has none */
    const float *cosines, *sines;         /* [n, half] */
    int longest;                          /* the most positions that a row sees */
    int ranked; /* the rank of updates that some row's program has; 0: nobody has any */
};

enum { MOST_ASKED = 32 };

/* A row of logits of which a token or a likelihood is wanted, and where the host will have it. */
struct device_ask {
    int at, id;      /* the row; of the token whose likelihood it is */
    sample_row *row; /* or NULL: */
    double *logprob;
};

/* What comes back of one: sample.cu. */
struct device_drawn {
    int id, bad, broken; /* the first logit that cannot be chosen from, of any that is not finite */
    int none;            /* no token is left */
    float bad_logit;
    float logit, most; /* of the id; the largest */
    double sum;        /* of exp(logit - most) */
};

/* Those of one call, until cuda_sync(). */
struct device_asked {
    device_asked *next;
    int n;
    device_ask of[MOST_ASKED];
    device_drawn drawn[MOST_ASKED];
};

struct cuda_backend {
    backend base; /* first */
    cudaStream_t stream;
    error failure; /* what a step met, told once, */
    error loss;    /* and what ended the device's service */
    device_link tensors, tables, banks;
    char label[160];
    int layer;
    unsigned *fault; /* device: 0, or FAULT_* + 4 * (layer + 1) of the first */
    uint64_t *books; /* device: see weights.cuh */
    kv_layout layout;
    device_batch batch;
    device_scratch scratch[USES];
    void *staging; /* host memory in which a batch is put together */
    size_t staging_bytes;
    device_asked *asked;
};

enum { FAULT_ACTIVATIONS = 1, FAULT_ROUTER = 2 };

/* What routing_tables.device and expert_bank.device point to, in host memory. */
struct device_tables {
    device_link place;
    device_routing *layers; /* device, [count]; all else lies behind it in the same memory */
    int rank;               /* the most that the updates of one expert sum up to */
};

struct device_bank {
    device_link place;
    device_expert *experts; /* device, [room] */
    int room;
    bool behind;            /* matrices came to the device that `experts` does not name yet */
    int ffn;                /* of the widest expert */
    unsigned forms, inputs; /* bits 1 << form: of the down matrices, of the others */
    bool ragged;            /* not all have that width */
    int type[2];            /* of gate and up, of down; ANY_TYPE when they differ */
};

static inline const device_tables *tables_of(const routing_tables *t)
{
    return (const device_tables *)t->device;
}

struct routes {
    int max_rows, slots;
    int32_t *ids, *seen; /* device memory, as in routes_host */
    float *gates, *banned, *margin, *entropy;
};

static inline cuda_backend *cuda_of(backend *b)
{
    return (cuda_backend *)b;
}

/* Keeps the first call that failed, with its name; returns whether this one went well. */
bool device_check(cuda_backend *d, cudaError_t result, const char *what);
/* Whether work may go on: no failure is waiting to be reported. */
static inline bool device_well(const cuda_backend *d)
{
    return d->failure.code == ERROR_NONE && d->loss.code == ERROR_NONE;
}
/* At least `bytes`; NULL after a failure, which is kept. */
void *device_need(cuda_backend *d, device_use use, size_t bytes);
void *device_new(cuda_backend *d, size_t bytes, const char *what, error *err);
void device_free(cuda_backend *d, void *p);
void device_upload(cuda_backend *d, void *to, const void *from, size_t bytes);
/* Host memory for something to be uploaded, good until the next is asked for; NULL as device_need(). */
void *device_staging(cuda_backend *d, size_t bytes);
/* The stream has been waited for: what was asked is told, unless that did not go well. */
void device_tell(cuda_backend *d, bool well);

/* The fault word's new value for this layer. */
static inline unsigned device_fault(const cuda_backend *d, unsigned kind)
{
    return kind + 4u * (unsigned)(d->layer + 1);
}

static inline unsigned blocks_for(size_t n, size_t each)
{
    return (unsigned)((n + each - 1) / each);
}

static inline float *floats_of(const tensor *t)
{
    return (float *)t->data;
}

/* Copies a tensor of tensor_lend() into device memory, if it is not there yet. */
int device_copy_lent(const tensor *lent, error *err);
/* Make these the host's; device memory is given back as far as the device still can. */
void tables_move(routing_tables *t, backend *to);
void bank_move(expert_bank *k, backend *to);

/* ---- the ops, by file ---------------------------------------------------------------------------- */

void cuda_memory(backend *b, uint64_t *unused, uint64_t *total);
int cuda_move(backend *from, backend *to, error *err);
tensor *cuda_tensor_new(backend *b, dtype type, size_t rows, size_t cols, error *err);
tensor *cuda_tensor_map(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                        error *err);
tensor *cuda_tensor_lend(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                         error *err);
void cuda_tensor_free(tensor *t);
void cuda_tensor_write(backend *b, tensor *t, size_t row, size_t rows, const void *src);
void cuda_tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst);
void *cuda_kv_page_new(backend *b, const kv_layout *layout, error *err);
void cuda_kv_page_free(backend *b, void *page);
void cuda_kv_page_copy(backend *b, const kv_layout *layout, void *to, const void *from);

void cuda_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale);
void cuda_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps, int n);
void cuda_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                       float eps, int n);
void cuda_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n);
void cuda_add(backend *b, tensor *x, const tensor *y, float scale, int n);
void cuda_scale(backend *b, tensor *x, float scale, int n);
void cuda_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n);
void cuda_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n);

void cuda_matmul(backend *b, const product *products, int count, const tensor *x, int n);
void cuda_matmul_swiglu(backend *b, tensor *out, const gated_weights *w, const tensor *x, int n);

void cuda_sample_logits(backend *b, const tensor *logits, sample_row *const *rows, int n);
void cuda_score_logits(backend *b, const tensor *logits, const int *ids, double *const *logprobs,
                       int n);

void cuda_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n);
void cuda_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                    int n);

routes *cuda_routes_new(backend *b, int max_rows, int slots, error *err);
void cuda_routes_free(backend *b, routes *r);
void cuda_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
                const router_form *form, int n);
void cuda_routes_read(backend *b, const routes *r, int n, const routes_host *to);
void cuda_routes_write(backend *b, routes *r, int n, const routes_host *from);
void cuda_routes_slot(backend *b, routes *one, const routes *from, int slot, int n);
int cuda_tables_copy(routing_tables *t, int experts, error *err);
void cuda_tables_drop(routing_tables *t);

int cuda_bank_changed(expert_bank *k, int first, int n, error *err);
int cuda_bank_need(expert_bank *k, const layer_routing *by, int experts, error *err);
void cuda_bank_drop(expert_bank *k);
void cuda_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r,
                  const tensor *x, int layer, int n);

/* Opens the first GPU. Caller closes with backend_close(). ERROR_RUN with the reason. */
extern "C" __attribute__((visibility("default"))) backend *cuda_open(const backend_options *options,
                                                                     error *err);

#endif
