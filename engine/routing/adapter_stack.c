/* adapter_stack.c - see adapter_stack.h. */
#include "adapter_stack.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"

static const adapter_lora *find(const adapter_layer *l, int expert, expert_matrix m)
{
    int low = 0, high = l->lora_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const adapter_lora *o = &l->loras[middle];
        if (o->expert < expert || (o->expert == expert && o->matrix < m))
            low = middle + 1;
        else
            high = middle;
    }
    const adapter_lora *o = low < l->lora_count ? &l->loras[low] : NULL;
    return o && o->expert == expert && o->matrix == m ? o : NULL;
}

static bool same_tensor(const adapter_tensor *x, const adapter_tensor *y)
{
    size_t n = (size_t)x->rows * dtype_row_bytes(x->type, (size_t)x->cols);
    return x->type == y->type && x->rows == y->rows && x->cols == y->cols &&
           (x->data == y->data || memcmp(x->data, y->data, n) == 0);
}

/* Where the ranks of an expert's second matrix begin; *rank: of both together. */
static int second_rank(const adapter_lora *x, const adapter_lora *y, int *rank)
{
    int first = x ? x->a.rows : 0, second = y ? y->a.rows : 0;
    bool shared = x && y && same_tensor(&x->a, &y->a);
    *rank = shared ? first : first + second;
    return shared ? 0 : first;
}

int adapter_stack_rank(const adapter_layer *l, expert_matrix first, expert_matrix last)
{
    int most = 0, rank;
    for (int i = 0; i < l->lora_count; i++) {
        int e = l->loras[i].expert;
        (void)second_rank(find(l, e, first), last != first ? find(l, e, last) : NULL, &rank);
        most = rank > most ? rank : most;
    }
    return most;
}

/* in and out of one matrix, type and scale: those of the first, if all agree. */
static int look(adapter_stack *s, const adapter *a, const adapter_layer *l, expert_matrix first,
                expert_matrix last, error *err)
{
    bool any = false;
    for (int i = 0; i < l->lora_count; i++) {
        const adapter_lora *o = &l->loras[i];
        if (o->matrix != first && o->matrix != last)
            continue;
        if (!any) {
            s->in = o->a.cols;
            s->out = o->b.rows;
            s->type = o->a.type;
            s->scale = o->scale;
        }
        any = true;
        if (o->a.type != s->type || o->b.type != s->type)
            s->type = DTYPE_F32;
        if (o->scale != s->scale)
            return error_set(
                err, ERROR_USAGE,
                "%s: layer %d: updates of the scales %g and %g cannot be told apart in "
                "this format",
                a->path, l->layer, s->scale, o->scale);
    }
    return 0;
}

/* A into rows at .. of the expert's, B into columns at .. of rows `row` .. */
static void place(adapter_stack *s, int expert, const adapter_lora *o, int at, int row)
{
    size_t rank = (size_t)s->rank, in = (size_t)s->in, r = (size_t)o->a.rows;
    float *a = s->a + ((size_t)expert * rank + (size_t)at) * in;
    float *b = s->b + ((size_t)expert * (size_t)s->out + (size_t)row) * rank + (size_t)at;
    dequantize_row(o->a.type, o->a.data, a, r * in);
    size_t bytes = dtype_row_bytes(o->b.type, r);
    for (size_t i = 0; i < (size_t)o->b.rows; i++)
        dequantize_row(o->b.type, (const char *)o->b.data + i * bytes, b + i * rank, r);
}

static void place_expert(adapter_stack *s, const adapter_layer *l, expert_matrix first,
                         expert_matrix last, int expert)
{
    const adapter_lora *x = find(l, expert, first);
    const adapter_lora *y = last != first ? find(l, expert, last) : NULL;
    int rank, at = second_rank(x, y, &rank);
    if (x)
        place(s, expert, x, 0, 0);
    if (y)
        place(s, expert, y, at, s->out / 2);
}

int adapter_stack_make(adapter_stack *s, const adapter *a, const adapter_layer *l,
                       expert_matrix first, expert_matrix last, int experts, int least, error *err)
{
    *s = (adapter_stack){.experts = experts, .rank = adapter_stack_rank(l, first, last)};
    if (s->rank == 0)
        return 0;
    if (look(s, a, l, first, last, err))
        return -1;
    s->rank = s->rank < least ? least : s->rank;
    s->out *= first != last ? 2 : 1;
    size_t ranks = (size_t)experts * (size_t)s->rank;
    s->a = calloc(ranks * (size_t)s->in, sizeof *s->a);
    s->b = calloc(ranks * (size_t)s->out, sizeof *s->b);
    if (!s->a || !s->b)
        return error_memory(err, "an adapter");
    for (int e = 0; e < experts; e++)
        place_expert(s, l, first, last, e);
    return 0;
}

void adapter_stack_release(adapter_stack *s)
{
    free(s->a);
    free(s->b);
    *s = (adapter_stack){0};
}

int adapter_updates_alone(const adapter *a, const char *format, error *err)
{
    for (int i = 0; i < a->layer_count; i++) {
        const adapter_layer *l = &a->layers[i];
        const char *what = l->added_count      ? "added experts"
                           : l->replaced_count ? "whole experts"
                           : l->row_count      ? "router rows"
                                               : NULL;
        if (what)
            return error_set(
                err, ERROR_USAGE,
                "%s: layer %d: brings %s, and %s holds low-rank updates alone; they stay "
                "in one's own format",
                a->path, l->layer, what, format);
    }
    return 0;
}
