/* command_personas_show.c - `personas show`: all that one persona file says, and the masks and
 * adapters made for it.
 *
 * The file is read twice: as a persona, which checks it, and as JSON, whose members are shown as
 * they stand, so that nothing is lost that only the engine reads. Masks are those for any model;
 * each is opened to tell its mode, and one that is broken is called so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json.h"
#include "../screen/safe_text.h"
#include "commands.h"
#include "personas_model.h"

/* What lies beside it for some model: masks, and adapters trained for it. */
typedef struct made_for_models {
    persona_list masks, adapters;
} made_for_models;

static const char *mode_of(const char *path)
{
    static const char *const names[] = {"keep", "ban", "bias"};
    error why;
    mask *m = mask_load(path, &why);
    const char *name = m ? names[mask_kind(m)] : "broken";
    mask_close(m);
    return name;
}

static int print_json(const persona *p, const json *root, const made_for_models *made, console *con,
                      error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_object(&e, NULL);
    for (const json *m = json_first(root); m; m = json_next(m))
        json_put_value(&e, json_key(m), m);
    json_put_text(&e, "path", p->path);
    json_begin_array(&e, "masks");
    for (size_t i = 0; i < made->masks.len; i++) {
        json_begin_object(&e, NULL);
        json_put_text(&e, "model", made->masks.names[i]);
        json_put_text(&e, "mode", mode_of(made->masks.paths[i]));
        json_put_text(&e, "path", made->masks.paths[i]);
        json_end(&e);
    }
    json_end(&e);
    json_begin_array(&e, "trained");
    for (size_t i = 0; i < made->adapters.len; i++) {
        json_begin_object(&e, NULL);
        json_put_text(&e, "model", made->adapters.names[i]);
        json_put_text(&e, "path", made->adapters.paths[i]);
        json_end(&e);
    }
    json_end(&e);
    json_end(&e);
    return console_json(con, &e, err);
}

/* ---- text -------------------------------------------------------------------------------------- */

/* "  sampling      VALUE": what is said in several languages has a line for each. */
static int line(const console *con, buf *b, const char *label, const char *language,
                const char *value, error *err)
{
    if (buf_format(b, err, "  %s%-12s%s", console_dim(con), label, console_reset(con)) ||
        (language[0] && buf_format(b, err, "%s: ", language)) || console_quote(con, b, value, err))
        return -1;
    return buf_text(b, "\n", err);
}

static int language_lines(const console *con, buf *b, const char *label, const persona_text *v,
                          int n, error *err)
{
    for (int i = 0; i < n; i++)
        if (line(con, b, i ? "" : label, v[i].language, v[i].text, err))
            return -1;
    return 0;
}

/* "temperature 0.2, top_p 0.95"; rules have lines of their own. */
static int members(const console *con, buf *b, const char *label, const json *object, error *err)
{
    buf all = {0}, one = {0};
    int result = 0;
    for (const json *m = json_first(object); m && !result; m = json_next(m)) {
        if (strcmp(json_key(m), "rules") == 0)
            continue;
        json_writer e = {.out = &one, .err = err};
        buf_clear(&one);
        json_put_value(&e, NULL, m);
        const char *value = json_type(m) == JSON_STRING ? json_string(m) : one.v;
        result = json_writer_finish(&e) ||
                 buf_format(&all, err, "%s%s %s", all.len ? ", " : "", json_key(m), value);
    }
    if (!result && all.len)
        result = line(con, b, label, "", all.v, err);
    buf_release(&all);
    buf_release(&one);
    return result ? -1 : 0;
}

static int rule_lines(const console *con, buf *b, const json *rules, error *err)
{
    buf one = {0};
    int result = 0;
    bool first = true;
    for (const json *r = json_first(rules); r && !result; r = json_next(r)) {
        json_writer e = {.out = &one, .err = err};
        buf_clear(&one);
        json_put_value(&e, NULL, r);
        result = json_writer_finish(&e) || line(con, b, first ? "rules" : "", "", one.v, err);
        first = false;
    }
    buf_release(&one);
    return result ? -1 : 0;
}

static int mask_lines(const console *con, buf *b, const made_for_models *made, error *err)
{
    for (size_t i = 0; i < made->masks.len; i++) {
        char label[64];
        (void)snprintf(label, sizeof label, "%s for %.16s", mode_of(made->masks.paths[i]),
                       made->masks.names[i]);
        if (line(con, b, i ? "" : "masks", label, made->masks.paths[i], err))
            return -1;
    }
    return made->masks.len ? 0 : line(con, b, "masks", "", "none", err);
}

static int trained_lines(const console *con, buf *b, const persona_list *trained, error *err)
{
    for (size_t i = 0; i < trained->len; i++) {
        char label[64];
        (void)snprintf(label, sizeof label, "for %.16s", trained->names[i]);
        if (line(con, b, i ? "" : "trained", label, trained->paths[i], err))
            return -1;
    }
    return 0;
}

static int title(const console *con, buf *b, const persona *p, error *err)
{
    if (buf_format(b, err, "%s%s%s", console_bold(con), p->name, console_reset(con)))
        return -1;
    if (p->about && (buf_text(b, "  ", err) || console_quote(con, b, p->about, err)))
        return -1;
    return buf_text(b, "\n", err);
}

/* What it is told, how its tokens are drawn, what its router program does, which prompts are its. */
static int behaviour_lines(const console *con, buf *b, const persona *p, const json *root,
                           error *err)
{
    const json *router = json_member(root, "router");
    const json *rules = router ? json_member(router, "rules") : NULL;
    if (language_lines(con, b, "instruction", p->instructions, p->instruction_count, err) ||
        members(con, b, "sampling", json_member(root, "sampling"), err) ||
        members(con, b, "router", router, err) || rule_lines(con, b, rules, err) ||
        members(con, b, "group", json_member(root, "group"), err))
        return -1;
    return members(con, b, "auto", json_member(root, "auto"), err);
}

/* The files beside it, and its colour. */
static int file_lines(const console *con, buf *b, const persona *p, const made_for_models *made,
                      error *err)
{
    if (language_lines(con, b, "lessons", p->lessons, p->lesson_count, err))
        return -1;
    if (p->experts && line(con, b, "experts", "", p->experts, err))
        return -1;
    for (int i = 0; i < p->adapter_count; i++)
        if (line(con, b, "adapter", "", p->adapters[i].path, err))
            return -1;
    if (p->color && line(con, b, "color", "", p->color, err))
        return -1;
    return trained_lines(con, b, &made->adapters, err) ? -1 : mask_lines(con, b, made, err);
}

static int print_text(const persona *p, const json *root, const made_for_models *made, console *con,
                      error *err)
{
    buf b = {0};
    int result = title(con, &b, p, err);
    if (!result)
        result = line(con, &b, "file", "", p->path, err);
    if (!result)
        result = behaviour_lines(con, &b, p, root, err);
    if (!result)
        result = file_lines(con, &b, p, made, err);
    if (!result)
        result = console_text(con, &b, err);
    buf_release(&b);
    return result;
}

int command_personas_show(const options *opt, console *con, error *err)
{
    enum { PERSONA_BYTES = 1 << 20 };
    persona *p = persona_find(opt->words[0], err);
    json_document *document = p ? json_load(p->path, PERSONA_BYTES, err) : NULL;
    made_for_models made = {0};
    int result = document && persona_list_masks(p, &made.masks, err) == 0
                     ? persona_list_adapters(p, &made.adapters, err)
                     : -1;
    if (!result)
        result = options_want_json(opt) ? print_json(p, json_root(document), &made, con, err)
                                        : print_text(p, json_root(document), &made, con, err);
    persona_list_release(&made.masks);
    persona_list_release(&made.adapters);
    json_close(document);
    persona_close(p);
    return result;
}
