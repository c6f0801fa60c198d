/* route_log.h - what the routers chose, token by token and layer by layer, kept in memory.
 *
 * A log holds tracks. A track is one sequence of tokens under one router program: a persona's prompt
 * with its answer, or a text that it read. Of every token that was read it keeps, for every layer,
 * what the engine tells of it (engine_trace_wanted()): experts, gates, margin, entropy, banned mass,
 * and the experts that the router would have called by itself. From these follow the two things that a
 * mask does: who was wanted and not called (denied), and who was called and not wanted (stood in).
 *
 * The invariant: a token has all its layers or none, and tokens are kept in the order of positions
 * without a gap. A layer without experts has experts -1 and zeros. The last token of an answer is
 * never read, so it has no routes: len is one less than ids.len then.
 *
 * Recording is called from within a batch and cannot fail there; what went wrong is kept and told at
 * the end. Nothing of a log is written anywhere: trace_files.h does that.
 */
#ifndef PERSONAS_ROUTE_LOG_H
#define PERSONAS_ROUTE_LOG_H

#include "../../engine/run/engine.h"

typedef struct route_track {
    char *name;  /* who read: a persona, or "control" */
    char *text;  /* what: the name of a text; "" = the question that was asked */
    char *color; /* that the persona asks for, or NULL */
    tokens ids;  /* all tokens, the prompt's first */
    int prompt;  /* so many of them are the prompt's; all of a text's */
    int len;     /* so many of them have routes */
    int slots;   /* experts of a token and layer at most */
    int cap;
    int32_t
        *experts; /* [cap, layers, slots] as the program numbers them, in rank order; -1 = none */
    float *gates; /* [cap, layers, slots] */
    int32_t *wanted; /* [cap, layers, slots] the router's own choice, in rank order */
    float *shares;   /* [cap, layers, slots] their softmax */
    float *margin, *entropy, *banned; /* [cap, layers] */
} route_track;

typedef struct route_log {
    engine *engine;            /* borrowed */
    const model_config *model; /* the engine's */
    int experts;               /* numbers of experts are below it */
    route_track *v;            /* [len] */
    size_t len, cap;
    bool failed;
    error why;
} route_log;

/* e must outlive it. route_log_release in any case. */
void route_log_open(route_log *log, engine *e);
void route_log_release(route_log *log);

/* Begins a track and returns its index, or -1. program: NULL = the plain model; color may be NULL. */
int route_log_begin(route_log *log, const char *name, const char *text, const char *color,
                    const router_program *program, error *err);
/* One token in one layer, as it comes from a batch: positions ascend. */
void route_log_add(route_log *log, int track, const route_trace *t);
/* What was read: the prompt's tokens, then the answer's. -1 with what failed meanwhile. */
int route_log_end(route_log *log, int track, const int *prompt, size_t prompt_len,
                  const int *answer, size_t answer_len, error *err);

/* One token in one layer. Pointers are into the track. */
typedef struct route_cell {
    const int32_t *experts, *wanted; /* [slots] */
    const float *gates, *shares;     /* [slots] */
    float margin, entropy, banned;
} route_cell;
route_cell route_track_cell(const route_log *log, const route_track *t, int token, int layer);

/* The ranks of wanted experts that were not called, and of called ones that were not wanted: the i-th
 * of the one was replaced by the i-th of the other. Both [slots]; return how many. */
int route_cell_denied(const route_cell *c, int slots, int *ranks);
int route_cell_stood_in(const route_cell *c, int slots, int *ranks);

/* Sums over a track, or a part of it. */
typedef struct route_figures {
    int tokens, layers;     /* that have experts */
    double entropy, banned; /* means over tokens and layers */
    double denied;          /* of the wanted experts the share that was not called */
    double distinct;        /* experts called in a layer, mean over the layers */
} route_figures;
int route_track_figures(const route_log *log, const route_track *t, route_figures *out, error *err);

/* How often each expert of each layer was called by tokens [from, to): share of the tokens, out
 * [layers, log->experts]. */
void route_track_shares(const route_log *log, const route_track *t, int from, int to, float *out);

#endif
