/* setup.c - see setup.h. */
#include "setup.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/printable.h"

typedef enum key_kind {
    KEY_COUNT,    /* setup_count */
    KEY_EXPERTS,  /* counts, by layer too */
    KEY_ADAPTIVE, /* MIN:RATIO, off */
    KEY_REAL,
    KEY_WHOLE,
    KEY_TEXT,
    KEY_WORD,   /* one of the words in `value` */
    KEY_NAMES,  /* joined by + */
    KEY_FILES,  /* may stand several times */
    KEY_SAMPLE, /* a field of sampling; its range is sampling_check()'s */
    KEY_PRESET,
} key_kind;

typedef struct key {
    const char *name, *value;
    key_kind kind;
    size_t at;
    double min, max;
} key;

#define AT(field) offsetof(compare_setup, field)

static const key keys[] = {
    {"persona", "NAME", KEY_TEXT, AT(persona), 0, 0},
    {"everyone", "NAME+NAME+...", KEY_NAMES, 0, 0, 0},
    {"instruction", "on|off", KEY_WORD, AT(instruction), 0, 0},
    {"experts", "K|2x|all, by layer K@0-9+K@10-29", KEY_EXPERTS, AT(experts), 0, 0},
    {"norm_width", "N|2x|all", KEY_COUNT, AT(norm_width), 0, 0},
    {"adaptive", "MIN:RATIO|off", KEY_ADAPTIVE, 0, 0, 1},
    {"tail_gain", "0..1", KEY_REAL, AT(tail_gain), 0, 1},
    {"strength", "0..4", KEY_REAL, AT(strength), 0, 4},
    {"mask", "FILE", KEY_FILES, AT(masks), 0, 0},
    {"soften", "NATS", KEY_REAL, AT(soften), 0, 1e6},
    {"adapter", "FILE[:SCALE]", KEY_FILES, AT(adapters), 0, 0},
    {"rules", "FILE", KEY_TEXT, AT(rules), 0, 0},
    {"temperature", "X", KEY_SAMPLE, 0, 0, 0},
    {"top_p", "X", KEY_SAMPLE, 0, 0, 0},
    {"top_k", "N", KEY_SAMPLE, 0, 0, 0},
    {"min_p", "X", KEY_SAMPLE, 0, 0, 0},
    {"repeat_penalty", "X", KEY_SAMPLE, 0, 0, 0},
    {"presence_penalty", "X", KEY_SAMPLE, 0, 0, 0},
    {"frequency_penalty", "X", KEY_SAMPLE, 0, 0, 0},
    {"seed", "N", KEY_REAL, AT(seed), 0, 9007199254740991.0},
    {"max_tokens", "N", KEY_WHOLE, AT(max_tokens), 1, 1 << 20},
    {"think", "N|on|off", KEY_TEXT, AT(think), 0, 0},
    {"loop", "N|off", KEY_TEXT, AT(loop), 0, 0},
    {"context", "N", KEY_WHOLE, AT(context), 1, 1 << 24},
    {"kv", "f16|f32|q8_0", KEY_WORD, AT(kv), 0, 0},
    {"positions", "N", KEY_WHOLE, AT(positions), 1, 1 << 24},
    {"rope_theta", "X", KEY_REAL, AT(rope_theta), 1, 1e18},
    {"rope_scaling", "none|linear:F|yarn:F|llama3:F", KEY_TEXT, AT(rope_scaling), 0, 0},
    {"skip", "LAYERS joined by +, 4+8-11", KEY_TEXT, AT(skip), 0, 0},
    {"model", "MODEL", KEY_TEXT, AT(model), 0, 0},
    {"tokenizer", "FILE", KEY_TEXT, AT(tokenizer), 0, 0},
    {"preset", "NAME", KEY_PRESET, 0, 0, 0},
};
enum { KEYS = sizeof keys / sizeof *keys };

/* What users call ways of thinking, in terms of a model's own numbers. */
static const char *const presets[][2] = {
    {"base", ""},
    {"extreme", "experts=2x,positions=131072,rope_scaling=yarn:auto,context=131072"},
    {"smart", "adaptive=0.5x:0.3"},
    {"maximal", "experts=3x"},
};
enum { PRESETS = sizeof presets / sizeof *presets };

/* ---- counts ------------------------------------------------------------------------------------ */

int setup_count_of(const setup_count *c, int trained, int most)
{
    double n = c->times ? floor(c->v * trained + 0.5) : c->v;
    if (c->v == 0)
        return 0;
    if (c->times)
        n = fmin(fmax(n, 1), most);
    return (int)fmin(n, 1 << 20);
}

static bool read_number(const char *text, double min, double max, double *out)
{
    char *end;
    bool begins = *text && strspn(text, "-.0123456789eE+") == strlen(text);
    *out = begins ? strtod(text, &end) : 0;
    return begins && !*end && *out >= min && *out <= max;
}

static bool read_count(char *text, setup_count *out)
{
    size_t n = strlen(text);
    bool times = n > 1 && text[n - 1] == 'x';
    if (strcmp(text, "all") == 0) {
        *out = (setup_count){.v = 1 << 20, .times = true};
        return true;
    }
    if (times)
        text[n - 1] = '\0';
    out->times = times;
    return read_number(text, times ? 0.01 : 1, times ? 1000 : 1 << 16, &out->v) &&
           (times || out->v == floor(out->v));
}

/* "8", or "2@0-9+8@10-29": parts joined by +, those with a range of layers for these alone. */
static bool read_experts(char *text, compare_setup *s)
{
    for (char *part = text, *next; part; part = next) {
        next = strchr(part, '+');
        if (next)
            *next++ = '\0';
        char *layers = strchr(part, '@');
        if (layers)
            *layers++ = '\0';
        if (layers && (s->by_layer_count == SETUP_LAYERS || !*layers))
            return false;
        setup_count *to = layers ? &s->by_layer[s->by_layer_count].experts : &s->experts;
        if (layers)
            s->by_layer[s->by_layer_count++].layers = layers;
        if (!read_count(part, to))
            return false;
    }
    return true;
}

static bool read_adaptive(char *text, compare_setup *s)
{
    char *colon = strchr(text, ':');
    if (strcmp(text, "off") == 0) {
        s->adaptive_min = (setup_count){.v = -1};
        return true;
    }
    if (!colon)
        return false;
    *colon = '\0';
    return read_count(text, &s->adaptive_min) && read_number(colon + 1, 0, 1, &s->adaptive_ratio) &&
           s->adaptive_ratio > 0;
}

/* ---- one key ----------------------------------------------------------------------------------- */

static bool is_word_of(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; n && at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, word, n) == 0 && (at[n] == '|' || !at[n]))
            return true;
    }
    return false;
}

static bool read_sample(const char *name, const char *value, compare_setup *s)
{
    double x;
    for (int i = 0; i < SAMPLING_FIELDS; i++) {
        if (strcmp(sampling_fields[i].name, name) != 0)
            continue;
        bool whole = sampling_fields[i].whole;
        if (!read_number(value, -1e9, 2147483647, &x) || (whole && x != floor(x)))
            return false;
        sampling_put(&s->sampling, &sampling_fields[i], x);
        s->given |= 1u << i;
        return true;
    }
    return false;
}

static bool read_names(char *text, compare_setup *s)
{
    for (char *name = text, *next; name; name = next) {
        next = strchr(name, '+');
        if (next)
            *next++ = '\0';
        if (!*name || s->everyone_count == SETUP_PERSONAS)
            return false;
        s->everyone[s->everyone_count++] = name;
    }
    return true;
}

static bool add_file(const key *k, const char *value, compare_setup *s)
{
    bool mask = k->at == AT(masks);
    int *count = mask ? &s->mask_count : &s->adapter_count;
    if (*count == SETUP_FILES || !*value)
        return false;
    (mask ? s->masks : s->adapters)[(*count)++] = value;
    return true;
}

static bool take_whole(const key *k, const char *value, int *out)
{
    double x;
    if (!read_number(value, k->min, k->max, &x) || x != floor(x))
        return false;
    *out = (int)x;
    return true;
}

static bool take_value(const key *k, char *value, compare_setup *s)
{
    char *field = (char *)s + k->at;
    switch (k->kind) {
    case KEY_COUNT:
        return read_count(value, (setup_count *)(void *)field);
    case KEY_EXPERTS:
        return read_experts(value, s);
    case KEY_ADAPTIVE:
        return read_adaptive(value, s);
    case KEY_REAL:
        return read_number(value, k->min, k->max, (double *)(void *)field);
    case KEY_WHOLE:
        return take_whole(k, value, (int *)(void *)field);
    case KEY_WORD:
        if (!is_word_of(k->value, value))
            return false;
        break;
    case KEY_NAMES:
        return read_names(value, s);
    case KEY_FILES:
        return add_file(k, value, s);
    case KEY_SAMPLE:
        return read_sample(k->name, value, s);
    case KEY_TEXT:
    case KEY_PRESET:
        break;
    }
    if (k->kind == KEY_TEXT && strcmp(k->name, "skip") == 0)
        for (char *c = strchr(value, '+'); c; c = strchr(c, '+'))
            *c = ',';
    *(const char **)(void *)field = value;
    return *value != '\0';
}

/* "max-tokens" is "max_tokens". */
static const key *find_key(char *name)
{
    for (char *c = strchr(name, '-'); c; c = strchr(c, '-'))
        *c = '_';
    if (strcmp(name, "max_positions") == 0)
        name = "positions";
    for (int i = 0; i < KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static int refuse_key(const compare_setup *s, const char *name, error *err)
{
    char list[160] = "";
    size_t n = 0;
    for (int i = 0; i < KEYS && n + 32 < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? " " : "", keys[i].name);
    return error_set(err, ERROR_USAGE, "%s: \"%s\" is no setting of a column; there are %s ...",
                     s->name, printable_text(name).text, list);
}

/* ---- the words --------------------------------------------------------------------------------- */

static const char *preset_of(const char *name)
{
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(presets[i][0], name) == 0)
            return presets[i][1];
    return NULL;
}

static int read_pairs(char *text, compare_setup *s, error *err)
{
    for (char *pair = text, *next; pair && *pair; pair = next) {
        next = strchr(pair, ',');
        if (next)
            *next++ = '\0';
        char *value = strchr(pair, '=');
        if (!value)
            return error_set(err, ERROR_USAGE, "%s: \"%s\" is no KEY=VALUE", s->name,
                             printable_text(pair).text);
        *value++ = '\0';
        const key *k = find_key(pair);
        if (!k)
            return refuse_key(s, pair, err);
        char shown[80];
        (void)snprintf(shown, sizeof shown, "%.79s", value);
        if (!take_value(k, value, s))
            return error_set(err, ERROR_USAGE, "%s: %s: \"%s\" is none of %s", s->name, k->name,
                             printable_text(shown).text, k->value);
    }
    return 0;
}

/* Presets stand for their words: they are put in their place before anything is read. */
static int expand(const char *said, buf *out, error *err)
{
    for (const char *at = said; *at;) {
        size_t n = strcspn(at, ",");
        char word[SETUP_NAME] = "";
        bool keyed = strncmp(at, "preset=", 7) == 0;
        size_t skipped = keyed ? 7 : 0;
        if (n - skipped < sizeof word)
            memcpy(word, at + skipped, n - skipped);
        const char *means = keyed || !memchr(at, '=', n) ? preset_of(word) : NULL;
        if (keyed && !means)
            return error_set(err, ERROR_USAGE, "\"%s\" is no preset: base, extreme, smart, maximal",
                             printable_text(word).text);
        if (buf_format(out, err, "%s", out->len ? "," : "") ||
            (means ? buf_text(out, means, err) : buf_add(out, at, n, err)))
            return -1;
        if (out->len && out->v[out->len - 1] == ',') /* an empty preset */
            out->v[--out->len] = '\0';
        at += n + (at[n] == ',');
    }
    return 0;
}

static bool name_ok(const char *name, size_t n)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return n > 0 && n < SETUP_NAME && strspn(name, letters) >= n;
}

static void nothing_said(compare_setup *s)
{
    *s = (compare_setup){.adaptive_ratio = NAN,
                         .tail_gain = NAN,
                         .strength = NAN,
                         .soften = NAN,
                         .seed = NAN,
                         .rope_theta = NAN,
                         .max_tokens = -1,
                         .context = -1,
                         .positions = -1};
}

int compare_setup_read(const char *word, compare_setup *s, error *err)
{
    size_t name = strcspn(word, ":="), all = strlen(word);
    buf text = {0};
    nothing_said(s);
    bool bare = name == all, number = bare && *word && strspn(word, "0123456789") == all;
    if ((!bare && word[name] != ':') || !name_ok(word, name))
        return error_set(err, ERROR_USAGE,
                         "\"%s\" is no column: NAME:KEY=VALUE,..., or base, extreme, smart, "
                         "maximal, or a number of experts",
                         printable_text(word).text);
    memcpy(s->name, word, name);
    const char *said = bare ? word : word + name + 1;
    if (bare && !number && !preset_of(word))
        return error_set(err, ERROR_USAGE, "\"%s\" is no preset: base, extreme, smart, maximal",
                         printable_text(word).text);
    int result = number ? buf_format(&text, err, "experts=%s", word) : expand(said, &text, err);
    s->text = result ? NULL : text.len ? buf_detach(&text) : strdup("");
    buf_release(&text);
    s->said = s->text ? strdup(s->text) : NULL;
    if (!s->text || !s->said)
        return result ? error_prefix(err, "%s: ", s->name) : error_memory(err, "a column");
    return read_pairs(s->text, s, err);
}

void compare_setup_release(compare_setup *s)
{
    free(s->text);
    free(s->said);
    nothing_said(s);
}
