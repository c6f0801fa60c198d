/* diverge.h - where the passes part: how their next-token distributions differ along one text.
 *
 * All passes read the same tokens behind the last turn's prompt, each behind its own memory and
 * instruction and under its own program. At each position they would go on in their own way; how far
 * apart they are there is the Jensen-Shannon divergence of their distributions (before temperature
 * and filters). The tokens are those of one answer: as long as the answers begin alike it does not
 * matter whose, and from where they part on it is the one that is followed.
 */
#ifndef PERSONAS_DIVERGE_H
#define PERSONAS_DIVERGE_H

#include "dialogue.h"

enum { DIVERGE_TOP = 3 };

/* What a pass would most likely say at a position, best first; id -1 = the vocabulary has no more. */
typedef struct diverge_choice {
    int id[DIVERGE_TOP];
    double p[DIVERGE_TOP];
} diverge_choice;

/* Owned; release with diverge_release. Position i stands before token i of the text that is followed;
 * 0 is just behind the prompt. */
typedef struct diverge_report {
    int passes;
    char **names;  /* [passes] */
    char *follows; /* whose text: a pass, or "merge" */
    int shared;    /* tokens that all answers begin with */
    int positions;
    int *tokens;             /* [positions] of the text that is followed */
    double *divergence;      /* [positions] nats, 0 to ln(passes) */
    diverge_choice *choices; /* [positions * passes] */
    int first;               /* position where the best tokens differ for the first time, or -1 */
} diverge_report;

/* Computes for the last turn. of: [count] passes, or NULL for all who answered and sit here; at least
 * two. follow: a pass or "merge", or NULL: what was picked, else the merge's winner, else the first.
 * most: positions to look at, 0 = all. Costs as much as reading the text once in every pass, in one
 * batch; the next question reads its own answers anew. ERROR_USAGE, ERROR_CANCELLED, ... */
int diverge_compute(dialogue *d, const char *const *of, int count, const char *follow, int most,
                    diverge_report *out, error *err);
void diverge_release(diverge_report *r);

/* Without computing: the number of tokens that all these answers begin with; they part at the next
 * one, or are all the same when it is the length of each. Answers without a token are left out; -1
 * when fewer than two are left. */
int diverge_shared(const turn_answer *const *answers, int count);

#endif
