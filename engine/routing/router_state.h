/* router_state.h - what the files of a router program share behind router.h. */
#ifndef ENGINE_ROUTER_STATE_H
#define ENGINE_ROUTER_STATE_H

#include "router.h"
#include "router_adapters.h"

/* The routing while one set of rules acts: the program's own tables, changed. */
typedef struct variant {
    uint32_t active;        /* bit i = rule i acts */
    layer_routing *routing; /* [layers] */
    uint8_t *bytes;         /* [3][layers * experts]: allowed, named, forced */
    float *bias;            /* [layers * experts] */
} variant;

/* Variants made so far. It stands apart so that a program is const to everybody: what it answers
 * never changes, it only remembers. */
typedef struct variant_cache {
    variant *v;
    int n;
} variant_cache;

struct router_program {
    layer_routing *routing; /* [layers] */
    int *allowed;           /* [layers] experts that may be called */
    mask_tables tables;
    router_settings settings; /* as compiled, without the masks: they are in the tables */
    int *own_counts;          /* [layers] k of each, where the settings point to it; or NULL */
    router_adapters adapters;
    const model_config *model;
    int row; /* experts in a row of the tables: the model's and those that adapters add */
    uint64_t hash;
    int slots;

    const rule_list *list; /* NULL = no rules */
    rule_triggers *triggers;
    variant_cache *cache;
};

/* One whose tables allow and say nothing yet, with what the settings' adapters add. Caller owns. */
router_program *router_program_new(const model_config *model, const router_settings *s, error *err);
/* What the tables and p->settings come to: the routing of each layer, the hash, the rules. */
int router_program_compile_tables(router_program *p, error *err);

#endif
