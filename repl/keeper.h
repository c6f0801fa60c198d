/* keeper.h - from a dialogue to its transcript, and back.
 *
 * The keeper turns what happened into records: the settings in force before the first prompt and
 * whenever they changed, each prompt, answer, merge, pick and undo, as soon as the phase is over. The
 * other way it restores a dialogue from a history, so that a resumed session goes on where it ended.
 * `ask`, the conversation and `transcripts replay` all go through here: there is one record of what a
 * turn was.
 */
#ifndef REPL_KEEPER_H
#define REPL_KEEPER_H

#include "../personas/dialogue.h"
#include "../transcripts/history.h"
#include "../transcripts/transcript.h"

typedef struct keeper keeper;

/* What a transcript says about how its passes came about: enough to seat them again. Owns. */
typedef struct keeper_setting keeper_setting;

/* Nothing is made on the disk before the first prompt: an empty conversation leaves no file. id: as
 * transcript_create. Caller owns. */
keeper *keeper_new(const char *folder, const char *id, error *err);
/* Goes on with an existing transcript; *h is what it holds (caller closes it). */
keeper *keeper_resume(const char *folder, const char *prefix, history **h,
                      transcript_repair *repair, error *err);
void keeper_close(keeper *k);           /* NULL ok */
const char *keeper_id(const keeper *k); /* NULL before the first record */

/* The turn's prompt and answers / one new answer version / merge / pick / undo. Each ends with a sync:
 * 0 = saved. -1: the records wait (say "not saved"), the conversation goes on. */
int keeper_turn(keeper *k, const dialogue *d, const roster_options *seats, const dialogue_turn *t,
                error *err);
int keeper_retry(keeper *k, const dialogue *d, const dialogue_turn *t, const kept_answer *a,
                 error *err);
int keeper_merge(keeper *k, const dialogue_turn *t, const kept_merge *m, error *err);
int keeper_pick(keeper *k, const dialogue_turn *t, error *err);
int keeper_undo(keeper *k, const dialogue_turn *t, error *err);
/* Something else worth a record: {"type":"setting","KEY":"VALUE"} (forgotten turns, /blind, ...). */
int keeper_note(keeper *k, const char *key, const char *value, error *err);

/* Puts the turns that lead to the end of a history into a dialogue. */
int keeper_restore(const history *h, dialogue *d, error *err);

#endif
