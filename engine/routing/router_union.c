/* router_union.c - several programs as one that calls all their experts at once. See router_union.h.
 *
 * The tables are laid over one another: an expert is allowed that one of the programs allows, named
 * where one names it, and has the mean of its biases. What adapters add stands behind the model's experts
 * in the order in which the programs bring it, each adapter once, so its numbers differ from those
 * that it has in a program of its own; the walk below goes by adapter.
 */
#include <stdlib.h>
#include <string.h>

#include "router_state.h"
#include "router_union.h"

/* Programs that are joined; NULL = the plain model. */
typedef struct joining {
    router_program *out;
    const router_program *const *programs;
    int count;
    int *shares; /* [row] of one layer: how many programs speak of the expert */
} joining;

/* Each adapter once. list: room for all. Returns how many. */
static int list_adapters(const router_program *const *programs, int count,
                         const placed_adapter **list)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        const router_adapters *a = programs[i] ? &programs[i]->adapters : NULL;
        for (int k = 0; a && k < a->count; k++) {
            bool there = false;
            for (int j = 0; j < n; j++)
                there = there || list[j] == a->list[k];
            if (!there)
                list[n++] = a->list[k];
        }
    }
    return n;
}

/* The number of the first expert that adapter i adds to a layer. */
static int first_added(const router_program *p, int i, int layer)
{
    int first = p->model->experts;
    for (int k = 0; k < i; k++) {
        const adapter_layer *l = router_adapters_at(&p->adapters, k, layer);
        first += l ? l->added_count : 0;
    }
    return first;
}

static void lay_over(joining *g, const router_program *p, int layer, int from, int to)
{
    router_program *out = g->out;
    size_t at = (size_t)layer * (size_t)out->row + (size_t)to;
    size_t mine = p ? (size_t)layer * (size_t)p->row + (size_t)from : 0;
    g->shares[to]++;
    if (!p) {
        out->tables.allowed[at] = 1;
        return;
    }
    out->tables.allowed[at] |= p->tables.allowed[mine];
    out->tables.named[at] |= p->tables.named[mine];
    out->tables.bias[at] += p->tables.bias[mine];
}

static void lay_adapters_over(joining *g, const router_program *p, int layer)
{
    for (int i = 0; i < p->adapters.count; i++) {
        const adapter_layer *l = router_adapters_at(&p->adapters, i, layer);
        int there = 0;
        while (g->out->adapters.list[there] != p->adapters.list[i])
            there++;
        int from = first_added(p, i, layer), to = first_added(g->out, there, layer);
        for (int e = 0; l && e < l->added_count; e++)
            lay_over(g, p, layer, from + e, to + e);
    }
}

/* All that the programs say of a layer; *k = what they call together. */
static void join_layer(joining *g, int layer, int *k)
{
    router_program *out = g->out;
    size_t at = (size_t)layer * (size_t)out->row, row = (size_t)out->row;
    memset(out->tables.allowed + at, 0, row);
    memset(out->tables.named + at, 0, row);
    memset(g->shares, 0, row * sizeof *g->shares);
    *k = 0;
    for (int i = 0; i < g->count; i++) {
        const router_program *p = g->programs[i];
        for (int e = 0; e < out->model->experts; e++)
            lay_over(g, p, layer, e, e);
        if (p)
            lay_adapters_over(g, p, layer);
        *k += p ? p->routing[layer].k : out->model->experts_per_token;
    }
    for (size_t e = 0; e < row; e++)
        if (g->shares[e] > 1)
            out->tables.bias[at + e] /= (float)g->shares[e];
}

/* A knob that all turn alike stays so; else it is off. Of one program everything stays. */
static router_settings join_settings(const joining *g)
{
    router_settings plain = router_settings_plain();
    router_settings s = g->programs[0] ? g->programs[0]->settings : plain;
    if (g->count > 1) {
        s.norm_width = 0;
        s.rules = NULL;
    }
    for (int i = 1; i < g->count; i++) {
        const router_settings *o = g->programs[i] ? &g->programs[i]->settings : &plain;
        s.tail_gain = o->tail_gain == s.tail_gain ? s.tail_gain : 1;
        s.strength = o->strength == s.strength ? s.strength : 1;
        if (o->adaptive_min != s.adaptive_min || o->adaptive_ratio != s.adaptive_ratio)
            s.adaptive_min = 0;
    }
    s.experts_per_token = 0;
    s.cap_experts = true;
    s.experts_by_layer = g->out->own_counts;
    s.adapters = g->out->adapters.list;
    s.adapter_count = g->out->adapters.count;
    return s;
}

static int join(joining *g, error *err)
{
    router_program *out = g->out;
    out->own_counts = calloc((size_t)out->model->layers + 1, sizeof *out->own_counts);
    g->shares = calloc((size_t)out->row + 1, sizeof *g->shares);
    if (!out->own_counts || !g->shares)
        return error_memory(err, "a router program");
    for (int layer = 0; layer < out->model->layers; layer++)
        if (out->model->moe_layer[layer])
            join_layer(g, layer, &out->own_counts[layer]);
    out->settings = join_settings(g);
    return router_program_compile_tables(out, err);
}

router_program *router_program_union(const model_config *model,
                                     const router_program *const *programs, int count, error *err)
{
    router_settings s = router_settings_plain();
    const placed_adapter **list = calloc((size_t)count * ROUTER_ADAPTERS + 1, sizeof *list);
    if (!list) {
        error_memory(err, "a router program");
        return NULL;
    }
    s.adapters = list;
    s.adapter_count = list_adapters(programs, count, list);
    joining g = {.programs = programs, .count = count};
    g.out = router_program_new(model, &s, err);
    if (g.out && join(&g, err)) {
        router_program_close(g.out);
        g.out = NULL;
    }
    free(g.shares);
    free(list);
    return g.out;
}
