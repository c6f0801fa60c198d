/* voice_lessons.c - see voice_lessons.h. */
#include "voice_lessons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading ----------------------------------------------------------------------------------- */

/* All faults of a file are told, not only the first. */
static int load_file(const char *path, lessons *l, roster_note *fault, void *user, error *err)
{
    char sentence[sizeof(error)];
    if (!lessons_load(path, l, err))
        return 0;
    if (l->fault_count < 2 || !fault)
        return -1;
    for (const char *at = l->faults.v; *at;) {
        size_t n = strcspn(at, "\n");
        (void)snprintf(sentence, sizeof sentence, "%.*s", (int)n, at);
        fault(user, sentence);
        at += n + (at[n] == '\n');
    }
    return error_set(err, ERROR_LOAD, "%s: the %zu faults above; nothing was done", path,
                     l->fault_count);
}

int voice_lessons_load(const persona *p, voice_lessons *out, roster_note *fault, void *user,
                       error *err)
{
    size_t n = (size_t)p->lesson_count;
    out->persona = p;
    out->files = calloc(n + 1, sizeof *out->files);
    out->languages = calloc(n + 1, sizeof *out->languages);
    if (!out->files || !out->languages)
        return error_memory(err, "the lessons");
    for (size_t i = 0; i < n; i++) {
        if (load_file(p->lessons[i].text, &out->files[i], fault, user, err))
            return -1;
        const char *question = out->files[i].v[0].question, *named = p->lessons[i].language;
        out->languages[i] = *named ? named : persona_language(question, strlen(question));
    }
    return 0;
}

void voice_lessons_release(voice_lessons *v)
{
    for (int i = 0; v->files && i < v->persona->lesson_count; i++)
        lessons_release(&v->files[i]);
    free(v->files);
    free(v->languages);
    v->files = NULL;
    v->languages = NULL;
}

/* ---- languages --------------------------------------------------------------------------------- */

static int count_of(const voice_lessons *v)
{
    return v->files ? v->persona->lesson_count : 0;
}

/* The place of a language among a voice's, or -1. */
static int place_of(const voice_lessons *v, const char *language, size_t n)
{
    for (int i = 0; i < count_of(v); i++)
        if (strlen(v->languages[i]) == n && strncmp(v->languages[i], language, n) == 0)
            return i;
    return -1;
}

static bool has(const voice_lessons *v, const char *language)
{
    return place_of(v, language, strlen(language)) >= 0;
}

static int add(voice_languages *l, const char *language)
{
    for (int i = 0; i < l->len; i++)
        if (strcmp(l->v[i], language) == 0)
            return 0;
    if (l->len == VOICE_LANGUAGES)
        return -1;
    l->v[l->len++] = language;
    return 0;
}

/* All that somebody has; those who were named come first. */
static void list_all(voice_lessons *const *voices, size_t count, voice_languages *out)
{
    for (int needed = 1; needed >= 0; needed--)
        for (size_t i = 0; i < count; i++)
            for (int k = 0; k < count_of(voices[i]) && voices[i]->needed == needed; k++)
                (void)add(out, voices[i]->languages[k]);
}

/* Voices that have it; -1 when one that is needed does not. */
static int speakers(voice_lessons *const *voices, size_t count, const char *language)
{
    int n = 0;
    for (size_t i = 0; i < count; i++) {
        bool speaks = has(voices[i], language);
        if (!speaks && voices[i]->needed && count_of(voices[i]))
            return -1;
        n += speaks;
    }
    return n;
}

static int nothing_common(voice_lessons *const *voices, size_t count, error *err)
{
    buf each = {0};
    int result = 0;
    for (size_t i = 0; i < count && !result; i++) {
        voice_languages own = {0};
        for (int k = 0; k < count_of(voices[i]); k++)
            (void)add(&own, voices[i]->languages[k]);
        if (voices[i]->needed && own.len)
            result =
                buf_format(&each, err, "%s%s: ", each.len ? "; " : "", voices[i]->persona->name) ||
                voice_languages_list(&own, &each, err);
    }
    if (!result)
        result = error_set(err, ERROR_USAGE,
                           "lessons are compared in one language, and they have none in common "
                           "(%.200s)",
                           each.v ? each.v : "");
    buf_release(&each);
    return result;
}

/* The language that most have, and what else all those have. */
static int take_common(voice_lessons *const *voices, size_t count, voice_languages *out, error *err)
{
    voice_languages all = {0};
    int best = -1, most = 0;
    list_all(voices, count, &all);
    for (int i = 0; i < all.len; i++) {
        int n = speakers(voices, count, all.v[i]);
        if (n > most) {
            best = i;
            most = n;
        }
    }
    if (best < 0)
        return all.len ? nothing_common(voices, count, err) : 0;
    for (int i = 0; i < all.len; i++) {
        bool common = true;
        for (size_t k = 0; k < count && common; k++)
            common = !has(voices[k], all.v[best]) || has(voices[k], all.v[i]);
        if (common)
            (void)add(out, all.v[i]);
    }
    return 0;
}

static int take_asked(voice_lessons *const *voices, size_t count, const char *asked,
                      voice_languages *out, error *err)
{
    for (const char *at = asked; *at;) {
        size_t n = strcspn(at, ",");
        const char *found = NULL;
        for (size_t i = 0; i < count; i++) {
            int place = place_of(voices[i], at, n);
            if (place >= 0)
                found = voices[i]->languages[place];
            else if (voices[i]->needed && count_of(voices[i]))
                return error_set(err, ERROR_USAGE, "--lang %.*s: %s has no lessons in it", (int)n,
                                 at, voices[i]->persona->name);
        }
        if (!found || add(out, found))
            return error_set(err, ERROR_USAGE, "--lang %.*s: nobody has lessons in it", (int)n, at);
        at += n + (at[n] == ',');
    }
    return out->len ? 0 : error_set(err, ERROR_USAGE, "--lang: no language");
}

int voice_choose(voice_lessons *const *voices, size_t count, const char *asked,
                 voice_languages *out, error *err)
{
    *out = (voice_languages){0};
    if (asked ? take_asked(voices, count, asked, out, err) : take_common(voices, count, out, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        voices[i]->left_out = false;
        for (int k = 0; k < out->len && count_of(voices[i]); k++)
            voices[i]->left_out |= !has(voices[i], out->v[k]);
        out->told |= count_of(voices[i]) > 1 || voices[i]->left_out;
    }
    return 0;
}

int voice_languages_list(const voice_languages *l, buf *out, error *err)
{
    for (int i = 0; i < l->len; i++)
        if (buf_format(out, err, "%s%s", i ? ", " : "", l->v[i]))
            return -1;
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* A language while it is read. */
typedef struct turn_taker {
    const lessons *l;
    bool held; /* only what is held out of it */
    size_t at, tokens;
} turn_taker;

/* Goes on to the next lesson that is read, which may be the one at hand. */
static void find_next(turn_taker *t)
{
    while (t->held && t->at < t->l->len && !t->l->v[t->at].held_out)
        t->at++;
}

static bool is_left(const turn_taker *t)
{
    return t->at < t->l->len;
}

/* Whoever has said least; NULL when all is said. */
static turn_taker *next_turn(turn_taker *t, int n)
{
    turn_taker *least = NULL;
    for (int i = 0; i < n; i++)
        if (is_left(&t[i]) && (!least || t[i].tokens < least->tokens))
            least = &t[i];
    return least;
}

static int add_lesson(const voice_lessons *v, const lesson *l, const engine *e,
                      const voice_reading *how, measure_samples *out, error *err)
{
    measure_answer a = {.before = l->before,
                        .before_count = l->before_count,
                        .question = l->question,
                        .answer = l->answer};
    if (how->instructed)
        a.instruction = persona_instruction(v->persona, l->question, strlen(l->question));
    return measure_add_answer(out, e, &a, how->most, err)
               ? error_prefix(err, "lesson %.40s: ", l->id)
               : 0;
}

int voice_lessons_add(const voice_lessons *v, const voice_languages *l, const engine *e,
                      const voice_reading *how, measure_samples *out, error *err)
{
    enum { A_TURN = 2 };
    turn_taker turns[VOICE_LANGUAGES], *t;
    int n = 0;
    for (int i = 0; i < l->len; i++) {
        int place = place_of(v, l->v[i], strlen(l->v[i]));
        if (place < 0)
            continue;
        const lessons *file = &v->files[place];
        turns[n] = (turn_taker){file, how->held && lessons_held_out(file) >= how->held, 0, 0};
        find_next(&turns[n++]);
    }
    while ((t = next_turn(turns, n)) && (!how->most || out->tokens < how->most)) {
        size_t before = out->tokens;
        for (int i = 0; i < A_TURN && is_left(t); i++, find_next(t))
            if (add_lesson(v, &t->l->v[t->at++], e, how, out, err))
                return -1;
        t->tokens += out->tokens - before;
    }
    return 0;
}
