/* data.c - the tree that callers fill, and JSON read straight into it.
 *
 * JSON is read here and not through json.h because what a template prints depends on how a number
 * is written: 1 and 1.0 differ, and so do 2^53 and 2^53 + 1.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>

#include "../../base/json_lexer.h"
#include "../../base/utf8.h"
#include "lex_literal.h"

enum { DATA_MAX = 1 << 30, JSON_DEPTH_MAX = 64 };

struct jinja_data {
    arena mem;
    value root;
    error failed;
};

jinja_data *jinja_data_open(void)
{
    jinja_data *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->mem.limit = DATA_MAX;
    dict *root = dict_new(&d->mem);
    if (root == NULL) {
        jinja_data_close(d);
        return NULL;
    }
    d->root = value_dict(root, JINJA_TEMPLATE);
    return d;
}

void jinja_data_close(jinja_data *d)
{
    if (d != NULL)
        arena_release(&d->mem);
    free(d);
}

const dict *data_variables(const jinja_data *d, error *err)
{
    if (d == NULL)
        error_memory(err, "a chat template's variables");
    else if (d->failed.code != ERROR_NONE)
        *err = d->failed;
    else
        return d->root.u.dict;
    return NULL;
}

static void remember_memory(jinja_data *d)
{
    if (d->mem.full)
        error_set(&d->failed, ERROR_RUN, "a chat template's variables are larger than %d MiB",
                  DATA_MAX >> 20);
    else
        error_memory(&d->failed, "a chat template's variables");
}

static jinja_value *keep(jinja_data *d, value v)
{
    jinja_value *kept = arena_take(&d->mem, sizeof *kept);
    if (kept == NULL)
        remember_memory(d);
    else
        kept->v = v;
    return kept;
}

jinja_value *jinja_root(jinja_data *d)
{
    return keep(d, d->root);
}

static jinja_value *keep_text(jinja_data *d, const char *bytes, size_t len, uint32_t origin,
                              uint32_t offset)
{
    text t;
    size_t bad;
    if (!utf8_check(bytes, len, &bad)) {
        error_set(&d->failed, ERROR_RUN,
                  "a text given to the chat template is not valid UTF-8 (offset %zu)", bad);
        return NULL;
    }
    if (!text_keep(&d->mem, bytes, len, origin, offset, &t)) {
        remember_memory(d);
        return NULL;
    }
    return keep(d, value_text(t));
}

jinja_value *jinja_text(jinja_data *d, const char *bytes, size_t len, uint32_t origin)
{
    return keep_text(d, bytes, len, origin, 0);
}

jinja_value *jinja_int(jinja_data *d, int64_t number, uint32_t origin)
{
    return keep(d, value_int(number, origin));
}

static jinja_value *jinja_float(jinja_data *d, double number, uint32_t origin)
{
    return keep(d, value_float(number, origin));
}

jinja_value *jinja_bool(jinja_data *d, bool is)
{
    return keep(d, value_bool(is));
}

jinja_value *jinja_none(jinja_data *d)
{
    return keep(d, value_none());
}

static jinja_value *keep_list(jinja_data *d, uint32_t origin)
{
    list *l = list_new(&d->mem, 0);
    if (l == NULL)
        remember_memory(d);
    return l ? keep(d, value_list(l, origin)) : NULL;
}

static jinja_value *keep_dict(jinja_data *d, uint32_t origin)
{
    dict *new = dict_new(&d->mem);
    if (new == NULL)
        remember_memory(d);
    return new ? keep(d, value_dict(new, origin)) : NULL;
}

jinja_value *jinja_list(jinja_data *d)
{
    return keep_list(d, JINJA_TEMPLATE);
}

jinja_value *jinja_dict(jinja_data *d)
{
    return keep_dict(d, JINJA_TEMPLATE);
}

static bool refuses(jinja_data *d, const jinja_value *a, value_kind kind, const jinja_value *b)
{
    if (a != NULL && a->v.kind == kind && b != NULL)
        return false;
    if (d->failed.code == ERROR_NONE)
        error_set(&d->failed, ERROR_RUN, "a chat template's variables are not complete");
    return true;
}

void jinja_push(jinja_data *d, jinja_value *to, jinja_value *element)
{
    if (!refuses(d, to, V_LIST, element) && !list_add(&d->mem, to->v.u.list, element->v))
        remember_memory(d);
}

void jinja_put_text(jinja_data *d, jinja_value *to, jinja_value *key, jinja_value *v)
{
    if (refuses(d, to, V_DICT, v) || refuses(d, key, V_TEXT, v))
        return;
    if (dict_put(&d->mem, to->v.u.dict, key->v, v->v, NULL))
        remember_memory(d);
}

void jinja_put(jinja_data *d, jinja_value *to, const char *key, jinja_value *v)
{
    jinja_put_text(d, to, jinja_text(d, key, strlen(key), JINJA_TEMPLATE), v);
}

void jinja_set(jinja_data *d, const char *name, jinja_value *v)
{
    jinja_put(d, jinja_root(d), name, v);
}

void jinja_set_all(jinja_data *d, jinja_value *all)
{
    if (refuses(d, all, V_DICT, all))
        return;
    for (size_t i = 0; i < all->v.u.dict->n; i++)
        jinja_put_text(d, jinja_root(d), keep(d, all->v.u.dict->v[i].key),
                       keep(d, all->v.u.dict->v[i].value));
}

/* ---- JSON --------------------------------------------------------------------------------------- */

typedef struct reader {
    jinja_data *d;
    json_lexer lex;
    json_token now;
    uint32_t origin;
    unsigned depth;
    error *err;
} reader;

static int advance(reader *r)
{
    return json_lex(&r->lex, &r->now, r->err);
}

static jinja_value *refuse(reader *r, const char *why)
{
    error_set(r->err, ERROR_LOAD, "%s: offset %zu: %s", r->lex.where, r->now.start, why);
    return NULL;
}

static jinja_value *read_string(reader *r)
{
    char *room = malloc(r->now.len + 1);
    size_t len;
    if (room == NULL) {
        error_memory(r->err, "a chat template's variables");
        return NULL;
    }
    const char *bytes = json_lexer_string(&r->lex, &r->now, room, &len);
    jinja_value *v = keep_text(r->d, bytes, len, r->origin, NOWHERE);
    free(room);
    return v;
}

static jinja_value *read_number(reader *r)
{
    const char *s = r->lex.text + r->now.start;
    size_t n = r->now.len, minus = s[0] == '-';
    double f;
    int64_t i;
    for (size_t at = 0; at < n; at++)
        if (strchr(".eE", s[at])) {
            if (n >= 390 || !parse_double(s, n, &f))
                return refuse(r, "a number is too long");
            return jinja_float(r->d, f, r->origin);
        }
    if (!parse_digits(s + minus, n - minus, 10, &i))
        return refuse(r, "integers beyond 64 bits are not supported");
    return jinja_int(r->d, minus ? -i : i, r->origin);
}

static jinja_value *read_value(reader *r);

static jinja_value *read_array(reader *r)
{
    jinja_value *v = keep_list(r->d, r->origin);
    if (advance(r))
        return NULL;
    for (bool first = true; r->now.kind != JSON_TOKEN_CLOSE_ARRAY; first = false) {
        if (!first && r->now.kind != JSON_TOKEN_COMMA)
            return refuse(r, "expected , or ]");
        if (!first && advance(r))
            return NULL;
        jinja_value *one = read_value(r);
        if (one == NULL || advance(r))
            return NULL;
        jinja_push(r->d, v, one);
    }
    return v;
}

static jinja_value *read_object(reader *r)
{
    jinja_value *v = keep_dict(r->d, r->origin);
    if (advance(r))
        return NULL;
    for (bool first = true; r->now.kind != JSON_TOKEN_CLOSE_OBJECT; first = false) {
        if (!first && r->now.kind != JSON_TOKEN_COMMA)
            return refuse(r, "expected , or }");
        if (!first && advance(r))
            return NULL;
        if (r->now.kind != JSON_TOKEN_STRING)
            return refuse(r, "expected a key");
        jinja_value *key = read_string(r);
        if (key == NULL || advance(r))
            return NULL;
        if (r->now.kind != JSON_TOKEN_COLON)
            return refuse(r, "expected :");
        jinja_value *one = advance(r) ? NULL : read_value(r);
        if (one == NULL || advance(r))
            return NULL;
        jinja_put_text(r->d, v, key, one);
    }
    return v;
}

static jinja_value *read_value(reader *r)
{
    value v =
        r->now.kind == JSON_TOKEN_NULL ? value_none() : value_bool(r->now.kind == JSON_TOKEN_TRUE);
    v.origin = r->origin;
    switch (r->now.kind) {
    case JSON_TOKEN_STRING:
        return read_string(r);
    case JSON_TOKEN_NUMBER:
        return read_number(r);
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
    case JSON_TOKEN_NULL:
        return keep(r->d, v);
    case JSON_TOKEN_OPEN_ARRAY:
    case JSON_TOKEN_OPEN_OBJECT:
        if (++r->depth > JSON_DEPTH_MAX)
            return refuse(r, "nested too deep");
        jinja_value *all = r->now.kind == JSON_TOKEN_OPEN_ARRAY ? read_array(r) : read_object(r);
        r->depth--;
        return all;
    default:
        return refuse(r, "expected a value");
    }
}

jinja_value *jinja_json(jinja_data *d, const char *where, const char *bytes, size_t len,
                        uint32_t origin, error *err)
{
    error unused;
    reader r = {.d = d,
                .lex = {.where = where, .text = bytes, .len = len},
                .origin = origin,
                .err = err ? err : &unused};
    jinja_value *v = advance(&r) ? NULL : read_value(&r);
    if (v == NULL && r.err->code == ERROR_NONE && d->failed.code != ERROR_NONE)
        *r.err = d->failed;
    if (v == NULL || advance(&r))
        return NULL;
    return r.now.kind == JSON_TOKEN_END ? v : refuse(&r, "text behind the end");
}
