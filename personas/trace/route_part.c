/* route_part.c - see route_part.h. */
#include "route_part.h"

static double distance(const int32_t *a, int a_slots, const int32_t *b, int b_slots)
{
    int both = 0, any = 0;
    for (int i = 0; i < a_slots; i++) {
        bool in = false;
        for (int k = 0; k < b_slots; k++)
            in = in || a[i] == b[k];
        both += a[i] >= 0 && in;
        any += a[i] >= 0;
    }
    for (int k = 0; k < b_slots; k++)
        any += b[k] >= 0;
    any -= both;
    return any ? 1 - (double)both / any : 0;
}

static bool routed(const route_part *p)
{
    return p->at[0] >= 0 && p->at[1] >= 0;
}

double route_part_called(const route_log *log, const route_track *a, const route_track *b,
                         const route_part *p, int layer)
{
    if (!routed(p))
        return 0;
    route_cell x = route_track_cell(log, a, p->at[0], layer);
    route_cell y = route_track_cell(log, b, p->at[1], layer);
    return distance(x.experts, a->slots, y.experts, b->slots);
}

double route_part_wanted(const route_log *log, const route_track *a, const route_track *b,
                         const route_part *p, int layer)
{
    if (!routed(p))
        return 0;
    route_cell x = route_track_cell(log, a, p->at[0], layer);
    route_cell y = route_track_cell(log, b, p->at[1], layer);
    return distance(x.wanted, a->slots, y.wanted, b->slots);
}

static int answer_len(const route_track *t)
{
    return (int)t->ids.len - t->prompt;
}

bool route_part_find(const route_log *log, const route_track *a, const route_track *b,
                     route_part *out)
{
    const route_track *of[2] = {a, b};
    int n = answer_len(a) < answer_len(b) ? answer_len(a) : answer_len(b), layers = 0;
    *out = (route_part){0};
    if (n < 1)
        return false;
    while (out->shared < n &&
           a->ids.v[a->prompt + out->shared] == b->ids.v[b->prompt + out->shared])
        out->shared++;
    if (out->shared == answer_len(a) && out->shared == answer_len(b))
        return false;
    for (int i = 0; i < 2; i++) {
        int at = of[i]->prompt + out->shared - 1;
        out->at[i] = at >= 0 && at < of[i]->len ? at : -1;
        out->next[i] = out->shared < answer_len(of[i]) ? of[i]->ids.v[at + 1] : -1;
    }
    for (int l = 0; l < log->model->layers; l++) {
        layers += log->model->moe_layer[l];
        out->called += route_part_called(log, a, b, out, l);
        out->wanted += route_part_wanted(log, a, b, out, l);
    }
    out->called = layers ? out->called / layers : 0;
    out->wanted = layers ? out->wanted / layers : 0;
    return true;
}
