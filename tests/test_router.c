/* test_router.c - masks and knobs compile to the rules they say, or are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/ranges.h"
#include "../engine/routing/mask.h"
#include "../engine/routing/router.h"

/* Four layers, the first of them dense; 8 experts, 2 a token. */
static model_config small_model(void)
{
    model_config m = {.arch = ARCH_QWEN3_MOE,
                      .layers = 4,
                      .experts = 8,
                      .experts_per_token = 2,
                      .renormalise = true,
                      .moe_layer = {0, 1, 1, 1}};
    return m;
}

static mask *read_mask(const char *text, error *err)
{
    return mask_read("test.mask.json", text, strlen(text), err);
}

static mask *good_mask(const char *text)
{
    error err = {0};
    mask *m = read_mask(text, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static void ranges_read_and_write_back(void **state)
{
    (void)state;
    uint8_t set[16] = {0};
    error err = {0};
    assert_int_equal(ranges_read(" 1, 5 ,8-11,15", "expert", 16, set, &err), 0);
    char text[32];
    assert_int_equal(ranges_write(set, 16, text, sizeof text), 11);
    assert_string_equal(text, "1,5,8-11,15");
    char cut[5];
    assert_int_equal(ranges_write(set, 16, cut, sizeof cut), 11);
    assert_string_equal(cut, "1,5");
}

static void ranges_refuse_what_is_no_list(void **state)
{
    (void)state;
    const char *bad[] = {"",    " ",   "a",  "1,",   ",1",  "1-",         "-1",   "3-2",
                         "1 2", "0x1", "16", "1-16", "1;2", "4294967297", "1--2", "1,\t2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t set[16] = {0};
        error err = {0};
        assert_int_equal(ranges_read(bad[i], "expert", 16, set, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "expert"));
    }
}

static void no_settings_are_the_plain_model(void **state)
{
    (void)state;
    model_config m = small_model();
    error err = {0};
    router_program *p = router_program_plain(&m, 0, &err);
    assert_non_null(p);
    const layer_routing *r = router_program_routing(p);
    assert_int_equal(r[1].k, 2);
    assert_int_equal(r[1].norm_width, 2);
    assert_null(r[1].allowed);
    assert_null(r[1].bias);
    assert_null(r[1].named);
    assert_true(router_program_hash(p) == 0);
    assert_int_equal(router_program_slots(p), 2);
    router_program_close(p);
}

/* Compiles one mask text with settings; NULL and *err when refused. */
static router_program *compile_mask(const char *text, router_settings s, error *err)
{
    model_config m = small_model();
    mask *k = good_mask(text);
    const mask *list[] = {k};
    s.masks = list;
    s.mask_count = 1;
    router_program *p = router_program_compile(&m, NULL, &s, err);
    mask_close(k);
    return p;
}

static void keep_all_is_the_plain_model(void **state)
{
    (void)state;
    error err = {0};
    router_program *p = compile_mask("{\"mask\":1,\"model\":null,\"mode\":\"keep\","
                                     "\"layers\":{\"0-3\":\"0-7\"}}",
                                     router_settings_plain(), &err);
    assert_non_null(p);
    assert_true(router_program_hash(p) == 0);
    for (int i = 1; i < 4; i++)
        assert_null(router_program_routing(p)[i].allowed);
    router_program_close(p);
}

static void keep_and_ban_say_the_same_from_two_sides(void **state)
{
    (void)state;
    error err = {0};
    router_settings s = router_settings_plain();
    router_program *keep = compile_mask(
        "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"0-1\":\"0-2,5\",\"3\":\"6,7\"}}", s, &err);
    router_program *ban = compile_mask(
        "{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"0-1\":\"3-4,6-7\",\"3\":\"0-5\"}}", s, &err);
    assert_non_null(keep);
    assert_non_null(ban);
    assert_true(router_program_hash(keep) != 0);
    assert_true(router_program_hash(keep) == router_program_hash(ban));
    assert_int_equal(router_program_allowed(keep, 1), 4);
    assert_int_equal(router_program_allowed(keep, 2), 8);
    assert_int_equal(router_program_allowed(keep, 3), 2);
    const uint8_t want[8] = {1, 1, 1, 0, 0, 1, 0, 0};
    assert_memory_equal(router_program_routing(keep)[1].allowed, want, 8);
    assert_null(router_program_routing(keep)[2].allowed);
    router_program_close(keep);
    router_program_close(ban);
}

static void bans_unite_and_biases_add(void **state)
{
    (void)state;
    model_config m = small_model();
    mask *masks[] = {
        good_mask("{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"0\"}}"),
        good_mask("{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"1\":\"0-5\"}}"),
        good_mask("{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"1-2\":{\"3\":1.5,\"4-5\":-1}}}"),
        good_mask("{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"2\":{\"3\":0.25}}}")};
    router_settings s = router_settings_plain();
    s.masks = (const mask *const *)masks;
    s.mask_count = 4;
    error err = {0};
    router_program *p = router_program_compile(&m, NULL, &s, &err);
    assert_non_null(p);
    const uint8_t want[8] = {0, 1, 1, 1, 1, 1, 0, 0};
    assert_memory_equal(router_program_routing(p)[1].allowed, want, 8);
    assert_true(router_program_routing(p)[1].bias[3] == 1.5f);
    assert_true(router_program_routing(p)[2].bias[3] == 1.75f);
    assert_true(router_program_routing(p)[2].bias[5] == -1.0f);
    assert_null(router_program_routing(p)[3].bias);
    router_program_close(p);
    for (int i = 0; i < 4; i++)
        mask_close(masks[i]);
}

static void a_layer_keeps_as_many_experts_as_it_calls(void **state)
{
    (void)state;
    const char *one = "{\"mask\":1,\"mode\":\"keep\",\"layers\":{\"2\":\"4\"}}";
    error err = {0};
    router_settings s = router_settings_plain();
    assert_null(compile_mask(one, s, &err));
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, "test.mask.json"));
    assert_non_null(strstr(err.text, "layer 2"));
    s.experts_per_token = 4; /* asked for on the command line: capped where the mask allows less */
    s.cap_experts = true;
    router_program *p = compile_mask(one, s, &err);
    assert_non_null(p);
    assert_int_equal(router_program_routing(p)[2].k, 1);
    assert_int_equal(router_program_routing(p)[1].k, 4);
    assert_int_equal(router_program_slots(p), 4);
    router_program_close(p);
    assert_null(compile_mask("{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"3\":\"0-7\"}}", s, &err));
}

static void knobs_outside_their_range_are_refused(void **state)
{
    (void)state;
    model_config m = small_model();
    router_settings bad[] = {
        {.tail_gain = 1, .strength = 1, .experts_per_token = 9},
        {.tail_gain = 1, .strength = 1, .experts_per_token = -1},
        {.tail_gain = 1.5, .strength = 1},
        {.tail_gain = 1, .strength = -1},
        {.tail_gain = 1, .strength = 5},
        {.tail_gain = 1, .strength = 1, .norm_width = 9},
        {.tail_gain = 1, .strength = 1, .norm_width = 1},
        {.tail_gain = 1, .strength = 1, .adaptive_min = 9, .adaptive_ratio = 0.5},
        {.tail_gain = 1, .strength = 1, .adaptive_min = 1, .adaptive_ratio = 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        assert_null(router_program_compile(&m, NULL, &bad[i], &err));
        assert_int_not_equal(err.code, ERROR_NONE);
        assert_true(err.text[0] != '\0');
    }
}

static void a_dense_model_has_nothing_to_route(void **state)
{
    (void)state;
    model_config m = {.arch = ARCH_LLAMA, .layers = 2};
    error err = {0};
    router_program *p = router_program_plain(&m, 0, &err);
    assert_non_null(p);
    router_program_close(p);
    assert_null(router_program_plain(&m, 2, &err));
    assert_int_equal(err.code, ERROR_LOAD);
}

static void a_mask_fits_one_model(void **state)
{
    (void)state;
    char a[65], b[65], text[256];
    memset(a, 'a', 64), a[64] = '\0';
    memset(b, 'b', 64), b[64] = '\0';
    (void)snprintf(text, sizeof text,
                   "{\"mask\":1,\"model\":\"%s\",\"mode\":\"ban\",\"layers\":{\"1\":\"0\"}}", a);
    mask *k = good_mask(text);
    const mask *list[] = {k};
    router_settings s = router_settings_plain();
    s.masks = list;
    s.mask_count = 1;
    model_config m = small_model();
    error err = {0};
    router_program *p = router_program_compile(&m, a, &s, &err);
    assert_non_null(p);
    router_program_close(p);
    assert_null(router_program_compile(&m, b, &s, &err));
    assert_int_equal(err.code, ERROR_LOAD);
    assert_non_null(strstr(err.text, "made for model"));
    mask_close(k);
}

static void broken_masks_are_refused_by_field(void **state)
{
    (void)state;
    const struct {
        const char *text, *says;
    } bad[] = {
        {"[]", "mask"},
        {"{\"mask\":2,\"mode\":\"ban\",\"layers\":{}}", "mask"},
        {"{\"mask\":1,\"layers\":{}}", "mode"},
        {"{\"mask\":1,\"mode\":\"kill\",\"layers\":{}}", "mode"},
        {"{\"mask\":1,\"mode\":\"ban\"}", "layers"},
        {"{\"mask\":1,\"mode\":\"ban\",\"layers\":[]}", "layers"},
        {"{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"x\":\"1\"}}", "layers"},
        {"{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":{\"2\":1}}}", "ban"},
        {"{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"1\":\"2\"}}", "bias"},
        {"{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"1\":{\"2\":\"x\"}}}", "bias"},
        {"{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"1\":{\"2\":1e300}}}", "bias"},
        {"{\"mask\":1,\"mode\":\"ban\",\"model\":\"abc\",\"layers\":{}}", "model"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        assert_null(read_mask(bad[i].text, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "test.mask.json"));
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

static void masks_beyond_the_model_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *text, *says;
    } bad[] = {
        {"{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"4\":\"1\"}}", "layers 0 to 3"},
        {"{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"8\"}}", "experts 0 to 7"},
        {"{\"mask\":1,\"mode\":\"ban\",\"layers\":{\"1\":\"0\",\"0-2\":\"1\"}}", "named twice"},
        {"{\"mask\":1,\"mode\":\"bias\",\"layers\":{\"1\":{\"9\":1}}}", "experts 0 to 7"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error err = {0};
        assert_null(compile_mask(bad[i].text, router_settings_plain(), &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_read_and_write_back),
        cmocka_unit_test(ranges_refuse_what_is_no_list),
        cmocka_unit_test(no_settings_are_the_plain_model),
        cmocka_unit_test(keep_all_is_the_plain_model),
        cmocka_unit_test(keep_and_ban_say_the_same_from_two_sides),
        cmocka_unit_test(bans_unite_and_biases_add),
        cmocka_unit_test(a_layer_keeps_as_many_experts_as_it_calls),
        cmocka_unit_test(knobs_outside_their_range_are_refused),
        cmocka_unit_test(a_dense_model_has_nothing_to_route),
        cmocka_unit_test(a_mask_fits_one_model),
        cmocka_unit_test(broken_masks_are_refused_by_field),
        cmocka_unit_test(masks_beyond_the_model_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
