/* router.c - see router.h. */
#include "router.h"

#include <stdlib.h>
#include <string.h>

struct router_program {
    route_rule *rules; /* [layers] */
    uint64_t hash;
    int slots;
};

/* FNV-1a over the bytes of one knob. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3;
    return hash;
}

static bool rule_is_plain(const route_rule *r, int trained)
{
    return r->k == trained && r->norm_width == trained && r->tail_gain == 1.0f &&
           r->strength == 1.0f && !r->adaptive_min && !r->bias && !r->allowed && !r->named;
}

/* The hash names what can change numbers, so a program that changes nothing has the plain one. */
static uint64_t hash_rules(const route_rule *rules, const model_config *model)
{
    uint64_t hash = 0xcbf29ce484222325;
    bool plain = true;
    for (int i = 0; i < model->layers; i++) {
        if (!model->moe_layer[i])
            continue;
        const route_rule *r = &rules[i];
        plain = plain && rule_is_plain(r, model->experts_per_token);
        int32_t whole[4] = {i, r->k, r->norm_width, r->adaptive_min};
        float real[3] = {r->tail_gain, r->adaptive_ratio, r->strength};
        hash = hash_bytes(hash, whole, sizeof whole);
        hash = hash_bytes(hash, real, sizeof real);
    }
    return plain ? 0 : hash;
}

static int check_count(const model_config *model, int k, error *err)
{
    if (k == 0)
        return 0;
    if (!model->experts)
        return error_set(err, ERROR_LOAD, "this model is dense (%s): it has no experts to count",
                         architecture_name(model->arch));
    if (k < 0 || k > model->experts)
        return error_set(err, ERROR_USAGE, "%d experts a token: the model has 1 to %d", k,
                         model->experts);
    return 0;
}

router_program *router_program_plain(const model_config *model, int experts_per_token, error *err)
{
    if (check_count(model, experts_per_token, err))
        return NULL;
    router_program *p = calloc(1, sizeof *p);
    if (p)
        p->rules = calloc((size_t)model->layers, sizeof *p->rules);
    if (!p || !p->rules) {
        router_program_close(p);
        error_memory(err, "a router program");
        return NULL;
    }
    int trained = model->experts_per_token;
    int k = experts_per_token ? experts_per_token : trained;
    for (int i = 0; i < model->layers; i++)
        if (model->moe_layer[i])
            p->rules[i] = (route_rule){
                .k = k, .trained_k = trained, .norm_width = k, .tail_gain = 1.0f, .strength = 1.0f};
    p->slots = model->experts ? k : 0;
    p->hash = hash_rules(p->rules, model);
    return p;
}

void router_program_close(router_program *p)
{
    if (!p)
        return;
    free(p->rules);
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
