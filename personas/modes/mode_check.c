/* mode_check.c - see mode_check.h. */
#include "mode_check.h"

#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/buf.h"
#include "../../engine/base/json.h"
#include "../../engine/base/jsonl.h"
#include "../roster/persona.h"

enum { FILE_BYTES = 16 << 20, EXAMPLES_MOST = 100000 };

typedef struct reader {
    const mode_list *modes;
    mode_examples *out;
} reader;

static int mode_of(const mode_list *l, const mode_example *x)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->v[i]->name, x->label) == 0)
            return i;
    return -1;
}

static int need_text(const json *root, const char *key, const char **out, error *err)
{
    int found = json_get_string(root, key, out, err);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s: missing", key);
    return found < 0 || **out ? found : error_set(err, ERROR_LOAD, "%s: empty", key);
}

static int read_fields(const reader *r, mode_example *x, error *err)
{
    static const char *const known[] = {"mode", "persona", "prompt"};
    const json *root = json_root(x->document);
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD,
                         "must be an object, {\"mode\": \"..\", \"prompt\": \"..\"}");
    bool of_persona = json_member(root, "persona") != NULL;
    if (r->out->len == 0)
        r->out->personas = of_persona;
    const char *key = r->out->personas ? "persona" : "mode";
    if (json_check_members(root, known, 3, err) || need_text(root, key, &x->label, err) < 0 ||
        need_text(root, "prompt", &x->prompt, err) < 0)
        return -1;
    if (of_persona && json_member(root, "mode"))
        return error_set(err, ERROR_LOAD, "mode: a prompt has a mode or a persona, not both");
    if (of_persona ? persona_name_ok(x->label) : mode_of(r->modes, x) >= 0)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: there is none called \"%.40s\"", key, x->label);
}

static int add_line(void *user, jsonl *lines, const char *line, size_t len)
{
    reader *r = user;
    error why = {0};
    mode_examples *out = r->out;
    if (out->len >= EXAMPLES_MOST)
        return error_set(lines->err, ERROR_LOAD, "more than %d prompts", EXAMPLES_MOST);
    mode_example *v = array_room(out->v, out->len, &out->cap, sizeof *v, "the prompts", lines->err);
    if (!v)
        return -1;
    out->v = v;
    v[out->len] =
        (mode_example){.document = json_parse("JSON", line, len, &why), .line = lines->line};
    if (v[out->len].document) {
        bool good = read_fields(r, &v[out->len], &why) == 0;
        out->len++;
        if (good)
            return 0;
    }
    return jsonl_tell(lines, &why);
}

int mode_examples_load(const char *path, const mode_list *l, mode_examples *out, buf *faults,
                       error *err)
{
    buf text = {0};
    error none = {0};
    reader r = {l, out};
    jsonl lines = {.where = path, .faults = faults, .err = err ? err : &none};
    int result = jsonl_load(path, FILE_BYTES, &text, lines.err);
    if (result)
        (void)error_prefix(lines.err, "%s: ", path);
    else
        result = jsonl_each(&lines, text.v ? text.v : "", text.len, add_line, &r);
    if (!result)
        result = jsonl_finish(&lines);
    if (!result && !out->len)
        result = error_set(lines.err, ERROR_LOAD, "%s: holds no prompt", path);
    buf_release(&text);
    return result ? -1 : 0;
}

void mode_examples_release(mode_examples *e)
{
    for (size_t i = 0; i < e->len; i++)
        json_close(e->v[i].document);
    free(e->v);
    *e = (mode_examples){0};
}
