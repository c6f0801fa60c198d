/* forward_hooks.c - see forward_hooks.h. */
#include "forward_hooks.h"

#include <stdlib.h>
#include <string.h>

void forward_hooks_release(forward_hooks *h)
{
    for (int i = 0; h->tables && i < h->max_rows; i++)
        routing_tables_free(h->tables[i]);
    free(h->tables);
    free(h->routing);
    free(h->bias);
    free(h->allowed);
    free(h->states);
    free(h->scores);
    *h = (forward_hooks){0};
}

static int make_tables(forward_hooks *h, backend *b, const model_config *c, error *err)
{
    for (int i = 0; i < h->max_rows; i++)
        if (!(h->tables[i] = routing_tables_new(b, h->routing + (size_t)i * (size_t)h->layers,
                                                h->layers, c->experts, err)))
            return -1;
    return 0;
}

static int make_room(forward_hooks *h, const model_config *c, int max_rows, int experts, error *err)
{
    size_t most = (size_t)max_rows, row = (size_t)experts;
    h->max_rows = max_rows;
    h->experts = experts;
    h->layers = c->layers;
    h->tables = calloc(most, sizeof *h->tables);
    h->routing = calloc(most * (size_t)c->layers, sizeof *h->routing);
    h->bias = calloc(most * row, sizeof *h->bias);
    h->allowed = calloc(most * row, 1);
    h->states = calloc(most * (size_t)c->width, sizeof *h->states);
    h->scores = calloc(most * (size_t)c->experts, sizeof *h->scores);
    bool all = h->tables && h->routing && h->bias && h->allowed && h->states && h->scores;
    return all ? 0 : error_memory(err, "a router of its own");
}

int forward_hooks_prepare(forward_hooks *h, backend *b, const model_config *c,
                          const forward_row *rows, int n, int max_rows, int experts, error *err)
{
    h->any = false;
    for (int i = 0; i < n; i++)
        h->any = h->any || rows[i].hook;
    if (!h->any || (h->routing && h->experts >= experts))
        return 0;
    forward_hooks_release(h);
    if (strcmp(backend_name(b), "cpu") != 0)
        return error_set(err, ERROR_RUN,
                         "a router of your own runs on the CPU alone: --backend cpu");
    if (make_room(h, c, max_rows, experts, err) || make_tables(h, b, c, err)) {
        forward_hooks_release(h);
        return -1;
    }
    h->any = true;
    return 0;
}

const routing_tables *forward_hooks_of(forward_hooks *h, const forward_row *rows, int i)
{
    if (!rows[i].hook)
        return rows[i].routing;
    memcpy(h->routing + (size_t)i * (size_t)h->layers, routing_tables_layers(rows[i].routing),
           (size_t)h->layers * sizeof *h->routing);
    return h->tables[i];
}

static int ask_row(forward_hooks *h, const model_config *c, const forward_row *row, int i,
                   int layer, int slots, error *err)
{
    const layer_routing *base = &routing_tables_layers(row->routing)[layer];
    layer_routing *own = &h->routing[(size_t)i * (size_t)h->layers + (size_t)layer];
    size_t at = (size_t)i * (size_t)h->experts;
    hook_room room = {h->bias + at, h->allowed + at};
    consilium_token token = {.layer = layer,
                             .position = row->position,
                             .token = row->token,
                             .previous = row->previous,
                             .x = h->states + (size_t)i * (size_t)c->width,
                             .logits = h->scores + (size_t)i * (size_t)c->experts};
    int answered = router_hook_select(row->hook, &token, c->experts + base->adapter_count, slots,
                                      base, &room, own, err);
    if (!answered)
        *own = *base;
    return answered < 0 ? -1 : 0;
}

int forward_hooks_ask(forward_hooks *h, backend *b, const model_config *c, const forward_row *rows,
                      int n, int layer, const tensor *normed, const tensor *scores, int slots,
                      error *err)
{
    if (!h->any)
        return 0;
    tensor_read(b, normed, 0, (size_t)n, h->states);
    tensor_read(b, scores, 0, (size_t)n, h->scores);
    if (backend_sync(b, err))
        return -1;
    for (int i = 0; i < n; i++)
        if (rows[i].hook && ask_row(h, c, &rows[i], i, layer, slots, err))
            return -1;
    return 0;
}
