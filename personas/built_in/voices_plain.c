/* voices_plain.c - see voices_plain.h. */
#include "voices_plain.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/mapped_file.h"

enum { CONTEXT = 4096 };
static const float FIRST_WEIGHT = 30; /* of a text's first token */

typedef struct reading {
    voices_plain *out;
    int room;
    int layer, batch, at; /* what is told now: its layer, its rows, and where they begin */
} reading;

void voices_plain_release(voices_plain *v)
{
    for (int l = 0; l < VOICES_LAYERS; l++)
        free(v->x[l]);
    free(v->weight);
    *v = (voices_plain){0};
}

int voices_lessons(measure_samples *s, const engine *e, int i, size_t count, error *err)
{
    persona *p;
    lessons all = {0};
    int result = voices_persona(i, &p, &all, err);
    size_t read = 0;
    for (size_t k = 0; k < all.len && read < count && !result; k++) {
        const lesson *l = &all.v[k];
        const measure_answer one = {NULL, l->before, l->before_count, l->question, l->answer};
        if (l->held_out)
            continue;
        result = measure_add_answer(s, e, &one, 0, err);
        read++;
    }
    lessons_release(&all);
    persona_close(p);
    return result;
}

static int add_neutral(measure_samples *s, const engine *e, const char *path, error *err)
{
    static const char between[] = "\n--------\n";
    mapped_file m = {0};
    if (mapped_file_open(&m, path, err))
        return -1;
    const char *at = (const char *)m.data, *end = at + m.size;
    int result = 0;
    while (at < end && !result) {
        const char *stop = memmem(at, (size_t)(end - at), between, sizeof between - 1);
        size_t len = (size_t)((stop ? stop : end) - at);
        result = measure_add_text(s, e, at, len, 0, err);
        at += len + (stop ? sizeof between - 1 : 0);
    }
    mapped_file_close(&m);
    return result;
}

/* Layers come in ascending order, batch by batch. */
static void keep(void *user, int layer, int n, const float *x)
{
    reading *r = user;
    if (layer <= r->layer)
        r->at += r->batch;
    r->layer = layer;
    r->batch = n;
    memcpy(r->out->x[layer - VOICES_FIRST] + (size_t)(r->out->n + r->at) * VOICES_WIDTH, x,
           (size_t)n * VOICES_WIDTH * sizeof *x);
}

static int open_room(reading *r, const measure_samples *s, error *err)
{
    for (size_t i = 0; i < s->len; i++)
        r->room += (int)s->v[i].ids.len;
    size_t room = (size_t)r->room;
    r->out->weight = malloc(room * sizeof(float));
    bool good = r->out->weight != NULL;
    for (int l = 0; l < VOICES_LAYERS && good; l++) {
        r->out->x[l] = malloc(room * VOICES_WIDTH * sizeof(float));
        good = r->out->x[l] != NULL;
    }
    return good ? 0 : error_memory(err, "the plain model's states");
}

static int read_one(reading *r, engine *e, session *sequence, const measure_sample *s, error *err)
{
    int n = (int)s->ids.len;
    step go = {sequence, s->ids.v, n, LOGITS_NONE, NULL};
    r->layer = -1;
    r->batch = r->at = 0;
    session_rewind(sequence, 0);
    if (engine_advance(e, &go, 1, err))
        return -1;
    for (int i = 0; i < n; i++)
        r->out->weight[r->out->n + i] = i ? 1 : FIRST_WEIGHT;
    r->out->n += n;
    return 0;
}

int voices_plain_read(voices_plain *out, engine *e, const char *neutral, size_t count,
                      voices_listener *listener, void *user, error *err)
{
    *out = (voices_plain){0};
    reading r = {.out = out};
    measure_samples s = {0};
    session *sequence = NULL;
    int result = add_neutral(&s, e, neutral, err);
    for (int p = 0; p < VOICES && !result; p++)
        result = voices_lessons(&s, e, p, count, err);
    if (!result)
        result = open_room(&r, &s, err);
    if (!result)
        result = (sequence = session_open(e, CONTEXT, DTYPE_F32, err)) ? 0 : -1;
    engine_watch_states(e, keep, &r);
    for (size_t i = 0; i < s.len && !result; i++) {
        result = read_one(&r, e, sequence, &s.v[i], err);
        if (listener && !result)
            listener(user, out->n, r.room);
    }
    engine_watch_states(e, NULL, NULL);
    session_close(sequence);
    measure_samples_release(&s);
    return result;
}
