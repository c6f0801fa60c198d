/* council_state.h - what the files of the council share behind council.h. */
#ifndef PERSONAS_COUNCIL_STATE_H
#define PERSONAS_COUNCIL_STATE_H

#include "pass.h"

struct council {
    engine *engine;
    council_options options;
    char **stops;   /* own copies */
    council *whole; /* whose passes these are, when this is a part of another; else NULL */
    pass **passes;
    int count, cap;
    step *steps;      /* [cap] one batch of decoding */
    int *step_tokens; /* [cap] the token that each step reads */
    int *step_passes; /* [cap] which pass a step belongs to */
    int *seen;        /* [layers * max_experts] the step that last touched an expert */
    int max_experts;  /* experts of the largest layer, when the figures were begun */
    int step_number;
    double union_sum, pick_sum; /* over (step, layer) */
    size_t union_count;
    const council_events *events;
    council_timings timings;
};

pass_rules council_rules(const council *c);
/* Room for `count` passes in all arrays. */
int council_grow(council *c, int count, error *err);
/* Remembers a prompt in every pass, or in none. */
int council_pose(council *c, const chat_message *prompts, error *err);
/* Takes back the message that stands last in every pass. */
void council_take_back(council *c);
/* Builds the prompts of all passes and decides how they are read. */
int council_prepare(council *c, error *err);
/* ERROR_CONTEXT unless each prompt leaves `least` tokens for an answer. */
int council_check_room(const council *c, int least, error *err);

/* Builds every pass's prompt tokens for its conversation as it stands. shared: the instruction
 * follows the last prompt instead of leading the conversation. */
int council_build_prompts(council *c, bool shared, error *err);
/* Tokens of the pass's prompt that stand before its last question. */
int council_question_start(const council *c, const pass *p, int *start, error *err);
/* Makes the pass's session hold the first n tokens of its prompt, unless it does. */
int council_hold_prompt(pass *p, int n, error *err);
/* Reads all prompts; passes that cannot be read are marked failed. */
int council_prefill(council *c, error *err);
/* The first pass has written this behind its prompt, which is read: reads it too. */
int council_read_partial(council *c, const partial_answer *said, error *err);
/* Decodes until no pass is active. */
int council_decode(council *c, error *err);

#endif
