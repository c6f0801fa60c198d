/* value.c - constructors, lists, dicts and what texts are made of.
 *
 * A dict is an array of entries in the order of insertion, and beside it, once it is larger
 * than can be searched in a row, a table of hashes with open addressing. Keys are equal as
 * Python's are: 1, 1.0 and True are one key, so numbers are hashed by their value. The
 * functions count their probes; the machine charges them, because a template can choose keys
 * that collide.
 *
 * All memory comes from an arena and goes with it, so nothing here frees anything, and what
 * grows leaves its old array behind.
 */
#include "value.h"

#include <math.h>
#include <string.h>

#include "../../base/hash.h"
#include "jinja.h"

value value_undefined(undefined_why why, text name)
{
    return (value){.kind = V_UNDEFINED, .flag = (uint8_t)why, .u.t = name};
}

value value_none(void)
{
    return (value){.kind = V_NONE};
}

value value_bool(bool b)
{
    return (value){.kind = V_BOOL, .u.b = b};
}

value value_int(int64_t i, uint32_t origin)
{
    return (value){.kind = V_INT, .origin = origin, .u.i = i};
}

value value_float(double f, uint32_t origin)
{
    return (value){.kind = V_FLOAT, .origin = origin, .u.f = f};
}

value value_text(text t)
{
    return (value){.kind = V_TEXT, .u.t = t};
}

value value_list(list *l, uint32_t origin)
{
    return (value){.kind = V_LIST, .origin = origin, .u.list = l};
}

value value_tuple(list *l, uint32_t origin)
{
    return (value){.kind = V_TUPLE, .origin = origin, .u.list = l};
}

value value_dict(dict *d, uint32_t origin)
{
    return (value){.kind = V_DICT, .origin = origin, .u.dict = d};
}

/* ---- lists -------------------------------------------------------------------------------------- */

list *list_new(arena *a, size_t n)
{
    list *l = arena_take(a, sizeof *l);
    if (l == NULL)
        return NULL;
    *l = (list){0};
    if (n > 0) {
        l->v = arena_array(a, n, sizeof *l->v);
        if (l->v == NULL)
            return NULL;
        l->cap = n;
    }
    return l;
}

bool list_add(arena *a, list *l, value v)
{
    if (l->n == l->cap) {
        size_t cap = l->cap < 4 ? 4 : 2 * l->cap;
        value *grown = arena_array(a, cap, sizeof *grown);
        if (grown == NULL)
            return false;
        if (l->n > 0)
            memcpy(grown, l->v, l->n * sizeof *grown);
        l->v = grown;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

bool value_is_number(value v)
{
    return v.kind == V_INT || v.kind == V_FLOAT || v.kind == V_BOOL;
}

double value_double(value v)
{
    return v.kind == V_FLOAT ? v.u.f : v.kind == V_INT ? (double)v.u.i : (double)v.u.b;
}

int compare_numbers(value a, value b)
{
    /* long double holds every int64 and every double of this machine exactly */
    long double x = a.kind == V_FLOAT ? (long double)a.u.f
                    : a.kind == V_INT ? (long double)a.u.i
                                      : (long double)a.u.b;
    long double y = b.kind == V_FLOAT ? (long double)b.u.f
                    : b.kind == V_INT ? (long double)b.u.i
                                      : (long double)b.u.b;
    if (isnan(x) || isnan(y))
        return 2;
    return x < y ? -1 : x > y;
}

/* ---- dicts -------------------------------------------------------------------------------------- */

bool value_hashable(value v)
{
    if (v.kind == V_TUPLE) {
        for (size_t i = 0; i < v.u.list->n; i++)
            if (v.u.list->v[i].kind == V_TUPLE || !value_hashable(v.u.list->v[i]))
                return false; /* tuples within tuples are not taken as keys */
        return true;
    }
    return v.kind >= V_UNDEFINED && v.kind <= V_TEXT;
}

static uint64_t value_hash(value v)
{
    uint64_t h = HASH_START;
    if (v.kind == V_TEXT)
        return hash_bytes(h, text_bytes(v.u.t), v.u.t.len);
    if (value_is_number(v)) { /* equal numbers of any kind must meet */
        double f = value_double(v);
        f = f == 0 ? 0 : f;
        return hash_bytes(h + 1, &f, sizeof f);
    }
    if (v.kind == V_TUPLE) {
        for (size_t i = 0; i < v.u.list->n; i++) {
            uint64_t one = value_hash(v.u.list->v[i]);
            h = hash_bytes(h + 2, &one, sizeof one);
        }
        return h;
    }
    return h + v.kind;
}

/* Python's ==, without what can fail: of scalars and of tuples of them. */
static bool value_key_equal(value a, value b)
{
    if (value_is_number(a) && value_is_number(b))
        return compare_numbers(a, b) == 0;
    if (a.kind != b.kind)
        return false;
    if (a.kind == V_TEXT)
        return text_equal(a.u.t, b.u.t);
    if (a.kind == V_TUPLE) {
        if (a.u.list->n != b.u.list->n)
            return false;
        for (size_t i = 0; i < a.u.list->n; i++)
            if (!value_key_equal(a.u.list->v[i], b.u.list->v[i]))
                return false;
        return true;
    }
    return a.kind == V_NONE || a.kind == V_UNDEFINED;
}

static size_t dict_slot(const dict *d, value key, uint64_t hash, size_t *steps)
{
    size_t at = (size_t)(hash ^ hash >> 29) & (d->n_slots - 1);
    for (;; at = (at + 1) & (d->n_slots - 1)) {
        if (steps)
            ++*steps;
        if (d->slots[at] == 0)
            return at;
        const dict_entry *e = &d->v[d->slots[at] - 1];
        if (e->hash == hash && value_key_equal(e->key, key))
            return at;
    }
}

static dict_entry *dict_entry_of(const dict *d, value key, uint64_t hash, size_t *steps)
{
    if (d->slots != NULL) {
        uint32_t entry = d->slots[dict_slot(d, key, hash, steps)];
        return entry > 0 ? &d->v[entry - 1] : NULL;
    }
    for (size_t i = 0; i < d->n; i++)
        if (d->v[i].hash == hash && value_key_equal(d->v[i].key, key))
            return &d->v[i];
    return NULL;
}

dict *dict_new(arena *a)
{
    dict *d = arena_take(a, sizeof *d);
    if (d != NULL)
        *d = (dict){0};
    return d;
}

static int dict_rehash(arena *a, dict *d, size_t *steps)
{
    size_t n = d->n_slots == 0 ? 32 : 2 * d->n_slots;
    uint32_t *slots = arena_array(a, n, sizeof *slots);
    if (slots == NULL)
        return -1;
    memset(slots, 0, n * sizeof *slots);
    d->slots = slots;
    d->n_slots = n;
    for (size_t i = 0; i < d->n; i++)
        d->slots[dict_slot(d, d->v[i].key, d->v[i].hash, steps)] = (uint32_t)i + 1;
    return 0;
}

int dict_put(arena *a, dict *d, value key, value v, size_t *steps)
{
    uint64_t hash = value_hash(key);
    dict_entry *e = dict_entry_of(d, key, hash, steps);
    if (e != NULL) {
        e->value = v;
        return 0;
    }
    if (d->n == d->cap) {
        size_t cap = d->cap < 4 ? 4 : 2 * d->cap;
        dict_entry *grown = arena_array(a, cap, sizeof *grown);
        if (grown == NULL)
            return -1;
        if (d->n > 0)
            memcpy(grown, d->v, d->n * sizeof *grown);
        d->v = grown;
        d->cap = cap;
    }
    if (d->n >= 8 && 2 * (d->n + 1) > d->n_slots && dict_rehash(a, d, steps))
        return -1;
    d->v[d->n++] = (dict_entry){key, v, hash};
    if (d->slots != NULL)
        d->slots[dict_slot(d, key, hash, steps)] = (uint32_t)d->n;
    return 0;
}

value *dict_find(const dict *d, value key, size_t *steps)
{
    dict_entry *e = dict_entry_of(d, key, value_hash(key), steps);
    return e ? &e->value : NULL;
}

value *dict_find_name(const dict *d, const char *name, size_t len)
{
    char *bytes = (char *)(uintptr_t)name; /* only read */
    text_buf buf = {.v = bytes, .used = (uint32_t)len, .cap = (uint32_t)len};
    return dict_find(d, value_text((text){&buf, 0, (uint32_t)len}), NULL);
}

/* ---- text --------------------------------------------------------------------------------------- */

const char *text_bytes(text t)
{
    return t.len > 0 ? t.buf->v + t.off : "";
}

bool text_equal(text a, text b)
{
    return a.len == b.len && memcmp(text_bytes(a), text_bytes(b), a.len) == 0;
}

bool text_is(text t, const char *s)
{
    return t.len == strlen(s) && memcmp(text_bytes(t), s, t.len) == 0;
}

text text_part(text t, size_t from, size_t n)
{
    return n > 0 ? (text){t.buf, t.off + (uint32_t)from, (uint32_t)n} : TEXT_EMPTY;
}

static bool is_ascii(const char *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)v[i] >= 0x80)
            return false;
    return true;
}

bool text_keep(arena *a, const char *bytes, size_t n, uint32_t origin, uint32_t offset, text *out)
{
    *out = TEXT_EMPTY;
    if (n == 0)
        return true;
    if (n >= NOWHERE)
        return false;
    struct {
        text_buf buf;
        text_run run;
    } *kept = arena_take(a, sizeof *kept);
    char *v = arena_take(a, n);
    if (kept == NULL || v == NULL)
        return false;
    memcpy(v, bytes, n);
    kept->run = (text_run){0, origin, origin == JINJA_TEMPLATE ? NOWHERE : offset};
    kept->buf = (text_buf){v, (uint32_t)n, (uint32_t)n, &kept->run, 1, 1, is_ascii(bytes, n)};
    *out = (text){&kept->buf, 0, (uint32_t)n};
    return true;
}

/* The index of the run that holds byte `at` of the buffer. */
static uint32_t run_index(const text_buf *b, uint32_t at)
{
    uint32_t low = 0, high = b->n_runs - 1;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (b->runs[middle].start <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

text_run text_run_at(text t, size_t at, size_t *covers)
{
    const text_buf *b = t.buf;
    uint32_t where = t.off + (uint32_t)at, i = run_index(b, where);
    uint32_t end = i + 1 < b->n_runs ? b->runs[i + 1].start : b->used;
    text_run r = b->runs[i];
    if (r.offset != NOWHERE)
        r.offset += where - r.start;
    r.start = where;
    size_t left = t.len - at;
    *covers = end - where < left ? end - where : left;
    return r;
}

uint32_t text_origin(text t)
{
    size_t covers;
    for (size_t at = 0; at < t.len; at += covers) {
        text_run r = text_run_at(t, at, &covers);
        if (r.origin != JINJA_TEMPLATE)
            return r.origin;
    }
    return JINJA_TEMPLATE;
}

uint32_t value_origin(value v)
{
    return v.kind == V_TEXT ? text_origin(v.u.t) : v.origin;
}
