/* mask_view.c - see mask_view.h. */
#include "mask_view.h"

#include <math.h>
#include <stdlib.h>

static const layer_routing *rule_of(const router_program *p, int layer)
{
    return p ? &router_program_routing(p)[layer] : NULL;
}

static bool may_call(const layer_routing *r, int expert)
{
    return !r || !r->allowed || r->allowed[expert];
}

static float bias_of(const layer_routing *r, int expert)
{
    return r && r->bias ? r->bias[expert] : 0;
}

static int routed_layers(const model_config *m)
{
    int n = 0;
    for (int i = 0; i < m->layers && m->experts; i++)
        n += m->moe_layer[i] != 0;
    return n;
}

/* ---- one --------------------------------------------------------------------------------------- */

static mask_view_layer describe_layer(const layer_routing *r, const model_config *m, int layer)
{
    mask_view_layer v = {.layer = layer,
                         .k = r ? r->k : m->experts_per_token,
                         .adapter_count = r ? r->adapter_count : 0,
                         .least_bias = INFINITY,
                         .most_bias = -INFINITY,
                         .may = r ? r->allowed : NULL,
                         .bias = r ? r->bias : NULL};
    for (int e = 0; e < m->experts; e++) {
        float bias = bias_of(r, e);
        if (!may_call(r, e))
            continue;
        v.allowed++;
        v.biased += bias != 0;
        v.least_bias = bias < v.least_bias ? bias : v.least_bias;
        v.most_bias = bias > v.most_bias ? bias : v.most_bias;
    }
    return v;
}

int mask_view_describe(const router_program *p, const model_config *m, mask_view *out, error *err)
{
    int n = routed_layers(m);
    *out = (mask_view){.experts = m->experts,
                       .strength = 1,
                       .share = 1,
                       .rules = p && router_program_has_rules(p),
                       .hash = p ? router_program_hash(p) : 0};
    out->layers = calloc((size_t)n + 1, sizeof *out->layers);
    if (!out->layers)
        return error_memory(err, "a mask");
    double sum = 0;
    for (int i = 0; i < m->layers && n; i++) {
        const layer_routing *r = rule_of(p, i);
        if (!m->moe_layer[i])
            continue;
        out->layers[out->count] = describe_layer(r, m, i);
        sum += (double)out->layers[out->count++].allowed / m->experts;
        out->strength = r ? r->strength : 1;
    }
    if (n)
        out->share = sum / n;
    return 0;
}

void mask_view_release(mask_view *v)
{
    free(v->layers);
    *v = (mask_view){0};
}

/* ---- two --------------------------------------------------------------------------------------- */

static mask_view_overlap compare_layer(const layer_routing *a, const layer_routing *b,
                                       const model_config *m, int layer)
{
    mask_view_overlap v = {.layer = layer};
    double sum = 0;
    for (int e = 0; e < m->experts; e++) {
        bool in_a = may_call(a, e), in_b = may_call(b, e);
        v.a += in_a;
        v.b += in_b;
        v.both += in_a && in_b;
        v.either += in_a || in_b;
        if (in_a && in_b)
            sum += fabs((double)bias_of(a, e) - (double)bias_of(b, e));
    }
    v.jaccard = v.either ? (double)v.both / v.either : 1;
    v.bias_distance = v.both ? sum / v.both : 0;
    return v;
}

int mask_view_compare(const router_program *a, const router_program *b, const model_config *m,
                      mask_view_difference *out, error *err)
{
    int n = routed_layers(m);
    *out = (mask_view_difference){.jaccard = 1};
    out->layers = calloc((size_t)n + 1, sizeof *out->layers);
    if (!out->layers)
        return error_memory(err, "a mask");
    double jaccard = 0, bias_distance = 0;
    for (int i = 0; i < m->layers && n; i++) {
        if (!m->moe_layer[i])
            continue;
        mask_view_overlap v = compare_layer(rule_of(a, i), rule_of(b, i), m, i);
        out->layers[out->count++] = v;
        jaccard += v.jaccard;
        bias_distance += v.bias_distance;
    }
    if (n)
        *out = (mask_view_difference){out->count, out->layers, jaccard / n, bias_distance / n};
    return 0;
}

void mask_view_difference_release(mask_view_difference *d)
{
    free(d->layers);
    *d = (mask_view_difference){0};
}
