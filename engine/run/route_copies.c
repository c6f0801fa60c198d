/* route_copies.c - see route_copies.h. */
#include "route_copies.h"

#include <stdlib.h>

#include "../routing/wanted.h"

static void release_layers(route_copies *c)
{
    for (int i = 0; c->of && i < c->config->layers; i++)
        routes_host_release(&c->of[i]);
    free(c->of);
    c->of = NULL;
}

void route_copies_release(route_copies *c)
{
    release_layers(c);
    routes_free(c->backend, c->single);
    free(c->outputs);
    free(c->scores);
    free(c->adapter_scores);
    *c = (route_copies){0};
}

static size_t cells_of(const route_copies *c)
{
    return (size_t)c->max_rows * (size_t)c->slots;
}

static int prepare_choice(route_copies *c, error *err)
{
    if (c->of)
        return 0;
    c->of = calloc((size_t)c->config->layers, sizeof *c->of);
    if (!c->of)
        return error_memory(err, "a trace");
    for (int i = 0; i < c->config->layers; i++)
        if (c->config->moe_layer[i] && routes_host_open(&c->of[i], c->max_rows, c->slots, err)) {
            release_layers(c);
            return -1;
        }
    return 0;
}

static int prepare_outputs(route_copies *c, error *err)
{
    size_t rows = (size_t)c->max_rows, cells = cells_of(c);
    if (!c->config->experts)
        return 0;
    if (!c->single && !(c->single = routes_new(c->backend, c->max_rows, 1, err)))
        return -1;
    if (!c->outputs)
        c->outputs = malloc(rows * (size_t)c->config->width * sizeof(float));
    bool whole = c->outputs != NULL;
    for (int i = 0; i < c->config->layers && whole; i++) {
        routes_host *r = &c->of[i];
        if (!c->config->moe_layer[i])
            continue;
        r->norms = r->norms ? r->norms : calloc(cells, sizeof(float));
        r->peaks = r->peaks ? r->peaks : calloc(cells, sizeof(float));
        whole = r->norms && r->peaks;
    }
    return whole ? 0 : error_memory(err, "a trace");
}

/* Adapters may have come since: their part is then made anew. */
static int prepare_logits(route_copies *c, const tensor *adapter_scores, error *err)
{
    size_t rows = (size_t)c->config->layers * (size_t)c->max_rows;
    size_t columns = adapter_scores ? tensor_cols(adapter_scores) : 0;
    if (!c->scores)
        c->scores = malloc(rows * (size_t)c->config->experts * sizeof(float));
    if (columns > c->adapter_columns) {
        free(c->adapter_scores);
        c->adapter_scores = malloc(rows * columns * sizeof(float));
        c->adapter_columns = c->adapter_scores ? columns : 0;
    }
    return c->scores && c->adapter_columns >= columns ? 0 : error_memory(err, "a trace");
}

static int prepare_wanted(route_copies *c, const tensor *adapter_scores, error *err)
{
    size_t cells = cells_of(c);
    if (!c->config->experts)
        return 0;
    if (prepare_logits(c, adapter_scores, err))
        return -1;
    for (int i = 0; i < c->config->layers; i++) {
        routes_host *r = &c->of[i];
        if (!c->config->moe_layer[i])
            continue;
        r->wanted = r->wanted ? r->wanted : calloc(cells, sizeof(int32_t));
        r->shares = r->shares ? r->shares : calloc(cells, sizeof(float));
        if (!r->wanted || !r->shares)
            return error_memory(err, "a trace");
    }
    return 0;
}

int route_copies_prepare(route_copies *c, traced_part part, const tensor *adapter_scores,
                         error *err)
{
    if (part == TRACE_NOTHING)
        return 0;
    if (prepare_choice(c, err) || (part == TRACE_OUTPUTS && prepare_outputs(c, err)) ||
        (part == TRACE_WANTED && prepare_wanted(c, adapter_scores, err)))
        return -1;
    return 0;
}

static float *rows_of(float *all, const route_copies *c, int layer, size_t columns)
{
    return all + (size_t)layer * (size_t)c->max_rows * columns;
}

void route_copies_read(route_copies *c, traced_part part, int layer, const routes *chosen,
                       const tensor *scores, const tensor *adapter_scores, int n)
{
    if (part == TRACE_NOTHING)
        return;
    routes_read(c->backend, chosen, n, &c->of[layer]);
    if (part != TRACE_WANTED)
        return;
    tensor_read(c->backend, scores, 0, (size_t)n,
                rows_of(c->scores, c, layer, (size_t)c->config->experts));
    if (adapter_scores)
        tensor_read(c->backend, adapter_scores, 0, (size_t)n,
                    rows_of(c->adapter_scores, c, layer, tensor_cols(adapter_scores)));
}

void route_copies_rank(route_copies *c, const batch_row *rows, int n)
{
    size_t experts = (size_t)c->config->experts, slots = (size_t)c->slots;
    for (int layer = 0; layer < c->config->layers; layer++) {
        if (!c->config->moe_layer[layer])
            continue;
        const float *z = rows_of(c->scores, c, layer, experts);
        const float *behind =
            c->adapter_scores ? rows_of(c->adapter_scores, c, layer, c->adapter_columns) : NULL;
        for (size_t i = 0; i < (size_t)n; i++)
            wanted_experts(&routing_tables_layers(rows[i].routing)[layer], z + i * experts,
                           c->config->experts, behind ? behind + i * c->adapter_columns : NULL,
                           c->slots, c->of[layer].wanted + i * slots,
                           c->of[layer].shares + i * slots);
    }
}
