/* talk_values.c - what an option is now, and who said so. See talk.h.
 *
 * A value comes from the command line, /set, a resumed session, config.json, a persona's file, the
 * model's, or is the program's own: the first that says anything. Here each option is looked up where
 * it acts, so that what is told is what happens.
 */
#include <string.h>

#include "../options/open_model.h"
#include "talk.h"

static const char *source_name(option_source source)
{
    static const char *const names[] = {
        [SOURCE_DEFAULT] = "default",      [SOURCE_CONFIG] = "config.json",
        [SOURCE_COMMAND] = "command line", [SOURCE_MODE] = "mode",
        [SOURCE_SESSION] = "session",      [SOURCE_SET] = "/set"};
    return names[source];
}

/* ---- sampling: each pass has its own ----------------------------------------------------------- */

/* The field that an option is called after: "top-p" is top_p. -1 = none. */
static int field_of(const char *option)
{
    for (int i = 0; i < SAMPLING_FIELDS; i++) {
        const char *a = option, *b = sampling_fields[i].name;
        while (*a && (*a == *b || (*a == '-' && *b == '_')))
            a++, b++;
        if (!*a && !*b)
            return i;
    }
    return -1;
}

/* What the model's own files ask for; below 0 = nothing. */
static bool model_says(const talk *t, const char *name)
{
    const model_config *m = engine_config(t->engine);
    return (strcmp(name, "temperature") == 0 && m->temperature >= 0) ||
           (strcmp(name, "top-p") == 0 && m->top_p >= 0) ||
           (strcmp(name, "top-k") == 0 && m->top_k >= 0) ||
           (strcmp(name, "min-p") == 0 && m->min_p >= 0) ||
           (strcmp(name, "repeat-penalty") == 0 && m->repeat_penalty >= 0);
}

/* "0.7", or "0.7, coder 0.2" where personas bring their own: the first is everybody else's. */
static int sampling_value(const talk *t, const char *option, int field, buf *value, buf *from,
                          error *err)
{
    const roster *r = dialogue_roster(t->dialogue);
    const sampling_field *f = &sampling_fields[field];
    double all = sampling_get(&t->seats.sampling, f);
    option_source source = options_source(&t->now, option);
    bool asked = (t->seats.given & 1u << field) != 0;
    int others = 0, result = 0;
    buf own = {0};
    for (int i = 0; i < roster_seats(r) && !result; i++) {
        const seat *s = roster_seat(r, i);
        double v = sampling_get(&s->sampling, f);
        bool same = !(v < all) && !(v > all);
        others += same;
        if (!same)
            result = buf_format(&own, err, "%s%s %g", own.len ? ", " : "", s->name, v);
    }
    const char *name =
        !asked && source == SOURCE_DEFAULT && model_says(t, option) ? "model" : source_name(source);
    if (!result && (others || !own.len))
        result =
            buf_format(value, err, "%g%s", all, own.len ? ", " : "") || buf_text(from, name, err);
    if (!result && own.len)
        result =
            buf_text(value, own.v, err) || buf_text(from, from->len ? ", persona" : "persona", err);
    buf_release(&own);
    return result ? -1 : 0;
}

/* ---- the others -------------------------------------------------------------------------------- */

/* What an option is when nobody said anything, as a word; NULL = see standard_number(). */
static const char *standard_word(const talk *t, const char *name)
{
    const backend *b = engine_backend(t->engine);
    const chat_format *chat = engine_chat(t->engine);
    const struct {
        const char *name, *word;
    } words[] = {{"merge", "auto"},
                 {"control", "off"},
                 {"think", "off"},
                 {"prefill", "auto"},
                 {"stop", "none"},
                 {"mask", "none"},
                 {"adapter", "none"},
                 {"template", "none"},
                 {"strength", "1"},
                 {"overflow", "forget"},
                 {"mode", "off"},
                 {"recall", "all"},
                 {"memory", "auto"},
                 {"kv", "f16"},
                 {"loop", "64"},
                 {"model", open_model_title(&t->set, t->engine)},
                 {"backend", backend_name(b)},
                 {"isa", backend_isa(b)},
                 {"chat-format", chat ? chat_name(chat) : "none"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, name) == 0)
            return words[i].word;
    return NULL;
}

static int standard_number(const talk *t, const char *name)
{
    const council_options *c = &dialogue_settings(t->dialogue)->council;
    const model_config *m = engine_config(t->engine);
    if (strcmp(name, "max-tokens") == 0)
        return c->max_tokens;
    if (strcmp(name, "context") == 0)
        return c->context;
    if (strcmp(name, "threads") == 0)
        return backend_threads(engine_backend(t->engine));
    if (strcmp(name, "max-adapter") == 0)
        return (int)(engine_adapter_bytes(t->engine) >> 20);
    return strcmp(name, "experts") == 0 && m->experts ? m->experts_per_token : 0;
}

static int personas_value(const talk *t, buf *value, error *err)
{
    const char *before = t->how.candidate_count ? "auto, now " : "";
    for (int i = 0; i < t->how.persona_count; i++)
        if (buf_format(value, err, "%s%s", i ? "," : before, t->how.personas[i]))
            return -1;
    return 0;
}

static int standard_value(const talk *t, const char *name, buf *value, error *err)
{
    const char *word = standard_word(t, name);
    int number = standard_number(t, name);
    if (strcmp(name, "personas") == 0)
        return personas_value(t, value, err);
    if (word)
        return buf_text(value, word, err);
    return number ? buf_format(value, err, "%d", number) : buf_text(value, "none", err);
}

/* "auto" and "default" of the backend are what it came to. */
static bool says_nothing(const buf *text, const char *name)
{
    bool device = strcmp(name, "backend") == 0 || strcmp(name, "isa") == 0;
    return strcmp(text->v, "default") == 0 || (device && strcmp(text->v, "auto") == 0);
}

int talk_value(const talk *t, const option_info *row, buf *value, buf *from, error *err)
{
    int field = field_of(row->name);
    if (field >= 0)
        return sampling_value(t, row->name, field, value, from, err);

    option_source source = options_source(&t->now, row->name);
    bool drawn = strcmp(row->name, "seed") == 0 && source == SOURCE_DEFAULT;
    bool model = source == SOURCE_DEFAULT &&
                 (strcmp(row->name, "chat-format") == 0 || strcmp(row->name, "experts") == 0);
    if (buf_text(from, drawn ? "drawn" : model ? "model" : source_name(source), err))
        return -1;
    if (strcmp(row->name, "view") == 0)
        return buf_format(value, err, "%s%s%s", view_layout_name(t->layout), *t->focus ? " " : "",
                          t->focus);
    buf said = {0};
    int result = options_value(&t->now, row, &said, err);
    if (!result)
        result = says_nothing(&said, row->name) ? standard_value(t, row->name, value, err)
                                                : buf_text(value, said.v, err);
    buf_release(&said);
    return result;
}
