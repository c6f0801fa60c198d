/* test_display_width.c - cells by grapheme cluster: wide, combining, joined, and never cut inside one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../repl/screen/display_width.h"

typedef struct sample {
    const char *text;
    int cells;
    bool disputed;
} sample;

/* One cluster each. */
static const sample clusters[] = {
    {"a", 1, false},
    {"é", 1, false},
    {"e\u0301", 1, false},
    {"語", 2, false},
    {"ｱ", 1, false},
    {"각", 2, false},
    {"\u1112\u1161\u11AB", 2, false},
    {"नि", 1, false},
    {"🙂", 2, false},
    {"👍🏽", 2, true},
    {"👩‍🚀", 2, true},
    {"👨‍👩‍👧‍👦", 2, true},
    {"🇩🇪", 2, true},
    {"❤", 1, false},
    {"❤\uFE0F", 2, true},
    {"1\uFE0F\u20E3", 2, true},
    {"\u200D", 0, false},
};

static void clusters_have_their_width(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) {
        const sample *s = &clusters[i];
        int cells;
        assert_int_equal(display_next_cluster(s->text, strlen(s->text), &cells), strlen(s->text));
        assert_int_equal(cells, s->cells);
        assert_int_equal(display_disputed(s->text, strlen(s->text)), s->disputed);
    }
}

static void a_text_is_the_sum_of_its_clusters(void **state)
{
    (void)state;
    assert_int_equal(display_width("", 0), 0);
    const char *text = "a語e\u0301🇩🇪🇫🇷👩‍🚀z";
    assert_int_equal(display_width(text, strlen(text)), 1 + 2 + 1 + 2 + 2 + 2 + 1);
}

static void no_cut_parts_a_cluster(void **state)
{
    (void)state;
    const char *text = "a語e\u0301🇩🇪👨‍👩‍👧z";
    size_t n = strlen(text);
    for (size_t room = 0; room <= 10; room++) {
        size_t cut = display_cut(text, n, room);
        assert_true(display_width(text, cut) <= room);
        size_t at = 0;
        int cells;
        while (at < cut)
            at += display_next_cluster(text + at, n - at, &cells);
        assert_int_equal(at, cut);
        if (cut < n) {
            size_t next = display_next_cluster(text + cut, n - cut, &cells);
            assert_true(display_width(text, cut + next) > room);
        }
    }
}

static void a_heap_of_accents_is_cut(void **state)
{
    (void)state;
    char text[1001] = "a";
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\u0301", 2);
    size_t at = 0, total = 0;
    for (int cells; at < 999; total += (size_t)cells) {
        size_t used = display_next_cluster(text + at, 999 - at, &cells);
        assert_in_range(used, 1, DISPLAY_CLUSTER);
        at += used;
    }
    assert_int_equal(total, 1);
}

static void fits(const char *text, size_t room, bool utf8, const char *want)
{
    buf out = {0};
    size_t used;
    assert_int_equal(display_fit(&out, text, strlen(text), room, utf8, &used, NULL), 0);
    assert_string_equal(out.v, want);
    assert_int_equal(used, display_width(want, strlen(want)));
    buf_release(&out);
}

static void what_does_not_fit_is_marked(void **state)
{
    (void)state;
    fits("philosopher", 11, true, "philosopher");
    fits("philosopher", 10, true, "philosoph…");
    fits("philosopher", 10, false, "philoso...");
    fits("語語語", 5, true, "語語…");
    fits("語語語", 4, true, "語…");
    fits("abc", 0, true, "");
    fits("abcd", 2, false, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clusters_have_their_width),
        cmocka_unit_test(a_text_is_the_sum_of_its_clusters),
        cmocka_unit_test(no_cut_parts_a_cluster),
        cmocka_unit_test(a_heap_of_accents_is_cut),
        cmocka_unit_test(what_does_not_fit_is_marked),
    };
    return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
