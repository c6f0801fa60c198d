/* roster.h - from names and options to the passes of a council.
 *
 * A roster loads the personas that were asked for, finds or takes their masks and adapters, compiles
 * their router programs against the model, decides what each acts by, and owns all of it while a
 * council borrows it. A program's adapters stand in this order: the one trained for the persona on
 * this model, those of its file, those of the options; so the mask that was trained with the first
 * names its experts by the numbers behind the model's.
 *
 * What a persona acts by (shown in its column, so that nobody is fooled):
 *   mask         its router program alone: experts allowed, banned, preferred, or rules. A persona with
 *                a keep-mask for this model needs no instruction: only models trained for pools of
 *                experts bear such a mask.
 *   adapter      experts or router rows of its own; mask+adapter: with a mask besides
 *   experts 8    so many experts called for each token, and nothing else
 *   router       the gates' width or cut alone
 *   prompt       the instruction alone: no mask exists for this model (the note names the command
 *                that derives one), or the program changes nothing here (roster_effect.h)
 *   prompt+...   instruction and program: any other program on a stock model
 *   none         neither: the control, and a program without effect on this model
 *
 * A group of personas (persona_tree.h) is expanded: each member has a seat, "team/coder", like any other;
 * behind the seats stands what each group is, and a seat of its own without a pass, whose answer is
 * made of theirs. What is called by an option's NAME is each seat of that persona, or in that group.
 *
 * One more seat may be everyone: no choice between the personas, but the experts of all of them in every
 * token (router_program_union), told what all are told. It is there to compare with, as controls are; of
 * one persona it is that persona.
 */
#ifndef PERSONAS_ROSTER_H
#define PERSONAS_ROSTER_H

#include "../council/council.h"
#include "persona.h"

typedef enum control_kind {
    CONTROL_OFF,
    CONTROL_NONE,   /* a pass with neither instruction nor program */
    CONTROL_PROMPT, /* one more pass a persona, with its instruction only */
    CONTROL_MASK,   /* one more pass a persona, with its program only */
} control_kind;
extern const char *const roster_controls[4]; /* "off", "none", "prompt", "mask" */

/* "NAME=VALUE" or "VALUE" for all; names in lists are of personas. */
typedef struct named_value {
    const char *name; /* NULL = every pass but control */
    double value;
} named_value;

typedef struct named_mask {
    const char *name; /* NULL = every pass but control */
    const char *path;
} named_mask;

typedef struct named_adapter {
    const char *name; /* NULL = every pass but control */
    const char *path;
    double scale; /* of its low-rank updates; 1 = as they are */
} named_adapter;

/* What is asked of the router besides, of every persona alike; it wins over the persona's file. */
typedef struct router_knobs {
    int norm_width;              /* 0 = as the persona says */
    int adaptive_min;            /* 0 = as the persona says, -1 = off */
    double adaptive_ratio;       /* with adaptive_min > 0 */
    double tail_gain;            /* negative = as the persona says */
    double mask_penalty;         /* nats; 0 = masks forbid */
    const int *experts_by_layer; /* [layers] 0 = as all are; NULL. Read while the roster opens */
    int last_layer;              /* that was named there: one that the model lacks is refused */
    const rule_list *rules;      /* these; NULL = the persona's */
} router_knobs;

/* What a transcript says of a seat; it wins over the persona's file. Borrowed by the roster. */
typedef struct recorded_seat {
    const char *name;        /* of the column */
    const char *instruction; /* for every prompt; NULL = none */
    sampling sampling;       /* but its seed */
} recorded_seat;

typedef struct roster_options {
    const char *const *personas; /* [persona_count]; 0: one seat of the plain model, with what is
                                    asked below */
    const named_mask *masks;
    const named_adapter *adapters; /* behind those that the personas bring */
    const named_value *experts;    /* caps at what the masks allow */
    const named_value *strengths;
    const char *const
        *unmasked; /* personas whose router program is off: they act by prompt or none */
    const named_value
        *mask_penalties; /* logit bias (nats) of a keep or ban mask that does not forbid */
    int persona_count, mask_count, adapter_count, expert_count, strength_count, unmasked_count;
    int mask_penalty_count;
    control_kind control;
    bool no_instruction;
    bool everyone; /* one more seat, in which the experts of all personas speak at once */
    bool groups; /* a persona may be a group; else it is refused, as one pass is wanted for each */
    const router_knobs *knobs; /* NULL = none */
    const char *
        router; /* a shared object whose code routes (engine/routing/hooks.h), for every pass but control;
                           NULL = none. Only ever what the user asked for by its name */
    unsigned given; /* GIVEN_* bits of `sampling` that were asked for and win over the persona's */
    int recorded_count;
    sampling sampling;             /* asked for, or else the configuration's and the model's */
    const recorded_seat *recorded; /* [recorded_count] */
    const char *prompt;            /* chooses the language of the instructions */
    size_t prompt_len;
    const char *system;   /* said to every pass, before its own instruction; NULL = nothing */
    const char *fallback; /* the model's own system message, said to a pass that has no instruction;
                             NULL = nothing. Borrowed as long as the roster lives */
} roster_options;

/* One pass to be. Borrowed from the roster. */
typedef struct seat {
    const char *name;              /* of the column */
    const char *persona;           /* NULL for the plain control */
    const char *color;             /* may be NULL */
    const char *instruction;       /* NULL = none */
    const router_program *program; /* NULL = none */
    sampling sampling;
    const char *acts_by; /* "mask", "prompt", "prompt+mask", "none", ...: see above */
    int asked_experts;   /* the K that was asked for, 0 = none */
    const char *mask;    /* file of its first mask, NULL = none */
    int masks;           /* how many there are */
    bool forbids;        /* one of them keeps or bans: it can be a mask penalty instead */
    double mask_penalty; /* nats; 0 = masks forbid */
    double strength;     /* of the experts that its program names; 1 = as trained */
    bool unmasked;       /* its program is switched off */
    uint32_t
        resting; /* bit i = rule i of its persona is not in the program: what it says of adapters
                            does not hold for this pass */
    int group;   /* the group whose party it is: roster_group(); -1 = none */
} seat;

/* How the answers of a group's members become its own. */
typedef struct seat_group {
    merge_method merge; /* not MERGE_NONE */
    int rounds;
    const char *by; /* the persona that writes a synthesis; NULL = as without a group */
} seat_group;

/* It is there to compare with: the plain model, or a persona with one half of itself. */
bool seat_is_control(const seat *s);
/* The most experts that a layer can call of those asked for: "4 of 8"; 0 when none were asked for. */
int seat_least_allowed(const seat *s, const model_config *m);

typedef struct roster roster;

/* Called with one sentence: a persona that runs without a mask, and the like. */
typedef void roster_note(void *user, const char *sentence);

/* Caller owns; e must outlive it. ERROR_LOAD by persona, file and field; ERROR_USAGE for a name that
 * stands twice or an option for a persona that is not there. */
roster *roster_open(engine *e, const roster_options *options, roster_note *note, void *user,
                    error *err);
void roster_close(roster *r); /* NULL ok; after the council */

int roster_seats(const roster *r);
/* Groups, those within others before them. Group g has the seat roster_seats() + g, which is no pass: acts_by
 * "group"; a group's party is each seat and each group whose seat says so. */
int roster_groups(const roster *r);
const seat_group *roster_group(const roster *r, int g);
/* The SHA-256 of the router's file; "" = none. */
const char *roster_router_digest(const roster *r);
/* The SHA-256 of the i-th adapter file of the options, as it was when the seats were made; "" = unknown. */
const char *roster_adapter_digest(const roster *r, int i);
const seat *roster_seat(const roster *r, int i);
/* The seat as a pass of a council, which borrows from the roster. */
pass_options roster_pass(const roster *r, int i);
/* What a seat is told for a prompt, in the prompt's language; NULL = no instruction. */
const char *roster_instruction(const roster *r, int i, const char *prompt, size_t len);

#endif
