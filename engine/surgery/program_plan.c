/* program_plan.c - see program_plan.h. */
#include "program_plan.h"

#include <limits.h>
#include <stdlib.h>

#include "../../kernels/dequantize.h"
#include "../routing/router_state.h"
#include "bank_bake.h"
#include "recipe_rows.h"

typedef struct planning {
    bank_plan *plan;
    const router_program *p;
    const model_config *config;
    const char *who;
    error *err;
} planning;

/* Experts of a layer, those that adapters added with them. */
static int count_of(const planning *x, int layer)
{
    return (int)x->plan->layers[layer].len;
}

/* ---- what cannot be said ----------------------------------------------------------------------- */

static bool any_bias(const layer_routing *r, int experts)
{
    for (int e = 0; r->bias && e < experts; e++)
        if (r->bias[e] != 0 && (!r->allowed || r->allowed[e]))
            return true;
    return false;
}

static bool any_forced(const layer_routing *r, int experts)
{
    for (int e = 0; r->forced && e < experts; e++)
        if (r->forced[e])
            return true;
    return false;
}

/* The first thing that is beyond a checkpoint, or NULL. */
static const char *beyond(const planning *x, const layer_routing *r, int experts)
{
    if (!x->plan->baked && (r->place || r->update || r->adapter_count))
        return "brings an adapter, whose experts are not the file's (--bake merges it)";
    if (any_bias(r, experts))
        return "prefers experts by a bias (a mask of mode bias, or a soft mask), which acts on the "
               "choice and not on the gates; only keep and ban masks";
    if (any_forced(r, experts))
        return "forces experts";
    if (r->adaptive_min)
        return "cuts ranks adaptively";
    if (r->k > r->trained_k && r->tail_gain != 1)
        return "has a gain on the ranks behind the trained ones";
    if (x->config->renormalise && r->norm_width != r->k)
        return "renormalises over more ranks than it calls";
    return NULL;
}

static int check_program(const planning *x)
{
    const layer_routing *routing = router_program_routing(x->p);
    int first = -1;
    if (router_program_has_rules(x->p))
        return error_set(x->err, ERROR_USAGE,
                         "%s has rules, which a checkpoint cannot say: they change with the text",
                         x->who);
    for (int l = 0; l < x->config->layers; l++) {
        const char *what = x->config->moe_layer[l] ? beyond(x, &routing[l], count_of(x, l)) : NULL;
        if (what)
            return error_set(x->err, ERROR_USAGE, "%s (layer %d) %s: a checkpoint cannot say that",
                             x->who, l, what);
        first = first < 0 && x->config->moe_layer[l] ? l : first;
        if (x->config->moe_layer[l] && routing[l].k != routing[first].k)
            return error_set(x->err, ERROR_USAGE,
                             "%s calls %d experts a token in layer %d and %d in layer %d: a "
                             "checkpoint has one number for all",
                             x->who, routing[first].k, first, routing[l].k, l);
    }
    return 0;
}

/* ---- layers ------------------------------------------------------------------------------------ */

/* Whether an expert puts out nothing, whatever it reads. */
static int is_nil(const planning *x, int layer, int expert, bool *nil)
{
    const recipe_term *t = x->plan->layers[layer].v[expert].term;
    bank_rows b = recipe_term_rows(t, BANK_DOWN);
    float *row = malloc(b.cols * sizeof *row);
    *nil = row && !recipe_term_is_updated(t, BANK_DOWN);
    for (size_t i = 0; row && *nil && i < b.rows; i++) {
        dequantize_row(b.type, b.data + dtype_row_bytes(b.type, b.cols) * i, row, b.cols);
        for (size_t j = 0; j < b.cols && *nil; j++)
            *nil = row[j] == 0;
    }
    free(row);
    return row ? 0 : error_memory(x->err, "an expert");
}

static bool allowed(const planning *x, int layer, int expert)
{
    const layer_routing *r = &router_program_routing(x->p)[layer];
    return !r->allowed || r->allowed[expert];
}

static int count_allowed(const planning *x, int layer)
{
    int n = 0;
    for (int e = 0; e < count_of(x, layer); e++)
        n += allowed(x, layer, e);
    return n;
}

static int is_empty(const planning *x, int layer, bool *empty)
{
    *empty = true;
    for (int e = 0; e < count_of(x, layer) && *empty; e++)
        if (allowed(x, layer, e) && is_nil(x, layer, e, empty))
            return -1;
    return 0;
}

/* The number that the layers keep which compute anything; of none, the least of all. empty: [layers] */
static int common_count(const planning *x, uint8_t *empty, int *count)
{
    int first = -1, least = INT_MAX;
    for (int l = 0; l < x->config->layers; l++) {
        bool nil = false;
        if (!x->config->moe_layer[l])
            continue;
        int n = count_allowed(x, l);
        least = n < least ? n : least;
        if (is_empty(x, l, &nil))
            return -1;
        empty[l] = nil;
        if (nil)
            continue;
        if (first >= 0 && n != *count)
            return error_set(x->err, ERROR_USAGE,
                             "%s keeps %d of %d experts in layer %d and %d in layer %d: a "
                             "checkpoint has one number for all layers",
                             x->who, *count, count_of(x, l), first, n, l);
        first = first < 0 ? l : first;
        *count = n;
    }
    if (first < 0)
        *count = least;
    return 0;
}

/* Drops what is not allowed, and of a layer that computes nothing as many as are too many. */
static void cut_layer(const planning *x, int layer, int count, bool empty)
{
    const layer_routing *r = &router_program_routing(x->p)[layer];
    int left = count_allowed(x, layer);
    for (int e = count_of(x, layer); e-- > 0;) {
        bool keep = allowed(x, layer, e) && !(empty && left > count);
        if (allowed(x, layer, e) && !keep)
            left--;
        if (!keep)
            bank_plan_drop(x->plan, layer, e);
        else if (r->strength != 1 && r->named && r->named[e])
            bank_plan_scale(x->plan, layer, e, r->strength);
    }
}

/* A layer that computes nothing and has too few gets more that compute nothing. */
static int fill_layer(const planning *x, int layer, int count)
{
    while ((int)x->plan->layers[layer].len < count) {
        recipe r = {0};
        if (bank_plan_insert(x->plan, layer, (int)x->plan->layers[layer].len, &r, x->err))
            return -1;
    }
    return 0;
}

int program_plan(bank_plan *plan, const router_program *p, const char *who, int *used, error *err)
{
    const planning x = {plan, p, checkpoint_config(plan->c), who, err};
    uint8_t empty[MODEL_MAX_LAYERS] = {0};
    int count = 0;
    if (check_program(&x) || common_count(&x, empty, &count))
        return -1;
    for (int l = 0; l < x.config->layers; l++) {
        if (!x.config->moe_layer[l])
            continue;
        *used = router_program_routing(p)[l].k;
        cut_layer(&x, l, count, empty[l]);
        if (fill_layer(&x, l, count))
            return -1;
    }
    if (*used <= count)
        return 0;
    return error_set(err, ERROR_USAGE, "%s calls %d experts a token and keeps %d", who, *used,
                     count);
}

int program_plan_bake(bank_plan *plan, const router_program *p, error *err)
{
    for (int i = 0; i < p->adapters.count; i++)
        if (bank_plan_bake(plan, p->adapters.list[i]->file, err))
            return -1;
    return 0;
}
