/* gather.c - see gather.h. */
#include "gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "derive_state.h"

/* Somebody who may be read. */
typedef struct entry {
    persona *persona; /* NULL once the gathering owns it */
    voice_lessons lessons;
    bool wanted; /* a mask is */
} entry;

typedef struct gatherer {
    derivation *d;
    const gather_wish *wish;
    gathering *out;
    error *err;
    entry *v;
    size_t len, cap;
} gatherer;

void gathering_release(gathering *g)
{
    for (size_t i = 0; i < g->len; i++)
        persona_close(g->v[i].persona);
    free(g->v);
    buf_release(&g->languages);
    *g = (gathering){0};
}

static void release(gatherer *g)
{
    for (size_t i = 0; i < g->len; i++) {
        voice_lessons_release(&g->v[i].lessons);
        persona_close(g->v[i].persona);
    }
    free(g->v);
}

static const entry *find(const gatherer *g, const char *name)
{
    for (size_t i = 0; i < g->len; i++)
        if (strcmp(g->v[i].persona->name, name) == 0)
            return &g->v[i];
    return NULL;
}

static void tell(gatherer *g, const char *name, const char *what, const char *why)
{
    char sentence[sizeof(error) + 128];
    (void)snprintf(sentence, sizeof sentence, "%s %s: %s", name, what, why);
    if (g->wish->note)
        g->wish->note(g->wish->user, sentence);
}

/* Takes p. */
static int enter(gatherer *g, persona *p, bool wanted, bool needed)
{
    entry *v = array_room(g->v, g->len, &g->cap, sizeof *v, "the personas", g->err);
    if (!v) {
        persona_close(p);
        return -1;
    }
    g->v = v;
    g->v[g->len++] = (entry){.persona = p, .wanted = wanted, .lessons = {.needed = needed}};
    return 0;
}

/* The lessons of the last that was entered; of one that nobody named the first fault will do. */
static int load(gatherer *g, error *err)
{
    entry *last = &g->v[g->len - 1];
    roster_note *fault = last->lessons.needed ? g->wish->fault : NULL;
    return voice_lessons_load(last->persona, &last->lessons, fault, g->wish->user, err);
}

int gather_untrained(engine *e, const persona *p, error *err)
{
    char *path = NULL;
    const char *fingerprint = engine_fingerprint(e, err);
    if (!fingerprint || persona_find_adapter(p, fingerprint, &path, err))
        return -1;
    int result =
        path ? error_set(err, ERROR_USAGE,
                         "%s was trained on this model, and its own experts would act beside "
                         "a mask that was made without them; `/untrain %s` in a conversation "
                         "takes back %s",
                         p->name, p->name, path)
             : 0;
    free(path);
    return result;
}

/* ---- those that a mask is wanted for ------------------------------------------------------------- */

static int check_mode(const persona *p, error *err)
{
    if (p->mode != ROUTER_NONE)
        return 0;
    return error_set(
        err, ERROR_LOAD,
        "%s: router: mode: none: this persona wants no mask; let the mode be auto, ban, "
        "bias or keep",
        p->path);
}

static int want_named(gatherer *g, const char *name)
{
    if (find(g, name))
        return error_set(g->err, ERROR_USAGE, "%s is named twice", name);
    persona *p = persona_find(name, g->err);
    if (!p || enter(g, p, true, true) || check_mode(p, g->err) ||
        gather_untrained(g->d->engine, p, g->err))
        return -1;
    if (g->wish->texts)
        return 0;
    if (p->lesson_count == 0)
        return error_set(g->err, ERROR_LOAD, "%s: lessons: none; give --text FILE", p->path);
    return load(g, g->err);
}

static size_t count_wanted(const gatherer *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->len; i++)
        n += g->v[i].wanted;
    return n;
}

static int compare_named(gatherer *g, const char *name)
{
    const entry *known = find(g, name);
    if (known && count_wanted(g) == 1 && known->wanted)
        return error_set(g->err, ERROR_USAGE, "--against: %s cannot be compared with itself", name);
    if (known)
        return 0; /* of several, each is compared with the others */
    persona *p = persona_find(name, g->err);
    if (!p || enter(g, p, false, true))
        return -1;
    if (p->lesson_count == 0)
        return error_set(g->err, ERROR_LOAD, "%s: lessons: none", p->path);
    return load(g, g->err);
}

static int each_name(gatherer *g, const char *list, int (*fn)(gatherer *g, const char *name))
{
    char *names = strdup(list);
    int result = names ? 0 : error_memory(g->err, "the personas");
    for (char *name = names, *comma; name && !result; name = comma ? comma + 1 : NULL) {
        comma = strchr(name, ',');
        if (comma)
            *comma = '\0';
        result = fn(g, name);
    }
    free(names);
    return result;
}

/* ---- all that there are -------------------------------------------------------------------------- */

static void leave(gatherer *g)
{
    entry *last = &g->v[--g->len];
    voice_lessons_release(&last->lessons);
    persona_close(last->persona);
}

/* One that nobody named: wanted when all are, else compared with. */
static int take_unnamed(gatherer *g, const char *name)
{
    error why = {0};
    persona *p = find(g, name) ? NULL : persona_find(name, &why);
    bool wanted = p && !g->wish->names && p->mode != ROUTER_NONE;
    if (!p || !p->lesson_count) {
        persona_close(p);
        return 0;
    }
    if (enter(g, p, wanted, false))
        return -1;
    if (load(g, &why)) {
        if (why.code != ERROR_LOAD) {
            *g->err = why;
            return -1;
        }
        tell(g, name, "is not compared with", why.text);
        leave(g);
    } else if (wanted && gather_untrained(g->d->engine, p, &why)) {
        tell(g, name, "gets no mask", why.text);
        g->v[g->len - 1].wanted = false;
    }
    return 0;
}

static int take_all(gatherer *g)
{
    persona_list all;
    if (persona_list_all(&all, g->err))
        return -1;
    int result = 0;
    for (size_t i = 0; i < all.len && !result; i++)
        result = take_unnamed(g, all.names[i]);
    persona_list_release(&all);
    return result;
}

/* ---- languages, and what is read ------------------------------------------------------------------ */

static int choose(gatherer *g, voice_languages *out)
{
    voice_lessons **voices = calloc(g->len + 1, sizeof *voices);
    if (!voices)
        return error_memory(g->err, "the personas");
    for (size_t i = 0; i < g->len; i++)
        voices[i] = &g->v[i].lessons;
    int result = voice_choose(voices, g->len, g->wish->lang, out, g->err);
    free(voices);
    /* Of a text the language is not known; that of most lessons is likely, two are not. */
    if (g->wish->texts && !g->wish->lang && out->len > 1)
        out->len = 1;
    return !result && out->told ? voice_languages_list(out, &g->out->languages, g->err) : result;
}

/* Its lessons become a voice; a mask that is wanted is one of the gathering. */
static int add_voice(gatherer *g, entry *one, const voice_languages *languages)
{
    gathering *out = g->out;
    int source;
    if (one->lessons.left_out) {
        char why[160];
        (void)snprintf(why, sizeof why, "it has no lessons in %s", g->out->languages.v);
        tell(g, one->persona->name, "is not compared with", why);
        return 0;
    }
    if (derive_add_source(g->d, one->persona->name, &source, g->err) ||
        derive_add_lessons(g->d, source, &one->lessons, languages, g->err))
        return -1;
    if (!one->wanted)
        return 0;
    gathered *room = array_room(out->v, out->len, &out->cap, sizeof *room, "the personas", g->err);
    if (!room)
        return -1;
    out->v = room;
    out->v[out->len++] = (gathered){one->persona, source};
    return 0;
}

static bool is_kept(const gatherer *g, const persona *p)
{
    for (size_t i = 0; i < g->out->len; i++)
        if (g->out->v[i].persona == p)
            return true;
    return false;
}

static int read_all(gatherer *g)
{
    voice_languages languages;
    int result = choose(g, &languages);
    for (size_t i = 0; i < g->len && !result; i++)
        result = add_voice(g, &g->v[i], &languages);
    for (size_t i = 0; i < g->len; i++) {
        voice_lessons_release(&g->v[i].lessons); /* which borrows the persona */
        if (is_kept(g, g->v[i].persona))
            g->v[i].persona = NULL;
    }
    return result;
}

int gather_voices(derivation *d, const gather_wish *wish, gathering *out, error *err)
{
    gatherer g = {.d = d, .wish = wish, .out = out, .err = err};
    int result = wish->names ? each_name(&g, wish->names, want_named) : 0;
    if (!result && wish->against)
        result = each_name(&g, wish->against, compare_named);
    if (!result && (!wish->against || !wish->names))
        result = take_all(&g);
    if (!result)
        result = read_all(&g);
    if (!result && out->len == 0)
        result = error_set(err, ERROR_LOAD, "no persona has lessons that a mask can be made of");
    if (!result && derive_sources(d) < 2)
        result = error_set(err, ERROR_LOAD, "no other persona has lessons to compare with");
    release(&g);
    return result ? -1 : 0;
}

void gather_modes(const persona *p, const char *mode, derive_wish *wish)
{
    static const char *const names[] = {
        [MASK_KEEP] = "keep", [MASK_BAN] = "ban", [MASK_BIAS] = "bias"};
    int only = p->mode == ROUTER_KEEP   ? MASK_KEEP
               : p->mode == ROUTER_BAN  ? MASK_BAN
               : p->mode == ROUTER_BIAS ? MASK_BIAS
                                        : -1;
    if (mode)
        only = -1;
    for (int m = 0; m < 3; m++)
        if (mode && strcmp(mode, names[m]) == 0)
            only = m;
    for (int m = 0; m < 3 && only >= 0; m++)
        wish->modes[m] = m == only;
}
