/* live_routes.c - see live_routes.h. */
#include "live_routes.h"

#include <stdlib.h>
#include <string.h>

static const float KEPT = 0.75F; /* of what earlier tokens called */

/* The calls of one column: [rows, experts] each. */
typedef struct calls {
    float *shown; /* what the picture shows */
    float *total; /* tokens that called the expert */
    int *tokens;  /* [rows] */
} calls;

struct live_routes {
    council *council; /* NULL once it is not watched */
    council_events events;
    const int *column_of;
    int count, rows, experts;
    int *row_of; /* [layers] -1 = without experts */
    calls *of;   /* [count] */
    view_picture *pictures;
};

/* A token of a pass in one layer. Layers come one after another, so each fades by itself. */
static void on_routing(void *user, int pass, const route_trace *t)
{
    const live_routes *r = user;
    int column = pass < 0 ? -1 : r->column_of[pass], row = r->row_of[t->layer];
    if (column < 0 || row < 0)
        return;
    calls *c = &r->of[column];
    float *shown = c->shown + (size_t)row * (size_t)r->experts;
    float *total = c->total + (size_t)row * (size_t)r->experts;
    for (int e = 0; e < r->experts; e++)
        shown[e] *= KEPT;
    for (int s = 0; s < t->slots; s++) {
        int e = t->seen[s];
        if (e < 0 || e >= r->experts)
            continue;
        shown[e] += 1 - KEPT;
        total[e] += 1;
    }
    c->tokens[row]++;
}

void live_routes_settle(live_routes *r, int column)
{
    const calls *c = &r->of[column];
    for (int row = 0; row < r->rows; row++)
        for (int e = 0; e < r->experts; e++) {
            size_t at = (size_t)row * (size_t)r->experts + (size_t)e;
            c->shown[at] = c->tokens[row] ? c->total[at] / (float)c->tokens[row] : 0;
        }
}

const view_picture *live_routes_pictures(const live_routes *r)
{
    return r->pictures;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static int number_layers(live_routes *r, const model_config *m, buf *caption, error *err)
{
    int first = -1, last = 0;
    r->row_of = calloc((size_t)m->layers + 1, sizeof *r->row_of);
    if (!r->row_of)
        return error_memory(err, "the routes");
    for (int l = 0; l < m->layers; l++) {
        r->row_of[l] = m->moe_layer[l] ? r->rows++ : -1;
        if (m->moe_layer[l]) {
            first = first < 0 ? l : first;
            last = l;
        }
    }
    return buf_format(caption, err, "layers %d-%d, experts 0-%d", first, last, r->experts - 1);
}

static int open_column(live_routes *r, int i, const char *color, const buf *caption, error *err)
{
    size_t cells = (size_t)r->rows * (size_t)r->experts + 1;
    calls *c = &r->of[i];
    view_picture *p = &r->pictures[i];
    *c = (calls){.shown = calloc(cells, sizeof *c->shown),
                 .total = calloc(cells, sizeof *c->total),
                 .tokens = calloc((size_t)r->rows + 1, sizeof *c->tokens)};
    if (!c->shown || !c->total || !c->tokens)
        return error_memory(err, "the routes");
    p->map = (heatmap){.v = c->shown, .rows = r->rows, .columns = r->experts, .most = 1};
    heatmap_color(color, p->map.color);
    return buf_add(&p->caption, caption->v, caption->len, err);
}

static int open_columns(live_routes *r, const dialogue *d, error *err)
{
    const roster *seats = dialogue_roster(d);
    buf caption = {0};
    r->of = calloc((size_t)r->count + 1, sizeof *r->of);
    r->pictures = calloc((size_t)r->count + 1, sizeof *r->pictures);
    int result = r->of && r->pictures ? 0 : error_memory(err, "the routes");
    if (!result)
        result = number_layers(r, engine_config(dialogue_engine(d)), &caption, err);
    for (int i = 0; i < roster_seats(seats) && !result; i++)
        if (r->column_of[i] >= 0)
            result = open_column(r, r->column_of[i], roster_seat(seats, i)->color, &caption, err);
    buf_release(&caption);
    return result;
}

live_routes *live_routes_open(dialogue *d, const int *column_of, int count, error *err)
{
    live_routes *r = calloc(1, sizeof *r);
    if (!r) {
        (void)error_memory(err, "the routes");
        return NULL;
    }
    *r = (live_routes){.column_of = column_of,
                       .count = count,
                       .experts = engine_max_experts(dialogue_engine(d)),
                       .events = {.user = r, .routing = on_routing}};
    if (open_columns(r, d, err) || council_subscribe(dialogue_council(d), &r->events, err)) {
        live_routes_close(r);
        return NULL;
    }
    r->council = dialogue_council(d);
    return r;
}

void live_routes_stop(live_routes *r)
{
    if (r && r->council)
        council_unsubscribe(r->council, &r->events);
    if (r)
        r->council = NULL;
}

void live_routes_close(live_routes *r)
{
    if (!r)
        return;
    live_routes_stop(r);
    for (int i = 0; r->of && i < r->count; i++) {
        free(r->of[i].shown);
        free(r->of[i].total);
        free(r->of[i].tokens);
    }
    for (int i = 0; r->pictures && i < r->count; i++)
        buf_release(&r->pictures[i].caption);
    free(r->of);
    free(r->pictures);
    free(r->row_of);
    free(r);
}
