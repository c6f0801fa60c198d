/* measure.h - what a router program does to a model, in figures.
 *
 * Samples are token sequences of which the tail is predicted: windows of a text, or answers as they
 * stand in a chat, behind their question. Every program reads the same samples from their first
 * token on, the plain model ("control") beside it in the same batches, so that two figures differ by
 * the program alone. Of each counted token there is
 *
 *     loss       -ln p(token), nats
 *     KL         sum over the vocabulary of p_control (ln p_control - ln p_program), nats
 *     top-1      whether the most likely token is the control's
 *     banned     the share of the router's softmax that the program bans, mean over the layers
 *
 * The invariant is that memory does not grow with the samples: logits live for MEASURE_ROWS positions
 * at a time and no longer; what is kept is one number a token and one a sample. Samples are the unit
 * of the intervals: tokens of one answer are not independent.
 */
#ifndef PERSONAS_MEASURE_H
#define PERSONAS_MEASURE_H

#include "../../engine/run/engine.h"

enum {
    MEASURE_WINDOW = 256, /* tokens of a text read in one go */
    MEASURE_ROWS = 32,    /* positions whose logits are compared at once, at most */
    MEASURE_TOGETHER = 8, /* programs that read in the same batches, at most */
    MEASURE_NULL = 20,    /* random programs that a real one is compared with */
    MEASURE_RESAMPLES = 2000,
};

/* ---- what is read ------------------------------------------------------------------------------ */

/* ids[from..ids.len) are predicted, each from all before it; 1 <= from < ids.len. */
typedef struct measure_sample {
    tokens ids;
    size_t from;
} measure_sample;

typedef struct measure_samples {
    measure_sample *v;
    size_t len, cap;
    size_t tokens; /* predicted, in all of them */
} measure_samples;

/* Appends a text's windows of MEASURE_WINDOW tokens until `most` tokens in all of s are predicted
 * (0 = no limit); the first token of a window is not predicted. ERROR_USAGE when it is no UTF-8,
 * ERROR_LOAD for a model without a tokenizer. */
int measure_add_text(measure_samples *s, const engine *e, const char *text, size_t len, size_t most,
                     error *err);
/* Appends one answer in the model's chat format, behind `before` (turns that came earlier), the
 * question and, when it is not NULL, an instruction. What is predicted is the answer and the token
 * that ends it. A sample beyond the model's context is cut. Does nothing once s has `most` (0 = no
 * limit). ERROR_LOAD when the model has no chat format. */
typedef struct measure_answer {
    const char *instruction;    /* NULL = none */
    const chat_message *before; /* [before_count] */
    size_t before_count;
    const char *question, *answer;
} measure_answer;
int measure_add_answer(measure_samples *s, const engine *e, const measure_answer *a, size_t most,
                       error *err);
void measure_samples_release(measure_samples *s); /* {0} ok */

/* ---- measuring --------------------------------------------------------------------------------- */

typedef struct measure_figures {
    double loss;  /* nats a predicted token */
    double *sums; /* [samples] nats of all predicted tokens of a sample */
    /* Against the first program of the call; not with MEASURE_LOSS. 0, 0 and 1 for the first. */
    double kl, kl_p99; /* nats a token: mean, and what 99 of 100 tokens stay below */
    double agreement;  /* share of tokens whose most likely token is the same, [0, 1] */
    double banned;     /* [0, 1] */
} measure_figures;

typedef enum measure_depth {
    MEASURE_LOSS, /* loss and sums alone: no logits are kept, several times faster */
    MEASURE_ALL,
} measure_depth;

/* Measures `count` programs (NULL = the plain model) on the samples; out [count], each released by the
 * caller, on failure too. With MEASURE_ALL the first is what the others are held against.
 * progress (may be NULL) counts tokens read. ERROR_CANCELLED on Ctrl-C, ERROR_USAGE without a
 * sample, ERROR_RUN when a loss is not finite. The engine's trace is taken, and off afterwards. */
int measure_programs(engine *e, const measure_samples *s, const router_program *const *programs,
                     int count, measure_depth depth, measure_figures *out, progress_fn *progress,
                     void *user, error *err);
void measure_figures_release(measure_figures *f); /* {0} ok */

/* A random program of the same size: in each layer what the program says of the model's experts
 * (kept, banned, biases, names) is dealt out anew among them; k, knobs, rules and what adapters
 * bring stay. The same seed, the same program. Caller owns; p's rules and adapters must outlive it. */
router_program *measure_random_program(const router_program *p, uint64_t seed, error *err);

/* ---- how sure it is ---------------------------------------------------------------------------- */

/* A mean with its 95 % bootstrap interval (percentiles of MEASURE_RESAMPLES resamples of whole
 * samples, seeded). */
typedef struct measure_interval {
    double value, low, high;
} measure_interval;

/* One side of a comparison: how far b's loss lies below a's on these samples. */
typedef struct measure_pair {
    const measure_samples *samples;
    const measure_figures *a, *b;
} measure_pair;

/* Nats a token that b is better than a: loss(a) - loss(b). */
int measure_gain(const measure_pair *pair, uint64_t seed, measure_interval *out, error *err);
/* How much more b gains on own than on other: a program that steers has a gap above 0. */
int measure_gap(const measure_pair *own, const measure_pair *other, uint64_t seed,
                measure_interval *out, error *err);
/* The q-quantile (0..1, linear between ranks) of v[0..n), which is sorted by this. 0 for n = 0. */
double measure_quantile(double *v, size_t n, double q);

#endif
