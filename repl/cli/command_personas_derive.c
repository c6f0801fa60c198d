/* command_personas_derive.c - a persona's mask, made from its lessons or from texts in its voice.
 *
 * Two sides are filled: its own, and that of the others (all personas that have lessons, or
 * those that --against names), each with the lessons in the first language of a file. derive.h
 * runs the plain model over both and makes the mask, which is read back before it is written,
 * beside the persona or into the cache. A broken file of somebody else's is told and stands in
 * nobody's way.
 */
#include <stdlib.h>
#include <string.h>

#include "../../personas/derive/derive.h"
#include "../options/open_lessons.h"
#include "../screen/human.h"
#include "../system/input.h"
#include "commands.h"
#include "personas_model.h"

typedef struct task {
    const options *opt;
    console *con;
    error *err;
    persona *persona;
    engine *engine;
    derivation *derivation;
    double start;
    int others; /* personas that are compared with */
} task;

/* ---- gathering --------------------------------------------------------------------------------- */

/* The lessons in the first language of the file: a mask is about a voice, not about a language. */
static int add_lessons(task *t, derive_side side, const persona *p)
{
    lessons l = {0};
    int result = open_lessons(p->lessons[0].text, &l, t->con, t->err) ||
                 derive_add_lessons(t->derivation, side, &l, t->err);
    lessons_release(&l);
    return result ? -1 : 0;
}

static int add_text_file(task *t, const char *name)
{
    buf text = {0};
    int result = input_read(name, &text, t->con, t->err);
    if (!result &&
        derive_add_text(t->derivation, DERIVE_OWN, text.v ? text.v : "", text.len, t->err))
        result = error_prefix(t->err, "%s: ", name);
    buf_release(&text);
    return result;
}

static int add_own(task *t)
{
    const options *opt = t->opt;
    if (opt->lesson_texts.len == 0 && opt->word_count > 1)
        return error_set(t->err, ERROR_USAGE, "one NAME at a time; texts come behind --text");
    if (opt->lesson_texts.len == 0 && t->persona->lesson_count == 0)
        return error_set(t->err, ERROR_LOAD, "%s: lessons: none; give --text FILE",
                         t->persona->path);
    if (opt->lesson_texts.len == 0)
        return add_lessons(t, DERIVE_OWN, t->persona);
    for (size_t i = 0; i < opt->lesson_texts.len; i++)
        if (add_text_file(t, opt->lesson_texts.v[i]))
            return -1;
    for (size_t i = 1; i < opt->word_count; i++)
        if (add_text_file(t, opt->words[i]))
            return -1;
    return 0;
}

/* A file of somebody else's that holds no lesson yet, or a broken one, stands in nobody's way. */
static bool has_lessons(task *t, const persona *p)
{
    error why = {0};
    lessons l = {0};
    bool good = lessons_load(p->lessons[0].text, &l, &why) == 0;
    lessons_release(&l);
    if (!good)
        console_note(t->con, "%s is not compared with: %s", p->name, why.text);
    return good;
}

static int add_other(task *t, const char *name, bool asked)
{
    if (strcmp(name, t->persona->name) == 0)
        return asked ? error_set(t->err, ERROR_USAGE,
                                 "--against: %s cannot be compared with itself", name)
                     : 0;
    error why = {0};
    persona *p = persona_find(name, &why);
    if (!p && !asked)
        return 0; /* a broken file of somebody else's */
    int result = 0;
    if (!p) {
        *t->err = why;
        result = -1;
    } else if (p->lesson_count && (asked || has_lessons(t, p))) {
        t->others++;
        result = add_lessons(t, DERIVE_OTHER, p);
    } else if (asked) {
        result = error_set(t->err, ERROR_LOAD, "%s: lessons: none", p->path);
    }
    persona_close(p);
    return result;
}

static int add_named_others(task *t)
{
    char *names = strdup(t->opt->against);
    int result = names ? 0 : error_memory(t->err, "the personas");
    for (char *name = names, *comma; name && !result; name = comma ? comma + 1 : NULL) {
        comma = strchr(name, ',');
        if (comma)
            *comma = '\0';
        result = add_other(t, name, true);
    }
    free(names);
    return result;
}

static int add_others(task *t)
{
    persona_list all;
    if (t->opt->against)
        return add_named_others(t);
    if (persona_list_all(&all, t->err))
        return -1;
    int result = 0;
    for (size_t i = 0; i < all.len && !result; i++)
        result = add_other(t, all.names[i], false);
    persona_list_release(&all);
    if (!result && !t->others)
        result = error_set(t->err, ERROR_LOAD, "no other persona has lessons to compare with");
    return result;
}

/* ---- reading and writing ----------------------------------------------------------------------- */

static void on_progress(void *user, int done, int total)
{
    task *t = user;
    char left[HUMAN_TEXT];
    double spent = console_seconds() - t->start;
    if (done == 0)
        console_progress(t->con, "reading %d tokens", total);
    else
        console_progress(t->con, "reading %d tokens: %d %%, %s left", total,
                         (int)(100.0 * done / total),
                         human_seconds(left, spent / done * (total - done)));
}

/* The mask must pass what every mask passes before it takes the place of another. */
static int check_mask(task *t, const char *path, const buf *text)
{
    mask *m = mask_read(path, text->v, text->len, t->err);
    mask_close(m);
    return m ? 0 : -1;
}

static int save(task *t, const buf *text, const derive_figures *f)
{
    char *path = NULL;
    const char *fingerprint = engine_fingerprint(t->engine, t->err);
    if (!fingerprint || persona_mask_path(t->persona, fingerprint, &path, t->err))
        return -1;
    int result = check_mask(t, path, text) || derive_save(path, text, t->err) ? -1 : 0;
    if (!result)
        result = console_line(t->con, path, t->err);
    if (!result)
        console_note(t->con,
                     "%d experts in %d layers lean towards or away from %s (%zu tokens of "
                     "its own, %zu of %d other%s)",
                     f->biases, f->layers, t->persona->name, f->tokens[DERIVE_OWN],
                     f->tokens[DERIVE_OTHER], t->others, t->others == 1 ? "" : "s");
    free(path);
    return result;
}

static int derive(task *t)
{
    buf text = {0};
    derive_figures f;
    t->start = console_seconds();
    int result = derive_run(t->derivation, on_progress, t, t->err);
    console_progress_end(t->con);
    if (!result)
        result = derive_mask(t->derivation, &text, &f, t->err);
    if (!result && f.calls_per_expert < DERIVE_CALLS)
        console_note(
            t->con,
            "few examples: an expert was called %.0f times on average, %d make the figures "
            "steady; more lessons or texts help",
            f.calls_per_expert, DERIVE_CALLS);
    if (!result)
        result = save(t, &text, &f);
    buf_release(&text);
    return result;
}

static int check_mode(const persona *p, error *err)
{
    if (p->mode == ROUTER_AUTO || p->mode == ROUTER_BIAS)
        return 0;
    return error_set(
        err, ERROR_LOAD,
        "%s: router: mode: a bias mask is what is derived; the mode must be auto or bias", p->path);
}

int command_personas_derive(const options *opt, console *con, error *err)
{
    task t = {.opt = opt, .con = con, .err = err};
    t.persona = persona_find(opt->words[0], err);
    int result = t.persona ? check_mode(t.persona, err) : -1;
    if (!result) {
        t.engine = open_model(opt, con, err);
        t.derivation = t.engine ? derive_open(t.engine, err) : NULL;
        result = t.derivation && !add_own(&t) && !add_others(&t) ? derive(&t) : -1;
    }
    derive_close(t.derivation);
    engine_close(t.engine);
    persona_close(t.persona);
    return result;
}
