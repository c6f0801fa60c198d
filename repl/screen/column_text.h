/* column_text.h - one answer as rows of a column, while it grows.
 *
 * A column text is the chain safe_text -> light_markdown -> wrap with what it takes to change its mind about
 * the width: the harmless text is kept, and each row knows where in it it begins. Rows are of two
 * kinds: final ones, which no later byte can change, and the tail, what the rest would look like if
 * the text ended now. Rows that were shown for good leave it; a new width is for the rest.
 *
 * Thoughts are counted, not shown: one dim row stands for them.
 */
#ifndef REPL_COLUMN_TEXT_H
#define REPL_COLUMN_TEXT_H

#include "light_markdown.h"
#include "safe_text.h"

typedef struct column_text {
    light_style style;
    safe_text safe;
    buf text;    /* harmless, with lines of our own (light_markdown.h) */
    size_t read; /* of it; the rest is undecided */
    light_markdown md;
    wrap wrap, wrap_tail;
    wrap_rows rows, tail; /* final and not shown for good; the tail as of column_text_update() */
    size_t width;
    int thoughts;   /* tokens of a thought that goes on */
    bool begun;     /* something but blank lines came */
    bool behind_cr; /* a newline that comes next belongs to it */
    bool over;
} column_text;

void column_text_open(column_text *f, light_style style);
void column_text_release(column_text *f);

int column_text_add(column_text *f, const char *bytes, size_t n, error *err);
/* A token of a thought. */
int column_text_think(column_text *f, error *err);
/* The text is over; fault (may be NULL): a sentence on why, shown as its last line. */
int column_text_end(column_text *f, const char *fault, error *err);

/* Wraps all that is not shown for good at another width. */
int column_text_set_width(column_text *f, size_t width, error *err);
/* Makes final rows of what can be, and the tail of the rest. */
int column_text_update(column_text *f, error *err);

/* Row i of final rows and tail together. */
size_t column_text_rows(const column_text *f);
const wrap_row *column_text_row(const column_text *f, size_t i); /* NULL behind the last */
void column_text_shown(column_text *f, size_t rows);             /* final ones, for good */

#endif
