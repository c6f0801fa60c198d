/* forward.h - the one layer loop: prefill and decode, one row or many.
 *
 * A batch is a list of rows; a row is one token at one position of one sequence under one router
 * program. Rows of a sequence stand in ascending position, so that a row's keys are stored before a
 * later row looks at them. Everything is allocated at open; running allocates nothing, but for what
 * a first trace, a first logprob, first states or activations and new adapters need.
 *
 * The recipe of a layer, in the order of the code:
 *   norm -> q, k, v (+ bias) -> q/k norm -> RoPE -> store k, v -> attention -> o -> residual
 *   norm -> dense ffn, or router -> experts (+ shared expert) -> residual
 * A layer that is to be skipped (model_config.skip_layer) is passed over whole.
 */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include <stdatomic.h>

#include "../routing/hooks.h"
#include "forward_taps.h"
#include "kvcache.h"
#include "route_copies.h"
#include "weights.h"

typedef struct forward forward;

typedef struct forward_row {
    int token, position;
    void *const *pages; /* of its sequence: kv_pages() */
    const routing_tables *routing;
    const router_hook *hook; /* asked before each layer routes; NULL = none */
    int previous;            /* the token before it, for the hook; -1 = none */
    float *logits;           /* [vocabulary] of the caller, or NULL when not wanted */
    int next;                /* the token that follows, */
    double *logprob;         /* and where ln p of it goes; NULL when not wanted */
    sample_row *draw;        /* a token is chosen from its logits; NULL when not wanted */
} forward_row;

/* What the router did in one layer for n rows; arrays as in `routes_host`. */
typedef void forward_trace_fn(void *user, int layer, int n, const routes_host *host);

typedef struct forward_trace {
    traced_part part;
    forward_trace_fn *fn; /* called once per routed layer after the batch is done */
    void *user;
} forward_trace;

/* slots: the largest k of any program (>= 1). Caller owns; the other objects must outlive it. */
forward *forward_open(backend *b, const model_config *config, const weights *w,
                      const kv_layout *layout, int max_rows, int slots, error *err);
void forward_close(forward *f); /* NULL ok */
/* What forward_open() takes for the rows whose logits are made at a time. */
uint64_t forward_output_bytes(const model_config *config);

/* What the router of one layer reads, x [n, width], host memory until the call ends. */
typedef void forward_states_fn(void *user, int layer, int n, const float *x);
/* Called for each routed layer of later batches, while they run; NULL = off. -1 without memory. */
int forward_watch_states(forward *f, forward_states_fn *fn, void *user, error *err);

/* Called for each activation that is wanted, in order, of later batches of forward_run(), while they run;
 * wanted: borrowed, NULL = off. -1 without memory. */
int forward_watch_activations(forward *f, const activation_set *wanted, forward_tap_fn *fn,
                              void *user, error *err);

/* Runs 1..max_rows rows. cancel (may be NULL) is looked at between layers: ERROR_CANCELLED. After
 * a failure nothing of the batch may be used. trace: may be NULL. */
int forward_run(forward *f, const forward_row *rows, int n, const atomic_bool *cancel,
                const forward_trace *trace, error *err);

/* The residual streams that enter layers first..last; layer == layers is the last one, before the
 * output's norm. That of layer first + i goes to out + i * stride, [n, width]. */
typedef struct hidden_layers {
    int first, last;
    float *out;
    size_t stride;
} hidden_layers;

/* Runs 1..max_rows rows up to layer want->last and no further; no logits. As forward_run(). */
int forward_hidden(forward *f, const forward_row *rows, int n, const hidden_layers *want,
                   const atomic_bool *cancel, error *err);

#endif
