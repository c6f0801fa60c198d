/* bank_bake.c - see bank_bake.h. */
#include "bank_bake.h"

#include <stdlib.h>
#include <string.h>

typedef struct baking {
    bank_plan *p;
    const adapter *a;
    int layer;
    error *err;
} baking;

bank_matrix bake_matrix(expert_matrix m)
{
    static const bank_matrix parts[EXPERT_MATRICES] = {
        [EXPERT_GATE] = BANK_GATE, [EXPERT_UP] = BANK_UP, [EXPERT_DOWN] = BANK_DOWN};
    return parts[m];
}

static bank_rows rows_of(const adapter_tensor *t)
{
    return (bank_rows){t->type, (size_t)t->rows, (size_t)t->cols, t->data};
}

/* What expert e is to become, to be filled in: a copy of what it is, which others may still be made of. */
static baked_expert *change(const baking *k, int expert)
{
    bank_list *l = &k->p->layers[k->layer];
    if ((size_t)expert >= l->len || l->v[expert].count != 1) {
        (void)error_set(k->err, ERROR_USAGE,
                        "%s: layer %d, expert %d: %s, so nothing can be baked into it", k->a->path,
                        k->layer, expert,
                        (size_t)expert >= l->len ? "it is gone" : "it is zeros or a sum already");
        return NULL;
    }
    recipe_term *t = &l->v[expert].term[0];
    baked_expert *made = calloc(1, sizeof *made);
    if (!made) {
        (void)error_memory(k->err, "an expert");
        return NULL;
    }
    if (t->baked)
        *made = *t->baked;
    made->next = k->p->baked;
    k->p->baked = made;
    t->baked = made;
    return made;
}

/* ---- what an adapter brings -------------------------------------------------------------------- */

static int put_replaced(const baking *k, const adapter_expert *e)
{
    baked_expert *made = change(k, e->expert);
    for (int m = 0; made && m < EXPERT_MATRICES; m++)
        if (e->matrix[m].data)
            made->part[bake_matrix((expert_matrix)m)] = rows_of(&e->matrix[m]);
    return made ? 0 : -1;
}

static int put_row(const baking *k, const adapter_row *r)
{
    baked_expert *made = change(k, r->expert);
    if (made)
        made->part[BANK_ROUTER] = (bank_rows){r->type, 1, (size_t)k->a->width, r->values};
    return made ? 0 : -1;
}

static int put_update(const baking *k, const adapter_lora *o)
{
    baked_expert *made = change(k, o->expert);
    if (made && made->updates == BAKE_MOST * EXPERT_MATRICES)
        return error_set(k->err, ERROR_USAGE, "%s: more than %d updates of one expert", k->a->path,
                         BAKE_MOST * EXPERT_MATRICES);
    if (made)
        made->update[made->updates++] = o;
    return made ? 0 : -1;
}

/* Behind the others; its gate has no more rows than the model's. */
static int put_added(const baking *k, const adapter_layer *l, int i)
{
    const adapter_expert *e = &l->added[i];
    int wide = checkpoint_config(k->p->c)->expert_width, own = e->matrix[EXPERT_GATE].rows;
    bank_list *list = &k->p->layers[k->layer];
    recipe r;
    if (own > wide)
        return error_set(k->err, ERROR_USAGE,
                         "%s: layer %d, added expert %d is %d wide and the model's are %d: a "
                         "checkpoint has one width for all",
                         k->a->path, k->layer, e->expert, own, wide);
    if (recipe_of(k->p->c, k->layer, 0, &r, k->err) ||
        bank_plan_insert(k->p, k->layer, (int)list->len, &r, k->err))
        return -1;
    baked_expert *made = change(k, (int)list->len - 1);
    if (!made)
        return -1;
    size_t stride = dtype_row_bytes(l->added_rows.type, (size_t)l->added_rows.cols);
    made->part[BANK_ROUTER] = (bank_rows){l->added_rows.type, 1, (size_t)l->added_rows.cols,
                                          (const uint8_t *)l->added_rows.data + stride * (size_t)i};
    for (int m = 0; m < EXPERT_MATRICES; m++)
        made->part[bake_matrix((expert_matrix)m)] = rows_of(&e->matrix[m]);
    return 0;
}

static int bake_layer(const baking *k, const adapter_layer *l)
{
    int result = 0;
    for (int i = 0; !result && i < l->replaced_count; i++)
        result = put_replaced(k, &l->replaced[i]);
    for (int i = 0; !result && i < l->row_count; i++)
        result = put_row(k, &l->rows[i]);
    for (int i = 0; !result && i < l->lora_count; i++)
        result = put_update(k, &l->loras[i]);
    for (int i = 0; !result && i < l->added_count; i++)
        result = put_added(k, l, i);
    return result;
}

int bank_plan_bake(bank_plan *p, const adapter *a, error *err)
{
    if (adapter_fit(a, checkpoint_config(p->c), NULL, err))
        return -1;
    for (int i = 0; i < a->layer_count; i++) {
        const baking k = {p, a, a->layers[i].layer, err};
        if (bake_layer(&k, &a->layers[i]))
            return -1;
    }
    return 0;
}
