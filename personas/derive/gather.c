/* gather.c - see gather.h. */
#include "gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"

typedef struct gatherer {
    derivation *d;
    const gather_wish *wish;
    gathering *out;
    error *err;
} gatherer;

void gathering_release(gathering *g)
{
    for (size_t i = 0; i < g->len; i++)
        persona_close(g->v[i].persona);
    free(g->v);
    *g = (gathering){0};
}

static bool is_known(const gatherer *g, const char *name)
{
    for (int i = 0; i < derive_sources(g->d); i++)
        if (strcmp(derive_source(g->d, i), name) == 0)
            return true;
    return false;
}

static void tell(gatherer *g, const char *name, const char *why)
{
    char sentence[sizeof(error) + 128];
    (void)snprintf(sentence, sizeof sentence, "%s is not compared with: %s", name, why);
    if (g->wish->note)
        g->wish->note(g->wish->user, sentence);
}

/* All faults of a file of lessons are told, not only the first. */
static int open_lessons_of(gatherer *g, const persona *p, lessons *l)
{
    const char *path = p->lessons[0].text;
    char sentence[sizeof(error)];
    if (!lessons_load(path, l, g->err))
        return 0;
    if (l->fault_count < 2 || !g->wish->fault)
        return -1;
    for (const char *at = l->faults.v; *at;) {
        size_t n = strcspn(at, "\n");
        (void)snprintf(sentence, sizeof sentence, "%.*s", (int)n, at);
        g->wish->fault(g->wish->user, sentence);
        at += n + (at[n] == '\n');
    }
    return error_set(g->err, ERROR_LOAD, "%s: the %zu faults above; nothing was done", path,
                     l->fault_count);
}

/* Its lessons become a voice. */
static int add_voice(gatherer *g, const persona *p, int *source)
{
    lessons l = {0};
    int result = open_lessons_of(g, p, &l) || derive_add_source(g->d, p->name, source, g->err) ||
                         derive_add_lessons(g->d, *source, &l, g->err)
                     ? -1
                     : 0;
    lessons_release(&l);
    return result;
}

static bool has_lessons(gatherer *g, const persona *p)
{
    error why = {0};
    lessons l = {0};
    bool good = lessons_load(p->lessons[0].text, &l, &why) == 0;
    lessons_release(&l);
    if (!good)
        tell(g, p->name, why.text);
    return good;
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

/* Takes p. */
static int want(gatherer *g, persona *p)
{
    gathering *out = g->out;
    int source = -1, result = check_mode(p, g->err);
    if (!result && !g->wish->texts && p->lesson_count == 0)
        result = error_set(g->err, ERROR_LOAD, "%s: lessons: none; give --text FILE", p->path);
    if (!result)
        result = g->wish->texts ? derive_add_source(g->d, p->name, &source, g->err)
                                : add_voice(g, p, &source);
    gathered *room =
        result ? NULL
               : array_room(out->v, out->len, &out->cap, sizeof *room, "the personas", g->err);
    if (!room) {
        persona_close(p);
        return -1;
    }
    out->v = room;
    out->v[out->len++] = (gathered){p, source};
    return 0;
}

static int want_named(gatherer *g, const char *name)
{
    if (is_known(g, name))
        return error_set(g->err, ERROR_USAGE, "%s is named twice", name);
    persona *p = persona_find(name, g->err);
    return p ? want(g, p) : -1;
}

static int compare_named(gatherer *g, const char *name)
{
    if (is_known(g, name) && g->out->len == 1)
        return error_set(g->err, ERROR_USAGE, "--against: %s cannot be compared with itself", name);
    if (is_known(g, name))
        return 0; /* of several, each is compared with the others */
    persona *p = persona_find(name, g->err);
    int source, result = p ? 0 : -1;
    if (p && p->lesson_count == 0)
        result = error_set(g->err, ERROR_LOAD, "%s: lessons: none", p->path);
    if (!result)
        result = add_voice(g, p, &source);
    persona_close(p);
    return result;
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

/* One that nobody named: wanted when all are, else compared with. */
static int take_unnamed(gatherer *g, const char *name)
{
    error why = {0};
    persona *p = is_known(g, name) ? NULL : persona_find(name, &why);
    int source, result = 0;
    if (p && p->lesson_count && has_lessons(g, p)) {
        if (!g->wish->names && p->mode != ROUTER_NONE)
            return want(g, p);
        result = add_voice(g, p, &source);
    }
    persona_close(p);
    return result;
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

int gather_voices(derivation *d, const gather_wish *wish, gathering *out, error *err)
{
    gatherer g = {.d = d, .wish = wish, .out = out, .err = err};
    int result = wish->names ? each_name(&g, wish->names, want_named) : 0;
    if (!result && wish->against)
        result = each_name(&g, wish->against, compare_named);
    if (!result && (!wish->against || !wish->names))
        result = take_all(&g);
    if (!result && out->len == 0)
        result = error_set(err, ERROR_LOAD, "no persona has lessons");
    if (!result && derive_sources(d) < 2)
        result = error_set(err, ERROR_LOAD, "no other persona has lessons to compare with");
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
