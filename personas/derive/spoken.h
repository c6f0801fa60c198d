/* spoken.h - what the plain model writes in a voice, to be read like what the voice said.
 *
 * Routing while a prompt is read does not foretell all of the routing of an answer (arXiv 2604.09780), so
 * whoever trusts a mask wants to know how far what the model writes calls the experts that it called in
 * reading. Left alone, it would say the same behind the same question whoever is asked; so it is
 * given the first words of an answer and goes on from there, greedily.
 *
 * One key idea saves a second way of counting: a token is routed alike whether it is written or read,
 * bit for bit, so what was written is kept as samples and read with the rest, into blocks of its
 * own. Work is bounded by tokens and not by time, because the same lessons must give the same
 * report: at most SPOKEN_ANSWERS * SPOKEN_TOKENS a voice.
 */
#ifndef PERSONAS_SPOKEN_H
#define PERSONAS_SPOKEN_H

#include "../measure/measure.h"

enum {
    SPOKEN_ANSWERS = 16, /* begun and gone on with, evenly spread */
    SPOKEN_TOKENS = 32,  /* written in each, at most */
    SPOKEN_FIRST = 8,    /* tokens of the answer that are given, or half of a short one */
};

typedef struct spoken {
    measure_samples samples; /* predicted: what was written */
    size_t *of;              /* [samples.len]: the sample that it goes on from */
} spoken;

/* Fills *s, which is empty, from the answers among the samples; windows of texts have no beginning
 * and are passed over. ERROR_CANCELLED. */
int spoken_make(spoken *s, engine *e, const measure_samples *from, error *err);
void spoken_release(spoken *s); /* {0} ok */

#endif
