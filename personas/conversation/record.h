/* record.h - from a dialogue to its transcript, and back.
 *
 * The keeper turns what happened into records: the settings in force before the first prompt and
 * whenever they changed, each prompt, answer, merge, pick and undo, as soon as the phase is over. The
 * other way it restores a dialogue from a history, so that a resumed session goes on where it ended.
 * `ask`, the conversation and `transcripts replay` all go through here: there is one record of what a
 * turn was.
 */
#ifndef PERSONAS_RECORD_H
#define PERSONAS_RECORD_H

#include "../../transcripts/history.h"
#include "../../transcripts/transcript.h"
#include "dialogue.h"

typedef struct keeper keeper;

/* A seat as a setting record has it. */
typedef struct keeper_seat {
    const char *name;
    const char *instruction; /* NULL = none */
    const char *program;     /* router_program_hash, 16 hex digits */
    sampling sampling;
} keeper_seat;

/* A mask file that was given, and the SHA-256 (64 hex digits) of what it held; "" = unreadable. */
typedef struct keeper_mask {
    const char *path, *hash;
} keeper_mask;

/* What a setting record says about how passes came about: enough to seat them again. Texts are the
 * record's (the history's); lists are owned. */
typedef struct keeper_setting {
    const char *model, *fingerprint, *isa; /* path of the model */
    const char *model_name;                /* "ollama:NAME:TAG"; NULL = found by its path */
    const char *chat_format, *day;         /* NULL = the model's own template; none */
    bool name_is_kind;                     /* chat_format only names the kind of that template */
    const char *const *variables;          /* [variable_count] of the template, "KEY=VALUE" */
    int variable_count;
    roster_options roster; /* without the prompt */
    dialogue_options dialogue;
    keeper_seat *seats;
    int seat_count;
    keeper_mask *masks; /* [roster.mask_count] */
} keeper_setting;
/* ERROR_LOAD naming the field. keeper_setting_release in any case. */
int keeper_setting_read(const json *record, keeper_setting *out, error *err);
void keeper_setting_release(keeper_setting *s); /* {0} ok */

/* Nothing is made on the disk before the first prompt: an empty conversation leaves no file. id: as
 * transcript_create. Caller owns. */
keeper *keeper_new(const char *folder, const char *id, error *err);
/* Goes on with an existing transcript; *h is what it holds (caller closes it). */
keeper *keeper_resume(const char *folder, const char *prefix, history **h,
                      transcript_repair *repair, error *err);
/* A new session with the same past, in which this one's records stand as they are; a note "forked" says
 * where they come from and ends them. */
keeper *keeper_fork(keeper *k, error *err);
void keeper_close(keeper *k);           /* NULL ok */
const char *keeper_id(const keeper *k); /* NULL before the first record */
/* What to call the session in "saved 3f9a": the beginning of a drawn name that no other has, at least
 * 4 characters; a name that was given in full. "" before the first record. */
enum { KEEPER_NAME = 72 };
void keeper_short(const keeper *k, char out[KEEPER_NAME]);

/* The turn's prompt and answers / one new answer version / merge / pick / undo. Each ends with a sync:
 * 0 = saved. -1: the records wait (say "not saved"), the conversation goes on. */
int keeper_turn(keeper *k, const dialogue *d, const roster_options *seats, const struct turn *t,
                error *err);
int keeper_retry(keeper *k, const dialogue *d, const roster_options *seats, const struct turn *t,
                 const turn_answer *a, error *err);
int keeper_merge(keeper *k, const struct turn *t, const turn_merge *m, error *err);
int keeper_pick(keeper *k, const struct turn *t, error *err);
int keeper_undo(keeper *k, const struct turn *t, error *err);
/* What the session is called, as transcript_title() made it. ERROR_USAGE before the first record. */
int keeper_title(keeper *k, const char *title, error *err);
/* Something else worth a record: {"type":"setting","KEY":"VALUE"} (forgotten turns, /blind, ...). One
 * before the first prompt is written with it. */
int keeper_note(keeper *k, const char *key, const char *value, error *err);

/* Moves the turns of a history into a dialogue that has none: those that lead to its end, the others
 * as undone. Afterwards the history has none. */
int keeper_restore(history *h, dialogue *d, error *err);
/* What a turn from a file says that cannot hold for this model: token ids that are not in its vocabulary
 * are left out, a merge of an unknown method counts as failed. */
void keeper_fit(struct turn *t, engine *e);

#endif
