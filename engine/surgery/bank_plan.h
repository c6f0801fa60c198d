/* bank_plan.h - what becomes of the experts of a model: for each layer a list of recipes.
 *
 * A recipe says what one expert of the new model is made of: a sum of experts that are there, each
 * with a share. One term with a share of 1 is that expert, byte for byte; no term at all is an expert
 * that says nothing (all zero, its row of the router too). Operations change the lists and never touch
 * a weight, so any number of them cost one writing, and what is undone costs nothing.
 *
 * Experts are numbered as they stand when an operation is applied. Layers without routed experts have
 * no list.
 */
#ifndef ENGINE_BANK_PLAN_H
#define ENGINE_BANK_PLAN_H

#include <stdbool.h>

#include "../routing/adapter.h"
#include "bank_view.h"

enum { BAKE_MOST = 16 }; /* updates of one expert's matrices, by all adapters */

/* One expert as adapters leave it: a part, its data NULL for the checkpoint's own, and updates. */
typedef struct baked_expert {
    bank_rows part[BANK_MATRICES];
    const adapter_lora *update[BAKE_MOST * EXPERT_MATRICES];
    int updates;
    struct baked_expert *next; /* of the plan's */
} baked_expert;

/* share: of all four parts; down: a further factor of the down projection, which is the output's. */
typedef struct recipe_term {
    const checkpoint *of; /* outlives the plan */
    int layer, expert;
    float share, down;
    const baked_expert *baked; /* what adapters made of it; NULL = nothing. The plan's */
} recipe_term;

typedef struct recipe {
    recipe_term *term; /* [count] */
    int count;
} recipe;

typedef struct bank_list {
    recipe *v; /* [len] */
    size_t len, cap;
} bank_list;

typedef struct bank_plan {
    const checkpoint *c; /* the model that is changed; outlives the plan */
    bank_list *layers;   /* [layers of c] */
    baked_expert *baked; /* all that were made */
} bank_plan;

/* Every expert is itself. -1 when out of memory; bank_plan_release() in any case. */
int bank_plan_open(bank_plan *p, const checkpoint *c, error *err);
void bank_plan_release(bank_plan *p); /* {0} ok */

/* A copy of the terms of r; the caller's, recipe_release(). */
int recipe_copy(const recipe *r, recipe *out, error *err);
/* The expert itself, of any checkpoint. */
int recipe_of(const checkpoint *c, int layer, int expert, recipe *out, error *err);
void recipe_release(recipe *r);

/* Each takes r over (it is empty then, on failure too) and checks nothing: numbers are the caller's. */
int bank_plan_insert(bank_plan *p, int layer, int expert, recipe *r, error *err);
void bank_plan_set(bank_plan *p, int layer, int expert, recipe *r);
void bank_plan_drop(bank_plan *p, int layer, int expert);
void bank_plan_swap(bank_plan *p, const int a[2], const int b[2]); /* layer, expert */
void bank_plan_scale(bank_plan *p, int layer, int expert, float factor);
/* experts[0] becomes the mean of the n. */
int bank_plan_average(bank_plan *p, int layer, const int *experts, int n, error *err);

/* The number of experts that all layers have, or -1 with ERROR_USAGE naming two that differ, or more
 * or fewer experts than there may be. */
int bank_plan_count(const bank_plan *p, error *err);
/* Whether nothing has become of it: every expert is itself, in its place. */
bool bank_plan_is_same(const bank_plan *p);

#endif
