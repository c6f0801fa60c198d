/* backend.c - forwards every call to the device.
 *
 * One line a call: the public function looks up the member of the same name in the backend's table.
 * What is the same on every device (the geometry of tensors and pages, the lists of handles) is
 * answered here. Which devices there are is known in devices/ alone.
 */
#include "backend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backend_impl.h"

#ifndef CONTRACT
#define CONTRACT "of no build" /* the Makefile has the checksum of both headers */
#endif

const char backend_contract[] = "device contract " CONTRACT;

void backend_close(backend *b)
{
    if (b)
        b->table->close(b);
}

const char *backend_isa(const backend *b)
{
    return b->table->isa(b);
}

const char *backend_name(const backend *b)
{
    return b->table->name;
}

int backend_threads(const backend *b)
{
    return b->table->threads(b);
}

int backend_sync(backend *b, error *err)
{
    return b->table->sync(b, err);
}

void backend_memory(backend *b, uint64_t *unused, uint64_t *total)
{
    *unused = *total = 0;
    if (b->table->memory)
        b->table->memory(b, unused, total);
}

bool backend_lost(const backend *b)
{
    return b->table->lost && b->table->lost(b);
}

int backend_move(backend *from, backend *to, error *err)
{
    assert(backend_lost(from) && to->table->host_memory);
    return from->table->move(from, to, err);
}

double backend_read_seconds(backend *b, const void *host, size_t bytes)
{
    return b->table->read_seconds(b, host, bytes);
}

/* ---- tensors ------------------------------------------------------------------------------ */

tensor *tensor_new(backend *b, dtype type, size_t rows, size_t cols, error *err)
{
    return b->table->tensor_new(b, type, rows, cols, err);
}

tensor *tensor_map(backend *b, dtype type, size_t rows, size_t cols, const void *host, error *err)
{
    return b->table->tensor_map(b, type, rows, cols, host, err);
}

tensor *tensor_lend(backend *b, dtype type, size_t rows, size_t cols, const void *host, error *err)
{
    return b->table->tensor_lend(b, type, rows, cols, host, err);
}

void tensor_free(tensor *t)
{
    if (t)
        t->owner->table->tensor_free(t);
}

size_t tensor_rows(const tensor *t)
{
    return t->rows;
}

size_t tensor_cols(const tensor *t)
{
    return t->cols;
}

dtype tensor_type(const tensor *t)
{
    return t->type;
}

const void *tensor_host(const tensor *t)
{
    return t->owner->table->host_memory ? t->data : NULL;
}

void tensor_remap(tensor *t, const void *host)
{
    assert(t->borrowed && t->owner->table->host_memory);
    t->data = (void *)(uintptr_t)host;
}

void tensor_write(backend *b, tensor *t, size_t row, size_t rows, const void *src)
{
    b->table->tensor_write(b, t, row, rows, src);
}

void tensor_read(backend *b, const tensor *t, size_t row, size_t rows, void *dst)
{
    b->table->tensor_read(b, t, row, rows, dst);
}

/* ---- batch and KV pages ------------------------------------------------------------------- */

size_t kv_page_bytes(const kv_layout *layout)
{
    size_t vectors = (size_t)layout->layers * (size_t)layout->kv_heads * KV_PAGE * 2;
    return vectors * dtype_row_bytes(layout->type, (size_t)layout->head_dim);
}

void *kv_page_new(backend *b, const kv_layout *layout, error *err)
{
    return b->table->kv_page_new(b, layout, err);
}

void kv_page_free(backend *b, void *page)
{
    if (page)
        b->table->kv_page_free(b, page);
}

void kv_page_copy(backend *b, const kv_layout *layout, void *to, const void *from)
{
    b->table->kv_page_copy(b, layout, to, from);
}

void op_layer(backend *b, int layer)
{
    b->table->layer(b, layer);
}

void op_batch(backend *b, const kv_layout *layout, const batch_row *rows, int n,
              const float *cosines, const float *sines, int half)
{
    b->table->batch(b, layout, rows, n, cosines, sines, half);
}

/* ---- handles ------------------------------------------------------------------------------ */

routing_tables *routing_tables_new(backend *b, const layer_routing *layers, int count, int experts,
                                   error *err)
{
    routing_tables *t = malloc(sizeof *t);
    if (!t) {
        error_memory(err, "a router program");
        return NULL;
    }
    *t = (routing_tables){.owner = b, .layers = layers, .count = count};
    if (!b->table->tables_copy || b->table->tables_copy(t, experts, err) == 0)
        return t;
    free(t);
    return NULL;
}

void routing_tables_free(routing_tables *t)
{
    if (t && t->device)
        t->owner->table->tables_drop(t);
    free(t);
}

const layer_routing *routing_tables_layers(const routing_tables *t)
{
    return t->layers;
}

expert_bank *expert_bank_new(backend *b, error *err)
{
    expert_bank *k = calloc(1, sizeof *k);
    if (!k) {
        error_memory(err, "the experts");
        return NULL;
    }
    k->owner = b;
    return k;
}

void expert_bank_free(expert_bank *k)
{
    if (!k)
        return;
    if (k->device)
        k->owner->table->bank_drop(k);
    free(k->gate);
    free(k->up);
    free(k->down);
    free(k);
}

int expert_bank_count(const expert_bank *k)
{
    return k->count;
}

static int bank_grow(expert_bank *k, int room, error *err)
{
    const tensor ***const lists[] = {&k->gate, &k->up, &k->down};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const tensor **grown = realloc(*lists[i], (size_t)room * sizeof(tensor *));
        if (!grown)
            return error_memory(err, "the experts");
        memset(grown + k->room, 0, (size_t)(room - k->room) * sizeof(tensor *));
        *lists[i] = grown;
    }
    k->room = room;
    return 0;
}

int expert_bank_put(expert_bank *k, int first, int n, const tensor *const *gate,
                    const tensor *const *up, const tensor *const *down, error *err)
{
    int count = k->count, end = first + n;
    assert(first >= 0 && first <= count && n >= 0);
    if (end > k->room && bank_grow(k, end, err))
        return -1;
    memcpy(k->gate + first, gate, (size_t)n * sizeof(tensor *));
    memcpy(k->up + first, up, (size_t)n * sizeof(tensor *));
    memcpy(k->down + first, down, (size_t)n * sizeof(tensor *));
    k->count = end > count ? end : count;
    if (!k->owner->table->bank_changed || k->owner->table->bank_changed(k, first, n, err) == 0)
        return 0;
    expert_bank_clear(k, first, n);
    k->count = count;
    return -1;
}

int expert_bank_need(expert_bank *k, const layer_routing *by, int experts, error *err)
{
    if (!k->owner->table->bank_need)
        return 0;
    return k->owner->table->bank_need(k, by, experts, err);
}

void expert_bank_clear(expert_bank *k, int first, int n)
{
    size_t bytes = (size_t)n * sizeof(tensor *);
    memset(k->gate + first, 0, bytes);
    memset(k->up + first, 0, bytes);
    memset(k->down + first, 0, bytes);
}

void expert_bank_cut(expert_bank *k, int count)
{
    assert(count <= k->count);
    k->count = count;
}

void expert_bank_page(expert_bank *k, const expert_source *source)
{
    assert(!source || k->owner->table->host_memory);
    k->source = source;
}

/* ---- ops ---------------------------------------------------------------------------------- */

void op_embed(backend *b, tensor *out, const tensor *table, const int *ids, int n, float scale)
{
    b->table->embed(b, out, table, ids, n, scale);
}

void op_rmsnorm(backend *b, tensor *out, const tensor *x, const tensor *weight, float eps, int n)
{
    b->table->rmsnorm(b, out, x, weight, eps, n);
}

void op_head_rmsnorm(backend *b, tensor *x, const tensor *weight, int heads, int head_dim,
                     float eps, int n)
{
    b->table->head_rmsnorm(b, x, weight, heads, head_dim, eps, n);
}

void op_matmul(backend *b, const product *products, int count, const tensor *x, int n)
{
    b->table->matmul(b, products, count, x, n);
}

void op_matmul_swiglu(backend *b, tensor *out, const gated_weights *w, const tensor *x, int n)
{
    b->table->matmul_swiglu(b, out, w, x, n);
}

void op_rope(backend *b, tensor *x, int heads, int head_dim, int rotary_dim, bool pairs, int n)
{
    b->table->rope(b, x, heads, head_dim, rotary_dim, pairs, n);
}

void op_kv_store(backend *b, int layer, const tensor *k, const tensor *v, int n)
{
    b->table->kv_store(b, layer, k, v, n);
}

/* A bit of what a form asks, and its name in a refusal. */
typedef struct asked_part {
    bool asked;
    unsigned bit;
    const char *name;
} asked_part;

/* -1 and the first part that is asked and not in `has`. */
static int refuse_parts(const backend *b, unsigned has, const asked_part *parts, size_t n,
                        error *err)
{
    for (size_t i = 0; i < n; i++)
        if (parts[i].asked && !(parts[i].bit & has))
            return error_set(err, ERROR_RUN, "the %s backend does not do %s", b->table->name,
                             parts[i].name);
    return 0;
}

int backend_can_attend(const backend *b, const attention_form *form, const kv_layout *layout,
                       error *err)
{
    bool other = form->key_width != layout->head_dim || form->value_width != layout->head_dim;
    const asked_part parts[] = {
        {form->later_too, ATTENDS_LATER, "attention to later positions"},
        {form->window > 0, ATTENDS_WINDOW, "attention in a sliding window"},
        {form->sinks != NULL, ATTENDS_SINKS, "attention with sinks"},
        {form->soft_cap != 0, ATTENDS_SOFT_CAP, "a soft cap on attention scores"},
        {other, ATTENDS_WIDTHS, "attention whose keys and values differ in width"},
    };
    return refuse_parts(b, b->table->attention_parts, parts, sizeof parts / sizeof *parts, err);
}

int backend_can_route(const backend *b, const router_form *form, error *err)
{
    static const char *const scores[ROUTER_SCORES] = {"a router's softmax", "a router's sigmoid",
                                                      "a router's softmax over the experts chosen"};
    const asked_part parts[] = {
        {true, 1u << form->score, scores[form->score]},
        {form->selection_bias != NULL, ROUTES_BIAS, "a router's selection bias"},
        {form->groups > 1, ROUTES_GROUPS, "a router's choice among groups of experts"},
    };
    return refuse_parts(b, b->table->router_parts, parts, sizeof parts / sizeof *parts, err);
}

void op_attention(backend *b, tensor *out, const tensor *q, int layer, const attention_form *form,
                  int n)
{
    error why;
    if (backend_can_attend(b, form, b->table->pages(b), &why))
        b->table->fail(b, &why);
    else
        b->table->attention(b, out, q, layer, form, n);
}

void op_add(backend *b, tensor *x, const tensor *y, float scale, int n)
{
    b->table->add(b, x, y, scale, n);
}

void op_scale(backend *b, tensor *x, float scale, int n)
{
    b->table->scale(b, x, scale, n);
}

void op_sigmoid_gate(backend *b, tensor *y, const tensor *weight, const tensor *x, int n)
{
    b->table->sigmoid_gate(b, y, weight, x, n);
}

double backend_logprob(backend *b, const float *z, size_t n, int id)
{
    return b->table->logprob(b, z, n, id);
}

void backend_sample(backend *b, sample_row *rows, int n)
{
    b->table->sample(b, rows, n);
}

void op_sample(backend *b, const tensor *logits, sample_row *const *rows, int n)
{
    b->table->sample_logits(b, logits, rows, n);
}

void op_logprob(backend *b, const tensor *logits, const int *ids, double *const *logprobs, int n)
{
    b->table->score_logits(b, logits, ids, logprobs, n);
}

void op_gather(backend *b, tensor *out, const tensor *x, const int *rows, int n)
{
    b->table->gather(b, out, x, rows, n);
}

/* ---- mixture of experts ------------------------------------------------------------------- */

int routes_host_open(routes_host *r, int max_rows, int slots, error *err)
{
    size_t rows = (size_t)max_rows + 1, cells = (size_t)max_rows * (size_t)slots + 1;
    *r = (routes_host){.slots = slots,
                       .ids = calloc(cells, sizeof *r->ids),
                       .seen = calloc(cells, sizeof *r->seen),
                       .gates = calloc(cells, sizeof *r->gates),
                       .banned = calloc(rows, sizeof *r->banned),
                       .margin = calloc(rows, sizeof *r->margin),
                       .entropy = calloc(rows, sizeof *r->entropy)};
    bool all = r->ids && r->seen && r->gates && r->banned && r->margin && r->entropy;
    return all ? 0 : error_memory(err, "the routes of a batch");
}

void routes_host_release(routes_host *r)
{
    free(r->ids);
    free(r->seen);
    free(r->gates);
    free(r->banned);
    free(r->margin);
    free(r->entropy);
    free(r->norms);
    free(r->peaks);
    free(r->wanted);
    free(r->shares);
    *r = (routes_host){0};
}

routes *routes_new(backend *b, int max_rows, int slots, error *err)
{
    return b->table->routes_new(b, max_rows, slots, err);
}

void routes_free(backend *b, routes *r)
{
    if (r)
        b->table->routes_free(b, r);
}

void op_route(backend *b, routes *r, const tensor *z, const tensor *adapter_z, int layer,
              const router_form *form, int n)
{
    error why;
    if (backend_can_route(b, form, &why))
        b->table->fail(b, &why);
    else
        b->table->route(b, r, z, adapter_z, layer, form, n);
}

void routes_read(backend *b, const routes *r, int n, const routes_host *to)
{
    b->table->routes_read(b, r, n, to);
}

void routes_write(backend *b, routes *r, int n, const routes_host *from)
{
    b->table->routes_write(b, r, n, from);
}

void op_routes_slot(backend *b, routes *one, const routes *from, int slot, int n)
{
    b->table->routes_slot(b, one, from, slot, n);
}

void op_experts(backend *b, tensor *out, const expert_bank *bank, const routes *r, const tensor *x,
                int layer, int n)
{
    b->table->experts(b, out, bank, r, x, layer, n);
}
