/* net_state.h - what the files of the net share; net.h has the contract.
 *
 * One layer is computed forward by the functions named *_forward and backward by *_back, in the files
 * attention_grad.c, ffn_grad.c, route_grad.c and moe_grad.c; norm_grad.c and head_loss.c hold what stands
 * between the blocks and at the end. What the backward pass needs of the forward pass is `saved`: inputs
 * of products and of non-linear functions; what is cheap (norms, RoPE, softmax of attention) is computed
 * again. Gradients of activations are named d_ and the activation: d_x is that of x.
 *
 * Letters of shapes: n rows of the batch, d width, h = heads * head_dim, g = kv_heads * head_dim, f ffn
 * width of the dense block or shared expert, k experts a token, p = pairs of (row, chosen expert).
 */
#ifndef ENGINE_NET_STATE_H
#define ENGINE_NET_STATE_H

#include "../../kernels/cpu/dot.h"
#include "frozen.h"
#include "gemm.h"
#include "net.h"
#include "net_pack.h"

/* The pairs of one expert: [first, first + count) of the sorted order. */
typedef struct expert_run {
    int expert, first, count;
    size_t ffn;
    size_t at; /* of its numbers in pair_gate and pair_up */
} expert_run;

/* What the forward pass leaves for the backward pass in one layer; parts of one block. */
typedef struct saved {
    float *x;                   /* [n, d] the residual stream that enters */
    float *q, *k, *v;           /* [n, h] [n, g] [n, g] before norms and RoPE */
    float *spread;              /* [n, heads] ln of the sum of attention's softmax */
    float *middle;              /* [n, d] the stream between the blocks */
    float *gate, *up;           /* [n, f] before silu */
    float *open;                /* [n] the shared expert's sigmoid */
    float *odds;                /* [n, seen] softmax over the allowed experts */
    int *ids;                   /* [n, k] experts in rank order, -1 = none */
    float *gates;               /* [n, k] */
    int *place;                 /* [n, k] their pairs */
    int *pair_cell;             /* [p] row * k + rank of each pair */
    float *pair_gate, *pair_up; /* [p, ffn] before silu, run after run */
    expert_run *runs;           /* [seen] */
    int run_count;
} saved;

/* Room that grows to the largest need seen. */
typedef struct growing {
    void *data;
    size_t bytes;
} growing;

typedef struct net_layer {
    int layer;                      /* number in the model */
    const layer_trainable *learned; /* NULL: nothing */
    bool routed, learns_rows;
    float *attention_norm, *ffn_norm; /* [d] */
    frozen q, k, v, o;                /* [h, d] [g, d] [g, d] [d, h] */
    float *q_bias, *k_bias, *v_bias, *o_bias;
    float *q_norm, *k_norm; /* as in weights.h */
    frozen gate, up, down;  /* dense block or shared expert, or none */
    float *gate_bias, *up_bias, *down_bias;
    float *shared_router;             /* [d] or NULL */
    frozen *experts[EXPERT_MATRICES]; /* [the model's experts] each */
    const float *model_router;        /* [the model's experts, d] */
    float *router;                    /* [seen, d] the model's and the learned rows */
    int seen;                         /* experts: the model's + added */
    saved *s;                         /* &kept */
    saved kept; /* in room of its own, or in that of all layers when nothing goes back */
    growing room;
} net_layer;

/* h and g of the shapes. */
static inline size_t query_width(const model_config *c)
{
    return (size_t)c->heads * (size_t)c->head_dim;
}
static inline size_t key_width(const model_config *c)
{
    return (size_t)c->kv_heads * (size_t)c->head_dim;
}

struct net {
    engine *engine;
    const model_config *config;
    trainable *t;
    thread_pool *workers;
    int threads;
    gemm *blas;
    const dot_kernels *dots;
    bool copied;
    int first, lowest; /* layers below `lowest` have nothing that learns */
    net_layer *layers; /* [layer_count] from `first` to the end of the model */
    int layer_count;
    float *output_norm;
    frozen output;
    float *frequencies; /* RoPE */

    /* the call at hand */
    pack pack;
    const net_options *options;
    bool back;
    net_losses *losses;
    int slots;                    /* the largest k of any layer */
    float *last;                  /* [n, d] the stream behind the last layer */
    float *normed;                /* [n, d] */
    float *turned_q, *turned_k;   /* [n, h] [n, g] behind norms and RoPE */
    float *attended;              /* [n, h] */
    float *delta;                 /* [n, d] */
    float *hidden;                /* [n, f] */
    float *pair_out;              /* [n * k, d] */
    float *cosines, *sines;       /* [longest, rotary / 2] by position */
    float *d_x, *d_y, *d_normed;  /* [n, d] */
    float *d_q, *d_k, *d_v;       /* [n, h] [n, g] [n, g] */
    float *d_k_texts, *d_v_texts; /* [positions, g] */
    float *d_scores;              /* [n, seen] router logits */
    float *d_gates;               /* [n, k] */
    growing batch, single, head, candidates, opened[3];
    growing *mine; /* [threads] room of one thread's own */
    double balance;
    int *lookup; /* [vocabulary] place among the candidates, made when first needed */
};

/* ---- room (net.c) ---- */

/* At least `bytes`, aligned to 64; NULL when memory runs out. Contents are lost when it grows. */
void *grow(growing *g, size_t bytes);
/* Room of `floats` for every thread; then net_mine() gives a thread's. 0 or -1. */
int net_reserve(net *n, size_t floats, error *err);
static inline float *net_mine(const net *n, int thread)
{
    return n->mine[thread].data;
}

/* ---- products of whole batches (product_grad.c), cut into pieces ---- */

/* out [rows, w->rows] = x [rows, w->cols] w^T. slot 0..2: where w is opened, when it must be. */
int net_product(net *n, int slot, const frozen *w, const float *x, float *out, int rows,
                error *err);
/* d_x [rows, w->cols] = d_out w + keep * d_x. */
int net_product_back(net *n, int slot, const frozen *w, const float *d_out, float keep, float *d_x,
                     int rows, error *err);
/* c [rows, b_rows] = a [rows, cols] b^T, and c [rows, cols] = keep * c + a [rows, b_rows] b. */
void net_multiply_nt(net *n, size_t rows, size_t b_rows, size_t cols, const float *a,
                     const float *b, float *c);
void net_multiply_nn(net *n, size_t rows, size_t cols, size_t b_rows, const float *a,
                     const float *b, float keep, float *c);

/* ---- norms and heads (norm_grad.c) ---- */

/* out [rows, d] = RMSNorm of x. */
void net_norm(net *n, const float *x, const float *weight, float *out, int rows);
/* d_x += the gradient of x, from that of the norm's output. */
void net_norm_back(net *n, const float *x, const float *weight, const float *d_out, float *d_x,
                   int rows);
/* Queries (keys) behind bias, norm and RoPE; the bias is added to raw itself. */
void net_turn(net *n, const net_layer *l, bool keys, float *raw, float *out, bool add_bias);
/* d: in, the gradient of what net_turn() gives; out, that of raw. */
void net_turn_back(net *n, const net_layer *l, bool keys, const float *raw, float *d);

/* ---- the blocks: forward reads s->x (s->middle), back turns d_x from behind into before ---- */

int attention_forward(net *n, net_layer *l, error *err);
int attention_back(net *n, net_layer *l, error *err);
/* normed -> delta; d_y -> d_normed */
int ffn_forward(net *n, net_layer *l, error *err);
int ffn_back(net *n, net_layer *l, error *err);
/* gate and up [n] become their gradients, from that of silu(gate) * up. room [n] */
void swiglu_back(const dot_kernels *dots, float *gate, float *up, const float *d_hidden,
                 float *room, size_t n);
int route_forward(net *n, net_layer *l, error *err);
int route_back(net *n, net_layer *l, bool inputs, error *err);
/* The layer's part of the balance loss; weight [seen]: its gradient with respect to each softmax. */
double route_balance(const net *n, const net_layer *l, float *weight);
/* Adds gate * expert to delta; back, from d_y: d_gates, the gradients of what learns and, with inputs,
 * those of the pairs' inputs, which moe_gather_back() adds to d_normed. */
int moe_forward(net *n, net_layer *l, error *err);
int moe_back(net *n, net_layer *l, bool inputs, error *err);
void moe_gather_back(net *n, const net_layer *l);

/* Rows of a block, and its floats. */
size_t head_rows(size_t choices);
size_t head_floats(size_t rows, size_t width, size_t choices, bool plain);
/* Losses of last [n, d]; with n->back also d_x. */
int head_losses(net *n, error *err);

/* The routing of a layer under the options. */
layer_routing net_routing(const net *n, const net_layer *l);

#endif
