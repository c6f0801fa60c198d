/* weights.h - the named tensors of a checkpoint become the tensors that a layer loop uses.
 *
 * Two naming schemes (Hugging Face, GGUF) and three ways to store experts (one tensor each, gate
 * and up fused, all experts of a layer in one) end here in one struct. Every tensor's type and
 * shape is checked against the configuration once, by name; the hot path checks nothing.
 *
 * What adapters bring stands behind the model's own, which keep their places (bank.h).
 *
 * Matrices stay where they are, in the mapped file. Norms, biases and routers are small and become
 * f32: a router's logits are always computed in f32.
 */
#ifndef ENGINE_WEIGHTS_H
#define ENGINE_WEIGHTS_H

#include "../../kernels/backend.h"
#include "../formats/checkpoint.h"
#include "../routing/adapter_place.h"

/* d = width, h = heads * head_dim, g = kv_heads * head_dim, f = ffn width. NULL = not there. */
typedef struct layer_weights {
    tensor *attention_norm;                    /* [1, d] */
    tensor *q, *k, *v, *o;                     /* [h, d] [g, d] [g, d] [d, h] */
    tensor *q_bias, *k_bias, *v_bias, *o_bias; /* [1, h] [1, g] [1, g] [1, d] */
    tensor *q_norm, *k_norm;                   /* [1, head_dim] per head, or [1, h] and [1, g] */
    tensor *ffn_norm;                          /* [1, d] */
    tensor *gate, *up, *down;                  /* dense ffn: [f, d] [f, d] [d, f] */
    tensor *gate_bias, *up_bias, *down_bias;   /* [1, f] [1, f] [1, d] */
    tensor *router;                            /* [experts, d] f32 */
    /* [count of bank] the model's [f, d] [f, d] [d, f], then those that adapters own */
    tensor **expert_gate, **expert_up, **expert_down;
    expert_bank *bank;                             /* the same, as an op takes it */
    tensor *adapter_router;                        /* [., d] f32: the adapters' rows, or NULL */
    int adapter_rows;                              /* of them, those in use */
    tensor *shared_gate, *shared_up, *shared_down; /* shared expert: as dense */
    tensor *shared_router;                         /* [1, d] f32: its sigmoid gate */
} layer_weights;

typedef struct weights {
    tensor *embedding;     /* [vocabulary, d] */
    tensor *output_norm;   /* [1, d] */
    tensor *output;        /* [vocabulary, d]; the embedding itself when tied */
    layer_weights *layers; /* [config->layers] */
    int layer_count;
    bool tied;
    uint64_t bytes;            /* of all weights */
    uint64_t grown;            /* what small tensors take more where they lie as f32 */
    uint64_t dense_bytes;      /* read for every token: all but experts, embedding rows apart */
    uint64_t expert_bytes;     /* the mean of one routed expert, all its matrices, */
    uint64_t all_expert_bytes; /* and all of them together */
    uint64_t matrix_bytes, matrix_elements; /* of all matrices but routers */
    int moe_layers;
    int experts;     /* of the model in each layer with experts, the first of its bank */
    int max_experts; /* of the largest bank, adapters' too */
    int max_rows;    /* of the largest adapter_router */
    struct loaded_adapter **adapters; /* [adapter_count] see bank.h */
    int adapter_count;
} weights;

/* Caller releases with weights_release. ERROR_LOAD names the tensor that is missing, has another
 * shape or type than the configuration says, or would be left out although it changes numbers
 * (tensor_claims.h). */
int weights_load(weights *w, const checkpoint *c, backend *b, checkpoint_warn *warn, void *user,
                 error *err);
/* The same walk, and nothing is loaded: figures alone. Caller releases. */
int weights_measure(weights *w, const checkpoint *c, error *err);
/* The same checks by the same walk, and nothing is loaded. */
int weights_check(const checkpoint *c, checkpoint_warn *warn, void *user, error *err);
void weights_release(weights *w); /* {0} ok */

#endif
