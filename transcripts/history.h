/* history.h - what a transcript says, read back: turns (turn.h) and the settings they ran under.
 *
 * Reading never fails because of one bad line: a line that is no record is counted and skipped, and
 * what belongs to it is shown as missing. The same holds for one field: a number outside of its
 * range, a word that is none of those that can be, or a value of another type counts as damage and
 * is read as if it were absent, so that whoever goes on from a history need not look again. Fields
 * that this version does not know are kept out of the way. Memory belongs to the history, and of
 * each turn to the turn; texts are NUL-terminated. One that held U+0000, which JSON readers refuse,
 * was written with U+FFFD in its place and its bytes in "exact" (base64); here `v` and `len` are the
 * bytes.
 */
#ifndef TRANSCRIPTS_HISTORY_H
#define TRANSCRIPTS_HISTORY_H

#include "../engine/base/json.h"
#include "records.h"
#include "turn.h"

typedef struct history {
    const char *id, *created, *version, *isa;
    transcript_model model;
    const char *title;  /* that it was given, or NULL */
    struct turn *turns; /* in order of time, undone ones too */
    int turn_count;
    const json **settings; /* the "setting" records that have seats, in order of time */
    int setting_count;     /* the last one is current at the end */
    int copied;    /* records up to this one stand in the session that this was forked from, too */
    int last_turn; /* the highest number that was used */
    size_t records, damaged, first_damaged; /* lines, also those with a field that cannot be */
    size_t torn;                            /* bytes of an unfinished last line */
    struct history_memory *memory;
} history;

/* A record of its own: a fork's copied past counts, and is found, where it happened. */
static inline bool history_own(const history *h, int n)
{
    return !h->copied || n > h->copied;
}

/* The whole file. ERROR_LOAD when there is no header to go by. Caller owns. */
history *history_load(const char *path, error *err);
void history_close(history *h); /* NULL ok */

/* The "setting" record that turn.setting and turn_answer.setting number, from 1; NULL for 0. */
const json *history_setting(const history *h, int setting);
/* Turns that lead to the last one that is not undone, oldest first: what a resumed session goes on
 * from. Caller frees *path. */
int history_path(const history *h, const struct turn ***path, size_t *count, error *err);

/* The title that it was given, else the first line of the first prompt that was not undone, clean, at
 * most HISTORY_TITLE characters. */
enum { HISTORY_TITLE = 120 };
int history_title(const history *h, buf *out, error *err);

#endif
