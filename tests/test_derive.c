/* test_derive.c - the formula behind derived masks, and saving one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../personas/derive/derive.h"

enum { EXPERTS = 4 };

/* Both halves alike. */
static int bias_of(const double own[EXPERTS], const double other[EXPERTS], float out[EXPERTS])
{
    const double *a[2] = {own, own}, *b[2] = {other, other};
    return derive_bias(a, b, EXPERTS, out);
}

static void preferred_experts_are_leant_to(void **state)
{
    (void)state;
    float out[EXPERTS];
    assert_int_equal(bias_of((double[]){4, 2, 1, 1}, (double[]){1, 2, 1, 4}, out), 2);
    /* shares 0.5 and 0.125, eps = 0.1 / 4 */
    float want = (float)log(0.525 / 0.15);
    assert_true(fabsf(out[0] - want) < 1e-6f && fabsf(out[3] + want) < 1e-6f);
    assert_true(out[1] == 0.0f && out[2] == 0.0f);
}

static void the_bias_does_not_depend_on_how_much_was_read(void **state)
{
    (void)state;
    float once[EXPERTS], often[EXPERTS];
    (void)bias_of((double[]){4, 2, 1, 1}, (double[]){1, 2, 1, 4}, once);
    (void)bias_of((double[]){400, 200, 100, 100}, (double[]){3, 6, 3, 12}, often);
    for (int i = 0; i < EXPERTS; i++)
        assert_true(fabsf(once[i] - often[i]) < 1e-6f);
}

static void it_is_clipped_and_finite(void **state)
{
    (void)state;
    float out[EXPERTS];
    assert_int_equal(bias_of((double[]){1, 0, 0, 0}, (double[]){0, 0, 0, 1}, out), 2);
    assert_true(out[0] == 2.0f && out[3] == -2.0f);
    assert_int_equal(bias_of((double[]){0, 0, 0, 0}, (double[]){0, 0, 0, 0}, out), 0);
}

static void small_differences_are_left_alone(void **state)
{
    (void)state;
    float out[EXPERTS];
    assert_int_equal(bias_of((double[]){102, 98, 100, 100}, (double[]){100, 100, 100, 100}, out),
                     0);
    assert_int_equal(bias_of((double[]){120, 80, 100, 100}, (double[]){100, 100, 100, 100}, out),
                     2);
}

static void halves_that_disagree_are_noise(void **state)
{
    (void)state;
    static const double up[EXPERTS] = {4, 1, 2, 1}, down[EXPERTS] = {1, 4, 2, 1},
                        even[EXPERTS] = {2, 2, 2, 2}, none[EXPERTS] = {0};
    const double *mixed[2] = {up, down}, *steady[2] = {up, up}, *flat[2] = {even, even},
                 *half[2] = {up, none};
    float out[EXPERTS];
    assert_int_equal(derive_bias(mixed, flat, EXPERTS, out), 1); /* expert 3: below in both */
    assert_true(out[0] == 0.0f && out[1] == 0.0f && out[3] < 0.0f);
    assert_int_equal(derive_bias(steady, flat, EXPERTS, out), 3);
    assert_int_equal(derive_bias(half, flat, EXPERTS, out), 3); /* an empty half has no say */
}

static void a_saved_mask_replaces_the_old_one_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/derive-XXXXXX", path[64], read[16] = "";
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/m.json", folder);
    error err = {0};
    char old[] = "old\n", new[] = "new\n";
    assert_int_equal(derive_save(path, &(buf){old, 4, 5}, &err), 0);
    assert_int_equal(derive_save(path, &(buf){new, 4, 5}, &err), 0);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(read, sizeof read, f));
    (void)fclose(f);
    assert_string_equal(read, "new\n");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left there */
    assert_int_equal(derive_save("/tmp/no-such-folder/m.json", &(buf){new, 4, 5}, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    assert_non_null(strstr(err.text, "/tmp/no-such-folder/m.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferred_experts_are_leant_to),
        cmocka_unit_test(the_bias_does_not_depend_on_how_much_was_read),
        cmocka_unit_test(it_is_clipped_and_finite),
        cmocka_unit_test(small_differences_are_left_alone),
        cmocka_unit_test(halves_that_disagree_are_noise),
        cmocka_unit_test(a_saved_mask_replaces_the_old_one_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
