/* compare_set.c - see compare_set.h. */
#include "compare_set.h"

#include <stdio.h>
#include <string.h>

#include "../../engine/base/json.h"
#include "../eval/eval_match.h"

enum { BYTES = 64 << 20, GUIDE_MOST = 1 << 20, ID_MOST = 64 };

static int need_text(compare_set *s, const json *root, const char *key, const char **out,
                     error *err)
{
    const char *text = "";
    if (json_get_string(root, key, &text, err) < 0)
        return -1;
    if (!*text)
        return error_set(err, ERROR_LOAD, "%s: missing, or empty", key);
    *out = region_keep_text(&s->memory, text, err);
    return *out ? 0 : -1;
}

/* A short text, or `standard`; both outlive the document. */
static int short_text(compare_set *s, const json *root, const char *key, const char *standard,
                      const char **out, error *err)
{
    const char *text = standard;
    if (json_get_string(root, key, &text, err) < 0)
        return -1;
    if (strlen(text) > ID_MOST)
        return error_set(err, ERROR_LOAD, "%s: has more than %d bytes", key, ID_MOST);
    *out = region_keep_text(&s->memory, text, err);
    return *out ? 0 : -1;
}

static int keep_message(compare_set *s, compare_item *item, const json *text, error *err)
{
    if (!text || json_type(text) != JSON_STRING || !*json_string(text))
        return error_set(err, ERROR_LOAD, "before: a turn is [what was asked, what was answered]");
    const char *kept = region_keep_text(&s->memory, json_string(text), err);
    if (!kept)
        return -1;
    chat_role role = item->before_count % 2 ? CHAT_ASSISTANT : CHAT_USER;
    item->before[item->before_count++] = (chat_message){role, kept, strlen(kept)};
    return 0;
}

static int read_before(compare_set *s, const json *root, compare_item *item, error *err)
{
    const json *turns = NULL;
    if (json_get_array(root, "before", &turns, err) < 0)
        return -1;
    size_t n = turns ? json_count(turns) : 0;
    if (n > COMPARE_TURNS)
        return error_set(err, ERROR_LOAD, "before: %zu turns, at most %d", n, COMPARE_TURNS);
    item->before = region_take(&s->memory, (2 * n + 1) * sizeof *item->before, err);
    if (!item->before)
        return -1;
    for (const json *t = turns ? json_first(turns) : NULL; t; t = json_next(t)) {
        const json *asked = json_type(t) == JSON_ARRAY && json_count(t) == 2 ? json_first(t) : NULL;
        if (keep_message(s, item, asked, err) || keep_message(s, item, json_next(asked), err))
            return -1;
    }
    return 0;
}

static int read_facts(compare_set *s, const json *root, compare_item *item, error *err)
{
    const json *facts = NULL;
    if (json_get_array(root, "facts", &facts, err) < 0)
        return -1;
    for (const json *f = facts ? json_first(facts) : NULL; f; f = json_next(f)) {
        if (item->fact_count == COMPARE_FACTS)
            return error_set(err, ERROR_LOAD, "facts: at most %d", COMPARE_FACTS);
        if (json_type(f) != JSON_STRING || !*json_string(f))
            return error_set(err, ERROR_LOAD, "facts: number %d is no text, or an empty one",
                             item->fact_count + 1);
        const char *kept = region_keep_text(&s->memory, json_string(f), err);
        if (!kept)
            return -1;
        item->facts[item->fact_count++] = kept;
    }
    return 0;
}

static int read_item(compare_set *s, const json *root, const char *number, error *err)
{
    static const char *const known[] = {"id", "level", "question", "before", "facts", "guide"};
    int64_t guide = 0;
    compare_item item = {0};
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "is no object");
    if (json_check_members(root, known, sizeof known / sizeof *known, err) ||
        need_text(s, root, "question", &item.question, err) ||
        short_text(s, root, "id", number, &item.id, err) ||
        short_text(s, root, "level", "", &item.level, err) || read_before(s, root, &item, err) ||
        read_facts(s, root, &item, err) ||
        json_get_int(root, "guide", 1, GUIDE_MOST, &guide, err) < 0)
        return -1;
    for (int i = 0; i < s->len; i++)
        if (strcmp(s->v[i].id, item.id) == 0)
            return error_set(err, ERROR_LOAD, "id: \"%s\" stands twice", item.id);
    if (s->len == COMPARE_ITEMS)
        return error_set(err, ERROR_LOAD, "more than %d questions", COMPARE_ITEMS);
    compare_item *to = region_add(&s->memory, &s->v, &s->len, 1, sizeof item, err);
    if (!to)
        return -1;
    item.guide = (int)guide;
    *to = item;
    return 0;
}

static int read_line(void *user, jsonl *r, const char *line, size_t len)
{
    compare_set *s = user;
    error why = {0};
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", r->line);
    json_document *d = json_parse("", line, len, &why);
    if (d)
        (void)read_item(s, json_root(d), number, &why);
    json_close(d);
    return jsonl_tell(r, &why);
}

int compare_set_load(const char *path, compare_set *out, error *err)
{
    buf text = {0};
    *out = (compare_set){0};
    jsonl r = {.where = path, .faults = &out->faults, .err = err};
    if (jsonl_load(path, BYTES, &text, err)) {
        buf_release(&text);
        return error_prefix(err, "%s: ", path);
    }
    int result = jsonl_each(&r, text.v ? text.v : "", text.len, read_line, out) || jsonl_finish(&r);
    out->fault_count = r.fault_count;
    if (!result && !out->len)
        result = error_set(err, ERROR_LOAD, "%s: holds no question", path);
    buf_release(&text);
    return result ? -1 : 0;
}

void compare_set_release(compare_set *s)
{
    buf_release(&s->faults);
    region_release(&s->memory);
    *s = (compare_set){0};
}

int compare_recall(const compare_item *item, const char *text, size_t len, int *found, error *err)
{
    *found = 0;
    for (int i = 0; i < item->fact_count; i++) {
        eval_words group = {&item->facts[i], 1};
        eval_item asked = {.kind = EVAL_RUBRIC, .groups = &group, .group_count = 1, .need = 1};
        eval_verdict v;
        if (eval_match(&asked, text, len, &v, err))
            return -1;
        *found += v.right;
    }
    return 0;
}
