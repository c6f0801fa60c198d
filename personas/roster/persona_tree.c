/* persona_tree.c - see persona_tree.h. */
#include "persona_tree.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"

/* The groups around what is opened, the outermost first. */
typedef struct way {
    const persona *in[GROUP_DEPTH];
    int depth;
    int listed; /* index of the group whose party it is; the list is numbered anew behind it */
    const char *column; /* "" outside of all */
} way;

static int open_node(persona_tree *t, const char *name, const way *around, int first, error *err);

static persona *own(persona_tree *t, const char *name, error *err)
{
    persona **room = region_add(&t->memory, &t->owned, &t->owned_count, 1, sizeof(persona *), err);
    if (!room)
        return NULL;
    *room = persona_find(name, err);
    t->owned_count -= !*room;
    return *room;
}

/* "team: inner: " before what is wrong with a member. */
static int prefix_way(const way *w, error *err)
{
    for (int i = w->depth; i > 0; i--)
        (void)error_prefix(err, "%s: ", w->in[i - 1]->name);
    return -1;
}

static int check_once(const persona_tree *t, const char *name, const way *w, int first, error *err)
{
    for (int i = 0; i < w->depth; i++)
        if (strcmp(w->in[i]->name, name) == 0)
            return error_set(err, ERROR_LOAD, "%s: a group cannot be within itself", name);
    for (int i = first; i < t->leaf_count && w->depth; i++)
        if (strcmp(t->leaves[i].persona->name, name) == 0)
            return error_set(err, ERROR_LOAD, "%s: stands twice, as %s too", name,
                             t->leaves[i].column);
    return 0;
}

static const char *column_of(persona_tree *t, const char *name, const way *w, error *err)
{
    char *text = string_format(err, "%s%s%s", w->column, w->depth ? "/" : "", name);
    const char *kept = text ? region_keep_text(&t->memory, text, err) : NULL;
    free(text);
    return kept;
}

static int add_leaf(persona_tree *t, persona *p, const way *w, error *err)
{
    tree_leaf *leaf = region_add(&t->memory, &t->leaves, &t->leaf_count, 1, sizeof *t->leaves, err);
    if (!leaf)
        return -1;
    *leaf = (tree_leaf){p, column_of(t, p->name, w, err), w->listed};
    if (t->leaf_count > TURN_PASSES_MOST)
        return error_set(err, ERROR_USAGE, "a council seats %d passes at most", TURN_PASSES_MOST);
    return leaf->column ? 0 : -1;
}

/* Its members first, so that it stands behind them; until it has a place they point to one that no group
 * has. */
static int open_group(persona_tree *t, persona *p, const way *around, int first, error *err)
{
    way w = *around;
    int leaves = t->leaf_count, groups = t->group_count;
    const char *column = column_of(t, p->name, around, err);
    bool joins = p->group->merge != MERGE_NONE;
    if (!column)
        return -1;
    w.column = column;
    w.in[w.depth++] = p;
    w.listed = joins ? -2 - w.depth : around->listed;
    for (int i = 0; i < p->group->count; i++)
        if (open_node(t, p->group->members[i], &w, first, err))
            return -1;
    if (!joins)
        return 0;
    tree_group *g = region_add(&t->memory, &t->groups, &t->group_count, 1, sizeof *t->groups, err);
    if (!g)
        return -1;
    *g = (tree_group){p, column, around->listed};
    for (int i = leaves; i < t->leaf_count; i++)
        if (t->leaves[i].group == w.listed)
            t->leaves[i].group = t->group_count - 1;
    for (int i = groups; i < t->group_count - 1; i++)
        if (t->groups[i].parent == w.listed)
            t->groups[i].parent = t->group_count - 1;
    return 0;
}

static int open_node(persona_tree *t, const char *name, const way *around, int first, error *err)
{
    if (check_once(t, name, around, first, err))
        return prefix_way(around, err);
    persona *p = own(t, name, err);
    if (!p)
        return prefix_way(around, err);
    if (!p->group)
        return add_leaf(t, p, around, err);
    if (around->depth < GROUP_DEPTH)
        return open_group(t, p, around, first, err);
    (void)error_set(err, ERROR_LOAD, "%s: groups are %d deep at most", p->name, GROUP_DEPTH);
    return prefix_way(around, err);
}

int persona_tree_open(persona_tree *out, const char *const *names, int n, error *err)
{
    *out = (persona_tree){0};
    for (int i = 0; i < n; i++) {
        way outside = {.listed = -1, .column = ""};
        if (open_node(out, names[i], &outside, out->leaf_count, err))
            return -1;
    }
    return 0;
}

void persona_tree_close(persona_tree *t)
{
    for (int i = 0; i < t->owned_count; i++)
        persona_close(t->owned[i]);
    region_release(&t->memory);
    *t = (persona_tree){0};
}

bool persona_column_is(const char *column, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = column; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (strncmp(at, name, n) == 0 && (at[n] == '\0' || at[n] == '/'))
            return true;
    return false;
}

bool persona_tree_has(const char *const *names, int n, const char *name)
{
    persona_tree t;
    bool has = false;
    if (persona_tree_open(&t, names, n, NULL) == 0)
        for (int i = 0; i < t.leaf_count && !has; i++)
            has = persona_column_is(t.leaves[i].column, name);
    persona_tree_close(&t);
    return has;
}
