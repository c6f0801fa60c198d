/* fold.h - a text into lines of a terminal's width, broken at blanks.
 *
 * A terminal breaks a long line wherever its edge is: in a word, in a number, between a number and its
 * unit. What people read is broken here instead. A line goes on under its own indent, and two cells
 * further in when it has one or begins as an item of a list; in an indented line with columns, under
 * the last that leaves room. A word that no line can hold is left to the terminal, so that it can be
 * selected whole; wide characters may be parted from each other.
 *
 * Text comes in pieces and goes out as soon as it is decided: what is held is the word that may still
 * move, with the number before it. Texts are harmless (safe_text.h) and may hold SGR sequences of our
 * own, which take no cells.
 */
#ifndef REPL_FOLD_H
#define REPL_FOLD_H

#include <stdbool.h>

#include "../../engine/base/buf.h"

/* {.width = columns} is valid and at the start of a line; width 0 changes nothing. */
typedef struct fold {
    size_t width, column, hang;
    size_t blanks; /* before the word */
    buf word;      /* "45" and then "45 t/s" */
    size_t cells;  /* of it */
    size_t number; /* bytes of the number that it begins with and a blank follows, or 0 */
    size_t number_cells;
    bool filled; /* the line holds more than its indent */
} fold;

int fold_add(fold *f, const char *text, size_t n, buf *out, error *err);
/* The text is over: what is held goes out. Storage is released. */
int fold_end(fold *f, buf *out, error *err);

/* *text as a whole, in place. */
int fold_text(buf *text, size_t width, error *err);
/* The columns of the terminal that fd is; 0 when it is none. */
size_t fold_columns(int fd);

#endif
