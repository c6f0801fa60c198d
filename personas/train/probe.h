/* probe.h - greedy answers of a candidate through the engine that will run it, and what they are worth.
 *
 * The questions of lessons that are held out are put to the candidate as `ask` would put them, and all
 * are answered at once, each in a session of its own, by the likeliest token. An answer
 *
 *     ended    by itself, within the longest lesson's length and a third more,
 *     looped   by loop.h's rule, or says the same eight words three times,
 *     likeness by voice.h, against the plain model's answers to such questions.
 *
 * The voice of a candidate is the mean over its answers of the likeness of those that end and do not
 * loop; the others count 0. Everything is greedy, so the same candidate has the same voice.
 */
#ifndef PERSONAS_PROBE_H
#define PERSONAS_PROBE_H

#include "samples.h"

enum { PROBE_ANSWERS = 8, PROBE_CONTROLS = 16, PROBE_TOKENS = 256 };

typedef struct probe probe;

typedef struct probe_figures {
    double voice; /* [0, 1] */
    int answers, ended, looped;
    char sample[160]; /* how one of the answers begins, for people; one line */
} probe_figures;

/* Answers questions by the plain model and settles the marks of the voice. l: the lessons that s was
 * made of. *out = NULL and 0 when no lesson is held out: nothing can be asked. Caller owns. */
int probe_open(engine *e, const samples *s, const lessons *l, probe **out, error *err);
void probe_close(probe *p); /* NULL ok */
/* The i-th question with the plain model's answer to it, ids [*n], which begins at *from; NULL behind the
 * last. Borrowed. */
const int *probe_control(const probe *p, int i, int *n, int *from);
/* Of a program of the engine. ERROR_CANCELLED. */
int probe_ask(probe *p, const router_program *program, probe_figures *out, error *err);

#endif
