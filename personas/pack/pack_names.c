/* pack_names.c - what files are called in a pack, and where a persona says their names.
 *
 * A persona names files in three fields: "lessons" (a text, or one per language), "experts" (a text)
 * and "adapters" (a list of texts, or of objects with "file"). To rename them its JSON is written
 * again, member by member in their order, a line each, as people write it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json_writer.h"
#include "pack_internal.h"

/* "old." in front of it, and something behind: how many bytes those are, else 0. */
static size_t own_prefix(const char *old, const char *file)
{
    size_t n = strlen(old);
    return strncmp(file, old, n) == 0 && file[n] == '.' && file[n + 1] ? n + 1 : 0;
}

bool pack_is_made(const char *rest, const char *end)
{
    return strspn(rest, "0123456789abcdef") == PACK_FINGERPRINT &&
           strcmp(rest + PACK_FINGERPRINT, end) == 0;
}

char *pack_name(const char *name, const char *old, const char *file, error *err)
{
    return string_format(err, "%s.%s", name, file + own_prefix(old, file));
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* A text, or the texts of an object or a list of texts; of an object in a list its "file". */
static int each_in(const json *v, pack_kind kind, pack_name_fn *fn, void *user, error *err)
{
    if (!v)
        return 0;
    if (json_type(v) == JSON_STRING)
        return fn(user, kind, json_string(v), err);
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY)
        return 0;
    for (const json *at = json_first(v); at; at = json_next(at)) {
        const json *text = json_type(at) == JSON_OBJECT ? json_member(at, "file") : at;
        if (text && json_type(text) == JSON_STRING && fn(user, kind, json_string(text), err))
            return -1;
    }
    return 0;
}

int pack_each_name(const json *root, pack_name_fn *fn, void *user, error *err)
{
    return each_in(json_member(root, "lessons"), PACK_LESSONS, fn, user, err) ||
                   each_in(json_member(root, "experts"), PACK_ADAPTER, fn, user, err) ||
                   each_in(json_member(root, "adapters"), PACK_ADAPTER, fn, user, err)
               ? -1
               : 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

typedef struct rewriting {
    const char *old, *name;
    json_writer writer;
    error *err;
} rewriting;

static int put_file(rewriting *r, const char *key, const char *file)
{
    char *new = pack_name(r->name, r->old, file, r->err);
    if (!new)
        return -1;
    json_put_text(&r->writer, key, new);
    free(new);
    return 0;
}

/* {"file": ".."} with its other members. */
static int put_object(rewriting *r, const char *key, const json *v, bool named)
{
    json_begin_object(&r->writer, key);
    for (const json *at = json_first(v); at; at = json_next(at)) {
        bool file = json_type(at) == JSON_STRING && (!named || strcmp(json_key(at), "file") == 0);
        if (!file)
            json_put_value(&r->writer, json_key(at), at);
        else if (put_file(r, json_key(at), json_string(at)))
            return -1;
    }
    json_end(&r->writer);
    return 0;
}

static int put_files(rewriting *r, const json *v)
{
    if (json_type(v) == JSON_STRING)
        return put_file(r, NULL, json_string(v));
    if (json_type(v) == JSON_OBJECT)
        return put_object(r, NULL, v, false);
    if (json_type(v) != JSON_ARRAY) {
        json_put_value(&r->writer, NULL, v);
        return 0;
    }
    json_begin_array(&r->writer, NULL);
    for (const json *at = json_first(v); at; at = json_next(at)) {
        if (json_type(at) == JSON_OBJECT   ? put_object(r, NULL, at, true)
            : json_type(at) == JSON_STRING ? put_file(r, NULL, json_string(at))
                                           : 0)
            return -1;
    }
    json_end(&r->writer);
    return 0;
}

static int put_member(rewriting *r, const json *v)
{
    const char *key = json_key(v);
    if (strcmp(key, "lessons") == 0 || strcmp(key, "experts") == 0 || strcmp(key, "adapters") == 0)
        return put_files(r, v);
    if (strcmp(key, "name") == 0)
        json_put_text(&r->writer, NULL, r->name);
    else
        json_put_value(&r->writer, NULL, v);
    return 0;
}

static int put_persona(rewriting *r, const json *root, buf *out)
{
    const char *between = "{\n  ";
    for (const json *v = json_first(root); v; v = json_next(v)) {
        r->writer = (json_writer){.out = out, .err = r->err};
        if (buf_text(out, between, r->err) ||
            json_quote(out, json_key(v), strlen(json_key(v)), r->err) ||
            buf_text(out, ": ", r->err) || put_member(r, v) || json_writer_finish(&r->writer))
            return -1;
        between = ",\n  ";
    }
    return buf_text(out, "\n}\n", r->err);
}

static int check_prefix(void *user, pack_kind kind, const char *file, error *err)
{
    const rewriting *r = user;
    (void)kind;
    (void)err;
    return own_prefix(r->old, file) ? 0 : -1;
}

int pack_rewrite(const char *where, const char *text, size_t len, const char *old, const char *name,
                 buf *out, error *err)
{
    json_document *d = json_parse(where, text, len, err);
    if (!d)
        return -1;
    rewriting r = {.old = old, .name = name, .err = err};
    bool same = strcmp(old, name) == 0 && pack_each_name(json_root(d), check_prefix, &r, NULL) == 0;
    int result = same ? buf_add(out, text, len, err) : put_persona(&r, json_root(d), out);
    json_close(d);
    return result;
}
