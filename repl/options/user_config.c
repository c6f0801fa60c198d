/* user_config.c - see user_config.h.
 *
 * Each member is looked up in the table by its key; its JSON value becomes the text that a
 * command line would have, and options_configure() reads that, so that words and ranges are
 * checked where those of the command line are. Numbers become texts too, which are kept here,
 * since options borrow their texts. What makes no sense in a file (NEVER) is refused by its
 * name.
 */
#include "user_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/paths.h"

enum { SETTINGS_BYTES = 1 << 20, LIST_MOST = 256 };

/* What only makes sense once, on a command line. */
static const char *const NEVER[] = {"help",  "version", "file",  "output",  "tokens", "text",
                                    "force", "yes",     "empty", "session", "resume", "router"};

static int bad(const json *v, const char *must, error *err)
{
    return error_set(err, ERROR_USAGE, "%.60s: must be %s", json_key(v), must);
}

/* A number as an option would have it; kept until user_config_release(). */
static const char *number_text(user_config *s, const json *v, error *err)
{
    char **grown = realloc(s->texts, (s->count + 1) * sizeof *grown);
    if (grown) {
        s->texts = grown;
        char *text = string_format(err, "%.17g", json_number(v));
        if (text)
            return s->texts[s->count++] = text;
    }
    error_memory(err, "the configuration");
    return NULL;
}

/* The text of one value of an option of this kind; a list is taken apart by the caller. `key` is the
 * member, for messages. */
static const char *value_text(user_config *s, const json *key, const json *v, option_kind kind,
                              error *err)
{
    json_kind have = json_type(v);
    bool numeric = kind == OPTION_NUMBER || kind == OPTION_REAL || kind == OPTION_SEED;
    if (have == JSON_NUMBER && kind != OPTION_FLAG && kind != OPTION_CHOICE)
        return number_text(s, v, err);
    if (have == JSON_STRING && !numeric && kind != OPTION_FLAG)
        return json_string(v);
    if (have == JSON_BOOL && kind == OPTION_OPTIONAL)
        return "";
    (void)bad(key, kind == OPTION_FLAG ? "true or false" : numeric ? "a number" : "a text", err);
    return NULL;
}

static int take_list(user_config *s, options *opt, const json *member, const option_info *row,
                     error *err)
{
    const char *values[LIST_MOST];
    size_t n = 0;
    for (const json *v = json_first(member); v; v = json_next(v)) {
        if (n == LIST_MOST)
            return bad(member, "a shorter list", err);
        if (!(values[n++] = value_text(s, member, v, row->kind, err)))
            return -1;
    }
    if (n == 0)
        return bad(member, "a list that holds something", err);
    return options_configure(opt, json_key(member), values, n, err);
}

/* Any row of the option: all of a name are of one kind, or read the same JSON. */
static const option_info *row_of(const options *opt, const char *name)
{
    const option_info *row = options_find(name, strlen(name), options_command(opt));
    for (int c = 0; c < COMMAND_COUNT && !row; c++)
        row = options_find(name, strlen(name), (command_id)c);
    for (size_t i = 0; i < sizeof NEVER / sizeof *NEVER; i++)
        if (strcmp(name, NEVER[i]) == 0)
            return NULL;
    return row;
}

static int unknown_key(const char *key, error *err)
{
    size_t count, n = 0;
    const option_info *rows = options_table(&count);
    const char *names[OPTIONS_MOST];
    for (size_t i = 0; i < count && n < OPTIONS_MOST; i++)
        names[n++] = rows[i].name;
    const char *near = options_nearest(key, names, n);
    if (near && strcmp(near, key) == 0)
        return error_set(err, ERROR_USAGE, "%.60s: belongs on a command line", key);
    return error_set(err, ERROR_USAGE, "%.60s: no option has this name%s%s%s", key,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int take_member(user_config *s, options *opt, const json *member, error *err)
{
    const char *key = json_key(member);
    const option_info *row = row_of(opt, key);
    if (!row)
        return unknown_key(key, err);
    if (json_type(member) == JSON_ARRAY) {
        if (row->kind != OPTION_TEXTS)
            return bad(member, "one value, not a list", err);
        return take_list(s, opt, member, row, err);
    }
    bool flag = row->kind == OPTION_FLAG || row->kind == OPTION_OPTIONAL;
    if (flag && json_type(member) == JSON_BOOL) {
        const char *on = "";
        return json_true(member) ? options_configure(opt, key, &on, 1, err) : 0;
    }
    const char *value = value_text(s, member, member, row->kind, err);
    return value ? options_configure(opt, key, &value, 1, err) : -1;
}

static int take_members(user_config *s, options *opt, error *err)
{
    const json *root = json_root(s->document);
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_USAGE, "must be an object: {\"temperature\": 0.5}");
    for (const json *m = json_first(root); m; m = json_next(m))
        if (take_member(s, opt, m, err))
            return -1;
    return 0;
}

int user_config_apply(user_config *s, options *opt, error *err)
{
    *s = (user_config){0};
    char *path;
    if (paths_own(PATHS_CONFIG, "config.json", &path, err))
        return -1;
    if (!path || access(path, F_OK) != 0) {
        free(path);
        return 0;
    }
    s->document = json_load(path, SETTINGS_BYTES, err);
    int result = s->document ? 0 : -1;
    if (!result && take_members(s, opt, err))
        result = error_prefix(err, "%s: ", path);
    if (result && err->code == ERROR_LOAD)
        err->code = ERROR_USAGE; /* the user's words, not a model */
    free(path);
    return result;
}

void user_config_release(user_config *s)
{
    json_close(s->document);
    for (size_t i = 0; i < s->count; i++)
        free(s->texts[i]);
    free(s->texts);
    *s = (user_config){0};
}
