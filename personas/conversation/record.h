/* record.h - the transcript that a conversation writes: what happened, phase by phase.
 *
 * Before the first prompt and whenever they changed the settings are written, then each prompt,
 * answer, merge, pick and undo as soon as the phase is over. Each call writes all that belongs
 * to its phase and ends with a sync: 0 = saved; -1: the records wait in memory and go out with
 * the next that can be written. Nothing is made on the disk before the first prompt: an empty
 * conversation leaves no file. Behind conversation.h, which is the only one to call it.
 */
#ifndef PERSONAS_RECORD_H
#define PERSONAS_RECORD_H

#include "../../transcripts/history.h"
#include "../../transcripts/transcript.h"
#include "record_setting.h"

typedef struct record record;

/* id: as transcript_create. Caller owns. */
record *record_new(const char *folder, const char *id, error *err);
/* Goes on with an existing transcript; *h is what it holds (caller closes it). */
record *record_resume(const char *folder, const char *prefix, history **h,
                      transcript_repair *repair, error *err);
/* A new one with the same past, in which this one's records stand as they are; a note "forked"
 * says where they come from and ends them. */
record *record_fork(record *r, error *err);
void record_close(record *r);           /* NULL ok */
const char *record_id(const record *r); /* NULL before the first record */
/* What to call it in "saved 3f9a": the beginning of a drawn name that no other has, at least 4
 * characters; a name that was given in full. "" before the first record. */
enum { RECORD_NAME = 72 };
void record_short_name(const record *r, char out[RECORD_NAME]);

/* The turn's prompt and answers; their numbers are set. parent: the record of the prompt
 * before. */
int record_turn(record *r, const dialogue *d, const roster_options *seats, struct turn *t,
                int parent, error *err);
/* The versions of answers from index `from` on. */
int record_answers(record *r, const dialogue *d, const roster_options *seats, struct turn *t,
                   int from, error *err);
/* Of a turn that is recorded: merge i / its pick / that it was taken back. */
int record_merge(record *r, struct turn *t, int i, error *err);
int record_pick(record *r, const struct turn *t, error *err);
int record_undo(record *r, const struct turn *t, error *err);
/* What the conversation is called, as transcript_title() made it. ERROR_USAGE before the first
 * record. */
int record_title(record *r, const char *title, error *err);
/* Something else worth a record: {"type":"setting","KEY":"VALUE"} ("forgot", "blind"). One
 * before the first prompt is written with it. */
int record_note(record *r, const char *key, const char *value, error *err);

#endif
