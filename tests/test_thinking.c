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

/* The passes of a dialogue, asked or filled by hand. */
static hand passes_of(const dialogue *d)
{
    hand h = hand_of(d, NAMES, TABLE_SEATS);
    for (int i = 0; i < TABLE_SEATS; i++)
        h.requests[i].seed = 7;
    return h;
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
    dialogue_events events = {.user = &heard, .token = on_token};
    assert_int_equal(dialogue_ask(d, PROMPT, strlen(PROMPT), NULL, &events, &err), 0);
    for (int i = 0; i < TABLE_SEATS; i++) {
        const turn_answer *a = turn_answer_of(dialogue_last(d), NAMES[i]);
        size_t at = 0;
        while (at < a->ids.len && a->ids.v[at] != end)
            at++;
        assert_true(at <= THOUGHT + 1); /* what closes it by force begins with a newline */
        assert_true(a->ids.len > at && a->thought.len > 0);
        assert_true(a->text.len > 0 && a->text.v[0] != '\n');
        assert_int_equal(heard.text[i].len, a->text.len);
        assert_memory_equal(heard.text[i].v, a->text.v, a->text.len);
        assert_int_equal(heard.thought[i].len, a->thought.len);
        assert_memory_equal(heard.thought[i].v, a->thought.v, a->thought.len);
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
    struct turn *t1 = table_ask(d, PROMPT, NULL), *t2 = table_ask(d, "why?", NULL);
    hand h = passes_of(d);
    chat_message memory[2];
    for (int i = 0; i < TABLE_SEATS; i++) {
        const turn_answer *a = turn_answer_of(t1, NAMES[i]);
        assert_true(a->thought.len > 0);
        memory[0] = (chat_message){CHAT_USER, PROMPT, strlen(PROMPT)};
        memory[1] = (chat_message){CHAT_ASSISTANT, a->text.v, a->text.len};
        hand_remember(&h, i, memory, 2);
    }
    hand_ask(&h, "why?", 4);
    for (int i = 0; i < TABLE_SEATS; i++)
        assert_true(turn_answer_of(t2, NAMES[i])->prompt_hash ==
                    council_answer(h.c, i)->prompt_hash);
    hand_close(&h);
    dialogue_close(d);
}

/* A merge behind an answer that thought is the merge of the same words said without a thought. */
static void no_merge_reads_a_thought(void **state)
{
    const table *k = *state;
    static const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_DEBATE};
    dialogue_options o = options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    struct turn *t = table_ask(d, PROMPT, NULL);
    turn_answer words[TABLE_SEATS];
    for (int i = 0; i < TABLE_SEATS; i++) {
        const turn_answer *a = turn_answer_of(t, NAMES[i]);
        words[i] = (turn_answer){.text = {a->text.v, a->text.len}, .stop = a->stop};
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        merge_options m = {
            .method = methods[i], .rounds = 1, .seed = 7, .chair = "Join.", .max_tokens = 24};
        turn_merge live, bare;
        hand h = passes_of(d), other = passes_of(d);
        hand_ask(&h, PROMPT, strlen(PROMPT));
        assert_true(council_answer(h.c, 0)->thought.len > 0);
        council_round said = {h.requests, words, false};
        if (merge_run(h.c, &h.round, &m, &h.merges, &live, &err) ||
            merge_run(other.c, &said, &m, &other.merges, &bare, &err) ||
            dialogue_merge(d, &m, NULL, 0, NULL, NULL, &err))
            fail_msg("%s", err.text);
        table_same_merge(&live, &bare);
        table_same_merge(&live, turn_merged(t));
        hand_close(&h);
        hand_close(&other);
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
