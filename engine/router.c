/* router.c - see router.h.
 *
 * A program owns three tables over all layers and experts (allowed, named, bias). A layer's rule
 * points into them only where they say something: a layer that nothing touches keeps NULL pointers
 * and so costs nothing and computes the plain model's very bytes.
 */
#include "router.h"

#include <stdlib.h>
#include <string.h>

struct router_program {
    route_rule *rules; /* [layers] */
    int *allowed;      /* [layers] experts that may be called */
    mask_tables tables;
    int layers;
    uint64_t hash;
    int slots;
};

router_settings router_settings_plain(void)
{
    return (router_settings){.tail_gain = 1, .strength = 1};
}

/* ---- checks ------------------------------------------------------------------------------------ */

static bool settings_route(const router_settings *s)
{
    return s->experts_per_token || s->norm_width || s->tail_gain != 1 || s->strength != 1 ||
           s->adaptive_min || s->mask_count;
}

static int check_range(const char *name, double value, double min, double max, error *err)
{
    if (value >= min && value <= max)
        return 0;
    return error_set(err, ERROR_USAGE, "%s %g: must lie from %g to %g", name, value, min, max);
}

static int check_settings(const router_settings *s, const model_config *model, error *err)
{
    if (!model->experts) {
        if (!settings_route(s))
            return 0;
        return error_set(err, ERROR_LOAD, "this model is dense (%s): it has no experts to route",
                         architecture_name(model->arch));
    }
    if (s->experts_per_token)
        if (check_range("experts per token", s->experts_per_token, 1, model->experts, err))
            return -1;
    if (s->adaptive_min)
        if (check_range("adaptive min", s->adaptive_min, 1, model->experts, err) ||
            check_range("adaptive ratio", s->adaptive_ratio, 0, 1, err))
            return -1;
    return check_range("norm_width", s->norm_width, 0, model->experts, err) ||
                   check_range("tail_gain", s->tail_gain, 0, 1, err) ||
                   check_range("strength", s->strength, 0, 4, err)
               ? -1
               : 0;
}

/* ---- compiling --------------------------------------------------------------------------------- */

static int count_allowed(const uint8_t *allowed, int experts)
{
    int n = 0;
    for (int e = 0; e < experts; e++)
        n += allowed[e];
    return n;
}

static bool any_bias(const float *bias, int experts)
{
    for (int e = 0; e < experts; e++)
        if (bias[e] != 0)
            return true;
    return false;
}

/* The k that layer runs with, or -1: fewer experts are allowed than it calls. */
static int layer_experts(const router_settings *s, const model_config *model, int layer,
                         int allowed, error *err)
{
    int k = s->experts_per_token ? s->experts_per_token : model->experts_per_token;
    if (k <= allowed)
        return k;
    if (s->cap_experts && s->experts_per_token && allowed > 0)
        return allowed;
    const char *by = s->mask_count == 1 ? mask_path(s->masks[0]) : "the masks";
    return error_set(err, ERROR_LOAD, "%s: layer %d is left with %d expert%s and %d are called", by,
                     layer, allowed, allowed == 1 ? "" : "s", k);
}

static int layer_norm_width(const router_settings *s, const model_config *model, int k, error *err)
{
    if (!s->norm_width || !model->renormalise)
        return k;
    if (s->norm_width >= k)
        return s->norm_width;
    return error_set(err, ERROR_LOAD, "norm_width %d is below the %d experts called", s->norm_width,
                     k);
}

static int compile_layer(router_program *p, const router_settings *s, const model_config *model,
                         int layer, error *err)
{
    size_t at = (size_t)layer * (size_t)model->experts;
    const uint8_t *allowed = p->tables.allowed + at, *named = p->tables.named + at;
    const float *bias = p->tables.bias + at;
    p->allowed[layer] = count_allowed(allowed, model->experts);
    int k = layer_experts(s, model, layer, p->allowed[layer], err);
    int width = k < 0 ? -1 : layer_norm_width(s, model, k, err);
    if (width < 0)
        return -1;
    p->rules[layer] = (route_rule){.k = k,
                                   .trained_k = model->experts_per_token,
                                   .norm_width = width,
                                   .tail_gain = (float)s->tail_gain,
                                   .strength = (float)s->strength,
                                   .adaptive_min = s->adaptive_min,
                                   .adaptive_ratio = (float)s->adaptive_ratio,
                                   .allowed = p->allowed[layer] < model->experts ? allowed : NULL,
                                   .bias = any_bias(bias, model->experts) ? bias : NULL,
                                   .named = s->strength != 1 ? named : NULL};
    if (k > p->slots)
        p->slots = k;
    return 0;
}

/* ---- hash -------------------------------------------------------------------------------------- */

/* FNV-1a over the bytes of one knob or table. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3;
    return hash;
}

static bool rule_is_plain(const route_rule *r)
{
    return r->k == r->trained_k && r->norm_width == r->k && r->strength == 1.0f &&
           !r->adaptive_min && !r->bias && !r->allowed;
}

/* Only what can change numbers enters, so that a program that changes nothing hashes to 0. */
static uint64_t hash_rules(const router_program *p, const model_config *model)
{
    uint64_t hash = 0xcbf29ce484222325;
    size_t experts = (size_t)model->experts;
    bool plain = true;
    for (int i = 0; i < model->layers; i++) {
        if (!model->moe_layer[i])
            continue;
        const route_rule *r = &p->rules[i];
        plain = plain && rule_is_plain(r);
        int32_t whole[4] = {i, r->k, r->norm_width, r->adaptive_min};
        float real[3] = {r->tail_gain, r->adaptive_ratio, r->strength};
        hash = hash_bytes(hash, whole, sizeof whole);
        hash = hash_bytes(hash, real, sizeof real);
        if (r->allowed)
            hash = hash_bytes(hash, r->allowed, experts);
        if (r->bias)
            hash = hash_bytes(hash, r->bias, experts * sizeof(float));
        if (r->named)
            hash = hash_bytes(hash, r->named, experts);
    }
    return plain ? 0 : hash | 1;
}

/* ---- public ------------------------------------------------------------------------------------ */

static router_program *program_new(const model_config *model, error *err)
{
    size_t layers = (size_t)model->layers;
    size_t cells = layers * (size_t)(model->experts ? model->experts : 1);
    router_program *p = calloc(1, sizeof *p);
    if (p) {
        p->layers = model->layers;
        p->rules = calloc(layers, sizeof *p->rules);
        p->allowed = calloc(layers, sizeof *p->allowed);
        p->tables.allowed = malloc(cells);
        p->tables.named = calloc(cells, 1);
        p->tables.bias = calloc(cells, sizeof(float));
    }
    if (!p || !p->rules || !p->allowed || !p->tables.allowed || !p->tables.named ||
        !p->tables.bias) {
        router_program_close(p);
        error_memory(err, "a router program");
        return NULL;
    }
    memset(p->tables.allowed, 1, cells);
    return p;
}

static int compile(router_program *p, const model_config *model, const char *fingerprint,
                   const router_settings *s, error *err)
{
    for (int i = 0; i < s->mask_count; i++)
        if (mask_apply(s->masks[i], model, fingerprint, &p->tables, err))
            return -1;
    for (int i = 0; i < model->layers; i++)
        if (model->moe_layer[i] && compile_layer(p, s, model, i, err))
            return -1;
    p->hash = hash_rules(p, model);
    return 0;
}

router_program *router_program_compile(const model_config *model, const char *fingerprint,
                                       const router_settings *settings, error *err)
{
    if (check_settings(settings, model, err))
        return NULL;
    router_program *p = program_new(model, err);
    if (p && compile(p, model, fingerprint, settings, err)) {
        router_program_close(p);
        return NULL;
    }
    return p;
}

router_program *router_program_plain(const model_config *model, int experts_per_token, error *err)
{
    router_settings s = router_settings_plain();
    s.experts_per_token = experts_per_token;
    return router_program_compile(model, NULL, &s, err);
}

void router_program_close(router_program *p)
{
    if (!p)
        return;
    free(p->rules);
    free(p->allowed);
    free(p->tables.allowed);
    free(p->tables.named);
    free(p->tables.bias);
    free(p);
}

const route_rule *router_program_rules(const router_program *p)
{
    return p->rules;
}

uint64_t router_program_hash(const router_program *p)
{
    return p->hash;
}

int router_program_slots(const router_program *p)
{
    return p->slots;
}

int router_program_allowed(const router_program *p, int layer)
{
    return p->allowed[layer];
}
