/* signs.c - see signs.h. */
#include "signs.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"

#define TAG_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

static const char *const mark_names[SIGN_MARKS] = {"code", "short",  "long",   "question",
                                                   "call", "digits", "foreign"};

/* ---- lists ------------------------------------------------------------------------------------- */

static int check_text(const char *field, const char *text, error *err)
{
    if (*text && strlen(text) <= SIGN_TEXT_MOST)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: \"%.40s\": a text of 1 to %d bytes", field, text,
                     SIGN_TEXT_MOST);
}

/* ["a", "b"] */
int sign_names_read(const json *object, const char *field, char ***list, int *count, error *err)
{
    const json *array = NULL;
    int found = json_get_array(object, field, &array, err);
    if (found != 1)
        return found;
    size_t n = json_count(array);
    if (n > SIGN_LIST_MOST)
        return error_set(err, ERROR_LOAD, "%s: %zu texts; at most %d", field, n, SIGN_LIST_MOST);
    *list = calloc(n + 1, sizeof **list);
    if (!*list)
        return error_memory(err, "what asks for it");
    for (const json *v = json_first(array); v; v = json_next(v)) {
        if (json_type(v) != JSON_STRING)
            return error_set(err, ERROR_LOAD, "%s: must be a list of texts", field);
        if (check_text(field, json_string(v), err))
            return -1;
        if (!((*list)[*count] = strdup(json_string(v))))
            return error_memory(err, "what asks for it");
        ++*count;
    }
    return 0;
}

/* {"a": 1.5, "b": -1} */
static int read_weights(const json *object, const char *field, sign_weights *out, error *err)
{
    const json *list = NULL;
    int found = json_get_object(object, field, &list, err);
    if (found != 1)
        return found;
    size_t n = json_count(list);
    if (n > SIGN_LIST_MOST)
        return error_set(err, ERROR_LOAD, "%s: %zu weights; at most %d", field, n, SIGN_LIST_MOST);
    out->v = calloc(n + 1, sizeof *out->v);
    if (!out->v)
        return error_memory(err, "what asks for it");
    for (const json *v = json_first(list); v; v = json_next(v)) {
        double weight = 0;
        if (check_text(field, json_key(v), err))
            return -1;
        if (json_get_number(list, json_key(v), -100, 100, &weight, err) < 0)
            return error_prefix(err, "%s: ", field);
        out->v[out->n] = (sign_weight){strdup(json_key(v)), weight};
        if (!out->v[out->n++].text)
            return error_memory(err, "what asks for it");
    }
    return 0;
}

/* ---- auto -------------------------------------------------------------------------------------- */

static int read_marks(const json *object, signs *s, error *err)
{
    const json *marks = NULL;
    int found = json_get_object(object, "marks", &marks, err);
    if (found != 1)
        return found;
    if (json_check_members(marks, mark_names, SIGN_MARKS, err))
        return error_prefix(err, "marks: ");
    for (int i = 0; i < SIGN_MARKS; i++)
        if (json_get_number(marks, mark_names[i], -100, 100, &s->marks[i], err) < 0)
            return error_prefix(err, "marks: ");
    return 0;
}

static int check_tags(const signs *s, error *err)
{
    for (int i = 0; s->tags && i < s->tag_count; i++) {
        const char *tag = s->tags[i] ? s->tags[i] : "";
        if (*tag != '#' || !tag[1] || tag[1 + strspn(tag + 1, TAG_LETTERS)])
            return error_set(err, ERROR_LOAD, "tags: \"%.40s\": write \"#name\"", tag);
    }
    return 0;
}

static int read_words(const json *object, const char *field, int *out, error *err)
{
    int64_t n = 0;
    if (json_get_int(object, field, 1, 1000000, &n, err) < 0)
        return -1;
    *out = (int)n;
    return 0;
}

int signs_read(const json *root, signs *s, error *err)
{
    static const char *const known[] = {"tags",     "bias",       "marks",     "words",
                                        "personas", "fast_words", "deep_words"};
    const json *a = NULL;
    int found = json_get_object(root, "auto", &a, err);
    if (found != 1)
        return found;
    s->given = true;
    if (json_check_members(a, known, sizeof known / sizeof *known, err) ||
        sign_names_read(a, "tags", &s->tags, &s->tag_count, err) || check_tags(s, err) ||
        json_get_number(a, "bias", -100, 100, &s->bias, err) < 0 || read_marks(a, s, err) ||
        read_weights(a, "words", &s->words, err) || read_weights(a, "personas", &s->profile, err) ||
        read_words(a, "fast_words", &s->fast_words, err) ||
        read_words(a, "deep_words", &s->deep_words, err))
        return error_prefix(err, "auto: ");
    return 1;
}

int signs_of_persona(signs *s, const char *name, error *err)
{
    char **grown = realloc(s->tags, ((size_t)s->tag_count + 1) * sizeof *grown);
    s->tags = grown ? grown : s->tags;
    if (!grown || !(grown[s->tag_count] = string_format(err, "#%s", name)))
        return grown ? -1 : error_memory(err, "a tag");
    s->tag_count++;
    s->given = true;
    if (s->profile.v)
        return 0;
    s->profile.v = calloc(1, sizeof *s->profile.v);
    char *own = s->profile.v ? strdup(name) : NULL;
    if (!own)
        return error_memory(err, "a weight");
    s->profile.v[s->profile.n++] = (sign_weight){own, 1};
    return 0;
}

void sign_names_free(char **list, int n)
{
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static void free_weights(sign_weights *w)
{
    for (int i = 0; i < w->n; i++)
        free(w->v[i].text);
    free(w->v);
}

void signs_release(signs *s)
{
    sign_names_free(s->tags, s->tag_count);
    free_weights(&s->words);
    free_weights(&s->profile);
    *s = (signs){0};
}
