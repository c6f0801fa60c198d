/* voices_plain.h - what the plain model's routers read of neutral texts and of some lessons.
 *
 * Kept whole, layer by layer: the cut of the dense block (voices_slices.h) and the fit of the general
 * experts (voices_rows.h) look at it several times. A text's first token is one of a kind (attention
 * rests on it), so it has a weight of its own.
 */
#ifndef PERSONAS_VOICES_PLAIN_H
#define PERSONAS_VOICES_PLAIN_H

#include "../measure/measure.h"
#include "voices.h"

typedef struct voices_plain {
    float *x[VOICES_LAYERS]; /* [n, VOICES_WIDTH] each */
    float *weight;           /* [n] */
    int n;
} voices_plain;

/* Appends the first `count` lessons that persona i learns. */
int voices_lessons(measure_samples *s, const engine *e, int i, size_t count, error *err);

/* `neutral`: a file of texts with "--------" lines between; the first `count` lessons of
 * each persona comes behind. Caller releases, on failure too. */
int voices_plain_read(voices_plain *out, engine *e, const char *neutral, size_t count,
                      voices_listener *listener, void *user, error *err);
void voices_plain_release(voices_plain *v); /* {0} ok */

#endif
