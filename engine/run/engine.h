/* engine.h - the public boundary: one loaded model, many sequences.
 *
 * Two nouns. An `engine` is a loaded model: weights, tokenizer, chat format, backend; immutable
 * after open and shared by all sessions. A `session` is one token sequence: what a persona's pass
 * has read and written so far, with its keys and values in pages that forks share copy-on-write.
 *
 * One verb does all computing: engine_advance() takes any number of sessions, each with the tokens
 * it is to read next (one for decoding, many for prefill, ragged as they come), and runs them as
 * one batch. A session's numbers never depend on what else is in the batch.
 *
 * Callers that hold a whole prompt use session_sync(): it keeps the longest prefix that is already
 * there under the same router program, rewinds the rest and reads what is missing in chunks.
 *
 * Nothing here prints or exits. One thread at a time per engine. Sessions before engine_close.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/backend.h"
#include "../../kernels/error.h"
#include "../formats/checkpoint.h"
#include "../routing/router.h"
#include "../text/chat.h"
#include "../text/tokenizer.h"
#include "activations.h"

typedef struct engine engine;
typedef struct session session;

struct expert_store_figures; /* expert_store.h */

/* ---- the loaded model ---------------------------------------------------------------------- */

typedef struct engine_options {
    const char *path;          /* a resolved path: sources.h */
    backend_options backend;   /* {0} = auto everything */
    chat_options chat;         /* {0} = the model's own template, today */
    model_tweaks tweaks;       /* {0} = as the file says */
    int max_rows;              /* batch rows of one forward, 0 = 512; the prefill chunk */
    uint64_t adapter_bytes;    /* of an adapter's file, at most; 0 = ADAPTER_BYTES */
    int max_slots;             /* room from the start for this k, 0 = the trained one; it grows */
    uint64_t memory;           /* bytes that it may take, 0 = no bound: engine_pool.h */
    bool memory_asked;         /* somebody asked for that bound: too little is an error */
    engine *beside;            /* shares the bound of this one, in place of memory; NULL = alone */
    const atomic_bool *cancel; /* looked at between layers, NULL = never; must outlive the engine */
    struct model_defaults *defaults; /* taken over, on failure too; may be NULL */
    checkpoint_warn *warn;           /* may be NULL */
    void *warn_user;
} engine_options;

/* Caller owns. opt is copied (the strings are not kept); opt->defaults is taken, on failure too. */
engine *engine_open(const engine_options *opt, error *err);
void engine_close(engine *e); /* NULL ok */

const model_config *engine_config(const engine *e);
const checkpoint *engine_checkpoint(const engine *e);
const tokenizer *engine_tokenizer(const engine *e); /* NULL when the model brings none */
const chat_format *engine_chat(const engine *e);    /* NULL when there is none */
/* Why engine_chat() is NULL although the model brings a template; "" otherwise. */
const char *engine_chat_problem(const engine *e);
/* The tokens that end an answer, in a chat or in plain text (stop_tokens.h). Borrowed. */
const tokens *engine_stops(const engine *e);
/* What the name it was found by brings beside the weights; NULL = nothing. Borrowed. */
const struct model_defaults *engine_defaults(const engine *e);
backend *engine_backend(const engine *e);
/* The model's tensors, for who trains beside it (engine/train); weights.h. Borrowed. */
const struct weights *engine_weights(const engine *e);
int engine_max_rows(const engine *e);
/* The most bytes that an adapter's file may have: for who opens one to add it, or makes one. */
uint64_t engine_adapter_bytes(const engine *e);

/* 64 hex digits + NUL: SHA-256 over all router weights rounded to bf16, layers ascending,
 * little-endian; a dense model hashes its embedding the same way. Computed on first use. */
const char *engine_fingerprint(engine *e, error *err);

/* *nil = the model's expert has no output whatever it reads: its down projection is all zero. One that
 * has some is known by its first weights. ERROR_RUN. */
int engine_expert_is_nil(const engine *e, int layer, int expert, bool *nil, error *err);

/* Weight bytes that one decoded token reads (experts: experts_per_token of them). */
uint64_t engine_bytes_per_token(const engine *e);
/* Bytes of one routed expert, the mean over all layers; 0 for a dense model. */
uint64_t engine_expert_bytes(const engine *e);
/* Bytes of all weights. */
uint64_t engine_weight_bytes(const engine *e);
/* KV bytes of one session of `context` positions in `type`. */
uint64_t engine_kv_bytes(const engine *e, int context, dtype type);

/* Bytes that it needs, as it is now. */
typedef struct engine_memory_needs {
    uint64_t dense;   /* weights that every token reads, and adapters */
    uint64_t experts; /* all routed experts of the model */
    uint64_t kv;      /* reserved by the sessions that are open */
    uint64_t batch;   /* while a full batch runs, within a few per cent */
    uint64_t least;   /* of the routed experts, with which it can run at all */
} engine_memory_needs;
void engine_needs(const engine *e, engine_memory_needs *out);
uint64_t engine_memory(const engine *e); /* the bound; 0 = none */
/* ERROR_USAGE, with the figures, when the bound was asked for and is too little for so many sessions
 * more; session_open() asks for one. */
int engine_admit(const engine *e, int sessions, int context, dtype kv, error *err);
/* Whether the experts did not fit and are read as they are called; *out: from what pool. */
bool engine_pool(const engine *e, struct expert_store_figures *out);

/* Puts what an adapter brings beside the model's weights, for the programs that name it
 * (router_settings.adapters) and nobody else. `file` is taken over, on failure too. Content that is
 * there already is not put there twice. Sessions may be open, and go on. ERROR_LOAD with file, layer,
 * expert and shapes when it does not fit, with both fingerprints when it is another model's. */
int engine_add_adapter(engine *e, adapter *file, const placed_adapter **out, error *err);
/* Undoes one engine_add_adapter(); NULL ok. Programs that name it must be closed before the last.
 * Adapters may leave in any order; what is there at the end leaves with the engine. */
void engine_remove_adapter(engine *e, const placed_adapter *placed);
/* Experts of the largest bank: the ids of a trace are below it. */
int engine_max_experts(const engine *e);

/* ---- sequences ----------------------------------------------------------------------------- */

/* Reserves pages for `context` positions, so that decoding allocates nothing. kv: DTYPE_F32,
 * DTYPE_F16 or DTYPE_Q8_0. Caller owns. */
session *session_open(engine *e, int context, dtype kv, error *err);
/* A second sequence with the same past; pages are shared until one of the two writes. */
session *session_fork(session *s, error *err);
/* A short-lived side line: the first `length` tokens of s under `program`, and room for `room` more
 * (and memory for no others). s must neither lose nor rewrite those `length` tokens before the branch
 * is closed. */
session *session_branch(session *s, int length, int room, const router_program *program,
                        error *err);
void session_close(session *s); /* NULL ok */

/* Makes s's past the first `length` tokens of `from` (same engine and KV type; length within both),
 * sharing its pages: nothing is allocated or computed. s keeps its program. */
int session_share_prefix(session *s, const session *from, int length, error *err);

int session_length(const session *s);        /* tokens read so far */
int session_context(const session *s);       /* the most it can hold */
void session_rewind(session *s, int length); /* forget everything from `length` on */

/* The router program for tokens read from now on; NULL = the plain model. Borrowed: it must
 * outlive the session. Each position remembers the hash of the program it was read under. One that
 * calls more experts a token than any before makes room for them: it may fail for lack of memory. */
int session_set_program(session *s, const router_program *program, error *err);

/* ---- computing ----------------------------------------------------------------------------- */

typedef enum want_logits { LOGITS_NONE, LOGITS_LAST, LOGITS_ALL } want_logits;

/* What the router did for one token in one layer: see engine_trace(). */
typedef struct route_trace {
    int layer, position, slots;
    const int32_t *ids;  /* [slots] places in the layer's bank, -1 = empty */
    const int32_t *seen; /* [slots] the same experts as their program numbers them */
    const float *gates;  /* [slots] */
    float banned, margin, entropy;
    const float *norms, *peaks; /* [slots], NULL unless asked for: engine_trace_outputs() */
    /* [slots] the experts that the router itself ranks highest, whatever the program says, -1 = empty;
     * their softmax over all experts. NULL unless asked for: engine_trace_wanted() */
    const int32_t *wanted;
    const float *shares;
} route_trace;
typedef void trace_fn(void *user, const session *s, const route_trace *trace);

typedef struct step {
    session *session;
    const int *tokens; /* [n] the tokens to read next */
    int n;
    want_logits want;
    float *logits; /* [vocabulary] or [n, vocabulary]; caller's; NULL with LOGITS_NONE */
} step;

/* Reads every step's tokens, in as few batches as max_rows allows. All or nothing per call: on
 * failure every session has the length it had before. ERROR_CONTEXT when one has no room,
 * ERROR_USAGE for a token id outside the vocabulary, ERROR_CANCELLED. */
int engine_advance(engine *e, step *steps, int count, error *err);

/* Scores of a step: logprob[i] becomes ln p of next[i] behind the step's tokens[i]. No
 * logits need be kept for it. Both [n]. */
typedef struct step_score {
    const int *next;
    double *logprob;
} step_score;
/* engine_advance() with the scores of each step: scores [count]. */
int engine_score(engine *e, step *steps, const step_score *scores, int count, error *err);
/* engine_advance() that also chooses a token behind the last one of each step whose draws[i] is not NULL, from
 * its logits where they lie (op_sample()): who wants no more of them asks for LOGITS_NONE. draws [count];
 * what a row asks is left alone, so that trying again is the same. */
int engine_draw(engine *e, step *steps, sample_row *const *draws, int count, error *err);

/* The residual streams that enter layers first..last while ids[0..n) are read from the start under
 * `program` (NULL = the plain model), f32 [last - first + 1, n, width]; layer == layers is the last
 * stream, before the output's norm. Keys and values are f32; nothing is computed above `last`, and no
 * session is touched. A token's numbers do not depend on those behind it. ERROR_USAGE, ERROR_CANCELLED. */
int engine_hidden(engine *e, const router_program *program, const int *ids, int n, int first,
                  int last, float *out, error *err);

/* Called for each layer, row by row, of every later engine_advance; NULL = off. */
void engine_trace(engine *e, trace_fn *fn, void *user);
/* The same, told also how large the output of each chosen expert is (Euclidean norm, and largest
 * magnitude; the gate left out): experts then run twice. */
void engine_trace_outputs(engine *e, trace_fn *fn, void *user);
/* The same as engine_trace(), told also what the router wanted (routing/wanted.h). */
void engine_trace_wanted(engine *e, trace_fn *fn, void *user);

/* What the router of one layer reads for n rows of a batch, in the order of the steps' tokens: the
 * residual stream behind attention, normed, x [n, width] in host memory until the call ends. */
typedef void states_fn(void *user, int layer, int n, const float *x);
/* Called for each routed layer, in ascending order, of every batch of every later engine_advance (at
 * most engine_max_rows() rows each; of one that fails, for the layers before); NULL = off. */
void engine_watch_states(engine *e, states_fn *fn, void *user);

/* One token's activation wanted->v[which], x [cols] in host memory until the call ends. */
typedef void activation_fn(void *user, const session *s, int position, size_t which,
                           const float *x);
/* Called for every token of every later engine_advance, activation by activation; wanted: borrowed,
 * NULL = off. */
void engine_watch_activations(engine *e, const activation_set *wanted, activation_fn *fn,
                              void *user);

/* Tokens of ids[0..n) that the session holds from its beginning on, read under the same programs as
 * session_sync() would read them; changes nothing. */
int session_common_prefix(const session *s, const int *ids, int n, int program_start);

/* Rewinds the session to the longest prefix of ids[0..n) that it holds under the same programs
 * (positions < program_start under none, the others under its program); returns its length, at
 * most n - 1, so that reading the rest gives the logits of the last token. */
int session_reuse(session *s, const int *ids, int n, int program_start);

/* Progress of a long read: tokens done of total. */
typedef void progress_fn(void *user, int done, int total);

/* Makes the session's sequence equal to tokens[0..n): positions < program_start are read under no
 * program, the others under the session's. Keeps the longest common prefix made under the same
 * programs; at least the last token is read again so that logits (may be NULL) [vocabulary] are
 * its. On failure the session keeps what was read whole; nothing before it is lost. */
int session_sync(session *s, const int *tokens, int n, int program_start, float *logits,
                 progress_fn *progress, void *user, error *err);

#endif
