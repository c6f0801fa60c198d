/* config_text.c - see config_text.h. */
#include "config_text.h"

#include <string.h>

#include "../base/json.h"
#include "../base/json_lexer.h"

/* Where the value of a key of the outermost object stands, and where that object begins. */
typedef struct found {
    size_t open, start, len; /* len 0 = not there */
} found;

static bool is_key(const json_lexer *x, const json_token *t, const char *key)
{
    return t->kind == JSON_TOKEN_STRING && t->len == strlen(key) &&
           memcmp(x->text + t->start, key, t->len) == 0;
}

static int find(const char *where, const char *text, size_t len, const char *key, found *out,
                error *err)
{
    json_lexer x = {where, text, len, 0};
    json_token t, last = {0};
    int depth = 0;
    bool wanted = false;
    *out = (found){0};
    if (json_scan(where, text, len, err))
        return -1;
    do {
        if (json_lex(&x, &t, err))
            return -1;
        if (wanted && t.kind != JSON_TOKEN_COLON) {
            size_t quote = t.kind == JSON_TOKEN_STRING; /* of a string, what is between them */
            *out = (found){out->open, t.start - quote, t.len + 2 * quote};
            wanted = false;
        }
        if (t.kind == JSON_TOKEN_COLON && depth == 1 && is_key(&x, &last, key))
            wanted = true;
        if (t.kind == JSON_TOKEN_OPEN_OBJECT && depth == 0)
            out->open = t.start + 1;
        if (t.kind == JSON_TOKEN_OPEN_OBJECT || t.kind == JSON_TOKEN_OPEN_ARRAY)
            depth++;
        if (t.kind == JSON_TOKEN_CLOSE_OBJECT || t.kind == JSON_TOKEN_CLOSE_ARRAY)
            depth--;
        last = t;
    } while (t.kind != JSON_TOKEN_END);
    return out->open ? 0 : error_set(err, ERROR_LOAD, "%s: is not a JSON object", where);
}

bool config_text_has(const char *where, const char *text, size_t len, const char *key)
{
    found at;
    return find(where, text, len, key, &at, NULL) == 0 && at.len;
}

int config_text_set(const char *where, const char *text, size_t len, const char *key,
                    const char *value, buf *out, error *err)
{
    found at;
    if (find(where, text, len, key, &at, err))
        return -1;
    if (!at.len)
        return buf_add(out, text, at.open, err) ||
                       buf_format(out, err, "\n  \"%s\": %s,", key, value) ||
                       buf_add(out, text + at.open, len - at.open, err)
                   ? -1
                   : 0;
    size_t behind = at.start + at.len;
    return buf_add(out, text, at.start, err) || buf_text(out, value, err) ||
                   buf_add(out, text + behind, len - behind, err)
               ? -1
               : 0;
}
