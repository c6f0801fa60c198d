/* backend.h - the op contract between one layer loop and the device that runs it.
 *
 * engine/run/forward.c says what a layer computes; a backend says how. Every op_* call only
 * enqueues: it returns nothing, never waits for the device, and never reads a device value back to
 * the host, so a backend for CUDA could capture a whole step as one graph. The first failure is
 * kept inside the backend and reported by backend_sync(). (The CPU backend happens to run each op
 * at once.)
 *
 * What a call is given it copies: positions, page lists, ids and cosines may change as soon as the call
 * returns. Borrowed are only what has a name and a lifetime of its own: tensors, pages, and the handles
 * made once from larger tables (routing_tables, expert_bank). So a step holds no host pointer, and can
 * be run again with other rows in the same places.
 *
 * Shapes are [rows, cols], row-major; activations are f32. In every op `n` is the number of batch
 * rows in use: one row is one token of some session. All rows are independent, and a row's result
 * never depends on how many others there are, on the thread count, or on the chunk it came in:
 * this is what makes a lockstep pass bit-equal to a solo one. An op's output may not overlap its
 * inputs unless the comment says "in place".
 *
 * One arithmetic definition per weight type (kernels/cpu/dot.h) holds at every ISA level.
 *
 * Plain C that C++ (and so CUDA) can include.
 */
#ifndef KERNELS_BACKEND_H
#define KERNELS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "quant.h"
#include "sample.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct backend backend; /* one device and its worker threads */
typedef struct tensor tensor;   /* [rows, cols] of one dtype in the backend's memory */

enum { KV_PAGE = 64 }; /* positions in one page of the KV cache */

/* ---- the device: opened by devices/backend_open.h ---------------------------------------- */

typedef struct backend_options {
    const char *name;   /* "auto", "cpu", "cuda" */
    const char *isa;    /* of the CPU: "auto", "baseline", "avx2", "avx512" */
    int threads;        /* 0 = physical cores */
    const char *plugin; /* the shared object of "cuda"; NULL = the one that came with the program */
    error *fallback; /* "auto" says here why a GPU's plug-in that is there was not taken; or NULL */
} backend_options;

void backend_close(backend *b);             /* NULL ok; its tensors must be freed first */
const char *backend_isa(const backend *b);  /* "baseline", "avx2", "avx512", or the GPU's name */
const char *backend_name(const backend *b); /* "cpu" or "cuda" */
int backend_threads(const backend *b);

/* Waits for everything enqueued; reports and clears the first failure. 0 or -1. */
int backend_sync(backend *b, error *err);

/* Bytes that the device has free, and in all; both 0 where its memory is the host's. */
void backend_memory(backend *b, uint64_t *unused, uint64_t *total);

/* Whether the device itself failed: one of its calls, or memory that it has not. Then its ops do nothing
 * any more, backend_sync() says why each time, and backend_move() saves what there is. */
bool backend_lost(const backend *b);
/* Makes every tensor, bank and table of a lost backend one of `to`, whose memory is the host's, under the
 * same pointers: what came from the host is there again, the rest is zero. Pages and routes are not moved:
 * who has them makes others. The device is asked nothing. -1 without memory, and all is as before. */
int backend_move(backend *from, backend *to, error *err);

/* A plain read of `bytes` of host memory by every thread, for the bandwidth figure of `bench`:
 * returns seconds taken by one sweep. */
double backend_read_seconds(backend *b, const void *host, size_t bytes);

/* ---- tensors ---------------------------------------------------------------------------- */

/* Zeroed memory of the backend's own. Caller frees. */
tensor *tensor_new(backend *b, dtype type, size_t rows, size_t cols, error *err);
/* Weights that already lie in host memory (a mapped file): the CPU borrows the bytes, which must
 * outlive the tensor; another device copies them. `host` needs no alignment. Caller frees. */
tensor *tensor_map(backend *b, dtype type, size_t rows, size_t cols, const void *host, error *err);
/* The same for a matrix of an expert: another device copies it when expert_bank_need() asks for it. */
tensor *tensor_lend(backend *b, dtype type, size_t rows, size_t cols, const void *host, error *err);
void tensor_free(tensor *t); /* NULL ok */
size_t tensor_rows(const tensor *t);
size_t tensor_cols(const tensor *t);
dtype tensor_type(const tensor *t);
/* Row 0 where the host can read it, the others behind it; NULL: in the memory of another device. */
const void *tensor_host(const tensor *t);
/* Enqueued copy of rows [row, row + rows) from or to host memory; tensor_read needs backend_sync
 * before dst may be looked at. */
void tensor_write(backend *b, tensor *t, size_t row, size_t rows, const void *src);
void tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst);

/* ln softmax(z)[id] of n logits in host memory, at once; exp is that of attention (f32), the sum is
 * made of sums of blocks, in double: the same bits on every ISA level. Not finite when z is not. */
double backend_logprob(backend *b, const float *z, size_t n, int id);

/* Chooses a token for each of n rows (sample.h) of logits in host memory, at once, in parallel. */
void backend_sample(backend *b, sample_row *rows, int n);

/* ---- the batch: what differs from row to row ---------------------------------------------- */

/* A low-rank update of a matrix W [rows, cols] (LoRA, arXiv 2106.09685): W x + B (scale * A x).
 * Defined operation by operation, so that no batch, chunk, thread or ISA level shows:
 *   h[j] = scale * (row j of A . x)           the product of dot.h for A's type, x in f32
 *   y[i] = fma(h[j], B[i, j], y[i])           j ascending, from y = W x */
typedef struct low_rank {
    const tensor *a; /* [rank, cols] F32, F16 or BF16 */
    const tensor *b; /* [rank, rows] F32: B transposed, so that neighbours in y are neighbours */
    float scale;
} low_rank;

/* Several add up, in this order. */
typedef struct low_rank_list {
    const low_rank *v;
    int n;
} low_rank_list;

/* What a program changes of one expert: gate and up before silu, down after it. */
typedef struct expert_update {
    low_rank_list gate, up, down;
} expert_update;

/* How one layer routes the tokens of one program: the compiled, per-layer form of a router
 * program. The plain model is {k, trained_k = k, norm_width = k, tail_gain 1, strength 1} with NULL
 * tables. Steps are numbered as in the pipeline that router.h documents.
 *
 * [experts] below are those that the program sees: the model's, then adapter_count that its
 * adapters add. Others in the bank do not exist for it. */
typedef struct layer_routing {
    int k;                  /* experts called: 1..experts */
    int trained_k;          /* ranks beyond it are multiplied by tail_gain */
    int norm_width;         /* >= k; denominator = the first norm_width ranks */
    int adaptive_min;       /* 0 = off; so many ranks stay whatever their gates */
    float tail_gain;        /* 1 = off */
    float adaptive_ratio;   /* drop later ranks with p_i < ratio * p_0 (first rank: p_0) */
    float strength;         /* factor on the gates of `named` experts; 1 = off */
    const float *bias;      /* [experts] added for selection only, or NULL */
    const uint8_t *allowed; /* [experts] 1 = may run, or NULL = all; at least k are 1 */
    const uint8_t *named;   /* [experts] 1 = named by the program, or NULL */
    const uint8_t *forced;  /* [experts] 1 = chosen first, or NULL; allowed ones, at most k - 1 */
    int adapter_count;
    /* What adapters put in place; NULL = each expert is itself, which is for the model's alone. */
    const int32_t *place; /* [experts] where in the bank it is */
    const int32_t *score; /* [experts] its column of the router logits, the adapters' behind the
                             model's */
    const expert_update *const *update; /* [experts] low-rank updates, NULL = none; or NULL */
    int update_rank; /* the most that the ranks of one expert's updates sum up to; 0 without */
} layer_routing;

/* The routing of all layers under one program, where the backend reads it: made when the program is
 * attached to a session, named by the rows of every batch from then on. */
typedef struct routing_tables routing_tables;

/* layers [count]; those without experts have k 0. experts: the model's, so that the tables of a layer
 * have experts + adapter_count entries. Borrowed are layers and all that they point to, which must outlive
 * the handle: the CPU reads them there, another device has a copy. Caller frees. */
routing_tables *routing_tables_new(backend *b, const layer_routing *layers, int count, int experts,
                                   error *err);
void routing_tables_free(routing_tables *t);                         /* NULL ok */
const layer_routing *routing_tables_layers(const routing_tables *t); /* what it was made of */

/* One batch row. The page list is copied; pages and tables are borrowed until backend_sync(). */
typedef struct batch_row {
    int position; /* 0-based place on its session's sequence */
    void *const
        *pages; /* kv pages of the session, page i holds positions [64i, 64i+64); those up to
                           that of `position` are read. NULL where no op looks at them */
    const routing_tables *routing; /* NULL where no op routes */
} batch_row;

/* The KV geometry that every page of a backend's sessions shares. A page holds, for each layer,
 * keys [kv_heads][KV_PAGE][head_dim] then values of the same shape, in `type` (F32, F16, Q8_0;
 * Q8_0 needs head_dim % 32 == 0). */
typedef struct kv_layout {
    int layers, kv_heads, head_dim;
    dtype type;
} kv_layout;

size_t kv_page_bytes(const kv_layout *layout);
void *kv_page_new(backend *b, const kv_layout *layout, error *err); /* contents undefined */
void kv_page_free(backend *b, void *page);                          /* NULL ok */
void kv_page_copy(backend *b, const kv_layout *layout, void *to, const void *from);

/* Faults found from here on are reported as this layer's ("layer 3: ..."); -1 = outside them. */
void op_layer(backend *b, int layer);

/* Sets the rows that the following ops work on and, for RoPE, the cosines and sines
 * [n, half] with half = rotary_dim/2, or NULL. Rows of one session stand together and bring the same
 * page list. All of it is copied. */
void op_batch(backend *b, const kv_layout *layout, const batch_row *rows, int n,
              const float *cosines, const float *sines, int half);

/* ---- ops ---------------------------------------------------------------------------------- */

/* out[i,:] = scale * table[ids[i],:], dequantised. ids: host, validated by the caller, copied. */
void op_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale);

/* out[i,:] = x[i,:] / sqrt(mean(x[i,:]^2) + eps) * weight. In place ok. weight: f32 [1, cols].
 * A row whose sum of squares is not finite is a fault: "layer N: activations are not finite". */
void op_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps, int n);

/* The same over each head of x [n, heads*head_dim], in place; weight f32 [1, head_dim]. */
void op_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                     float eps, int n);

/* out[i,:] = weight [out_cols, x_cols] * x[i,:] (+ bias); columns of out beyond the weight's rows
 * are left alone. Several products may share one input:
 * x is quantised once and the products run as one parallel region. bias: f32 [1, out_cols]/NULL. */
typedef struct product {
    tensor *out;
    const tensor *weight;
    const tensor *bias;
} product;
void op_matmul(backend *b, const product *products, int count, const tensor *x, int n);

/* out[i,:] = silu(gate * x[i,:] + gate_bias) * (up * x[i,:] + up_bias), in one parallel region. */
typedef struct gated_weights {
    const tensor *gate, *up;           /* [ffn, x_cols] */
    const tensor *gate_bias, *up_bias; /* f32 [1, ffn], or NULL */
} gated_weights;
void op_matmul_swiglu(backend *b, tensor *out, const gated_weights *w, const tensor *x, int n);

/* Rotates the first rotary_dim elements of each head, in place. pairs = false: element j with j +
 * rotary_dim/2 (Hugging Face order); true: 2j with 2j+1 (llama-architecture GGUF order). */
void op_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n);

/* Stores k, v [n, kv_heads*head_dim] at each row's position in its page of `layer`. */
void op_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n);

/* How a layer attends. What a backend does not do it refuses by name: backend_can_attend(). */
typedef struct attention_form {
    int heads;
    int key_width, value_width; /* of one head */
    float scale;                /* s = scale * q . k */
    float soft_cap;             /* s becomes soft_cap * tanh(s / soft_cap); 0 = off */
    bool later_too;             /* false = causal: a row sees positions up to its own, true = all */
    int window;                 /* a row sees the last so many of these; 0 = off */
    const tensor *sinks; /* f32 [1, heads]: a score more in the sum, without a value; NULL = off */
} attention_form;

/* Grouped-query attention of q [n, heads*key_width] over the positions of each row's session, pages in
 * ascending order (online softmax, one page is one chunk); out [n, heads*value_width]. A form that the
 * backend refuses computes nothing, and backend_sync() says so. */
void op_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                  int n);
/* 0, or -1 with ERROR_RUN: the part of the form that this backend does not do with such pages. */
int backend_can_attend(const backend *b, const attention_form *form, const kv_layout *layout,
                       error *err);

/* x += scale * y, in place. */
void op_add(backend *b, tensor *x, const tensor *y, float scale, int n);
/* x *= scale, in place. */
void op_scale(backend *b, tensor *x, float scale, int n);
/* y[i,:] *= sigmoid(weight . x[i,:]), in place; weight f32 [1, x_cols]: the shared expert's gate. */
void op_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n);
/* out[j,:] = x[rows[j],:] for j < n. rows: host, copied. */
void op_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n);

/* Chooses a token from each row of logits that rows[i] is there for (sample.h), where the logits lie: its
 * own `logits` is not looked at, `vocabulary` only says whether ln p is wanted. Rows are borrowed until
 * backend_sync(), which is when the answer is in them; NULL = not this one. */
void op_sample(backend *b, const tensor *logits, sample_row *const *rows, int n);
/* *logprobs[i] = ln p of ids[i] under row i, as backend_logprob() has it; NULL = not this one. There after
 * backend_sync(). ids, logprobs: copied. */
void op_logprob(backend *b, const tensor *logits, const int *ids, double *const *logprobs, int n);

/* ---- mixture of experts ------------------------------------------------------------------- */

/* The routed experts of one layer, where the backend finds them; each is its own [ffn, width] / [width,
 * ffn] tensors, so that adapters can add some. Made once, changed only when experts join or leave. */
typedef struct expert_bank expert_bank;

expert_bank *expert_bank_new(backend *b, error *err); /* of no experts. Caller frees */
void expert_bank_free(expert_bank *k);                /* NULL ok; the tensors are not its own */
int expert_bank_count(const expert_bank *k);
/* Makes places [first, first + n) hold these experts; first <= count, and a place beyond the last is
 * appended. gate, up [n] of [ffn, width], down [n] of [width, ffn]: the lists are copied, the tensors
 * borrowed. -1 without memory, and the bank is as before. */
int expert_bank_put(expert_bank *k, int first, int n, const tensor *const *gate,
                    const tensor *const *up, const tensor *const *down, error *err);
/* Every expert that this routing may call (experts: the model's, as for routing_tables_new) is where
 * the device reads it from now on. To be asked before a row names the routing. -1 without memory. */
int expert_bank_need(expert_bank *k, const layer_routing *by, int experts, error *err);
/* Empties places [first, first + n): nobody names them until others are put there. */
void expert_bank_clear(expert_bank *k, int first, int n);
/* Forgets places [count, ...), which are empty. */
void expert_bank_cut(expert_bank *k, int count);

/* Who brings the experts of a bank into memory when not all of them are there. An op names the ones
 * that it calls; those that are there are computed while others are read, and each is read once. All
 * but `wait` are called by one thread, between regions; a place that the source does not know is
 * always there. Only for a device whose tensors lie in host memory. */
typedef struct expert_source {
    /* Puts `places` [n], which the op will hold in this order, those first that are there. */
    void (*order)(void *user, int *places, int n);
    /* Holds the first of n places, as many as there is room for, and begins to read those that are
     * missing: their tensors point to where they will be. How many; at least one when the op holds none. */
    int (*hold)(void *user, const int *places, int n);
    /* Returns when a held place is there; false: it cannot be read. From any thread. */
    bool (*wait)(void *user, int place);
    /* Held places are done with. */
    void (*let_go)(void *user, const int *places, int n);
    /* Why a place could not be read; called once, after the op's last let_go, when a wait failed. */
    void (*failed)(void *user, error *err);
    void *user;
} expert_source;

/* From now on the op asks `source`, which is borrowed; NULL = all are there. */
void expert_bank_page(expert_bank *k, const expert_source *source);
/* A mapped tensor's bytes lie here from now on. Only in host memory. */
void tensor_remap(tensor *t, const void *host);

/* What the router chose for each row, in the memory of the device. */
typedef struct routes routes;

/* The same in host memory, for who looks at it: arrays are the caller's. */
typedef struct routes_host {
    int slots;      /* the largest k of any program */
    int32_t *ids;   /* [max_rows, slots] places in the bank in rank order, -1 = an empty slot */
    int32_t *seen;  /* [max_rows, slots] the same experts as their program numbers them */
    float *gates;   /* [max_rows, slots] */
    float *banned;  /* [max_rows] softmax mass of experts the program bans */
    float *margin;  /* [max_rows] selection score of the last chosen minus the first not chosen;
                       infinity when no allowed expert was left out */
    float *entropy; /* [max_rows] of the allowed softmax, nats */
    /* Not from the device: of each chosen expert's output, gate left out, where a trace asks for it */
    float *norms; /* [max_rows, slots] the Euclidean norm, 0 where the slot is empty */
    float *peaks; /* [max_rows, slots] the largest magnitude */
    /* and of the experts that the router itself ranks highest (engine/routing/wanted.h) */
    int32_t *wanted; /* [max_rows, slots] as the program numbers them, -1 = empty */
    float *shares;   /* [max_rows, slots] their softmax over all experts */
} routes_host;

/* The arrays that routes_read() fills, zeros; the others stay NULL. Caller releases, after -1 too. */
int routes_host_open(routes_host *r, int max_rows, int slots, error *err);
void routes_host_release(routes_host *r); /* frees every array; {0} ok */

routes *routes_new(backend *b, int max_rows, int slots, error *err);
void routes_free(backend *b, routes *r); /* NULL ok */

/* What a model makes of its router's logits z: the gates p, and by what experts are chosen. */
typedef enum router_score {
    ROUTER_SOFTMAX,        /* p = softmax of z over the allowed experts; chosen by z */
    ROUTER_SIGMOID,        /* p = 1 / (1 + exp(-z)); chosen by p (DeepSeek-V3, arXiv 2412.19437) */
    ROUTER_SOFTMAX_CHOSEN, /* p = softmax of z over the k chosen; chosen by z (gpt-oss) */
    ROUTER_SCORES
} router_score;

/* How a layer routes, whatever the programs say. Refused by name as an attention_form is. */
typedef struct router_form {
    router_score score;
    bool renormalise;             /* the gates are divided by their sum (norm_topk_prob) */
    const tensor *selection_bias; /* f32 [1, experts] added where experts are chosen; NULL = off */
    int groups, groups_used; /* chosen from the best groups_used of so many equal groups; 0 = off */
} router_form;

/* Chooses experts from router logits z [n, experts] with routing[layer] of each row; adapter_z
 * [n, .]: those of all adapters' rows of the router, or NULL when no program has any. */
void op_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
              const router_form *form, int n);
int backend_can_route(const backend *b, const router_form *form, error *err);
/* Enqueued copy of the n rows of a layer's routes to host memory; backend_sync before they may be
 * looked at. */
void routes_read(backend *b, const routes *r, int n, const routes_host *to);
/* The other way, of ids, seen and gates: what op_route() would have chosen, said by the caller. */
void routes_write(backend *b, routes *r, int n, const routes_host *from);
/* What `from` has in one slot, alone and with gate 1, for n rows; one: routes of a single slot. So
 * op_experts() gives the output of one expert a row. */
void op_routes_slot(backend *b, routes *one, const routes *from, int slot, int n);

/* out[i,:] = sum over slots, in rank order, of gate * expert(x[i,:]), with the updates that
 * routing[layer] of the row has for that expert; each distinct expert of the batch is visited
 * once, with all the rows that chose it. A row without updates computes and costs the same whatever
 * the others have. */
void op_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r, const tensor *x,
                int layer, int n);

#ifdef __cplusplus
}
#endif
#endif
