/* eval_run.h - asking a set, arm by arm, many items in one batch.
 *
 * A slot is a council for one item: the personas that are needed, the control, the draws of the
 * consistency arm. As many slots as make EVAL_TOGETHER passes share one engine batch; when the
 * answers of a group of items are there, each merge is run on its slot's part of that council, by the
 * same code and with the same bytes as `ask` would (personas/council, personas/merge). Prompts are read
 * under each pass's own program (PREFILL_OWN) unless another way is asked for by name, so that no
 * answer depends on which items share a batch.
 *
 * A choice is not written but judged: each arm's score of it is the log-likelihood of its tokens behind
 * the rendered prompt, under the arm's program, by byte of the choice (as acc_norm of EleutherAI's
 * lm-evaluation-harness); the prompt is the question alone. Of the merges, vote counts the personas'
 * choices, as it counts short answers, and breaks ties by the mean score over all personas; blend takes
 * the likeliest under the mixture, ln mean exp of the sums; the others have nothing to say to a
 * choice, and neither have consistency and correction.
 *
 * Greedy unless told otherwise. An item's seed is made of the run's and its id, so no answer depends on
 * the order of the set either.
 */
#ifndef PERSONAS_EVAL_RUN_H
#define PERSONAS_EVAL_RUN_H

#include "../roster/roster.h"
#include "eval_record.h"
#include "eval_results.h"

enum {
    EVAL_TOGETHER = 32,      /* passes in one batch */
    EVAL_KV_BYTES = 1 << 30, /* that their keys and values may take */
    EVAL_MAX_TOKENS = 256,   /* of an answer, unless told otherwise */
};

/* Runs a program with its check: *passed. ERROR_RUN only when it could not be run at all. */
typedef int eval_code_fn(void *user, const char *program, size_t len, bool *passed, error *err);

typedef struct eval_options {
    engine *engine;
    const roster *roster;    /* the personas, and behind them the control */
    council_options council; /* context: the most that may be used */
    sampling drawn;          /* of the consistency arm */
    uint64_t seed;
    const persona *chair; /* or NULL */
    eval_split split;
    eval_code_fn *code; /* NULL: items that need it are left out */
    void *code_user;
    /* Told now and then; work is counted in answers. */
    void (*progress)(void *user, size_t items, size_t planned, double share);
    void *user;
} eval_options;

typedef struct eval_run eval_run;

/* set and arms must outlive it. ERROR_CONTEXT by item when a question is too long, ERROR_USAGE when
 * nothing of the set is left to ask, ERROR_LOAD without a tokenizer or chat format. Caller owns. */
eval_run *eval_run_open(const eval_options *o, const eval_set *set, const eval_arms *arms,
                        error *err);
void eval_run_close(eval_run *r); /* NULL ok */

/* The first line of its record: all that answers depend on. name: of the set. */
int eval_run_header(eval_run *r, const char *name, buf *out, error *err);
/* Takes up what the file holds; after that eval_run_results() says how far it is. */
int eval_run_resume(eval_run *r, const char *path, const buf *header, error *err);
/* Asks what is left. ERROR_CANCELLED: what was recorded stays. */
int eval_run_all(eval_run *r, error *err);

const eval_results *eval_run_results(const eval_run *r);
size_t eval_run_skipped(const eval_run *r); /* items that would need eval_options.code */
/* What a merge arm comes to: the method that auto stands for, else its own. */
const char *eval_run_method(const eval_run *r, int arm);

#endif
