/* test_pass.c - what an answer tells as its thought and what as its text, where the marks of a thought
 * are text that many tokens spell: personas/council/council_pass.h, fed by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/council/council_pass.h"
#include "chat_support.h"

typedef struct heard {
    buf thought, text;
} heard;

/* What a council tells after each token. */
static void tell(pass *p, const pass_rules *r, bool all, heard *h)
{
    size_t stable = pass_stable_prefix(p, r, all);
    while (p->streamed < stable) {
        bool thinking = p->streamed < p->thought;
        size_t end = thinking && p->thought < stable ? p->thought : stable;
        assert_int_equal(buf_add(thinking ? &h->thought : &h->text, p->text.v + p->streamed,
                                 end - p->streamed, NULL),
                         0);
        p->streamed = end;
    }
}

/* Says `text` byte by byte or in the vocabulary's own pieces. */
static heard say(const chat *c, const char *text, bool bytes)
{
    const council_options o = {.max_tokens = 1000};
    const tokens none = {0};
    const pass_rules r = {.tokenizer = c->words, .stops = &none, .chat = c->format, .options = &o};
    heard h = {0};
    pass p = {0};
    tokens ids = {0};
    error err = {0};
    size_t piece = bytes ? 1 : strlen(text);
    for (size_t at = 0; at < strlen(text); at += piece)
        assert_int_equal(tokenizer_encode(c->words, text + at, piece, &ids, NULL, &err), 0);
    pass_begin(&p, false);
    for (size_t i = 0; i < ids.len; i++) {
        assert_int_equal(pass_accept(&p, &r, ids.v[i], &err), 0);
        tell(&p, &r, false, &h);
    }
    tell(&p, &r, true, &h);
    assert_int_equal(p.thought, h.thought.len);
    tokens_release(&ids);
    tokens_release(&p.out);
    buf_release(&p.text);
    return h;
}

static void marks_that_are_text_are_told_apart(void **state)
{
    static const struct {
        const char *template, *thought, *text;
    } cases[] = {
        {"granite-3.3", "<think>why not</think>", "Because <b>"},
        {"granite-3.3", "<think>why not</think>\n\n", "Because"},
        {"granite-3.3", " \n<think></think>\n", "Hello"},
        {"granite-3.3", "<think>on and on", ""},
        {"granite-3.3", "<think>", ""},
        {"granite-3.3", "", "<thi"},
        {"granite-3.3", "", "<thin</think> air"},
        {"granite-3.3", "", "Hello <think>x</think>y"},
        {"granite-3.3", "", "\n\n"},
        {"split-last", "<think>x</think>", "y<think>z</think>"},
        {"effort-or-none", "[THINK]x[/THINK]", "y"},
        {"plain-chatml", "", "<think>x</think>y"}, /* knows nothing of thoughts */
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        char whole[128];
        chat c;
        error err = {0};
        const char *thought = cases[i / 2].thought, *text = cases[i / 2].text;
        chat_put_words(*state, "plain");
        assert_int_equal(
            chat_open_named(*state, cases[i / 2].template, &(chat_options){0}, &c, &err), 0);
        (void)snprintf(whole, sizeof whole, "%s%s", thought, text);
        heard h = say(&c, whole, i % 2);
        if (strcmp(h.thought.v ? h.thought.v : "", thought) != 0 ||
            strcmp(h.text.v ? h.text.v : "", text) != 0)
            fail_msg("%s: %s: \"%s\" and \"%s\"", cases[i / 2].template, whole,
                     h.thought.v ? h.thought.v : "", h.text.v ? h.text.v : "");
        buf_release(&h.thought);
        buf_release(&h.text);
        chat_close_all(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_that_are_text_are_told_apart),
    };
    return cmocka_run_group_tests(tests, chat_make_folder, chat_remove_folder);
}
