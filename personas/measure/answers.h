/* answers.h - how answers under a router program end: by themselves, in a loop, or not at all.
 *
 * A loss says nothing of what is written: a program may predict a text well and go round in circles
 * when it speaks. So each program answers the same beginnings greedily, the plain model too, and
 * what is counted is how it went. Answers of one group run in lockstep, in common batches.
 */
#ifndef PERSONAS_ANSWERS_H
#define PERSONAS_ANSWERS_H

#include "measure.h"

enum {
    ANSWERS_TOKENS = 120, /* of one answer, at most */
    ANSWERS_START = 32,   /* tokens of a text that are to be continued */
    ANSWERS_GRAM = 4,     /* tokens of a stretch that counts as repeated when it comes again */
};

typedef struct answers_figures {
    int answers;
    int finished;    /* ended by themselves within ANSWERS_TOKENS */
    int looped;      /* were cut as a loop (loop.h) */
    double repeated; /* share of ANSWERS_GRAM-token stretches that stood there before, [0, 1], the
                        mean over answers */
} answers_figures;

/* At most `most` samples, evenly spread, are answered under each of `count` programs (NULL = the plain
 * model): an answer's sample from its question on, a text's from its first ANSWERS_START tokens on.
 * out [count]. progress (may be NULL) counts answers. ERROR_CANCELLED. */
int answers_measure(engine *e, const measure_samples *s, int most,
                    const router_program *const *programs, int count, answers_figures *out,
                    progress_fn *progress, void *user, error *err);

#endif
