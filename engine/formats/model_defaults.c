/* model_defaults.c - see model_defaults.h. The names are those of Ollama's Modelfile,
 * docs/modelfile.md.
 *
 * A parameter is a row of a table: its name, where it goes, and its range; "stop" may come many
 * times and is a list. One that has no row, or a value that this program has not, is noted in
 * `left_out` by its name. Nothing is judged here: what is stronger, a flag or such a parameter,
 * is settled where sampling is put together.
 */
#include "model_defaults.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"

enum { MOST_STOPS = 64 };

model_defaults *model_defaults_new(error *err)
{
    model_defaults *m = calloc(1, sizeof *m);
    if (!m) {
        error_memory(err, "a model's parameters");
        return NULL;
    }
    m->temperature = m->top_p = m->min_p = m->repeat_penalty = NAN;
    m->presence_penalty = m->frequency_penalty = NAN;
    m->top_k = m->context = m->max_tokens = m->seed = -1;
    return m;
}

void model_defaults_close(model_defaults *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->stop_count; i++)
        free(m->stops[i]);
    free(m->stops);
    free(m->system);
    free(m->name);
    buf_release(&m->honoured);
    buf_release(&m->left_out);
    free(m);
}

int model_defaults_note(buf *list, const char *word, error *err)
{
    return buf_format(list, err, "%s%s", list->len ? ", " : "", word);
}

/* ---- parameters ------------------------------------------------------------------------------- */

typedef struct parameter {
    const char *name;
    size_t offset;
    bool real;
    double min, max;
} parameter;

#define REAL(name, min, max)                                                                       \
    {                                                                                              \
#name, offsetof(model_defaults, name), true, min, max                                      \
    }
#define WHOLE(key, name, min, max)                                                                 \
    {                                                                                              \
        key, offsetof(model_defaults, name), false, min, max                                       \
    }

static const parameter parameters[] = {
    REAL(temperature, 0, 1e6),
    REAL(top_p, 1e-9, 1),
    REAL(min_p, 0, 1),
    REAL(repeat_penalty, 1e-3, 100),
    REAL(presence_penalty, -100, 100),
    REAL(frequency_penalty, -100, 100),
    WHOLE("top_k", top_k, 0, 1 << 30),
    WHOLE("num_ctx", context, 1, 1 << 30),
    WHOLE("num_predict", max_tokens, 1, 1 << 24),
    WHOLE("seed", seed, 0, 9007199254740991.0),
};

static int take_stop(model_defaults *m, const json *v, error *err)
{
    if (json_type(v) != JSON_STRING)
        return error_set(err, ERROR_LOAD, "stop holds something that is no text");
    if (!*json_string(v))
        return 0;
    if (m->stop_count == MOST_STOPS)
        return error_set(err, ERROR_LOAD, "more than %d texts to stop at", MOST_STOPS);
    char **grown = realloc(m->stops, ((size_t)m->stop_count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(err, "a model's parameters");
    m->stops = grown;
    m->stops[m->stop_count] = strdup(json_string(v));
    return m->stops[m->stop_count] ? m->stop_count++, 0 : error_memory(err, "a model's parameters");
}

static int take_stops(model_defaults *m, const json *v, error *err)
{
    if (json_type(v) != JSON_ARRAY)
        return take_stop(m, v, err);
    for (const json *at = json_first(v); at; at = json_next(at))
        if (take_stop(m, at, err))
            return -1;
    return 0;
}

static const parameter *find(const char *name)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return &parameters[i];
    return NULL;
}

/* 1 when the value is one that this program has too; else it is left out. */
static int take_number(model_defaults *m, const parameter *p, const json *v, error *err)
{
    if (json_type(v) != JSON_NUMBER)
        return error_set(err, ERROR_LOAD, "%s is not a number", p->name);
    double value = json_number(v);
    if (!(value >= p->min && value <= p->max) || (!p->real && value != floor(value)))
        return 0;
    char *at = (char *)m + p->offset;
    if (p->real)
        memcpy(at, &value, sizeof value);
    else
        *(int64_t *)(void *)at = (int64_t)value;
    return 1;
}

static int take_parameter(model_defaults *m, const json *v, error *err)
{
    const char *name = json_key(v);
    const parameter *p = find(name);
    int used = 0;
    if (strcmp(name, "stop") == 0)
        used = take_stops(m, v, err) ? -1 : 1;
    else if (p)
        used = take_number(m, p, v, err);
    if (used < 0)
        return -1;
    buf *list = used ? &m->honoured : &m->left_out;
    bool first = !list->len || !strstr(list->v, "PARAMETER ");
    return buf_format(list, err, "%s%s%s", list->len ? ", " : "", first ? "PARAMETER " : "",
                      printable_text(name).text);
}

int model_defaults_parameters(model_defaults *m, const json *object, error *err)
{
    if (json_type(object) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "the parameters are no JSON object");
    for (const json *v = json_first(object); v; v = json_next(v))
        if (take_parameter(m, v, err))
            return -1;
    return 0;
}
