/* gate_examples.h - examples for a blend's gate: right answers, read by all passes.
 *
 * Of each exact question the first key is read behind every pass's prompt, token by token, as if the blend had
 * written it so far; each of its tokens is an example (gate_learn.h). Nothing is written by the passes, so
 * this is quick, and an interrupted run begins anew.
 */
#ifndef PERSONAS_GATE_EXAMPLES_H
#define PERSONAS_GATE_EXAMPLES_H

#include "../merge/gate.h"
#include "gather.h"

enum { GATE_KEY_TOKENS = 16 }; /* of a key, that are read at most */

/* One token of the right answer to a question. */
typedef struct gate_example {
    uint64_t id;      /* hash of the question's */
    int passes;       /* those of the examples */
    double *features; /* [passes, GATE_FEATURES] */
    double *prior;    /* [passes] */
    double *p;        /* [passes] of the token */
} gate_example;

/* {0} is valid and empty. Examples of a question stand together. */
typedef struct gate_examples {
    gate_example *v;
    size_t len, cap;
    region memory;
} gate_examples;
void gate_examples_release(gate_examples *x);
/* One more, with room for `passes`; NULL without memory. */
gate_example *gate_examples_add(gate_examples *x, uint64_t id, int passes, error *err);

/* All examples of sets [count], in order. ERROR_USAGE without an exact question, ERROR_CANCELLED. */
int gather_gate(const gather_options *o, const eval_set *sets, int count, gate_examples *out,
                error *err);

#endif
