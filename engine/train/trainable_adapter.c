/* trainable_adapter.c - what is learned as an adapter, and an adapter as what is learned: trainable.h. */
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../../kernels/quantize.h"
#include "trainable.h"

/* ---- to an adapter --------------------------------------------------------------------------- */

/* A parameter in the adapter's type; *data is the caller's to free. */
static int tensor_from(const parameter *p, dtype type, adapter_tensor *out, error *err)
{
    size_t stride = dtype_row_bytes(type, p->cols);
    char *data = malloc(p->rows * stride);
    if (!data)
        return error_memory(err, "an adapter");
    for (size_t r = 0; r < p->rows; r++)
        quantize_row(type, p->value + r * p->cols, data + r * stride, p->cols);
    *out = (adapter_tensor){type, (int)p->rows, (int)p->cols, data};
    return 0;
}

static void release(adapter_tensor *t, int n)
{
    for (int i = 0; i < n; i++)
        free((void *)t[i].data);
}

static int tensors_from(const parameter *const *p, int n, dtype type, adapter_tensor *out,
                        error *err)
{
    for (int i = 0; i < n; i++)
        if (tensor_from(p[i], type, &out[i], err)) {
            release(out, i);
            return -1;
        }
    return 0;
}

static int put_added(adapter *a, int layer, const expert_trainable *x, dtype type, error *err)
{
    const parameter *all[] = {&x->whole[EXPERT_GATE], &x->whole[EXPERT_UP], &x->whole[EXPERT_DOWN],
                              &x->row};
    adapter_tensor t[EXPERT_MATRICES + 1] = {{0}};
    if (tensors_from(all, EXPERT_MATRICES + 1, type, t, err))
        return -1;
    int result = adapter_put_added(a, layer, t, &t[EXPERT_MATRICES], err);
    release(t, EXPERT_MATRICES + 1);
    return result;
}

static int put_lora(adapter *a, int layer, int expert, int matrix, const lora_pair *pair,
                    dtype type, error *err)
{
    const parameter *all[] = {&pair->a, &pair->b};
    adapter_tensor t[2] = {{0}};
    if (tensors_from(all, 2, type, t, err))
        return -1;
    adapter_lora lora = {expert, (expert_matrix)matrix, t[0], t[1], pair->scale};
    int result = adapter_put_lora(a, layer, &lora, err);
    release(t, 2);
    return result;
}

static int put_row(adapter *a, int layer, int expert, const parameter *row, dtype type, error *err)
{
    adapter_tensor t = {0};
    if (tensor_from(row, type, &t, err))
        return -1;
    int result = adapter_put_row(a, layer, &(adapter_row){expert, type, t.data}, err);
    release(&t, 1);
    return result;
}

/* An expert of the model: what of it is learned. */
static int put_expert(adapter *a, int layer, int expert, const expert_trainable *x, dtype type,
                      error *err)
{
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        adapter_tensor t = {0};
        if (x->lora[m].a.value && put_lora(a, layer, expert, m, &x->lora[m], type, err))
            return -1;
        if (!x->whole[m].value)
            continue;
        if (tensor_from(&x->whole[m], type, &t, err))
            return -1;
        int result = adapter_put_replaced(a, layer, expert, (expert_matrix)m, &t, err);
        release(&t, 1);
        if (result)
            return -1;
    }
    return x->row.value ? put_row(a, layer, expert, &x->row, type, err) : 0;
}

static int put_all(adapter *a, const trainable *t, dtype type, error *err)
{
    for (int i = 0; i < t->last - t->first; i++) {
        const layer_trainable *l = &t->layers[i];
        for (int e = 0; e < l->experts; e++) {
            int layer = t->first + i, result;
            result = e < l->experts - l->added ? put_expert(a, layer, e, &l->of[e], type, err)
                                               : put_added(a, layer, &l->of[e], type, err);
            if (result)
                return -1;
        }
    }
    return 0;
}

adapter *trainable_to_adapter(const trainable *t, engine *e, dtype type, error *err)
{
    const char *mark = engine_fingerprint(e, err);
    adapter *a = mark ? adapter_new("", engine_config(e)->width, err) : NULL;
    if (!a)
        return NULL;
    memcpy(a->fingerprint, mark, strlen(mark) + 1);
    if (put_all(a, t, type, err) == 0 && adapter_seal(a, err) == 0)
        return a;
    adapter_close(a);
    return NULL;
}

/* ---- from an adapter ------------------------------------------------------------------------- */

typedef struct taking {
    trainable *t;
    const adapter *a;
    error *err;
} taking;

static const char *name_of(const adapter *a)
{
    return a->path && a->path[0] ? a->path : "the adapter";
}

static int take_tensor(const taking *k, int layer, int expert, parameter *p,
                       const adapter_tensor *from)
{
    if (!from->data)
        return 0;
    if (!p->value || p->rows != (size_t)from->rows || p->cols != (size_t)from->cols)
        return error_set(k->err, ERROR_LOAD,
                         "%s: layer %d: expert %d brings a matrix of [%d, %d], and what is to be "
                         "learned is [%zu, %zu]",
                         name_of(k->a), layer, expert, from->rows, from->cols, p->rows, p->cols);
    size_t stride = dtype_row_bytes(from->type, p->cols);
    for (size_t r = 0; r < p->rows; r++)
        dequantize_row(from->type, (const char *)from->data + r * stride, p->value + r * p->cols,
                       p->cols);
    return 0;
}

static int take_matrices(const taking *k, int layer, int expert, expert_trainable *x,
                         const adapter_expert *from)
{
    for (int m = 0; m < EXPERT_MATRICES; m++)
        if (take_tensor(k, layer, expert, &x->whole[m], &from->matrix[m]))
            return -1;
    return 0;
}

/* A scale that is not the pair's own goes into B. */
static int take_lora(const taking *k, int layer, expert_trainable *x, const adapter_lora *from)
{
    lora_pair *pair = &x->lora[from->matrix];
    if (take_tensor(k, layer, from->expert, &pair->a, &from->a) ||
        take_tensor(k, layer, from->expert, &pair->b, &from->b))
        return -1;
    float by = from->scale / pair->scale;
    for (size_t i = 0; by != 1 && i < pair->b.rows * pair->b.cols; i++)
        pair->b.value[i] *= by;
    return 0;
}

static int take_layer(const taking *k, const adapter_layer *from, layer_trainable *l)
{
    int layer = from->layer, experts = l->experts - l->added;
    for (int i = 0; i < from->added_count; i++) {
        expert_trainable *x = &l->of[experts + i];
        adapter_tensor row = from->added_rows;
        row.rows = 1;
        row.data = (const char *)row.data + (size_t)i * dtype_row_bytes(row.type, (size_t)row.cols);
        if (take_matrices(k, layer, experts + i, x, &from->added[i]) ||
            take_tensor(k, layer, experts + i, &x->row, &row))
            return -1;
    }
    for (int i = 0; i < from->replaced_count; i++)
        if (take_matrices(k, layer, from->replaced[i].expert, &l->of[from->replaced[i].expert],
                          &from->replaced[i]))
            return -1;
    for (int i = 0; i < from->lora_count; i++)
        if (take_lora(k, layer, &l->of[from->loras[i].expert], &from->loras[i]))
            return -1;
    for (int i = 0; i < from->row_count; i++) {
        const adapter_row *r = &from->rows[i];
        adapter_tensor row = {r->type, 1, k->a->width, r->values};
        if (take_tensor(k, layer, r->expert, &l->of[r->expert].row, &row))
            return -1;
    }
    return 0;
}

/* Whether every expert that the layer speaks of is one that t knows. */
static int check_layer(const taking *k, const adapter_layer *from)
{
    const trainable *t = k->t;
    const layer_trainable *l = from->layer >= t->first && from->layer < t->last
                                   ? &t->layers[from->layer - t->first]
                                   : NULL;
    int experts = l ? l->experts - l->added : 0;
    bool fits = l && l->experts && from->added_count == l->added;
    for (int i = 0; fits && i < from->replaced_count; i++)
        fits = from->replaced[i].expert < experts;
    for (int i = 0; fits && i < from->lora_count; i++)
        fits = from->loras[i].expert < experts;
    for (int i = 0; fits && i < from->row_count; i++)
        fits = from->rows[i].expert < experts;
    return fits ? 0
                : error_set(k->err, ERROR_LOAD,
                            "%s: layer %d brings experts that are not to be learned", name_of(k->a),
                            from->layer);
}

int trainable_take(trainable *t, const adapter *a, error *err)
{
    taking k = {t, a, err};
    for (int i = 0; i < a->layer_count; i++)
        if (check_layer(&k, &a->layers[i]) ||
            take_layer(&k, &a->layers[i], &t->layers[a->layers[i].layer - t->first]))
            return -1;
    return 0;
}

/* ---- a spec of what an adapter brings -------------------------------------------------------- */

/* A layer's lists of experts, each of `experts` marks. */
static layer_spec spec_of(const adapter_layer *from, uint8_t *marks, size_t experts)
{
    uint8_t *whole = marks, *lora = marks + experts, *rows = lora + experts;
    for (int i = 0; i < from->replaced_count; i++)
        whole[from->replaced[i].expert] = 1;
    for (int i = 0; i < from->lora_count; i++)
        lora[from->loras[i].expert] |= (uint8_t)(1 << from->loras[i].matrix);
    for (int i = 0; i < from->row_count; i++)
        rows[from->rows[i].expert] = 1;
    return (layer_spec){.added = from->added_count, .whole = whole, .lora = lora, .rows = rows};
}

/* The width and the rank that the spec names once for all. */
static void sizes_of(const adapter_layer *from, train_spec *spec)
{
    if (from->added_count)
        spec->added_width = from->added[0].matrix[EXPERT_GATE].rows;
    if (from->lora_count)
        spec->rank = from->loras[0].a.rows;
}

trainable *trainable_from_adapter(engine *e, const adapter *a, error *err)
{
    const model_config *c = engine_config(e);
    size_t experts = (size_t)c->experts;
    if (adapter_fit(a, c, NULL, err))
        return NULL;
    train_spec spec = {.first = a->layers[0].layer,
                       .last = a->layers[a->layer_count - 1].layer + 1};
    size_t layers = (size_t)(spec.last - spec.first);
    layer_spec *list = calloc(layers, sizeof *list);
    uint8_t *marks = calloc(layers * 3, experts + 1);
    trainable *t = NULL;
    if (!list || !marks) {
        (void)error_memory(err, "what is learned");
    } else {
        for (int i = 0; i < a->layer_count; i++) {
            size_t at = (size_t)(a->layers[i].layer - spec.first);
            list[at] = spec_of(&a->layers[i], marks + 3 * at * experts, experts);
            sizes_of(&a->layers[i], &spec);
        }
        spec.layers = list;
        t = trainable_new(e, &spec, err);
    }
    free(list);
    free(marks);
    if (t && trainable_take(t, a, err)) {
        trainable_free(t);
        t = NULL;
    }
    return t;
}
