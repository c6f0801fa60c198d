/* forward_hooks.h - the rows of a batch whose program has a hook (engine/routing/hooks.h): where
 * their routing lies, and what the hook is shown.
 *
 * Such a row gets a copy of its program's layers; before a layer routes, that layer of the copy
 * becomes what the hook says. Other rows keep their program's own tables, and a batch without hooks
 * touches nothing here.
 */
#ifndef ENGINE_FORWARD_HOOKS_H
#define ENGINE_FORWARD_HOOKS_H

#include "forward.h"

typedef struct forward_hooks {
    bool any; /* the batch at hand has such rows */
    int max_rows, experts, layers;
    layer_routing *routing;  /* [max_rows, layers] */
    routing_tables **tables; /* [max_rows] the same, as the backend knows them */
    float *bias;             /* [max_rows, experts] */
    uint8_t *allowed;        /* [max_rows, experts] */
    float *states, *scores;  /* [max_rows, width], [max_rows, model's experts] in host memory */
} forward_hooks;

/* Room for the hooks of a batch, made for the first one that has any. experts: of the largest bank.
 * ERROR_RUN on a device that keeps a copy of its tables: there they cannot change from token to token. */
int forward_hooks_prepare(forward_hooks *h, backend *b, const model_config *c,
                          const forward_row *rows, int n, int max_rows, int experts, error *err);
void forward_hooks_release(forward_hooks *h); /* {0} ok */

/* The routing of row i. */
const routing_tables *forward_hooks_of(forward_hooks *h, const forward_row *rows, int i);

/* Asks the hooks of a layer, for what its router read and said. slots: the largest k that there is
 * room for. */
int forward_hooks_ask(forward_hooks *h, backend *b, const model_config *c, const forward_row *rows,
                      int n, int layer, const tensor *normed, const tensor *scores, int slots,
                      error *err);

#endif
