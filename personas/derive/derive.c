/* derive.c - opening, reading and saving: see derive.h.
 *
 * Samples are those of measure.h: tokens, and from which one on they are predicted. What counts is
 * what the router did where it predicted them, so the last token of a question does and the last of an
 * answer does not. Some samples are read at once, each in a session of its own: experts are then
 * visited once for all of them. What the model is to write (spoken.h) it writes before.
 */
#include "derive_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../engine/base/array.h"
#include "../../engine/base/atomic_file.h"
#include "contrast.h"
#include "spoken.h"

enum { TOGETHER = 8 }; /* samples read at once */

/* ---- opening ------------------------------------------------------------------------------------- */

static int check_model(const engine *e, error *err)
{
    const model_config *m = engine_config(e);
    const char *path = checkpoint_path(engine_checkpoint(e));
    if (!m->experts)
        return error_set(err, ERROR_LOAD, "%s: a dense model has no experts to prefer", path);
    if (!engine_tokenizer(e))
        return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer", path);
    for (int i = 0; i < m->layers; i++)
        if (contrast_layer(m, i))
            return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: none of its %d layers may be changed: the first tenth and the last two "
                     "are left alone",
                     path, m->layers);
}

derivation *derive_open(engine *e, error *err)
{
    if (check_model(e, err))
        return NULL;
    derivation *d = calloc(1, sizeof *d);
    if (d)
        d->engine = e;
    else
        error_memory(err, "a derivation");
    return d;
}

void derive_close(derivation *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->len; i++) {
        measure_samples_release(&d->voices[i].samples);
        spoken_release(&d->voices[i].spoken);
    }
    free(d->voices);
    tally_close(d->tally);
    free(d);
}

/* ---- what is to be read -------------------------------------------------------------------------- */

int derive_add_source(derivation *d, const char *name, int *source, error *err)
{
    voice *v = array_room(d->voices, d->len, &d->cap, sizeof *v, "a derivation", err);
    if (!v)
        return -1;
    d->voices = v;
    v[d->len] = (voice){0};
    (void)snprintf(v[d->len].name, sizeof v->name, "%s", name);
    *source = (int)d->len++;
    return 0;
}

int derive_add_lessons(derivation *d, int source, const voice_lessons *v, const voice_languages *l,
                       error *err)
{
    const voice_reading all = {.most = DERIVE_TOKENS};
    return voice_lessons_add(v, l, d->engine, &all, &d->voices[source].samples, err);
}

int derive_add_text(derivation *d, int source, const char *text, size_t len, error *err)
{
    return measure_add_text(&d->voices[source].samples, d->engine, text, len, DERIVE_TOKENS, err);
}

int derive_sources(const derivation *d)
{
    return (int)d->len;
}

const char *derive_source(const derivation *d, int source)
{
    return d->voices[source].name;
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* Samples that are read at once, and whose they are. */
typedef struct reading {
    derivation *d;
    session *sessions[TOGETHER];
    const measure_sample *samples[TOGETHER];
    int sources[TOGETHER], blocks[TOGETHER];
    int n;
    int done, total; /* tokens */
    progress_fn *progress;
    void *user;
} reading;

static void count_token(void *user, const session *s, const route_trace *t)
{
    const reading *r = user;
    int i = 0;
    while (i < r->n && r->sessions[i] != s)
        i++;
    if (i == r->n || (size_t)t->position + 1 < r->samples[i]->from ||
        (size_t)t->position + 1 >= r->samples[i]->ids.len)
        return;
    tally_add(r->d->tally, r->sources[i], r->blocks[i], t);
}

static int read_together(reading *r, error *err)
{
    step steps[TOGETHER];
    if (r->n == 0)
        return 0;
    if (r->progress)
        r->progress(r->user, r->done, r->total);
    for (int i = 0; i < r->n; i++) {
        session_rewind(r->sessions[i], 0);
        steps[i] = (step){.session = r->sessions[i],
                          .tokens = r->samples[i]->ids.v,
                          .n = (int)r->samples[i]->ids.len};
        r->done += steps[i].n;
    }
    int result = engine_advance(r->d->engine, steps, r->n, err);
    r->n = 0;
    return result;
}

static int read_one(reading *r, size_t source, const measure_sample *s, int block, error *err)
{
    r->samples[r->n] = s;
    r->sources[r->n] = (int)source;
    r->blocks[r->n++] = block;
    return r->n == TOGETHER ? read_together(r, err) : 0;
}

static int read_all(reading *r, error *err)
{
    for (size_t v = 0; v < r->d->len; v++) {
        const voice *one = &r->d->voices[v];
        for (size_t i = 0; i < one->samples.len; i++)
            if (read_one(r, v, &one->samples.v[i], tally_block(i), err))
                return -1;
        for (size_t i = 0; i < one->spoken.samples.len; i++) {
            int block = tally_spoken_block(one->spoken.of[i]);
            if (read_one(r, v, &one->spoken.samples.v[i], block, err))
                return -1;
        }
    }
    return read_together(r, err);
}

static void count_all(reading *r, const measure_samples *s, size_t *longest)
{
    for (size_t i = 0; i < s->len; i++) {
        size_t n = s->v[i].ids.len;
        *longest = n > *longest ? n : *longest;
        r->total += (int)n;
    }
}

static int open_sessions(reading *r, error *err)
{
    size_t longest = 1;
    for (size_t v = 0; v < r->d->len; v++) {
        count_all(r, &r->d->voices[v].samples, &longest);
        count_all(r, &r->d->voices[v].spoken.samples, &longest);
    }
    for (int i = 0; i < TOGETHER; i++)
        if (!(r->sessions[i] = session_open(r->d->engine, (int)longest, DTYPE_F16, err)))
            return -1;
    return 0;
}

int derive_read(derivation *d, progress_fn *progress, void *user, error *err)
{
    reading r = {.d = d, .progress = progress, .user = user};
    tally_close(d->tally);
    d->tally = tally_open(engine_config(d->engine), (int)d->len, err);
    int result = d->tally ? 0 : -1;
    for (size_t v = 0; v < d->len && !result; v++)
        result = spoken_make(&d->voices[v].spoken, d->engine, &d->voices[v].samples, err);
    if (!result)
        result = open_sessions(&r, err);
    if (!result) {
        engine_trace_outputs(d->engine, count_token, &r);
        result = read_all(&r, err);
        engine_trace(d->engine, NULL, NULL);
    }
    for (int i = 0; i < TOGETHER; i++)
        session_close(r.sessions[i]);
    return result ? -1 : 0;
}

/* ---- saving ------------------------------------------------------------------------------------ */

int derive_save(const char *path, const buf *text, error *err)
{
    atomic_file *f = atomic_file_open(path, err);
    int result = !f || atomic_file_private(f, err) ||
                         atomic_file_write(f, text->v, text->len, err) || atomic_file_commit(f, err)
                     ? error_prefix(err, "cannot write %s: ", path)
                     : 0;
    atomic_file_close(f);
    return result;
}
