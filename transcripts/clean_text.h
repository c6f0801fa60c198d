/* clean_text.h - the door by which foreign text comes into a document.
 *
 * Behind it a text is well-formed UTF-8 whose only control characters are tab and newline, and in
 * which nothing reorders or hides its neighbours. What was taken away is shown as what it was.
 */
#ifndef TRANSCRIPTS_CLEAN_TEXT_H
#define TRANSCRIPTS_CLEAN_TEXT_H

#include "../engine/base/buf.h"

/* Appends text[n]: CR LF and CR become newlines; bytes that are no UTF-8, control characters and
 * those that reorder or hide text become visible (\x1b, \u{202e}). */
int clean_text(buf *out, const char *text, size_t n, error *err);
/* The same on one line: runs of blanks and newlines become one space. NULL adds nothing. */
int clean_line(buf *out, const char *text, error *err);

#endif
