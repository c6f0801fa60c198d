/* roster_groups.c - who is asked for, by name: groups taken apart, and what names in options mean. See roster.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roster_state.h"

/* ---- checks ------------------------------------------------------------------------------------ */

static bool is_persona(const roster *r, const char *name)
{
    for (int i = 0; i < r->tree.leaf_count; i++)
        if (!name || persona_column_is(r->tree.leaves[i].column, name))
            return true;
    return false;
}

static int check_once(const roster_options *o, error *err)
{
    for (int i = 0; i < o->persona_count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(o->personas[i], o->personas[j]) == 0)
                return error_set(err, ERROR_USAGE, "--personas: %s stands twice", o->personas[i]);
    return 0;
}

static int check_names(const roster *r, error *err)
{
    const roster_options *o = r->options;
    const char *unknown = NULL;
    for (int i = 0; i < o->mask_count; i++)
        unknown = is_persona(r, o->masks[i].name) ? unknown : o->masks[i].name;
    for (int i = 0; i < o->adapter_count; i++)
        unknown = is_persona(r, o->adapters[i].name) ? unknown : o->adapters[i].name;
    for (int i = 0; i < o->expert_count; i++)
        unknown = is_persona(r, o->experts[i].name) ? unknown : o->experts[i].name;
    for (int i = 0; i < o->strength_count; i++)
        unknown = is_persona(r, o->strengths[i].name) ? unknown : o->strengths[i].name;
    for (int i = 0; i < o->unmasked_count; i++)
        unknown = is_persona(r, o->unmasked[i]) ? unknown : o->unmasked[i];
    for (int i = 0; i < o->mask_penalty_count; i++)
        unknown = is_persona(r, o->mask_penalties[i].name) ? unknown : o->mask_penalties[i].name;
    if (unknown)
        return error_set(err, ERROR_USAGE, "an option names %.64s, which is not among the personas",
                         unknown);
    return 0;
}

/* "coder, critic and 2 more" would help nobody: the first will do. */
static int check_single(const roster *r, error *err)
{
    for (int i = 0; i < r->tree.owned_count && !r->options->groups; i++) {
        const persona *p = r->tree.owned[i];
        if (p->group)
            return error_set(err, ERROR_USAGE,
                             "%s is a group of personas, which has no pass of its own: name one of "
                             "its members, as %s",
                             p->name, p->group->members[0]);
    }
    return 0;
}

int roster_open_tree(roster *r, error *err)
{
    const roster_options *o = r->options;
    return check_once(o, err) || persona_tree_open(&r->tree, o->personas, o->persona_count, err) ||
                   check_single(r, err) || check_names(r, err)
               ? -1
               : 0;
}

/* ---- groups ------------------------------------------------------------------------------------ */

int roster_seat_groups(roster *r, error *err)
{
    int n = r->tree.group_count;
    r->groups = calloc((size_t)n + 1, sizeof *r->groups);
    if (!r->groups)
        return error_memory(err, "the groups");
    for (int i = 0; i < n; i++) {
        const tree_group *g = &r->tree.groups[i];
        const persona_group *of = g->persona->group;
        owned_seat *own = &r->seats[r->seat_count + i];
        r->groups[i] = (seat_group){of->merge, of->rounds, of->by};
        (void)snprintf(own->name, sizeof own->name, "%s", g->column);
        own->seat = (seat){.name = own->name,
                           .persona = g->persona->name,
                           .color = g->persona->color,
                           .acts_by = "group",
                           .strength = 1,
                           .group = g->parent};
    }
    return 0;
}

int roster_groups(const roster *r)
{
    return r->tree.group_count;
}

const seat_group *roster_group(const roster *r, int g)
{
    return &r->groups[g];
}
