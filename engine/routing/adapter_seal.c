/* adapter_seal.c - an adapter becomes what adapter.h promises: sorted, whole, finite, with a hash. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../base/hash.h"
#include "adapter_internal.h"

/* ---- order --------------------------------------------------------------------------------------- */

static int by_layer(const void *x, const void *y)
{
    return ((const adapter_layer *)x)->layer - ((const adapter_layer *)y)->layer;
}

static int by_expert(const void *x, const void *y)
{
    return ((const adapter_expert *)x)->expert - ((const adapter_expert *)y)->expert;
}

static int by_row(const void *x, const void *y)
{
    return ((const adapter_row *)x)->expert - ((const adapter_row *)y)->expert;
}

static int by_lora(const void *x, const void *y)
{
    const adapter_lora *a = x, *b = y;
    return a->expert != b->expert ? a->expert - b->expert : (int)a->matrix - (int)b->matrix;
}

static void sort(void *list, int n, size_t size, int (*order)(const void *, const void *))
{
    if (n > 1)
        qsort(list, (size_t)n, size, order);
}

static int twice(const adapter *a, int layer, int expert, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: layer %d: expert %d: %s comes twice", a->path, layer,
                     expert, what);
}

/* Entries of the same expert, sorted, become one. */
static int merge_replaced(const adapter *a, adapter_layer *l, error *err)
{
    int n = 0;
    for (int i = 0; i < l->replaced_count; i++) {
        adapter_expert *last = n ? &l->replaced[n - 1] : NULL;
        if (!last || last->expert != l->replaced[i].expert) {
            l->replaced[n++] = l->replaced[i];
            continue;
        }
        for (int m = 0; m < EXPERT_MATRICES; m++) {
            if (!l->replaced[i].matrix[m].data)
                continue;
            if (last->matrix[m].data)
                return twice(a, l->layer, last->expert, expert_matrix_name((expert_matrix)m), err);
            last->matrix[m] = l->replaced[i].matrix[m];
        }
    }
    l->replaced_count = n;
    return 0;
}

static int order_layer(const adapter *a, adapter_layer *l, error *err)
{
    sort(l->replaced, l->replaced_count, sizeof *l->replaced, by_expert);
    sort(l->rows, l->row_count, sizeof *l->rows, by_row);
    sort(l->loras, l->lora_count, sizeof *l->loras, by_lora);
    if (merge_replaced(a, l, err))
        return -1;
    for (int i = 1; i < l->row_count; i++)
        if (l->rows[i].expert == l->rows[i - 1].expert)
            return twice(a, l->layer, l->rows[i].expert, "its router row", err);
    for (int i = 1; i < l->lora_count; i++)
        if (by_lora(&l->loras[i], &l->loras[i - 1]) == 0)
            return twice(a, l->layer, l->loras[i].expert, "an update of the same matrix", err);
    if (l->added_count != l->added_rows.rows)
        return error_set(err, ERROR_LOAD, "%s: layer %d: %d added experts and %d router rows",
                         a->path, l->layer, l->added_count, l->added_rows.rows);
    return 0;
}

/* Layers that nothing was put into are dropped. */
static int order(adapter *a, error *err)
{
    int n = 0;
    sort(a->layers, a->layer_count, sizeof *a->layers, by_layer);
    for (int i = 0; i < a->layer_count; i++) {
        adapter_layer *l = &a->layers[i];
        if (order_layer(a, l, err))
            return -1;
        if (l->added_count || l->replaced_count || l->row_count || l->lora_count)
            a->layers[n++] = *l;
    }
    a->layer_count = n;
    if (n || a->file) /* a file of updates that are all zero is well formed */
        return 0;
    return error_set(err, ERROR_LOAD, "%s: an adapter that brings nothing", a->path);
}

/* ---- all tensors --------------------------------------------------------------------------------- */

/* Meets every tensor in one order; place: where it belongs, for sentences and for the hash. */
typedef struct place {
    int layer, expert;
    const char *what;
    float scale;
} place;
typedef int visit_fn(void *user, const place *at, const adapter_tensor *t, error *err);

static int visit_experts(const adapter_expert *list, int n, place at, visit_fn *visit, void *user,
                         error *err)
{
    static const char *const names[2][EXPERT_MATRICES] = {{"added gate", "added up", "added down"},
                                                          {"gate", "up", "down"}};
    bool replaced = at.expert < 0;
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < EXPERT_MATRICES; m++) {
            at.expert = list[i].expert;
            at.what = names[replaced][m];
            if (list[i].matrix[m].data && visit(user, &at, &list[i].matrix[m], err))
                return -1;
        }
    }
    return 0;
}

static int visit_loras(const adapter_layer *l, visit_fn *visit, void *user, error *err)
{
    static const char *const names[EXPERT_MATRICES][2] = {
        {"gate lora_A", "gate lora_B"}, {"up lora_A", "up lora_B"}, {"down lora_A", "down lora_B"}};
    for (int i = 0; i < l->lora_count; i++) {
        const adapter_lora *o = &l->loras[i];
        place at = {l->layer, o->expert, names[o->matrix][0], o->scale};
        if (visit(user, &at, &o->a, err))
            return -1;
        at.what = names[o->matrix][1];
        if (visit(user, &at, &o->b, err))
            return -1;
    }
    return 0;
}

static int visit_layer(const adapter *a, const adapter_layer *l, visit_fn *visit, void *user,
                       error *err)
{
    place at = {.layer = l->layer, .what = "router rows"};
    if (l->added_count && visit(user, &at, &l->added_rows, err))
        return -1;
    if (visit_experts(l->added, l->added_count, at, visit, user, err))
        return -1;
    at.expert = -1;
    if (visit_experts(l->replaced, l->replaced_count, at, visit, user, err))
        return -1;
    at.what = "router row";
    for (int i = 0; i < l->row_count; i++) {
        adapter_tensor row = {l->rows[i].type, 1, a->width, l->rows[i].values};
        at.expert = l->rows[i].expert;
        if (visit(user, &at, &row, err))
            return -1;
    }
    return visit_loras(l, visit, user, err);
}

static int visit_all(const adapter *a, visit_fn *visit, void *user, error *err)
{
    for (int i = 0; i < a->layer_count; i++)
        if (visit_layer(a, &a->layers[i], visit, user, err))
            return -1;
    return 0;
}

/* ---- values -------------------------------------------------------------------------------------- */

static int64_t first_wild(dtype type, const void *values, size_t n, float *value)
{
    float part[256];
    size_t step = (size_t)dtype_describe(type)->bytes;
    for (size_t at = 0; at < n; at += 256) {
        size_t len = n - at < 256 ? n - at : 256;
        dequantize_row(type, (const char *)values + at * step, part, len);
        for (size_t i = 0; i < len; i++)
            if (!(fabsf(part[i]) <= (float)ADAPTER_LARGEST)) {
                *value = part[i];
                return (int64_t)(at + i);
            }
    }
    return -1;
}

int64_t adapter_wild(const adapter_tensor *t, float *value)
{
    return first_wild(t->type, t->data, (size_t)t->rows * (size_t)t->cols, value);
}

const char *adapter_wild_text(float value, char out[ADAPTER_WILD_TEXT])
{
    if (!isfinite(value))
        return "not finite";
    (void)snprintf(out, ADAPTER_WILD_TEXT, "%.3g, beyond %d, the largest number of F16",
                   (double)value, ADAPTER_LARGEST);
    return out;
}

static int check_finite(void *user, const place *at, const adapter_tensor *t, error *err)
{
    const adapter *a = user;
    float value;
    char what[ADAPTER_WILD_TEXT];
    int64_t bad = adapter_wild(t, &value);
    if (bad < 0)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: layer %d: expert %d: %s: [%d, %d] is %s", a->path,
                     at->layer, at->expert, at->what, (int)(bad / t->cols), (int)(bad % t->cols),
                     adapter_wild_text(value, what));
}

typedef struct digest {
    uint64_t hash, bytes;
    const void *last_a; /* gate and up may share theirs */
} digest;

/* FNV-1a over words of eight bytes, the rest by bytes. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    uint64_t word;
    for (; n >= sizeof word; b += sizeof word, n -= sizeof word) {
        memcpy(&word, b, sizeof word);
        hash = (hash ^ word) * 0x100000001b3;
        hash ^= hash >> 29;
    }
    return hash_bytes(hash, b, n);
}

static int add_to_digest(void *user, const place *at, const adapter_tensor *t, error *err)
{
    digest *d = user;
    size_t n = (size_t)t->rows * dtype_row_bytes(t->type, (size_t)t->cols);
    int32_t head[5] = {at->layer, at->expert, (int32_t)t->type, t->rows, t->cols};
    (void)err;
    d->hash = mix(d->hash, at->what, strlen(at->what));
    d->hash = mix(d->hash, head, sizeof head);
    d->hash = mix(d->hash, &at->scale, sizeof at->scale);
    d->hash = mix(d->hash, t->data, n);
    d->bytes += t->data == d->last_a ? 0 : n;
    d->last_a = strstr(at->what, "gate lora_A") ? t->data : d->last_a;
    return 0;
}

static void digest_all(adapter *a)
{
    digest d = {.hash = HASH_START};
    d.hash = mix(d.hash, &a->width, sizeof a->width);
    for (int i = 0; i < a->layer_count; i++) {
        const adapter_layer *l = &a->layers[i];
        int32_t counts[5] = {l->layer, l->added_count, l->replaced_count, l->row_count,
                             l->lora_count};
        d.hash = mix(d.hash, counts, sizeof counts);
    }
    (void)visit_all(a, add_to_digest, &d, NULL);
    a->hash = d.hash;
    a->bytes = d.bytes;
}

/* A reader has held its file's values against their names; those of a caller are held here. */
int adapter_seal(adapter *a, error *err)
{
    if (order(a, err) || (!a->file && visit_all(a, check_finite, a, err)))
        return -1;
    digest_all(a);
    return 0;
}

int adapter_scale(adapter *a, double factor, error *err)
{
    if (!(factor >= -100 && factor <= 100))
        return error_set(err, ERROR_USAGE, "%s: a scale of %g: from -100 to 100 is possible",
                         a->path, factor);
    if (factor == 1)
        return 0;
    for (int i = 0; i < a->layer_count; i++) {
        const adapter_layer *l = &a->layers[i];
        if (l->added_count || l->replaced_count || l->row_count)
            return error_set(
                err, ERROR_USAGE,
                "%s: layer %d: a scale of %g: only low-rank updates have one, not whole "
                "experts or router rows",
                a->path, l->layer, factor);
        for (int o = 0; o < l->lora_count; o++)
            l->loras[o].scale = (float)(l->loras[o].scale * factor);
    }
    digest_all(a);
    return 0;
}

/* ---- equality ------------------------------------------------------------------------------------ */

/* Everything in order, as one list, to walk two adapters side by side. */
typedef struct listing {
    place *places;
    adapter_tensor *tensors;
    size_t len;
} listing;

static int count_tensor(void *user, const place *at, const adapter_tensor *t, error *err)
{
    (void)at;
    (void)t;
    (void)err;
    ++*(size_t *)user;
    return 0;
}

static int list_tensor(void *user, const place *at, const adapter_tensor *t, error *err)
{
    listing *l = user;
    (void)err;
    l->places[l->len] = *at;
    l->tensors[l->len++] = *t;
    return 0;
}

static bool list_all(const adapter *a, size_t n, listing *l)
{
    l->places = calloc(n, sizeof *l->places);
    l->tensors = calloc(n, sizeof *l->tensors);
    if (l->places && l->tensors)
        (void)visit_all(a, list_tensor, l, NULL);
    return l->len == n;
}

static void listing_release(listing *l)
{
    free(l->places);
    free(l->tensors);
}

static bool equal_at(const listing *x, const listing *y, size_t i)
{
    const place *p = &x->places[i], *q = &y->places[i];
    const adapter_tensor *t = &x->tensors[i], *u = &y->tensors[i];
    return p->layer == q->layer && p->expert == q->expert && strcmp(p->what, q->what) == 0 &&
           p->scale == q->scale && t->type == u->type && t->rows == u->rows && t->cols == u->cols &&
           memcmp(t->data, u->data, (size_t)t->rows * dtype_row_bytes(t->type, (size_t)t->cols)) ==
               0;
}

/* Without memory for the lists they count as different: then one is loaded twice, no more. */
bool adapter_same(const adapter *a, const adapter *b)
{
    size_t n = 0, m = 0;
    (void)visit_all(a, count_tensor, &n, NULL);
    (void)visit_all(b, count_tensor, &m, NULL);
    if (n != m || a->hash != b->hash || a->width != b->width || a->layer_count != b->layer_count)
        return false;
    listing x = {0}, y = {0};
    bool same = list_all(a, n, &x) && list_all(b, n, &y);
    for (size_t i = 0; same && i < n; i++)
        same = equal_at(&x, &y, i);
    listing_release(&x);
    listing_release(&y);
    return same;
}
