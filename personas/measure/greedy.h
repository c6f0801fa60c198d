/* greedy.h - what programs say of themselves: the likeliest tokens, in lockstep.
 *
 * The shortest way from prompts to answers, for figures about answers: no council, no sampling, no
 * stop strings. An answer ends by a token that ends answers, as a loop (loop.h), or at its limit; its
 * bytes do not depend on what else is in the batch.
 */
#ifndef PERSONAS_GREEDY_H
#define PERSONAS_GREEDY_H

#include "../../engine/base/buf.h"
#include "../../engine/run/engine.h"

enum { GREEDY_TOGETHER = 8 }; /* answers in one batch */

typedef struct greedy_prompt {
    const int *ids; /* [n], n >= 1 */
    int n;
    const router_program *program; /* NULL = the plain model */
} greedy_prompt;

typedef struct greedy_answer {
    tokens ids; /* without the token that ended it */
    buf text;
    bool ended, looped; /* by itself; cut as a loop. Neither: the limit, or the context's end */
} greedy_answer;

/* Answers prompts[0..count), any number, each with at most `limit` tokens. answers [count] are
 * released by greedy_release(), on failure too. ERROR_CANCELLED. */
int greedy_ask(engine *e, const greedy_prompt *prompts, int count, int limit,
               greedy_answer *answers, error *err);
void greedy_release(greedy_answer *answers, int count);

#endif
