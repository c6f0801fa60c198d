/* live_routes.h - which experts the passes call, as pictures that follow the tokens.
 *
 * A subscriber to the council's routing, as the figures of an answer are: nothing is computed or copied
 * for it that was not before, and while nobody watches it is not there at all. While an answer grows, a
 * cell is the mean of the last tokens' calls, each older one counting three quarters of the next; once
 * the answer is complete, it is the share of its tokens that called the expert, which is what /routing
 * draws.
 */
#ifndef REPL_LIVE_ROUTES_H
#define REPL_LIVE_ROUTES_H

#include "../../personas/conversation/dialogue.h"
#include "../screen/view.h"

typedef struct live_routes live_routes;

/* Watches d's council from now on. column_of: [seats of d] column of a seat of `count`, -1 = none; borrowed.
 * Caller owns; d must outlive it. */
live_routes *live_routes_open(dialogue *d, const int *column_of, int count, error *err);
void live_routes_close(live_routes *r); /* NULL ok */
/* Watches no longer: the pictures stay as they are. NULL ok. */
void live_routes_stop(live_routes *r);
/* The answer of a column is complete. */
void live_routes_settle(live_routes *r, int column);
/* [count] for view_pictures(); they live as long as r does. */
const view_picture *live_routes_pictures(const live_routes *r);

#endif
