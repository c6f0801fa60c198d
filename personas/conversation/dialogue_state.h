/* dialogue_state.h - what the files of the dialogue share behind dialogue.h. */
#ifndef PERSONAS_DIALOGUE_STATE_H
#define PERSONAS_DIALOGUE_STATE_H

#include "dialogue.h"

struct dialogue {
    engine *engine;
    dialogue_options options;
    council *council; /* a pass for each seat, in order */
    roster *roster;   /* NULL before the first dialogue_seat() */
    dialogue_turn **turns;
    int count, cap;
};

/* Which turns are remembered, and how: numbers in [from, before), undone ones left out. */
typedef struct memory_span {
    context_policy context;
    int from, before;
} memory_span;

/* What each pass of a part remembers is put together anew. who: [council_passes(part)] seats. */
int dialogue_recall(const dialogue *d, council *part, const int *who, const memory_span *span,
                    error *err);

/* Some seats at a turn as it was asked. */
typedef struct stage {
    council *part;
    int *who; /* [n] seats */
    int n;
} stage;

/* A part of the seats who[n] (taken over), with the current settings. */
int dialogue_stage(const dialogue *d, int *who, int n, stage *out, error *err);
/* The part remembers what it did when the turn was asked (from: t->from, or later for less), and each
 * has given its current answer. All draw with `seed`. */
int dialogue_stage_turn(const dialogue *d, stage *s, const dialogue_turn *t, int from,
                        uint64_t seed, error *err);
void dialogue_stage_close(stage *s);

/* The seats of names[count], or of all but controls whose answers the turn has; each must have answered.
 * Caller frees *who. */
int dialogue_answered(const dialogue *d, const dialogue_turn *t, const char *const *names,
                      int count, int **who, int *n, error *err);
/* The seats' instructions in the prompt's language, and a seed for all of a part. */
int dialogue_instruct(const dialogue *d, const stage *s, const char *prompt, size_t len,
                      uint64_t seed, error *err);
/* ERROR_USAGE with the names that there are. */
int dialogue_unknown_name(const dialogue *d, const char *name, error *err);
/* Room for one more turn. */
int dialogue_reserve(dialogue *d, error *err);
/* Answer versions and merges are added whole, or not at all. */
int dialogue_add_answers(dialogue_turn *t, kept_answer *kept, int n, error *err);
int dialogue_add_merge(dialogue_turn *t, kept_merge *m, error *err);

#endif
