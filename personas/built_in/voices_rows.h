/* voices_rows.h - the joined router's rows, in closed form.
 *
 * Each persona's experts were trained under a mask that keeps them, so a vector added to all rows of a
 * persona changes neither its choice nor its gates: all its logits move alike. That freedom settles
 * two things when the personas stand in one router:
 *
 *   - who wins among the personas where the general experts are banned. A ridge regression (ridge.h)
 *     tells from a router's input whose answer is being written; its directions are added to the rows.
 *   - that the general experts win wherever nothing is banned. A direction g with g.x near 1 for every
 *     token is fitted and scaled until even the least g.x exceeds every persona's logit; added to all
 *     of their rows it leaves the choice among them, and the plain model, what it was.
 *
 * Plain arithmetic in one order: same numbers in, same bytes out.
 */
#ifndef PERSONAS_VOICES_ROWS_H
#define PERSONAS_VOICES_ROWS_H

#include <stddef.h>

#include "../../engine/train/ridge.h"

/* One layer's router. */
typedef struct voices_router {
    int personas, experts; /* of each persona */
    int general, width;
    float *rows; /* [personas * experts + general, width] */
} voices_router;

/* Fills in the personas' rows: on entry they are as trained; each persona's mean is taken off, and its
 * direction of `tell` (one output a persona: target 1 where it speaks, 0 elsewhere, the mean taken
 * off) is added. ERROR_RUN as ridge_solve(). */
int voices_contrast(voices_router *r, const ridge *tell, error *err);

/* How far the general experts win over the personas on what was fitted. */
typedef struct voices_lead {
    float least, most; /* g.x */
    float high;        /* the largest logit of a persona */
    float gain;        /* what g was scaled by */
} voices_lead;

/* Adds the direction to the general experts' rows; x [n, width]: what the plain model's router reads,
 * weight [n]. */
int voices_general(voices_router *r, const float *x, const float *weight, int n, voices_lead *lead,
                   error *err);

#endif
