/* engine_state.h - what engine.c and session.c share behind the public boundary (engine.h). */
#ifndef ENGINE_ENGINE_STATE_H
#define ENGINE_ENGINE_STATE_H

#include "../base/digest.h"
#include "../formats/model_defaults.h"
#include "../routing/fingerprint.h"
#include "bank.h"
#include "engine.h"
#include "expert_store.h"
#include "forward.h"
#include "kvcache.h"
#include "weights.h"

enum { KV_KINDS = 3 }; /* F32, F16, Q8_0: sessions of different types may live together */

struct engine {
    checkpoint *checkpoint;
    backend *backend;
    backend *lost;        /* the device that computed before: engine_carry_on.h; or NULL */
    bool half_moved;      /* from there, for want of memory: the next batch begins with the rest */
    tokenizer *tokenizer; /* NULL when the model brings none */
    chat_format *chat;    /* NULL when there is none */
    model_defaults *defaults; /* NULL = none */
    tokens stops;             /* what ends an answer: stop_tokens.h */
    error chat_problem;       /* why not, when the model brings a template */
    weights weights;
    router_program *plain;        /* the rules of sessions without a program, */
    routing_tables *plain_tables; /* and where the backend reads them; NULL until one asks */
    const atomic_bool *cancel;
    int max_rows, max_slots;
    uint64_t adapter_bytes;
    uint64_t memory; /* engine_options.memory */
    bool memory_asked;
    uint64_t memory_seen; /* weights, keys and values of all, when the pool was sized */
    engine *beside;       /* the next of those that share it, in a ring */
    expert_store *store;  /* NULL = all experts are mapped */
    char isa[16];         /* of the CPU, should it have to carry on, and its */
    int threads;
    checkpoint_warn *warn; /* may be NULL */
    void *warn_user;
    session *sessions; /* all that are open */

    /* One pool and one layer loop per KV type, opened with the first session of that type. */
    kv_pool *pools[KV_KINDS];
    forward *loops[KV_KINDS];

    forward_row *rows;            /* [max_rows] the batch being put together */
    const session **row_sessions; /* [max_rows] whose row it is, for the trace */

    trace_fn *trace;
    void *trace_user;
    traced_part trace_part;
    int batches, told; /* of the call at hand: begun; done, and told to trace and states */
    states_fn *states;
    void *states_user;
    const activation_set *activations; /* wanted; NULL = none */
    activation_fn *activation;
    void *activation_user;
    char *tokenizer_path;               /* of another tokenizer than the model's, or NULL */
    char tokenizer_hash[DIGEST_TEXT];   /* of that file, or "" */
    char fingerprint[FINGERPRINT_TEXT]; /* "" until asked for */
};

/* A routing and where the backend reads it: engine_attach.h. */
typedef struct attached {
    const layer_routing *of; /* [layers] */
    routing_tables *tables;
} attached;

struct session {
    engine *engine;
    session *next, **place; /* in the engine's list */
    kv_sequence *sequence;
    const router_program *program; /* NULL = the plain model */
    attached *attached;            /* [attached_count] of the program */
    int attached_count;
    rule_state rules; /* of a program with rules: where the sequence stands */
    int kind;         /* index into the engine's pools and loops */
    /* while engine_advance works: */
    int pending;              /* tokens of the step already put into a batch */
    rule_state rules_pending; /* the state behind them */
};

/* engine.c: what follows from the tokenizer that e has, NULL too: stops, the chat format. */
int engine_open_text(engine *e, const chat_options *chat, error *err);

/* session.c. Layer loops with room for so many slots take the place of all there are. */
int engine_make_slots(engine *e, int slots, error *err);
/* ERROR_USAGE for an id outside the vocabulary. */
int engine_check_tokens(const engine *e, const int *ids, int n, error *err);

#endif
