/* route_log.c - see route_log.h. */
#include "route_log.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"

void route_log_open(route_log *log, engine *e)
{
    *log = (route_log){.engine = e, .model = engine_config(e), .experts = engine_max_experts(e)};
}

static void release_track(route_track *t)
{
    free(t->name);
    free(t->text);
    free(t->color);
    tokens_release(&t->ids);
    free(t->experts);
    free(t->gates);
    free(t->wanted);
    free(t->shares);
    free(t->margin);
    free(t->entropy);
    free(t->banned);
}

void route_log_release(route_log *log)
{
    for (size_t i = 0; i < log->len; i++)
        release_track(&log->v[i]);
    free(log->v);
    *log = (route_log){0};
}

int route_log_begin(route_log *log, const char *name, const char *text, const char *color,
                    const router_program *program, error *err)
{
    route_track *room =
        array_room(log->v, log->len, &log->cap, sizeof *room, "the routes of a pass", err);
    if (!room)
        return -1;
    log->v = room;
    int slots = log->model->experts_per_token;
    if (program && router_program_slots(program) > slots)
        slots = router_program_slots(program);
    route_track t = {.slots = slots > 0 ? slots : 1,
                     .name = strdup(name),
                     .text = strdup(text),
                     .color = color ? strdup(color) : NULL};
    log->v[log->len++] = t;
    if (!t.name || !t.text || (color && !t.color))
        return error_memory(err, "the routes of a pass");
    return (int)log->len - 1;
}

/* ---- recording --------------------------------------------------------------------------------- */

static bool widen(void *array, size_t cells)
{
    void **at = array, *v = realloc(*at, cells * 4);
    if (v)
        *at = v;
    return v != NULL;
}

/* Room for a token more, none of its layers routed. */
static bool make_room(route_log *log, route_track *t)
{
    size_t layers = (size_t)log->model->layers, slots = (size_t)t->slots;
    if (t->len == t->cap) {
        size_t cap = t->cap ? 2 * (size_t)t->cap : 64;
        if (!widen(&t->experts, cap * layers * slots) || !widen(&t->gates, cap * layers * slots) ||
            !widen(&t->wanted, cap * layers * slots) || !widen(&t->shares, cap * layers * slots) ||
            !widen(&t->margin, cap * layers) || !widen(&t->entropy, cap * layers) ||
            !widen(&t->banned, cap * layers))
            return false;
        t->cap = (int)cap;
    }
    size_t at = (size_t)t->len * layers;
    memset(t->experts + at * slots, 0xff, layers * slots * sizeof *t->experts); /* -1 */
    memset(t->wanted + at * slots, 0xff, layers * slots * sizeof *t->wanted);
    memset(t->gates + at * slots, 0, layers * slots * sizeof *t->gates);
    memset(t->shares + at * slots, 0, layers * slots * sizeof *t->shares);
    memset(t->margin + at, 0, layers * sizeof *t->margin);
    memset(t->entropy + at, 0, layers * sizeof *t->entropy);
    memset(t->banned + at, 0, layers * sizeof *t->banned);
    t->len++;
    return true;
}

static void fail(route_log *log, error_code code, const char *what)
{
    if (!log->failed)
        (void)error_set(&log->why, code, "the trace is not whole: %s", what);
    log->failed = true;
}

void route_log_add(route_log *log, int track, const route_trace *r)
{
    route_track *t = &log->v[track];
    if (log->failed)
        return;
    while (t->len <= r->position)
        if (!make_room(log, t)) {
            fail(log, ERROR_RUN, "there is not enough memory");
            return;
        }
    size_t at = (size_t)r->position * (size_t)log->model->layers + (size_t)r->layer;
    size_t slots = (size_t)(r->slots < t->slots ? r->slots : t->slots),
           cell = at * (size_t)t->slots;
    memcpy(t->experts + cell, r->seen, slots * sizeof *t->experts);
    memcpy(t->gates + cell, r->gates, slots * sizeof *t->gates);
    if (r->wanted) {
        memcpy(t->wanted + cell, r->wanted, slots * sizeof *t->wanted);
        memcpy(t->shares + cell, r->shares, slots * sizeof *t->shares);
    }
    t->margin[at] = r->margin;
    t->entropy[at] = r->entropy;
    t->banned[at] = r->banned;
}

int route_log_end(route_log *log, int track, const int *prompt, size_t prompt_len,
                  const int *answer, size_t answer_len, error *err)
{
    route_track *t = &log->v[track];
    if (log->failed) {
        *err = log->why;
        return -1;
    }
    t->prompt = (int)prompt_len;
    t->ids.len = 0;
    if (tokens_append(&t->ids, prompt, prompt_len, err) ||
        tokens_append(&t->ids, answer, answer_len, err))
        return -1;
    if ((size_t)t->len > t->ids.len) /* a token that was read and then taken back */
        t->len = (int)t->ids.len;
    return 0;
}

/* ---- looking ----------------------------------------------------------------------------------- */

route_cell route_track_cell(const route_log *log, const route_track *t, int token, int layer)
{
    size_t at = (size_t)token * (size_t)log->model->layers + (size_t)layer;
    size_t cell = at * (size_t)t->slots;
    return (route_cell){t->experts + cell, t->wanted + cell, t->gates + cell, t->shares + cell,
                        t->margin[at],     t->entropy[at],   t->banned[at]};
}

static bool has(const int32_t *ids, int slots, int32_t id)
{
    for (int i = 0; i < slots; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static int missing(const int32_t *of, const int32_t *from, int slots, int *ranks)
{
    int n = 0;
    for (int i = 0; i < slots; i++)
        if (of[i] >= 0 && !has(from, slots, of[i]))
            ranks[n++] = i;
    return n;
}

int route_cell_denied(const route_cell *c, int slots, int *ranks)
{
    return missing(c->wanted, c->experts, slots, ranks);
}

int route_cell_stood_in(const route_cell *c, int slots, int *ranks)
{
    return missing(c->experts, c->wanted, slots, ranks);
}

void route_track_shares(const route_log *log, const route_track *t, int from, int to, float *out)
{
    size_t layers = (size_t)log->model->layers, experts = (size_t)log->experts;
    memset(out, 0, layers * experts * sizeof *out);
    float each = to > from ? 1.0f / (float)(to - from) : 0;
    for (int token = from; token < to; token++)
        for (size_t l = 0; l < layers; l++) {
            route_cell c = route_track_cell(log, t, token, (int)l);
            for (int s = 0; s < t->slots; s++)
                if (c.experts[s] >= 0)
                    out[l * experts + (size_t)c.experts[s]] += each;
        }
}

static void add_cell(const route_track *t, const route_cell *c, int *ranks, double *wanted,
                     route_figures *out)
{
    out->entropy += (double)c->entropy;
    out->banned += (double)c->banned;
    out->denied += route_cell_denied(c, t->slots, ranks);
    for (int s = 0; s < t->slots; s++)
        *wanted += c->wanted[s] >= 0;
}

int route_track_figures(const route_log *log, const route_track *t, route_figures *out, error *err)
{
    *out = (route_figures){.tokens = t->len};
    size_t cells = (size_t)log->model->layers * (size_t)(log->experts ? log->experts : 1);
    float *shares = calloc(cells, sizeof *shares);
    int *ranks = calloc((size_t)t->slots, sizeof *ranks);
    double wanted = 0;
    if (!shares || !ranks) {
        free(shares);
        free(ranks);
        return error_memory(err, "the figures of a trace");
    }
    route_track_shares(log, t, 0, t->len, shares);
    for (size_t i = 0; i < cells; i++)
        out->distinct += shares[i] > 0;
    for (int l = 0; l < log->model->layers; l++) {
        out->layers += log->model->moe_layer[l];
        for (int token = 0; token < t->len && log->model->moe_layer[l]; token++) {
            route_cell c = route_track_cell(log, t, token, l);
            add_cell(t, &c, ranks, &wanted, out);
        }
    }
    double n = (double)out->tokens * out->layers;
    out->entropy = n > 0 ? out->entropy / n : 0;
    out->banned = n > 0 ? out->banned / n : 0;
    out->denied = wanted > 0 ? out->denied / wanted : 0;
    out->distinct = out->layers ? out->distinct / out->layers : 0;
    free(shares);
    free(ranks);
    return 0;
}
