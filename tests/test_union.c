/* test_union.c - several programs as one: of one program it is that program, byte for byte; of several it
 * allows what any allows, names what any names, and calls as many experts as all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/routing/router_union.h"
#include "adapter_support.h"
#include "routing_support.h"

enum { EXPERTS = 8, LAYERS = 2, TOKENS = 24, K = 3 };

static const char KEEP[] =
    "{\"mask\":1,\"model\":null,\"mode\":\"keep\",\"layers\":{\"0\":\"0-3\",\"1\":\"1,3,5\"}}";
static const char OTHER[] =
    "{\"mask\":1,\"model\":null,\"mode\":\"keep\",\"layers\":{\"0\":\"2-5\",\"1\":\"0-2\"}}";
static const char BAN[] =
    "{\"mask\":1,\"model\":null,\"mode\":\"ban\",\"layers\":{\"0-1\":\"6-7\"}}";
static const char BIAS[] =
    "{\"mask\":1,\"model\":null,\"mode\":\"bias\",\"layers\":{\"0\":{\"1\":1.25,\"7\":-0.1}}}";

static router_program *join(const engine *e, const router_program *const *list, int n)
{
    error err = {0};
    router_program *p = router_program_union(engine_config(e), list, n, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static void assert_same_numbers(engine *e, const router_program *a, const router_program *b)
{
    int ids[TOKENS];
    support_ids(e, 5, ids, TOKENS);
    float *x = support_logits(e, a, ids, TOKENS), *y = support_logits(e, b, ids, TOKENS);
    assert_memory_equal(x, y, (size_t)TOKENS * (size_t)engine_config(e)->vocabulary * sizeof *x);
    free(x);
    free(y);
}

/* Every kind of mask, with every knob, and none at all. */
static void one_program_is_itself(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    const char *const masks[] = {KEEP, BAN, BIAS, NULL};
    rule_list *rules = support_rules("[{\"when\":{\"token\":[5]},\"do\":{\"k\":1},\"for\":3}]");
    for (int i = 0; i < 4; i++) {
        for (int knobs = 0; knobs < 5; knobs++) {
            router_settings s = router_settings_plain();
            s.experts_per_token = knobs == 1 ? 2 : 0;
            s.norm_width = knobs == 2 && i != 0 ? 5 : 0;
            s.adaptive_min = knobs == 2 ? 1 : 0;
            s.adaptive_ratio = 0.5;
            s.strength = knobs == 3 ? 0.5 : 1;
            s.mask_penalty = knobs == 3 ? 1.5 : 0;
            router_program *p = support_program(e, s, masks[i], knobs == 4 ? rules : NULL);
            const router_program *list[] = {p};
            router_program *u = join(e, list, 1);
            assert_true(router_program_hash(u) == router_program_hash(p));
            assert_int_equal(router_program_changes(u), router_program_changes(p));
            assert_same_numbers(e, p, u);
            router_program_close(u);
            router_program_close(p);
        }
    }
    const router_program *none[] = {NULL};
    router_program *u = join(e, none, 1);
    assert_true(router_program_hash(u) == 0);
    assert_same_numbers(e, NULL, u);
    router_program_close(u);
    rules_close(rules);
    engine_close(e);
}

static void several_allow_what_any_allows(void **state)
{
    (void)state;
    static const uint8_t both[LAYERS][EXPERTS] = {{1, 1, 1, 1, 1, 1, 0, 0},
                                                  {1, 1, 1, 1, 0, 1, 0, 0}};
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    router_settings s = router_settings_plain();
    s.experts_per_token = 2;
    router_program *a = support_program(e, s, KEEP, NULL);
    router_program *b = support_program(e, router_settings_plain(), OTHER, NULL);
    const router_program *list[] = {a, b, NULL};
    router_program *u = join(e, list, 2);
    for (int layer = 0; layer < LAYERS; layer++) {
        const layer_routing *r = &router_program_routing(u)[layer];
        assert_memory_equal(r->allowed, both[layer], EXPERTS);
        assert_int_equal(r->k, 2 + K);
        assert_int_equal(r->norm_width, r->k);
    }
    router_program_close(u);
    u = join(e, list, 3); /* with the plain model all may be called, as far as there are any */
    assert_int_equal(router_program_allowed(u, 0), EXPERTS);
    assert_null(router_program_routing(u)[0].allowed);
    assert_int_equal(router_program_routing(u)[0].k, EXPERTS);
    router_program_close(u);
    router_program_close(a);
    router_program_close(b);
    engine_close(e);
}

static void biases_are_their_mean(void **state)
{
    (void)state;
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    router_program *a = support_program(e, router_settings_plain(), BIAS, NULL);
    const router_program *list[] = {a, NULL};
    router_program *u = join(e, list, 2);
    assert_true(router_program_routing(u)[0].bias[1] == 0.625f);
    assert_true(router_program_routing(u)[0].bias[7] == -0.05f);
    router_program_close(u);
    router_program_close(a);
    engine_close(e);
}

static const placed_adapter *put(engine *e, const adapter_kinds *kinds, uint32_t seed)
{
    error err = {0};
    const placed_adapter *placed = NULL;
    adapter *made = adapter_support_make(kinds, seed, &err);
    if (!made || engine_add_adapter(e, made, &placed, &err))
        fail_msg("%s", err.text);
    return placed;
}

static router_program *bringing(const engine *e, const placed_adapter *own, const char *mask_text)
{
    router_settings s = router_settings_plain();
    s.adapters = &own;
    s.adapter_count = 1;
    return support_program(e, s, mask_text, NULL);
}

/* The second's experts stand behind the first's, allowed or not as in its own program. */
static void adapters_stand_behind_one_another(void **state)
{
    (void)state;
    static const int loras[] = {0, 4, -1};
    static const adapter_kinds two = {.added = 2, .loras = loras, .scale = 0.5f};
    static const adapter_kinds three = {.added = 3};
    static const char last_alone[] =
        "{\"mask\":1,\"model\":null,\"mode\":\"keep\",\"layers\":{\"0-1\":\"0-2,10\"}}";
    engine *e = support_engine(COUNCIL_MODEL, 16, NULL);
    const placed_adapter *x = put(e, &two, 1), *y = put(e, &three, 2);
    router_program *a = bringing(e, x, KEEP), *b = bringing(e, y, last_alone);
    const router_program *one[] = {b}, *both[] = {a, b}, *twice[] = {a, a};
    router_program *u = join(e, one, 1);
    assert_true(router_program_hash(u) == router_program_hash(b));
    assert_same_numbers(e, b, u);
    router_program_close(u);
    u = join(e, both, 2);
    assert_int_equal(router_program_experts(u, 0), EXPERTS + 5);
    /* 0-3 of the first and its 8 and 9, which KEEP does not name, where an adapter's mask leaves them; of
     * the second 10, now behind those two. */
    const uint8_t *allowed = router_program_routing(u)[0].allowed;
    const uint8_t *first = router_program_routing(a)[0].allowed;
    assert_memory_equal(allowed + EXPERTS, first + EXPERTS, 2);
    assert_int_equal(allowed[10], 0);
    assert_int_equal(allowed[11], 0);
    assert_int_equal(allowed[12], 1);
    assert_int_equal(router_program_routing(u)[0].k, 2 * K);
    router_program_close(u);
    u = join(e, twice, 2); /* what both bring is there once */
    assert_int_equal(router_program_experts(u, 0), EXPERTS + 2);
    router_program_close(u);
    router_program_close(a);
    router_program_close(b);
    engine_remove_adapter(e, x);
    engine_remove_adapter(e, y);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_program_is_itself),
        cmocka_unit_test(several_allow_what_any_allows),
        cmocka_unit_test(biases_are_their_mean),
        cmocka_unit_test(adapters_stand_behind_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
