/* survey.c - see survey.h. */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json_writer.h"

enum { ROUNDS = 4 };

/* While one round reads. */
typedef struct reading {
    survey *out;
    double *calls; /* [layers, experts] */
    bool *some;    /* [layers, experts] something came out */
} reading;

void survey_release(survey *v)
{
    free(v->pool);
    free(v->empty);
    free(v->calls);
    *v = (survey){0};
}

static void count(void *user, const session *s, const route_trace *t)
{
    reading *r = user;
    (void)s;
    for (int i = 0; i < t->slots; i++) {
        if (t->ids[i] < 0 || t->ids[i] >= r->out->experts)
            continue;
        size_t at = (size_t)t->layer * (size_t)r->out->experts + (size_t)t->ids[i];
        r->calls[at] += 1;
        if (t->norms[i] > 0)
            r->some[at] = true;
    }
}

static int read_samples(engine *e, const samples *s, const router_program *program,
                        progress_fn *progress, void *user, error *err)
{
    int longest, done = 0;
    (void)samples_tokens(s, &longest);
    session *sequence = session_open(e, longest, DTYPE_F16, err);
    if (!sequence)
        return -1;
    int result = session_set_program(sequence, program, err);
    for (size_t i = 0; i < s->len && done < SURVEY_TOKENS && !result; i++) {
        const sample *v = &s->v[i];
        if (v->held_out || (v->kind != SAMPLE_LESSON && v->kind != SAMPLE_TEXT))
            continue;
        if (progress)
            progress(user, done, SURVEY_TOKENS);
        session_rewind(sequence, 0);
        step go = {sequence, v->ids, v->n, LOGITS_NONE, NULL};
        result = engine_advance(e, &go, 1, err);
        done += v->n;
    }
    session_close(sequence);
    return result;
}

/* A program that bans what is known to be empty, in pool layers. */
static router_program *without_empty(const survey *v, engine *e, error *err)
{
    buf text = {0};
    json_writer j = {.out = &text, .err = err};
    json_begin_object(&j, NULL);
    json_put_int(&j, "mask", 1);
    json_put_null(&j, "model");
    json_put_text(&j, "mode", "ban");
    json_begin_object(&j, "layers");
    for (int l = 0; l < v->layers; l++) {
        buf list = {0};
        char key[16];
        for (int i = 0; i < v->experts && v->pool[l]; i++)
            if (v->empty[(size_t)l * (size_t)v->experts + (size_t)i] &&
                buf_format(&list, err, "%s%d", list.len ? "," : "", i))
                j.failed = true;
        (void)snprintf(key, sizeof key, "%d", l);
        if (list.len)
            json_put_text(&j, key, list.v);
        buf_release(&list);
    }
    json_end(&j);
    json_end(&j);
    mask *m = json_writer_finish(&j) ? NULL : mask_read("empty experts", text.v, text.len, err);
    router_settings settings = router_settings_plain();
    const mask *masks[] = {m};
    settings.masks = masks;
    settings.mask_count = 1;
    router_program *p = m ? router_program_compile(engine_config(e), NULL, &settings, err) : NULL;
    mask_close(m);
    buf_release(&text);
    return p;
}

/* Takes over what a round counted. True when a pool layer has met nothing but empty experts and has others
 * left. */
static bool take(reading *r, const model_config *m, bool first)
{
    survey *v = r->out;
    bool again = false;
    for (int l = 0; l < v->layers; l++) {
        size_t row = (size_t)l * (size_t)v->experts;
        bool some = false;
        int empty = 0;
        for (size_t i = row; i < row + (size_t)v->experts; i++) {
            some |= r->some[i];
            if (r->calls[i] > 0 && !r->some[i])
                v->empty[i] = 1;
            empty += v->empty[i];
        }
        if (first)
            v->pool[l] = m->moe_layer[l] && !some;
        if (first || (v->pool[l] && some))
            for (size_t i = row; i < row + (size_t)v->experts; i++)
                v->calls[i] = v->empty[i] ? 0 : r->calls[i];
        again |= v->pool[l] && !some && v->experts - empty >= m->experts_per_token;
    }
    return again;
}

int survey_read(survey *out, engine *e, const samples *s, progress_fn *progress, void *user,
                error *err)
{
    const model_config *m = engine_config(e);
    size_t n = (size_t)m->layers * (size_t)m->experts;
    *out = (survey){m->layers, m->experts, calloc((size_t)m->layers, 1), calloc(n, 1),
                    calloc(n, sizeof(double))};
    reading r = {out, calloc(n, sizeof(double)), calloc(n, sizeof(bool))};
    int result = out->pool && out->empty && out->calls && r.calls && r.some
                     ? 0
                     : error_memory(err, "the survey of experts");
    bool again = true;
    for (int round = 0; round < ROUNDS && again && !result; round++) {
        router_program *p = round ? without_empty(out, e, err) : NULL;
        memset(r.calls, 0, n * sizeof *r.calls);
        memset(r.some, 0, n * sizeof *r.some);
        engine_trace_outputs(e, count, &r);
        result = round && !p ? -1 : read_samples(e, s, p, progress, user, err);
        engine_trace(e, NULL, NULL);
        router_program_close(p);
        again = !result && take(&r, m, round == 0);
    }
    free(r.calls);
    free(r.some);
    return result;
}

int survey_most_called(const survey *v, int layer, int n, int *out)
{
    const double *calls = v->calls + (size_t)layer * (size_t)v->experts;
    int found = 0;
    for (int i = 0; i < v->experts; i++) {
        int before = 0; /* that are called more, or as much and come first */
        for (int k = 0; k < v->experts; k++)
            before += calls[k] > calls[i] || (calls[k] == calls[i] && k < i);
        if (calls[i] > 0 && before < n)
            out[found++] = i;
    }
    return found;
}

int survey_empty(const survey *v, int layer, int n, int *out)
{
    int found = 0;
    for (int i = 0; i < v->experts && found < n; i++)
        if (v->empty[(size_t)layer * (size_t)v->experts + (size_t)i])
            out[found++] = i;
    return found;
}
