/* test_pretoken.c - split patterns: what is read how, how pieces are cut, and that nothing hangs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/text/onig.h"
#include "../engine/text/pretoken.h"
#include "../engine/text/tokenizer_presets.h"

static int add_piece(void *user, const char *piece, size_t len, error *err)
{
    buf *out = user;
    return buf_add(out, piece, len, err) || buf_text(out, "/", err) ? -1 : 0;
}

/* The pieces of text under one Split, each followed by a slash. */
static void check_split(const char *pattern, bool literal, pretoken_behavior behavior, bool invert,
                        const char *text, const char *want)
{
    error err = {0};
    buf got = {0};
    pretoken *p = pretoken_open(&err);
    assert_non_null(p);
    if (pretoken_add_split(p, pattern, strlen(pattern), literal, behavior, invert, &err) ||
        pretoken_run(p, text, strlen(text), true, add_piece, &got, &err))
        fail_msg("%s: %s", pattern, err.text);
    assert_string_equal(got.v ? got.v : "", want);
    buf_release(&got);
    pretoken_close(p);
}

/* Expectations are what the tokenizers library 0.23 answers. */
static void behaviors_join_matches_as_the_reference(void **state)
{
    const char *text = "the-final--countdown";
    (void)state;
    check_split("-", true, PRETOKEN_REMOVED, false, text, "the/final/countdown/");
    check_split("-", true, PRETOKEN_ISOLATED, false, text, "the/-/final/-/-/countdown/");
    check_split("-", true, PRETOKEN_MERGED_WITH_PREVIOUS, false, text, "the-/final-/-/countdown/");
    check_split("-", true, PRETOKEN_MERGED_WITH_NEXT, false, text, "the/-final/-/-countdown/");
    check_split("-", true, PRETOKEN_CONTIGUOUS, false, text, "the/-/final/--/countdown/");
    check_split("[a-z]+", false, PRETOKEN_REMOVED, true, text, "the/final/countdown/");
    check_split(".", true, PRETOKEN_ISOLATED, false, "a.b", "a/./b/");
    check_split("x", true, PRETOKEN_REMOVED, false, "xxx", "");
    check_split("-", true, PRETOKEN_MERGED_WITH_NEXT, false, "a-", "a/-/");
    check_split("-", true, PRETOKEN_MERGED_WITH_PREVIOUS, false, "-a", "-/a/");
}

static void empty_matches_move_on(void **state)
{
    (void)state;
    check_split("", false, PRETOKEN_ISOLATED, false, "axé", "a/x/é/");
    check_split("x*", false, PRETOKEN_ISOLATED, false, "axxb", "a/xx/b/");
    check_split("(?=\\d{3}(?!\\d))", false, PRETOKEN_ISOLATED, false, "a1234567b", "a1234/567b/");
    check_split("$", false, PRETOKEN_ISOLATED, false, "ab\ncd", "ab/\ncd/");
}

static void bounded_lookaheads_pass(void **state)
{
    (void)state;
    check_split("(?=[ab]{2,16}c)a", false, PRETOKEN_ISOLATED, false, "aabc", "a/a/bc/");
    check_split("(?!x?)a|b+(?=c)", false, PRETOKEN_ISOLATED, false, "abbc", "a/bb/c/");
}

static void the_language_is_ruby_s(void **state)
{
    (void)state;
    check_split("\\s", false, PRETOKEN_ISOLATED, false,
                "a\xE1\xA0\x8E"
                "b\xC2\x85"
                "c",
                "a\xE1\xA0\x8E"
                "b/\xC2\x85/c/");
    check_split("[^\\S\\n]+", false, PRETOKEN_REMOVED, false, "a \t\nb", "a/\nb/");
    check_split("\\S+", false, PRETOKEN_REMOVED, false, "a b", " /");
    check_split("\\p{N}{1,3}+", false, PRETOKEN_ISOLATED, false, "12345678 1", "12345678/ /1/");
    check_split("(?:ab){2}+", false, PRETOKEN_ISOLATED, false, "abababab", "abababab/");
    check_split("\\p{Han}", false, PRETOKEN_REMOVED, false, "a\xE3\x80\x85z\xE3\x80\x82",
                "a/z\xE3\x80\x82/");
    check_split("(?i:'s)", false, PRETOKEN_ISOLATED, false, "'\xC5\xBF'S", "'\xC5\xBF/'S/");
    check_split("\\u4e00-?", false, PRETOKEN_ISOLATED, false, "x\xE4\xB8\x80-", "x/\xE4\xB8\x80-/");
    check_split("[\\-\\]a&]", false, PRETOKEN_ISOLATED, false, "x]-&", "x/]/-/&/");
    check_split("a\\.b|\\$", false, PRETOKEN_ISOLATED, false, "axb$a.b", "axb/$/a.b/");
}

static void refuses(const char *pattern, const char *why)
{
    error err = {0};
    buf out = {0};
    if (onig_translate(pattern, strlen(pattern), &out, &err) == 0)
        fail_msg("%s was not refused", pattern);
    if (!strstr(err.text, why))
        fail_msg("%s: %s", pattern, err.text);
    buf_release(&out);
}

static void what_pcre2_reads_otherwise_is_refused(void **state)
{
    (void)state;
    refuses("[a-\\s]", "offset 3: a range that ends in a set");
    refuses("[\\s-z]", "a range that starts with a set");
    refuses("\\v", "offset 0: this escape");
    refuses("\\Ka", "this escape");
    refuses("\\R", "this escape");
    refuses("\\X", "this escape");
    refuses("\\N", "this escape");
    refuses("\\g<1>", "this escape");
    refuses("\\x{110000000}", "a code point is");
    refuses("\\xff", "bytes, not code points");
    refuses("\\p{Alpha", "this property");
    refuses("\\p{x}", "this property");
    refuses("\\p{La tin}", "this property");
    refuses("(?<name>a)", "this kind of group");
    refuses("(?#c)", "this kind of group");
    refuses("(?|a)", "this kind of group");
    refuses("(?(1)a)", "this kind of group");
    refuses("(?>a)", "this kind of group");
    refuses("(?=a+)", "offset 4: a long repeat inside a lookahead");
    refuses("(?!(b|(a)*))", "a long repeat");
    refuses("(?=a{2,})", "a long repeat");
    refuses("(?=a{2,17})", "a long repeat");
    refuses("(?m:.)", "this kind of group");
    refuses("a**", "a repeat of a repeat");
    refuses("a{2}?", "a repeat of a repeat");
    refuses("a|*", "nothing to repeat");
    refuses("^*", "nothing to repeat");
    refuses("a{12345}", "a { that is no");
    refuses("[]a]", "an empty class");
    refuses("a]", "a ] without");
    refuses("\\", "this escape");
}

/* ---- rewriting of spaces -------------------------------------------------------------------- */

static void check_spaces(pretoken_prefix prefix, bool first, const char *text, const char *want)
{
    error err = {0};
    buf got = {0};
    pretoken *p = pretoken_open(&err);
    assert_int_equal(pretoken_add_spaces(p, "_", 1, prefix, &err), 0);
    assert_int_equal(pretoken_add_split(p, "_", 1, true, PRETOKEN_MERGED_WITH_NEXT, false, &err),
                     0);
    assert_int_equal(pretoken_run(p, text, strlen(text), first, add_piece, &got, &err), 0);
    assert_string_equal(got.v, want);
    buf_release(&got);
    pretoken_close(p);
}

static void metaspace_puts_its_prefix(void **state)
{
    (void)state;
    check_spaces(PRETOKEN_PREFIX_ALWAYS, true, "a b", "_a/_b/");
    check_spaces(PRETOKEN_PREFIX_ALWAYS, false, "a  b", "_a/_/_b/");
    check_spaces(PRETOKEN_PREFIX_FIRST, true, "a b", "_a/_b/");
    check_spaces(PRETOKEN_PREFIX_FIRST, false, "a b", "a/_b/");
    check_spaces(PRETOKEN_PREFIX_NEVER, true, "a b", "a/_b/");
    check_spaces(PRETOKEN_PREFIX_ALWAYS, true, " a", "_a/");
}

/* ---- windows and limits --------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int count_piece(void *user, const char *piece, size_t len, error *err)
{
    size_t *count = user;
    (void)piece;
    (void)err;
    *count += len;
    return 0;
}

/* Splits n bytes of `unit` over and over, ending in '!'. 1 = cut completely, 0 = refused. */
static int try_pattern(const char *pattern, const char *unit, size_t n)
{
    error err = {0};
    char *text = malloc(n);
    size_t total = 0;
    pretoken *p = pretoken_open(&err);
    for (size_t i = 0; i < n; i++)
        text[i] = unit[i % strlen(unit)];
    text[n - 1] = '!';
    if (pretoken_add_split(p, pattern, strlen(pattern), false, PRETOKEN_ISOLATED, false, &err))
        fail_msg("%s: %s", pattern, err.text);
    int result = pretoken_run(p, text, n, true, count_piece, &total, &err);
    if (result && !strstr(err.text, "needs too many steps"))
        fail_msg("%s: %s", pattern, err.text);
    if (!result)
        assert_int_equal(total, n);
    pretoken_close(p);
    free(text);
    return !result;
}

static void hostile_patterns_end_in_time(void **state)
{
    static const char *const patterns[] = {
        "(a+)+$",
        "(a+)+b",
        "(?:a|aa)*b",
        "(?:a|a)*b",
        "(a*)*b",
        "(?:a+a+)+b",
        "a*a*a*a*b",
        "a*b|a",
        "(?:a*)+[bc]",
        "(?:a?){30}[bc]",
        "(?:a{0,100}){0,100}b",
        "(?:(?:a+)?)+b",

        "(?:.*a){12}b",
        "(?:.*.*)*[xy]",
        "([a-zA-Z]+)*[xy]",
        "(?:[a-z]|a|aa)*z",
        "(?:\\p{L}+\\s?)*[xy]",

        "a*a*+[bc]",
        "a*(?:a*|x)[bc]",
        "a*(a*){2}[bc]",
        "a*(?:(?:a*))[bc]",
        "a*(?:a*)?[bc]",

        "a+?a+?a+?[bc]",
        "(?:a|ab|aba)*c",
        "\\s+$|a+[bc]",
        "(?:(?:a|b)*(?:a|c)*)*d",

        "(?:[^b]*)*b",
        "a{1,1000}a{1,1000}b",
        "a{1,100}a{1,100}b",
        "a*a*[bc]",

    };
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        double start = now();
        try_pattern(patterns[i], "a", 100000);
        /* The promise is 0.2 s; sanitizers and a busy machine get three times that. */
        if (!(now() - start < 0.6))
            fail_msg("%s took %.2f s", patterns[i], now() - start);
    }
}

static void known_patterns_never_hit_a_limit(void **state)
{
    static const char *const names[] = {"gpt-2",      "smollm",        "llama-bpe", "qwen2",
                                        "qwen35",     "tekken",        "gpt-4o",    "default",
                                        "seed-coder", "deepseek-coder"};
    static const char *const units[] = {"a", "A",  " ",        "\n",           ".",         "1",
                                        "'", "aB", " a",       "\r\n ",        "  x",       "a1",
                                        "(", "' ", "\xCC\x81", "\xE4\xB8\xAD", "Aa\xCC\x81"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const tokenizer_preset *rule = tokenizer_preset_find(names[i], strlen(names[i]));
        assert_non_null(rule);
        for (int j = 0; j < TOKENIZER_PRESET_PATTERNS && rule->pattern[j]; j++)
            for (size_t k = 0; k < sizeof units / sizeof *units; k++)
                if (!try_pattern(rule->pattern[j], units[k],
                                 strlen(units[k]) * ((size_t)150000 / strlen(units[k])) + 1))
                    fail_msg("%s, pattern %d, unit %zu", names[i], j, k);
    }
}

/* A word longer than any window must come out whole, wherever it starts. */
static void windows_do_not_cut_words(void **state)
{
    error err = {0};
    pretoken *p = pretoken_open(&err);
    const char *gpt2 = tokenizer_preset_gpt2();
    (void)state;
    assert_int_equal(
        pretoken_add_split(p, gpt2, strlen(gpt2), false, PRETOKEN_ISOLATED, false, &err), 0);
    for (size_t before = 240; before < 270; before++)
        for (size_t word = 250; word < 5000; word = word * 3 / 2) {
            char text[8192];
            buf got = {0};
            memset(text, '.', before);
            memset(text + before, 'w', word);
            memset(text + before + word, ' ', 300);
            assert_int_equal(
                pretoken_run(p, text, before + word + 300, true, add_piece, &got, &err), 0);
            assert_int_equal(got.len, before + word + 300 + 3);
            assert_int_equal(got.v[before], '/');
            assert_int_equal(got.v[before + 1 + word], '/');
            buf_release(&got);
        }
    pretoken_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaviors_join_matches_as_the_reference),
        cmocka_unit_test(empty_matches_move_on),
        cmocka_unit_test(bounded_lookaheads_pass),
        cmocka_unit_test(the_language_is_ruby_s),
        cmocka_unit_test(what_pcre2_reads_otherwise_is_refused),
        cmocka_unit_test(metaspace_puts_its_prefix),
        cmocka_unit_test(hostile_patterns_end_in_time),
        cmocka_unit_test(known_patterns_never_hit_a_limit),
        cmocka_unit_test(windows_do_not_cut_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
