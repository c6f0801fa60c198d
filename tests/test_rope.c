/* test_rope.c - RoPE equals transformers' to the end of contexts of 131,072 positions.
 *
 * fixtures/rope.json (make_rope.py) holds frequencies, cosines and sines of real configurations. At
 * position 131,071 an angle is a product of about 2^17, so one wrong last bit of a frequency near 1
 * turns it by 0.008: a bound of 2e-5 leaves no room for another way of rounding.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/json.h"
#include "../engine/run/rope.h"

enum { HALF_MAX = 64 };

static double number(const json *object, const char *key, double otherwise)
{
    const json *v = json_member(object, key);
    return v != NULL ? json_number(v) : otherwise;
}

static rope_config config_of(const json *c)
{
    const json *type = json_member(c, "rope_type"), *truncate = json_member(c, "truncate");
    const char *name = type != NULL ? json_string(type) : "default";
    rope_kind kind = strcmp(name, "yarn") == 0     ? ROPE_YARN
                     : strcmp(name, "llama3") == 0 ? ROPE_LLAMA3
                     : strcmp(name, "linear") == 0 ? ROPE_LINEAR
                                                   : ROPE_PLAIN;
    return (rope_config){.kind = kind,
                         .dim = (int)number(c, "dim", 0),
                         .theta = number(c, "theta", 0),
                         .factor = number(c, "factor", 1),
                         .original_context = number(c, "original_max_position_embeddings", 0),
                         .low_freq = number(c, "low_freq_factor", 1),
                         .high_freq = number(c, "high_freq_factor", 4),
                         .beta_fast = number(c, "beta_fast", 32),
                         .beta_slow = number(c, "beta_slow", 1),
                         .attention_factor = number(c, "attention_factor", 1),
                         .truncate = truncate == NULL || json_true(truncate)};
}

/* The largest distance between computed[0..n) and a JSON array of n numbers. */
static double distance(const json *array, const float *computed, int n)
{
    double worst = 0;
    const json *v = json_first(array);
    for (int i = 0; i < n; i++, v = json_next(v)) {
        assert_non_null(v);
        worst = fmax(worst, fabs(json_number(v) - (double)computed[i]));
    }
    assert_null(v);
    return worst;
}

static void check_case(const json *positions, const json *c)
{
    float frequencies[HALF_MAX], cosines[HALF_MAX], sines[HALF_MAX];
    rope_config rope = config_of(c);
    int half = rope.dim / 2;
    assert_true(half > 0 && half <= HALF_MAX);
    rope_frequencies(&rope, frequencies);
    assert_true(distance(json_member(c, "frequencies"), frequencies, half) <= 1e-7);
    const json *cosine = json_first(json_member(c, "cosines"));
    const json *sine = json_first(json_member(c, "sines"));
    for (const json *p = json_first(positions); p != NULL; p = json_next(p)) {
        rope_angles(&rope, frequencies, (int)json_number(p), cosines, sines);
        double worst = fmax(distance(cosine, cosines, half), distance(sine, sines, half));
        if (!(worst <= 2e-5))
            fail_msg("%s, position %.0f: off by %g", json_string(json_member(c, "name")),
                     json_number(p), worst);
        cosine = json_next(cosine);
        sine = json_next(sine);
    }
}

static void test_tables_equal_the_reference(void **state)
{
    (void)state;
    error err = {0};
    json_document *d = json_load("tests/fixtures/rope.json", 1 << 20, &err);
    assert_non_null(d);
    const json *cases = json_member(json_root(d), "cases");
    assert_int_equal(json_count(cases), 8);
    for (const json *c = json_first(cases); c != NULL; c = json_next(c))
        check_case(json_member(json_root(d), "positions"), c);
    json_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables_equal_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
