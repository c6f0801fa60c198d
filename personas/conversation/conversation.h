/* conversation.h - a conversation with a council, and its record: asked, joined, picked, taken
 * back.
 *
 * The key idea: what is said (dialogue.h) and what is written down about it are one thing. Each
 * call here does one thing to the turns and records what came of it before it returns, so no
 * caller can forget to save, nor save something else than what happened. Saving never stands in
 * the way of an answer: a record that cannot be written waits in memory and goes out with the next
 * one; conversation_unsaved() says why it waits.
 *
 * Its life: conversation_new() or conversation_resume() opens the record, for which no model is
 * needed, so that a caller may look what the past was run under (conversation_setting) and open
 * the same model; conversation_load() gives it a model and who speaks, and may give it another one
 * later, to which the turns move; then it is asked. conversation_fork() goes on in another record
 * with the same past.
 *
 * It knows no terminal, no options and no files but its record: what is wanted comes as plain
 * structs, what happens is told by events while it happens (dialogue_events). The turns are
 * read from the dialogue; nobody else changes them. One that interrupts sets the engine's
 * cancel flag.
 */
#ifndef PERSONAS_CONVERSATION_H
#define PERSONAS_CONVERSATION_H

#include "../../transcripts/history.h"
#include "../../transcripts/transcript.h"
#include "record_setting.h"

typedef struct conversation conversation;

/* A new one in a folder of transcripts; NULL = nothing is kept. id: its name, or NULL to draw
 * one; it is not looked for, and no file is made before the first question. ERROR_USAGE for
 * what is no name. */
conversation *conversation_new(const char *folder, const char *id, error *err);
/* The one whose id begins with `prefix`. keep: go on in its record; else it is only read.
 * ERROR_USAGE when there is none, or several; ERROR_RUN while another process writes it. */
conversation *conversation_resume(const char *folder, const char *prefix, bool keep, error *err);
void conversation_close(conversation *c); /* NULL ok */

/* What was resumed: its id, settings and damage; the turns are here until conversation_load()
 * takes them. NULL when new. Borrowed. */
const history *conversation_past(const conversation *c);
/* What was mended when it was opened to go on; all zero otherwise. */
const transcript_repair *conversation_repair(const conversation *c);
/* What the past ran under at its end: 1 and *out filled (release it; its texts are the past's),
 * 0 when it says nothing, -1 when that cannot be read (ERROR_LOAD naming the field). */
int conversation_setting(const conversation *c, record_setting *out, error *err);

/* A model, and who speaks: the turns there are so far go on there. The lists of `seats` stay
 * the caller's and must outlive the next conversation_load() or _seat(). On error what was
 * loaded before stays; a past that met no memory on its way in may have lost turns. */
int conversation_load(conversation *c, engine *e, const dialogue_options *o,
                      const roster_options *seats, roster_note *note, void *user, error *err);
/* Others speak from now on: dialogue_seat(). */
int conversation_seat(conversation *c, const roster_options *seats, roster_note *note, void *user,
                      error *err);
/* The turns, the roster, and what may change between turns (dialogue_settings). NULL before it
 * is loaded. */
dialogue *conversation_dialogue(const conversation *c);

/* As dialogue_ask, _retry, _continue, _merge, _pick and _undo, and recorded. instead: the
 * question takes the place of the last turn, which is taken back unless nothing comes of it. A
 * turn that was given up before anybody spoke is not recorded. */
int conversation_ask(conversation *c, const char *prompt, size_t len, const char *only,
                     bool instead, const dialogue_events *events, error *err);
int conversation_retry(conversation *c, const char *name, uint64_t seed,
                       const dialogue_events *events, error *err);
int conversation_continue(conversation *c, const char *name, int more,
                          const dialogue_events *events, error *err);
int conversation_merge(conversation *c, const merge_options *options, const char *const *of,
                       int count, const char *by, const dialogue_events *events, error *err);
int conversation_pick(conversation *c, const char *name, error *err);
int conversation_undo(conversation *c, error *err);

/* Whether there is a record at all. */
bool conversation_keeps(const conversation *c);
/* Why records wait for the disk; NULL when all is there. */
const error *conversation_unsaved(const conversation *c);
const char *conversation_id(const conversation *c); /* NULL before the first record */
/* What to call it in "saved 3f9a": the beginning of a drawn name that no other has, at least 4
 * characters; a name that was given in full. "" before the first record. */
enum { CONVERSATION_NAME = 72 };
void conversation_short_name(const conversation *c, char out[CONVERSATION_NAME]);
/* What lists and exports call it, as transcript_title() made it. ERROR_USAGE when nothing is
 * recorded. */
int conversation_title(conversation *c, const char *title, error *err);
/* Something that the record should say ("blind": "on"). */
void conversation_note(conversation *c, const char *key, const char *value);
/* From here on in a record of its own that begins with the same past; this one stays as it is. */
int conversation_fork(conversation *c, error *err);
/* What was said so far, but for undone turns, as a transcript of its own. */
int conversation_copy(const conversation *c, const char *folder, const char *id, error *err);

/* What a turn from a file says that cannot hold for this model: token ids that are not in its
 * vocabulary are left out, a merge of an unknown method counts as failed. */
void conversation_fit(struct turn *t, engine *e);

#endif
