/* json.c - see json.h.
 *
 * The scan keeps a stack of open containers in an array, so nesting costs no C stack, and one index
 * of all keys of the text under (object number, key), so a duplicate is found in O(1) wherever
 * it is. cJSON's own recursion is then bounded by JSON_MAX_DEPTH, and what reaches it is known to
 * be JSON: when it still fails, memory has run out.
 */
#include "json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "file_check.h"
#include "json_lexer.h"
#include "mapped_file.h"
#include "name_index.h"
#include "printable.h"

enum {
    /* cJSON copies a number into 64 bytes before it converts it; the scan alone allows more. */
    CJSON_MAX_NUMBER = 63,
};

struct json_document {
    cJSON *root;
};

/* ---- the scan ------------------------------------------------------------------------------- */

typedef struct container {
    bool object;
    uint32_t number; /* which object of the text, counted from 1 */
} container;

/* Where a key stands, so that a hash tie can be compared byte by byte. Small, because a header of
 * 100 MB may hold millions; scan_text() refuses texts that 32 bits cannot address. */
typedef struct key_place {
    uint32_t start, len;
    uint32_t object : 31, escaped : 1;
} key_place;

typedef struct scan {
    json_lexer x;
    size_t max_number; /* longest text of a number, 0 = any */
    size_t values;
    container open[JSON_MAX_DEPTH];
    int depth;
    uint32_t objects;
    name_index index;
    key_place *keys;
    size_t keys_len, keys_cap;
    buf scratch; /* the key at hand, unescaped */
} scan;

static int scan_fail(const scan *s, const json_token *t, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset %zu: %s", s->x.where, t->start, what);
}

/* name_index.h asks whether the stored key `number` equals bytes; the stored one is unescaped again. */
static bool same_key(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const scan *s = owner;
    const key_place *k = &s->keys[number];
    if (k->object != s->open[s->depth - 1].number)
        return false;
    if (!k->escaped)
        return k->len == len && memcmp(s->x.text + k->start, bytes, len) == 0;
    char *text = malloc(k->len);
    if (!text)
        return true; /* cannot compare: call it equal, which refuses the text */
    size_t stored;
    json_token t = {.start = k->start, .len = k->len, .escaped = true};
    json_lexer_string(&s->x, &t, text, &stored);
    bool equal = stored == len && memcmp(text, bytes, len) == 0;
    free(text);
    return equal;
}

/* Puts a key into the index under its object, unescaped: "a" and "\\u0061" are one key. */
static int add_key(scan *s, const json_token *t, error *err)
{
    buf_clear(&s->scratch);
    if (t->escaped && buf_add(&s->scratch, s->x.text + t->start, t->len, err))
        return -1;
    size_t len;
    const char *key = json_lexer_string(&s->x, t, s->scratch.v, &len);
    if (s->keys_len == s->keys_cap) {
        size_t cap = s->keys_cap ? s->keys_cap + s->keys_cap / 2 : 64;
        key_place *keys = realloc(s->keys, cap * sizeof *keys);
        if (!keys)
            return error_memory(err, "the keys of a JSON text");
        s->keys = keys;
        s->keys_cap = cap;
    }
    uint32_t object = s->open[s->depth - 1].number, found;
    int added = name_index_add(&s->index, object, key, len, (uint32_t)s->keys_len, same_key, s,
                               &found, err);
    if (added == 1)
        return error_set(err, ERROR_LOAD, "%s: offset %zu: key \"%s\" appears twice in one object",
                         s->x.where, t->start, printable_of(key, len).text);
    s->keys[s->keys_len++] =
        (key_place){(uint32_t)t->start, (uint32_t)t->len, object & 0x7fffffff, t->escaped};
    return added;
}

/* Takes a key and its colon; *t becomes the first token of the value. */
static int take_key(scan *s, json_token *t, error *err)
{
    if (t->kind != JSON_TOKEN_STRING)
        return scan_fail(s, t, "expected a key in quotes", err);
    if (add_key(s, t, err) || json_lex(&s->x, t, err))
        return -1;
    if (t->kind != JSON_TOKEN_COLON)
        return scan_fail(s, t, "expected \":\" after a key", err);
    return json_lex(&s->x, t, err);
}

/* Takes the first token of a value. *opened: the value is a container that has just been opened. */
static int take_value(scan *s, const json_token *t, bool *opened, error *err)
{
    *opened = t->kind == JSON_TOKEN_OPEN_OBJECT || t->kind == JSON_TOKEN_OPEN_ARRAY;
    if (++s->values > JSON_MAX_VALUES)
        return error_set(err, ERROR_LOAD, "%s: offset %zu: more than %d values", s->x.where,
                         t->start, JSON_MAX_VALUES);
    if (t->kind == JSON_TOKEN_NUMBER && s->max_number && t->len > s->max_number)
        return error_set(err, ERROR_LOAD,
                         "%s: offset %zu: a number of %zu characters, at most %zu "
                         "are read",
                         s->x.where, t->start, t->len, s->max_number);
    if (!*opened) {
        if (t->kind < JSON_TOKEN_STRING)
            return scan_fail(s, t,
                             t->kind == JSON_TOKEN_END ? "the text ends where a value is due"
                                                       : "expected a value",
                             err);
        return 0;
    }
    if (s->depth == JSON_MAX_DEPTH)
        return error_set(err, ERROR_LOAD, "%s: offset %zu: nested deeper than %d levels",
                         s->x.where, t->start, JSON_MAX_DEPTH);
    bool object = t->kind == JSON_TOKEN_OPEN_OBJECT;
    s->objects += object;
    s->open[s->depth++] = (container){object, s->objects};
    return 0;
}

/* After a value: closes containers as long as they end here. On return *t is the first token of
 * the next value's key or value, or the depth is 0. */
static int take_separator(scan *s, json_token *t, bool opened, error *err)
{
    while (s->depth > 0) {
        container *top = &s->open[s->depth - 1];
        json_token_kind close = top->object ? JSON_TOKEN_CLOSE_OBJECT : JSON_TOKEN_CLOSE_ARRAY;
        if (json_lex(&s->x, t, err))
            return -1;
        if (t->kind == close) {
            s->depth--;
            opened = false;
            continue;
        }
        if (opened)
            return 0; /* the first element: no comma before it */
        if (t->kind != JSON_TOKEN_COMMA)
            return scan_fail(
                s, t, top->object ? "expected \",\" or \"}\"" : "expected \",\" or \"]\"", err);
        return json_lex(&s->x, t, err);
    }
    return 0;
}

/* key? value separator, until the outermost container (or the only value) has ended. */
static int scan_text(scan *s, error *err)
{
    json_token t;
    if (s->x.len > UINT32_MAX)
        return error_set(err, ERROR_LOAD, "%s: a JSON text of %zu bytes", s->x.where, s->x.len);
    if (s->x.len >= 3 && memcmp(s->x.text, "\xef\xbb\xbf", 3) == 0)
        return error_set(err, ERROR_LOAD, "%s: offset 0: a byte order mark before the JSON text",
                         s->x.where);
    if (json_lex(&s->x, &t, err))
        return -1;
    do {
        bool opened;
        if (s->depth > 0 && s->open[s->depth - 1].object && take_key(s, &t, err))
            return -1;
        if (take_value(s, &t, &opened, err) || take_separator(s, &t, opened, err))
            return -1;
    } while (s->depth > 0);
    if (json_lex(&s->x, &t, err))
        return -1;
    return t.kind == JSON_TOKEN_END ? 0 : scan_fail(s, &t, "text after the JSON value", err);
}

static int scan_limited(const char *where, const char *text, size_t len, size_t max_number,
                        error *err)
{
    scan s = {.x = {.where = where, .text = text, .len = len}, .max_number = max_number};
    int result = scan_text(&s, err);
    free(s.keys);
    name_index_release(&s.index);
    buf_release(&s.scratch);
    return result;
}

int json_scan(const char *where, const char *text, size_t len, error *err)
{
    return scan_limited(where, text, len, 0, err);
}

/* ---- documents ------------------------------------------------------------------------------ */

json_document *json_parse(const char *where, const char *text, size_t len, error *err)
{
    if (scan_limited(where, text, len, CJSON_MAX_NUMBER, err))
        return NULL;
    json_document *d = calloc(1, sizeof *d);
    if (d)
        d->root = cJSON_ParseWithLength(text, len);
    if (!d || !d->root) {
        free(d);
        error_memory(err, "a JSON text");
        error_prefix(err, "%s: ", where);
        return NULL;
    }
    return d;
}

json_document *json_load(const char *path, size_t max_bytes, error *err)
{
    char *text;
    size_t len;
    if (file_read_all(path, max_bytes, &text, &len, err))
        return NULL;
    json_document *d = json_parse(path, text, len, err);
    if (!d)
        (void)file_check_kind(path, (const uint8_t *)text, len, WANTED_JSON, err);
    free(text);
    return d;
}

void json_close(json_document *d)
{
    if (!d)
        return;
    cJSON_Delete(d->root);
    free(d);
}

const json *json_root(const json_document *d)
{
    return d->root;
}

json_kind json_type(const json *v)
{
    switch (v->type & 0xff) {
    case cJSON_True:
    case cJSON_False:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const char *json_key(const json *v)
{
    return v->string;
}

const json *json_member(const json *v, const char *key)
{
    return cJSON_IsObject(v) ? cJSON_GetObjectItemCaseSensitive(v, key) : NULL;
}

const json *json_first(const json *v)
{
    return v ? v->child : NULL;
}

const json *json_next(const json *v)
{
    return v->next;
}

size_t json_count(const json *v)
{
    size_t n = 0;
    for (const json *at = json_first(v); at; at = at->next)
        n++;
    return n;
}

bool json_true(const json *v)
{
    return cJSON_IsTrue(v);
}

double json_number(const json *v)
{
    return v->valuedouble;
}

const char *json_string(const json *v)
{
    return v->valuestring;
}

/* ---- getters -------------------------------------------------------------------------------- */

/* The member when it is there and not null, else NULL. */
static const json *present(const json *object, const char *key)
{
    const json *v = json_member(object, key);
    return v && json_type(v) != JSON_NULL ? v : NULL;
}

static int wrong_kind(const json *v, const char *key, const char *wanted, error *err)
{
    static const char *const kinds[] = {"null",     "a boolean", "a number",
                                        "a string", "a list",    "an object"};
    return error_set(err, ERROR_LOAD, "%s is %s, expected %s", key, kinds[json_type(v)], wanted);
}

const char *json_text_at(const json *object, const char *key)
{
    const json *v = json_member(object, key);
    return v && json_type(v) == JSON_STRING ? json_string(v) : NULL;
}

int json_check_members(const json *object, const char *const *known, size_t n, error *err)
{
    for (const json *m = json_first(object); m; m = json_next(m)) {
        size_t i = 0;
        while (i < n && strcmp(json_key(m), known[i]) != 0)
            i++;
        if (i == n)
            return error_set(err, ERROR_LOAD, "%.60s: no such field", json_key(m));
    }
    return 0;
}

int json_get_int(const json *object, const char *key, int64_t min, int64_t max, int64_t *out,
                 error *err)
{
    const json *v = present(object, key);
    if (!v)
        return 0;
    if (json_type(v) != JSON_NUMBER)
        return wrong_kind(v, key, "an integer", err);
    double d = v->valuedouble;
    if (!isfinite(d) || d != floor(d) || fabs(d) > 9007199254740992.0)
        return error_set(err, ERROR_LOAD, "%s is %.17g, expected an integer", key, d);
    if (d < (double)min || d > (double)max)
        return error_set(err, ERROR_LOAD, "%s is %.0f, expected %lld to %lld", key, d,
                         (long long)min, (long long)max);
    *out = (int64_t)d;
    return 1;
}

int json_get_number(const json *object, const char *key, double min, double max, double *out,
                    error *err)
{
    const json *v = present(object, key);
    if (!v)
        return 0;
    if (json_type(v) != JSON_NUMBER)
        return wrong_kind(v, key, "a number", err);
    double d = v->valuedouble;
    if (!isfinite(d) || d < min || d > max)
        return error_set(err, ERROR_LOAD, "%s is %.9g, expected %.9g to %.9g", key, d, min, max);
    *out = d;
    return 1;
}

int json_get_bool(const json *object, const char *key, bool *out, error *err)
{
    const json *v = present(object, key);
    if (!v)
        return 0;
    if (json_type(v) != JSON_BOOL)
        return wrong_kind(v, key, "true or false", err);
    *out = json_true(v);
    return 1;
}

int json_get_string(const json *object, const char *key, const char **out, error *err)
{
    const json *v = present(object, key);
    if (!v)
        return 0;
    if (json_type(v) != JSON_STRING)
        return wrong_kind(v, key, "a string", err);
    *out = v->valuestring;
    return 1;
}

int json_get_copy(const json *object, const char *key, char **out, error *err)
{
    const char *text = NULL;
    int found = json_get_string(object, key, &text, err);
    if (found != 1)
        return found;
    *out = strdup(text);
    return *out ? 1 : error_memory(err, "a text");
}

static int get_container(const json *object, const char *key, json_kind kind, const char *wanted,
                         const json **out, error *err)
{
    const json *v = present(object, key);
    if (!v)
        return 0;
    if (json_type(v) != kind)
        return wrong_kind(v, key, wanted, err);
    *out = v;
    return 1;
}

int json_get_array(const json *object, const char *key, const json **out, error *err)
{
    return get_container(object, key, JSON_ARRAY, "a list", out, err);
}

int json_get_object(const json *object, const char *key, const json **out, error *err)
{
    return get_container(object, key, JSON_OBJECT, "an object", out, err);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* One character of n bytes at `text`, escaped where JSON or a line-based reader needs it. */
static int quote_character(buf *out, const char *text, size_t n, error *err)
{
    static const char controls[] = "\b\f\n\r\t", letters[] = "bfnrt";
    unsigned char c = (unsigned char)text[0];
    if (c == '"' || c == '\\')
        return buf_format(out, err, "\\%c", c);
    const char *control = c ? strchr(controls, c) : NULL;
    if (control)
        return buf_format(out, err, "\\%c", letters[control - controls]);
    if (c < 0x20 || c == 0x7f)
        return buf_format(out, err, "\\u%04x", c);
    if (n == 3 && memcmp(text, "\xe2\x80", 2) == 0 && ((unsigned char)text[2] & 0xfe) == 0xa8)
        return buf_format(out, err, "\\u20%02x", (unsigned)(unsigned char)text[2] - 0x80);
    return buf_add(out, text, n, err);
}

int json_quote(buf *out, const char *text, size_t len, error *err)
{
    if (buf_add(out, "\"", 1, err))
        return -1;
    for (size_t i = 0, n; i < len; i += n) {
        n = json_lexer_character(text + i, len - i);
        if (n ? quote_character(out, text + i, n, err) : buf_text(out, "\xef\xbf\xbd", err))
            return -1;
        n = n ? n : 1;
    }
    return buf_add(out, "\"", 1, err);
}
