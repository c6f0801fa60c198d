/* test_json_writer.c - what json_writer.h writes is one valid JSON document with the values that went in. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/json.h"
#include "../engine/base/json_writer.h"

static void nesting_and_commas(void **state)
{
    (void)state;
    buf out = {0};
    error err = {0};
    json_writer e = {.out = &out, .err = &err};
    json_begin_object(&e, NULL);
    json_begin_array(&e, "empty");
    json_end(&e);
    json_begin_array(&e, "list");
    json_put_int(&e, NULL, -1);
    json_begin_object(&e, NULL);
    json_end(&e);
    json_put_count(&e, NULL, UINT64_MAX);
    json_end(&e);
    json_put_bool(&e, "yes", true);
    json_put_bool(&e, "no", false);
    json_put_text(&e, "none", NULL);
    json_put_text(&e, "a\"b", "c\nd");
    json_end(&e);
    assert_int_equal(json_writer_finish(&e), 0);
    assert_string_equal(out.v, "{\"empty\":[],\"list\":[-1,{},18446744073709551615],\"yes\":true,"
                               "\"no\":false,\"none\":null,\"a\\\"b\":\"c\\nd\"}");
    assert_int_equal(json_scan("emit", out.v, out.len, &err), 0);
    buf_release(&out);
}

static void numbers_read_back(void **state)
{
    (void)state;
    const double values[] = {0, -0.0, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789.125, 2.5, -7};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        buf out = {0};
        json_writer e = {.out = &out};
        json_put_number(&e, NULL, values[i]);
        assert_int_equal(json_writer_finish(&e), 0);
        double back = strtod(out.v, NULL);
        assert_memory_equal(&back, &values[i], sizeof back);
        assert_int_equal(json_scan("emit", out.v, out.len, NULL), 0);
        buf_release(&out);
    }
    buf out = {0};
    json_writer e = {.out = &out};
    json_put_number(&e, NULL, 0.1);
    assert_string_equal(out.v, "0.1"); /* the shortest that reads back */
    buf_clear(&out);
    e.comma = false;
    json_begin_array(&e, NULL);
    json_put_float(&e, NULL, 1e-5f);
    json_put_float(&e, NULL, 0.28867513f);
    json_put_float(&e, NULL, HUGE_VALF);
    json_end(&e);
    assert_string_equal(out.v, "[1e-05,0.28867513,null]");
    buf_release(&out);
}

static void what_json_cannot_say_is_null(void **state)
{
    (void)state;
    buf out = {0};
    json_writer e = {.out = &out};
    json_begin_array(&e, NULL);
    json_put_number(&e, NULL, NAN);
    json_put_number(&e, NULL, INFINITY);
    json_end(&e);
    assert_int_equal(json_writer_finish(&e), 0);
    assert_string_equal(out.v, "[null,null]");
    buf_release(&out);
}

static void broken_text_becomes_valid_utf8(void **state)
{
    (void)state;
    buf out = {0};
    error err = {0};
    json_writer e = {.out = &out, .err = &err};
    json_put_bytes(&e, NULL, "a\xff\0b\x1b", 5);
    assert_int_equal(json_writer_finish(&e), 0);
    assert_int_equal(json_scan("emit", out.v, out.len, &err),
                     -1); /* U+0000: valid, but readers refuse it */
    assert_non_null(strstr(out.v, "\xef\xbf\xbd"));
    assert_null(strchr(out.v, '\x1b'));
    buf_release(&out);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    buf out = {0};
    error err = {0};
    json_writer e = {.out = &out, .err = &err};
    for (int i = 0; i <= JSON_WRITER_DEPTH; i++)
        json_begin_array(&e, NULL);
    assert_int_equal(json_writer_finish(&e), -1);
    assert_non_null(strstr(err.text, "nested"));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_commas),
        cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(what_json_cannot_say_is_null),
        cmocka_unit_test(broken_text_becomes_valid_utf8),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests_name("emit", tests, NULL, NULL);
}
