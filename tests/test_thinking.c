/* test_thinking.c - thoughts stay thoughts: they are told apart, and no later turn, vote, chair or
 * debate reads them. The model speaks noise behind an opened thought, which is closed by force.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "dialogue_support.h"

#define THINKING_MODEL "tests/fixtures/thinker"
enum { THOUGHT = 6 };
static const char *const NAMES[TABLE_SEATS] = {"ann", "bob", "cleo"};
static const char PROMPT[] = "Is it ever right to lie?";

/* The table with another model at it. */
static int setup(void **state)
{
    if (table_setup(state))
        return -1;
    table *k = *state;
    engine_close(k->e);
    k->e = support_engine(THINKING_MODEL, 32, &k->cancel);
    assert_true(chat_can_think(engine_chat(k->e)));
    return 0;
}

static dialogue_options options(void)
{
    dialogue_options o = table_options();
    o.council.think = THOUGHT;
    o.council.context = 900;
    return o;
}

/* The passes of a dialogue in a council that is asked or filled by hand. */
static council *council_of(const dialogue *d)
{
    error err = {0};
    council_options o = dialogue_settings((dialogue *)(uintptr_t)d)->council;
    council *c = council_open(dialogue_engine(d), &o, &err);
    for (int i = 0; i < TABLE_SEATS; i++) {
        pass_options p = roster_pass(dialogue_roster(d), i);
        p.sampling.seed = 7;
        assert_int_equal(council_add(c, &p, &err), i);
    }
    return c;
}

typedef struct told {
    buf thought[TABLE_SEATS], text[TABLE_SEATS];
} told;

static void on_token(void *user, int i, const char *bytes, size_t n, bool thinking)
{
    told *t = user;
    assert_int_equal(buf_add(thinking ? &t->thought[i] : &t->text[i], bytes, n, NULL), 0);
}

static void a_thought_is_told_apart(void **state)
{
    const table *k = *state;
    dialogue_options o = options();
    dialogue *d = table_dialogue(k, &o);
    static const char mark[] = "</think>";
    int end = tokenizer_find(engine_tokenizer(k->e), mark, sizeof mark - 1), forced = 0;
    error err = {0};
    told heard = {0};
    dialogue_events events = {.user = &heard, .council = {.token = on_token}};
    assert_int_equal(dialogue_ask(d, PROMPT, strlen(PROMPT), NULL, &events, &err), 0);
    for (int i = 0; i < TABLE_SEATS; i++) {
        const kept_answer *a = dialogue_answer(dialogue_last(d), NAMES[i]);
        size_t at = 0;
        while (at < a->ids.len && a->ids.v[at] != end)
            at++;
        assert_true(at <= THOUGHT + 1); /* what closes it by force begins with a newline */
        assert_true(a->ids.len > at && a->thought_len > 0);
        assert_true(a->len > 0 && a->text[0] != '\n');
        assert_int_equal(heard.text[i].len, a->len);
        assert_memory_equal(heard.text[i].v, a->text, a->len);
        assert_int_equal(heard.thought[i].len, a->thought_len);
        assert_memory_equal(heard.thought[i].v, a->thought, a->thought_len);
        forced += at == THOUGHT + 1;
        buf_release(&heard.text[i]);
        buf_release(&heard.thought[i]);
    }
    assert_true(forced > 0);
    dialogue_close(d);
}

/* The prompts of the next turn, token by token, are those of a conversation without thoughts. */
static void later_turns_hold_no_thought(void **state)
{
    const table *k = *state;
    dialogue_options o = options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    dialogue_turn *t1 = table_ask(d, PROMPT, NULL), *t2 = table_ask(d, "why?", NULL);
    council *c = council_of(d);
    chat_message memory[2];
    for (int i = 0; i < TABLE_SEATS; i++) {
        const kept_answer *a = dialogue_answer(t1, NAMES[i]);
        assert_true(a->thought_len > 0);
        memory[0] = (chat_message){CHAT_USER, PROMPT, strlen(PROMPT)};
        memory[1] = (chat_message){CHAT_ASSISTANT, a->text, a->len};
        assert_int_equal(council_recall(c, i, memory, 2, &err), 0);
    }
    assert_int_equal(council_ask(c, "why?", 4, NULL, &err), 0);
    for (int i = 0; i < TABLE_SEATS; i++)
        assert_true(dialogue_answer(t2, NAMES[i])->prompt_hash ==
                    council_answer(c, i)->prompt_hash);
    council_close(c);
    dialogue_close(d);
}

static void assert_same_merge(const merge_result *x, const merge_result *y)
{
    size_t cells = (size_t)x->passes * (size_t)x->passes;
    assert_int_equal(x->len, y->len);
    assert_memory_equal(x->text, y->text, x->len);
    assert_int_equal(x->winner, y->winner);
    assert_int_equal(x->ids.len, y->ids.len);
    if (x->ids.len)
        assert_memory_equal(x->ids.v, y->ids.v, x->ids.len * sizeof(int));
    if (x->scores)
        assert_memory_equal(x->scores, y->scores, cells * sizeof(double));
}

/* A merge behind an answer that thought is the merge of the same words said without a thought. */
static void no_merge_reads_a_thought(void **state)
{
    const table *k = *state;
    static const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_DEBATE};
    dialogue_options o = options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    dialogue_turn *t = table_ask(d, PROMPT, NULL);
    adopted_answer words[TABLE_SEATS];
    for (int i = 0; i < TABLE_SEATS; i++) {
        const kept_answer *a = dialogue_answer(t, NAMES[i]);
        words[i] = (adopted_answer){.text = a->text, .len = a->len, .stop = a->stop};
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        merge_options m = {
            .method = methods[i], .rounds = 1, .seed = 7, .chair = "Join.", .max_tokens = 24};
        merge_result live, bare;
        council *c = council_of(d), *other = council_of(d);
        assert_int_equal(council_ask(c, PROMPT, strlen(PROMPT), NULL, &err), 0);
        assert_true(council_answer(c, 0)->thought > 0);
        assert_int_equal(council_adopt(other, PROMPT, strlen(PROMPT), false, words, &err), 0);
        if (merge_run(c, &m, &live, NULL, &err) || merge_run(other, &m, &bare, NULL, &err) ||
            dialogue_merge(d, &m, NULL, 0, NULL, NULL, &err))
            fail_msg("%s", err.text);
        assert_same_merge(&live, &bare);
        assert_same_merge(&live, &dialogue_merged(t)->result);
        merge_release(&live);
        merge_release(&bare);
        council_close(c);
        council_close(other);
    }
    dialogue_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thought_is_told_apart),
        cmocka_unit_test(later_turns_hold_no_thought),
        cmocka_unit_test(no_merge_reads_a_thought),
    };
    return cmocka_run_group_tests(tests, setup, table_teardown);
}
