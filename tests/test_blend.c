/* test_blend.c - blends that equal what they mix, and the divergence that they tell. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "council_support.h"

enum { EVERYONE = 15 };
static const char PROMPT[] = "Is it ever right to lie?";

/* A council answers. */
static void ask(cast_talk *t, council *c, const char *prompt)
{
    *t = cast_talk_of(c);
    cast_talk_ask(t, prompt);
}

static void a_blend_of_one_is_that_one(void **state)
{
    const cast *k = *state;
    for (int shared = 0; shared < 2; shared++) {
        council_options o = cast_options();
        o.prefill = shared ? PREFILL_SHARED : PREFILL_OWN;
        council *c = cast_council(k, &o, EVERYONE, 0);
        cast_talk t;
        ask(&t, c, PROMPT);
        for (int i = 0; i < CAST; i++) {
            double weights[CAST] = {0};
            merge_options blend = cast_merge_options(MERGE_BLEND);
            turn_merge r;
            weights[i] = 2;
            blend.weights = weights;
            cast_merge(&t, &blend, &r);
            const turn_answer *a = &t.replies[i];
            assert_int_equal(r.ids.len, a->ids.len);
            assert_memory_equal(r.ids.v, a->ids.v, r.ids.len * sizeof(int));
            assert_int_equal(r.stop, a->stop);
            for (size_t x = 0; x < r.ids.len; x++)
                assert_true(r.divergence[x] == 0);
        }
        cast_talk_close(&t);
    }
}

static void divergence_says_where_passes_part(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, EVERYONE, 1), *twins = cast_council(k, &o, 1, 1);
    pass_options twin = cast_pass(k, 0, 1);
    error err = {0};
    twin.name = "twin";
    assert_int_equal(council_add(twins, &twin, &err), 1);
    cast_talk t;
    ask(&t, c, PROMPT);
    cast_talk same;
    ask(&same, twins, PROMPT);
    merge_options blend = cast_merge_options(MERGE_BLEND);
    turn_merge r;
    double most = 0;
    cast_merge(&t, &blend, &r);
    for (size_t x = 0; x < r.ids.len; x++) {
        assert_true(r.divergence[x] >= 0 && r.divergence[x] <= log(CAST));
        most = fmax(most, r.divergence[x]);
    }
    assert_true(most > 0.01);
    cast_merge(&same, &blend, &r);
    for (size_t x = 0; x < r.ids.len; x++)
        assert_true(fabs(r.divergence[x]) < 1e-12);
    cast_talk_close(&t);
    cast_talk_close(&same);
}

static void a_contrast_chooses_among_the_plausible(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    council *c = cast_council(k, &o, 1, 0);
    cast_talk t;
    ask(&t, c, PROMPT);
    merge_options blend = cast_merge_options(MERGE_BLEND);
    turn_merge plain, contrast;
    cast_merge(&t, &blend, &plain);
    blend.contrast = 1;
    cast_merge(&t, &blend, &contrast);
    assert_true(plain.ids.len != contrast.ids.len ||
                memcmp(plain.ids.v, contrast.ids.v, plain.ids.len * sizeof(int)) != 0);
    double none[1] = {0};
    error err = {0};
    blend.weights = none;
    assert_int_equal(merge_run(c, &t.round, &blend, &t.merges, &plain, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    cast_talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blend_of_one_is_that_one),
        cmocka_unit_test(divergence_says_where_passes_part),
        cmocka_unit_test(a_contrast_chooses_among_the_plausible),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
