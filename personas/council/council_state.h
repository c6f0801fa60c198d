/* council_state.h - what the files of the council share behind council.h, with the merges and
 * comparisons that use its passes' sessions themselves.
 */
#ifndef PERSONAS_COUNCIL_STATE_H
#define PERSONAS_COUNCIL_STATE_H

#include "../../engine/base/region.h"
#include "council_pass.h"

/* Who hears of it, and what the passes are called there. */
typedef struct subscriber {
    const council_events *events;
    const int *indices; /* [passes], or NULL: as here */
} subscriber;

struct council {
    engine *engine;
    council_options options;
    char **stops; /* own copies */
    int *whole; /* [count] where the passes sit in the council that this is a part of; else NULL */
    pass **passes;
    int count, cap;
    step *steps;        /* [cap] one batch of decoding */
    int *step_tokens;   /* [cap] the token that each step reads */
    int *step_passes;   /* [cap] which pass a step belongs to */
    sample_row *rows;   /* [cap] the draws from logits at hand */
    sample_row **draws; /* [cap] those that a batch makes; NULL = none of that step */
    subscriber *subscribers;
    size_t subscriber_count, subscriber_cap;
    region indices; /* theirs, of a part of a part */
    turn_timings timings;
    bool shared_prefill;

    /* figures of one answer: council_figures.c */
    int *seen;       /* [layers * max_experts] the step that last touched an expert */
    int max_experts; /* experts of the largest layer, when the figures were begun */
    int step_number;
    double union_sum, pick_sum; /* over (step, layer) */
    size_t union_count;
};

pass_rules council_rules(const council *c);
/* Room for `count` passes in all arrays. */
int council_grow(council *c, int count, error *err);

/* Appends the tokens of one prompt to *ids. shared: the instruction follows the question instead of
 * leading the conversation. *program_start: how many of them are read without the pass's program. */
int council_build_prompt(const council *c, const council_request *r, bool shared, tokens *ids,
                         int *program_start, error *err);
/* *start = tokens of the prompt (as it was built) that stand before its question. */
int council_question_start(const council *c, const council_request *r, bool shared,
                           const tokens *prompt, int *start, error *err);
/* Each pass's prompt becomes that of its request in the round; nothing is read. ERROR_CONTEXT. */
int council_load_round(council *c, const council_round *round, error *err);

/* Makes the pass's session hold the first n tokens of its prompt, unless it does. */
int council_hold_prompt(pass *p, int n, error *err);
/* Reads all prompts; passes that cannot be read are marked failed. */
int council_prefill(council *c, error *err);
/* Advances the first n of c->steps, with their c->draws. When the batch fails, each goes alone, so that only the pass with
 * the fault drops out, marked failed. -1 only when cancelled. */
int council_advance(council *c, int n, error *err);
void council_fail_pass(pass *p, const error *why);
/* The first pass has written this behind its prompt, which is read: reads it too. */
int council_read_partial(council *c, const turn_answer *said, error *err);
/* Decodes until no pass is active. */
int council_decode(council *c, error *err);

/* The figures of an answer that begins, the next step, and what they come to (timings). */
int council_begin_figures(council *c, error *err);
void council_count_step(council *c);
void council_end_figures(council *c);
/* What counts: a subscriber to routing while the passes speak. */
council_events council_figures(council *c);

/* All subscribers hear of it. */
void council_emit_prefill(const council *c, int done, int total);
void council_emit_token(const council *c, int i, const char *bytes, size_t len, bool thinking);
void council_emit_answer(const council *c, int i, const turn_answer *a);
void council_emit_judge(const council *c, int done, int total);
void council_emit_routing(const council *c, int i, const route_trace *trace);
void council_emit_reading(const council *c, int i, const route_trace *trace);
/* Whether a subscriber asks for that. */
bool council_hears_reading(const council *c);
bool council_hears_wanted(const council *c);
/* What happens in `to` is told to all who have subscribed to `from`: indices [passes of to]. */
int council_share_subscribers(council *to, const council *from, const int *indices, error *err);

#endif
