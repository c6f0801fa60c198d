/* backend_impl.h - what a backend must provide: the private side of backend.h.
 *
 * A backend is a struct that starts with `backend` and a constant table of functions, one for
 * each call of backend.h that depends on the device. backend.c only forwards, so the
 * layer loop above pays one indirect call per op and knows no device. devices/backend_open.c opens a
 * backend by name; one that lives in a shared object hands over the same two things: an `open`
 * function and a table.
 *
 * Tensors are the same struct everywhere; only `data` differs (host memory or a device address).
 */
#ifndef KERNELS_BACKEND_IMPL_H
#define KERNELS_BACKEND_IMPL_H

#include "backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tensor {
    backend *owner;
    dtype type;
    size_t rows, cols;
    size_t row_bytes; /* dtype_row_bytes(type, cols) */
    void *data;       /* rows * row_bytes; borrowed weights may have any alignment */
    bool borrowed;    /* true = never written, not freed with the tensor */
    const void *host; /* of another device: what it was mapped from, NULL = nothing */
};

struct routing_tables {
    backend *owner;
    const layer_routing *layers; /* [count] borrowed */
    int count;
    void *device; /* another device's copy, NULL = none */
};

/* backend.c keeps the lists; a device that needs a copy makes it in bank_changed. */
struct expert_bank {
    backend *owner;
    int count, room;
    const tensor **gate, **up, **down; /* [room], NULL where a place is empty */
    const expert_source *source;       /* NULL = all experts are in memory */
    void *device;
};

/* What a form can ask beyond causal attention over equal widths, and beyond a choice among all experts. */
enum {
    ATTENDS_LATER = 1,
    ATTENDS_WINDOW = 2,
    ATTENDS_SINKS = 4,
    ATTENDS_SOFT_CAP = 8,
    ATTENDS_WIDTHS = 16,
};
enum {
    ROUTES_BIAS = 1 << ROUTER_SCORES, /* the bits below: 1 << router_score */
    ROUTES_GROUPS = ROUTES_BIAS << 1,
};

/* Each member does what the function of the same name in backend.h says; `op_` is left out.
 * The closers are never called with NULL. */
typedef struct backend_table {
    const char *name;
    bool host_memory;         /* tensors lie where the host can read them */
    unsigned attention_parts; /* ATTENDS_*, and */
    unsigned router_parts;    /* 1 << router_score and ROUTES_*: others never come to its ops */
    void (*close)(backend *b);
    const char *(*isa)(const backend *b);
    int (*threads)(const backend *b);
    int (*sync)(backend *b, error *err);
    void (*fail)(backend *b, const error *why); /* to be reported by sync, unless one is already */
    void (*memory)(backend *b, uint64_t *unused, uint64_t *total); /* NULL = the host's */
    bool (*lost)(const backend *b);                                /* NULL = never */
    int (*move)(backend *from, backend *to, error *err);
    double (*read_seconds)(backend *b, const void *host, size_t bytes);
    double (*logprob)(backend *b, const float *z, size_t n, int id);
    void (*sample)(backend *b, sample_row *rows, int n);
    void (*sample_logits)(backend *b, const tensor *logits, sample_row *const *rows, int n);
    void (*score_logits)(backend *b, const tensor *logits, const int *ids, double *const *logprobs,
                         int n);

    tensor *(*tensor_new)(backend *b, dtype type, size_t rows, size_t cols, error *err);
    tensor *(*tensor_map)(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                          error *err);
    tensor *(*tensor_lend)(backend *b, dtype type, size_t rows, size_t cols, const void *host,
                           error *err);
    void (*tensor_free)(tensor *t);
    void (*tensor_write)(backend *b, tensor *t, size_t row, size_t rows, const void *src);
    void (*tensor_read)(backend *b, const tensor *t, size_t row, size_t rows, void *dst);

    void *(*kv_page_new)(backend *b, const kv_layout *layout, error *err);
    void (*kv_page_free)(backend *b, void *page);
    void (*kv_page_copy)(backend *b, const kv_layout *layout, void *to, const void *from);

    /* Fill and release t->device; both NULL where the host's tables are read. -1: *err says why. */
    int (*tables_copy)(routing_tables *t, int experts, error *err);
    void (*tables_drop)(routing_tables *t);
    /* Places [first, first + n) of the bank, or its count, changed; the same for k->device. NULL, and
     * bank_need too, where the tensors are read as they lie. */
    int (*bank_changed)(expert_bank *k, int first, int n, error *err);
    int (*bank_need)(expert_bank *k, const layer_routing *by, int experts, error *err);
    void (*bank_drop)(expert_bank *k);

    void (*layer)(backend *b, int layer);
    void (*batch)(backend *b, const kv_layout *layout, const batch_row *rows, int n,
                  const float *cosines, const float *sines, int half);
    void (*embed)(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale);
    void (*rmsnorm)(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps,
                    int n);
    void (*head_rmsnorm)(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                         float eps, int n);
    void (*matmul)(backend *b, const product *products, int count, const tensor *x, int n);
    void (*matmul_swiglu)(backend *b, tensor *out, const gated_weights *w, const tensor *x, int n);
    void (*rope)(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n);
    void (*kv_store)(backend *b, int layer, const tensor *k, const tensor *v, int n);
    void (*attention)(backend *b, tensor *out, const tensor *q, int layer,
                      const attention_form *form, int n);
    const kv_layout *(*pages)(const backend *b); /* of the batch */
    void (*add)(backend *b, tensor *x, const tensor *y, float scale, int n);
    void (*scale)(backend *b, tensor *x, float scale, int n);
    void (*sigmoid_gate)(backend *b, tensor *y, const tensor *weight, const tensor *x, int n);
    void (*gather)(backend *b, tensor *out, const tensor *x, const int *rows, int n);

    routes *(*routes_new)(backend *b, int max_rows, int slots, error *err);
    void (*routes_free)(backend *b, routes *r);
    void (*route)(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
                  const router_form *form, int n);
    void (*routes_read)(backend *b, const routes *r, int n, const routes_host *to);
    void (*routes_write)(backend *b, routes *r, int n, const routes_host *from);
    void (*routes_slot)(backend *b, routes *one, const routes *from, int slot, int n);
    void (*experts)(backend *b, tensor *out, const expert_bank *bank, const routes *r,
                    const tensor *x, int layer, int n);
} backend_table;

struct backend {
    const backend_table *table;
};

/* Names the text of this header and of backend.h: a device that comes as a shared object has its own, and
 * with another one its tables would be misread. */
extern const char backend_contract[];

#ifdef __cplusplus
}
#endif
#endif
