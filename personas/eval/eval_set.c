/* eval_set.c - see eval_set.h.
 *
 * Each line is a JSON document that lives only while the line is read: texts are copied into the
 * set's region. Every check of a line is made even when one before it failed.
 */
#include "eval_set.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/folder.h"
#include "../../engine/base/hash.h"
#include "../../engine/base/json.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/name_index.h"

enum { DEVELOPMENT_PERCENT = 40 };

static const char *const KINDS[EVAL_KINDS] = {"exact", "choice", "program", "rubric"};
static const char *const SPLITS[] = {"all", "dev", "rest"};

typedef struct reader {
    eval_set *out;
    name_index ids; /* numbers of items */
} reader;

/* ---- fields ------------------------------------------------------------------------------------ */

static int keep_text(eval_set *s, const char *text, const char **out, error *err)
{
    *out = region_keep_text(&s->memory, text, err);
    return *out ? 0 : -1;
}

/* A text that must be there and say something. */
static int need_text(eval_set *s, const json *root, const char *key, const char **out, error *err)
{
    const char *text;
    int found = json_get_string(root, key, &text, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s: missing", key);
    if (!*text)
        return error_set(err, ERROR_LOAD, "%s: empty", key);
    return keep_text(s, text, out, err);
}

/* least..most texts of an array, none of them empty. */
static int read_words(eval_set *s, const json *array, int least, int most, eval_words *out,
                      error *err)
{
    size_t n = json_count(array);
    if (n < (size_t)least || n > (size_t)most)
        return error_set(err, ERROR_LOAD, "%zu texts; there must be %d to %d", n, least, most);
    const char **v = region_take(&s->memory, n * sizeof *v, err);
    if (!v)
        return -1;
    *out = (eval_words){v, 0};
    for (const json *t = json_first(array); t; t = json_next(t)) {
        if (json_type(t) != JSON_STRING || !*json_string(t))
            return error_set(err, ERROR_LOAD, "number %d is no text, or an empty one",
                             out->len + 1);
        if (keep_text(s, json_string(t), &v[out->len++], err))
            return -1;
    }
    return 0;
}

static int need_array(const json *root, const char *key, const json **out, error *err)
{
    int found = json_get_array(root, key, out, err);
    if (found)
        return found < 0 ? -1 : 0;
    return error_set(err, ERROR_LOAD, "%s: missing", key);
}

static int need_words(eval_set *s, const json *root, const char *key, int least, int most,
                      eval_words *out, error *err)
{
    const json *array;
    if (need_array(root, key, &array, err))
        return -1;
    return read_words(s, array, least, most, out, err) ? error_prefix(err, "%s: ", key) : 0;
}

static int need_number(const json *root, const char *key, int64_t least, int64_t most, int *out,
                       error *err)
{
    int64_t n = 0;
    int found = json_get_int(root, key, least, most, &n, err);
    *out = (int)n;
    if (found)
        return found < 0 ? -1 : 0;
    return error_set(err, ERROR_LOAD, "%s: missing", key);
}

/* ---- kinds: what[0] and what[1] are two errors that can be told beside each other ---------------- */

static int read_exact(eval_set *s, eval_item *item, const json *root, error *what)
{
    return need_words(s, root, "keys", 1, EVAL_KEYS, &item->keys, &what[0]);
}

static int read_choice(eval_set *s, eval_item *item, const json *root, error *what)
{
    int n = need_words(s, root, "choices", 2, EVAL_CHOICES, &item->choices, &what[0])
                ? EVAL_CHOICES
                : item->choices.len;
    for (int i = 0; i < item->choices.len && !what[0].code; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(item->choices.v[i], item->choices.v[k]) == 0)
                return error_set(&what[0], ERROR_LOAD, "choices: \"%.40s\" stands twice",
                                 item->choices.v[i]);
    return need_number(root, "right", 0, n - 1, &item->right, &what[1]);
}

static int read_program(eval_set *s, eval_item *item, const json *root, error *what)
{
    return need_text(s, root, "check", &item->check, &what[0]);
}

static int read_groups(eval_set *s, eval_item *item, const json *root, error *err)
{
    const json *array;
    if (need_array(root, "keys", &array, err))
        return -1;
    size_t n = json_count(array);
    if (n < 1 || n > EVAL_KEYS)
        return error_set(err, ERROR_LOAD, "keys: %zu groups; there must be 1 to %d", n, EVAL_KEYS);
    eval_words *groups = region_take(&s->memory, n * sizeof *groups, err);
    if (!groups)
        return -1;
    item->groups = groups;
    for (const json *g = json_first(array); g; g = json_next(g)) {
        if (json_type(g) != JSON_ARRAY)
            return error_set(err, ERROR_LOAD, "keys: group %d is no array of texts",
                             item->group_count + 1);
        if (read_words(s, g, 1, EVAL_KEYS, &groups[item->group_count++], err))
            return error_prefix(err, "keys: group %d: ", item->group_count);
    }
    return 0;
}

static int read_rubric(eval_set *s, eval_item *item, const json *root, error *what)
{
    int n = read_groups(s, item, root, &what[0]) ? EVAL_KEYS : item->group_count;
    return need_number(root, "need", 1, n, &item->need, &what[1]);
}

typedef struct kind_row {
    int (*read)(eval_set *s, eval_item *item, const json *root, error *what);
    const char *fields[6];
    size_t field_count;
} kind_row;

static const kind_row ROWS[EVAL_KINDS] = {
    [EVAL_EXACT] = {read_exact, {"id", "kind", "question", "topic", "keys"}, 5},
    [EVAL_CHOICE] = {read_choice, {"id", "kind", "question", "topic", "choices", "right"}, 6},
    [EVAL_PROGRAM] = {read_program, {"id", "kind", "question", "topic", "check"}, 5},
    [EVAL_RUBRIC] = {read_rubric, {"id", "kind", "question", "topic", "keys", "need"}, 6},
};

/* ---- one line ---------------------------------------------------------------------------------- */

static bool same_id(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const eval_set *s = owner;
    const char *id = s->v[number].id;
    return strlen(id) == len && memcmp(id, bytes, len) == 0;
}

/* Its own, else the line's number; nobody else in the file may have it. */
static int read_id(reader *r, eval_item *item, const json *root, size_t line, error *err)
{
    uint32_t before;
    const char *given = NULL;
    char *number = NULL;
    int found = json_get_string(root, "id", &given, err);
    if (found < 0)
        return -1;
    if (!found && !(given = number = string_format(err, "%zu", line)))
        return -1;
    int result = keep_text(r->out, given, &item->id, err);
    free(number);
    if (result)
        return -1;
    if (!*item->id || strlen(item->id) > 200) {
        item->id = "";
        return error_set(err, ERROR_LOAD, "id: empty or longer than 200 bytes");
    }
    found = name_index_add(&r->ids, 0, item->id, strlen(item->id), (uint32_t)(item - r->out->v),
                           same_id, r->out, &before, err);
    return found > 0 ? error_set(err, ERROR_LOAD, "id: \"%.60s\" stands twice", item->id) : found;
}

static int read_kind(eval_item *item, const json *root, error *err)
{
    const char *kind;
    int found = json_get_string(root, "kind", &kind, err);
    if (found < 0)
        return -1;
    if (!found)
        return error_set(err, ERROR_LOAD, "kind: missing");
    for (int k = 0; k < EVAL_KINDS; k++) {
        if (strcmp(kind, KINDS[k]) == 0) {
            item->kind = (eval_kind)k;
            return 0;
        }
    }
    return error_set(err, ERROR_LOAD, "kind: \"%.40s\" is none of exact, choice, program, rubric",
                     kind);
}

/* All that is wrong with it. */
static int read_fields(reader *r, jsonl *lines, eval_item *item, const json *root)
{
    enum { CHECKS = 7 };
    error why[CHECKS] = {{0}};
    item->id = item->topic = "";
    if (json_type(root) != JSON_OBJECT) {
        (void)error_set(&why[0], ERROR_LOAD,
                        "must be an object, {\"kind\": \"exact\", \"question\": \"..\", "
                        "\"keys\": [\"..\"]}");
        return jsonl_tell(lines, &why[0]);
    }
    if (read_kind(item, root, &why[0]) == 0) {
        const kind_row *row = &ROWS[item->kind];
        (void)json_check_members(root, row->fields, row->field_count, &why[1]);
        (void)row->read(r->out, item, root, &why[2]);
    }
    (void)need_text(r->out, root, "question", &item->question, &why[4]);
    if (json_get_string(root, "topic", &item->topic, &why[5]) == 1)
        (void)keep_text(r->out, item->topic, &item->topic, &why[5]);
    (void)read_id(r, item, root, lines->line, &why[6]);
    for (int i = 0; i < CHECKS; i++)
        if (jsonl_tell(lines, &why[i]))
            return -1;
    return 0;
}

static int grow(eval_set *s, error *err)
{
    if (s->len >= EVAL_SET_ITEMS)
        return error_set(err, ERROR_LOAD, "more than %d items", EVAL_SET_ITEMS);
    eval_item *v = array_room(s->v, s->len, &s->cap, sizeof *v, "the set", err);
    if (!v)
        return -1;
    s->v = v;
    return 0;
}

static int add_line(void *user, jsonl *lines, const char *line, size_t len)
{
    reader *r = user;
    eval_set *s = r->out;
    error why = {0};
    if (grow(s, lines->err))
        return -1;
    json_document *document = json_parse("JSON", line, len, &why);
    if (!document)
        return jsonl_tell(lines, &why);
    eval_item *item = &s->v[s->len++];
    *item = (eval_item){0};
    int result = read_fields(r, lines, item, json_root(document));
    json_close(document);
    uint64_t hash = hash_bytes(HASH_START, item->id, strlen(item->id));
    item->development = (hash ^ hash >> 32) % 100 < DEVELOPMENT_PERCENT;
    s->of_kind[item->kind]++;
    s->hash = hash_bytes(hash_bytes(s->hash, line, len), "\n", 1);
    return result;
}

/* ---- the file ---------------------------------------------------------------------------------- */

int eval_set_read(const char *where, const char *text, size_t len, eval_set *out, error *err)
{
    error none = {0};
    jsonl lines = {.where = where, .faults = &out->faults, .err = err ? err : &none};
    reader r = {.out = out};
    out->hash = HASH_START;
    int result = jsonl_each(&lines, text, len, add_line, &r);
    out->fault_count = lines.fault_count;
    if (!result)
        result = jsonl_finish(&lines);
    if (!result && out->len == 0)
        result = error_set(lines.err, ERROR_LOAD, "%s: holds no item", where);
    name_index_release(&r.ids);
    return result ? -1 : 0;
}

int eval_set_load(const char *path, eval_set *out, error *err)
{
    buf text = {0};
    int result = jsonl_load(path, EVAL_SET_BYTES, &text, err);
    if (result)
        (void)error_prefix(err, "%s: ", path);
    else
        result = eval_set_read(path, text.v ? text.v : "", text.len, out, err);
    buf_release(&text);
    return result;
}

void eval_set_release(eval_set *s)
{
    free(s->v);
    buf_release(&s->faults);
    region_release(&s->memory);
    *s = (eval_set){0};
}

/* ---- splits ------------------------------------------------------------------------------------ */

bool eval_split_has(eval_split s, const eval_item *item)
{
    return s == EVAL_ALL || (s == EVAL_DEVELOPMENT) == item->development;
}

int eval_split_parse(const char *text, eval_split *out, error *err)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, SPLITS[i]) == 0) {
            *out = (eval_split)i;
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE, "--split: \"%.40s\" is none of dev, rest, all", text);
}

const char *eval_split_name(eval_split s)
{
    return SPLITS[s];
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_words(json_writer *e, const char *key, const eval_words *w)
{
    json_begin_array(e, key);
    for (int i = 0; i < w->len; i++)
        json_put_text(e, NULL, w->v[i]);
    json_end(e);
}

int eval_set_write(const eval_item *item, buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "id", item->id);
    json_put_text(&e, "kind", KINDS[item->kind]);
    json_put_text(&e, "question", item->question);
    if (item->kind == EVAL_EXACT)
        put_words(&e, "keys", &item->keys);
    if (item->kind == EVAL_CHOICE) {
        put_words(&e, "choices", &item->choices);
        json_put_int(&e, "right", item->right);
    }
    if (item->kind == EVAL_PROGRAM)
        json_put_text(&e, "check", item->check);
    if (item->kind == EVAL_RUBRIC) {
        json_begin_array(&e, "keys");
        for (int i = 0; i < item->group_count; i++)
            put_words(&e, NULL, &item->groups[i]);
        json_end(&e);
        json_put_int(&e, "need", item->need);
    }
    if (item->topic && *item->topic)
        json_put_text(&e, "topic", item->topic);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}
