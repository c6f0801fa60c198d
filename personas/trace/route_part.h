/* route_part.h - where two answers part, and what their routers did there.
 *
 * Two tracks that answer one question begin alike for `shared` tokens of their answers and then differ.
 * The token that differs was drawn from what the last common one was made into, so the difference
 * between the passes lies in the routes of that token (`at`, a token of each track): in each layer, how
 * far the sets of called experts are apart, and how far those that the routers wanted by themselves.
 * Sets that differ while the same was wanted are the masks' doing; where other experts were wanted, the
 * streams that the routers read differed already.
 *
 * A distance is 1 - |A and B| / |A or B| (Jaccard): 0 = the same experts, 1 = none in common.
 */
#ifndef PERSONAS_ROUTE_PART_H
#define PERSONAS_ROUTE_PART_H

#include "route_log.h"

typedef struct route_part {
    int shared;            /* tokens that both answers begin with */
    int at[2];             /* the token whose routes count, in each track; -1 = it has none */
    int next[2];           /* ids of the tokens that differ; -1 = that answer ends there */
    double called, wanted; /* mean distance over the layers with experts */
} route_part;

/* False when both answers are the same to the end, or one of the tracks answers nothing. */
bool route_part_find(const route_log *log, const route_track *a, const route_track *b,
                     route_part *out);
/* Distances in one layer; 0 for one without experts. */
double route_part_called(const route_log *log, const route_track *a, const route_track *b,
                         const route_part *p, int layer);
double route_part_wanted(const route_log *log, const route_track *a, const route_track *b,
                         const route_part *p, int layer);

#endif
