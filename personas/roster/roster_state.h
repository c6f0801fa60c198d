/* roster_state.h - what the files of a roster share behind roster.h. */
#ifndef PERSONAS_ROSTER_STATE_H
#define PERSONAS_ROSTER_STATE_H

#include "persona_tree.h"
#include "roster.h"
#include "roster_effect.h"

/* A persona with what it needs on this model. */
typedef struct member {
    const persona *persona; /* NULL: the plain model, with what the options ask */
    const char *column;
    int group;
    mask **masks; /* its own and those of the options */
    int mask_count;
    const placed_adapter **adapters; /* [adapter_count] what it brings, in the engine */
    char **adapter_files;            /* [adapter_count] */
    int adapter_count;
    router_program *program;       /* NULL = none of its own */
    bool keeps;                    /* its own mask is a keep-mask for this model */
    bool maskless;                 /* it wants a mask, and there is none for this model */
    bool instructed;               /* its seat is told its instruction */
    bool acts;                     /* its program changes something on this model */
    bool unmasked;                 /* its program is switched off */
    double mask_penalty, strength; /* strength: of its program */
    int asked_experts;
} member;

typedef struct owned_seat {
    seat seat;
    char name[COLUMN_BYTES], acts_by[ACTS_BYTES];
    const persona *instructor;     /* whose instruction it is given; NULL = none */
    const recorded_seat *recorded; /* or what it was given once; NULL = nothing is known */
    const char *key;               /* of its random numbers; NULL = its name */
    const char *fallback;          /* said when it has no instruction; NULL = nothing */
    char **composed; /* [its instructions, at least 1], NULL behind: with what every pass is told */
} owned_seat;

struct roster {
    engine *engine;
    const roster_options *options; /* while opening */
    router_hook *hook;             /* NULL = none */
    const char *fingerprint;       /* NULL for a dense model */
    persona_tree tree;
    member *members;
    int member_count;
    owned_seat *seats; /* [seat_count], and behind them those of the groups */
    seat_group *groups;
    router_program *everyone; /* all programs as one; NULL = not asked for */
    int seat_count;
    char (*digests)[DIGEST_TEXT]; /* [digest_count] of the adapters of the options */
    int digest_count;
    roster_note *note;
    void *note_user;
};

/* Option, else persona, else what the options carry as default. p: NULL ok. */
sampling roster_sampling(const roster *r, const persona *p);
/* Of the seat, in the prompt's language. */
const char *roster_seat_instruction(const owned_seat *own, const char *prompt, size_t len);
void roster_say(const roster *r, const char *sentence);

/* roster_groups.c: who is asked for, checked against the options; then, behind all seats, those of the groups. */
int roster_open_tree(roster *r, error *err);
int roster_seat_groups(roster *r, error *err);

/* The seat of all members at once, behind theirs: roster_everyone.c. */
int roster_seat_everyone(roster *r, error *err);

#endif
