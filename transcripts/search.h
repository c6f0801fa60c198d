/* search.h - an index over all transcripts: what they are, and the words in them.
 *
 * The JSONL files are the record; the index is a cache that may be deleted at any time. It lies in
 * $XDG_CACHE_HOME/consilium/transcripts.sqlite and not beside the transcripts, so that a copy of
 * those holds nothing that can be made again. Opening compares size, time and inode of every file
 * with what was read, and reads only what changed; an index that is missing, damaged or of another
 * version is made anew. Where none can be kept (no home, a full disk), it is made in memory for
 * this one time.
 *
 * One process at a time has the index open: a lock file stands beside it, waited for INDEX_WAIT
 * seconds. So a damaged one can be replaced without anybody reading the old one, and SQLite's own
 * locks are never contended. Keep it open only as long as one question takes.
 *
 * Words are matched by FTS5 (unicode61: letters without their diacritics, no case), those of scripts
 * that write no spaces wherever their characters stand in a row (search_tokenizer.c); the
 * user's words are always quoted, so nothing in them is an operator.
 */
#ifndef TRANSCRIPTS_SEARCH_H
#define TRANSCRIPTS_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../kernels/error.h"

typedef struct search search;

/* What opening found to do. */
typedef struct search_report {
    size_t files, read, gone; /* transcripts; read anew; rows of files that are no more */
    bool rebuilt;             /* because it was missing, damaged or of another version */
    error kept;               /* why it is in memory only; code ERROR_NONE when it is not */
} search_report;

/* place: the folder of the transcripts; may not exist. path: of the index, NULL = the usual
 * place. *report may be NULL. Caller owns. */
search *search_open(const char *place, const char *path, search_report *report, error *err);
void search_close(search *s); /* NULL ok */
/* $XDG_CACHE_HOME/consilium/transcripts.sqlite. ERROR_RUN without a place. Caller frees *path. */
int search_path(char **path, error *err);

/* One transcript, as lists show it. Owns its texts. */
typedef struct search_session {
    char *id, *title, *model; /* title: given, or the first line of the first prompt; may be "" */
    char *problem;            /* why it could not be read, or NULL */
    double created, changed;  /* seconds since 1970; created 0 = unknown */
    int64_t bytes, turns, answers, damaged, torn; /* torn: bytes */
} search_session;
typedef struct search_sessions {
    search_session *v; /* what was changed last comes first */
    size_t len, cap;
} search_sessions;
int search_list(search *s, search_sessions *out, error *err);
void search_sessions_release(search_sessions *l);

/* Around each match in a snippet; texts hold neither. */
#define SEARCH_BEGIN '\x02'
#define SEARCH_END   '\x03'

typedef struct search_hit {
    char *id, *who, *snippet; /* who: "prompt", a persona or "merge"; snippet: one line */
    int turn;
    double time; /* of the turn */
    bool undone;
} search_hit;
typedef struct search_hits {
    search_hit *v; /* best first; of equals the newest */
    size_t len, cap;
    size_t total; /* how many there are; len may be less */
} search_hits;

/* What holds all the words: a word is one, "several in quotes" are a phrase, a * at the end stands
 * for any ending. At most `most` are returned. ERROR_USAGE when there is no letter or digit in the
 * words. */
int search_find(search *s, const char *const *words, size_t count, size_t most, search_hits *out,
                error *err);
void search_hits_release(search_hits *h);

#endif
