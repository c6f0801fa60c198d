/* test_loop.c - what is a loop and what is not: personas/council/loop.h.
 *
 * Tokens of the small council model are the bytes of a text, so a cycle is as many tokens as it has
 * characters, and a test can say what an answer says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/council/council_state.h"
#include "council_support.h"

enum { MOST = 9000 };

/* A pass fed by hand: no model is asked. Returns the tokens it took, *looped = whether it ended. */
static int feed(const cast *k, const char *text, int n, int need, bool *looped)
{
    council_options o = cast_options();
    o.max_tokens = MOST;
    o.loop = need;
    council *c = cast_council(k, &o, 1, 0);
    pass_rules r = council_rules(c);
    pass *p = c->passes[0];
    error err = {0};
    int taken = 0;
    pass_begin(p, false);
    for (; taken < n && p->active; taken++)
        assert_int_equal(pass_accept(p, &r, (unsigned char)text[taken], &err), 0);
    *looped = !p->active;
    assert_true(p->active || p->answer.stop == STOP_LOOP);
    council_close(c);
    return taken;
}

/* `cycle` over and over behind `before`, n bytes in all; the caller's buffer. */
static void fill(char *text, int n, const char *before, const char *cycle)
{
    size_t head = strlen(before), period = strlen(cycle);
    for (size_t i = 0; i < (size_t)n; i++)
        text[i] = i < head ? before[i] : cycle[(i - head) % period];
}

/* Tokens of the cycle that are taken before it is found; 0 = it is not within n. */
static int found_at(const cast *k, const char *before, const char *cycle, int n, int need)
{
    static char text[MOST];
    bool looped;
    fill(text, n, before, cycle);
    int taken = feed(k, text, n, need, &looped);
    return looped ? taken - (int)strlen(before) : 0;
}

/* ---- what is no loop --------------------------------------------------------------------------- */

static void things_that_repeat_for_good_reasons(void **state)
{
    static const char *const texts[] = {
        "flags = [False, False, False, False, False, False, False, False]",
        "printf(\"%d %d %d %d %d %d %d %d %d %d\\n\", a, b, c, d, e, f, g, h, i, j);",
        "\xF0\x9F\x98\x8A\xF0\x9F\x98\x8A\xF0\x9F\x98\x8A\xF0\x9F\x98\x8A well done",
        "0000: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n"
        "0010: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n"
        "0020: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n"
        "0030: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n",
        "0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0\n"
        "0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0\n",
        "a million is 1000000, a googol has 100 zeros: 1"
        "00000000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000",
        "name | value\n-----------------------------------------------------------------+-------\n",
        "Hahahahahahahaha! No, no, no, no, no. Very, very, very, very good.",
        "na na na na na na na na, na na na na, hey hey hey, goodbye",
        "```python\ngrid = [[False, False, False, False],\n        [False, False, False, False],\n"
        "        [False, False, False, False],\n        [False, False, False, False]]\n```\nThere.",
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life "
        "is but a dream.",
        /* a refrain comes again, but not at once */
        "This is the refrain of the song. One. This is the refrain of the song. Two. "
        "This is the refrain of the song. Three. This is the refrain of the song. Four.",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool looped;
        int n = (int)strlen(texts[i]), taken = feed(*state, texts[i], n, LOOP_TOKENS, &looped);
        if (looped)
            fail_msg("\"%s\" is cut as a loop at %d of %d", texts[i], taken, n);
    }
}

/* ---- what is one ------------------------------------------------------------------------------- */

static void short_cycles_must_cover_enough(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuv";
    for (int period = 1; period <= 21; period++) {
        char cycle[32] = "";
        memcpy(cycle, letters, (size_t)period);
        assert_int_equal(found_at(*state, "", cycle, 500, LOOP_TOKENS), 64);
        assert_int_equal(found_at(*state, "Well, ", cycle, 500, 24), period < 8 ? 24 : 3 * period);
        assert_int_equal(found_at(*state, "", cycle, 500, 0), 0);
    }
}

static void sentences_are_found_the_third_time(void **state)
{
    for (int period = 22; period <= LOOP_LONGEST; period += period < 130 ? 7 : 149) {
        char cycle[LOOP_LONGEST + 1] = "";
        for (int i = 0; i < period; i++)
            cycle[i] = (char)('a' + (i * i + i / 26) % 26);
        int want = 3 * period > LOOP_TOKENS ? 3 * period : LOOP_TOKENS;
        int at = found_at(*state, "It is so: ", cycle, 4 * period + 30, LOOP_TOKENS);
        if (at > want || at < want - 3) /* a letter before may belong to the cycle by chance */
            fail_msg("a cycle of %d tokens is found after %d", period, at);
    }
}

static void figures_and_code_may_go_on_longer(void **state)
{
    enum { LONG = LOOP_FIGURES * LOOP_TOKENS };
    assert_int_equal(found_at(*state, "", "0", 600, LOOP_TOKENS), LONG);
    assert_int_equal(found_at(*state, "", "|-+", 600, LOOP_TOKENS), LONG);
    assert_int_equal(found_at(*state, "", "\xF0\x9F\x98\x8A", 600, LOOP_TOKENS), LONG);
    assert_int_equal(found_at(*state, "", "\xE2\x9D\xA4\xEF\xB8\x8F ", 600, LOOP_TOKENS), LONG);
    assert_int_equal(found_at(*state, "```c\n", "False, ", 600, LOOP_TOKENS), LONG);
    assert_int_equal(found_at(*state, "```c\nx\n```\n", "False, ", 600, LOOP_TOKENS), 64);
    /* letters of every script are words */
    assert_int_equal(found_at(*state, "", "\xD0\xB4\xD0\xB0 ", 600, LOOP_TOKENS), 64);
    assert_int_equal(found_at(*state, "", "\xE5\xA5\xBD", 600, LOOP_TOKENS), 64);
    assert_int_equal(found_at(*state, "", "\xC3\xA9 ", 600, LOOP_TOKENS), 64);
    /* a cycle that is long by itself, of figures */
    char rows[101] = "";
    memset(rows, '0', 99);
    rows[99] = '\n';
    assert_int_equal(found_at(*state, "", rows, 900, LOOP_TOKENS), 300);
}

static void a_text_from_elsewhere_is_judged_by_its_end(void **state)
{
    const cast *k = *state;
    const tokenizer *t = engine_tokenizer(k->e);
    static char text[400];
    error err = {0};
    fill(text, 400, "So: ", "the cat sat on it. ");
    assert_int_equal(loop_ends(t, text, 400, LOOP_TOKENS, &err), 1);
    assert_int_equal(loop_ends(t, text, 400, 0, &err), 0);
    memcpy(text + 380, "but then it left all", 20);
    assert_int_equal(loop_ends(t, text, 400, LOOP_TOKENS, &err), 0);
    assert_int_equal(loop_ends(t, "", 0, LOOP_TOKENS, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(things_that_repeat_for_good_reasons),
        cmocka_unit_test(short_cycles_must_cover_enough),
        cmocka_unit_test(sentences_are_found_the_third_time),
        cmocka_unit_test(figures_and_code_may_go_on_longer),
        cmocka_unit_test(a_text_from_elsewhere_is_judged_by_its_end),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
