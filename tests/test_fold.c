/* test_fold.c - lines end between words: nothing is lost, nothing parted, however a text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../repl/screen/display_width.h"
#include "../repl/screen/fold.h"

static void becomes(size_t width, const char *text, const char *want)
{
    buf out = {0};
    assert_int_equal(buf_text(&out, text, NULL), 0);
    assert_int_equal(fold_text(&out, width, NULL), 0);
    assert_string_equal(out.v ? out.v : "", want);
    buf_release(&out);
}

static void lines_end_at_blanks(void **state)
{
    (void)state;
    becomes(20, "one two three four five six\n", "one two three four\nfive six\n");
    becomes(20, "exactly twenty cells\nmore\n", "exactly twenty cells\nmore\n");
    becomes(20, "", "");
    becomes(0, "a b c d e f g h i j k l m n o p\n", "a b c d e f g h i j k l m n o p\n");
    becomes(20, "a\n\n\nb\n", "a\n\n\nb\n");
    becomes(20, "name? ", "name? ");
    becomes(20, "two  blanks  between  words\n", "two  blanks  between\nwords\n");
}

static void numbers_keep_their_units(void **state)
{
    (void)state;
    becomes(20, "it took all of us 1.3 s\n", "it took all of us\n1.3 s\n");
    becomes(20, "decode at last 45 t/s here\n", "decode at last\n45 t/s here\n");
    becomes(20, "one two three (95 %) four\n", "one two three (95 %)\nfour\n");
    becomes(20, "union of all 11.0 of 11 picks\n", "union of all 11.0 of\n11 picks\n");
    becomes(20, "an interval of a \033[1m12\033[0m GB\n",
            "an interval of a\n\033[1m12\033[0m GB\n");
    becomes(20, "we were there in 12 municipalities\n", "we were there in 12\nmunicipalities\n");
    becomes(20, "what a long line, 5, six\n", "what a long line, 5,\nsix\n");
    becomes(20, "the number is now 7\n", "the number is now 7\n");
}

static void lines_go_on_under_their_indent(void **state)
{
    (void)state;
    becomes(20, "  some words that are indented\n", "  some words that\n    are indented\n");
    becomes(20, "- an item of a longer list\n", "- an item of a\n  longer list\n");
    becomes(20, "12. an item of a longer list\n", "12. an item of a\n    longer list\n");
    becomes(20, "                 deep indent of words\n",
            "                 deep\nindent of words\n");
    becomes(40, "  /name ARG        what it is for, told at length\n",
            "  /name ARG        what it is for, told\n                   at length\n");
    becomes(40, "                   what it is for, told at length\n",
            "                   what it is for, told\n                   at length\n");
    becomes(40, "                        what it is for, told\n",
            "                        what it is for,\n    told\n");
}

static void long_words_are_left_whole(void **state)
{
    (void)state;
    becomes(20, "see https://example.org/a/long/path now\n",
            "see\nhttps://example.org/a/long/path\nnow\n");
    becomes(20, "漢字漢字漢字漢字漢字漢字\n", "漢字漢字漢字漢字漢字\n漢字\n");
    becomes(20,
            "e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301e\u0301e\u0301 12345678\n",
            "e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301e\u0301e\u0301 12345678\n");
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void add_random(buf *text, uint32_t *seed)
{
    static const char *const parts[] = {
        "word", "x",  "12", "3.5", "t/s", "MiB",     " ",       " ",          " ",  "\n", "é", "漢",
        "- ",   "  ", ",",  "%",   "1",   "\033[1m", "\033[0m", "longerword", "(4", ")",  " "};
    for (uint32_t n = next_random(seed) % 60; n; n--)
        assert_int_equal(
            buf_text(text, parts[next_random(seed) % (sizeof parts / sizeof *parts)], NULL), 0);
}

/* The same but for blanks and newlines. */
static void assert_same_words(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " \n");
        b += strspn(b, " \n");
        assert_int_equal(*a, *b);
        if (!*a)
            return;
    }
}

static void pieces_never_matter(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        buf text = {0}, whole = {0}, pieces = {0};
        size_t width = 20 + next_random(&seed) % 30;
        fold f = {.width = width}, g = {.width = width};
        assert_int_equal(buf_text(&text, "", NULL), 0);
        add_random(&text, &seed);
        assert_int_equal(fold_add(&f, text.v, text.len, &whole, NULL), 0);
        assert_int_equal(fold_end(&f, &whole, NULL), 0);
        for (size_t at = 0, n; at < text.len; at += n) {
            n = 1 + next_random(&seed) % 6;
            n = n < text.len - at ? n : text.len - at;
            while (at + n < text.len && (((unsigned char)text.v[at + n] & 0xC0) == 0x80 ||
                                         memchr("\033[01m", text.v[at + n], 5)))
                n++; /* characters and sequences come whole */
            assert_int_equal(fold_add(&g, text.v + at, n, &pieces, NULL), 0);
        }
        assert_int_equal(fold_end(&g, &pieces, NULL), 0);
        assert_string_equal(whole.v ? whole.v : "", pieces.v ? pieces.v : "");
        assert_same_words(text.v, whole.v ? whole.v : "");
        buf_release(&text);
        buf_release(&whole);
        buf_release(&pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_blanks),
        cmocka_unit_test(numbers_keep_their_units),
        cmocka_unit_test(lines_go_on_under_their_indent),
        cmocka_unit_test(long_words_are_left_whole),
        cmocka_unit_test(pieces_never_matter),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
