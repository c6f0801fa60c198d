/* mode_options.c - see mode_options.h. */
#include "mode_options.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../personas/roster/persona.h"

/* ---- which ------------------------------------------------------------------------------------- */

static void pass_over(void *user, const error *why)
{
    (void)user;
    (void)why;
}

static int find_fixed(mode_options *m, const char *word, error *err)
{
    for (int i = 0; i < m->all.n; i++)
        if (strcmp(m->all.v[i]->name, word) == 0)
            m->fixed = i;
    if (m->fixed >= 0)
        return 0;
    mode_file *one = mode_find(word, err); /* says what is wrong with it, or which there are */
    mode_close(one);
    return one ? error_set(err, ERROR_LOAD, "the mode %.64s came just now", word) : -1;
}

int mode_options_open(mode_options *m, const char *word, error *err)
{
    *m = (mode_options){.fixed = -1, .guess.choice = -1};
    if (!word || strcmp(word, "off") == 0)
        return 0;
    m->on = true;
    bool any = strcmp(word, "auto") == 0;
    if (mode_list_load(&m->all, any ? NULL : pass_over, NULL, err))
        return -1;
    if (!any && find_fixed(m, word, err))
        return -1;
    m->guess.choice = m->fixed;
    return 0;
}

static void forget_texts(mode_options *m)
{
    for (int i = 0; i < m->text_count; i++)
        free(m->texts[i]);
    free(m->texts);
    m->texts = NULL;
    m->text_count = 0;
}

void mode_options_release(mode_options *m)
{
    mode_list_release(&m->all);
    forget_texts(m);
    *m = (mode_options){.fixed = -1, .guess.choice = -1};
}

int mode_options_decide(mode_options *m, const char *prompt, size_t len, const guess_calls *calls,
                        error *err)
{
    if (m->on)
        return mode_guess_make(&m->all, m->fixed, prompt, len, calls, &m->guess, err);
    m->guess = (guessed){.choice = -1, .to = len};
    return 0;
}

/* ---- laid over --------------------------------------------------------------------------------- */

/* Takes the text over; NULL = memory is out. */
static int put(mode_options *m, options *opt, const char *name, char *text, error *err)
{
    option_source source = options_source(opt, name);
    char **grown = text ? realloc(m->texts, ((size_t)m->text_count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(text);
        return error_memory(err, "a mode");
    }
    m->texts = grown;
    m->texts[m->text_count++] = text;
    if (source == SOURCE_COMMAND || source == SOURCE_SET)
        return 0;
    if (options_set(opt, name, text, err))
        return -1;
    options_mark(opt, name, SOURCE_MODE);
    return 0;
}

static int put_count(mode_options *m, options *opt, const char *name, mode_count c, error *err)
{
    if (!(c.value > 0))
        return 0;
    return put(m, opt, name, string_format(err, c.times ? "%gx" : "%g", c.value), err);
}

/* "6+2@0-9": all layers, and single ones. A number that stands alone is of both. */
static int put_experts(mode_options *m, options *opt, const mode_knobs *k, error *err)
{
    if (!k->layers)
        return put_count(m, opt, "experts", k->experts, err);
    const char *times = k->experts.times ? "x" : "";
    char *text = k->experts.value > 0
                     ? string_format(err, "%g%s+%s", k->experts.value, times, k->layers)
                     : strdup(k->layers);
    return put(m, opt, "experts", text, err);
}

static int put_number(mode_options *m, options *opt, const char *name, int n, error *err)
{
    return n ? put(m, opt, name, string_format(err, "%d", n), err) : 0;
}

static int put_adaptive(mode_options *m, options *opt, const mode_knobs *k, error *err)
{
    if (!k->adaptive_min)
        return 0;
    return put(m, opt, "adaptive", string_format(err, "%d:%g", k->adaptive_min, k->adaptive_ratio),
               err);
}

static int put_knobs(mode_options *m, options *opt, const mode_knobs *k, error *err)
{
    if (put_experts(m, opt, k, err) || put_count(m, opt, "norm-width", k->norm_width, err) ||
        put_adaptive(m, opt, k, err) || put_number(m, opt, "max-tokens", k->budget, err) ||
        put_number(m, opt, "recall", k->context, err))
        return -1;
    if (k->thinking == MODE_UNSAID)
        return 0;
    if (k->thinking > 0)
        return put_number(m, opt, "think", k->thinking, err);
    return put(m, opt, "think", strdup(k->thinking ? "on" : "off"), err);
}

/* The options are called as the fields are, with other strokes: top_p is --top-p. */
static int put_sampling(mode_options *m, options *opt, const mode_file *from, error *err)
{
    for (int i = 0; i < SAMPLING_FIELDS; i++) {
        char name[40] = "";
        const sampling_field *f = &sampling_fields[i];
        if (!(from->given & 1u << i))
            continue;
        for (size_t c = 0; f->name[c] && c + 1 < sizeof name; c++)
            name[c] = f->name[c] == '_' ? '-' : f->name[c];
        if (put(m, opt, name, string_format(err, "%.17g", sampling_get(&from->sampling, f)), err))
            return -1;
    }
    return 0;
}

static int put_personas(mode_options *m, options *opt, const mode_file *from, error *err)
{
    buf names = {0};
    for (int i = 0; i < from->persona_count; i++)
        if (buf_format(&names, err, "%s%s", i ? "," : "", from->personas[i])) {
            buf_release(&names);
            return -1;
        }
    return names.len ? put(m, opt, "personas", buf_detach(&names), err) : 0;
}

int mode_options_apply(mode_options *m, options *opt, error *err)
{
    if (!m->on || m->guess.choice < 0)
        return 0;
    const mode_file *from = m->all.v[m->guess.choice];
    mode_knobs k = mode_at(from, m->guess.depth);
    if (put_personas(m, opt, from, err) ||
        (from->merge && put(m, opt, "merge", strdup(from->merge), err)) ||
        put_sampling(m, opt, from, err) || put_knobs(m, opt, &k, err))
        return error_prefix(err, "%s: ", from->path);
    return 0;
}

int mode_options_line(const mode_options *m, buf *out, error *err)
{
    if (!m->on || m->guess.choice < 0)
        return 0;
    const guessed *g = &m->guess;
    return buf_format(
        out, err, "mode %s%s%s%s%s", m->all.v[g->choice]->name, g->depth == DEPTH_USUAL ? "" : ", ",
        g->depth == DEPTH_USUAL ? "" : guess_depths[g->depth], g->why[0] ? ": " : "", g->why);
}
