/* gate.h - how much each pass has to say in a blend, token by token: a small network, learned.
 *
 * Without a gate a blend's weights are made once, of how well each pass foretells the question. A gate looks
 * at what the passes expect at each step and shifts these weights: w_i is proportional to prior_i exp(g_i),
 * g_i the output of one network for every pass, which sees of it
 *
 *   entropy and the two largest probabilities of its distribution; what the others give its likeliest
 *   token; its divergence from the mean of all (KL); its prior; how far the answer is; the mean entropy
 *
 * each brought to about one by a fixed factor, then two layers of GATE_HIDDEN tanh units. So a network of
 * zeros is the blend without a gate, bit for bit, and the order of the passes does not matter.
 *
 * `consilium train --what blend` writes it for one model (model_file.h, "gate"):
 *
 *     {"gate": 1, "model": {..}, "weights": [1376 numbers],
 *      "figures": {"questions": 240, "tokens": 610, "plain": -4.1, "gated": -3.9, "low": 0.1, "high": 0.3},
 *      "learned_from": "0123456789abcdef"}
 *
 * Sums are in double in one order: the same bytes at any thread count. Source of the idea: a gate per token
 * over the distributions of several models, DLLG (arXiv 2606.04378).
 */
#ifndef PERSONAS_GATE_H
#define PERSONAS_GATE_H

#include "model_file.h"

enum {
    GATE_FEATURES = 8,
    GATE_HIDDEN = 32,
    /* first layer, its offsets, second layer, its offsets, the output */
    GATE_WEIGHTS = GATE_HIDDEN * GATE_FEATURES + GATE_HIDDEN + GATE_HIDDEN * GATE_HIDDEN +
                   GATE_HIDDEN + GATE_HIDDEN,
    GATE_BYTES = 256 << 10,
};

/* On questions that it had not learned from; nats a token of the right answers. */
typedef struct gate_figures {
    int questions, tokens;
    double plain, gated; /* mean ln p under the blend without and with it */
    double low, high;    /* 95 % interval of gated - plain, over questions */
} gate_figures;

typedef struct gate {
    model_identity model;
    double weights[GATE_WEIGHTS];
    gate_figures figures;
    uint64_t learned_from; /* hash of the sets */
    uint64_t hash;         /* over the file's bytes; not in it */
} gate;

/* From text; `where` stands for the file. ERROR_LOAD by file and field. Caller frees (free()). */
gate *gate_read(const char *where, const char *text, size_t len, error *err);
int gate_write(const gate *g, buf *out, error *err);
/* The one for this model; *out = NULL and 0 when there is none. Caller frees. */
int gate_find(engine *e, gate **out, error *err);

/* out [n, GATE_FEATURES] of p [n, vocabulary]; prior [n], 0 = the pass says nothing and has no part in it.
 * at: tokens written so far. mean [vocabulary] is room. */
void gate_features(const double *p, const double *prior, int n, int vocabulary, int at,
                   double *mean, double *out);
/* g of one pass's features. hidden [2 * GATE_HIDDEN], the units' values, may be NULL. */
double gate_output(const double *weights, const double *features, double *hidden);
/* w [n], which sum to 1, of features [n, GATE_FEATURES]. */
void gate_mix(const double *weights, const double *features, const double *prior, int n, double *w);

#endif
