/* net.h - the upper layers of a model as a function that can be differentiated.
 *
 * The layers below the first that learns are frozen: their output, the residual stream that enters layer
 * `first`, is computed once for each text (engine_hidden, engine.h) and given to the net with the text.
 * The net runs layers first..last of the model over a batch of texts in f32 from dequantised weights,
 * takes the losses, and goes back through the same layers: gradients reach the numbers of a trainable
 * (trainable.h) and no others, so no frozen matrix ever has a gradient, and nothing is computed below
 * the lowest layer that learns.
 *
 * The recipe of a layer is forward.h's; router, top-k and gates are router.h's with the tables of a
 * layer_routing (k, allowed, bias, named and strength), over the model's experts and then the added ones.
 * The gradient of a choice goes through the gates of the chosen experts and, where gates are not
 * renormalised, through the softmax over all allowed ones; the choice itself is a constant.
 *
 * Losses, summed over the tokens of a call and divided by a normaliser:
 *   cross entropy  weight * -ln p(next), weight > 0
 *   against        -weight * -ln(1 - p(next)), weight < 0: unlikelihood (Welleck et al. 2019)
 *   near           near * KL(plain || trained) of the next token's distribution
 * and beside them balance * the mean over layers of Switch's load balance (Fedus et al. 2021): experts *
 * sum of (share of calls * mean probability), over the tokens whose weight is not 0 and the layers of
 * which a router row learns; 1 = even.
 *
 * Same bytes for any number of threads: work is cut into pieces by shape alone, each computed by one
 * thread in one order, matrix products by one single-threaded call of OpenBLAS (gemm.h). So the same ISA
 * level and the same library give the same training.
 *
 * Memory: weights as f32 copies when all fit the limit, else they are dequantised each time they are
 * used; activations of one batch; one block of logits. net_memory() tells it beforehand. A net only
 * reads the model: it may run on a thread of its own beside the engine's.
 */
#ifndef ENGINE_NET_H
#define ENGINE_NET_H

#include "trainable.h"

typedef struct net net;

typedef struct train_sequence {
    const int *ids;      /* [n] */
    const float *hidden; /* [n, width] the residual stream that enters layer `first` */
    const float *weight; /* [n] of predicting ids[i + 1] at i; 0 = not; < 0 = against. NULL: all 0.
                            That of the last token is not looked at */
    const float *plain;  /* [n, width] the plain model's last residual stream; NULL = no KL term */
    int n;
    float near;    /* weight of the KL at each token from near_from on */
    int near_from; /* 0 = all n */
} train_sequence;

typedef struct net_options {
    const layer_routing
        *routing;      /* [layers of the model]; NULL: the plain k, all experts allowed */
    double normaliser; /* 0: the sum of the positive weights; 1 when that is 0 */
    float balance;
    float dropout;         /* share of the hidden numbers of wholly learned experts; 0 = off */
    uint64_t seed;         /* of dropout: another one each step */
    const int *candidates; /* sampled softmax: ids ascending, all targets among them; NULL: all */
    const float *shift; /* [candidate_count] added to their logits: ln(others / drawn); NULL: 0 */
    int candidate_count;
    const atomic_bool *cancel; /* looked at between layers: ERROR_CANCELLED; NULL = never */
} net_options;

/* Sums before the division by the normaliser; balance is the mean over layers. */
typedef struct net_losses {
    double cross_entropy, against, near; /* weighted */
    double balance;
    double weight;     /* sum of the positive weights */
    double normaliser; /* what the sums are divided by */
    double total;      /* what the gradient is of */
    int tokens;        /* that the weight is of */
    int rows;          /* computed: tokens of all sequences, shared prefixes once */
} net_losses;

/* What a configuration takes, in bytes. */
typedef struct net_memory {
    uint64_t weights;     /* f32 copies, or room to dequantise */
    uint64_t activations; /* of a batch of `rows` tokens */
    uint64_t learned;     /* values, gradients and AdamW's two moments */
    uint64_t total;
    bool copied; /* the weights are held as f32 */
} net_memory;

/* limit: the most bytes that weights, a batch of `rows` tokens and what is learned may take together
 * with copies of the weights; 0 = no limit. */
net_memory net_plan(const engine *e, const trainable *t, int rows, uint64_t limit);

/* rows, limit as in net_plan(); larger batches work too. The engine and t must outlive it. Caller owns.
 * ERROR_RUN when OpenBLAS is missing (the message names the package) or memory is. */
net *net_open(engine *e, trainable *t, int rows, uint64_t limit, error *err);
void net_close(net *n); /* NULL ok */

/* Adds the gradient of losses->total to t->grads. Sequences that begin with the same ids and hidden
 * states, up to the first token with a loss, are packed: their common beginning is computed once.
 * ERROR_USAGE for a sequence that is empty, a target that is no candidate; ERROR_RUN when a loss is not
 * finite (then gradients are spoiled). */
int net_forward_backward(net *n, const train_sequence *sequences, int count,
                         const net_options *options, net_losses *losses, error *err);
/* The same losses without gradients; dropout is off. */
int net_evaluate(net *n, const train_sequence *sequences, int count, const net_options *options,
                 net_losses *losses, error *err);

#endif
