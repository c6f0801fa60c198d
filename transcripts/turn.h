/* turn.h - one turn of a conversation: the question, the answers to it, what joined them, what was
 * picked.
 *
 * The key idea: there is one shape for all of it. A turn that has just been answered and one that
 * was read from a file are the same plain data, so whatever remembers, records, prints, exports,
 * counts, searches or replays takes a struct turn and need not ask where it came from. turn_json.h
 * writes and reads it.
 *
 * The invariant: what a turn points to lies in a region of its own, or in something that
 * outlives it where a function says so; turn_release() is all there is to do at the end, and
 * moving a turn is copying the struct and emptying the other. Texts are bytes with a NUL behind
 * them; they may hold U+0000 and broken UTF-8. The struct is called without a typedef, because
 * every variable of it wants to be called turn.
 */
#ifndef TRANSCRIPTS_TURN_H
#define TRANSCRIPTS_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/base/region.h"

/* Ranges of what can be; turn numbers leave room to count on from them. A merge joins no more
 * passes than a council seats. */
enum {
    TURN_NUMBER_MOST = 1 << 24,
    TURN_PASSES_MOST = 256,
    TURN_TOKENS_MOST = 1 << 24, /* counts, and token ids, of any model */
    TURN_EXPERTS_MOST = 1 << 16
};

typedef enum pass_stop {
    STOP_END,         /* it ended itself, or a stop string was met */
    STOP_LENGTH,      /* max_tokens, or the context is full */
    STOP_LOOP,        /* it went round in circles */
    STOP_INTERRUPTED, /* cancelled */
    STOP_ERROR,
} pass_stop;
const char *pass_stop_name(pass_stop s); /* "end", "length", "loop", "interrupted", "error" */

/* What passes remember of a turn: each its own answers, or all the merged or the picked one. */
typedef enum context_policy { CONTEXT_OWN, CONTEXT_MERGED, CONTEXT_PICKED } context_policy;
const char *context_policy_name(context_policy c); /* "own", "merged", "picked" */

typedef struct turn_text {
    const char *v;
    size_t len;
} turn_text;

typedef struct turn_ids { /* token ids, or counts */
    const int *v;         /* NULL when there are none */
    size_t len;
} turn_ids;

struct turn_merge;
typedef struct turn_answer {
    int n; /* its record; 0 = none yet */
    pass_stop stop;
    const char *name;    /* of the pass */
    const char *acts_by; /* "mask", "prompt", "prompt+mask", "experts 8", "none", ... */
    const char *color;   /* or NULL */
    turn_text text;      /* without its thought */
    turn_text thought;
    turn_ids ids;           /* thought included */
    const double *logprobs; /* [ids.len] ln p of each, or NULL; not recorded */
    int continued;          /* the first so many are those of the version before; 0 = all its own */
    int prompt_tokens;
    uint64_t prompt_hash; /* over the ids that were read; 0 = not known */
    const char *failure;  /* with STOP_ERROR, else NULL */
    uint64_t seed;
    uint64_t program; /* router program's hash; 0 = the plain model */
    double seconds, tokens_per_second, banned_mass;
    turn_ids allowed, used;           /* experts, by layer of its model; equally long */
    int asked_experts, least_allowed; /* "4 of 8"; 0 = not asked */
    const struct turn_merge *joined;  /* of a group: how its members' answers became this, its text
                                         and ids these; NULL = a pass gave it. Not copied */
    int setting;                      /* history_setting() that it was given under; 0 = none */
    /* Versions of one name's answer (turn_link): how many were there before, the index in the
     * turn of the first, and of the one that took this one's place; 0 = it is current. */
    int earlier, first, next;
    int last; /* of a first version: the index of the current one */
} turn_answer;

typedef struct turn_merge {
    int n;               /* its record; 0 = none yet */
    const char *method;  /* "vote", "synth", "debate", "blend"; others from later versions */
    const char *by;      /* the winner's or the chair's name, or NULL */
    const char *note;    /* how it was decided, or NULL */
    const char *failure; /* NULL unless it failed; then there are only method, of and seed */
    turn_text text;
    turn_ids ids;          /* that the merge itself wrote */
    const char *const *of; /* [passes] names of the answers that were joined, in order */
    int passes;
    int answers;              /* versions that the turn held then; it joined the last ones */
    int winner;               /* index in of, or -1 */
    const double *scores;     /* [passes * passes] judge x answer, NaN = none; NULL unless a vote */
    const double *shares;     /* [passes] or NULL; they sum to 1 */
    const double *divergence; /* [ids.len] of a blend, nats, or NULL */
    const char *basis; /* of a vote: what its marks rest on, in words; NULL in older records */
    uint64_t verifier; /* hash of the verifier that made them; 0 = none did */
    const turn_text *revised; /* [passes] after a debate, else NULL; v may be NULL in a spread */
    bool tie;
    pass_stop stop;
    uint64_t seed;
    double seconds;
} turn_merge;

typedef struct turn_pick {
    int n;
    const char *name; /* a pass or "merge"; NULL = the pick was taken off; "" = lost */
} turn_pick;

typedef struct turn_timings {
    double prefill, decode;        /* seconds */
    double union_experts_per_step; /* mean distinct experts a layer's batch touched in a step */
    double picks_per_step;         /* mean experts called, counted with repetition */
} turn_timings;

struct turn {
    int number;  /* from 1, never used again */
    int n;       /* its prompt's record; 0 = none yet, or lost */
    bool lost;   /* the prompt's line is */
    int parent;  /* number of the turn that it follows; 0 = the first */
    int follows; /* that one's index in a history, or -1 */
    int root;    /* number of the first turn of those that lead here, in a history */
    double time; /* seconds since 1970; 0 = not recorded */
    turn_text prompt;
    const char *only; /* the passes that were asked, "coder" or "coder,critic"; NULL = all */
    context_policy context;
    int from; /* number of the oldest turn that was remembered; its own when none was */
    int reach; /* of the oldest that was left out for brevity alone: a later turn may remember it; 0 = none */
    bool shared; /* the prompt was read once for all */
    bool blind;  /* columns were A, B, C */
    bool undone;
    int undone_n; /* record that took it back, 0 = none */
    int setting;  /* history_setting() that it was asked under; 0 = none */
    uint64_t seed;
    turn_timings timings; /* of asking */
    turn_answer *answers; /* versions in order of time; the last of a name is current */
    int answer_count;
    turn_merge *merges; /* turn_merged() is current */
    int merge_count;
    turn_pick *picks; /* recorded ones, in order of time */
    int pick_count;
    const char *picked; /* a pass, "merge", or NULL: nothing, or it was given anew since */
    region memory;
};

/* Frees all and empties; {0} ok. */
void turn_release(struct turn *t);
/* *to = *from, which is empty afterwards. */
void turn_move(struct turn *to, struct turn *from);
/* The turn as it was when record n was about to be written (INT_MAX: as it is). Texts stay
 * those of t, which has to outlive *out. */
int turn_before(const struct turn *t, int n, struct turn *out, error *err);

/* A copy of all that it points to; where there are no counts there are zeros. */
int turn_answer_copy(region *memory, const turn_answer *from, turn_answer *out, error *err);
/* New versions, all of them or none; what they point to lies in the turn's memory already, or
 * outlives it. What is given anew was not picked, nor was the merge that joined what it was
 * before. */
int turn_add_answers(struct turn *t, const turn_answer *a, int n, error *err);
int turn_add_merge(struct turn *t, const turn_merge *m, error *err);
/* Which versions of an answer belong together: fills earlier, first, next and last. */
int turn_link(struct turn *t, error *err);

/* The current answer of `name`, or NULL. */
const turn_answer *turn_answer_of(const struct turn *t, const char *name);
bool turn_is_current(const struct turn *t, const turn_answer *a);
/* The last merge that worked, unless an answer was given anew since; or NULL. */
const turn_merge *turn_merged(const struct turn *t);
/* The last merge, also one that failed or that later answers have overtaken; or NULL. */
const turn_merge *turn_last_merge(const struct turn *t);
/* Why what a merge wrote of its own is cut ("length", "loop"), or NULL when it is whole; one that was
 * interrupted within its rounds says so in its note. */
const char *turn_merge_cut(const turn_merge *m);
/* The answer that a vote took as it stands, so that nobody has to read it twice; else NULL. */
const turn_answer *turn_winner(const struct turn *t, const turn_merge *m);
/* Shares from the largest down: the index of the one that follows `before` (-1: of the
 * largest); -1 behind the last. */
int turn_next_share(const turn_merge *m, int before);
/* What a pass or a group says in this turn: its current answer, after a debate, be it within its group, the
 * revised one; false when that is nothing. */
bool turn_words(const struct turn *t, const char *name, turn_text *out);
/* Whether a list as turn.only has `name`, or a group that it is in ("team" has "team/coder"); all when it
 * is NULL. */
bool turn_asked(const char *only, const char *name);
/* The merge's lists with a place for each answer of the turn, in their order, instead of those
 * joined: a control stands aside, with NaN and no text. All in *a or of m. */
int turn_spread(const struct turn *t, const turn_merge *m, region *a, turn_merge *out, error *err);

#endif
