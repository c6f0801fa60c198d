/* router.c - see router.h.
 *
 * A program owns three tables over all layers and experts (allowed, named, bias). A layer's rule
 * points into them only where they say something: a layer that nothing touches keeps NULL pointers
 * and so costs nothing and computes the plain model's very bytes. While rules act, a variant of the
 * tables takes their place; it is made when that set of rules is first seen, and kept.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/hash.h"
#include "router_state.h"

router_settings router_settings_plain(void)
{
    return (router_settings){.tail_gain = 1, .strength = 1};
}

/* ---- checks ------------------------------------------------------------------------------------ */

static bool settings_route(const router_settings *s)
{
    return s->hook || s->experts_per_token || s->experts_by_layer || s->norm_width ||
           s->tail_gain != 1 || s->strength != 1 || s->adaptive_min || s->mask_count ||
           s->adapter_count || (s->rules && rules_count(s->rules));
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
    for (int i = 0; s->experts_by_layer && i < model->layers; i++)
        if (check_range("experts per token", s->experts_by_layer[i], 0, model->experts, err))
            return -1;
    if (s->adaptive_min)
        if (check_range("adaptive min", s->adaptive_min, 1, model->experts, err) ||
            check_range("adaptive ratio", s->adaptive_ratio, 0, 1, err))
            return -1;
    if (check_range("soften", s->mask_penalty, 0, 1e6, err))
        return -1;
    if (check_range("norm_width", s->norm_width, 0, model->experts, err) ||
        check_range("tail_gain", s->tail_gain, 0, 1, err) ||
        check_range("strength", s->strength, 0, 4, err))
        return -1;
    return 0;
}

/* ---- added experts ------------------------------------------------------------------------------- */

int router_program_experts(const router_program *p, int layer)
{
    return p->model->experts + p->adapters.added[layer];
}

/* They are named, and allowed where they are, before any mask speaks. */
static void admit_added(router_program *p)
{
    for (int i = 0; i < p->model->layers; i++) {
        size_t at = (size_t)i * (size_t)p->row + (size_t)p->model->experts;
        size_t n = (size_t)(p->row - p->model->experts), here = (size_t)p->adapters.added[i];
        memset(p->tables.allowed + at, 1, here);
        memset(p->tables.named + at, 1, here);
        memset(p->tables.allowed + at + here, 0, n - here);
    }
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
    int asked = s->experts_by_layer && s->experts_by_layer[layer] ? s->experts_by_layer[layer]
                                                                  : s->experts_per_token;
    int k = asked ? asked : model->experts_per_token;
    if (k <= allowed)
        return k;
    if (s->cap_experts && asked && allowed > 0)
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
    size_t at = (size_t)layer * (size_t)p->row;
    const uint8_t *allowed = p->tables.allowed + at, *named = p->tables.named + at;
    const float *bias = p->tables.bias + at;
    int experts = router_program_experts(p, layer);
    p->allowed[layer] = count_allowed(allowed, experts);
    int k = layer_experts(s, model, layer, p->allowed[layer], err);
    int width = k < 0 ? -1 : layer_norm_width(s, model, k, err);
    if (width < 0)
        return -1;
    p->routing[layer] = (layer_routing){.k = k,
                                        .trained_k = model->experts_per_token,
                                        .norm_width = width,
                                        .tail_gain = (float)s->tail_gain,
                                        .strength = (float)s->strength,
                                        .adaptive_min = s->adaptive_min,
                                        .adaptive_ratio = (float)s->adaptive_ratio,
                                        .allowed = p->allowed[layer] < experts ? allowed : NULL,
                                        .bias = any_bias(bias, experts) ? bias : NULL,
                                        .named = s->strength != 1 ? named : NULL};
    router_adapters_apply(&p->adapters, layer, &p->routing[layer]);
    if (k > p->slots)
        p->slots = k;
    return 0;
}

/* ---- hash -------------------------------------------------------------------------------------- */

static bool routing_is_plain(const layer_routing *r)
{
    return r->k == r->trained_k && r->norm_width == r->k && r->strength == 1.0f &&
           !r->adaptive_min && !r->bias && !r->allowed && !r->place && !r->update;
}

/* Adapters enter by what they say, their scales included: where in the bank they lie changes
 * nothing. */
static uint64_t hash_adapters(const router_program *p, int layer, uint64_t hash)
{
    for (int i = 0; i < p->adapters.count; i++)
        if (router_adapters_at(&p->adapters, i, layer))
            hash = hash_bytes(hash, &p->adapters.list[i]->file->hash, sizeof(uint64_t));
    return hash;
}

/* Only what can change numbers enters, so that a program that changes nothing hashes to 0. */
static uint64_t hash_rules(const router_program *p, const model_config *model)
{
    uint64_t hash = HASH_START;
    bool plain = true;
    for (int i = 0; i < model->layers; i++) {
        if (!model->moe_layer[i])
            continue;
        const layer_routing *r = &p->routing[i];
        size_t experts = (size_t)router_program_experts(p, i);
        plain = plain && routing_is_plain(r);
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
        if (r->place || r->update)
            hash = hash_adapters(p, i, hash);
    }
    return plain ? 0 : hash | 1;
}

/* ---- rules ------------------------------------------------------------------------------------- */

static void variant_release(variant *v)
{
    free(v->routing);
    free(v->bytes);
    free(v->bias);
}

/* What the active rules leave of one layer must still be a routing. */
static int check_variant(const layer_routing *r, int experts, int layer, int least, int most,
                         error *err)
{
    int allowed = count_allowed(r->allowed, experts), forced = 0;
    for (int e = 0; e < experts; e++) {
        forced += r->forced[e];
        if (r->forced[e] && !r->allowed[e])
            return error_set(err, ERROR_LOAD, "rules: layer %d: expert %d is forced and banned",
                             layer, e);
    }
    if (allowed < most)
        return error_set(err, ERROR_LOAD,
                         "rules: layer %d is left with %d experts and %d are called", layer,
                         allowed, most);
    if (forced >= least && forced > 0)
        return error_set(err, ERROR_LOAD, "rules: layer %d: %d experts are forced of %d called",
                         layer, forced, least);
    return 0;
}

static int fill_layer(const router_program *p, variant *v, int layer, error *err)
{
    size_t experts = (size_t)p->row, at = (size_t)layer * experts;
    size_t cells = (size_t)p->model->layers * experts;
    const layer_routing *base = &p->routing[layer];
    rule_effect e = {.allowed = v->bytes + at,
                     .named = v->bytes + cells + at,
                     .forced = v->bytes + 2 * cells + at,
                     .bias = v->bias + at,
                     .k = base->k,
                     .adapter = p->row - p->model->experts};
    memcpy(e.allowed, p->tables.allowed + at, experts);
    memcpy(e.named, p->tables.named + at, experts);
    memcpy(e.bias, p->tables.bias + at, experts * sizeof(float));
    rules_apply(p->list, v->active, layer, p->row, &e);
    layer_routing *r = &v->routing[layer];
    *r = *base;
    r->k = e.k;
    /* A denominator that was as wide as the program's k stays as wide as k. */
    if (base->norm_width == base->k || r->norm_width < e.k)
        r->norm_width = e.k;
    r->allowed = e.allowed;
    r->forced = e.forced;
    r->bias = e.bias;
    r->named = base->strength != 1.0f ? e.named : NULL;
    return check_variant(r, p->row, layer, e.k, e.k, err);
}

static int variant_make(const router_program *p, uint32_t active, variant *v, error *err)
{
    size_t layers = (size_t)p->model->layers, cells = layers * (size_t)p->row;
    *v = (variant){.active = active};
    v->routing = calloc(layers, sizeof *v->routing);
    v->bytes = calloc(3, cells);
    v->bias = calloc(cells, sizeof(float));
    if (!v->routing || !v->bytes || !v->bias) {
        variant_release(v);
        return error_memory(err, "the rules");
    }
    for (int i = 0; i < p->model->layers; i++) {
        if (p->model->moe_layer[i] && fill_layer(p, v, i, err)) {
            variant_release(v);
            return -1;
        }
    }
    return 0;
}

static const layer_routing *find_variant(const router_program *p, uint32_t active, error *err)
{
    variant_cache *c = p->cache;
    for (int i = 0; i < c->n; i++)
        if (c->v[i].active == active)
            return c->v[i].routing;
    variant *grown = realloc(c->v, ((size_t)c->n + 1) * sizeof *grown);
    if (!grown) {
        error_memory(err, "the rules");
        return NULL;
    }
    c->v = grown;
    if (variant_make(p, active, &grown[c->n], err))
        return NULL;
    return grown[c->n++].routing;
}

/* All masks and rules together must leave a routing for every k that a rule may set: whatever acts
 * at once later leaves at least that. */
static int check_together(const router_program *p, uint32_t rules, const layer_routing *all,
                          error *err)
{
    for (int i = 0; i < p->model->layers; i++) {
        int least = p->routing[i].k, most = p->routing[i].k;
        if (!p->model->moe_layer[i])
            continue;
        rules_k_range(p->list, rules, i, &least, &most);
        if (check_variant(&all[i], p->row, i, least, most, err))
            return -1;
    }
    return 0;
}

static int compile_rules(router_program *p, const router_settings *s, error *err)
{
    if (!p->model->experts)
        return error_set(err, ERROR_LOAD, "rules: this model is dense, it has no experts to route");
    if (!s->tokenizer)
        return error_set(err, ERROR_LOAD, "rules: the model brings no tokenizer");
    uint32_t unmet = rules_unmet(s->rules, s->adapter_files, s->adapter_count);
    if (rules_check(s->rules, unmet, p->model, p->row - p->model->experts, err))
        return -1;
    int n = rules_count(s->rules);
    uint32_t all = (n == RULES_MAX ? UINT32_MAX : ((uint32_t)1 << n) - 1) & ~unmet;
    if (!all)
        return 0; /* what never acts is no program */
    p->list = s->rules;
    p->triggers = rule_triggers_open(s->rules, unmet, s->tokenizer, s->chat, err);
    if (!p->triggers)
        return -1;
    for (int i = 0; i <= n; i++) {
        if (i < n && unmet >> i & 1)
            continue;
        const layer_routing *r = find_variant(p, i < n ? (uint32_t)1 << i : all, err);
        if (!r)
            return -1;
        for (int layer = 0; layer < p->model->layers; layer++)
            p->slots = r[layer].k > p->slots ? r[layer].k : p->slots;
        if (i == n && check_together(p, all, r, err))
            return -1;
    }
    uint64_t rules = rules_hash(s->rules);
    p->hash = hash_bytes(p->hash, &rules, sizeof rules) | 1;
    if (unmet)
        p->hash = hash_bytes(p->hash, &unmet, sizeof unmet) | 1;
    return 0;
}

bool router_program_has_rules(const router_program *p)
{
    return p->list != NULL;
}

const layer_routing *router_program_step(const router_program *p, rule_state *state, int token,
                                         error *err)
{
    uint32_t active = 0;
    if (rules_step(p->list, p->triggers, state, token, &active, err))
        return NULL;
    return active ? find_variant(p, active, err) : p->routing;
}

/* ---- public ------------------------------------------------------------------------------------ */

router_program *router_program_new(const model_config *model, const router_settings *s, error *err)
{
    router_program *p = calloc(1, sizeof *p);
    if (p && router_adapters_make(&p->adapters, model, s->adapters, s->adapter_count, err)) {
        router_program_close(p);
        return NULL;
    }
    size_t layers = (size_t)model->layers, cells = p ? layers * (size_t)p->adapters.row + 1 : 0;
    if (p) {
        p->model = model;
        p->row = p->adapters.row;
        p->tables.added = p->adapters.added;
        p->tables.most_added = p->adapters.most_added;
        p->routing = calloc(layers, sizeof *p->routing);
        p->allowed = calloc(layers, sizeof *p->allowed);
        p->tables.allowed = malloc(cells);
        p->tables.named = calloc(cells, 1);
        p->tables.bias = calloc(cells, sizeof(float));
        p->cache = calloc(1, sizeof *p->cache);
    }
    if (!p || !p->cache || !p->routing || !p->allowed || !p->tables.allowed || !p->tables.named ||
        !p->tables.bias) {
        router_program_close(p);
        error_memory(err, "a router program");
        return NULL;
    }
    memset(p->tables.allowed, 1, cells);
    admit_added(p);
    return p;
}

/* What the masks ban is allowed again, with a lower score instead. */
static void penalise_banned(router_program *p, const model_config *model, double nats)
{
    for (int layer = 0; layer < model->layers; layer++) {
        size_t first = (size_t)layer * (size_t)p->row;
        size_t end = first + (size_t)router_program_experts(p, layer);
        for (size_t i = first; i < end; i++) {
            if (!p->tables.allowed[i])
                p->tables.bias[i] -= (float)nats;
            p->tables.allowed[i] = 1;
        }
    }
}

int router_program_compile_tables(router_program *p, error *err)
{
    const router_settings *s = &p->settings;
    for (int i = 0; i < p->model->layers; i++)
        if (p->model->moe_layer[i] && compile_layer(p, s, p->model, i, err))
            return -1;
    p->hash = hash_rules(p, p->model);
    if (s->hook) {
        uint64_t code = router_hook_hash(s->hook);
        int most = router_hook_most_experts(s->hook);
        p->hash = hash_bytes(p->hash, &code, sizeof code) | 1;
        p->slots = most > p->slots ? most : p->slots;
    }
    return s->rules && rules_count(s->rules) ? compile_rules(p, s, err) : 0;
}

static int compile(router_program *p, const model_config *model, const char *fingerprint,
                   const router_settings *s, error *err)
{
    for (int i = 0; i < s->mask_count; i++)
        if (mask_apply(s->masks[i], model, fingerprint, &p->tables, err))
            return -1;
    if (s->mask_penalty > 0)
        penalise_banned(p, model, s->mask_penalty);
    p->settings = *s;
    int result = router_program_compile_tables(p, err);
    p->settings.adapters = p->adapters.list;
    p->settings.masks = NULL; /* the caller's: not looked at again */
    p->settings.mask_count = 0;
    return result;
}

router_program *router_program_compile(const model_config *model, const char *fingerprint,
                                       const router_settings *settings, error *err)
{
    if (check_settings(settings, model, err))
        return NULL;
    router_program *p = router_program_new(model, settings, err);
    if (p && compile(p, model, fingerprint, settings, err)) {
        router_program_close(p);
        return NULL;
    }
    return p;
}

/* The columns of experts that adapters add stay where they are. */
static void permute_layer(const router_program *from, router_program *to, int layer,
                          const int *order)
{
    size_t at = (size_t)layer * (size_t)from->row, own = (size_t)from->model->experts;
    size_t added = (size_t)from->row - own;
    for (size_t e = 0; e < own; e++) {
        size_t taken = at + (size_t)order[e];
        to->tables.allowed[at + e] = from->tables.allowed[taken];
        to->tables.named[at + e] = from->tables.named[taken];
        to->tables.bias[at + e] = from->tables.bias[taken];
    }
    memcpy(to->tables.allowed + at + own, from->tables.allowed + at + own, added);
    memcpy(to->tables.named + at + own, from->tables.named + at + own, added);
    memcpy(to->tables.bias + at + own, from->tables.bias + at + own,
           added * sizeof *to->tables.bias);
}

router_program *router_program_permuted(const router_program *p, const int *order, error *err)
{
    router_program *out = router_program_new(p->model, &p->settings, err);
    if (!out)
        return NULL;
    out->settings = p->settings;
    out->settings.adapters = out->adapters.list;
    for (int i = 0; i < p->model->layers; i++)
        permute_layer(p, out, i, order + (size_t)i * (size_t)p->model->experts);
    if (router_program_compile_tables(out, err)) {
        router_program_close(out);
        return NULL;
    }
    return out;
}

const model_config *router_program_model(const router_program *p)
{
    return p->model;
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
    router_adapters_release(&p->adapters);
    free(p->routing);
    free(p->allowed);
    free(p->own_counts);
    free(p->tables.allowed);
    free(p->tables.named);
    free(p->tables.bias);
    for (int i = 0; p->cache && i < p->cache->n; i++)
        variant_release(&p->cache->v[i]);
    if (p->cache)
        free(p->cache->v);
    free(p->cache);
    rule_triggers_close(p->triggers);
    free(p);
}

const layer_routing *router_program_routing(const router_program *p)
{
    return p->routing;
}

uint64_t router_program_hash(const router_program *p)
{
    return p->hash;
}

const router_hook *router_program_hook(const router_program *p)
{
    return p->settings.hook;
}

int router_program_slots(const router_program *p)
{
    return p->slots;
}

int router_program_allowed(const router_program *p, int layer)
{
    return p->allowed[layer];
}
