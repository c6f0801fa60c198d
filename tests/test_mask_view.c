/* test_mask_view.c - masks that are switched off, softened, shown and compared, on the tiny council
 * model: 2 layers of 8 experts, 3 a token.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../personas/roster/mask_view.h"
#include "adapter_support.h"
#include "dialogue_support.h"

static const char KEEP[] =
    "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"0\":\"0-3\",\"1\":\"2-6\"}}";
static const char LEAN[] = "{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"0\":{\"4-7\":-2},"
                           "\"1\":{\"0-1\":-2,\"7\":-2}}}";
static const char OTHER[] = "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"0\":\"0-1\"}}";

static router_program *softened(const engine *e, const char *mask_text, double nats)
{
    router_settings s = router_settings_plain();
    s.mask_penalty = nats;
    return support_program(e, s, mask_text, NULL);
}

static void assert_same_logits(const table *k, const router_program *a, const router_program *b,
                               bool same)
{
    int ids[40];
    support_ids(k->e, 3, ids, 40);
    float *x = support_logits(k->e, a, ids, 40), *y = support_logits(k->e, b, ids, 40);
    size_t bytes = 40 * (size_t)engine_config(k->e)->vocabulary * sizeof(float);
    assert_int_equal(memcmp(x, y, bytes) == 0, same);
    free(x);
    free(y);
}

/* ---- soften ------------------------------------------------------------------------------------ */

static void a_softened_mask_is_a_bias_on_what_it_bans(void **state)
{
    const table *k = *state;
    router_settings plain = router_settings_plain();
    router_program *soft = softened(k->e, KEEP, 2),
                   *lean = support_program(k->e, plain, LEAN, NULL);
    router_program *hard = support_program(k->e, plain, KEEP, NULL);
    assert_true(router_program_hash(soft) == router_program_hash(lean));
    assert_same_logits(k, soft, lean, true);
    assert_same_logits(k, soft, hard, false);
    assert_int_equal(router_program_allowed(soft, 0), 8);
    router_program_close(soft);
    soft = softened(k->e, KEEP, 0); /* off */
    assert_true(router_program_hash(soft) == router_program_hash(hard));
    assert_same_logits(k, soft, hard, true);
    router_program_close(soft);
    soft = softened(k->e, LEAN, 5); /* there is nothing to soften */
    assert_true(router_program_hash(soft) == router_program_hash(lean));
    router_program_close(soft);
    router_program_close(lean);
    router_program_close(hard);
    error err = {0};
    plain.mask_penalty = -1;
    assert_null(router_program_compile(engine_config(k->e), NULL, &plain, &err));
    assert_int_equal(err.code, ERROR_USAGE);
}

/* ---- the roster -------------------------------------------------------------------------------- */

static roster *seats(const table *k, roster_options o, error *err)
{
    static const char *const names[] = {"ann", "bob", "cleo"};
    named_mask mask_of_cleo = {"cleo", k->mask};
    o.personas = names;
    o.persona_count = 3;
    o.masks = &mask_of_cleo;
    o.mask_count = 1;
    o.sampling = sampling_defaults();
    return roster_open(k->e, &o, NULL, NULL, err);
}

static roster *good_seats(const table *k, roster_options o)
{
    error err = {0};
    roster *r = seats(k, o, &err);
    if (!r)
        fail_msg("%s", err.text);
    return r;
}

static void a_mask_is_switched_off_and_on(void **state)
{
    const table *k = *state;
    static const char *const off[] = {"cleo", "bob"};
    roster *r = good_seats(k, (roster_options){0});
    assert_string_equal(roster_seat(r, 1)->acts_by, "prompt+experts 2");
    assert_string_equal(roster_seat(r, 2)->acts_by, "mask");
    assert_string_equal(roster_seat(r, 2)->mask, k->mask);
    assert_int_equal(roster_seat(r, 2)->masks, 1);
    assert_false(roster_seat(r, 2)->unmasked);
    roster_close(r);
    r = good_seats(k, (roster_options){.unmasked = off, .unmasked_count = 2});
    static const char *const acts[] = {"prompt", "prompt", "none"};
    for (int i = 0; i < 3; i++) {
        const seat *s = roster_seat(r, i);
        assert_string_equal(s->acts_by, acts[i]);
        assert_null(s->program); /* the plain model, to the bit */
        assert_null(s->mask);
        assert_int_equal(s->unmasked, i > 0);
    }
    roster_close(r);
    static const char *const nobody[] = {"dora"};
    error err = {0};
    assert_null(seats(k, (roster_options){.unmasked = nobody, .unmasked_count = 1}, &err));
    assert_int_equal(err.code, ERROR_USAGE);
}

static void a_mask_is_softened_for_one(void **state)
{
    const table *k = *state;
    named_value two = {"cleo", 2}, stranger = {"dora", 2};
    roster *r = good_seats(k, (roster_options){.mask_penalties = &two, .mask_penalty_count = 1});
    router_program *soft = softened(k->e, KEEP, 2);
    assert_true(router_program_hash(roster_seat(r, 2)->program) == router_program_hash(soft));
    assert_true(roster_seat(r, 2)->mask_penalty == 2 && roster_seat(r, 1)->mask_penalty == 0);
    assert_string_equal(roster_seat(r, 2)->acts_by, "mask");
    roster_close(r);
    router_program_close(soft);
    error err = {0};
    assert_null(
        seats(k, (roster_options){.mask_penalties = &stranger, .mask_penalty_count = 1}, &err));
    assert_int_equal(err.code, ERROR_USAGE);
}

/* A text for all stands before each one's own, in the language of the question. */
static void every_pass_is_told(void **state)
{
    const table *k = *state;
    static const char russian[] = "\xd0\xb4\xd0\xb0?";
    roster *r = good_seats(k, (roster_options){.system = "Be brief.", .control = CONTROL_NONE});
    roster *bare = good_seats(k, (roster_options){.control = CONTROL_NONE});
    for (int i = 0; i < 4; i++) {
        for (int language = 0; language < 2; language++) {
            const char *prompt = language ? russian : "yes?";
            const char *alone = roster_instruction(bare, i, prompt, strlen(prompt));
            const char *told = roster_instruction(r, i, prompt, strlen(prompt));
            assert_memory_equal(told, "Be brief.", 9);
            assert_string_equal(alone ? told + 11 : told + 9, alone ? alone : "");
        }
        assert_non_null(roster_seat(r, i)->instruction);
    }
    assert_string_equal(roster_seat(r, 2)->acts_by, "prompt+mask");
    assert_string_equal(roster_seat(bare, 3)->acts_by, "none");
    roster_close(r);
    roster_close(bare);
}

/* ---- figures ----------------------------------------------------------------------------------- */

static void a_mask_is_described(void **state)
{
    const table *k = *state;
    const model_config *m = engine_config(k->e);
    error err = {0};
    mask_view v;
    router_program *keep = support_program(k->e, router_settings_plain(), KEEP, NULL);
    assert_int_equal(mask_view_describe(keep, m, &v, &err), 0);
    assert_int_equal(v.experts, 8);
    assert_int_equal(v.count, 2);
    assert_int_equal(v.layers[0].allowed, 4);
    assert_int_equal(v.layers[1].allowed, 5);
    assert_int_equal(v.layers[1].k, 3);
    assert_int_equal(v.layers[0].biased, 0);
    assert_true(v.layers[0].may[3] && !v.layers[0].may[4]);
    assert_true(fabs(v.share - 9.0 / 16) < 1e-12);
    assert_true(v.hash == router_program_hash(keep) && !v.rules && v.strength == 1);
    mask_view_release(&v);
    router_program *lean = support_program(k->e, router_settings_plain(), LEAN, NULL);
    assert_int_equal(mask_view_describe(lean, m, &v, &err), 0);
    assert_int_equal(v.layers[1].allowed, 8);
    assert_int_equal(v.layers[1].biased, 3);
    assert_true(v.layers[1].least_bias == -2 && v.layers[1].most_bias == 0);
    assert_true(v.share == 1);
    mask_view_release(&v);
    assert_int_equal(mask_view_describe(NULL, m, &v, &err), 0); /* the plain model */
    assert_int_equal(v.layers[0].allowed, 8);
    assert_true(v.hash == 0 && !v.layers[0].may && !v.layers[0].bias);
    mask_view_release(&v);
    router_program_close(keep);
    router_program_close(lean);
}

/* They stand apart: nothing of the model's own figures changes. */
static void adapter_experts_are_counted_apart(void **state)
{
    const table *k = *state;
    char path[128];
    error err = {0};
    mask_view v;
    router_settings s = router_settings_plain();
    (void)snprintf(path, sizeof path, "%s/own.safetensors", k->folder);
    adapter_support_write(&(adapter_plan){path, 2, 3, 12}, 1);
    const placed_adapter *own = NULL;
    assert_int_equal(engine_add_adapter(k->e, adapter_open(path, &err), &own, &err), 0);
    s.adapters = &own;
    s.adapter_count = 1;
    router_program *p = support_program(k->e, s, KEEP, NULL);
    assert_int_equal(mask_view_describe(p, engine_config(k->e), &v, &err), 0);
    assert_true(v.layers[0].adapter_count == 0 && v.layers[0].allowed == 4);
    assert_true(v.layers[1].adapter_count == 3 && v.layers[1].allowed == 5);
    mask_view_release(&v);
    router_program_close(p);
    engine_remove_adapter(k->e, own);
    (void)unlink(path);
}

static void two_masks_are_compared(void **state)
{
    const table *k = *state;
    const model_config *m = engine_config(k->e);
    error err = {0};
    mask_view_difference d;
    router_program *keep = support_program(k->e, router_settings_plain(), KEEP, NULL);
    router_program *other = support_program(k->e, router_settings_plain(), OTHER, NULL);
    router_program *lean = support_program(k->e, router_settings_plain(), LEAN, NULL);
    assert_int_equal(mask_view_compare(keep, other, m, &d, &err), 0);
    assert_int_equal(d.count, 2);
    assert_true(d.layers[0].a == 4 && d.layers[0].b == 6);
    assert_true(d.layers[0].both == 2 && d.layers[0].either == 8); /* 2, 3 of 0-7 */
    assert_true(d.layers[1].both == 5 && d.layers[1].either == 8);
    assert_true(fabs(d.layers[0].jaccard - 0.25) < 1e-12);
    assert_true(fabs(d.jaccard - (0.25 + 0.625) / 2) < 1e-12);
    assert_true(d.bias_distance == 0);
    mask_view_difference_release(&d);
    assert_int_equal(mask_view_compare(lean, NULL, m, &d, &err), 0);
    assert_true(d.jaccard == 1);
    assert_true(fabs(d.layers[0].bias_distance - 1) < 1e-12 &&
                fabs(d.layers[1].bias_distance - 0.75) < 1e-12);
    mask_view_difference_release(&d);
    router_program_close(keep);
    router_program_close(other);
    router_program_close(lean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_softened_mask_is_a_bias_on_what_it_bans),
        cmocka_unit_test(a_mask_is_switched_off_and_on),
        cmocka_unit_test(a_mask_is_softened_for_one),
        cmocka_unit_test(every_pass_is_told),
        cmocka_unit_test(a_mask_is_described),
        cmocka_unit_test(two_masks_are_compared),
        cmocka_unit_test(adapter_experts_are_counted_apart),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
