/* council_figures.c - how many experts an answer called: a subscriber to routing, as any other.
 *
 * For each pass: the experts it touched, layer by layer, and the gate mass that its program took away.
 * For the council: how many different experts a layer's batch touched in a step, of how many that were
 * called. An expert counts once a step, so `seen` holds the step that touched it last.
 */
#include <stdlib.h>

#include "council_state.h"

/* Sized anew each time: personas may have brought experts since. */
int council_begin_figures(council *c, error *err)
{
    size_t bank = (size_t)engine_max_experts(c->engine);
    size_t cells = (size_t)engine_config(c->engine)->layers * (bank ? bank : 1);
    free(c->seen);
    c->max_experts = (int)bank;
    c->seen = calloc(cells, sizeof *c->seen);
    c->step_number = 1; /* 0 in `seen` means never */
    c->union_sum = c->pick_sum = 0;
    c->union_count = 0;
    if (!c->seen)
        return error_memory(err, "a council");
    for (int i = 0; i < c->count; i++) {
        free(c->passes[i]->touched);
        c->passes[i]->touched = calloc(cells, 1);
        c->passes[i]->max_experts = (int)bank;
        if (!c->passes[i]->touched)
            return error_memory(err, "a council");
    }
    return 0;
}

static void count_routing(void *user, int i, const route_trace *t)
{
    council *c = user;
    pass *p = c->passes[i];
    size_t base = (size_t)t->layer * (size_t)c->max_experts;
    for (int k = 0; k < t->slots; k++) {
        if (t->ids[k] < 0)
            continue;
        size_t at = base + (size_t)t->ids[k];
        p->touched[at] = 1;
        c->pick_sum++;
        if (c->seen[at] != c->step_number)
            c->union_sum++;
        c->seen[at] = c->step_number;
    }
    p->banned_sum += (double)t->banned;
    p->banned_count++;
}

council_events council_figures(council *c)
{
    return (council_events){.user = c, .routing = count_routing};
}

void council_count_step(council *c)
{
    const model_config *m = engine_config(c->engine);
    for (int i = 0; i < m->layers; i++)
        c->union_count += m->moe_layer[i];
    c->step_number++;
}

void council_end_figures(council *c)
{
    if (!c->union_count)
        return;
    c->timings.union_experts_per_step = c->union_sum / (double)c->union_count;
    c->timings.picks_per_step = c->pick_sum / (double)c->union_count;
}
