/* eval_results.h - what an evaluation found: a cell for each item and arm, and what they come to.
 *
 * Cells are read from the lines of the record (eval_record.h), also by the run that wrote them, so that a
 * run that was resumed and one that was not report the same.
 */
#ifndef PERSONAS_EVAL_RESULTS_H
#define PERSONAS_EVAL_RESULTS_H

#include "../../engine/base/json.h"
#include "../../engine/base/json_writer.h"
#include "eval_arms.h"
#include "eval_match.h"

typedef enum eval_state { EVAL_UNDEFINED, EVAL_WRONG, EVAL_RIGHT } eval_state;

/* One arm's answer to one item. */
typedef struct eval_cell {
    eval_state state; /* undefined: the arm has nothing to say to this kind of item */
    uint64_t value;   /* hash of what it says, shortly (eval_match.h) */
    int tokens;       /* that had to be written for it, its own and those it is made of */
    int won;          /* of a vote: the persona that won; else -1 */
    bool tie, failed;
} eval_cell;

typedef struct eval_results {
    const eval_set *set;
    const eval_arms *arms;
    const char *const *personas; /* [persona_count] names */
    int persona_count;
    const size_t *plan; /* [planned] items that are asked, in order */
    size_t planned, done;
    eval_cell *cells;          /* [planned, arms->count] */
    double seconds[EVAL_ARMS]; /* of each arm, with what it is made of */
} eval_results;

/* set, arms, personas and plan are filled by the caller, and borrowed. eval_results_release. */
int eval_results_open(eval_results *r, error *err);
void eval_results_release(eval_results *r);
/* Takes a line of the record, an item's or of times. ERROR_RUN when it is not the next item. */
int eval_results_take(eval_results *r, const json *line, error *err);

/* ---- figures ----------------------------------------------------------------------------------- */

/* Of an arm, or of the oracle or the blind pick. */
typedef struct eval_share {
    double right;     /* a blind pick's is a mean */
    int n;            /* items that it has answered */
    double low, high; /* Wilson, 95 % */
} eval_share;

typedef struct eval_test {
    int gained, lost; /* items that only this arm, or only the other, got right */
    double p;         /* exact McNemar; NaN = nothing to compare */
    double corrected; /* by Holm, over all such tests of the run */
} eval_test;

typedef struct eval_row {
    eval_share share;
    eval_test against_control, against_best;
    double agreement; /* share of items on which it says what control says; NaN = none */
    int tokens, failed, ties;
    double seconds;
} eval_row;

typedef struct eval_figures {
    eval_row rows[EVAL_ARMS];
    eval_share oracle, blind;
    int best;         /* arm of the persona that is compared with, -1 = none */
    bool best_by_dev; /* chosen on the development part, not on what is counted */
    double agreement; /* of two personas, mean over items and pairs; NaN = fewer than two */
    int won[EVAL_ARMS][EVAL_ARMS]; /* [arm of a vote][persona] councils */
    int items;
} eval_figures;

/* Of the items for which `wanted` holds (NULL = all). best: an arm to compare with, -1 = the persona
 * with the most right answers: on the development part where that was asked and `split` is the rest,
 * else on all that is counted. */
typedef bool eval_wanted(const void *user, const eval_item *item);
void eval_results_count(const eval_results *r, eval_wanted *wanted, const void *user, int best,
                        eval_figures *out);

#endif
