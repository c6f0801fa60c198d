/* test_chat_format.c - what chat.h tells of a template: thoughts, effort, variables, the day, the
 * tokens that end an answer and those that open a role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat_support.h"

/* ---- thoughts ------------------------------------------------------------------------------ */

static void each_template_thinks_its_own_way(void **state)
{
    static const struct {
        const char *template;
        bool can, always, opens_off, opens_on;
    } cases[] = {
        {"plain-chatml", false, false, false, false},
        {"qwen3", true, false, false, false},
        {"qwen3-thinking", true, true, false, true},
        {"opens-thought", true, true, false, true},
        {"opens-or-closes", true, false, false, true},
        {"inverted-thinking", true, true, false, false},
        {"split-last", true, false, false, false},
        {"thinking-variable", true, false, false, true},
        {"effort-or-none", true, false, false, true},
        {"reasoning-effort", true, false, false, false},
        {"smollm2", false, false, false, false},
        {"granite-3.3", true, false, false, false},
    };
    const chat_message m = chat_say(CHAT_USER, "Hello");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        chat c;
        chat_open_good(*state, cases[i].template, &c);
        tokens off = chat_rendered(&c, &m, 1, true, 0), on = chat_rendered(&c, &m, 1, true, -1);
        if (chat_can_think(c.format) != cases[i].can ||
            chat_always_thinks(c.format) != cases[i].always ||
            chat_opens_thought(c.format, off.v, off.len) != cases[i].opens_off ||
            chat_opens_thought(c.format, on.v, on.len) != cases[i].opens_on)
            fail_msg("%s: %d %d %d %d", cases[i].template, chat_can_think(c.format),
                     chat_always_thinks(c.format), chat_opens_thought(c.format, off.v, off.len),
                     chat_opens_thought(c.format, on.v, on.len));
        tokens_release(&off);
        tokens_release(&on);
        chat_close_all(&c);
    }
}

/* As a template would that can. */
static void a_thought_that_nobody_wants_is_closed(void **state)
{
    const chat_message m = chat_say(CHAT_USER, "Hello");
    chat c;
    chat_open_good(*state, "qwen3-thinking", &c);
    chat_spells(
        &c, chat_rendered(&c, &m, 1, true, 0),
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
    chat_spells(&c, chat_rendered(&c, &m, 1, false, 0), "<|im_start|>user\nHello<|im_end|>\n");
    chat_close_all(&c);
}

/* Effort goes by the tokens that a thought may have; a template may take only some of the words. */
static void effort_follows_the_tokens(void **state)
{
    static const struct {
        const char *template;
        int think;
        const char *word;
    } cases[] = {
        {"reasoning-effort", 0, "Reasoning: low"},
        {"reasoning-effort", 100, "Reasoning: low"},
        {"reasoning-effort", 2000, "Reasoning: medium"},
        {"reasoning-effort", 9000, "Reasoning: high"},
        {"reasoning-effort", -1, "Reasoning: high"},
        {"effort-or-none", 100, "[THINK]"},
    };
    const chat_message m = chat_say(CHAT_USER, "Hello");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        chat c;
        chat_open_good(*state, cases[i].template, &c);
        tokens ids = chat_rendered(&c, &m, 1, true, cases[i].think);
        char *text = chat_spelled(&c, &ids);
        if (!strstr(text, cases[i].word))
            fail_msg("%s: %s", cases[i].word, text);
        free(text);
        tokens_release(&ids);
        chat_close_all(&c);
    }
}

static void thoughts_can_be_closed(void **state)
{
    chat c;
    chat_open_good(*state, "qwen3", &c);
    tokens got = {0};
    error err = {0};
    assert_int_equal(chat_close_thought(c.format, &got, &err), 0);
    assert_int_equal(got.len, 3);
    assert_int_equal(got.v[1], chat_id_of(&c, "</think>"));
    assert_true(chat_starts_thought(c.format, chat_id_of(&c, "<think>")));
    assert_true(chat_ends_thought(c.format, chat_id_of(&c, "</think>"), "", 0));
    assert_false(chat_ends_thought(c.format, 65, "x</think>", 9)); /* text is no mark here */
    tokens_release(&got);
    chat_close_all(&c);
    /* Without such tokens the marks are text. */
    chat_put_words(*state, "plain");
    assert_int_equal(chat_open_named(*state, "qwen3", &(chat_options){0}, &c, &err), 0);
    assert_true(chat_ends_thought(c.format, 65, "x</think>", 9));
    assert_int_equal(chat_close_thought(c.format, &got, &err), 0);
    chat_spells(&c, got, "\n</think>\n\n");
    chat_close_all(&c);
}

/* ---- variables and days -------------------------------------------------------------------- */

static void variables_can_be_set(void **state)
{
    static const char *const good[] = {"enable_thinking=false", "unread=[1, 2]"};
    static const char *const bad[] = {
        "messages=[]", "bos_token=x", "add_generation_prompt=true", "=x",
        "a b=c",       "novalue",     "raise_exception=1"};
    const fixture *f = *state;
    const chat_message m = chat_say(CHAT_USER, "Hello");
    chat c;
    error err = {0};
    chat_put_words(f, "thinking");
    chat_options o = {.variables = good, .variable_count = 2};
    assert_int_equal(chat_open_named(f, "opens-or-closes", &o, &c, &err), 0);
    assert_string_equal(chat_variable(c.format, 1), "unread=[1, 2]");
    assert_null(chat_variable(c.format, 2));
    assert_true(chat_reads(c.format, "enable_thinking"));
    assert_false(chat_reads(c.format, "unread"));
    chat_spells(
        &c, chat_rendered(&c, &m, 1, true, -1),
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
    chat_close_all(&c);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o = (chat_options){.variables = &bad[i], .variable_count = 1};
        assert_int_equal(chat_open_named(f, "plain-chatml", &o, &c, &err), -1);
        assert_int_equal(err.code, ERROR_USAGE);
        chat_close_all(&c);
    }
}

/* What a user sets is the user's: no special token comes of it. */
static void variables_stay_text(void **state)
{
    static const char *const set = "reasoning_effort=<|im_end|>";
    const chat_message m = chat_say(CHAT_USER, "Hello");
    chat c;
    error err = {0};
    chat_put_words(*state, "thinking");
    chat_options o = {.variables = &set, .variable_count = 1};
    assert_int_equal(chat_open_named(*state, "reasoning-effort", &o, &c, &err), 0);
    tokens ids = chat_rendered(&c, &m, 1, true, 0);
    int ends = 0;
    for (size_t i = 0; i < ids.len; i++)
        ends += ids.v[i] == chat_id_of(&c, "<|im_end|>");
    assert_int_equal(ends, 2);
    tokens_release(&ids);
    chat_close_all(&c);
}

static void the_day_can_be_another(void **state)
{
    const chat_message m = chat_say(CHAT_USER, "Hello");
    chat c;
    error err = {0};
    chat_put_words(*state, "thinking");
    assert_int_equal(
        chat_open_named(*state, "dated", &(chat_options){.day = "2026-11-22"}, &c, &err), 0);
    assert_string_equal(chat_day(c.format), "2026-11-22");
    chat_spells(&c, chat_rendered(&c, &m, 1, false, 0),
                "<|im_start|>system\nToday: 22 Nov 2026 (2026-11-22)<|im_end|>\n"
                "<|im_start|>user\nHello<|im_end|>\n");
    chat_close_all(&c);
    assert_int_equal(
        chat_open_named(*state, "qwen3", &(chat_options){.day = "2026-11-22"}, &c, &err), 0);
    assert_null(chat_day(c.format));
    chat_close_all(&c);
    assert_int_equal(chat_open_named(*state, "qwen3", &(chat_options){.day = "tomorrow"}, &c, &err),
                     -1);
    assert_int_equal(err.code, ERROR_USAGE);
    chat_close_all(&c);
}

/* ---- ends and roles ------------------------------------------------------------------------ */

static void answers_end_as_the_template_ends_them(void **state)
{
    static const char *const ends[][2] = {
        {"smollm2", "<|im_end|>"},
        {"llama-3.1", "<|eot_id|>"},
        {"refuses-system", "<end_of_turn>"},
        {"role-in-mark", "<|end|>"},
        {"mistral-nemo", "<|endoftext|>"},
        {"opens-thought", "<\uff5cend\u2581of\u2581sentence\uff5c>"}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        chat c;
        chat_open_good(*state, ends[i][0], &c);
        assert_string_equal(chat_name(c.format), "template");
        assert_true(chat_is_end(c.format, chat_id_of(&c, ends[i][1])));
        assert_true(chat_is_end(c.format, chat_id_of(&c, "<|endoftext|>")));
        assert_false(chat_is_end(c.format, chat_id_of(&c, "<|im_start|>")));
        assert_false(chat_is_end(c.format, -1));
        chat_close_all(&c);
    }
}

static void opens(const chat *c, chat_role role, const char *text)
{
    tokens ids = {0};
    error err = {0};
    assert_int_equal(chat_role_header(c->format, role, 16, &ids, &err), 0);
    chat_spells(c, ids, text);
}

static void roles_begin_where_the_template_begins_them(void **state)
{
    chat c;
    chat_open_good(*state, "plain-chatml", &c);
    opens(&c, CHAT_SYSTEM, "<|im_start|>system\n");
    opens(&c, CHAT_USER, "<|im_start|>user\n");
    opens(&c, CHAT_ASSISTANT, "<|im_end|>\n<|im_start|>assistant\n");
    chat_close_all(&c);
    chat_open_good(*state, "mistral-nemo", &c);
    opens(&c, CHAT_SYSTEM, "");
    opens(&c, CHAT_USER, "[INST]");
    opens(&c, CHAT_ASSISTANT, "[/INST]");
    chat_close_all(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_template_thinks_its_own_way),
        cmocka_unit_test(a_thought_that_nobody_wants_is_closed),
        cmocka_unit_test(effort_follows_the_tokens),
        cmocka_unit_test(thoughts_can_be_closed),
        cmocka_unit_test(variables_can_be_set),
        cmocka_unit_test(variables_stay_text),
        cmocka_unit_test(the_day_can_be_another),
        cmocka_unit_test(answers_end_as_the_template_ends_them),
        cmocka_unit_test(roles_begin_where_the_template_begins_them),
    };
    return cmocka_run_group_tests(tests, chat_make_folder, chat_remove_folder);
}
