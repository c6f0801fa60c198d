/* display_width.h - how many cells of a terminal a text takes.
 *
 * What a reader calls a character may be many code points: a letter with its accents, a flag, a
 * family joined by zero-width joiners. Text is therefore measured, cut and padded by grapheme cluster
 * (UAX #29, utf8proc), and never cut inside one. A cluster is as wide as its widest code point; an
 * emoji presentation selector, a flag and a joined emoji take two cells.
 *
 * Terminals disagree about the last kind. Who draws columns asks display_disputed() and says anew where
 * the next character goes, so that a terminal with another opinion breaks no column.
 *
 * Texts are well-formed UTF-8 without control bytes: they have passed safe_text.h.
 */
#ifndef REPL_DISPLAY_WIDTH_H
#define REPL_DISPLAY_WIDTH_H

#include <stdbool.h>

#include "../../engine/base/buf.h"

/* Bytes of the cluster that text[0..n) begins with, n > 0; *cells is what it takes, 0 to 2. A cluster
 * that ends where the text ends may go on in text that is still to come. No cluster is longer than
 * DISPLAY_CLUSTER bytes: a longer heap of accents is cut. */
enum { DISPLAY_CLUSTER = 128 };
size_t display_next_cluster(const char *text, size_t n, int *cells);

/* True for a cluster that terminals measure differently. */
bool display_disputed(const char *cluster, size_t n);

size_t display_width(const char *text, size_t n);

/* Bytes of the longest beginning of the text that takes at most `room` cells. */
size_t display_cut(const char *text, size_t n, size_t room);

/* Appends the text, with "..." (one cell where UTF-8 is read) for what does not fit into `room`.
 * *used = the cells it took; may be NULL. */
int display_fit(buf *out, const char *text, size_t n, size_t room, bool utf8, size_t *used,
                error *err);

/* Appends `count` times a short text. */
int display_repeat(buf *out, const char *text, size_t count, error *err);

#endif
