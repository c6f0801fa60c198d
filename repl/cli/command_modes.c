/* command_modes.c - `consilium modes`: the list, a file, and how often auto chooses right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json.h"
#include "../../engine/base/mapped_file.h"
#include "../../personas/modes/mode_check.h"
#include "../../personas/modes/mode_profile.h"
#include "../../transcripts/statistics.h"
#include "../options/open_model.h"
#include "commands.h"
#include "shipped_set.h"

/* ---- list -------------------------------------------------------------------------------------- */

static void tell_broken(void *user, const error *why)
{
    console_note(user, "left out: %s", why->text);
}

static void add_part(text_writer *w, bool *any, const char *format, const char *text)
{
    text_put(w, *any ? ", " : "");
    text_format(w, format, text);
    *any = true;
}

static void add_number(text_writer *w, bool *any, const char *format, int n)
{
    text_put(w, *any ? ", " : "");
    text_format(w, format, n);
    *any = true;
}

static void add_count(text_writer *w, bool *any, const char *name, mode_count c)
{
    char text[64];
    (void)snprintf(text, sizeof text, c.times ? "%s %gx" : "%s %g", name, c.value);
    if (c.value > 0)
        add_part(w, any, "%s", text);
}

/* "experts 0.5x, no thinking, 2048 tokens of the past, 192 of an answer" */
static void put_knobs(text_writer *w, const mode_knobs *k, bool *any)
{
    add_count(w, any, "experts", k->experts);
    add_count(w, any, "norm_width", k->norm_width);
    if (k->adaptive_min)
        add_number(w, any, "adaptive from %d", k->adaptive_min);
    if (k->thinking > 0)
        add_number(w, any, "thinks for %d tokens", k->thinking);
    else if (k->thinking != MODE_UNSAID)
        add_part(w, any, "%s", k->thinking ? "thinks" : "no thinking");
    if (k->context)
        add_number(w, any, "reads %d tokens", k->context);
    if (k->budget)
        add_number(w, any, "writes %d", k->budget);
}

static void put_mode(text_writer *w, const mode_file *m, const console *con)
{
    bool any = false;
    text_format(w, "%s%s%s  ", console_bold(con), m->name, console_reset(con));
    console_put_quoted(con, w, m->about ? m->about : "");
    text_format(w, "\n  usual: ");
    put_knobs(w, &m->knobs[MODE_USUAL], &any);
    for (int i = 0; i < m->persona_count; i++)
        add_part(w, &any, i ? "%s" : "personas %s", m->personas[i]);
    if (m->merge)
        add_part(w, &any, "merge %s", m->merge);
    for (int d = MODE_FAST; d < MODE_DEPTHS; d++) {
        buf line = {0};
        text_writer depth = {.out = &line, .err = w->err};
        any = false;
        put_knobs(&depth, &m->knobs[d], &any);
        if (line.len)
            text_format(w, "\n  %s: %s", mode_depths[d], line.v);
        buf_release(&line);
    }
    if (m->signs.given)
        text_put(w, "\n  tags: ");
    for (int i = 0; i < m->signs.tag_count; i++)
        text_format(w, "%s ", m->signs.tags[i]);
    text_format(w, "\n  %s", console_dim(con));
    console_put_quoted(con, w, m->path);
    text_format(w, "%s\n", console_reset(con));
}

static void put_json_count(json_writer *e, const char *key, mode_count c)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%gx", c.value);
    if (c.value > 0 && c.times)
        json_put_text(e, key, text);
    else if (c.value > 0)
        json_put_number(e, key, c.value);
}

static int list_json(const mode_list *l, console *con, error *err)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = err};
    json_begin_array(&e, NULL);
    for (int i = 0; i < l->n; i++) {
        const mode_file *m = l->v[i];
        json_begin_object(&e, NULL);
        json_put_text(&e, "name", m->name);
        json_put_text(&e, "about", m->about);
        put_json_count(&e, "experts", m->knobs[MODE_USUAL].experts);
        json_put_text(&e, "path", m->path);
        json_end(&e);
    }
    json_end(&e);
    return console_json(con, &e, err);
}

int command_modes_list(const options *opt, console *con, error *err)
{
    mode_list all = {0};
    buf b = {0};
    text_writer w = {.out = &b, .err = err};
    if (mode_list_load(&all, tell_broken, con, err))
        return -1;
    int result;
    if (options_want_json(opt)) {
        result = list_json(&all, con, err);
    } else {
        for (int i = 0; i < all.n; i++)
            put_mode(&w, all.v[i], con);
        result = console_written(con, &w);
    }
    mode_list_release(&all);
    return result;
}

/* ---- show -------------------------------------------------------------------------------------- */

int command_modes_show(const options *opt, console *con, error *err)
{
    enum { MODE_BYTES = 1 << 20 };
    mode_file *m = mode_find(opt->words[0], err);
    char *bytes = NULL;
    size_t n = 0;
    buf text = {0};
    int result = m ? file_read_all(m->path, MODE_BYTES, &bytes, &n, err) : -1;
    if (!result)
        result = buf_add(&text, bytes, n, err) || console_text(con, &text, err) ? -1 : 0;
    buf_release(&text);
    free(bytes);
    mode_close(m);
    return result;
}

/* ---- check ------------------------------------------------------------------------------------- */

enum { MODES_MOST = 64 };

typedef struct check {
    const options *opt;
    console *con;
    error *err;
    mode_list modes;
    mode_examples set;
    int *taken; /* [modes][modes] of a mode, for a mode_file */
    size_t right;
    mode_calls calls;                                 /* the last */
    double excess[MODES_MOST][MODE_PROFILE_PERSONAS]; /* sums, by the mode that was asked for */
    int asked[MODES_MOST];
    buf wrong;      /* a line each */
    engine *engine; /* --profile: NULL = not asked for */
    roster *roster;
    mode_profile *profile;
} check;

static int try_example(check *c, const mode_example *x)
{
    mode_guess g;
    mode_calls calls = {0};
    size_t len = strlen(x->prompt);
    int wanted = mode_example_mode(&c->modes, x), n = c->modes.n;
    if ((c->profile && mode_profile_read(c->profile, x->prompt, len, &calls, c->err)) ||
        mode_guess_make(&c->modes, -1, x->prompt, len, &calls, &g, c->err))
        return -1;
    for (int i = 0; i < calls.n; i++)
        if (wanted >= 0 && wanted < MODES_MOST && i < MODE_PROFILE_PERSONAS)
            c->excess[wanted][i] += calls.v[i].excess;
    c->calls = calls;
    if (wanted >= 0 && wanted < MODES_MOST)
        c->asked[wanted]++;
    if (g.mode >= 0)
        c->taken[wanted * n + g.mode]++;
    c->right += g.mode == wanted;
    if (g.mode == wanted)
        return 0;
    if (buf_format(&c->wrong, c->err, "  line %zu, %s taken for %s (%s): ", x->line, x->mode,
                   g.mode < 0 ? "nothing" : c->modes.v[g.mode]->name, g.why) ||
        console_quote(c->con, &c->wrong, x->prompt, c->err))
        return -1;
    return buf_text(&c->wrong, "\n", c->err);
}

static int report_json(const check *c, double low, double high)
{
    buf b = {0};
    json_writer e = {.out = &b, .err = c->err};
    json_begin_object(&e, NULL);
    json_put_count(&e, "prompts", c->set.len);
    json_put_count(&e, "right", c->right);
    json_put_number(&e, "accuracy", (double)c->right / (double)c->set.len);
    json_begin_array(&e, "interval");
    json_put_number(&e, NULL, low);
    json_put_number(&e, NULL, high);
    json_end(&e);
    json_begin_object(&e, "taken");
    for (int i = 0; i < c->modes.n; i++) {
        json_begin_object(&e, c->modes.v[i]->name);
        for (int k = 0; k < c->modes.n; k++)
            json_put_int(&e, c->modes.v[k]->name, c->taken[i * c->modes.n + k]);
        json_end(&e);
    }
    json_end(&e);
    json_end(&e);
    return console_json(c->con, &e, c->err);
}

/* How far each persona's experts are called above the mean of all, by what the prompts ask for. */
static void put_profile(const check *c, text_writer *w)
{
    for (int i = 0; i < c->modes.n && i < MODES_MOST && c->calls.n; i++) {
        text_format(w, "%-12.20s calls", c->modes.v[i]->name);
        for (int p = 0; p < c->calls.n && c->asked[i]; p++)
            text_format(w, "  %s %+.3f", c->calls.v[p].name, c->excess[i][p] / c->asked[i]);
        text_put(w, "\n");
    }
}

static int report_text(const check *c, double low, double high)
{
    buf b = {0};
    text_writer w = {.out = &b, .err = c->err};
    text_format(&w, "%zu of %zu prompts right: %.3f (95 %% from %.3f to %.3f)\n", c->right,
                c->set.len, (double)c->right / (double)c->set.len, low, high);
    text_put(&w, "asks for    taken for");
    for (int k = 0; k < c->modes.n; k++)
        text_format(&w, " %9.20s", c->modes.v[k]->name);
    for (int i = 0; i < c->modes.n; i++) {
        text_format(&w, "\n%-21.20s", c->modes.v[i]->name);
        for (int k = 0; k < c->modes.n; k++)
            text_format(&w, " %9d", c->taken[i * c->modes.n + k]);
    }
    text_put(&w, "\n");
    put_profile(c, &w);
    if (c->con->verbose && c->wrong.len)
        text_put(&w, c->wrong.v);
    return console_written(c->con, &w);
}

/* The personas that would speak on the model at hand. */
static int open_profile(check *c)
{
    static const char *const names[] = {"philosopher", "coder", "critic"};
    roster_options o = {
        .personas = names, .persona_count = 3, .sampling = sampling_defaults(), .prompt = ""};
    if (!(c->engine = open_model(c->opt, c->con, c->err)) ||
        !(c->roster = roster_open(c->engine, &o, NULL, NULL, c->err)) ||
        mode_profile_open(c->engine, c->roster, &c->profile, c->err))
        return -1;
    if (!c->profile)
        console_note(c->con, "no two of the personas have experts of their own on this model");
    return 0;
}

static int run_check(check *c, const char *path)
{
    buf faults = {0};
    int result = mode_list_load(&c->modes, tell_broken, c->con, c->err);
    if (!result)
        result = mode_examples_load(path, &c->modes, &c->set, &faults, c->err);
    buf_release(&faults);
    if (!result && c->opt->profile)
        result = open_profile(c);
    size_t cells = (size_t)c->modes.n * (size_t)c->modes.n;
    c->taken = result ? NULL : calloc(cells + 1, sizeof *c->taken);
    if (!result && !c->taken)
        result = error_memory(c->err, "the counts");
    for (size_t i = 0; i < c->set.len && !result; i++)
        result = try_example(c, &c->set.v[i]);
    if (result)
        return -1;
    double low, high;
    statistics_interval((statistics_rate){c->right, c->set.len}, &low, &high);
    return options_want_json(c->opt) ? report_json(c, low, high) : report_text(c, low, high);
}

int command_modes_check(const options *opt, console *con, error *err)
{
    check c = {.opt = opt, .con = con, .err = err};
    char *path;
    int result = shipped_set(opt->words[0], "modes/prompts.", &path, err);
    if (!result)
        result = run_check(&c, path);
    free(path);
    free(c.taken);
    buf_release(&c.wrong);
    mode_profile_close(c.profile);
    roster_close(c.roster);
    engine_close(c.engine);
    mode_examples_release(&c.set);
    mode_list_release(&c.modes);
    return result;
}
