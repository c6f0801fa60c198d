/* transcript.h - the file of one conversation, written so that what was reported saved is there.
 *
 * One JSON object a line. The first line is the header, every further one a record; records are
 * appended, never changed, so a session is what its file says from top to bottom. A record is put
 * together in memory and written by one write(); transcript_sync() flushes a finished phase to the
 * disk, and only then may the caller say "saved".
 *
 * When a write fails (a full disk, a lost mount) what got in is cut off again, the record waits in
 * memory, and the error is told; the next append or sync tries again, in order. A crash can only
 * tear the last line: opening cuts a torn or NUL-filled tail off, keeps it beside the file
 * (ID.jsonl.torn-1, ...) and says so. Damage inside the file is counted and left where it is.
 *
 * The file is locked while it is open (flock): a second writer is refused, readers never are.
 * Mode 0600, never a link. A file that was removed, cut short or written to by somebody else
 * while it was open takes nothing more. The fields of the records are written down in records.h.
 * This module knows no tensors and no terminal.
 */
#ifndef TRANSCRIPTS_TRANSCRIPT_H
#define TRANSCRIPTS_TRANSCRIPT_H

#include "../engine/base/buf.h"
#include "records.h"

typedef struct transcript transcript;

/* What opening an existing file met. */
typedef struct transcript_repair {
    size_t torn;          /* bytes cut off the end */
    char *kept;           /* where they lie now, or NULL; owned, see transcript_repair_release */
    size_t damaged;       /* lines inside the file that are no records */
    size_t first_damaged; /* the first one's line number, from 1 */
} transcript_repair;
void transcript_repair_release(transcript_repair *r);

/* $XDG_DATA_HOME/consilium/transcripts; nothing is made. Caller frees *path. */
int transcript_folder(char **path, error *err);

/* A transcript that is to be: nothing is made on the disk before its first record, and when that
 * fails (a full disk) making it is tried again with every later one. id: the name to take, or NULL
 * for a random one of 8 hex digits. ERROR_USAGE for a name that cannot be one. Caller owns. */
transcript *transcript_prepare(const char *place, const char *id, const transcript_model *model,
                               const char *version, const char *isa, error *err);
/* The same, made at once: a new file in `place` (made when missing, 0700), on the disk with its
 * header or not there at all. ERROR_RUN when it exists or cannot be made. Caller owns. */
transcript *transcript_create(const char *place, const char *id, const transcript_model *model,
                              const char *version, const char *isa, error *err);
/* An existing one, to go on writing. ERROR_RUN naming the other process when it is locked;
 * ERROR_LOAD when the header is no header. *repair is filled (may be NULL). */
transcript *transcript_open(const char *place, const char *id, transcript_repair *repair,
                            error *err);
/* A new transcript with the records of another, line by line as they stand in its file (all of them
 * must be saved). id: as transcript_prepare. Caller owns. */
transcript *transcript_fork(transcript *from, const char *id, error *err);
/* Tries to write what waits, flushes, unlocks. NULL ok. */
void transcript_close(transcript *t);

const char *transcript_id(const transcript *t);   /* NULL while it has no file and no name */
const char *transcript_path(const transcript *t); /* the same */
size_t transcript_pending(const transcript *t);   /* records that are not in the file yet */

/* Begins a record: {"type":TYPE,"n":N,"turn":TURN,"parent":PARENT,"time":SECONDS and the
 * caller adds members to the json_writer that is returned. n counts all records from 1. parent
 * is the n of the record that this one belongs to (an answer's prompt, a merge's prompt), 0 =
 * none. */
json_writer *transcript_begin(transcript *t, const char *type, int turn, int parent);
/* Ends it and writes it. Returns its n, or -1 with the error (the record waits; its n is kept). */
int transcript_end(transcript *t, error *err);
/* n of the record that transcript_end wrote last, also when that failed. */
int transcript_last(const transcript *t);
/* Flushes to the disk. 0 = everything that was ended is saved. A record for which there was no memory
 * is lost: told by the next sync. */
int transcript_sync(transcript *t, error *err);

/* ---- titles, and taking away (transcript_manage.c) ---------------------------------------------- */

enum { TRANSCRIPT_TITLE = 120 };
/* Appends a title as it is kept: one line, single blanks; nothing for "". ERROR_USAGE for one
 * that is no UTF-8, holds what cannot be seen, or has more than TRANSCRIPT_TITLE characters. */
int transcript_title(const char *text, buf *out, error *err);
/* Gives the session a title (as transcript_title() made it; "" = none of its own), on the disk. turn:
 * the last one's number. */
int transcript_rename(transcript *t, int turn, const char *title, error *err);
/* The session is no more, and what torn writes left beside it. ERROR_RUN when somebody is writing it;
 * then nothing is gone. */
int transcript_delete(const char *place, const char *id, error *err);

/* ---- finding them ------------------------------------------------------------------------------ */

bool transcript_name_ok(const char *id); /* [A-Za-z0-9_-]{1,64} */
/* Where its file lies. Caller frees; NULL without memory. */
char *transcript_file(const char *place, const char *id, error *err);
/* Whether there is a file of that name. */
bool transcript_exists(const char *place, const char *id);
/* Whether a document may be written to `path`: 0, or -1 (ERROR_RUN) when that is a transcript by its
 * content, through whatever link, or lies in the folder of transcripts. */
int transcript_check_overwrite(const char *path, error *err);
/* How many characters of id name it alone in the folder, at least 4 (or all of it). */
size_t transcript_prefix_length(const char *place, const char *id);

typedef struct transcript_entry {
    char *id, *path;
    double changed; /* seconds since 1970 */
} transcript_entry;
typedef struct transcript_list {
    transcript_entry *v; /* newest first */
    size_t len, cap;
} transcript_list;
int transcript_list_all(const char *place, transcript_list *out, error *err);
void transcript_list_release(transcript_list *l);
/* The id that `prefix` is the beginning of. ERROR_USAGE when there is none (with the nearest), or
 * several (with them). An exact name wins. Caller frees *id. */
int transcript_find(const char *place, const char *prefix, char **id, error *err);

#endif
