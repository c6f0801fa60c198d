/* test_column_text.c - wrap, light_markdown and column_text: the rows that a text becomes, whatever its pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../repl/screen/column_text.h"
#include "../repl/screen/display_width.h"

static const light_style colorful = {.color = true, .utf8 = true};
static const light_style bare = {.utf8 = true};

/* All rows, joined by newlines: SGR sequences become <codes>, anchors nothing. */
static void join_rows(const column_text *f, buf *out)
{
    for (size_t i = 0; i < column_text_rows(f); i++) {
        const wrap_row *row = column_text_row(f, i);
        if (i)
            buf_text(out, "\n", NULL);
        for (size_t at = 0; at < row->len; at++) {
            char c = row->text[at];
            if (c == WRAP_ANCHOR)
                at += 2;
            else if (c == '\033')
                buf_text(out, "<", NULL), at++;
            else if (c == 'm' && out->len && strrchr(out->v, '<') &&
                     !strchr(strrchr(out->v, '<'), '>'))
                buf_text(out, ">", NULL);
            else
                buf_add(out, &c, 1, NULL);
        }
    }
    buf_text(out, "", NULL);
}

static void assert_rows(const column_text *f, const char *want)
{
    buf got = {0};
    join_rows(f, &got);
    assert_string_equal(got.v, want);
    buf_release(&got);
}

/* Fed in pieces of `piece` bytes, with a look at the tail after each. */
static void feed(column_text *f, const char *text, size_t piece)
{
    for (size_t n = strlen(text), at = 0; at < n; at += piece) {
        assert_int_equal(column_text_add(f, text + at, n - at < piece ? n - at : piece, NULL), 0);
        assert_int_equal(column_text_update(f, NULL), 0);
    }
}

static void becomes(light_style style, size_t width, const char *text, const char *want)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece = piece < 4 ? piece + 1 : piece * 3) {
        column_text f;
        column_text_open(&f, style);
        column_text_set_width(&f, width, NULL);
        feed(&f, text, piece);
        assert_int_equal(column_text_end(&f, NULL, NULL), 0);
        assert_int_equal(column_text_update(&f, NULL), 0);
        assert_rows(&f, want);
        column_text_release(&f);
    }
}

static void words_wrap(void **state)
{
    (void)state;
    becomes(bare, 10, "one two three four", "one two\nthree four");
    becomes(bare, 10, "exactly 10 and more", "exactly 10\nand more");
    becomes(bare, 5, "abcdefghijklm no", "abcde\nfghij\nklm\nno");
    becomes(bare, 7, "ab cdefghijklm", "ab\ncdefghi\njklm");
    becomes(bare, 20, "\n\nfirst\n\nsecond\n\n", "first\n\nsecond");
    becomes(bare, 8, "a  b   c", "a  b   c");
    becomes(bare, 10, "", "");
}

static void clusters_stay_whole(void **state)
{
    (void)state;
    becomes(bare, 4, "語語語語", "語語\n語語");
    becomes(bare, 5, "a語語語", "a語語\n語");
    becomes(bare, 3, "👩‍🚀👩‍🚀🇩🇪", "👩‍🚀\n👩‍🚀\n🇩🇪");
    becomes(bare, 6, "e\u0301e\u0301e\u0301 xx yy", "e\u0301e\u0301e\u0301 xx\nyy");
    becomes(bare, 9, "\xff\xc3(", "\\xff\uFFFD(");
    becomes(bare, 9, "\033[31m", "\\x1b[31m");
}

static void marks_become_looks(void **state)
{
    (void)state;
    becomes(colorful, 40, "a **b c** d", "a <0;1>b c <0>d");
    becomes(colorful, 40, "*it* _it_ `co de`", "<0;3>it it <0;36>co de<0>");
    becomes(colorful, 40, "***both*** x", "<0;1;3>both <0>x");
    becomes(colorful, 40, "**a *b* c**", "<0;1>a <0;1;3>b <0;1>c<0>");
    becomes(colorful, 40, "``a`b`` c", "<0;36>a`b <0>c");
    becomes(colorful, 40, "## Head\ntext", "<0;1>Head<0>\ntext");
    becomes(colorful, 40, "\\*not\\*", "*not*");
    becomes(colorful, 4, "**one two**", "<0;1>one<0>\n<0;1>two<0>");
}

static void what_is_no_mark_is_text(void **state)
{
    (void)state;
    const char *texts[] = {
        "2 * 3 * 4", "snake_case_name", "**kwargs", "a ** b", "`open",         "#hashtag",
        "-5 or +3",  "3.14 is pi",      "*",        "** **",  "__init__ or x", "a*",
        "x\\y \\n",  "f(*args, **kw) ", "1.",       "-"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i], "f(*args, **kw) ") == 0)
            becomes(colorful, 40, texts[i], "f(*args, **kw)");
        else
            becomes(colorful, 40, texts[i], texts[i]);
    }
    becomes(bare, 40, "**b** `c` # h", "**b** `c` # h");
}

static void lists_hang(void **state)
{
    (void)state;
    becomes(colorful, 10, "- one two three\n- four", "• one two\n  three\n• four");
    becomes(bare, 10, "- one two three", "- one two\n  three");
    becomes(colorful, 10, "12) one two three", "12) one\n    two\n    three");
    becomes(colorful, 12, "  * one two three", "  • one two\n    three");
    becomes(colorful, 10, "> quoted words here", "> quoted\n  words\n  here");
}

static void fences_keep_lines(void **state)
{
    (void)state;
    becomes(colorful, 12, "```py\nx  =  *a*\n\n  y_z_w\n```\nend",
            "<0;2>── py ──────<0>\n  <0;36>x<0>  <0;36>=<0>  <0;36>*a*<0>\n\n    "
            "<0;36>y_z_w<0>\n<0;2>────────────<0>\nend");
    becomes(bare, 8, "```\nabcdefghij\n```", "```\n  abcdef\n› ghij\n```");
    becomes(bare, 20, "~~~\n```\n~~~\nx", "~~~\n  ```\n~~~\nx");
    becomes(bare, 20, "   ```\n   a\n b\n   ```\nc", "   ```\n     a\n     b\n   ```\nc");
    becomes(bare, 20, "    ```\n    a\n    ```\nb", "    ```\n    a\n    ```\nb");
    becomes(bare, 20, "- ```c\n  a\n  ```\nb", "- ```c\n    a\n  ```\nb");
    becomes(colorful, 12, "- ```c\n  a\n  ```\nb",
            "• <0;2>── c ─────<0>\n    <0;36>a<0>\n<0;2>────────────<0>\nb");
    becomes(colorful, 12, "> ~~~\n> a\nb", "> <0;2>──────────<0>\n    <0;36>a<0>\nb");
    becomes(bare, 20, "```a``` is code\nb", "```a``` is code\nb");
    becomes(bare, 20, "```\nnever closed", "```\n  never closed");
    becomes(colorful, 30, "```inline``` text", "<0;36>inline <0>text");
    becomes(colorful, 30, "`` a`b `` *c`*`", "<0;36>a`b <0>*c<0;36>*<0>");
}

static void the_tail_shows_the_likely_reading(void **state)
{
    (void)state;
    const struct {
        const char *text, *want;
    } samples[] = {
        {"some **bo", "some <0;1>bo<0>"},
        {"some **", "some"},
        {"some **bold*", "some <0;1>bold<0>"},
        {"- ", "-"},
        {"`co", "<0;36>co<0>"},
        {"word", "word"},
        {"line\n", "line"},
        {"x \xf0\x9f", "x"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        column_text f;
        column_text_open(&f, colorful);
        column_text_set_width(&f, 30, NULL);
        feed(&f, samples[i].text, 100);
        if (strcmp(samples[i].text, "- ") != 0)
            assert_rows(&f, samples[i].want);
        column_text_release(&f);
    }
}

static void thoughts_are_folded(void **state)
{
    (void)state;
    column_text f;
    column_text_open(&f, colorful);
    column_text_set_width(&f, 40, NULL);
    for (int i = 0; i < 132; i++)
        column_text_think(&f, NULL);
    column_text_update(&f, NULL);
    assert_rows(&f, "<0;2>thinking, 132 tokens<0>");
    feed(&f, "\n\nSo be it.", 3);
    assert_rows(&f, "<0;2>thinking, 132 tokens<0>\nSo be it.");
    column_text_end(&f, "out of \033 memory", NULL);
    column_text_update(&f, NULL);
    assert_rows(&f, "<0;2>thinking, 132 tokens<0>\nSo be it.\n<0;31>out of \\x1b memory<0>");
    column_text_release(&f);
}

/* Takes out what depends on the width: blanks, ends of rows and the marks of cut code. */
static void strip(buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        if (strncmp(b->v + i, "›", 3) == 0)
            i += 2;
        else if (!strchr(" \n", b->v[i]))
            b->v[n++] = b->v[i];
    b->v[n] = '\0';
    b->len = n;
}

static void show(column_text *f, size_t rows, buf *out)
{
    for (size_t i = 0; i < rows; i++)
        buf_add(out, f->rows.v[i].text, f->rows.v[i].len, NULL);
    column_text_shown(f, rows);
}

/* Pieces, widths and rows that leave, all as chance will have it. */
static void play(unsigned seed, const char *text, buf *out)
{
    column_text f;
    column_text_open(&f, bare);
    for (size_t at = 0, n = strlen(text); !f.over;) {
        seed = seed * 1103515245u + 12345u;
        column_text_set_width(&f, 12 + (seed >> 16) % 40, NULL);
        size_t piece = (seed >> 20) % 30;
        piece = n - at < piece ? n - at : piece;
        column_text_add(&f, text + at, piece, NULL);
        at += piece;
        if (at == n)
            column_text_end(&f, NULL, NULL);
        column_text_update(&f, NULL);
        show(&f, f.over ? f.rows.count : f.rows.count / 2, out);
    }
    column_text_release(&f);
}

/* Rows that left at one width and the rest at others hold every character once, in order. */
static void widths_may_change_anywhere(void **state)
{
    (void)state;
    const char *text = "Some **bold words and more** of it\n- an item that is long enough to wrap\n"
                       "```c\nint main(void) { return 0; } /* a long line */\n```\n"
                       "語語語語語語語 and `code that wraps` at the end of a long enough line.";
    buf want = {0}, got = {0};
    buf_text(&want, text, NULL);
    strip(&want);
    for (unsigned seed = 1; seed < 500; seed++) {
        buf_clear(&got);
        play(seed, text, &got);
        strip(&got);
        assert_string_equal(got.v, want.v);
    }
    buf_release(&want);
    buf_release(&got);
}

/* A megabyte token by token: each costs the same, however long the answer is. */
static void the_cost_is_linear(void **state)
{
    (void)state;
    column_text f;
    column_text_open(&f, colorful);
    column_text_set_width(&f, 38, NULL);
    size_t rows = 0;
    for (int i = 0; i < 200000; i++) {
        column_text_add(&f, i % 50 ? "word *" : "\n", i % 50 == 0 ? 1u : i % 7 ? 5u : 6u, NULL);
        column_text_update(&f, NULL);
        rows += f.rows.count;
        column_text_shown(&f, f.rows.count);
        assert_true(column_text_rows(&f) < 20); /* what is held back stays small */
    }
    assert_true(rows > 20000);
    column_text_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_wrap),
        cmocka_unit_test(clusters_stay_whole),
        cmocka_unit_test(marks_become_looks),
        cmocka_unit_test(what_is_no_mark_is_text),
        cmocka_unit_test(lists_hang),
        cmocka_unit_test(fences_keep_lines),
        cmocka_unit_test(the_tail_shows_the_likely_reading),
        cmocka_unit_test(thoughts_are_folded),
        cmocka_unit_test(widths_may_change_anywhere),
        cmocka_unit_test(the_cost_is_linear),
    };
    return cmocka_run_group_tests_name("column_text", tests, NULL, NULL);
}
