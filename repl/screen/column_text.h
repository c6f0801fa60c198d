/* column_text.h - one answer as rows of a column, while it grows.
 *
 * A flow is the chain safe_text -> light_markdown -> wrap with what it takes to change its mind about
 * the width: the harmless text is kept, and each row knows where in it it begins. Rows are of two
 * kinds: settled ones, which no later byte can change, and the tail, what the rest would look like if
 * the text ended now. Rows that were shown for good leave the flow; a new width is for the rest.
 *
 * Thoughts are counted, not shown: one dim row stands for them.
 */
#ifndef REPL_COLUMN_TEXT_H
#define REPL_COLUMN_TEXT_H

#include "light_markdown.h"
#include "safe_text.h"

typedef struct flow {
    light_style style;
    safe_text safe;
    buf text;    /* harmless, with lines of our own (light_markdown.h) */
    size_t read; /* of it; the rest is undecided */
    light_markdown md;
    wrap wrap, wrap_tail;
    wrap_rows rows, tail; /* settled and not shown for good; the tail as of flow_update() */
    size_t width;
    int thoughts; /* tokens of a thought that goes on */
    bool begun;   /* something but blank lines came */
    bool over;
} flow;

void flow_open(flow *f, light_style style);
void flow_release(flow *f);

int flow_add(flow *f, const char *bytes, size_t n, error *err);
/* A token of a thought. */
int flow_think(flow *f, error *err);
/* The text is over; fault (may be NULL): a sentence on why, shown as its last line. */
int flow_end(flow *f, const char *fault, error *err);

/* Wraps all that is not shown for good at another width. */
int flow_set_width(flow *f, size_t width, error *err);
/* Settles what can be settled and makes the tail. */
int flow_update(flow *f, error *err);

/* Row i of settled rows and tail together. */
size_t flow_rows(const flow *f);
const wrap_row *flow_row(const flow *f, size_t i); /* NULL behind the last */
void flow_shown(flow *f, size_t rows);             /* settled ones, for good */

#endif
