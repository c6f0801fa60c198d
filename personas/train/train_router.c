/* train_router.c - where the rows of a router begin to learn: a step in closed form.
 *
 * In every layer whose rows learn (and that is no pool layer) two things are read off while the plain model
 * reads the lessons' answers ("own") and its own answers to the same questions ("other"):
 *
 *     b_e   ln of how much more often expert e is called by own than by other, as derive.h does it
 *     m     [width], the ridge regression (engine/train/ridge.h) of "is this token own?" on what the
 *           router reads
 *
 * Rows then begin as row_e + s * b_e * m: in front of what looks like the persona its experts are preferred, and
 * nothing changes elsewhere. s is the one of 0, 1/2, 1, 2 with the lowest loss on what is held out, so
 * the start is never worse than the plain model.
 *
 * All layers that have a place in GROUP_BYTES of sums are read at once. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/train/ridge.h"
#include "train_internal.h"

static const uint64_t GROUP_BYTES = 512 << 20;
static const double SHARE = 0.01, FLOOR = 0.1, LIMIT = 2;

typedef struct layer_sums {
    ridge *fit;
    double *calls[2]; /* [experts] of other, own */
    float *direction; /* [width] m */
} layer_sums;

typedef struct reading {
    trainer *t;
    int first, last; /* layers of the group */
    layer_sums *layers;
    const float *own; /* [n] of the sequence that is read: 1, or 0 */
    int from;         /* tokens of it that count begin here */
    int *done;        /* [layers of the group] rows seen of the sequence */
} reading;

static bool has_rows(const trainer *t, int layer)
{
    return t->spec.layers[layer].rows && !t->survey.pool[layer];
}

static void take_states(void *user, int layer, int n, const float *x)
{
    reading *r = user;
    if (layer < r->first || layer > r->last || !has_rows(r->t, layer))
        return;
    int at = r->done[layer - r->first];
    size_t width = (size_t)engine_config(r->t->engine)->width;
    r->done[layer - r->first] += n;
    int skip = r->from > at ? r->from - at : 0;
    if (skip < n)
        ridge_add(r->layers[layer - r->first].fit, x + (size_t)skip * width, r->own + at + skip,
                  NULL, n - skip);
}

static void take_route(void *user, const session *s, const route_trace *route)
{
    reading *r = user;
    (void)s;
    if (route->layer < r->first || route->layer > r->last || route->position < r->from)
        return;
    double *calls = r->layers[route->layer - r->first].calls[r->own[route->position] > 0];
    for (int i = 0; calls && i < route->slots; i++)
        if (route->ids[i] >= 0 && route->ids[i] < r->t->survey.experts)
            calls[route->ids[i]] += 1;
}

static int read_one(reading *r, const int *ids, int n, int from, bool own, error *err)
{
    float *flags = malloc((size_t)n * sizeof *flags);
    session *s = session_open(r->t->engine, n, DTYPE_F16, err);
    int result = s && flags ? 0 : -1;
    if (!flags)
        result = error_memory(err, "the start of the routers");
    for (int i = 0; i < n && !result; i++)
        flags[i] = own ? 1 : 0;
    r->own = flags;
    r->from = from;
    memset(r->done, 0, (size_t)(r->last - r->first + 1) * sizeof *r->done);
    step go = {s, ids, n, LOGITS_NONE, NULL};
    if (!result)
        result = engine_advance(r->t->engine, &go, 1, err);
    session_close(s);
    free(flags);
    return result;
}

/* The lessons' answers, and the plain model's. */
static int read_sides(reading *r, error *err)
{
    trainer *t = r->t;
    int result = 0, n, from;
    const int *ids;
    engine_watch_states(t->engine, take_states, r);
    engine_trace(t->engine, take_route, r);
    for (size_t i = 0; i < t->samples.len && !result; i++) {
        const sample *s = &t->samples.v[i];
        if (s->kind == SAMPLE_LESSON && !s->held_out)
            result = read_one(r, s->ids, s->n - 1, s->answer, true, err);
    }
    for (int i = 0; !result && (ids = probe_control(t->probe, i, &n, &from)) != NULL; i++)
        if (n > from)
            result = read_one(r, ids, n, from, false, err);
    engine_watch_states(t->engine, NULL, NULL);
    engine_trace(t->engine, NULL, NULL);
    return result;
}

/* b_e of a layer: the clipped log ratio of shares, a tenth of a fair share added to both. */
static double lean(const layer_sums *l, int experts, int e)
{
    double sum[2] = {0, 0}, p[2];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < experts; i++)
            sum[k] += l->calls[k][i];
        p[k] = (sum[k] > 0 ? l->calls[k][e] / sum[k] : 0) + FLOOR / experts;
    }
    return fmax(-LIMIT, fmin(LIMIT, log(p[1] / p[0])));
}

/* ---- opening ----------------------------------------------------------------------------------- */

static void close_layers(layer_sums *layers, int n)
{
    for (int i = 0; layers && i < n; i++) {
        ridge_close(layers[i].fit);
        free(layers[i].calls[0]);
        free(layers[i].calls[1]);
        free(layers[i].direction);
    }
    free(layers);
}

static layer_sums *open_layers(const trainer *t, error *err)
{
    const model_config *m = engine_config(t->engine);
    int n = t->options.last - t->options.first + 1;
    layer_sums *layers = calloc((size_t)n, sizeof *layers);
    bool whole = layers != NULL;
    for (int i = 0; i < n && whole; i++) {
        if (!has_rows(t, t->options.first + i))
            continue;
        for (int k = 0; k < 2; k++)
            layers[i].calls[k] = calloc((size_t)m->experts, sizeof(double));
        layers[i].direction = calloc((size_t)m->width, sizeof(float));
        whole = layers[i].calls[0] && layers[i].calls[1] && layers[i].direction;
    }
    if (whole)
        return layers;
    close_layers(layers, n);
    (void)error_memory(err, "the start of the routers");
    return NULL;
}

/* Reads for layers first..last, and solves. */
static int fit_group(trainer *t, layer_sums *layers, int first, int last, error *err)
{
    int n = last - first + 1, width = engine_config(t->engine)->width, result = 0;
    reading r = {t, first, last, layers, NULL, 0, calloc((size_t)n, sizeof(int))};
    if (!r.done)
        result = error_memory(err, "the start of the routers");
    for (int i = 0; i < n && !result; i++)
        if (has_rows(t, first + i) && !(layers[i].fit = ridge_open(width, 1, err)))
            result = -1;
    if (!result)
        result = read_sides(&r, err);
    for (int i = 0; i < n; i++) {
        if (layers[i].fit && !result)
            result = ridge_solve(layers[i].fit, SHARE, layers[i].direction, err);
        ridge_close(layers[i].fit);
        layers[i].fit = NULL;
    }
    free(r.done);
    return result;
}

static int fit_all(trainer *t, layer_sums *layers, error *err)
{
    const train_options *o = &t->options;
    uint64_t each = ridge_bytes(engine_config(t->engine)->width, 1);
    int room = GROUP_BYTES / each > 0 ? (int)(GROUP_BYTES / each) : 1;
    for (int first = o->first; first <= o->last; first += room) {
        int last = first + room - 1 < o->last ? first + room - 1 : o->last;
        if (fit_group(t, layers + (first - o->first), first, last, err))
            return -1;
    }
    return 0;
}

/* ---- choosing ---------------------------------------------------------------------------------- */

/* Adds scale * b_e * m to the rows. */
static void move_rows(trainer *t, const layer_sums *layers, double scale)
{
    int experts = t->survey.experts;
    for (int l = t->options.first; l <= t->options.last; l++) {
        const layer_trainable *lt = &t->learned->layers[l - t->learned->first];
        const layer_sums *s = &layers[l - t->options.first];
        if (!has_rows(t, l) || !s->calls[0] || !s->calls[1] || !s->direction)
            continue;
        for (int e = 0; e < experts; e++) {
            const parameter *row = &lt->of[e].row;
            double b = lean(s, experts, e) * scale;
            for (size_t i = 0; row->value && i < row->cols; i++)
                row->value[i] = (float)((double)row->value[i] + b * (double)s->direction[i]);
        }
    }
}

int train_router_start(trainer *t, double *scale, error *err)
{
    static const double scales[] = {0, 0.5, 1, 2};
    double best = INFINITY, loss;
    size_t bytes = t->learned->count * sizeof(float);
    layer_sums *layers = open_layers(t, err);
    float *start = malloc(bytes);
    int result = layers && start ? fit_all(t, layers, err) : error_memory(err, "the routers");
    if (start)
        memcpy(start, t->learned->values, bytes);
    *scale = 0;
    for (size_t i = 0; i < sizeof scales / sizeof *scales && !result; i++) {
        memcpy(t->learned->values, start, bytes);
        move_rows(t, layers, scales[i]);
        result = train_held_out_loss(t, t->routing.v, &loss, err);
        if (!result && loss < best) {
            best = loss;
            *scale = scales[i];
        }
    }
    if (start)
        memcpy(t->learned->values, start, bytes);
    if (!result)
        move_rows(t, layers, *scale);
    free(start);
    close_layers(layers, t->options.last - t->options.first + 1);
    return result;
}
