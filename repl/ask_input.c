/* ask_input.c - the words of `ask`: prompt, personas, masks, numbers by name. See ask.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ask.h"
#include "input.h"

static const char DEFAULT_PERSONAS[] = "philosopher,coder,critic";
enum { DEFAULT_TOKENS = 512 };

/* ---- prompt ------------------------------------------------------------------------------------ */

/* A further part stands behind a blank line. One newline at its end is the file's, not the text's. */
static int add_part(ask *a, buf *part)
{
    if (part->len && part->v[part->len - 1] == '\n')
        part->v[--part->len] = '\0';
    if (!part->len)
        return 0;
    if (a->prompt.len && buf_text(&a->prompt, "\n\n", a->err))
        return -1;
    return buf_add(&a->prompt, part->v, part->len, a->err);
}

static int add_file(ask *a, const char *name)
{
    buf part = {0};
    int result = input_read(name, &part, a->con, a->err) || add_part(a, &part) ? -1 : 0;
    buf_release(&part);
    return result;
}

static int read_prompt(ask *a)
{
    const options *opt = a->opt;
    const char *word = opt->word_count ? opt->words[0] : NULL;
    bool dash = word && strcmp(word, "-") == 0;
    if (word && !dash && buf_text(&a->prompt, word, a->err))
        return -1;
    if ((dash || (!opt->no_input && input_is_given())) && add_file(a, "-"))
        return -1;
    for (size_t i = 0; i < opt->files.len; i++)
        if (add_file(a, opt->files.v[i]))
            return -1;
    if (a->prompt.len)
        return 0;
    return error_set(a->err, ERROR_USAGE, "ask needs a PROMPT, a pipe or -f FILE");
}

/* ---- names and numbers ------------------------------------------------------------------------- */

static int read_personas(ask *a)
{
    a->names = strdup(a->opt->personas ? a->opt->personas : DEFAULT_PERSONAS);
    a->personas = calloc(a->names ? strlen(a->names) / 2 + 1 : 1, sizeof *a->personas);
    if (!a->names || !a->personas)
        return error_memory(a->err, "the personas");
    for (char *name = a->names, *comma; name; name = comma ? comma + 1 : NULL) {
        comma = strchr(name, ',');
        if (comma)
            *comma = '\0';
        if (!persona_name_ok(name))
            return error_set(a->err, ERROR_USAGE, "--personas: \"%.64s\" is no persona's name",
                             name);
        a->personas[a->persona_count++] = name;
    }
    return 0;
}

static int read_control(ask *a)
{
    static const char *const kinds[] = {"none", "prompt", "mask"};
    if (!a->opt->control)
        return 0;
    a->control = CONTROL_NONE;
    if (!a->opt->control[0])
        return 0;
    for (int i = 0; i < 3; i++) {
        if (strcmp(a->opt->control, kinds[i]) == 0) {
            a->control = (control_kind)(CONTROL_NONE + i);
            return 0;
        }
    }
    return error_set(a->err, ERROR_USAGE, "--control: \"%.40s\" is none of none|prompt|mask",
                     a->opt->control);
}

static int read_think(ask *a)
{
    const char *text = a->opt->think;
    if (!text)
        return 0;
    size_t digits = strspn(text, "0123456789");
    long n = *text ? strtol(text, NULL, 10) : -1;
    if (text[digits] || digits > 7 || n == 0 || n > 1 << 20)
        return error_set(a->err, ERROR_USAGE, "--think: \"%.40s\" is no whole number in 1..%d",
                         text, 1 << 20);
    a->think = (int)n;
    return 0;
}

static int read_seed(ask *a)
{
    static const uint64_t MASK = ((uint64_t)1 << 53) - 1;
    if (a->opt->seed >= 0) {
        a->seed = (uint64_t)a->opt->seed;
        return 0;
    }
    if (getrandom(&a->seed, sizeof a->seed, 0) != (ssize_t)sizeof a->seed)
        return error_set(a->err, ERROR_RUN, "no random numbers to be had; give --seed");
    a->seed &= MASK;
    return 0;
}

/* The persona that a column's name belongs to, or -1: "coder", or "coder:prompt" with
 * --control=prompt. */
static int persona_of_seat(const ask *a, const char *column)
{
    static const char *const more[] = {[CONTROL_PROMPT] = ":prompt", [CONTROL_MASK] = ":mask"};
    size_t n = strcspn(column, ":");
    bool twin = a->control == CONTROL_PROMPT || a->control == CONTROL_MASK;
    if (column[n] && (!twin || strcmp(column + n, more[a->control]) != 0))
        return -1;
    for (int i = 0; i < a->persona_count; i++)
        if (strlen(a->personas[i]) == n && memcmp(a->personas[i], column, n) == 0)
            return i;
    return -1;
}

/* --only a column and no merge asked for: the others need not speak at all. A pass gives the same
 * bytes alone. */
static int read_only(ask *a)
{
    const char *only = a->opt->only;
    if (!only || strcmp(only, "merge") == 0)
        return 0;
    bool control = a->control == CONTROL_NONE && strcmp(only, "control") == 0;
    int kept = control ? -1 : persona_of_seat(a, only);
    if (kept < 0 && !control)
        return error_set(a->err, ERROR_USAGE, "--only: %.80s is not among those who answer", only);
    if (a->opt->merge)
        return 0;
    a->merge = MERGE_NONE;
    if (control)
        return 0;
    for (int i = 0; i < a->persona_count; i++)
        if (i != kept)
            routing_options_forget(&a->routing, a->personas[i]);
    a->personas[0] = a->personas[kept];
    a->persona_count = 1;
    if (a->control == CONTROL_NONE)
        a->control = CONTROL_OFF;
    return 0;
}

int ask_read(ask *a)
{
    const options *opt = a->opt;
    if (read_personas(a) || read_control(a) || read_think(a) || read_seed(a) ||
        routing_options_read(&a->routing, opt, a->err) ||
        merge_parse(opt->merge ? opt->merge : "auto", &a->merge, &a->rounds, a->err) ||
        read_only(a) || read_prompt(a))
        return -1;
    return ask_prepare(a);
}

void ask_release(ask *a)
{
    buf_release(&a->prompt);
    free(a->names);
    free(a->personas);
    routing_options_release(&a->routing);
    persona_close(a->chair);
}

/* ---- for the council --------------------------------------------------------------------------- */

int ask_council_options(ask *a, council_options *o)
{
    const options *opt = a->opt;
    *o = (council_options){.kv = open_model_kv(opt, DTYPE_F16),
                           .max_tokens = opt->max_tokens ? opt->max_tokens : DEFAULT_TOKENS,
                           .stops = opt->stops.v,
                           .stop_count = (int)opt->stops.len,
                           .think = a->think,
                           .raw = opt->raw};
    if (opt->prefill && strcmp(opt->prefill, "auto") != 0)
        o->prefill = strcmp(opt->prefill, "own") == 0 ? PREFILL_OWN : PREFILL_SHARED;
    return open_model_context(opt, engine_config(a->report.engine), &o->context, a->err);
}

/* Flag (a bit: it wins over the persona), else configuration, else what the model brings. */
static void choose_real(const real *flag, const real *configured, double model, unsigned bit,
                        double *out, unsigned *bits)
{
    *bits |= flag->given ? bit : 0;
    if (flag->given)
        *out = flag->v;
    else if (configured->given)
        *out = configured->v;
    else if (model >= 0)
        *out = model;
}

static void choose_top_k(int flag, int configured, int model, int *out, unsigned *bits)
{
    *bits |= flag >= 0 ? GIVEN_TOP_K : 0;
    *out = flag >= 0 ? flag : configured >= 0 ? configured : model >= 0 ? model : *out;
}

static int read_sampling(ask *a, roster_options *o)
{
    const sampling_options *f = &a->opt->sampling, *c = &a->opt->configured;
    const model_config *m = engine_config(a->report.engine);
    sampling *s = &o->sampling;
    unsigned *bits = &o->given;
    *s = sampling_defaults();
    choose_real(&f->temperature, &c->temperature, m->temperature, GIVEN_TEMPERATURE,
                &s->temperature, bits);
    choose_real(&f->top_p, &c->top_p, m->top_p, GIVEN_TOP_P, &s->top_p, bits);
    choose_real(&f->min_p, &c->min_p, m->min_p, GIVEN_MIN_P, &s->min_p, bits);
    choose_real(&f->repeat_penalty, &c->repeat_penalty, m->repeat_penalty, GIVEN_REPEAT,
                &s->repeat_penalty, bits);
    choose_real(&f->presence_penalty, &c->presence_penalty, -1, GIVEN_PRESENCE,
                &s->presence_penalty, bits);
    choose_real(&f->frequency_penalty, &c->frequency_penalty, -1, GIVEN_FREQUENCY,
                &s->frequency_penalty, bits);
    choose_top_k(f->top_k, c->top_k, m->top_k, &s->top_k, bits);
    s->seed = a->seed;
    return sampling_check(s, a->err);
}

int ask_roster_options(ask *a, roster_options *o)
{
    *o = (roster_options){.personas = a->personas,
                          .persona_count = a->persona_count,
                          .control = a->control,
                          .no_instruction = a->opt->no_instruction,
                          .prompt = a->prompt.v,
                          .prompt_len = a->prompt.len};
    routing_options_fill(&a->routing, o);
    return read_sampling(a, o);
}
