/* gather.h - examples for a verifier: questions with keys, asked of a council, their answers described.
 *
 * An example is what a vote knows of one question's answers (personas/merge/merge_reading.h), and which of them
 * are right. Each is a line of a record that only grows (eval_record.h), so a run that was killed goes
 * on behind the last whole line, and the same set, model and seed give the same lines.
 *
 * Exact questions and rubrics are asked; choices and programs are left out, as their answers are judged in
 * other ways. Answers are greedy unless the roster says otherwise.
 */
#ifndef PERSONAS_VERIFY_GATHER_H
#define PERSONAS_VERIFY_GATHER_H

#include "../eval/eval_record.h"
#include "../eval/eval_set.h"
#include "../merge/merge_reading.h"
#include "../roster/roster.h"

typedef struct verify_example {
    uint64_t id;      /* hash of the item's */
    int passes;       /* those of the examples */
    double *features; /* [passes, VOTE_FEATURES] */
    bool *right;      /* [passes] */
    bool *barred;     /* [passes] cannot win */
    bool told;        /* right and wrong ones can win */
} verify_example;

/* {0} is valid and empty. */
typedef struct verify_examples {
    verify_example *v;
    size_t len, cap;
    region memory;
} verify_examples;
void verify_examples_release(verify_examples *x);

typedef struct gather_options {
    engine *engine;
    const roster *roster; /* personas, no control */
    council_options council;
    uint64_t seed;
    void (*progress)(void *user, size_t done, size_t of);
    void *user;
} gather_options;

/* The first line of the record: all that examples depend on. sets: their hash. */
int gather_header(const gather_options *o, uint64_t sets, buf *out, error *err);
/* All examples of sets [count], in order; what the record at `path` holds is not asked again. The
 * set's hash and the options must be those of `header`. ERROR_CANCELLED: what was recorded stays. */
int gather_run(const gather_options *o, const eval_set *sets, int count, const char *path,
               const buf *header, verify_examples *out, error *err);

#endif
