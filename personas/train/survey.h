/* survey.h - what the lessons call: how often each expert, and whether anything comes out of it.
 *
 * The plain model reads the samples that are learned, SURVEY_TOKENS of them at the most. A layer in
 * which all that is called has an output of nil is a pool layer: it was trained so that a persona's mask
 * keeps a few experts out of many, and the plain model calls empty ones. There new experts may begin as
 * nothing. Everywhere else the most called experts are what a persona's own are copied from.
 *
 * In pool layers the plain choice says nothing about the experts that hold something, so the survey goes on
 * with the empty ones banned until it has met others.
 */
#ifndef PERSONAS_SURVEY_H
#define PERSONAS_SURVEY_H

#include "samples.h"

enum { SURVEY_TOKENS = 2048 };

typedef struct survey {
    int layers, experts;
    uint8_t *pool;  /* [layers] 1 = a pool layer */
    uint8_t *empty; /* [layers, experts] 1 = called, and nothing came out */
    double *calls;  /* [layers, experts] of experts that are not empty: in pool layers with the
                       empty ones banned */
} survey;

/* Caller releases with survey_release, on failure too. */
int survey_read(survey *out, engine *e, const samples *s, progress_fn *progress, void *user,
                error *err);
void survey_release(survey *v); /* {0} ok */
/* The n most called of a layer, that are not empty, ascending by number; fewer when there are not so
 * many. Returns how many. */
int survey_most_called(const survey *v, int layer, int n, int *out);
/* The first n of a pool layer that are known to be empty, in the same way. */
int survey_empty(const survey *v, int layer, int n, int *out);

#endif
