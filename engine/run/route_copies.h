/* route_copies.h - host copies of what the router chose, for who traces a batch.
 *
 * Routes lie in the backend's memory and are written over layer by layer; a trace wants those of all
 * layers when the batch is done. So each routed layer has a copy of its own, made the first time that a
 * trace asks, with room for as much as it asks: the choice, how large the chosen experts' outputs were,
 * or what the router had wanted. Copying only enqueues; nothing here exists, or costs, without a trace.
 */
#ifndef ENGINE_ROUTE_COPIES_H
#define ENGINE_ROUTE_COPIES_H

#include "../../kernels/backend.h"
#include "../formats/model_config.h"

typedef enum traced_part {
    TRACE_NOTHING,
    TRACE_CHOICE,  /* ids, gates, banned, margin, entropy alone */
    TRACE_OUTPUTS, /* norms and peaks, too: every chosen expert runs twice */
    TRACE_WANTED,  /* wanted and shares, too */
} traced_part;

/* {0} but for the first four is ready to use. */
typedef struct route_copies {
    backend *backend;
    const model_config *config;
    int max_rows, slots;

    routes_host *of;       /* [layers]; empty for a layer without experts */
    routes *single;        /* one slot at a time, and */
    float *outputs;        /* [max_rows, width] what its experts made */
    float *scores;         /* [layers][max_rows, experts] router logits */
    float *adapter_scores; /* [layers][max_rows, adapter_columns] */
    size_t adapter_columns;
} route_copies;

/* Room for one part of any batch. adapter_scores: of the batch to come, or NULL. */
int route_copies_prepare(route_copies *c, traced_part part, const tensor *adapter_scores,
                         error *err);
void route_copies_release(route_copies *c);

/* Enqueues the copy of one layer's n rows: chosen, and with TRACE_WANTED the logits it chose from. */
void route_copies_read(route_copies *c, traced_part part, int layer, const routes *chosen,
                       const tensor *scores, const tensor *adapter_scores, int n);
/* When the batch is done, with TRACE_WANTED: what each of rows [n] wanted, in every layer. */
void route_copies_rank(route_copies *c, const batch_row *rows, int n);

#endif
