/* edit_words.c - see edit_words.h.
 *
 * A verb's words are read into lists of places first, and the recipes of FROM are copied before
 * anything moves. Then the places are gone through one by one.
 */
#include "edit_words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/array.h"
#include "../base/printable.h"
#include "bank_bake.h"

enum { MOST_PLACES = 1 << 15 };

typedef struct place {
    int layer, expert;
} place;

/* c: whose experts they are, the plan's own or a donor. */
typedef struct places {
    place *v;
    size_t len, cap;
    const checkpoint *c;
} places;

typedef struct verbs {
    bank_plan *p;
    const char *verb; /* at hand, for sentences */
    edit_open *open;
    edit_adapter *open_adapter;
    void *user;
    error *err;
} verbs;

/* ---- places ------------------------------------------------------------------------------------ */

static int refuse(const verbs *v, const char *word, const char *why)
{
    return error_set(v->err, ERROR_USAGE, "%s: \"%s\" %s", v->verb, printable_text(word).text, why);
}

/* Is told each number of a list, in order; not 0 ends it. */
typedef int take_number(void *user, int number);

static bool read_number(const char **at, int *out)
{
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n > 6)
        return false;
    *out = atoi(*at);
    *at += n;
    return true;
}

/* 0; 1 for bad grammar; -1 when take() says so. */
static int each_number(const char *text, const char *end, take_number *take, void *user)
{
    for (;;) {
        int first, last;
        if (!read_number(&text, &first))
            return 1;
        last = first;
        if (*text == '-' && (text++, !read_number(&text, &last)))
            return 1;
        if (last < first)
            return 1;
        for (int i = first; i <= last; i++)
            if (take(user, i))
                return -1;
        if (text == end)
            return 0;
        if (*text++ != ',')
            return 1;
    }
}

/* Where LAYERS:EXPERTS of a word stands, and where its colon. */
typedef struct parts {
    const char *layers, *colon;
} parts;

static bool split_word(const char *word, parts *out)
{
    const char *colon = strrchr(word, ':'), *at = colon;
    while (at && at > word && at[-1] != ':')
        at--;
    *out = (parts){at, colon};
    return colon != NULL;
}

typedef struct reading {
    verbs *v;
    places *out;
    const char *word;
    parts at;
    int layer;
    bool gaps; /* numbers past the last are allowed: something is put there */
} reading;

static int count_of(const reading *r, int layer)
{
    const model_config *config = checkpoint_config(r->out->c);
    return r->out->c == r->v->p->c ? (int)r->v->p->layers[layer].len : config->experts;
}

static int add_expert(void *user, int expert)
{
    reading *r = user;
    places *out = r->out;
    int n = count_of(r, r->layer);
    if (expert >= n && (!r->gaps || expert >= MODEL_MAX_EXPERTS))
        return error_set(r->v->err, ERROR_USAGE, "%s: \"%s\": layer %d has experts 0 to %d",
                         r->v->verb, printable_text(r->word).text, r->layer, n - 1);
    if (out->len == MOST_PLACES)
        return refuse(r->v, r->word, "names too many experts");
    place *v = array_room(out->v, out->len, &out->cap, sizeof *v, "the experts", r->v->err);
    if (!v)
        return -1;
    out->v = v;
    out->v[out->len++] = (place){r->layer, expert};
    return 0;
}

static int add_layer(void *user, int layer)
{
    reading *r = user;
    const model_config *config = checkpoint_config(r->out->c);
    if (layer >= config->layers || !config->moe_layer[layer])
        return error_set(r->v->err, ERROR_USAGE, "%s: \"%s\": layer %d %s", r->v->verb,
                         printable_text(r->word).text, layer,
                         layer >= config->layers ? "is beyond the model's last"
                                                 : "has no routed experts");
    r->layer = layer;
    const char *text = r->at.colon + 1;
    int result = each_number(text, text + strlen(text), add_expert, r);
    return result > 0 ? refuse(r->v, r->word, "is no LAYERS:EXPERTS, as 3:5 or 0-7:1,4 or *:0")
                      : result;
}

static int read_layers(reading *r)
{
    const model_config *config = checkpoint_config(r->out->c);
    if (r->at.colon - r->at.layers != 1 || *r->at.layers != '*')
        return each_number(r->at.layers, r->at.colon, add_layer, r);
    for (int l = 0; l < config->layers; l++)
        if (config->moe_layer[l] && add_layer(r, l))
            return -1;
    return 0;
}

static int check_donor(const verbs *v, const checkpoint *c)
{
    const model_config *mine = checkpoint_config(v->p->c), *theirs = checkpoint_config(c);
    if (theirs->experts && mine->width == theirs->width &&
        mine->expert_width == theirs->expert_width)
        return 0;
    return error_set(v->err, ERROR_LOAD,
                     "%s: its experts (%d of %d, model width %d) do not fit those of %s (%d of %d, "
                     "model width %d)",
                     checkpoint_path(c), theirs->experts, theirs->expert_width, theirs->width,
                     checkpoint_path(v->p->c), mine->experts, mine->expert_width, mine->width);
}

/* gaps: places where something is to be put in. foreign: FILE: may stand in front. */
static int read_places(verbs *v, const char *word, bool gaps, bool foreign, places *out)
{
    reading r = {.v = v, .out = out, .word = word, .gaps = gaps};
    out->c = v->p->c;
    if (!split_word(word, &r.at))
        return refuse(v, word, "is no LAYERS:EXPERTS, as 3:5 or 0-7:1,4 or *:0");
    if (r.at.layers > word && !foreign)
        return refuse(v, word, "is of another file, which stays as it is");
    if (r.at.layers > word) {
        char *name = strndup(word, (size_t)(r.at.layers - word) - 1);
        out->c = name ? v->open(v->user, name, v->err) : NULL;
        if (!name)
            (void)error_memory(v->err, "a name");
        free(name);
        if (!out->c || check_donor(v, out->c))
            return -1;
    }
    int result = read_layers(&r);
    return result > 0 ? refuse(v, word, "is no LAYERS:EXPERTS, as 3:5 or 0-7:1,4 or *:0") : result;
}

/* ---- verbs ------------------------------------------------------------------------------------- */

static int twice(const verbs *v, const places *at, const char *word)
{
    for (size_t i = 1; i < at->len; i++)
        for (size_t k = 0; k < i; k++)
            if (at->v[k].layer == at->v[i].layer && at->v[k].expert == at->v[i].expert)
                return refuse(v, word, "names an expert twice");
    return 0;
}

/* The recipes of n experts as they are now; one stands for all. [n], each the caller's. */
static int gather(const verbs *v, const places *from, size_t n, recipe *out)
{
    for (size_t i = 0; i < n; i++) {
        const place *at = &from->v[from->len == 1 ? 0 : i];
        const bank_plan *p = v->p;
        int result = from->c == p->c
                         ? recipe_copy(&p->layers[at->layer].v[at->expert], &out[i], v->err)
                         : recipe_of(from->c, at->layer, at->expert, &out[i], v->err);
        if (result)
            return -1;
    }
    return 0;
}

static int lengths(const verbs *v, const places *from, const places *to)
{
    if (from->len == to->len || from->len == 1)
        return 0;
    return error_set(v->err, ERROR_USAGE, "%s: %zu experts cannot become %zu: name as many, or one",
                     v->verb, from->len, to->len);
}

/* copy, replace and insert; from may be empty: experts that say nothing. */
static int put(verbs *v, const places *from, const places *to, const char *word, bool insert)
{
    if (twice(v, to, word) || (from->len && lengths(v, from, to)))
        return -1;
    recipe *r = calloc(to->len + 1, sizeof *r);
    int result = !r          ? error_memory(v->err, "the experts")
                 : from->len ? gather(v, from, to->len, r)
                             : 0;
    for (size_t i = 0; r && i < to->len; i++) {
        const place *at = &to->v[i];
        bool beyond = insert && at->expert > (int)v->p->layers[at->layer].len;
        if (!result && beyond)
            result = refuse(v, word, "leaves a gap behind the last expert");
        if (result)
            recipe_release(&r[i]);
        else if (insert)
            result = bank_plan_insert(v->p, at->layer, at->expert, &r[i], v->err);
        else
            bank_plan_set(v->p, at->layer, at->expert, &r[i]);
    }
    free(r);
    return result;
}

static int do_pair(verbs *v, const char *from_word, const char *to_word, bool insert)
{
    places from = {0}, to = {0};
    int result = read_places(v, to_word, insert, false, &to);
    if (!result && from_word)
        result = read_places(v, from_word, false, true, &from);
    if (!result)
        result = put(v, &from, &to, to_word, insert);
    free(from.v);
    free(to.v);
    return result;
}

static int by_expert(const void *a, const void *b)
{
    return ((const place *)b)->expert - ((const place *)a)->expert;
}

static int do_drop(verbs *v, const char *word)
{
    places at = {0};
    int result = read_places(v, word, false, false, &at) || twice(v, &at, word) ? -1 : 0;
    if (!result && at.len)
        qsort(at.v, at.len, sizeof *at.v,
              by_expert); /* the highest first: none moves before it goes */
    for (size_t i = 0; !result && i < at.len; i++)
        bank_plan_drop(v->p, at.v[i].layer, at.v[i].expert);
    free(at.v);
    return result;
}

static int do_swap(verbs *v, const char *left, const char *right)
{
    places a = {0}, b = {0};
    int result = read_places(v, left, false, false, &a) ||
                         read_places(v, right, false, false, &b) || twice(v, &a, left) ||
                         twice(v, &b, right)
                     ? -1
                     : 0;
    if (!result && a.len != b.len)
        result = lengths(v, &a, &b) ? -1 : refuse(v, left, "is one expert, and the other more");
    for (size_t i = 0; !result && i < a.len; i++)
        bank_plan_swap(v->p, (int[2]){a.v[i].layer, a.v[i].expert},
                       (int[2]){b.v[i].layer, b.v[i].expert});
    free(a.v);
    free(b.v);
    return result;
}

static int do_scale(verbs *v, const char *word, const char *number)
{
    places at = {0};
    char *end;
    double factor = strtod(number, &end);
    if (!*number || *end || strspn(number, "+-.0123456789e") != strlen(number) ||
        !(fabs(factor) <= 1000))
        return refuse(v, number, "is no factor from -1000 to 1000");
    int result = read_places(v, word, false, false, &at) || twice(v, &at, word) ? -1 : 0;
    for (size_t i = 0; !result && i < at.len; i++)
        bank_plan_scale(v->p, at.v[i].layer, at.v[i].expert, (float)factor);
    free(at.v);
    return result;
}

/* The places of a layer stand together, in the order in which they were named. */
static int do_average(verbs *v, const char *word)
{
    places at = {0};
    int result = read_places(v, word, false, false, &at) || twice(v, &at, word) ? -1 : 0;
    int *experts = result ? NULL : calloc(at.len + 1, sizeof *experts);
    if (!result && !experts)
        result = error_memory(v->err, "the experts");
    for (size_t i = 0; !result && i < at.len;) {
        int layer = at.v[i].layer, n = 0;
        for (; i < at.len && at.v[i].layer == layer; i++)
            experts[n++] = at.v[i].expert;
        result = n < 2 ? refuse(v, word, "names one expert of a layer; a mean needs two or more")
                       : bank_plan_average(v->p, layer, experts, n, v->err);
    }
    free(experts);
    free(at.v);
    return result;
}

static int do_bake(verbs *v, const char *path, const char *number)
{
    char *end;
    double factor = strtod(number, &end);
    if (!*number || *end || strspn(number, "+-.0123456789e") != strlen(number))
        return refuse(v, number, "is no scale");
    adapter *a = v->open_adapter(v->user, path, v->err);
    return a && adapter_scale(a, factor, v->err) == 0 ? bank_plan_bake(v->p, a, v->err) : -1;
}

/* ---- words ------------------------------------------------------------------------------------- */

enum { VERBS = 8 };

static const struct verb {
    const char *name, *needs;
    int least, most; /* words behind it */
} known[VERBS] = {
    {"copy", "FROM TO", 2, 2},     {"replace", "TO FROM", 2, 2},
    {"insert", "TO [FROM]", 1, 2}, {"drop", "PLACE", 1, 1},
    {"swap", "A B", 2, 2},         {"scale", "PLACE X", 2, 2},
    {"average", "PLACE", 1, 1},    {"bake", "ADAPTER [SCALE]", 1, 2},
};

static int find_verb(const char *word)
{
    for (int i = 0; i < VERBS; i++)
        if (strcmp(word, known[i].name) == 0)
            return i;
    return -1;
}

static int apply(verbs *v, int verb, const char *const *words, size_t n)
{
    v->verb = known[verb].name;
    switch (verb) {
    case 0:
        return do_pair(v, words[0], words[1], false);
    case 1:
        return do_pair(v, words[1], words[0], false);
    case 2:
        return do_pair(v, n > 1 ? words[1] : NULL, words[0], true);
    case 3:
        return do_drop(v, words[0]);
    case 4:
        return do_swap(v, words[0], words[1]);
    case 5:
        return do_scale(v, words[0], words[1]);
    case 6:
        return do_average(v, words[0]);
    default:
        return do_bake(v, words[0], n > 1 ? words[1] : "1");
    }
}

int edit_words_apply(bank_plan *p, const char *const *words, size_t n, edit_open *open,
                     edit_adapter *open_adapter, void *user, error *err)
{
    verbs v = {p, "edit", open, open_adapter, user, err};
    for (size_t i = 0; i < n;) {
        int verb = find_verb(words[i]);
        if (verb < 0)
            return error_set(err, ERROR_USAGE,
                             "edit: \"%s\" is no verb: copy, replace, insert, drop, swap, scale, "
                             "average or bake",
                             printable_text(words[i]).text);
        size_t behind = 0;
        while (i + 1 + behind < n && find_verb(words[i + 1 + behind]) < 0)
            behind++;
        if (behind < (size_t)known[verb].least || behind > (size_t)known[verb].most)
            return error_set(err, ERROR_USAGE, "edit: %s needs %s, and has %zu word%s behind it",
                             known[verb].name, known[verb].needs, behind, behind == 1 ? "" : "s");
        if (apply(&v, verb, words + i + 1, behind))
            return -1;
        i += 1 + behind;
    }
    return 0;
}
