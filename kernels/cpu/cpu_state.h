/* cpu_state.h - the CPU backend's own state, shared by the files that implement its ops.
 *
 * Ops run at once, on the calling thread and the pool's workers; "enqueue" means nothing more here
 * than that failures wait in `failure` until backend_sync(). Work is dealt out in chunks that the
 * threads take as they come free, so which thread computes an output is left to chance, and each
 * output is therefore computed by one thread, from start to end, in an order that depends on
 * nothing but its own inputs. That is the whole of how the bytes stay the same at any thread count.
 */
#ifndef KERNELS_CPU_STATE_H
#define KERNELS_CPU_STATE_H

#include <assert.h>
#include <stdatomic.h>

#include "../backend_impl.h"
#include "attention_chunk.h"
#include "dot.h"
#include "sample.h"
#include "thread_pool.h"

/* Memory that an op needs while it runs. It grows to the largest need seen and is then kept, so
 * that a steady stream of equal steps allocates nothing. */
typedef struct scratch {
    void *data;
    size_t bytes;
} scratch;

enum { FAULT_ACTIVATIONS = 1, FAULT_ROUTER = 2 };

typedef struct cpu_backend {
    backend base;
    thread_pool *workers;
    const dot_kernels *dots;          /* one ISA level, */
    const attention_kernels *kernels; /* the same for both, */
    const sample_kernels *samples;    /* and for the sampler */
    error failure;                    /* the first one since the last sync */
    atomic_uint faults;               /* FAULT_* bits that threads saw in the running op */
    int layer;                        /* that faults are reported as; -1 = outside the layers */
    scratch activation;               /* quantised inputs of a product */
    scratch routing;                  /* softmax and ranking of one row, one a thread */
    scratch experts[5];               /* see moe.c */
    scratch updates[2];               /* see updates.c */
    scratch held[4];                  /* what op_batch copied: see cpu_batch.c */
    kv_layout layout;                 /* of the current batch, set by op_batch */
    const batch_row *rows;            /* [batch] */
    int batch;                        /* rows in the batch; -1: no memory for them, told already */
    const float *cosines;             /* [batch, rotary_dim / 2] */
    const float *sines;
} cpu_backend;

static inline cpu_backend *cpu_of(backend *b)
{
    return (cpu_backend *)b;
}

/* At least `bytes` of memory aligned to 64, contents undefined; NULL after recording a failure, and
 * then the op does nothing. `what` names the need in the message. */
void *cpu_scratch(cpu_backend *cpu, scratch *s, size_t bytes, const char *what);

/* Records a failure, unless one is waiting already. */
void cpu_keep_failure(cpu_backend *cpu, const error *err);

/* Turns what the threads of the op just done saw into a failure, if they saw anything. */
void cpu_report_faults(cpu_backend *cpu);

/* Whether the batch is there to work on n of its rows. */
static inline bool cpu_has_batch(const cpu_backend *cpu, int n)
{
    assert(cpu->batch < 0 || n <= cpu->batch);
    return cpu->batch >= 0;
}

static inline const layer_routing *cpu_routing(const cpu_backend *cpu, int row, int layer)
{
    return &cpu->rows[row].routing->layers[layer];
}

/* Work on rows [from, to) of some batch; `thread` < pool threads. */
typedef void cpu_rows_fn(void *user, int from, int to, int thread);

/* Calls fn over rows [0, n), split among the threads when n * row_cost (elements touched) is worth
 * waking them, and on the calling thread alone otherwise. fn treats each row by itself. */
void cpu_rows(cpu_backend *cpu, int n, size_t row_cost, cpu_rows_fn *fn, void *user);

/* Row i of a tensor of the backend's own, which holds f32. */
static inline float *cpu_row(const tensor *t, int i)
{
    return (float *)t->data + (size_t)i * t->cols;
}

/* A float at any address: norm weights and biases lie in mapped files, unaligned. */
typedef struct __attribute__((packed)) unaligned_float {
    float value;
} unaligned_float;

/* ---- the ops, by file ---------------------------------------------------------------------- */

/* cpu_batch.c */
void cpu_batch(backend *b, const kv_layout *layout, const batch_row *rows, int n,
               const float *cosines, const float *sines, int half);

/* norm.c */
void cpu_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale);
void cpu_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps, int n);
void cpu_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                      float eps, int n);
void cpu_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n);
void cpu_add(backend *b, tensor *x, const tensor *y, float scale, int n);
void cpu_scale(backend *b, tensor *x, float scale, int n);
void cpu_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n);
void cpu_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n);

/* attention.c */
void cpu_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n);
void cpu_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                   int n);

/* route.c, moe.c */
struct routes {
    int max_rows, slots;
    int32_t *ids, *seen; /* [max_rows, slots] as in routes_host; so are the others */
    float *gates;
    float *banned, *margin, *entropy;
};
routes *cpu_routes_new(backend *b, int max_rows, int slots, error *err);
void cpu_routes_free(backend *b, routes *r);
void cpu_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
               const router_form *form, int n);
void cpu_routes_read(backend *b, const routes *r, int n, const routes_host *to);
void cpu_routes_write(backend *b, routes *r, int n, const routes_host *from);
void cpu_routes_slot(backend *b, routes *one, const routes *from, int slot, int n);
void cpu_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r, const tensor *x,
                 int layer, int n);

#endif
