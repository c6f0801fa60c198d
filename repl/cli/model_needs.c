/* model_needs.c - see model_needs.h. */
#include "model_needs.h"

#include <stdlib.h>
#include <string.h>

/* Marks the model's experts that one layer of a program lets through. may: [experts] */
static void mark(const layer_routing *r, int experts, uint8_t *may)
{
    for (int e = 0; e < experts + r->adapter_count; e++) {
        int place = r->place ? r->place[e] : e;
        if ((!r->allowed || r->allowed[e]) && place < experts)
            may[place] = 1;
    }
}

static uint64_t count_layer(const roster *r, int layer, int experts, uint8_t *may)
{
    uint64_t n = 0;
    memset(may, 0, (size_t)experts);
    for (int i = 0; i < roster_seats(r); i++) {
        const router_program *p = roster_seat(r, i)->program;
        if (p)
            mark(&router_program_routing(p)[layer], experts, may);
        else
            memset(may, 1, (size_t)experts);
    }
    for (int e = 0; e < experts; e++)
        n += may[e];
    return n;
}

int model_needs_of(const engine *e, const roster *r, int context, dtype kv, model_needs *out,
                   error *err)
{
    const model_config *c = engine_config(e);
    engine_memory_needs now;
    uint8_t *may = malloc((size_t)c->experts + 1);
    if (!may)
        return error_memory(err, "the experts");
    engine_needs(e, &now);
    *out = (model_needs){.passes = r ? roster_seats(r) : 1, .dense = now.dense, .batch = now.batch};
    for (int i = 0; i < c->layers; i++) {
        uint64_t experts = c->moe_layer[i] ? (uint64_t)c->experts : 0;
        out->all += experts;
        out->may += experts && r ? count_layer(r, i, c->experts, may) : experts;
    }
    free(may);
    out->experts = out->may * engine_expert_bytes(e);
    out->kv = engine_kv_bytes(e, context, kv) * (uint64_t)out->passes;
    uint64_t fewest = now.least < out->experts ? now.least : out->experts;
    out->least = out->dense + out->kv + out->batch + fewest;
    return 0;
}

uint64_t model_needs_total(const model_needs *n)
{
    return n->dense + n->experts + n->kv + n->batch;
}
