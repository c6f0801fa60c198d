/* council_support.c - see council_support.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "council_support.h"

cast *cast_open(void)
{
    cast *k = calloc(1, sizeof *k);
    assert_non_null(k);
    atomic_init(&k->cancel, false);
    k->e = support_engine(COUNCIL_MODEL, 32, &k->cancel);
    k->rules = support_rules("[{\"when\":{\"pattern\":\"[a-m]\"},\"do\":{\"ban\":\"0-2\"}},"
                             " {\"when\":{\"role\":\"assistant\"},\"layers\":\"1\","
                             "\"do\":{\"force\":\"6\",\"k\":4}}]");
    k->bad_rules = support_rules("[{\"when\":{\"pattern\":\"(x|xx)+[^x]\"},\"do\":{\"k\":2}}]");
    router_settings plain = router_settings_plain(), few = plain;
    few.experts_per_token = 2;
    k->programs[1] = support_program(
        k->e, plain, "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"0\":\"0-3\",\"1\":\"2-6\"}}",
        NULL);
    k->programs[2] = support_program(
        k->e, few, "{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"0-1\":{\"1\":1.5,\"6\":-2}}}",
        NULL);
    k->programs[3] = support_program(k->e, plain, NULL, k->rules);
    k->failing = support_program(k->e, plain, NULL, k->bad_rules);
    return k;
}

void cast_close(cast *k)
{
    for (int i = 0; i < CAST; i++)
        router_program_close(k->programs[i]);
    router_program_close(k->failing);
    rules_close(k->rules);
    rules_close(k->bad_rules);
    engine_close(k->e);
    free(k);
}

council_options cast_options(void)
{
    return (council_options){
        .context = 400, .kv = DTYPE_F32, .prefill = PREFILL_OWN, .max_tokens = 60};
}

pass_options cast_pass(const cast *k, int i, double temperature)
{
    static const char *const names[CAST] = {"a", "b", "c", "d"};
    static const char *const instructions[CAST] = {NULL, "You are the coder.", "You are a user.",
                                                   NULL};
    pass_options p = {.name = names[i],
                      .instruction = instructions[i],
                      .program = k->programs[i],
                      .sampling = sampling_defaults()};
    p.sampling.temperature = temperature;
    p.sampling.top_p = 1;
    p.sampling.seed = 7;
    return p;
}

council *cast_council(const cast *k, const council_options *o, unsigned who, double temperature)
{
    error err = {0};
    council *c = council_open(k->e, o, &err);
    for (int i = 0; i < CAST && c; i++) {
        pass_options p = cast_pass(k, i, temperature);
        if (who >> i & 1 && council_add(c, &p, &err) < 0)
            fail_msg("%s", err.text);
    }
    if (!c)
        fail_msg("%s", err.text);
    return c;
}

void cast_ask(council *c, const char *prompt, const council_events *events)
{
    error err = {0};
    if (council_ask(c, prompt, strlen(prompt), events, &err))
        fail_msg("%s", err.text);
}
