/* roster_effect.c - see roster_effect.h. */
#include "roster_effect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE = 40 }; /* tokens of the text that tells */

/* ---- nil experts ------------------------------------------------------------------------------- */

static bool speaks_of(const layer_routing *r, int e)
{
    return (r->allowed && !r->allowed[e]) || (r->bias && r->bias[e] != 0) ||
           (r->strength != 1 && r->named && r->named[e]);
}

/* *only = every expert of the model that p speaks of is nil. */
static int speaks_of_nil(const engine *e, const router_program *p, bool *only, error *err)
{
    const model_config *m = engine_config(e);
    const layer_routing *routing = router_program_routing(p);
    *only = !router_program_has_rules(p) && router_program_changes(p) == ROUTER_CHANGES_CHOICE;
    for (int layer = 0; layer < m->layers; layer++)
        for (int i = 0; m->moe_layer[layer] && i < m->experts && *only; i++)
            if (speaks_of(&routing[layer], i) && engine_expert_is_nil(e, layer, i, only, err))
                return -1;
    return 0;
}

/* ---- the probe --------------------------------------------------------------------------------- */

/* PROBE + 1 ids at most: words where there is a tokenizer, else any ids. */
static int probe_ids(const engine *e, tokens *ids, error *err)
{
    static const char text[] =
        "Why should a town keep its old library? Because 3 of 10 readers have no other place. "
        "Write a loop: for i in range(10): print(i). I am not sure; what do you think, and why?";
    const tokenizer *t = engine_tokenizer(e);
    if (t && tokenizer_encode(t, text, sizeof text - 1, ids, NULL, err))
        return -1;
    for (int i = 0; !t && i <= PROBE; i++)
        if (tokens_push(ids, (int)(i * 7919LL % engine_config(e)->vocabulary), err))
            return -1;
    size_t most = PROBE + 1, context = (size_t)engine_config(e)->context;
    most = most < context ? most : context;
    ids->len = ids->len < most ? ids->len : most;
    return 0;
}

/* logprobs [n] of each next id, under p. */
static int probe(engine *e, const router_program *p, const tokens *ids, double *logprobs,
                 error *err)
{
    int n = (int)ids->len - 1;
    session *s = session_open(e, n, DTYPE_F16, err);
    step st = {s, ids->v, n, LOGITS_NONE, NULL};
    step_score score = {ids->v + 1, logprobs};
    int result =
        s && session_set_program(s, p, err) == 0 ? engine_score(e, &st, &score, 1, err) : -1;
    session_close(s);
    return result;
}

static int reads_differently(engine *e, const router_program *p, bool *differs, error *err)
{
    double plain[PROBE], own[PROBE];
    tokens ids = {0};
    int result = probe_ids(e, &ids, err);
    if (!result && ids.len > 1)
        result = probe(e, NULL, &ids, plain, err) || probe(e, p, &ids, own, err) ? -1 : 0;
    *differs = result || ids.len < 2;
    for (size_t i = 0; !*differs && i + 1 < ids.len; i++)
        *differs = plain[i] != own[i];
    tokens_release(&ids);
    return result;
}

int roster_program_acts(engine *e, const router_program *p, bool *acts, error *err)
{
    bool nil = false;
    *acts = p && router_program_hash(p) && router_program_changes(p);
    if (!*acts)
        return 0;
    if (speaks_of_nil(e, p, &nil, err))
        return -1;
    return nil ? reads_differently(e, p, acts, err) : 0;
}

/* ---- the word ---------------------------------------------------------------------------------- */

/* The k of all layers with experts; 0 when they differ. */
static int experts_called(const router_program *p)
{
    const model_config *m = router_program_model(p);
    int k = 0;
    for (int layer = 0; layer < m->layers; layer++) {
        int own = m->moe_layer[layer] ? router_program_routing(p)[layer].k : k;
        if (k && own != k)
            return 0;
        k = own;
    }
    return k;
}

void roster_acts_by(const router_program *p, bool instructed, char out[ACTS_BYTES])
{
    unsigned changes = p ? router_program_changes(p) : 0;
    const char *prompt = instructed ? (changes ? "prompt+" : "prompt") : changes ? "" : "none";
    bool code = changes & ROUTER_CHANGES_CODE;
    bool choice = changes & ROUTER_CHANGES_CHOICE, brings = changes & ROUTER_CHANGES_EXPERTS;
    if (!changes)
        (void)snprintf(out, ACTS_BYTES, "%s", prompt);
    else if (choice || brings)
        (void)snprintf(out, ACTS_BYTES, "%s%s%s%s%s", prompt, choice ? "mask" : "",
                       choice && brings ? "+" : "", brings ? "adapter" : "", code ? "+router" : "");
    else if (changes & ROUTER_CHANGES_COUNT && !code && !experts_called(p))
        (void)snprintf(out, ACTS_BYTES, "%sexperts by layer", prompt);
    else if (changes & ROUTER_CHANGES_COUNT && !code)
        (void)snprintf(out, ACTS_BYTES, "%sexperts %d", prompt, experts_called(p));
    else
        (void)snprintf(out, ACTS_BYTES, "%srouter", prompt);
}
