/* trainable.h - what is learned: which numbers of a model's upper layers may change, and their
 * gradients.
 *
 * A model stays as it is; what training changes stands here beside it, as f32 masters. Any mixture, layer
 * by layer and expert by expert:
 *   whole   the expert's gate, up and down matrices in place of the model's, or of an added expert
 *   lora    low-rank updates W + scale * B A of some of its matrices (Hu et al. 2021)
 *   row     its row of the router
 * Experts of a layer are numbered as a router program sees them: the model's, then the added ones, which
 * always have whole matrices and a row.
 *
 * The one key idea: all values are one block of memory and all gradients another of the same order, so
 * that an optimiser, a norm, a file and a comparison are loops over `count` floats. The order: layers
 * ascending; in a layer experts ascending; of an expert whole gate, up, down, then A and B of gate, up,
 * down, then the row. What is not there takes no place. Matrices are [rows, cols], row-major.
 *
 * Initial values: added experts are either exact copies of the model's (then a program that bans the
 * originals computes what the plain model does) or random with a down matrix of zeros (then they add
 * nothing yet); whole matrices and rows of the model's experts begin as the model's, dequantised; A is
 * random, B zero. Random numbers are a function of (seed, layer, expert, matrix, place): philox.h.
 */
#ifndef ENGINE_TRAINABLE_H
#define ENGINE_TRAINABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../routing/adapter.h"
#include "../run/engine.h"

/* A matrix that is learned; value NULL = it is not. Both point into the blocks of its trainable. */
typedef struct parameter {
    float *value, *grad;
    size_t rows, cols;
} parameter;

typedef struct lora_pair {
    parameter a, b; /* [rank, in] [out, rank] */
    float scale;    /* alpha / rank */
} lora_pair;

typedef struct expert_trainable {
    parameter whole[EXPERT_MATRICES]; /* gate, up [ffn, width]; down [width, ffn]: all or none */
    lora_pair lora[EXPERT_MATRICES];
    parameter row; /* [1, width] */
} expert_trainable;

typedef struct layer_trainable {
    int experts, added;   /* the model's + added; 0 = no routed layer, or nothing is learned */
    expert_trainable *of; /* [experts] */
} layer_trainable;

/* Values from <= i < to. */
typedef struct value_span {
    size_t from, to;
} value_span;

typedef struct trainable {
    int first, last;         /* layers first..last-1; layers[i] is that of layer first + i */
    layer_trainable *layers; /* [last - first] */
    float *values, *grads;   /* [count] */
    size_t count;
    value_span *still; /* [still_count] in order: values that stay as they began (keep_rows) */
    size_t still_count;
} trainable;

/* What is to be learned in one layer. All arrays are the caller's; {0} = nothing. */
typedef struct layer_spec {
    int added;            /* new experts */
    const int *copies;    /* [added] the model's experts that they begin as, NULL: random */
    bool keep_rows;       /* the copies' router rows stay those of their originals */
    const uint8_t *whole; /* [the model's experts] 1 = its matrices, NULL: none */
    const uint8_t *lora;  /* [the model's experts] bits 1 << expert_matrix, NULL: none */
    const uint8_t *rows;  /* [the model's experts] 1 = its router row, NULL: none */
} layer_spec;

typedef struct train_spec {
    int first, last;          /* 0 <= first < last <= layers of the model */
    const layer_spec *layers; /* [last - first] */
    int added_width;          /* ffn width of random added experts; 0 = the model's */
    int rank;                 /* of all LoRA pairs */
    double alpha;             /* scale = alpha / rank; 0 = rank, a scale of 1 */
    uint64_t seed;
} train_spec;

/* Caller owns; e must outlive it. ERROR_USAGE naming layer and expert for a spec that does not fit the
 * model (no routed layer, no such expert, whole and lora at once, nothing at all). */
trainable *trainable_new(engine *e, const train_spec *spec, error *err);
void trainable_free(trainable *t); /* NULL ok */

/* The values as an adapter (routing/adapter.h) of the engine's model, its tensors in `type`: F32, F16 or
 * BF16. Caller owns. ERROR_LOAD for values that are not finite in that type. */
adapter *trainable_to_adapter(const trainable *t, engine *e, dtype type, error *err);
/* Takes the values that the adapter brings; what it does not bring keeps its value. ERROR_LOAD naming
 * layer and expert for what it brings and t does not learn, or in another shape. The adapter need not
 * name the model: adapter_fit() asks that. */
int trainable_take(trainable *t, const adapter *a, error *err);
/* What the adapter brings, to be learned further: a trainable of exactly that. Matrices of a replaced
 * expert that it lacks begin as the model's. All LoRA pairs must be of one rank, and random added experts
 * of one width. Caller owns. */
trainable *trainable_from_adapter(engine *e, const adapter *a, error *err);

/* Bytes that trainable_new() would take: values and gradients. The moments of adamw.h are as much again. */
uint64_t trainable_bytes(const engine *e, const train_spec *spec);

#endif
