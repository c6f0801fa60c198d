/* test_heatmap.c - pictures of numbers: every style has its width, its lines and its order of strength, and
 * joined cells show the largest number in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../repl/screen/display_width.h"
#include "../repl/screen/heatmap.h"

enum { ROWS = 7, COLUMNS = 12 };

static heatmap map_of(const float *v, heat_style style)
{
    return (heatmap){.v = v,
                     .rows = ROWS,
                     .columns = COLUMNS,
                     .wide = 80,
                     .high = 40,
                     .style = style,
                     .color = {255, 120, 100}};
}

/* One line without its sequences. */
static buf line_of(const heatmap *h, int line)
{
    buf out = {0}, bare = {0};
    error err = {0};
    text_writer w = {.out = &out, .err = &err};
    heatmap_line(h, line, &w);
    assert_false(w.failed);
    for (size_t i = 0; i < out.len; i++) {
        if (out.v[i] == '\033') {
            i += strcspn(out.v + i, "m");
            continue;
        }
        assert_int_equal(buf_add(&bare, &out.v[i], 1, &err), 0);
    }
    buf_release(&out);
    return bare;
}

static void every_style_fills_its_cells(void **state)
{
    (void)state;
    float v[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        v[i] = (float)i;
    for (int style = HEAT_ASCII; style <= HEAT_TRUE; style++)
        for (int wide = 1; wide <= 14; wide++)
            for (int high = 1; high <= 9; high++) {
                heatmap h = map_of(v, (heat_style)style);
                h.wide = wide;
                h.high = high;
                int lines = heatmap_lines(&h);
                assert_true(lines >= 1 && lines <= high);
                assert_int_equal(heatmap_width(&h), wide < COLUMNS ? wide : COLUMNS);
                for (int line = 0; line < lines; line++) {
                    buf b = line_of(&h, line);
                    assert_int_equal(display_width(b.v, b.len), heatmap_width(&h));
                    buf_release(&b);
                }
            }
}

static void strength_is_the_root_of_the_share(void **state)
{
    (void)state;
    float v[ROWS * COLUMNS] = {0, 0.01f, 0.25f, 1};
    heatmap h = map_of(v, HEAT_ASCII);
    buf b = line_of(&h, 0);
    assert_string_equal(b.v, " .+@        ");
    buf_release(&b);
    h.style = HEAT_BLOCKS;
    b = line_of(&h, 0);
    assert_string_equal(b.v, " ░▒█        ");
    buf_release(&b);
}

static void nothing_that_was_called_is_lost(void **state)
{
    (void)state;
    for (int at = 0; at < ROWS * COLUMNS; at++) {
        float v[ROWS * COLUMNS] = {0};
        v[at] = 1;
        heatmap h = map_of(v, HEAT_ASCII);
        h.wide = 5;
        h.high = 3;
        int found = 0;
        for (int line = 0; line < heatmap_lines(&h); line++) {
            buf b = line_of(&h, line);
            for (size_t i = 0; i < b.len; i++)
                found += b.v[i] == '@';
            buf_release(&b);
        }
        assert_int_equal(found, 1);
    }
}

static void colours_go_from_the_ground_to_the_persona(void **state)
{
    (void)state;
    float v[ROWS * COLUMNS] = {1};
    heatmap h = map_of(v, HEAT_TRUE);
    buf out = {0};
    error err = {0};
    text_writer w = {.out = &out, .err = &err};
    heatmap_line(&h, 0, &w);
    assert_non_null(strstr(out.v, "\033[38;2;255;120;100m"));
    assert_non_null(strstr(out.v, "\033[48;2;22;24;30m"));
    assert_string_equal(out.v + out.len - 4, "\033[0m");
    buf_release(&out);
    unsigned char plain[3];
    heatmap_color("no such colour", plain);
    assert_true(plain[0] == plain[1] && plain[1] == plain[2]);
}

static void the_style_follows_what_the_terminal_has(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("COLORTERM"), 0);
    assert_int_equal(heatmap_style(false, false), HEAT_ASCII);
    assert_int_equal(heatmap_style(true, false), HEAT_ASCII);
    assert_int_equal(heatmap_style(false, true), HEAT_BLOCKS);
    assert_int_equal(heatmap_style(true, true), HEAT_GREYS);
    assert_int_equal(setenv("COLORTERM", "truecolor", 1), 0);
    assert_int_equal(heatmap_style(true, true), HEAT_TRUE);
    assert_int_equal(heatmap_style(false, true), HEAT_BLOCKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_style_fills_its_cells),
        cmocka_unit_test(strength_is_the_root_of_the_share),
        cmocka_unit_test(nothing_that_was_called_is_lost),
        cmocka_unit_test(colours_go_from_the_ground_to_the_persona),
        cmocka_unit_test(the_style_follows_what_the_terminal_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
