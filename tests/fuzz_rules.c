/* fuzz_rules.c - any bytes as the "rules" of a persona, checked against a tiny model and stepped over
 * a text of its tokens. Run in the folder of the sources, where the model is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/json.h"
#include "../engine/routing/rules.h"
#include "../engine/run/engine.h"
#include "fuzz_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKENS = 40 };

static engine *model(void)
{
    static engine *e;
    engine_options o = {.path = "tests/fixtures/council", .backend.threads = 1};
    if (!e && !(e = engine_open(&o, NULL)))
        abort();
    return e;
}

static void apply(const rule_list *r, const model_config *c, uint32_t active)
{
    uint8_t allowed[MODEL_MAX_EXPERTS], forced[MODEL_MAX_EXPERTS] = {0},
                                        named[MODEL_MAX_EXPERTS] = {0};
    static float bias[MODEL_MAX_EXPERTS];
    memset(allowed, 1, sizeof allowed);
    rule_effect effect = {allowed, forced, named, bias, c->experts_per_token, 0};
    for (int i = 0; i < c->layers; i++) {
        int least = c->experts_per_token, most = least;
        rules_apply(r, active, i, c->experts, &effect);
        rules_k_range(r, active, i, &least, &most);
        if (least < 1 || most < least || most > MODEL_MAX_EXPERTS)
            abort();
    }
}

static void act(const rule_list *r)
{
    engine *e = model();
    const model_config *c = engine_config(e);
    rule_state s = {0};
    error err = {0};
    uint32_t unmet = rules_unmet(r, NULL, 0);
    if (rules_check(r, unmet, c, 0, &err))
        return;
    rule_triggers *m = rule_triggers_open(r, unmet, engine_tokenizer(e), engine_chat(e), &err);
    for (int i = 0; m && i < TOKENS; i++) {
        uint32_t active = 0;
        if (rules_step(r, m, &s, i * 7 % c->vocabulary, &active, &err))
            break;
        if (active & unmet || (rules_count(r) < 32 && active >> rules_count(r)))
            abort();
        apply(r, c, active);
    }
    rule_triggers_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    json_document *d = json_parse("rules", (const char *)data, size, &err);
    rule_list *r = d ? rules_read(json_root(d), &err) : NULL;
    json_close(d);
    if (r)
        act(r);
    else if (!err.text[0])
        abort();
    rules_close(r);
    return 0;
}
