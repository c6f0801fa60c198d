/* bank.c - see bank.h.
 *
 * A layer is joined in one go: its tensors are made first, each noted in the adapter's own list, then
 * come the steps that cannot fail. So leaving after a failure is the same walk as leaving.
 */
#include "bank.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"

typedef struct joining {
    weights *w;
    backend *b;
    loaded_adapter *to;
    error *err;
} joining;

static const adapter_layer *layer_of(const loaded_adapter *l, int i)
{
    return &l->placed.file->layers[i];
}

/* Experts, and rows of the router, that it brings to one of its layers. */
static int bank_places(const adapter_layer *l)
{
    return l->added_count + l->replaced_count;
}

static int router_rows(const adapter_layer *l)
{
    return l->added_count + l->row_count;
}

/* ---- tensors ------------------------------------------------------------------------------------- */

/* Notes a tensor as the adapter's; NULL passes through. */
static tensor *own(const joining *j, tensor *t)
{
    if (t)
        j->to->tensors[j->to->tensor_count++] = t;
    return t;
}

static tensor *map_matrix(const joining *j, const adapter_tensor *t)
{
    return own(j, tensor_map(j->b, t->type, (size_t)t->rows, (size_t)t->cols, t->data, j->err));
}

/* f32 [cols, rows] of t [rows, cols]. */
static tensor *transpose(const joining *j, const adapter_tensor *t)
{
    size_t rows = (size_t)t->rows, cols = (size_t)t->cols;
    float *row = malloc(cols * sizeof *row), *all = malloc(rows * cols * sizeof *all);
    tensor *out = row && all ? own(j, tensor_new(j->b, DTYPE_F32, cols, rows, j->err)) : NULL;
    if (!row || !all)
        error_memory(j->err, "an adapter");
    for (size_t r = 0; out && r < rows; r++) {
        dequantize_row(t->type, (const char *)t->data + r * dtype_row_bytes(t->type, cols), row,
                       cols);
        for (size_t c = 0; c < cols; c++)
            all[c * rows + r] = row[c];
    }
    if (out) {
        tensor_write(j->b, out, 0, cols, all);
        j->to->bytes += rows * cols * sizeof *all;
    }
    free(row);
    free(all);
    return out;
}

/* ---- joining one layer --------------------------------------------------------------------------- */

static int grow_list(tensor ***list, int count, error *err)
{
    tensor **grown = realloc(*list, (size_t)count * sizeof(tensor *));
    if (!grown)
        return error_memory(err, "an adapter");
    *list = grown;
    return 0;
}

/* One matrix of all its experts, behind those of the bank. What a replaced expert does not bring, it
 * has from the model. */
static int append_matrix(const joining *j, const adapter_layer *l, tensor **list, int count,
                         expert_matrix matrix)
{
    for (int e = 0; e < l->added_count; e++)
        if (!(list[count + e] = map_matrix(j, &l->added[e].matrix[matrix])))
            return -1;
    for (int e = 0; e < l->replaced_count; e++) {
        const adapter_tensor *t = &l->replaced[e].matrix[matrix];
        tensor *whole = t->data ? map_matrix(j, t) : list[l->replaced[e].expert];
        if (!(list[count + l->added_count + e] = whole))
            return -1;
    }
    return 0;
}

static int append_experts(const joining *j, const adapter_layer *l, layer_weights *w)
{
    tensor ***const lists[EXPERT_MATRICES] = {&w->expert_gate, &w->expert_up, &w->expert_down};
    int count = expert_bank_count(w->bank), result = 0;
    for (int m = 0; m < EXPERT_MATRICES && !result; m++) {
        result = grow_list(lists[m], count + bank_places(l), j->err);
        if (!result)
            result = append_matrix(j, l, *lists[m], count, (expert_matrix)m);
    }
    return result ? result
                  : expert_bank_put(w->bank, count, bank_places(l),
                                    (const tensor *const *)w->expert_gate + count,
                                    (const tensor *const *)w->expert_up + count,
                                    (const tensor *const *)w->expert_down + count, j->err);
}

static void read_rows(const adapter_layer *l, size_t width, float *out)
{
    if (l->added_count)
        dequantize_row(l->added_rows.type, l->added_rows.data, out, (size_t)l->added_count * width);
    out += (size_t)l->added_count * width;
    for (int i = 0; i < l->row_count; i++)
        dequantize_row(l->rows[i].type, l->rows[i].values, out + (size_t)i * width, width);
}

/* The adapters' rows of the router, its own the last of them; NULL on failure. */
static tensor *longer_router(const joining *j, const adapter_layer *l, const layer_weights *w)
{
    size_t before = (size_t)w->adapter_rows, n = (size_t)router_rows(l);
    size_t width = tensor_cols(w->router);
    float *rows = calloc((before + n) * width, sizeof *rows);
    tensor *router = rows ? tensor_new(j->b, DTYPE_F32, before + n, width, j->err) : NULL;
    if (!rows)
        error_memory(j->err, "an adapter");
    if (router && before)
        tensor_read(j->b, w->adapter_router, 0, before, rows);
    if (router && backend_sync(j->b, j->err)) {
        tensor_free(router);
        router = NULL;
    }
    if (router) {
        read_rows(l, width, rows + before * width);
        tensor_write(j->b, router, 0, before + n, rows);
    }
    free(rows);
    return router;
}

static int make_updates(const joining *j, const adapter_layer *l, placed_layer *at)
{
    at->loras = calloc((size_t)l->lora_count + 1, sizeof *at->loras);
    if (!at->loras)
        return error_memory(j->err, "an adapter");
    for (int i = 0; i < l->lora_count; i++) {
        const adapter_lora *lora = &l->loras[i];
        at->loras[i] = (low_rank){map_matrix(j, &lora->a), transpose(j, &lora->b), lora->scale};
        if (!at->loras[i].a || !at->loras[i].b)
            return -1;
    }
    return 0;
}

static int join_layer(const joining *j, int i)
{
    const adapter_layer *l = layer_of(j->to, i);
    layer_weights *w = &j->w->layers[l->layer];
    placed_layer *at = &j->to->placed.layers[i];
    *at = (placed_layer){.place = expert_bank_count(w->bank), .score = w->adapter_rows};
    tensor *router = NULL;
    if (make_updates(j, l, at) || (router_rows(l) && !(router = longer_router(j, l, w))))
        return -1;
    if (append_experts(j, l, w)) {
        tensor_free(router);
        return -1;
    }
    if (router) {
        tensor_free(w->adapter_router);
        w->adapter_router = router;
    }
    w->adapter_rows += router_rows(l);
    j->to->layers_done++;
    return 0;
}

/* ---- leaving ------------------------------------------------------------------------------------- */

/* How far the adapters that are still there reach in a layer. */
static void shrink_layer(const weights *w, layer_weights *l, int layer)
{
    int experts = w->experts, rows = 0;
    for (int i = 0; i < w->adapter_count; i++) {
        const loaded_adapter *a = w->adapters[i];
        for (int k = 0; k < a->layers_done; k++) {
            const adapter_layer *of = layer_of(a, k);
            const placed_layer *at = &a->placed.layers[k];
            if (of->layer != layer)
                continue;
            experts = bank_places(of) && at->place + bank_places(of) > experts
                          ? at->place + bank_places(of)
                          : experts;
            rows = router_rows(of) && at->score + router_rows(of) > rows
                       ? at->score + router_rows(of)
                       : rows;
        }
    }
    expert_bank_cut(l->bank, experts);
    l->adapter_rows = rows;
    if (!rows) {
        tensor_free(l->adapter_router);
        l->adapter_router = NULL;
    }
}

static void measure(weights *w)
{
    w->max_experts = w->experts;
    w->max_rows = 0;
    for (int i = 0; i < w->layer_count; i++) {
        const layer_weights *l = &w->layers[i];
        int rows = l->adapter_router ? (int)tensor_rows(l->adapter_router) : 0;
        int experts = l->bank ? expert_bank_count(l->bank) : 0;
        w->max_experts = experts > w->max_experts ? experts : w->max_experts;
        w->max_rows = rows > w->max_rows ? rows : w->max_rows;
    }
}

static void leave_layer(const weights *w, const loaded_adapter *a, int i)
{
    const adapter_layer *l = layer_of(a, i);
    layer_weights *lw = &w->layers[l->layer];
    expert_bank_clear(lw->bank, a->placed.layers[i].place, bank_places(l));
    for (int e = 0; e < bank_places(l); e++) {
        int at = a->placed.layers[i].place + e;
        lw->expert_gate[at] = lw->expert_up[at] = lw->expert_down[at] = NULL;
    }
}

/* It is no longer in the list. */
static void unload(weights *w, loaded_adapter *a)
{
    for (int i = 0; i < a->layers_done; i++)
        leave_layer(w, a, i);
    for (int i = 0; i < a->layers_done; i++) {
        int layer = layer_of(a, i)->layer;
        shrink_layer(w, &w->layers[layer], layer);
    }
    for (int i = 0; i < a->tensor_count; i++)
        tensor_free(a->tensors[i]);
    for (int i = 0; a->placed.layers && i < a->placed.file->layer_count; i++)
        free(a->placed.layers[i].loras);
    free(a->tensors);
    free(a->placed.layers);
    adapter_close(a->placed.file);
    free(a);
    measure(w);
}

/* ---- public -------------------------------------------------------------------------------------- */

/* Room for all that it will own. Takes the file. */
static loaded_adapter *open_loaded(adapter *file, error *err)
{
    size_t tensors = 1;
    for (int i = 0; i < file->layer_count; i++)
        tensors += EXPERT_MATRICES * (size_t)bank_places(&file->layers[i]) +
                   2 * (size_t)file->layers[i].lora_count;
    loaded_adapter *a = calloc(1, sizeof *a);
    if (a) {
        a->placed.file = file;
        a->references = 1;
        a->bytes = file->bytes;
        a->placed.layers = calloc((size_t)file->layer_count, sizeof *a->placed.layers);
        a->tensors = calloc(tensors, sizeof(tensor *));
    }
    if (a && a->placed.layers && a->tensors)
        return a;
    if (a) {
        free(a->placed.layers);
        free(a->tensors);
    }
    free(a);
    adapter_close(file);
    error_memory(err, "an adapter");
    return NULL;
}

static loaded_adapter *find_same(const weights *w, const adapter *file)
{
    for (int i = 0; i < w->adapter_count; i++)
        if (adapter_same(w->adapters[i]->placed.file, file))
            return w->adapters[i];
    return NULL;
}

const placed_adapter *bank_add(weights *w, backend *b, adapter *file, error *err)
{
    loaded_adapter *a = find_same(w, file);
    if (a) {
        a->references++;
        adapter_close(file);
        return &a->placed;
    }
    a = open_loaded(file, err);
    if (!a)
        return NULL;
    loaded_adapter **grown =
        realloc(w->adapters, ((size_t)w->adapter_count + 1) * sizeof(loaded_adapter *));
    int result = grown ? 0 : error_memory(err, "an adapter");
    w->adapters = grown ? grown : w->adapters;
    joining j = {w, b, a, err};
    for (int i = 0; i < file->layer_count && !result; i++)
        result = join_layer(&j, i);
    if (!result)
        result = backend_sync(b, err);
    if (result) {
        unload(w, a);
        return NULL;
    }
    w->adapters[w->adapter_count++] = a;
    w->bytes += a->bytes;
    measure(w);
    return &a->placed;
}

void bank_remove(weights *w, const placed_adapter *placed)
{
    for (int i = 0; i < w->adapter_count; i++) {
        loaded_adapter *a = w->adapters[i];
        if (&a->placed != placed || --a->references > 0)
            continue;
        memmove(w->adapters + i, w->adapters + i + 1,
                (size_t)(--w->adapter_count - i) * sizeof(loaded_adapter *));
        w->bytes -= a->bytes;
        unload(w, a);
        return;
    }
}

void bank_release(weights *w)
{
    while (w->adapter_count)
        unload(w, w->adapters[--w->adapter_count]);
    free(w->adapters);
    w->adapters = NULL;
}
