/* bank_plan.c - see bank_plan.h. */
#include "bank_plan.h"

#include <stdlib.h>
#include <string.h>

#include "../base/array.h"

/* ---- recipes ----------------------------------------------------------------------------------- */

void recipe_release(recipe *r)
{
    free(r->term);
    *r = (recipe){0};
}

static int terms(recipe *r, int count, error *err)
{
    *r = (recipe){calloc((size_t)count + 1, sizeof *r->term), count};
    return r->term ? 0 : error_memory(err, "the experts");
}

int recipe_copy(const recipe *r, recipe *out, error *err)
{
    if (terms(out, r->count, err))
        return -1;
    if (r->count)
        memcpy(out->term, r->term, (size_t)r->count * sizeof *r->term);
    return 0;
}

int recipe_of(const checkpoint *c, int layer, int expert, recipe *out, error *err)
{
    if (terms(out, 1, err))
        return -1;
    out->term[0] = (recipe_term){c, layer, expert, 1, 1, NULL};
    return 0;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

int bank_plan_open(bank_plan *p, const checkpoint *c, error *err)
{
    const model_config *config = checkpoint_config(c);
    *p = (bank_plan){c, calloc((size_t)config->layers, sizeof *p->layers), NULL};
    if (!p->layers)
        return error_memory(err, "the experts");
    for (int l = 0; l < config->layers; l++)
        for (int e = 0; config->moe_layer[l] && e < config->experts; e++) {
            recipe r;
            if (recipe_of(c, l, e, &r, err) || bank_plan_insert(p, l, e, &r, err))
                return -1;
        }
    return 0;
}

void bank_plan_release(bank_plan *p)
{
    for (int l = 0; p->layers && l < checkpoint_config(p->c)->layers; l++) {
        for (size_t e = 0; e < p->layers[l].len; e++)
            recipe_release(&p->layers[l].v[e]);
        free(p->layers[l].v);
    }
    while (p->baked) {
        baked_expert *next = p->baked->next;
        free(p->baked);
        p->baked = next;
    }
    free(p->layers);
    *p = (bank_plan){0};
}

int bank_plan_insert(bank_plan *p, int layer, int expert, recipe *r, error *err)
{
    bank_list *l = &p->layers[layer];
    size_t at = (size_t)expert;
    recipe *v = array_room(l->v, l->len, &l->cap, sizeof *v, "the experts", err);
    if (!v) {
        recipe_release(r);
        return -1;
    }
    l->v = v;
    memmove(v + at + 1, v + at, (l->len - at) * sizeof *v);
    v[at] = *r;
    l->len++;
    *r = (recipe){0};
    return 0;
}

void bank_plan_set(bank_plan *p, int layer, int expert, recipe *r)
{
    recipe *at = &p->layers[layer].v[expert];
    recipe_release(at);
    *at = *r;
    *r = (recipe){0};
}

void bank_plan_drop(bank_plan *p, int layer, int expert)
{
    bank_list *l = &p->layers[layer];
    size_t at = (size_t)expert;
    recipe_release(&l->v[at]);
    memmove(l->v + at, l->v + at + 1, (l->len - at - 1) * sizeof *l->v);
    l->len--;
}

void bank_plan_swap(bank_plan *p, const int a[2], const int b[2])
{
    recipe *left = &p->layers[a[0]].v[a[1]], *right = &p->layers[b[0]].v[b[1]], kept = *left;
    *left = *right;
    *right = kept;
}

void bank_plan_scale(bank_plan *p, int layer, int expert, float factor)
{
    recipe *r = &p->layers[layer].v[expert];
    for (int i = 0; i < r->count; i++)
        r->term[i].down *= factor;
}

int bank_plan_average(bank_plan *p, int layer, const int *experts, int n, error *err)
{
    recipe *v = p->layers[layer].v, mean;
    int count = 0, at = 0;
    for (int i = 0; i < n; i++)
        count += v[experts[i]].count;
    if (terms(&mean, count, err))
        return -1;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < v[experts[i]].count; k++, at++) {
            mean.term[at] = v[experts[i]].term[k];
            mean.term[at].share /= (float)n;
        }
    bank_plan_set(p, layer, experts[0], &mean);
    return 0;
}

/* ---- asking ------------------------------------------------------------------------------------ */

int bank_plan_count(const bank_plan *p, error *err)
{
    const model_config *config = checkpoint_config(p->c);
    int first = -1;
    for (int l = 0; l < config->layers; l++) {
        if (!config->moe_layer[l])
            continue;
        first = first < 0 ? l : first;
        if (p->layers[l].len != p->layers[first].len)
            return error_set(err, ERROR_USAGE,
                             "layer %d would have %zu experts and layer %d %zu: a model's file "
                             "has one number for all layers, so drop or insert as many in each "
                             "(* is all layers)",
                             first, p->layers[first].len, l, p->layers[l].len);
    }
    size_t n = first < 0 ? 0 : p->layers[first].len;
    if (first < 0)
        return 0; /* a dense model */
    if (n < (size_t)config->experts_per_token || n > MODEL_MAX_EXPERTS)
        return error_set(err, ERROR_USAGE,
                         "each layer would have %zu experts; this model calls %d a token, and at "
                         "most %d are read",
                         n, config->experts_per_token, MODEL_MAX_EXPERTS);
    return (int)n;
}

static bool is_itself(const bank_plan *p, int layer, int expert)
{
    const recipe *r = &p->layers[layer].v[expert];
    const recipe_term *t = r->term;
    return r->count == 1 && t->of == p->c && t->layer == layer && t->expert == expert &&
           t->share == 1 && t->down == 1 && !t->baked;
}

bool bank_plan_is_same(const bank_plan *p)
{
    const model_config *config = checkpoint_config(p->c);
    for (int l = 0; l < config->layers; l++) {
        if (config->moe_layer[l] && p->layers[l].len != (size_t)config->experts)
            return false;
        for (size_t e = 0; e < p->layers[l].len; e++)
            if (!is_itself(p, l, (int)e))
                return false;
    }
    return true;
}
