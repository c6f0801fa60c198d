/* test_fingerprint.c - the digits equal SHA-256 over bf16 bytes as Python's hashlib computes it,
 * however the weights are cut into calls and whatever precision above bf16 they came in. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/routing/fingerprint.h"

static void digits_of(const float *v, size_t n, size_t step, char hex[FINGERPRINT_TEXT])
{
    error err;
    fingerprint *f = fingerprint_open(&err);
    assert_non_null(f);
    for (size_t i = 0; i < n; i += step)
        assert_int_equal(fingerprint_add_f32(f, v + i, n - i < step ? n - i : step, &err), 0);
    assert_int_equal(fingerprint_finish(f, hex, &err), 0);
    fingerprint_close(f);
}

static void empty_is_sha256_of_nothing(void **state)
{
    (void)state;
    char hex[FINGERPRINT_TEXT];
    digits_of(NULL, 0, 1, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* hashlib.sha256(bytes.fromhex("803f00c0c04780ff0000")).hexdigest() */
static void equals_python(void **state)
{
    (void)state;
    const float v[] = {1.0f, -2.0f, 98304.0f, -INFINITY, 0.0f};
    char hex[FINGERPRINT_TEXT];
    digits_of(v, 5, 5, hex);
    assert_string_equal(hex, "acc8c37a8c5b2e02cfeb238b4e235467b735e6829ae54b5ef08bd3935ad2957c");
}

static void cuts_do_not_matter(void **state)
{
    (void)state;
    float v[5000];
    for (size_t i = 0; i < 5000; i++)
        v[i] = (float)i * 0.37f - 900.0f;
    char whole[FINGERPRINT_TEXT], cut[FINGERPRINT_TEXT];
    digits_of(v, 5000, 5000, whole);
    const size_t steps[] = {1, 7, 1023, 1024, 1025, 4999};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        digits_of(v, 5000, steps[i], cut);
        assert_string_equal(whole, cut);
    }
}

/* Rounding: 1 + 2^-8 is a tie and goes to the even 1.0; a little more goes up. */
static void rounds_to_bf16(void **state)
{
    (void)state;
    const float exact = 1.0f, tie = 1.00390625f, above = 1.0039064f, next = 1.0078125f;
    char a[FINGERPRINT_TEXT], b[FINGERPRINT_TEXT], c[FINGERPRINT_TEXT], d[FINGERPRINT_TEXT];
    digits_of(&exact, 1, 1, a);
    digits_of(&tie, 1, 1, b);
    digits_of(&above, 1, 1, c);
    digits_of(&next, 1, 1, d);
    assert_string_equal(a, b);
    assert_string_equal(c, d);
    assert_string_not_equal(a, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_sha256_of_nothing),
        cmocka_unit_test(equals_python),
        cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(rounds_to_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
