/* export_text.h - what all readable exports say in the same words. Private to the exports.
 *
 * export_clean() is the door that foreign text comes in by: behind it a text is well-formed UTF-8
 * whose only control characters are tab and newline.
 */
#ifndef TRANSCRIPTS_EXPORT_TEXT_H
#define TRANSCRIPTS_EXPORT_TEXT_H

#include "../../engine/base/buf.h"
#include "../history.h"

/* Appends text[n]: CR LF and CR become newlines; bytes that are no UTF-8, control characters and
 * those that reorder or hide text become visible (\x1b, \u{202e}). */
int export_clean(buf *out, const char *text, size_t n, error *err);
/* The same on one line: runs of blanks and newlines become one space. NULL adds nothing. */
int export_clean_line(buf *out, const char *text, error *err);

/* The title that it was given, else the first line of the first prompt that was not undone, clean, at
 * most EXPORT_TITLE characters. */
enum { EXPORT_TITLE = 120 };
int export_title(const history *h, buf *out, error *err);

/* "2026-11-22 11:31 UTC"; nothing for a time of 0. */
int export_date(buf *out, double seconds, error *err);
/* "48 tokens, 39.1 tokens/s, 1.2 s, seed 7, interrupted". */
int export_figures(buf *out, const turn_answer *a, error *err);
/* "vote: critic 0.41, coder 0.33 (nearly a tie), 3.2 s". Names are clean. */
int export_merge_line(buf *out, const turn_merge *m, error *err);
/* How turn h->turns[turn] was asked, where that does not go without saying: "Only coder was asked.
 * Turns before 3 were not remembered. " */
int export_memory_line(buf *out, const history *h, int turn, error *err);

/* Answers keep their columns when they are given anew: the current one whose first version is the i-th
 * of the turn; NULL when that is a later version. */
const turn_answer *export_column(const struct turn *t, int i);
/* The current merge, or NULL. */
const turn_merge *export_merge(const struct turn *t);
/* How many turns were undone. */
int export_undone(const history *h);
/* What is wrong with the file, as one sentence; nothing when nothing is. */
int export_damage(buf *out, const history *h, error *err);

#endif
