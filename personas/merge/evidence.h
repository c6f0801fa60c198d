/* evidence.h - what a merge stands on, in plain words, and whether the answers agree at all.
 *
 * A share of 0.52 and a lead of 0.27 look like knowledge. So the line of a merge says what kind of
 * evidence is behind it, and where the answers disagree in substance it says that instead of a
 * ratio: when their counted answers differ (counted.h), or when what they share (agreement.h, the
 * mean over all pairs) is below EVIDENCE_LITTLE, which was set by hand on councils of the built-in. Answers of fewer than EVIDENCE_WORDS content words are too short to tell.
 */
#ifndef PERSONAS_EVIDENCE_H
#define PERSONAS_EVIDENCE_H

#include "../../engine/base/buf.h"
#include "../../transcripts/turn.h"

#define EVIDENCE_LITTLE 0.065
enum { EVIDENCE_WORDS = 6 };

/* "picked by fit to the question", or what else a vote's marks rest on, with the figures that are known;
 * of an older record "picked as likeliest by the others"; of other merges how often they are right; nothing
 * where nothing is known. between: what stands before it, where there is something. */
int evidence_kind(const turn_merge *m, const char *between, buf *out, error *err);

/* "the answers disagree: coder says 7, critic says 9", or "the answers share little: read each"; nothing
 * where they agree or it cannot be told. called: [passes] how to call each. */
int evidence_dissent(const struct turn *t, const turn_merge *m, const char *const *called, buf *out,
                     error *err);

#endif
