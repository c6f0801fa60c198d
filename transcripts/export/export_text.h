/* export_text.h - what all readable exports say in the same words, and `show` with them.
 *
 * Foreign text comes in by clean_text() (clean_text.h) alone.
 */
#ifndef TRANSCRIPTS_EXPORT_TEXT_H
#define TRANSCRIPTS_EXPORT_TEXT_H

#include "../../engine/base/buf.h"
#include "../clean_text.h"
#include "../history.h"

/* "2026-11-22 11:31 UTC"; nothing for a time of 0. */
int export_date(buf *out, double seconds, error *err);
/* "48 tokens, 39.1 tokens/s, 1.2 s, seed 7, interrupted". */
int export_figures(buf *out, const turn_answer *a, error *err);
/* "vote: critic 0.41, coder 0.33 (nearly a tie), 3.2 s". Names are clean. */
int export_merge_line(buf *out, const turn_merge *m, error *err);
/* How turn h->turns[turn] was asked, where that does not go without saying: "Only coder was asked.
 * Turns before 3 were not remembered. " */
int export_memory_line(buf *out, const history *h, int turn, error *err);

/* Answers keep their columns when they are given anew: the current one whose first version is
 * the i-th of the turn; NULL when that is a later version. */
const turn_answer *export_column(const struct turn *t, int i);
/* How many turns were undone. */
int export_undone(const history *h);
/* What is wrong with the file, as one sentence; nothing when nothing is. */
int export_damage(buf *out, const history *h, error *err);

#endif
