/* model_needs.h - how much memory a council needs on a model.
 *
 * A mask is a budget: experts that no seat may call are never read (expert_store.h), so what a council needs
 * is less than the model weighs. Biases, rules and adapters take nothing away here: an expert counts
 * unless every seat's mask forbids it.
 */
#ifndef REPL_MODEL_NEEDS_H
#define REPL_MODEL_NEEDS_H

#include "../../engine/run/engine.h"
#include "../../personas/roster/roster.h"

typedef struct model_needs {
    int passes;
    uint64_t may, all; /* routed experts that some seat may call; of so many, over all layers */
    uint64_t dense, experts, kv, batch; /* bytes: with which nothing is ever read twice */
    uint64_t least;                     /* bytes of all of it, with which it runs at all */
} model_needs;

/* r: the council; NULL = one pass of the plain model. */
int model_needs_of(const engine *e, const roster *r, int context, dtype kv, model_needs *out,
                   error *err);
uint64_t model_needs_total(const model_needs *n);

#endif
