/* engine_attach.c - see engine_attach.h. */
#include "engine_attach.h"

#include <stdlib.h>

/* What an engine's backend reads for layers [layers]. Caller frees. */
static routing_tables *tables_of(const engine *e, const layer_routing *layers, error *err)
{
    const model_config *c = engine_config(e);
    for (int i = 0; i < c->layers; i++)
        if (c->moe_layer[i] &&
            expert_bank_need(e->weights.layers[i].bank, &layers[i], c->experts, err)) {
            (void)error_prefix(err, "layer %d: experts that may be called: ", i);
            return NULL;
        }
    return routing_tables_new(e->backend, layers, c->layers, c->experts, err);
}

static void release(attached *list, int count)
{
    for (int i = 0; i < count; i++)
        routing_tables_free(list[i].tables);
    free(list);
}

void attach_release(session *s)
{
    release(s->attached, s->attached_count);
    s->attached = NULL;
    s->attached_count = 0;
}

static int add(const engine *e, attached **list, int count, const layer_routing *of, error *err)
{
    attached *grown = realloc(*list, ((size_t)count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(err, "a router program");
    *list = grown;
    grown[count] = (attached){of, tables_of(e, of, err)};
    return grown[count].tables ? 0 : -1;
}

int attach_program(session *s, const router_program *program, error *err)
{
    attached *list = NULL;
    if (program && add(s->engine, &list, 0, router_program_routing(program), err)) {
        free(list);
        return -1;
    }
    attach_release(s);
    s->program = program;
    s->attached = list;
    s->attached_count = program ? 1 : 0;
    return 0;
}

const routing_tables *attach_routing(session *s, const layer_routing *of, error *err)
{
    engine *e = s->engine;
    if (of == router_program_routing(e->plain)) {
        if (!e->plain_tables)
            e->plain_tables = tables_of(e, of, err);
        return e->plain_tables;
    }
    for (int i = 0; i < s->attached_count; i++)
        if (s->attached[i].of == of)
            return s->attached[i].tables;
    if (add(e, &s->attached, s->attached_count, of, err))
        return NULL;
    return s->attached[s->attached_count++].tables;
}
