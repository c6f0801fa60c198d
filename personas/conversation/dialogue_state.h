/* dialogue_state.h - what the files of the dialogue share behind dialogue.h. */
#ifndef PERSONAS_DIALOGUE_STATE_H
#define PERSONAS_DIALOGUE_STATE_H

#include "dialogue.h"

struct dialogue {
    engine *engine;
    dialogue_options options;
    council *council; /* a pass for each seat, in order */
    roster *roster;   /* NULL before the first dialogue_seat() */
    struct turn **turns;
    int count, cap;
    evidence_table *evidence; /* of this model, or NULL */
    bool looked;              /* for evidence */
};

/* Which turns are remembered, and how: numbers in [from, before), undone ones left out. */
typedef struct memory_span {
    context_policy context;
    int from, before;
} memory_span;

/* Some seats, and what they are asked. */
typedef struct stage {
    council *part;
    int *who; /* [n] seats */
    int n;
    council_request *requests; /* [n]: dialogue_make_requests() */
    chat_message *messages;    /* theirs: [n][room] */
    size_t room;
    turn_answer *replies; /* [n]: dialogue_stage_turn() */
} stage;

/* A part of the seats who[n] (taken over), with the current settings. */
int dialogue_stage(const dialogue *d, int *who, int n, stage *out, error *err);
void dialogue_stage_close(stage *s);
/* The requests for a prompt: what each seat remembers of the span, then the prompt, with the seat's
 * instruction in the prompt's language. A function of the turns; made as often as wanted. Texts are
 * borrowed from the turns and the roster. */
void dialogue_make_requests(const dialogue *d, stage *s, const memory_span *span,
                            const char *prompt, size_t len, uint64_t seed);
/* The round as it was: the requests of turn t with memory from `from` on (t->from, or later for less),
 * and each seat's current answer. */
council_round dialogue_stage_turn(const dialogue *d, stage *s, const struct turn *t, int from,
                                  uint64_t seed);

/* The passes of names[count], or of all but controls whose answers the turn has; each must have answered.
 * Caller frees *who. */
int dialogue_answered(const dialogue *d, const struct turn *t, const char *const *names, int count,
                      int **who, int *n, error *err);
/* ERROR_USAGE with the names that there are. */
int dialogue_unknown_name(const dialogue *d, const char *name, error *err);
/* Room for one more turn. */
int dialogue_reserve(dialogue *d, error *err);

#endif
