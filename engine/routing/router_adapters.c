/* router_adapters.c - see router_adapters.h.
 *
 * Updates are gathered by one walk over the adapters' sorted lists: for each expert and matrix in
 * turn, each adapter's cursor stands at that pair or beyond it. So what belongs together comes to
 * lie together, in the order of the list.
 */
#include "router_adapters.h"

#include <stdlib.h>
#include <string.h>

const adapter_layer *router_adapters_at(const router_adapters *t, int i, int layer)
{
    return adapter_at(t->list[i]->file, layer);
}

static const placed_layer *placed_at(const placed_adapter *p, const adapter_layer *l)
{
    return &p->layers[l - p->file->layers];
}

/* ---- room ---------------------------------------------------------------------------------------- */

static int count_added(router_adapters *t, const model_config *model, error *err)
{
    for (int layer = 0; layer < model->layers; layer++) {
        for (int i = 0; i < t->count; i++) {
            const adapter_layer *l = router_adapters_at(t, i, layer);
            t->added[layer] += l ? l->added_count : 0;
        }
        if (t->added[layer] > MODEL_MAX_EXPERTS - model->experts)
            return error_set(err, ERROR_LOAD,
                             "layer %d: adapters add more experts than it can hold", layer);
        if (t->added[layer] > t->most_added)
            t->most_added = t->added[layer];
    }
    t->row = model->experts + t->most_added;
    return 0;
}

static int make_room(router_adapters *t, const model_config *model, error *err)
{
    size_t layers = (size_t)model->layers, cells = layers * (size_t)t->row, loras = 0;
    for (int i = 0; i < t->count; i++)
        for (int j = 0; j < t->list[i]->file->layer_count; j++)
            loras += (size_t)t->list[i]->file->layers[j].lora_count;
    t->place = calloc(cells, sizeof *t->place);
    t->score = calloc(cells, sizeof *t->score);
    t->update = calloc(cells, sizeof *t->update);
    t->changes = calloc(loras + 1, sizeof *t->changes);
    t->pool = calloc(loras + 1, sizeof *t->pool);
    t->moved = calloc(layers, sizeof *t->moved);
    t->rank = calloc(layers, sizeof *t->rank);
    if (!t->place || !t->score || !t->update || !t->changes || !t->pool || !t->moved || !t->rank)
        return error_memory(err, "the adapters");
    return 0;
}

/* ---- places and scores --------------------------------------------------------------------------- */

/* One adapter's experts and rows; `next`: the number of its first added expert. */
static void move_experts(const router_adapters *t, const model_config *model, int i, int layer,
                         int next)
{
    const adapter_layer *l = router_adapters_at(t, i, layer);
    const placed_layer *at = placed_at(t->list[i], l);
    size_t row = (size_t)layer * (size_t)t->row;
    int first = model->experts + at->score;
    for (int e = 0; e < l->added_count; e++) {
        t->place[row + (size_t)(next + e)] = at->place + e;
        t->score[row + (size_t)(next + e)] = first + e;
    }
    for (int e = 0; e < l->replaced_count; e++)
        t->place[row + (size_t)l->replaced[e].expert] = at->place + l->added_count + e;
    for (int e = 0; e < l->row_count; e++)
        t->score[row + (size_t)l->rows[e].expert] = first + l->added_count + e;
}

static void fill_places(router_adapters *t, const model_config *model, int layer)
{
    size_t row = (size_t)layer * (size_t)t->row;
    int next = model->experts;
    for (int e = 0; e < t->row; e++)
        t->place[row + (size_t)e] = t->score[row + (size_t)e] = e;
    for (int i = 0; i < t->count; i++) {
        const adapter_layer *l = router_adapters_at(t, i, layer);
        if (!l)
            continue;
        move_experts(t, model, i, layer, next);
        next += l->added_count;
        t->moved[layer] = t->moved[layer] || l->added_count || l->replaced_count || l->row_count;
    }
}

/* ---- updates ------------------------------------------------------------------------------------- */

/* The updates of one matrix, of all adapters; *rank grows by theirs. A scale of 0 changes nothing. */
static low_rank_list gather(router_adapters *t, int layer, int expert, expert_matrix matrix,
                            int *cursors, int *rank)
{
    low_rank_list list = {t->pool + t->pool_used, 0};
    for (int i = 0; i < t->count; i++) {
        const adapter_layer *l = router_adapters_at(t, i, layer);
        int at = cursors[i];
        if (!l || at == l->lora_count || l->loras[at].expert != expert ||
            l->loras[at].matrix != matrix)
            continue;
        cursors[i]++;
        if (l->loras[at].scale == 0)
            continue;
        t->pool[t->pool_used++] = placed_at(t->list[i], l)->loras[at];
        *rank += l->loras[at].a.rows;
        list.n++;
    }
    return list;
}

static void fill_updates(router_adapters *t, const model_config *model, int layer)
{
    int cursors[ROUTER_ADAPTERS] = {0};
    for (int e = 0; e < model->experts; e++) {
        int rank = 0;
        expert_update u = {.gate = gather(t, layer, e, EXPERT_GATE, cursors, &rank)};
        u.up = gather(t, layer, e, EXPERT_UP, cursors, &rank);
        u.down = gather(t, layer, e, EXPERT_DOWN, cursors, &rank);
        if (!rank)
            continue;
        t->changes[t->changes_made] = u;
        t->update[(size_t)layer * (size_t)t->row + (size_t)e] = &t->changes[t->changes_made++];
        t->rank[layer] = rank > t->rank[layer] ? rank : t->rank[layer];
    }
}

/* ---- public -------------------------------------------------------------------------------------- */

int router_adapters_make(router_adapters *t, const model_config *model,
                         const placed_adapter *const *list, int count, error *err)
{
    *t = (router_adapters){.count = count};
    t->added = calloc((size_t)model->layers, sizeof *t->added);
    if (!t->added)
        return error_memory(err, "the adapters");
    if (count > ROUTER_ADAPTERS)
        return error_set(err, ERROR_USAGE, "%d adapters: a pass takes at most %d", count,
                         ROUTER_ADAPTERS);
    if (count)
        memcpy(t->list, list, (size_t)count * sizeof *list);
    if (count_added(t, model, err))
        return -1;
    if (!count)
        return 0;
    if (make_room(t, model, err))
        return -1;
    for (int i = 0; i < model->layers; i++) {
        if (!model->moe_layer[i])
            continue;
        fill_places(t, model, i);
        fill_updates(t, model, i);
    }
    return 0;
}

void router_adapters_release(router_adapters *t)
{
    free(t->added);
    free(t->place);
    free(t->score);
    free(t->update);
    free(t->changes);
    free(t->pool);
    free(t->moved);
    free(t->rank);
    *t = (router_adapters){0};
}

void router_adapters_apply(const router_adapters *t, int layer, layer_routing *r)
{
    size_t row = (size_t)layer * (size_t)t->row;
    r->adapter_count = t->added[layer];
    if (!t->count)
        return;
    r->place = t->moved[layer] ? t->place + row : NULL;
    r->score = t->moved[layer] ? t->score + row : NULL;
    r->update = t->rank[layer] ? t->update + row : NULL;
    r->update_rank = t->rank[layer];
}
