/* test_json.c - the strict scan, the getters and the writer.
 *
 * Every text stands in a buffer of exactly its size, without a NUL, so that AddressSanitizer sees
 * one byte too far. The tables say what RFC 8259 says, and where we are stricter.
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/base/json.h"

/* A string literal's bytes, NULs inside included. */
typedef struct text {
    const char *v;
    size_t len;
} text;
#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static char *exact(const char *v, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, v, len);
    return copy;
}

static int scan(const char *v, size_t len, error *err)
{
    char *copy = exact(v, len);
    int result = json_scan("x", copy, len, err);
    free(copy);
    return result;
}

static json_document *parse(const char *v, error *err)
{
    size_t len = strlen(v);
    char *copy = exact(v, len);
    json_document *d = json_parse("x", copy, len, err);
    free(copy);
    return d;
}

/* ---- what is JSON --------------------------------------------------------------------------- */

static void accepts_json(void **state)
{
    static const text good[] = {
        T("{}"),
        T("[]"),
        T("null"),
        T("true"),
        T(" false "),
        T("\t\r\n0\n"),
        T("\"\""),
        T("-0"),
        T("-0.0"),
        T("1E22"),
        T("1e+2"),
        T("0e1"),
        T("1.5e-3"),
        T("123456789012345678901234567890"),
        T("[1,2 , 3]"),
        T("[[],{},[{}]]"),
        T("{\"a\":1,\"b\":{\"a\":2}}"),
        T("{\"\":0}"),
        T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        T("\"\\u00e9\\u20AC\\ud83d\\uDE00\""),
        T("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80"
          "\xf4\x8f\xbf\xbf\""),
        T("\"\x7f\""),
        T("\"\xe2\x80\xa8\xe2\x80\xa9\""),
        T("\"\\uFFFF\""),
        T("[1e999]"),
        T("[-0.0000000000000000000000000000000000000000000000000000000000000000000000000001]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        error err = {0};
        if (scan(good[i].v, good[i].len, &err))
            fail_msg("refused %s: %s", good[i].v, err.text);
    }
}

/* No JSON by RFC 8259, each for a reason of its own. */
static const text NOT_JSON[] = {
    T(""),
    T(" "),
    T("{"),
    T("}"),
    T("["),
    T("]"),
    T(","),
    T(":"),
    T("[,]"),
    T("[1,]"),
    T("[1 2]"),
    T("[1,,2]"),
    T("[1}"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{\"a\":1,}"),
    T("{\"a\" 1}"),
    T("{a:1}"),
    T("{1:1}"),
    T("{'a':1}"),
    T("{,\"a\":1}"),
    T("{\"a\":1]"),
    T("{null:1}"),
    T("[\"a\":1]"),
    T("1 2"),
    T("{}{}"),
    T("[]x"),
    T("{} \0"),
    T("\0"),
    T("[\0]"),
    T("nul"),
    T("nulll"),
    T("True"),
    T("NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("-"),
    T("+1"),
    T("01"),
    T("-01"),
    T("00"),
    T("1."),
    T(".5"),
    T("1.e1"),
    T("1e"),
    T("1E+"),
    T("1e-"),
    T("0x1"),
    T("1_0"),
    T("1f"),
    T("--1"),
    T("- 1"),
    T("1\xef\xbc\x91"),
    T("\""),
    T("\"a"),
    T("\"\\"),
    T("\"\\\""),
    T("\"\\u"),
    T("\"\\u1"),
    T("\"\\u12"),
    T("\"\\u123"),
    T("\"\\u123\""),
    T("\"\\u12g4\""),
    T("\"\\x41\""),
    T("\"\\U0041\""),
    T("\"\\a\""),
    T("\"\\0\""),
    T("\"\\'\""),
    T("\"\n\""),
    T("\"\t\""),
    T("\"\x1f\""),
    T("\"\0\""),
    T("\"\\u0000\""),
    T("{\"a\\u0000b\":1}"),
    T("/**/1"),
    T("1//"),
    T("#1"),
    T("\xef\xbb\xbf{}"),
    T("\xff\xfe{\0}\0"),
    T("{\0}\0"),
    T("\xef\xbb"),
    T("\xc2\xa0"
      "1"),
    T("\xe2\x81\xa0[]"),
    T("[1]\x0c"),
    T("\x0b[]"),
    T("[\"a\"\x00,1]"),
};

static void refuses_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NOT_JSON / sizeof *NOT_JSON; i++) {
        error err = {0};
        if (scan(NOT_JSON[i].v, NOT_JSON[i].len, &err) == 0)
            fail_msg("accepted case %zu: %s", i, NOT_JSON[i].v);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "x: offset "));
    }
}

static void refuses_broken_unicode(void **state)
{
    static const text bad[] = {
        T("\"\\ud800\""),
        T("\"\\udc00\""),
        T("\"\\udc00\\ud800\""),
        T("\"\\ud800\\u0041\""),
        T("\"\\ud800\\ud800\""),
        T("\"\\ud800x\""),
        T("\"\\ud800\\"),
        T("\"\\ud800\\u"),
        T("\"\\ud83d\\ude0\""),
        T("\"\x80\""),
        T("\"\xbf\""),
        T("\"\xc0\x80\""),
        T("\"\xc1\xbf\""),
        T("\"\xe0\x80\x80\""),
        T("\"\xe0\x9f\xbf\""),
        T("\"\xed\xa0\x80\""),
        T("\"\xed\xa0\xbd\xed\xb8\x80\""),
        T("\"\xf0\x80\x80\x80\""),
        T("\"\xf0\x8f\xbf\xbf\""),
        T("\"\xf4\x90\x80\x80\""),
        T("\"\xf5\x80\x80\x80\""),
        T("\"\xff\""),
        T("\"\xfe\""),
        T("\"\xc2\""),
        T("\"\xe2\x82\""),
        T("\"\xf0\x9f\x98\""),
        T("\"\xc2"),
        T("\"\xf0"),
        T("\"\xf0\x9f\x98"),
        T("\"\xe2\x28\xa1\""),
        T("{\"\xc3\x28\":1}"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (scan(bad[i].v, bad[i].len, NULL) == 0)
            fail_msg("accepted case %zu: %s", i, bad[i].v);
}

/* No prefix of a JSON object is JSON, and none may be read beyond. */
static void refuses_every_prefix(void **state)
{
    static const char whole[] =
        "{\"a\\u00e9\\ud83d\\ude00\":[1.5e+3,true,false,null,\"\xc3\xa9\\n\"],\"b\":{\"c\":{}}}";
    (void)state;
    assert_int_equal(scan(whole, sizeof whole - 1, NULL), 0);
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_int_equal(scan(whole, n, NULL), -1);
}

/* ---- limits --------------------------------------------------------------------------------- */

static char *repeat(const char *piece, size_t times, size_t *len)
{
    size_t n = strlen(piece);
    char *v = malloc(n * times + 1);
    assert_non_null(v);
    for (size_t i = 0; i < times; i++)
        memcpy(v + i * n, piece, n);
    *len = n * times;
    return v;
}

static void limits_depth(void **state)
{
    char at_limit[2 * JSON_MAX_DEPTH], beyond[2 * JSON_MAX_DEPTH + 2];
    error err = {0};
    size_t len;
    (void)state;
    memset(at_limit, '[', JSON_MAX_DEPTH);
    memset(at_limit + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    assert_int_equal(scan(at_limit, sizeof at_limit, NULL), 0);
    memset(beyond, '[', JSON_MAX_DEPTH + 1);
    memset(beyond + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    assert_int_equal(scan(beyond, sizeof beyond, &err), -1);
    assert_non_null(strstr(err.text, "x: offset 64: nested deeper than 64 levels"));
    for (int object = 0; object < 2; object++) {
        char *v = repeat(object ? "{\"a\":" : "[", 100000, &len);
        assert_int_equal(json_scan("x", v, len, NULL), -1);
        free(v);
    }
}

static void limits_values(void **state)
{
    size_t len;
    error err = {0};
    (void)state;
    char *v = repeat("0,", (size_t)JSON_MAX_VALUES + 1, &len);
    memcpy(v, "[ ", 2);
    assert_int_equal(json_scan("x", v, len, &err), -1);
    assert_non_null(strstr(err.text, "more than"));
    free(v);
}

static void limits_numbers(void **state)
{
    size_t len;
    error err = {0};
    (void)state;
    char *v = repeat("7", 10 << 20, &len);
    assert_int_equal(json_scan("x", v, len, NULL), 0);
    assert_null(json_parse("x", v, len, &err));
    assert_non_null(strstr(err.text, "a number of 10485760 characters"));
    json_document *d = json_parse("x", v, 63, NULL);
    assert_non_null(d);
    assert_true(fabs(json_number(json_root(d)) / 7.7777777777777778e62 - 1) < 1e-15);
    json_close(d);
    free(v);
}

/* ---- duplicate keys ------------------------------------------------------------------------- */

static void refuses_duplicate_keys(void **state)
{
    static const text bad[] = {
        T("{\"a\":1,\"a\":2}"),
        T("{\"a\":1,\"\\u0061\":2}"),
        T("{\"\\u0061\":1,\"a\":2}"),
        T("{\"\\u0061\":1,\"\\u0061\":2}"),
        T("{\"\":1,\"\":2}"),
        T("[{\"x\":{\"a\":1,\"a\":1}}]"),
        T("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"),
        T("{\"b\":{},\"a\":[{\"a\":1}],\"b\":1}"),
        T("{\"\\/\":1,\"/\":2}"),
        T("{\"\\n\":1,\"\\u000a\":2}"),
    };
    static const text good[] = {
        T("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"),
        T("[{\"a\":1},{\"a\":1}]"),
        T("{\"a\":1,\"A\":2,\"aa\":3,\"\\u00e9\":4,\"e\\u0301\":5}"),
        T("{\"a\":[{\"a\":1},{\"a\":2}]}"),
    };
    error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (scan(bad[i].v, bad[i].len, &err) == 0)
            fail_msg("accepted %s", bad[i].v);
    assert_non_null(strstr(err.text, "appears twice"));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(scan(good[i].v, good[i].len, NULL), 0);
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A million keys in one object: a quadratic check would take hours. */
static void finds_duplicates_in_linear_time(void **state)
{
    enum { KEYS = 1000000, ROOM = 12 };
    char *v = malloc((size_t)KEYS * ROOM + 2);
    size_t len = 1;
    (void)state;
    assert_non_null(v);
    v[0] = '{';
    for (int i = 0; i < KEYS; i++)
        len += (size_t)snprintf(v + len, ROOM + 1, "\"%07d\":0%c", i, i + 1 < KEYS ? ',' : '}');
    double start = seconds();
    assert_int_equal(json_scan("x", v, len, NULL), 0);
    memcpy(v + len - 11, "\"0000000\"", 9);
    assert_int_equal(json_scan("x", v, len, NULL), -1);
    assert_true(seconds() - start < 8); /* of processor time: about 0.3, under sanitizers 2 */
    free(v);
}

static void takes_a_key_of_64_mebibytes(void **state)
{
    size_t len;
    (void)state;
    char *v = repeat("k", ((size_t)64 << 20) + 5, &len);
    memcpy(v, "{\"", 2);
    memcpy(v + len - 4, "\":0}", 4);
    assert_int_equal(json_scan("x", v, len, NULL), 0);
    free(v);
}

/* ---- documents and getters ------------------------------------------------------------------ */

static void builds_trees(void **state)
{
    error err = {0};
    (void)state;
    json_document *d = parse("{\"s\":\"\\u00e9\\ud83d\\ude00\\n\",\"list\":[1,-2.5,null,true],"
                             "\"A\":1,\"a\":2}",
                             &err);
    assert_non_null(d);
    const json *root = json_root(d), *list = json_member(root, "list");
    assert_int_equal(json_type(root), JSON_OBJECT);
    assert_int_equal(json_count(root), 4);
    assert_string_equal(json_string(json_member(root, "s")), "\xc3\xa9\xf0\x9f\x98\x80\n");
    assert_int_equal(json_count(list), 4);
    assert_true(json_number(json_next(json_first(list))) == -2.5);
    assert_true(json_number(json_member(root, "a")) == 2);
    assert_string_equal(json_key(json_first(root)), "s");
    assert_null(json_member(root, "S"));
    assert_null(json_member(list, "a"));
    assert_null(json_member(NULL, "a"));
    assert_false(json_true(NULL));
    json_close(d);
    json_close(NULL);
}

static void gets_integers(void **state)
{
    int64_t v = 7;
    error err = {0};
    (void)state;
    json_document *d =
        parse("{\"a\":5,\"f\":5.0,\"e\":1e3,\"h\":0.5,\"s\":\"8\",\"l\":[8],\"n\":null,"
              "\"x\":1e999,\"big\":9007199254740992,\"over\":9007199254740994,"
              "\"huge\":18446744073709551615,\"neg\":-1,\"z\":-0,\"t\":true}",
              &err);
    assert_non_null(d);
    const json *o = json_root(d);
    assert_int_equal(json_get_int(o, "a", 5, 5, &v, &err), 1);
    assert_int_equal(v, 5);
    assert_int_equal(json_get_int(o, "f", 0, 9, &v, &err), 1);
    assert_int_equal(json_get_int(o, "e", 0, 1000, &v, &err), 1);
    assert_int_equal(v, 1000);
    assert_int_equal(json_get_int(o, "z", 0, 0, &v, &err), 1);
    assert_int_equal(v, 0);
    assert_int_equal(json_get_int(o, "big", 0, INT64_MAX, &v, &err), 1);
    assert_true(v == 9007199254740992);
    assert_int_equal(json_get_int(o, "n", 0, 9, &v, &err), 0);
    assert_int_equal(json_get_int(o, "absent", 0, 9, &v, &err), 0);
    assert_true(v == 9007199254740992);
    const char *refused[] = {"h", "s", "l", "x", "over", "huge", "neg", "t"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(json_get_int(o, refused[i], 0, INT64_MAX, &v, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_ptr_equal(strstr(err.text, refused[i]), err.text);
    }
    assert_int_equal(json_get_int(o, "a", 6, 9, &v, &err), -1);
    assert_string_equal(err.text, "a is 5, expected 6 to 9");
    json_close(d);
}

static void gets_other_kinds(void **state)
{
    double n = 0;
    bool b = false;
    const char *s = NULL;
    const json *v = NULL;
    error err = {0};
    (void)state;
    json_document *d = parse(
        "{\"n\":1.5,\"x\":1e999,\"b\":true,\"s\":\"t\",\"l\":[],\"o\":{},\"null\":null}", &err);
    assert_non_null(d);
    const json *o = json_root(d);
    assert_int_equal(json_get_number(o, "n", 1, 2, &n, &err), 1);
    assert_true(n == 1.5);
    assert_int_equal(json_get_number(o, "n", 2, 3, &n, &err), -1);
    assert_string_equal(err.text, "n is 1.5, expected 2 to 3");
    assert_int_equal(json_get_number(o, "x", -DBL_MAX, DBL_MAX, &n, &err), -1);
    assert_int_equal(json_get_bool(o, "b", &b, &err), 1);
    assert_true(b);
    assert_int_equal(json_get_bool(o, "n", &b, &err), -1);
    assert_string_equal(err.text, "n is a number, expected true or false");
    assert_int_equal(json_get_string(o, "s", &s, &err), 1);
    assert_string_equal(s, "t");
    assert_int_equal(json_get_string(o, "l", &s, &err), -1);
    assert_int_equal(json_get_array(o, "l", &v, &err), 1);
    assert_int_equal(json_get_array(o, "o", &v, &err), -1);
    assert_int_equal(json_get_object(o, "o", &v, &err), 1);
    assert_int_equal(json_get_object(o, "null", &v, &err), 0);
    json_close(d);
}

/* A decimal comma in the user's locale must not change what a file says. */
static void reads_numbers_in_any_locale(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("skip: no locale with a decimal comma is installed\n");
        skip();
    }
    json_document *d = parse("[1.5,-2.25e-3]", NULL);
    assert_non_null(d);
    assert_true(json_number(json_first(json_root(d))) == 1.5);
    assert_true(json_number(json_next(json_first(json_root(d)))) == -2.25e-3);
    json_close(d);
    (void)setlocale(LC_NUMERIC, "C");
}

static void loads_files(void **state)
{
    error err = {0};
    (void)state;
    json_document *d = json_load("tests/fixtures/models/qwen3_moe/config.json", 1 << 20, &err);
    assert_non_null(d);
    assert_string_equal(json_string(json_member(json_root(d), "model_type")), "qwen3_moe");
    json_close(d);
    assert_null(json_load("tests/fixtures/models/qwen3_moe/config.json", 10, &err));
    assert_non_null(strstr(err.text, "more than the 10 that are read"));
    const char *paths[] = {"/dev/zero", "tests", "/no/such/file", "/dev/tty"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_null(json_load(paths[i], 10, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, paths[i]));
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

static void quotes(void **state)
{
    static const struct {
        text from;
        const char *to;
    } cases[] = {
        {T(""), "\"\""},
        {T("a\"\\/"), "\"a\\\"\\\\/\""},
        {T("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {T("\0\x1b\x7f"), "\"\\u0000\\u001b\\u007f\""},
        {T("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {T("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"),
         "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\""},
        {T("\xff"
           "a\xe2\x82"),
         "\"\xef\xbf\xbd"
         "a\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf out = {0};
        char *copy = exact(cases[i].from.v, cases[i].from.len);
        assert_int_equal(json_quote(&out, copy, cases[i].from.len, NULL), 0);
        assert_string_equal(out.v, cases[i].to);
        free(copy);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(refuses_broken_unicode),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(limits_values),
        cmocka_unit_test(limits_numbers),
        cmocka_unit_test(refuses_duplicate_keys),
        cmocka_unit_test(finds_duplicates_in_linear_time),
        cmocka_unit_test(takes_a_key_of_64_mebibytes),
        cmocka_unit_test(builds_trees),
        cmocka_unit_test(gets_integers),
        cmocka_unit_test(gets_other_kinds),
        cmocka_unit_test(reads_numbers_in_any_locale),
        cmocka_unit_test(loads_files),
        cmocka_unit_test(quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
