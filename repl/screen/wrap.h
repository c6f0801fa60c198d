/* wrap.h - words into rows of a given width, as they come.
 *
 * Grapheme clusters and blanks go in one by one; a row comes out as soon as the next one begins,
 * never to change again. All that is held is the row being filled and the word that may still move to
 * the next one, so the cost of a text is linear however it is cut, and a copy of the state is cheap:
 * the rows that a text would have if it ended now are made with a copy that is thrown away.
 *
 * Each row knows the place in the source where it begins, so that the rows behind any row can be made
 * anew at another width.
 *
 * Row text holds SGR sequences of our own and stands for itself: it begins plain and ends plain.
 * Behind a cluster that terminals measure differently stands WRAP_ANCHOR and two characters, how many
 * cells into the row the next one belongs (wrap_anchor_cells()).
 */
#ifndef REPL_WRAP_H
#define REPL_WRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "../../engine/base/buf.h"

/* Attributes of a cluster, as SGR has them; bits. */
enum {
    ATTRIBUTE_BOLD = 1,
    ATTRIBUTE_ITALIC = 2,
    ATTRIBUTE_CODE = 4,
    ATTRIBUTE_DIM = 8,
    ATTRIBUTE_FAULT = 16,
};

/* A byte that no harmless text holds. */
#define WRAP_ANCHOR '\001'

/* A place in the source: a byte offset, and what its reader must know to go on from there. */
enum { WRAP_READER = 32 };
typedef struct wrap_place {
    size_t offset;
    unsigned char reader[WRAP_READER];
} wrap_place;

typedef struct wrap_row {
    wrap_place place;
    char *text; /* owned */
    size_t len, cells;
} wrap_row;

/* {0} is valid and empty. */
typedef struct wrap_rows {
    wrap_row *v;
    size_t count, cap;
} wrap_rows;

typedef struct wrap {
    size_t width, hang; /* hang: cells that the further rows of a line are moved right */
    const char *mark;   /* shown before them instead of blanks (one cell), or NULL */
    unsigned mark_attributes;
    buf row, word;
    size_t row_cells, word_cells, blanks;
    unsigned row_attributes, word_first, word_attributes;
    bool row_open, filled; /* a row was begun; it holds more than its indent */
    wrap_place row_place, word_place;
    wrap_rows *out; /* borrowed */
} wrap;

/* Begins at the start of a line, or in the middle of one. Storage is kept. width > 0. */
void wrap_begin(wrap *w, size_t width, wrap_rows *out);
void wrap_release(wrap *w);
/* Makes *to go on as *from would, into other rows. */
int wrap_copy(wrap *to, const wrap *from, wrap_rows *out, error *err);

/* One cluster. Wide ones may be parted from their neighbours, others only at blanks and breaks. */
int wrap_put(wrap *w, const char *cluster, size_t n, size_t cells, unsigned attributes,
             wrap_place at, error *err);
/* A blank; those at the end of a full row vanish. */
int wrap_blank(wrap *w, wrap_place at, error *err);
/* What comes may stand in the next row. */
int wrap_break(wrap *w, error *err);
/* The row ends here, empty or not; hang and mark are forgotten. */
int wrap_line(wrap *w, wrap_place at, error *err);
/* No more text: the row that was begun, if any, is the last. */
int wrap_end(wrap *w, error *err);
/* Begins in the middle of a line: with its hang. */
int wrap_resume(wrap *w, wrap_place at, error *err);

/* Where the text begins that is in no row yet; `next` when there is none. */
wrap_place wrap_unfinished(const wrap *w, wrap_place next);

/* The two characters behind WRAP_ANCHOR as a number. */
size_t wrap_anchor_cells(const char *two);

void wrap_rows_drop(wrap_rows *r, size_t count); /* the first ones */
void wrap_rows_release(wrap_rows *r);

#endif
