/* updates.c - see updates.h. */
#include "updates.h"

/* Products that cost what cpu_rows() counts as one element: a step's few pairs wake nobody. */
enum { PRODUCTS = 8 };

bool updates_open(pair_updates *u, cpu_backend *cpu, const routes *chosen, int layer, int n)
{
    int rank = 0;
    for (int i = 0; i < n; i++) {
        const layer_routing *r = cpu_routing(cpu, i, layer);
        rank = r->update && r->update_rank > rank ? r->update_rank : rank;
    }
    *u = (pair_updates){.stride = (size_t)rank};
    if (!rank)
        return true;
    /* As in moe.c: for the most pairs there can be, so that later batches find it there. */
    size_t pairs = (size_t)chosen->max_rows * (size_t)chosen->slots;
    const expert_update **of = cpu_scratch(cpu, &cpu->updates[0], pairs * sizeof *of, "updates");
    u->inner = cpu_scratch(cpu, &cpu->updates[1], pairs * u->stride * sizeof(float), "updates");
    u->of = of;
    return u->of && u->inner;
}

const expert_update *update_of(const cpu_backend *cpu, int layer, int row, int32_t seen)
{
    const layer_routing *r = cpu_routing(cpu, row, layer);
    return r->update ? r->update[seen] : NULL;
}

/* ---- A x ---------------------------------------------------------------------------------------- */

typedef struct projection {
    const pair_updates *u;
    const dot_kernels *dots;
    const float *x;
    size_t stride;
    const int *row;
    bool down;
} projection;

static float *project_list(const dot_kernels *dots, const low_rank_list *list, const float *x,
                           float *out)
{
    const void *input = x;
    for (int i = 0; i < list->n; i++) {
        const tensor *a = list->v[i].a;
        dots->rows[a->type](a->data, a->cols, 0, a->rows, &input, 1, &out);
        for (size_t j = 0; j < a->rows; j++)
            out[j] *= list->v[i].scale;
        out += a->rows;
    }
    return out;
}

static size_t rank_of(const low_rank_list *list)
{
    size_t rank = 0;
    for (int i = 0; i < list->n; i++)
        rank += list->v[i].a->rows;
    return rank;
}

static void project_pairs(void *user, int from, int to, int thread)
{
    const projection *p = user;
    (void)thread;
    for (int pair = from; pair < to; pair++) {
        const expert_update *of = p->u->of[pair];
        const float *x = p->x + (size_t)(p->row ? p->row[pair] : pair) * p->stride;
        float *out = p->u->inner + (size_t)pair * p->u->stride;
        if (!of)
            continue;
        if (p->down)
            (void)project_list(p->dots, &of->down, x, out + rank_of(&of->gate) + rank_of(&of->up));
        else
            (void)project_list(p->dots, &of->up, x, project_list(p->dots, &of->gate, x, out));
    }
}

void updates_project(const pair_updates *u, cpu_backend *cpu, const float *x, size_t stride,
                     const int *row, int pairs, bool down)
{
    projection p = {u, cpu->dots, x, stride, row, down};
    cpu_rows(cpu, pairs, stride * u->stride / PRODUCTS, project_pairs, &p);
}

/* ---- B ------------------------------------------------------------------------------------------ */

void updates_add(const pair_updates *u, const dot_kernels *dots, size_t pair, update_part part,
                 size_t first, float *y, size_t n)
{
    const expert_update *of = u->of[pair];
    const low_rank_list *list = part == UPDATE_GATE ? &of->gate
                                : part == UPDATE_UP ? &of->up
                                                    : &of->down;
    const float *inner = u->inner + pair * u->stride;
    if (part != UPDATE_GATE)
        inner += rank_of(&of->gate);
    if (part == UPDATE_DOWN)
        inner += rank_of(&of->up);
    for (int i = 0; i < list->n; i++) {
        const tensor *b = list->v[i].b;
        dots->add_rows(y, (const float *)b->data + first, b->cols, inner, b->rows, n);
        inner += b->rows;
    }
}
