/* test_export.c - blocks, emphasis, links, and what exports make of texts that nobody checked.
 *
 * tests/test_export.py parses whole pages; here the pieces are looked at one by one, and texts of
 * a quarter of a megabyte that are all marks must not take longer than their length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../engine/base/markdown_blocks.h"
#include "../engine/base/utf8.h"
#include "../transcripts/export/export.h"
#include "../transcripts/export/export_html.h"
#include "../transcripts/export/export_text.h"
#include "../transcripts/links.h"

/* ---- cleaning ---------------------------------------------------------------------------------- */

static void check_clean(const char *text, size_t n, const char *want)
{
    buf out = {0};
    assert_int_equal(clean_text(&out, text, n, NULL), 0);
    assert_string_equal(out.v ? out.v : "", want);
    buf_release(&out);
}

static void foreign_text_is_cleaned(void **state)
{
    (void)state;
    check_clean("a\r\nb\rc\n\td", 9, "a\nb\nc\n\td");
    check_clean("\x1b[31m\0z", 7, "\\x1b[31m\\x00z");
    check_clean("\xC3\xA9\xC3", 3, "\xC3\xA9\\xc3");
    check_clean("\xE2\x80\xAE\xF3\xA0\x81\x81", 7, "\\u{202e}\\u{e0041}");
    check_clean("\xC2\x9B", 2, "\\u{009b}");
    check_clean("\xD7\xA9\xE2\x80\x8D", 5, "\xD7\xA9\xE2\x80\x8D"); /* letters and joiners stay */
    check_clean("", 0, "");
}

static void lines_are_joined(void **state)
{
    (void)state;
    buf out = {0};
    assert_int_equal(clean_line(&out, "  a \n\n b\t\tc \n", NULL), 0);
    assert_string_equal(out.v, " a b c");
    assert_int_equal(clean_line(&out, NULL, NULL), 0);
    assert_string_equal(out.v, " a b c");
    buf_release(&out);
}

/* ---- blocks ------------------------------------------------------------------------------------ */

/* The blocks as "kind:text|", to be compared at a glance; newlines of code as slashes. */
static void check_blocks(const char *text, const char *want)
{
    static const char names[] = " phiqrc"; /* as markdown_kind */
    buf out = {0};
    markdown_reader r = {.at = text, .end = text + strlen(text)};
    markdown_block b;
    while (markdown_next(&r, &b)) {
        (void)buf_format(&out, NULL, "%c", names[b.kind]);
        if (b.kind == MARKDOWN_HEADING)
            (void)buf_format(&out, NULL, "%d", b.level);
        if (b.kind == MARKDOWN_ITEM)
            (void)buf_format(&out, NULL, "%zu.%ld", b.indent, b.number);
        if (b.kind == MARKDOWN_OPEN && b.info_len)
            (void)buf_format(&out, NULL, "(%.*s)", (int)b.info_len, b.info);
        (void)buf_format(&out, NULL, ":");
        size_t from = out.len;
        (void)(b.kind == MARKDOWN_OPEN ? markdown_code(&b, &out, NULL)
                                       : buf_add(&out, b.text, b.len, NULL));
        for (; b.kind == MARKDOWN_OPEN && from < out.len; from++)
            if (out.v[from] == '\n')
                out.v[from] = '/';
        (void)buf_text(&out, "|", NULL);
    }
    assert_string_equal(out.v ? out.v : "", want);
    buf_release(&out);
}

static void blocks_are_recognised(void **state)
{
    (void)state;
    check_blocks("", "");
    check_blocks("\n \n\t\n", "");
    check_blocks("one\ntwo\n\nthree", "p:one\ntwo|p:three|");
    check_blocks("# a\n### b\n#c\n####### d", "h1:a|h3:b|p:#c\n####### d|");
    check_blocks("- a\n  b\n* c\n+ d", "i0.-1:a\n  b|i0.-1:c|i0.-1:d|");
    check_blocks("1. a\n   - b\n12) c\n1.no", "i0.1:a|i3.-1:b|i0.12:c\n1.no|");
    check_blocks("> a\n>> b\nc", "q:a|q:b|p:c|");
    check_blocks("a\n---\nb\n===\n* * *", "p:a|r:|p:b|r:|r:|");
    check_blocks("**a** b\n-c", "p:**a** b\n-c|");
}

static void code_is_recognised(void **state)
{
    (void)state;
    check_blocks("```py\nx = 1\n\n# y\n```\nz", "c(py):x = 1//# y/|p:z|");
    check_blocks("```\nnever closed", "c:never closed/|");
    check_blocks("````\n```\n````", "c:```/|");
    check_blocks("~~~\n```\n~~~~ \nb", "c:```/|p:b|");
    check_blocks("```a`b```\nc", "p:```a`b```\nc|");
    check_blocks("  ```\n  a\n    b\n c\n  ```", "c:a/  b/c/|");
    check_blocks("- ```c\n  a\n  ```\n- b", "i0.-1:|c(c):a/|i0.-1:b|");
    check_blocks("- ```c\n  a\nb", "i0.-1:|c(c):a/|p:b|");
    check_blocks("> ```\n> a\n> ```\n> b", "c:a/|q:b|");
    check_blocks("a\n```\nb", "p:a|c:b/|");
    check_blocks("```", "c:|");
}

/* ---- links ------------------------------------------------------------------------------------- */

static void three_schemes_are_links(void **state)
{
    (void)state;
    static const char *const good[] = {"http://a", "HTTPS://a.b/c?d=e&f#g", "mailto:a@b",
                                       "https://a/(b)", "http://[::1]/"};
    static const char *const bad[] = {"javascript:alert(1)",
                                      "JaVaScRiPt:x",
                                      "data:text/html,x",
                                      "vbscript:x",
                                      "file:///etc/passwd",
                                      "http:",
                                      "http://",
                                      "//a",
                                      "https:a",
                                      " http://a",
                                      "\thttp://a",
                                      "java\nscript:x",
                                      "&#106;avascript:x",
                                      "mailto:",
                                      "ftp://a",
                                      "",
                                      "blob:x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(links_address(good[i], strlen(good[i])), strlen(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(links_address(bad[i], strlen(bad[i])), 0);
        assert_false(links_safe(bad[i], strlen(bad[i])));
    }
    assert_int_equal(links_address("http://a\"onclick=x", 18), 8);
    assert_int_equal(links_address("http://a\xC3\xA9", 10), 8);
    assert_true(links_safe("#turn-1", 7));
    char *huge = malloc(100000);
    memset(huge, 'a', 100000);
    memcpy(huge, "http://", 7);
    assert_int_equal(links_address(huge, 100000), 0);
    free(huge);
}

/* ---- HTML -------------------------------------------------------------------------------------- */

static void check_inline(const char *text, const char *want)
{
    buf out = {0};
    html p = {.w = {.out = &out}};
    html_inline(&p, text, strlen(text));
    assert_false(p.w.failed);
    assert_string_equal(out.v ? out.v : "", want);
    buf_release(&out);
}

#define LINK "<a rel=\"noopener noreferrer nofollow\" href="

static void emphasis_and_code(void **state)
{
    (void)state;
    check_inline("a *b* **c** `d*e*`", "a <em>b</em> <strong>c</strong> <code>d*e*</code>");
    check_inline("**a *b* c**", "<strong>a <em>b</em> c</strong>");
    check_inline("***a***", "<strong><em>a</em></strong>");
    check_inline("2 * 3 * 4", "2 * 3 * 4");
    check_inline("snake_case_name", "snake_case_name");
    check_inline("_a b_ __c__", "<em>a b</em> <strong>c</strong>");
    check_inline("**never closed", "**never closed");
    check_inline("`never closed", "`never closed");
    check_inline("``a`b`` ````` c ```` d ````", "<code>a`b</code> ````` c <code>d</code>");
    check_inline("*a`*` b*", "<em>a<code>*</code> b</em>");
    check_inline("\\*a\\* \\x1b", "*a* \\x1b");
    check_inline("a\nb", "a<br>\nb");
    check_inline("<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;");
    check_inline("`<b>`", "<code>&lt;b&gt;</code>");
}

static void links_of_answers(void **state)
{
    (void)state;
    check_inline("[a *b*](http://c.d/e_f)", LINK "\"http://c.d/e_f\">a <em>b</em></a>");
    check_inline("see https://a.b/c.", "see " LINK "\"https://a.b/c\">https://a.b/c</a>.");
    check_inline("(https://a.b/c_(d))", "(" LINK "\"https://a.b/c_(d)\">https://a.b/c_(d)</a>)");
    check_inline("[a](javascript:b)", "[a](javascript:b)");
    check_inline("[a](http://b \"c\")", "[a](" LINK "\"http://b\">http://b</a> &quot;c&quot;)");
    check_inline("![a](http://b)", "!" LINK "\"http://b\">a</a>");
    check_inline("[http://a](http://b)", LINK "\"http://b\">http://a</a>");
    check_inline("[[a](http://b)](http://c)",
                 LINK "\"http://b\">[a</a>](" LINK "\"http://c\">http://c</a>)");
    check_inline("xhttp://a.b", "xhttp://a.b");
    check_inline("[](http://a)", "[](" LINK "\"http://a\">http://a</a>)");
    check_inline("http://a&b", LINK "\"http://a&amp;b\">http://a&amp;b</a>");
}

/* ---- whole documents --------------------------------------------------------------------------- */

typedef struct document {
    turn_answer answers[2];
    struct turn turn;
    history h;
} document;

static void make_document(document *d, const char *text, size_t n)
{
    *d = (document){.answers = {{.name = "coder", .acts_by = "mask", .text = {text, n}},
                                {.name = "critic", .acts_by = "mask", .text = {"calm", 4}}},
                    .turn = {.number = 1, .prompt = {text, n}, .answer_count = 2}};
    d->turn.answers = d->answers;
    d->h = (history){
        .id = "x", .turns = &d->turn, .turn_count = 1, .model = {.experts = 4, .layers = 2}};
}

static char *exported(export_format format, const char *text, size_t n)
{
    document d;
    buf out = {0};
    make_document(&d, text, n);
    assert_int_equal(export_as(format, &d.h, &out, NULL), 0);
    assert_true(utf8_check(out.v, out.len, NULL));
    assert_int_equal(strlen(out.v), out.len);
    return buf_detach(&out);
}

static void check_markdown(const char *text, const char *want)
{
    char *all = exported(EXPORT_MARKDOWN, text, strlen(text));
    const char *begin = strstr(all, "### coder\n\n"), *end = strstr(all, "\n\n*mask");
    assert_non_null(begin);
    assert_non_null(end);
    begin += strlen("### coder\n\n");
    buf got = {0};
    (void)buf_add(&got, begin, (size_t)(end - begin), NULL);
    assert_string_equal(got.v, want);
    buf_release(&got);
    free(all);
}

static void markdown_stays_in_its_place(void **state)
{
    (void)state;
    check_markdown("a", "a");
    check_markdown("# a\n## b", "#### a\n\n##### b");
    check_markdown("```\nopen", "```\nopen\n```");
    check_markdown("```` x y\na\n```\nb", "````x\na\n```\nb\n````");
    check_markdown("~~~\n`````\n~~~", "``````\n`````\n``````");
    check_markdown("<script>x</script>", "\\<script>x\\</script>");
    check_markdown("`<b>` and `<i>", "`<b>` and \\`\\<i>");
    check_markdown("![a](http://b)", "\\![a](http://b)");
    check_markdown("[a](javascript:b)", "[a\\](javascript:b)");
    check_markdown("[a]: http://b", "[a\\]: http://b");
    check_markdown("&lt;b&#62;", "\\&lt;b\\&#62;");
    check_markdown("a\n-\nb\n=", "a\n\\-\nb\n\\=");
    check_markdown("- a\n  1. b\n- c", "- a\n  1. b\n- c");
    check_markdown("a\n> b\n# c", "a\n\n> b\n\n#### c");
    check_markdown("    a", "a");
    check_markdown("    ~~~\n-      ~~~~ a\n> b ~~~", "\\~~~\n\n- \\~~~~ a\n\n> b ~~~");
    check_markdown("> ```c\n> a\n>\n> b\n> ```", "> ```c\n> a\n> \n> b\n> ```");
}

/* A quarter of a megabyte of nothing but marks: every format, in time that grows with the length alone. */
static void huge_texts_stay_linear(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*",
                                           "**",
                                           "_",
                                           "`",
                                           "``a",
                                           "[",
                                           "](",
                                           "[a](http://",
                                           "*a **b _c ",
                                           "http://",
                                           "mailto:",
                                           "<",
                                           "&",
                                           "\\",
                                           "- ",
                                           "1. a\n",
                                           "> ",
                                           "```\n",
                                           "~~~~ x\n",
                                           "# ",
                                           "a*b_c`d[",
                                           "*a* ",
                                           "**a*",
                                           "\n",
                                           " \n",
                                           "\x1b",
                                           "\xE2\x80\xAE",
                                           "\xFF",
                                           "[a](http://b(((",
                                           "((http://a)) ",
                                           "  - x\n",
                                           "_a*",
                                           "`` ` ",
                                           "`a``b```c````d",
                                           "~",
                                           "- - ",
                                           "*`a` b* ",
                                           "*a`",
                                           "- ```\n"};
    enum { SIZE = 1 << 18 };
    char *text = malloc(SIZE);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t n = strlen(patterns[i]);
        for (size_t at = 0; at < SIZE; at++)
            text[at] = patterns[i][at % n];
        for (int format = EXPORT_MARKDOWN; format <= EXPORT_HTML; format++) {
            clock_t start = clock();
            free(exported((export_format)format, text, SIZE));
            double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
            if (seconds > 5)
                fail_msg("%.1f s for format %d of \"%s\"", seconds, format, patterns[i]);
        }
    }
    free(text);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    buf out = {0};
    error err = {0};
    html p = {.w = {.out = &out, .err = &err, .failed = true}};
    text_put(&p.w, "a");
    html_put_text(&p.w, "<", 1);
    html_name(&p, "b");
    html_answer(&p, (turn_text){"c", 1});
    assert_null(out.v); /* nothing follows the first failure */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_text_is_cleaned), cmocka_unit_test(lines_are_joined),
        cmocka_unit_test(blocks_are_recognised),   cmocka_unit_test(code_is_recognised),
        cmocka_unit_test(three_schemes_are_links), cmocka_unit_test(emphasis_and_code),
        cmocka_unit_test(links_of_answers),        cmocka_unit_test(markdown_stays_in_its_place),
        cmocka_unit_test(huge_texts_stay_linear),  cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
