/* trace_output.c - see trace_output.h. */
#include "trace_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/formats/event_file.h"
#include "trace_page.h"

int trace_format_of(const char *path, trace_format *out, error *err)
{
    static const char *const endings[] = {[TRACE_JSONL] = ".jsonl",
                                          [TRACE_NPZ] = ".npz",
                                          [TRACE_ARRAY] = ".json",
                                          [TRACE_PAGE] = ".html"};
    size_t n = strlen(path);
    for (int i = 0; i < (int)(sizeof endings / sizeof *endings); i++) {
        size_t m = strlen(endings[i]);
        *out = (trace_format)i;
        if (n > m && strcmp(path + n - m, endings[i]) == 0)
            return 0;
    }
    return error_set(err, ERROR_USAGE,
                     "%.200s does not end with .html, .npz, .jsonl or .json, which says what is "
                     "written",
                     path);
}

int trace_put(const route_log *log, const trace_heading *h, trace_format format, buf *out,
              error *err)
{
    switch (format) {
    case TRACE_NPZ:
        return trace_put_npz(log, out, err);
    case TRACE_ARRAY:
        return trace_put_array(log, h, out, err);
    case TRACE_PAGE:
        return trace_put_page(log, h, out, err);
    case TRACE_JSONL:
        break;
    }
    return trace_put_jsonl(log, h, out, err);
}

/* ---- TensorBoard ------------------------------------------------------------------------------- */

typedef struct sums {
    double entropy, margin, banned, denied, wanted;
    int layers, margins;
    size_t distinct;
} sums;

static void add_cell(const route_cell *c, int slots, int *ranks, uint8_t *seen, sums *s)
{
    s->layers++;
    s->entropy += (double)c->entropy;
    s->banned += (double)c->banned;
    s->denied += route_cell_denied(c, slots, ranks);
    if (isfinite(c->margin)) {
        s->margin += (double)c->margin;
        s->margins++;
    }
    for (int i = 0; i < slots; i++) {
        s->wanted += c->wanted[i] >= 0;
        if (c->experts[i] < 0)
            continue;
        s->distinct += !seen[c->experts[i]];
        seen[c->experts[i]] = 1;
    }
}

static int put_step(const route_log *log, const route_track *t, int token, int *ranks,
                    uint8_t *seen, sums *s, double wall_time, buf *out, error *err)
{
    *s = (sums){.distinct = s->distinct};
    for (int l = 0; l < log->model->layers; l++) {
        route_cell c = route_track_cell(log, t, token, l);
        if (log->model->moe_layer[l])
            add_cell(&c, t->slots, ranks, seen + (size_t)l * (size_t)log->experts, s);
    }
    double layers = s->layers ? s->layers : 1;
    const event_value values[] = {
        {"routing/entropy", (float)(s->entropy / layers)},
        {"routing/margin", s->margins ? (float)(s->margin / s->margins) : 0},
        {"routing/banned_mass", (float)(s->banned / layers)},
        {"routing/denied", s->wanted > 0 ? (float)(s->denied / s->wanted) : 0},
        {"routing/experts_so_far", (float)((double)s->distinct / layers)}};
    return event_file_step(out, wall_time, token, values, sizeof values / sizeof *values, err);
}

int trace_put_events(const route_log *log, size_t track, double wall_time, buf *out, error *err)
{
    const route_track *t = &log->v[track];
    uint8_t *seen =
        calloc((size_t)log->model->layers * (size_t)(log->experts ? log->experts : 1), 1);
    int *ranks = calloc((size_t)t->slots, sizeof *ranks);
    sums s = {0};
    int result =
        seen && ranks ? event_file_begin(out, wall_time, err) : error_memory(err, "an event file");
    for (int token = 0; token < t->len && !result; token++)
        result = put_step(log, t, token, ranks, seen, &s, wall_time, out, err);
    free(seen);
    free(ranks);
    return result;
}
