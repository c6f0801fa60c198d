/* ask_options.c - see ask_options.h.
 *
 * Three steps, later ones knowing more: words (ask_options_read(); no file is touched), files
 * (ask_options_prepare(): the personas and the chair), and on a loaded model what the council
 * and the roster are opened with (ask_options_council(), ask_options_roster()).
 *
 * A value of sampling is chosen in choose_real(): flag, else configuration, else what an Ollama
 * model wishes, else its generation_config. The roster puts a persona's own value between flag
 * and configuration; the bits of `given` say which values are flags.
 */
#include "ask_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../../engine/base/utf8.h"
#include "../../engine/formats/model_defaults.h"
#include "../../personas/council/loop.h"
#include "../../personas/roster/persona_tree.h"
#include "open_model.h"

static const char DEFAULT_PERSONAS[] = "philosopher,coder,critic";
enum { DEFAULT_TOKENS = 512 };

/* ---- words ------------------------------------------------------------------------------------- */

/* "auto" or "auto:A,B": the names behind it, NULL = it is a list of those who speak. */
static const char *behind_auto(const char *text)
{
    if (!text || strncmp(text, "auto", 4) != 0 || (text[4] && text[4] != ':'))
        return NULL;
    return text[4] ? text + 5 : DEFAULT_PERSONAS;
}

static int read_personas(ask_options *k, const options *opt, error *err)
{
    const char *candidates = behind_auto(opt->personas);
    k->names = strdup(candidates ? candidates : opt->personas ? opt->personas : DEFAULT_PERSONAS);
    size_t room = k->names ? strlen(k->names) / 2 + 1 : 1;
    k->personas = calloc(room, sizeof *k->personas);
    k->candidates = calloc(room, sizeof *k->candidates);
    if (!k->names || !k->personas || !k->candidates)
        return error_memory(err, "the personas");
    for (char *name = k->names, *comma; name; name = comma ? comma + 1 : NULL) {
        comma = strchr(name, ',');
        if (comma)
            *comma = '\0';
        if (!persona_name_ok(name))
            return error_set(err, ERROR_USAGE, "--personas: \"%.64s\" is no persona's name", name);
        if (candidates)
            k->candidates[k->candidate_count++] = name;
        k->personas[k->persona_count++] = name;
    }
    return 0;
}

bool ask_options_settle(ask_options *k, const char *name)
{
    int kept = 0;
    while (kept < k->persona_count && strcmp(k->personas[kept], name) != 0)
        kept++;
    if (kept == k->persona_count)
        return false;
    for (int i = 0; i < k->persona_count; i++)
        if (i != kept)
            routing_options_remove(&k->routing, k->personas[i]);
    k->personas[0] = k->personas[kept];
    k->persona_count = 1;
    return true;
}

static int read_control(ask_options *k, const options *opt, error *err)
{
    if (!opt->control)
        return 0;
    k->control = CONTROL_NONE;
    if (!opt->control[0])
        return 0;
    for (int i = CONTROL_NONE; i <= CONTROL_MASK; i++) {
        if (strcmp(opt->control, roster_controls[i]) == 0) {
            k->control = (control_kind)i;
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE, "--control: \"%.40s\" is none of none|prompt|mask",
                     opt->control);
}

int ask_options_think(const options *opt, int *think, error *err)
{
    const char *text = opt->think;
    *think = 0;
    if (!text)
        return 0;
    size_t digits = strspn(text, "0123456789");
    long n = *text ? strtol(text, NULL, 10) : -1;
    if (text[digits] || digits > 7 || n == 0 || n > 1 << 20)
        return error_set(err, ERROR_USAGE, "--think: \"%.40s\" is no whole number in 1..%d", text,
                         1 << 20);
    *think = (int)n;
    return 0;
}

static int read_loop(ask_options *k, const options *opt, error *err)
{
    enum { LEAST = 2, MOST = 1 << 20 };
    const char *text = opt->loop;
    k->loop = LOOP_TOKENS;
    if (!text)
        return 0;
    size_t digits = strspn(text, "0123456789");
    long n = digits && !text[digits] && digits < 9 ? strtol(text, NULL, 10) : 0;
    if (strcmp(text, "off") != 0 && (n < LEAST || n > MOST))
        return error_set(err, ERROR_USAGE,
                         "--loop: \"%.40s\" is neither \"off\" nor a whole number in %d..%d", text,
                         LEAST, MOST);
    k->loop = (int)n;
    return 0;
}

static int read_seed(ask_options *k, const options *opt, error *err)
{
    static const uint64_t MASK = ((uint64_t)1 << 53) - 1;
    if (opt->seed >= 0) {
        k->seed = (uint64_t)opt->seed;
        return 0;
    }
    if (getrandom(&k->seed, sizeof k->seed, 0) != (ssize_t)sizeof k->seed)
        return error_set(err, ERROR_RUN, "no random numbers to be had; give --seed");
    k->seed &= MASK;
    return 0;
}

static int check_stops(const options *opt, error *err)
{
    for (size_t i = 0; i < opt->stops.len; i++)
        if (!*opt->stops.v[i])
            return error_set(err, ERROR_USAGE, "--stop: an empty text would stop nothing");
    return 0;
}

int ask_options_read(ask_options *k, const options *opt, error *err)
{
    k->adapter_bytes = open_model_adapter_bytes(opt);
    if (read_personas(k, opt, err) || read_control(k, opt, err) ||
        ask_options_think(opt, &k->think, err) || read_loop(k, opt, err) ||
        read_seed(k, opt, err) || check_stops(opt, err) ||
        routing_options_read(&k->routing, opt, err))
        return -1;
    return merge_parse(opt->merge ? opt->merge : "auto", &k->merge, &k->rounds, err);
}

void ask_options_release(ask_options *k)
{
    free(k->names);
    free(k->personas);
    free(k->candidates);
    routing_options_release(&k->routing);
    persona_close(k->chair);
    *k = (ask_options){0};
}

/* ---- files ------------------------------------------------------------------------------------- */

static bool can_open(const char *path, uint64_t most, error *err)
{
    adapter *a = adapter_open_within(path, most, err);
    adapter_close(a);
    return a != NULL;
}

static int check_personas(ask_options *k, error *err)
{
    persona_tree t;
    bool good = persona_tree_open(&t, k->personas, k->persona_count, err) == 0;
    for (int i = 0; good && i < t.leaf_count; i++) {
        const persona *p = t.leaves[i].persona;
        good = !p->experts || can_open(p->experts, k->adapter_bytes, err);
        for (int a = 0; good && a < p->adapter_count; a++)
            good = can_open(p->adapters[a].path, k->adapter_bytes, err);
    }
    persona_tree_close(&t);
    return good ? 0 : -1;
}

/* The chair is a persona too, so that its words can be changed; without one the merge has its own. */
static int find_chair(ask_options *k, error *err)
{
    static const char CHAIR[] = "chair";
    if (!merge_needs(k->merge, MERGE_BY_CHAIR))
        return 0;
    bool there = false;
    if (persona_exists(CHAIR, &there, err))
        return -1;
    if (there)
        k->chair = persona_find(CHAIR, err);
    return there && !k->chair ? -1 : 0;
}

int ask_options_prepare(ask_options *k, error *err)
{
    return check_personas(k, err) || find_chair(k, err) ? -1 : 0;
}

/* Letters outside Latin script outnumber those inside. Signs, digits and pictures are no letters. */
bool ask_options_foreign(const char *text, size_t len)
{
    size_t latin = 0, other = 0;
    for (size_t at = 0; at < len;) {
        uint32_t c = utf8_next(text, &at);
        bool sign = (c >= 0x2000 && c < 0x2C00) || (c >= 0x3000 && c < 0x3040) ||
                    (c >= 0xFE00 && c < 0xFE70) || c >= 0x1F000;
        latin += (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= 0xC0 && c < 0x250);
        other += c >= 0x370 && !sign;
    }
    return other > latin;
}

/* ---- for the council --------------------------------------------------------------------------- */

int ask_options_council(const ask_options *k, const options *opt, const engine *e,
                        council_options *o, error *err)
{
    const model_defaults *m = engine_defaults(e);
    bool own_stops = opt->stops.len || !m;
    *o = (council_options){.kv = open_model_kv(opt, DTYPE_F16),
                           .max_tokens = opt->max_tokens          ? opt->max_tokens
                                         : m && m->max_tokens > 0 ? (int)m->max_tokens
                                                                  : DEFAULT_TOKENS,
                           .stops = own_stops ? opt->stops.v : (const char *const *)m->stops,
                           .stop_count = own_stops ? (int)opt->stops.len : m->stop_count,
                           .loop = k->loop,
                           .think = k->think,
                           .raw = opt->raw,
                           .keep_logprobs = merge_needs(k->merge, MERGE_READS_SCORES)};
    if (opt->prefill && strcmp(opt->prefill, "auto") != 0)
        o->prefill = strcmp(opt->prefill, "own") == 0 ? PREFILL_OWN : PREFILL_SHARED;
    return open_model_context(opt, e, &o->context, err);
}

void ask_options_greedy(options *out, const options *given, int most)
{
    *out = *given;
    if (!out->sampling.temperature.given)
        out->sampling.temperature = (real){.v = 0, .given = true};
    if (out->seed < 0)
        out->seed = 1;
    if (!out->max_tokens)
        out->max_tokens = most;
}

void ask_options_adopt(ask_options *k, const options *opt, const engine *e)
{
    const model_defaults *m = engine_defaults(e);
    if (opt->seed < 0 && m && m->seed >= 0)
        k->seed = (uint64_t)m->seed;
}

/* Flag (a bit: it wins over the persona), else configuration, else what the model recommends (NAN =
 * nothing), else what its files say. */
static void choose_real(const real *flag, const real *configured, double recommended, double model,
                        unsigned bit, double *out, unsigned *bits)
{
    *bits |= flag->given ? bit : 0;
    if (flag->given)
        *out = flag->v;
    else if (configured->given)
        *out = configured->v;
    else if (!isnan(recommended))
        *out = recommended;
    else if (model >= 0)
        *out = model;
}

static void choose_top_k(int flag, int configured, int model, int *out, unsigned *bits)
{
    *bits |= flag >= 0 ? GIVEN_TOP_K : 0;
    *out = flag >= 0 ? flag : configured >= 0 ? configured : model >= 0 ? model : *out;
}

static int read_sampling(const ask_options *k, const options *opt, const engine *e,
                         roster_options *o, error *err)
{
    const sampling_options *f = &opt->sampling, *c = &opt->configured;
    const model_config *m = engine_config(e);
    model_defaults *none = engine_defaults(e) ? NULL : model_defaults_new(err);
    const model_defaults *w = engine_defaults(e) ? engine_defaults(e) : none;
    if (!w)
        return -1;
    sampling *s = &o->sampling;
    unsigned *bits = &o->given;
    *s = sampling_defaults();
    choose_real(&f->temperature, &c->temperature, w->temperature, m->temperature, GIVEN_TEMPERATURE,
                &s->temperature, bits);
    choose_real(&f->top_p, &c->top_p, w->top_p, m->top_p, GIVEN_TOP_P, &s->top_p, bits);
    choose_real(&f->min_p, &c->min_p, w->min_p, m->min_p, GIVEN_MIN_P, &s->min_p, bits);
    choose_real(&f->repeat_penalty, &c->repeat_penalty, w->repeat_penalty, m->repeat_penalty,
                GIVEN_REPEAT, &s->repeat_penalty, bits);
    choose_real(&f->presence_penalty, &c->presence_penalty, w->presence_penalty, -1, GIVEN_PRESENCE,
                &s->presence_penalty, bits);
    choose_real(&f->frequency_penalty, &c->frequency_penalty, w->frequency_penalty, -1,
                GIVEN_FREQUENCY, &s->frequency_penalty, bits);
    choose_top_k(f->top_k, c->top_k, w->top_k >= 0 ? (int)w->top_k : m->top_k, &s->top_k, bits);
    s->seed = k->seed;
    model_defaults_close(none);
    return sampling_check(s, err);
}

int ask_options_roster(const ask_options *k, const options *opt, const engine *e, roster_options *o,
                       error *err)
{
    *o = (roster_options){.personas = k->personas,
                          .persona_count = k->persona_count,
                          .control = k->control,
                          .no_instruction = opt->no_instruction,
                          .everyone = opt->everyone};
    if (engine_defaults(e) && !opt->raw)
        o->fallback = engine_defaults(e)->system;
    routing_options_fill(&k->routing, engine_config(e), o);
    return read_sampling(k, opt, e, o, err);
}
