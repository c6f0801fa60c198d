/* router_changes.c - what a compiled program can change at all, read from its tables. */
#include "router.h"

static bool any_named(const layer_routing *r, int experts)
{
    for (int e = 0; r->strength != 1 && r->named && e < experts; e++)
        if (r->named[e])
            return true;
    return false;
}

static unsigned layer_changes(const layer_routing *r, int experts)
{
    bool silent_tail = r->k > r->trained_k && r->tail_gain == 0;
    unsigned changes = 0;
    if (r->allowed || r->bias || any_named(r, experts))
        changes |= ROUTER_CHANGES_CHOICE;
    if (r->k != r->trained_k && !silent_tail)
        changes |= ROUTER_CHANGES_COUNT;
    if (r->norm_width != r->k || r->adaptive_min)
        changes |= ROUTER_CHANGES_GATES;
    if (r->place || r->update)
        changes |= ROUTER_CHANGES_EXPERTS;
    return changes;
}

unsigned router_program_changes(const router_program *p)
{
    const model_config *m = router_program_model(p);
    const layer_routing *routing = router_program_routing(p);
    unsigned changes = router_program_has_rules(p) ? ROUTER_CHANGES_CHOICE : 0;
    changes |= router_program_hook(p) ? ROUTER_CHANGES_CODE : 0;
    for (int i = 0; i < m->layers; i++)
        if (m->moe_layer[i])
            changes |= layer_changes(&routing[i], router_program_experts(p, i));
    return changes;
}
