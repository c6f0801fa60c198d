/* search_index.h - the database behind search.h. Private to search*.c.
 *
 * files: one row a transcript, with what it looked like when it was read. passages: one row a text,
 * its id is the rowid of the same text in the FTS5 table `texts`. Rows of several folders can be
 * in one index; every question names its folder. All changes of one opening are one transaction.
 */
#ifndef TRANSCRIPTS_SEARCH_INDEX_H
#define TRANSCRIPTS_SEARCH_INDEX_H

#include <sqlite3.h>

#include "search.h"

struct search {
    sqlite3 *db;
    char *path;   /* NULL: in memory */
    char *folder; /* of the transcripts, resolved */
    int lock;     /* of the lock file, or -1 */
    bool damaged; /* SQLite met something that cannot be */
};

/* ERROR_RUN with SQLite's words; remembers when the index is damaged. Returns -1. */
int search_failed(search *s, const char *what, error *err);
/* NULL on failure. The caller finalizes. */
sqlite3_stmt *search_prepare(search *s, const char *sql, error *err);
/* 1 = there is a row, 0 = no more, -1. */
int search_step(search *s, sqlite3_stmt *q, error *err);
/* Runs statements that return nothing. */
int search_run(search *s, const char *sql, error *err);

/* The tokenizer "words" for this connection: search_tokenizer.c. */
int search_tokenizer(search *s, error *err);
/* Brings the rows of s->folder up to date. */
int search_refresh(search *s, search_report *report, error *err);

/* Throws a damaged index away and builds it again, as search_open did. */
int search_rebuild(search *s, error *err);

#endif
