/* command_modes.c - `consilium modes`: the list, a file, and how often auto chooses right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json.h"
#include "../../engine/base/mapped_file.h"
#include "../../personas/modes/mode_check.h"
#include "../../personas/modes/mode_guess.h"
#include "../../personas/modes/mode_profile.h"
#include "../../personas/modes/persona_choice.h"
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
    if (k->layers)
        add_part(w, any, "by layer %s", k->layers);
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
    put_knobs(w, &m->knobs[DEPTH_USUAL], &any);
    for (int i = 0; i < m->persona_count; i++)
        add_part(w, &any, i ? "%s" : "personas %s", m->personas[i]);
    if (m->merge)
        add_part(w, &any, "merge %s", m->merge);
    for (int d = DEPTH_FAST; d < DEPTHS; d++) {
        buf line = {0};
        text_writer depth = {.out = &line, .err = w->err};
        any = false;
        put_knobs(&depth, &m->knobs[d], &any);
        if (line.len)
            text_format(w, "\n  %s: %s", guess_depths[d], line.v);
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
        put_json_count(&e, "experts", m->knobs[DEPTH_USUAL].experts);
        if (m->knobs[DEPTH_USUAL].layers)
            json_put_text(&e, "layers", m->knobs[DEPTH_USUAL].layers);
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
    const char *names[MODES_MOST]; /* [n] what is chosen among: modes, or the personas of the set */
    int n;
    int *taken;                                       /* [n][n] of one, for another */
    size_t right, by_signs, by_experts;               /* the latter of personas, with --profile */
    guess_calls calls;                                /* the last */
    double excess[MODES_MOST][MODE_PROFILE_PERSONAS]; /* sums, by the mode that was asked for */
    int asked[MODES_MOST];
    buf wrong;      /* a line each */
    engine *engine; /* --profile: NULL = not asked for */
    roster *roster;
    mode_profile *profile;
    persona_choice *choice;
} check;

static int index_of(const check *c, const char *name)
{
    int i = 0;
    while (i < c->n && strcmp(c->names[i], name) != 0)
        i++;
    return i;
}

static int guess_mode(check *c, const mode_example *x, int wanted, guessed *g)
{
    guess_calls calls = {0};
    size_t len = strlen(x->prompt);
    if ((c->profile && mode_profile_read(c->profile, x->prompt, len, &calls, c->err)) ||
        mode_guess_make(&c->modes, -1, x->prompt, len, &calls, g, c->err))
        return -1;
    for (int i = 0; i < calls.n; i++)
        c->excess[wanted][i] += calls.v[i].excess;
    c->calls = calls;
    c->asked[wanted]++;
    return 0;
}

static int guess_persona(check *c, const mode_example *x, int wanted, guessed *g)
{
    size_t len = strlen(x->prompt);
    if (persona_choice_make(c->choice, CHOICE_BY_SIGNS, x->prompt, len, g, c->err))
        return -1;
    c->by_signs += g->choice == wanted;
    if (persona_choice_make(c->choice, CHOICE_BY_EXPERTS, x->prompt, len, g, c->err))
        return -1;
    c->by_experts += g->choice == wanted;
    return persona_choice_make(c->choice, CHOICE_BY_ALL, x->prompt, len, g, c->err);
}

static int try_example(check *c, const mode_example *x)
{
    guessed g;
    int wanted = index_of(c, x->label);
    if (c->choice ? guess_persona(c, x, wanted, &g) : guess_mode(c, x, wanted, &g))
        return -1;
    if (g.choice >= 0)
        c->taken[wanted * c->n + g.choice]++;
    c->right += g.choice == wanted;
    if (g.choice == wanted)
        return 0;
    if (buf_format(&c->wrong, c->err, "  line %zu, %s taken for %s (%s): ", x->line, x->label,
                   g.choice < 0 ? "nothing" : c->names[g.choice], g.why) ||
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
    if (c->engine && c->choice) {
        json_put_count(&e, "by_signs", c->by_signs);
        json_put_count(&e, "by_experts", c->by_experts);
    }
    json_begin_object(&e, "taken");
    for (int i = 0; i < c->n; i++) {
        json_begin_object(&e, c->names[i]);
        for (int k = 0; k < c->n; k++)
            json_put_int(&e, c->names[k], c->taken[i * c->n + k]);
        json_end(&e);
    }
    json_end(&e);
    json_end(&e);
    return console_json(c->con, &e, c->err);
}

/* How far each persona's experts are called above the mean of all, by what the prompts ask for. */
static void put_profile(const check *c, text_writer *w)
{
    for (int i = 0; i < c->n && c->calls.n; i++) {
        text_format(w, "%-12.20s calls", c->names[i]);
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
    for (int k = 0; k < c->n; k++)
        text_format(&w, " %11.20s", c->names[k]);
    for (int i = 0; i < c->n; i++) {
        text_format(&w, "\n%-21.20s", c->names[i]);
        for (int k = 0; k < c->n; k++)
            text_format(&w, " %11d", c->taken[i * c->n + k]);
    }
    text_put(&w, "\n");
    if (c->engine && c->choice)
        text_format(
            &w,
            "by the signs in the personas' files alone %zu, by whose experts are called alone "
            "%zu\n",
            c->by_signs, c->by_experts);
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
    if (!(c->roster = roster_open(c->engine, &o, NULL, NULL, c->err)) ||
        mode_profile_open(c->engine, c->roster, &c->profile, c->err))
        return -1;
    if (!c->profile)
        console_note(c->con, "no two of the personas have experts of their own on this model");
    return 0;
}

/* What there is to choose among. */
static int take_names(check *c)
{
    if (!c->set.personas && c->modes.n <= MODES_MOST)
        for (; c->n < c->modes.n; c->n++)
            c->names[c->n] = c->modes.v[c->n]->name;
    for (size_t i = 0; i < c->set.len && c->set.personas && c->n < MODES_MOST; i++)
        if (index_of(c, c->set.v[i].label) == c->n)
            c->names[c->n++] = c->set.v[i].label;
    if (!c->n || c->n == MODES_MOST)
        return error_set(c->err, ERROR_USAGE, "more than %d to choose among", MODES_MOST - 1);
    c->taken = calloc((size_t)c->n * (size_t)c->n, sizeof *c->taken);
    return c->taken ? 0 : error_memory(c->err, "the counts");
}

static int open_choice(check *c)
{
    if (c->opt->profile && !(c->engine = open_model(c->opt, c->con, c->err)))
        return -1;
    if (!c->set.personas)
        return c->engine ? open_profile(c) : 0;
    c->choice = persona_choice_open(c->engine, c->names, c->n, c->err);
    if (c->choice && c->engine && persona_choice_is_blind(c->choice))
        console_note(c->con, "no two of the personas have experts of their own on this model");
    return c->choice ? 0 : -1;
}

static int run_check(check *c, const char *path)
{
    buf faults = {0};
    int result = mode_list_load(&c->modes, tell_broken, c->con, c->err);
    if (!result)
        result = mode_examples_load(path, &c->modes, &c->set, &faults, c->err);
    buf_release(&faults);
    if (!result)
        result = take_names(c) || open_choice(c) ? -1 : 0;
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
    persona_choice_close(c.choice);
    roster_close(c.roster);
    engine_close(c.engine);
    mode_examples_release(&c.set);
    mode_list_release(&c.modes);
    return result;
}
