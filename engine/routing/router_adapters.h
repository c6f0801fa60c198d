/* router_adapters.h - what a program's adapters make of each layer: tables for layer_routing.
 *
 * A program sees the model's experts, then those that its adapters add, in the order of the list.
 * These tables say for each of them where in the bank it stands, which column of logits is its own,
 * and which low-rank updates it gets. So a replaced expert and a replaced row of the router are table
 * entries and nothing else; of two adapters that replace the same, the later one holds, and updates
 * add up. A layer that no adapter touches gets no tables and computes the plain model's bytes.
 */
#ifndef ENGINE_ROUTER_ADAPTERS_H
#define ENGINE_ROUTER_ADAPTERS_H

#include "adapter_place.h"

enum { ROUTER_ADAPTERS = 16 }; /* the most of one program */

typedef struct router_adapters {
    const placed_adapter *list[ROUTER_ADAPTERS];
    int count;
    int *added;                     /* [layers] experts behind the model's */
    int most_added;                 /* of any layer */
    int row;                        /* experts in a row of the tables */
    int32_t *place, *score;         /* [layers, row] */
    const expert_update **update;   /* [layers, row] */
    expert_update *changes;         /* what `update` points to */
    low_rank *pool;                 /* what the changes' lists point to */
    size_t changes_made, pool_used; /* while making */
    bool *moved;                    /* [layers] place or score say something */
    int *rank;                      /* [layers] layer_routing.update_rank */
} router_adapters;

/* The list is copied. ERROR_USAGE for more than ROUTER_ADAPTERS; ERROR_LOAD when they add more
 * experts than a layer can hold. Without adapters only `added` and `row` are made. */
int router_adapters_make(router_adapters *t, const model_config *model,
                         const placed_adapter *const *list, int count, error *err);
void router_adapters_release(router_adapters *t); /* {0} ok */

/* Sets the fields of a layer's routing that adapters decide. */
void router_adapters_apply(const router_adapters *t, int layer, layer_routing *r);

/* What adapter i brings to a layer, or NULL. Borrowed. */
const adapter_layer *router_adapters_at(const router_adapters *t, int i, int layer);

#endif
