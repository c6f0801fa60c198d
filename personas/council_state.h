/* council_state.h - what the files of the council share behind council.h. */
#ifndef PERSONAS_COUNCIL_STATE_H
#define PERSONAS_COUNCIL_STATE_H

#include "pass.h"

struct council {
    engine *engine;
    council_options options;
    char **stops; /* own copies */
    pass *passes;
    int count, cap;
    step *steps;     /* [cap] one batch of decoding */
    int *fed;        /* [cap] the token that each step reads */
    int *speakers;   /* [cap] which pass a step belongs to */
    tokens *queued;  /* [cap] tokens to be forced on a pass (a thought that must end) */
    session *scorer; /* for council_score(), opened with the first score */
    int *seen;       /* [layers * experts] the step that last touched an expert */
    int step_number;
    double union_sum, pick_sum; /* over (step, layer) */
    size_t union_count;
    const council_events *events;
    council_timings timings;
};

pass_rules council_rules(const council *c);

/* Builds every pass's prompt tokens for its conversation as it stands. shared: the instruction
 * follows the last prompt instead of leading the conversation. */
int council_build_prompts(council *c, bool shared, error *err);
/* Reads all prompts; passes that cannot be read are marked failed. */
int council_prefill(council *c, error *err);
/* Speaks until no pass is active. */
int council_speak(council *c, error *err);

#endif
