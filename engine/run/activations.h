/* activations.h - what a model computes on its way, by name.
 *
 * An activation is a matrix [tokens, cols] of f32 that the layer loop (forward.h) makes anyway. Those
 * of a layer are "blk.N." and one of the kinds below, in the order in which they are made; "embed"
 * comes before the first layer and "norm" behind the last. A layer that is left out has none.
 *
 *   embed        the embedding, scaled                     cols: width
 *   attn_norm    what attention reads, normed              width
 *   q, k, v      as attention uses them: biases, norms     heads (k, v: kv_heads) * head_dim
 *                and RoPE behind them
 *   heads        what the heads say, side by side          heads * head_dim
 *   attn_out     behind the output projection              width
 *   attn_sum     the residual stream with it               width
 *   ffn_norm     what router, experts and ffn read         width
 *   router       logits of the model's experts             experts
 *   experts_out  the called experts' weighted sum          width
 *   shared_out   the shared expert's                       width
 *   ffn_hidden   between the matrices of a dense layer     ffn_width
 *   ffn_out      what the block adds                       width
 *   out          the residual stream behind the layer      width
 *   norm         the last one, normed for the output       width
 *
 * A set is those that a list of patterns means, ascending by layer and kind, each once.
 */
#ifndef ENGINE_ACTIVATIONS_H
#define ENGINE_ACTIVATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "../formats/model_config.h"

typedef enum activation_kind {
    ACT_EMBED,
    ACT_ATTN_NORM,
    ACT_Q,
    ACT_K,
    ACT_V,
    ACT_HEADS,
    ACT_ATTN_OUT,
    ACT_ATTN_SUM,
    ACT_FFN_NORM,
    ACT_ROUTER,
    ACT_EXPERTS_OUT,
    ACT_SHARED_OUT,
    ACT_FFN_HIDDEN,
    ACT_FFN_OUT,
    ACT_OUT,
    ACT_NORM,
    ACTIVATION_KINDS,
} activation_kind;

typedef struct activation_place {
    activation_kind kind;
    int layer; /* -1 for embed, the number of layers for norm */
    int cols;
} activation_place;

/* {0} is none. Caller releases. */
typedef struct activation_set {
    activation_place *v; /* [len] */
    size_t len;
    uint32_t kinds[MODEL_MAX_LAYERS + 2]; /* bits of the kinds wanted of layer i - 1 */
} activation_set;

enum { ACTIVATION_NAME = 32 };
/* "blk.12.attn_out", into name [ACTIVATION_NAME]; returns it. */
const char *activation_name(const activation_place *p, char *name);

/* Adds what `list` means for a model of this shape: names and patterns (fnmatch(3): * ? [..]), joined by
 * commas. ERROR_USAGE, naming what is called by no such name and the names that there are. */
int activation_set_add(activation_set *set, const model_config *c, const char *list, error *err);
void activation_set_release(activation_set *set);

#endif
