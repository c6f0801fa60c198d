/* test_markdown.c - what lines are, however they come; and the same code on screen, in a page, in /copy
 * and /save.
 *
 * fixtures/markdown.json holds texts and what CommonMark finds in them (make_markdown_fixtures.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/json.h"
#include "../engine/base/markdown_blocks.h"
#include "../repl/screen/column_text.h"
#include "../transcripts/export/export_html.h"

static json_document *fixture;

static const char *text_of(const json *object, const char *key)
{
    return json_string(json_member(object, key));
}

static int load(void **state)
{
    (void)state;
    fixture = json_load("tests/fixtures/markdown.json", 1 << 20, NULL);
    return fixture ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_close(fixture);
    return 0;
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* One letter for each line, and where its text begins when that is not column 0. */
static void check_lines(const char *text, const char *want)
{
    static const char letters[] = "bthiqr`c/"; /* as markdown_kind */
    markdown m = {0};
    markdown_line line;
    buf got = {0};
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        assert_true(markdown_read(&m, at, n, true, &line));
        buf_add(&got, letters + line.kind, 1, NULL);
        if (line.text && line.kind != MARKDOWN_BLANK)
            buf_format(&got, NULL, "%zu", line.text);
        at += n + (at[n] == '\n');
    }
    assert_string_equal(got.v ? got.v : "", want);
    buf_release(&got);
}

static void lines_are_named(void **state)
{
    (void)state;
    check_lines("", "");
    check_lines("a\n\n \t\nb", "tbbt");
    check_lines("# a\n###### b\n####### c\n#d\n#", "h2h7tth1");
    check_lines("- a\n  * b\n1. c\n12)  d\n1.e\n-", "i2i4i3i5tt");
    check_lines("> a\n>> b\n  >c", "q2q3q3");
    check_lines("---\n* * *\n__ _\n===\n- -\n--", "r3r5r4r3i2t");
    check_lines("```c\na\n```\nb", "`3c/t");
    check_lines("- ```c\n  a\n  ```\nb", "`5c2/t");
    check_lines("- ```c\n  a\nb", "`5c2t");
    check_lines("```a``` b\nc", "tt");
    check_lines("    ```\n    a", "t4t4");
    check_lines("a\n    - b\n2. c", "ti6i3"); /* by their looks */
}

static void numbers_and_levels_are_told(void **state)
{
    (void)state;
    markdown m = {0};
    markdown_line line;
    assert_true(markdown_read(&m, "  12) x", 7, true, &line));
    assert_int_equal(line.number, 12);
    assert_int_equal(line.mark, 4);
    assert_int_equal(line.indent, 2);
    assert_true(markdown_read(&m, "\t- x", 4, true, &line));
    assert_int_equal(line.number, -1);
    assert_int_equal(line.indent, 4);
    assert_int_equal(line.begin, 1);
    assert_true(markdown_read(&m, "### x", 5, true, &line));
    assert_int_equal(line.level, 3);
    assert_true(markdown_read(&m, "~~~  a b ", 9, true, &line));
    assert_int_equal(line.kind, MARKDOWN_OPEN);
    assert_int_equal(line.text, 5);
    assert_int_equal(line.info, 3);
}

/* More marks and longer lines than anybody means. */
static void there_are_bounds(void **state)
{
    (void)state;
    enum { LONG = 3 * MARKDOWN_AHEAD };
    char text[LONG];
    markdown m = {0};
    markdown_line line;
    for (size_t i = 0; i < LONG; i++)
        text[i] = i % 2 ? ' ' : '>';
    assert_true(markdown_read(&m, text, LONG, true, &line));
    assert_int_equal(m.depth, MARKDOWN_DEEPEST);
    memset(text, '`', LONG);
    m = (markdown){0};
    assert_true(markdown_read(&m, text, LONG, true, &line));
    assert_int_equal(line.kind, MARKDOWN_TEXT);
    m = (markdown){0};
    assert_false(markdown_read(&m, text, MARKDOWN_AHEAD - 1, false, &line));
    assert_true(markdown_read(&m, text, MARKDOWN_AHEAD, false, &line)); /* no more is held back */
    assert_int_equal(line.kind, MARKDOWN_TEXT);
    memset(text, ' ', LONG);
    m = (markdown){0};
    assert_true(markdown_read(&m, text, LONG, true, &line));
    assert_int_equal(line.kind, MARKDOWN_TEXT);
}

/* ---- pieces ------------------------------------------------------------------------------------ */

static void assert_same_line(const markdown_line *a, const markdown_line *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->indent, b->indent);
    assert_int_equal(a->begin, b->begin);
    assert_int_equal(a->mark, b->mark);
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->level, b->level);
    assert_int_equal(a->text, b->text);
    assert_int_equal(a->info, b->info);
    assert_int_equal(a->pad, b->pad);
}

/* What is said of any beginning of a line is true of the line; a copy of its own lets the sanitizer see
 * a look too far. */
static void assert_beginnings(const markdown *before, const char *text, size_t n)
{
    markdown whole = *before;
    markdown_line want, line;
    assert_true(markdown_read(&whole, text, n, true, &want));
    for (size_t part = 0; part <= n; part++) {
        char *copy = malloc(part + 1);
        memcpy(copy, text, part);
        markdown m = *before;
        bool told = markdown_read(&m, copy, part, false, &line);
        assert_memory_equal(&m, told ? &whole : before, sizeof m);
        if (told)
            assert_same_line(&line, &want);
        free(copy);
    }
}

static void assert_pieces(const char *text)
{
    markdown m = {0};
    markdown_line line;
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        assert_beginnings(&m, at, n);
        assert_true(markdown_read(&m, at, n, true, &line));
        at += n + (at[n] == '\n');
    }
}

static void join_rows(const char *text, size_t piece, buf *out)
{
    column_text f;
    column_text_open(&f, (light_style){.color = true, .utf8 = true});
    column_text_set_width(&f, 30, NULL);
    for (size_t n = strlen(text), at = 0; at < n; at += piece) {
        assert_int_equal(column_text_add(&f, text + at, n - at < piece ? n - at : piece, NULL), 0);
        assert_int_equal(column_text_update(&f, NULL), 0);
    }
    column_text_end(&f, NULL, NULL);
    column_text_update(&f, NULL);
    buf_clear(out);
    for (size_t i = 0; i < column_text_rows(&f); i++)
        buf_format(out, NULL, "%s\n", column_text_row(&f, i)->text);
    column_text_release(&f);
}

static void assert_rows_of_pieces(const char *text)
{
    buf whole = {0}, pieces = {0};
    join_rows(text, strlen(text) + 1, &whole);
    for (size_t piece = 1; piece < 12; piece += 3) {
        join_rows(text, piece, &pieces);
        if (whole.len)
            assert_string_equal(pieces.v, whole.v);
    }
    buf_release(&whole);
    buf_release(&pieces);
}

static void pieces_do_not_matter(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "```", "````", "~~~", "``` c", "~~~ a`b", "- ", "* ",    "1. ",  "2. ", "10) ", "> ",
        ">",   "  ",   "   ", "    ",  "\t",      " ",  "\n",    "\n",   "\n",  "\n\n", "text",
        "-",   "#",    "# ",  "===",   "---",     "`",  "* * *", "- \n", "+ ",  "*b*",  "語"};
    for (const json *c = json_first(json_member(json_root(fixture), "blocks")); c;
         c = json_next(c)) {
        assert_pieces(text_of(c, "text"));
        assert_rows_of_pieces(text_of(c, "text"));
    }
    unsigned seed = 1;
    for (int i = 0; i < 3000; i++) {
        char text[256] = "";
        for (int k = 0; k < 14; k++) {
            seed = seed * 1103515245u + 12345u;
            strcat(text, parts[(seed >> 16) % (sizeof parts / sizeof *parts)]);
        }
        assert_pieces(text);
        if (i % 10 == 0)
            assert_rows_of_pieces(text);
    }
}

/* However long a line of marks is, what is held back of it is bounded. */
static void endless_marks_are_not_held_back(void **state)
{
    (void)state;
    static const char *const parts[] = {"`",      "*",  "_",    "~",        "#",
                                        "- ",     "> ", "1. ",  "```",      "  ",
                                        "- - - ", "\t", "a`b ", "`*_*_`` ", "==="};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        column_text f;
        column_text_open(&f, (light_style){.color = true, .utf8 = true});
        for (int k = 0; k < 4000; k++) {
            column_text_add(&f, parts[i], strlen(parts[i]), NULL);
            column_text_update(&f, NULL);
            assert_true(f.text.len - f.read <= MARKDOWN_AHEAD);
            column_text_shown(&f, f.rows.count);
        }
        column_text_release(&f);
    }
}

/* ---- the same code everywhere ------------------------------------------------------------------ */

static void assert_text(const json *c, const char *where, const char *got, size_t n,
                        const char *want)
{
    if (n != strlen(want) || memcmp(got, want, n) != 0)
        fail_msg("%s of \"%s\": \"%.*s\", not \"%s\"", where, text_of(c, "text"), (int)n, got,
                 want);
}

/* /copy and /save take a block by its number. */
static void assert_copied(const json *c)
{
    const char *text = text_of(c, "text");
    size_t n = strlen(text);
    int number = 1;
    markdown_block b;
    for (const json *want = json_first(json_member(c, "blocks")); want; want = json_next(want)) {
        buf code = {0};
        if (!markdown_code_block(text, n, number++, &b))
            fail_msg("\"%s\" has no block %d", text, number - 1);
        assert_text(c, "info string", b.info, b.info_len, text_of(want, "info"));
        assert_int_equal(markdown_code(&b, &code, NULL), 0);
        assert_text(c, "code", code.v ? code.v : "", code.len, text_of(want, "code"));
        buf_release(&code);
    }
    if (markdown_code_block(text, n, number, &b))
        fail_msg("\"%s\" has a block %d", text, number);
}

static void unescape(const char *from, const char *end, buf *out)
{
    static const char *const entities[][2] = {
        {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}};
    buf_clear(out);
    while (from < end) {
        size_t i = 0, count = sizeof entities / sizeof *entities;
        while (i < count && strncmp(from, entities[i][0], strlen(entities[i][0])) != 0)
            i++;
        buf_add(out, i < count ? entities[i][1] : from, 1, NULL);
        from += i < count ? strlen(entities[i][0]) : 1;
    }
    buf_text(out, "", NULL);
}

/* What stands between `open` and `close` next; *at moves behind it. False when it does not follow. */
static bool between(const char **at, const char *open, const char *close, buf *out)
{
    const char *from = strstr(*at, open), *end = from ? strstr(from, close) : NULL;
    if (!end)
        return false;
    unescape(from + strlen(open), end, out);
    *at = end + strlen(close);
    return true;
}

static void assert_page(const json *c)
{
    const char *text = text_of(c, "text");
    buf page = {0}, got = {0};
    html p = {.w = {.out = &page}};
    html_answer(&p, (turn_text){text, strlen(text)});
    const char *at = page.v;
    for (const json *want = json_first(json_member(c, "blocks")); want; want = json_next(want)) {
        if (!between(&at, "<code dir=\"ltr\">", "</code></pre>", &got))
            fail_msg("the page of \"%s\" lacks code", text);
        assert_text(c, "page", got.v, got.len, text_of(want, "code"));
    }
    assert_null(strstr(at, "<pre>"));
    buf_release(&page);
    buf_release(&got);
}

/* A row without its looks and the blanks at its end. */
static void plain_row(const column_text *f, size_t i, buf *out)
{
    buf_clear(out);
    for (const char *at = column_text_row(f, i)->text; *at; at++)
        if (*at == '\033')
            at = strchr(at, 'm');
        else
            buf_add(out, at, 1, NULL);
    while (out->len && out->v[out->len - 1] == ' ')
        out->v[--out->len] = '\0';
    buf_text(out, "", NULL);
}

static bool is_rule(const column_text *f, size_t i)
{
    return i < column_text_rows(f) && strstr(column_text_row(f, i)->text, "\033[0;2m─");
}

/* A line of code as the screen shows it behind `lead` cells: tabs reach as far as they do in the source. */
static void shown_line(const char *line, size_t n, size_t lead, buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < lead; i++)
        buf_text(out, " ", NULL);
    for (size_t i = 0; i < n; i++)
        if (line[i] != '\t')
            buf_add(out, line + i, 1, NULL);
        else
            do
                buf_text(out, " ", NULL);
            while ((out->len - 2) % 4);
    while (out->len && out->v[out->len - 1] == ' ')
        out->v[--out->len] = '\0';
    buf_text(out, "", NULL);
}

/* How far right the line stands that row i shows; it must be shown. */
static size_t lead_of(const json *c, const column_text *f, size_t i, const char *line, size_t n)
{
    buf got = {0}, shown = {0};
    size_t lead = 2;
    plain_row(f, i, &got);
    for (; lead <= got.len; lead++) {
        shown_line(line, n, lead, &shown);
        if (strcmp(shown.v, got.v) == 0)
            break;
    }
    if (lead > got.len)
        fail_msg("the screen of \"%s\" has \"%s\", not \"%.*s\"", text_of(c, "text"), got.v, (int)n,
                 line);
    buf_release(&got);
    buf_release(&shown);
    return lead;
}

/* The rows from *row on are the lines of this block, all at one place; the fence that closes it, too. */
static void assert_rows(const json *c, const json *want, const column_text *f, size_t *row)
{
    size_t lead = 0, n;
    for (const char *line = text_of(want, "code"); *line; line += n + 1, (*row)++) {
        n = strcspn(line, "\n");
        if (*row == column_text_rows(f) && strspn(line, "\n") == strlen(line))
            break; /* at the end of an answer blank lines are not shown */
        assert_true(*row < column_text_rows(f));
        if (strspn(line, " \t") == n)
            continue;
        size_t here = lead_of(c, f, *row, line, n);
        assert_true(!lead || here == lead);
        lead = here;
    }
    if (json_true(json_member(want, "closed")))
        assert_true(is_rule(f, (*row)++));
}

static void assert_screen(const json *c)
{
    const char *text = text_of(c, "text");
    column_text f;
    column_text_open(&f, (light_style){.color = true, .utf8 = true});
    column_text_set_width(&f, 100, NULL);
    column_text_add(&f, text, strlen(text), NULL);
    column_text_end(&f, NULL, NULL);
    column_text_update(&f, NULL);
    size_t row = 0;
    for (const json *want = json_first(json_member(c, "blocks")); want; want = json_next(want)) {
        while (row < column_text_rows(&f) && !is_rule(&f, row))
            row++;
        const char *info = text_of(want, "info");
        if (!is_rule(&f, row) ||
            (strlen(info) < 18 && !strstr(column_text_row(&f, row)->text, info)))
            fail_msg("the screen of \"%s\" lacks code", text);
        row++;
        assert_rows(c, want, &f, &row);
    }
    for (; row < column_text_rows(&f); row++)
        assert_false(is_rule(&f, row));
    column_text_release(&f);
}

static void code_is_the_same_everywhere(void **state)
{
    (void)state;
    int count = 0;
    for (const json *c = json_first(json_member(json_root(fixture), "blocks")); c;
         c = json_next(c)) {
        assert_copied(c);
        assert_page(c);
        assert_screen(c);
        count++;
    }
    assert_true(count > 60);
}

/* CR LF and CR end a line, on screen however it comes in pieces. */
static void line_ends_of_other_systems(void **state)
{
    (void)state;
    const char *texts[] = {"a\r\n```c\r\nx\r\n\r\n```\r\nb", "a\r```c\rx\r\r```\rb"};
    for (size_t i = 0; i < 2; i++) {
        markdown_block b;
        buf code = {0}, rows = {0};
        assert_true(markdown_code_block(texts[i], strlen(texts[i]), 1, &b));
        assert_int_equal(b.info_len, 1);
        assert_int_equal(markdown_code(&b, &code, NULL), 0);
        assert_string_equal(code.v, "x\n\n");
        assert_false(markdown_code_block(texts[i], strlen(texts[i]), 0, &b));
        for (size_t piece = 1; piece < 30; piece++) {
            join_rows(texts[i], piece, &rows);
            assert_non_null(strstr(rows.v, "─\033[0m\n  \033[0;36mx\033[0m\n\n\033[0;2m─"));
            assert_non_null(strstr(rows.v, "─\033[0m\nb\n"));
        }
        buf_release(&code);
        buf_release(&rows);
    }
}

/* ---- code spans -------------------------------------------------------------------------------- */

/* Appends what is no blank. */
static void add_dense(buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ')
            buf_add(out, text + i, 1, NULL);
}

/* What the row shows as code, blanks apart. */
static void shown_code(const char *text, buf *out)
{
    column_text f;
    column_text_open(&f, (light_style){.color = true, .utf8 = true});
    column_text_set_width(&f, 100, NULL);
    column_text_add(&f, text, strlen(text), NULL);
    column_text_end(&f, NULL, NULL);
    column_text_update(&f, NULL);
    const char *at = column_text_row(&f, 0)->text;
    while ((at = strstr(at, ";36m")) != NULL) {
        at += strlen(";36m");
        add_dense(out, at, strcspn(at, "\033"));
    }
    column_text_release(&f);
}

static void assert_spans(const json *c)
{
    const char *text = text_of(c, "text"), *at;
    buf page = {0}, got = {0}, shown = {0}, dense = {0};
    html p = {.w = {.out = &page}};
    html_answer(&p, (turn_text){text, strlen(text)});
    at = page.v;
    for (const json *want = json_first(json_member(c, "spans")); want; want = json_next(want)) {
        assert_true(between(&at, "<code>", "</code>", &got));
        assert_text(c, "page", got.v, got.len, json_string(want));
        add_dense(&dense, json_string(want), strlen(json_string(want)));
    }
    assert_null(strstr(at, "<code>"));
    buf_text(&dense, "", NULL);
    shown_code(text, &shown);
    assert_text(c, "screen", shown.v ? shown.v : "", shown.len, dense.v);
    buf_release(&page);
    buf_release(&got);
    buf_release(&shown);
    buf_release(&dense);
}

static void spans_end_at_equal_runs(void **state)
{
    (void)state;
    for (const json *c = json_first(json_member(json_root(fixture), "spans")); c; c = json_next(c))
        assert_spans(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_named),
        cmocka_unit_test(numbers_and_levels_are_told),
        cmocka_unit_test(there_are_bounds),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(endless_marks_are_not_held_back),
        cmocka_unit_test(code_is_the_same_everywhere),
        cmocka_unit_test(line_ends_of_other_systems),
        cmocka_unit_test(spans_end_at_equal_runs),
    };
    return cmocka_run_group_tests_name("markdown", tests, load, unload);
}
