/* test_dialogue_limits.c - a dialogue that is stopped, interrupted, or runs out of room; and what 200
 * turns hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialogue_support.h"

static const char *const NAMES[TABLE_SEATS] = {"ann", "bob", "cleo"};
static const uint64_t SECOND = 7 + 1000003;

static void merge(dialogue *d, merge_method method)
{
    error err = {0};
    merge_options o = {.method = method, .rounds = 1, .seed = 3, .chair = "Join them."};
    if (dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

/* ---- stopping ---------------------------------------------------------------------------------- */

typedef struct stopper {
    dialogue *d;
    atomic_bool *cancel;
    int pass, after; /* stops this pass (-1 = all) at that many tokens in all */
    bool reading;    /* or while the prompts are read */
    int answers;
} stopper;

static void stop_at(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    stopper *s = user;
    (void)pass, (void)bytes, (void)n, (void)thinking;
    if (--s->after)
        return;
    if (s->cancel)
        atomic_store(s->cancel, true);
    else
        dialogue_stop(s->d, s->pass);
}

static void stop_reading(void *user, int done, int total)
{
    stopper *s = user;
    (void)done, (void)total;
    if (s->reading)
        atomic_store(s->cancel, true);
}

static void count_answers(void *user, int pass, const turn_answer *a)
{
    stopper *s = user;
    (void)pass;
    s->answers += a->text.v != NULL;
}

static struct turn *ask_and_stop(dialogue *d, stopper *s)
{
    error err = {0};
    dialogue_events events = {
        .user = s, .prefill = stop_reading, .token = stop_at, .answer = count_answers};
    s->d = d;
    if (dialogue_ask(d, "Is it ever right to lie?", 24, NULL, &events, &err))
        fail_msg("%s", err.text);
    if (s->cancel)
        atomic_store(s->cancel, false);
    assert_int_equal(s->answers, TABLE_SEATS);
    return dialogue_last(d);
}

/* `part` is how `whole` begins. */
static void assert_begins(const turn_answer *part, const turn_answer *whole)
{
    assert_true(part->ids.len <= whole->ids.len && part->text.len <= whole->text.len);
    assert_memory_equal(part->text.v, whole->text.v, part->text.len);
    if (part->ids.len)
        assert_memory_equal(part->ids.v, whole->ids.v, part->ids.len * sizeof(int));
}

static void one_pass_is_stopped_and_the_others_go_on(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *whole = table_dialogue(k, &o);
    struct turn *free_run = table_ask(whole, "Is it ever right to lie?", NULL);
    int cut = 0;
    for (int pass = -1; pass < TABLE_SEATS; pass++) {
        for (int after = 1; after <= 9; after += 4) {
            dialogue *d = table_dialogue(k, &o);
            stopper s = {.pass = pass, .after = after};
            struct turn *t = ask_and_stop(d, &s);
            for (int i = 0; i < TABLE_SEATS; i++) {
                const turn_answer *a = turn_answer_of(t, NAMES[i]);
                const turn_answer *b = turn_answer_of(free_run, NAMES[i]);
                if (pass >= 0 && pass != i) {
                    table_equal(a, b);
                    continue;
                }
                assert_begins(a, b);
                assert_int_equal(a->stop, a->ids.len < b->ids.len ? STOP_INTERRUPTED : b->stop);
                cut += a->stop == STOP_INTERRUPTED;
            }
            dialogue_close(d);
        }
    }
    assert_true(cut >= 8);
    dialogue_close(whole);
}

/* Ctrl-C: what was written is kept and remembered, and the dialogue goes on. */
static void an_interrupt_keeps_what_was_written(void **state)
{
    table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o), *whole = table_dialogue(k, &o);
    chat_message memory[4];
    struct turn *free_run = table_ask(whole, "Is it ever right to lie?", NULL);
    stopper s = {.cancel = &k->cancel, .after = 12};
    struct turn *t1 = ask_and_stop(d, &s);
    int interrupted = 0;
    for (int i = 0; i < TABLE_SEATS; i++) {
        assert_begins(turn_answer_of(t1, NAMES[i]), turn_answer_of(free_run, NAMES[i]));
        interrupted += turn_answer_of(t1, NAMES[i])->stop == STOP_INTERRUPTED;
    }
    assert_true(interrupted >= 2);
    merge(d, MERGE_VOTE); /* partial answers can be joined */
    struct turn *t2 = table_ask(d, "and then?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
    }
    dialogue_close(d);
    dialogue_close(whole);
}

/* While the prompt is read: empty answers, marked, which nobody remembers. */
static void an_interrupt_while_reading_is_a_turn(void **state)
{
    table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    stopper s = {.cancel = &k->cancel, .reading = true};
    struct turn *t1 = ask_and_stop(d, &s);
    assert_int_equal(t1->answer_count, TABLE_SEATS);
    for (int i = 0; i < TABLE_SEATS; i++) {
        assert_int_equal(turn_answer_of(t1, NAMES[i])->stop, STOP_INTERRUPTED);
        assert_int_equal(turn_answer_of(t1, NAMES[i])->ids.len, 0);
    }
    error err = {0};
    dialogue_events events = {.user = &s, .prefill = stop_reading};
    assert_int_equal(dialogue_retry(d, NULL, 7, &events, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(t1->answer_count, TABLE_SEATS);
    atomic_store(&k->cancel, false);
    struct turn *t2 = table_ask(d, "and then?", NULL);
    table_oracle(d, t2, "ann", SECOND, NULL, 0);
    dialogue_close(d);
}

/* ---- room -------------------------------------------------------------------------------------- */

typedef struct forgetting {
    int times, from, to;
} forgetting;

static void on_forgot(void *user, int from, int to)
{
    forgetting *f = user;
    assert_true(from <= to && from == (f->times ? f->to + 1 : 1));
    *f = (forgetting){f->times + 1, f->times ? f->from : from, to};
}

static struct turn *ask_forgetting(dialogue *d, const char *prompt, forgetting *f)
{
    error err = {0};
    dialogue_events events = {.user = f, .forgot = on_forgot};
    if (dialogue_ask(d, prompt, strlen(prompt), NULL, &events, &err))
        fail_msg("%s", err.text);
    return dialogue_last(d);
}

static void the_oldest_turns_leave(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    forgetting f = {0};
    while (!f.times) {
        assert_true(dialogue_turns(d) < 20);
        ask_forgetting(d, "Is it ever right to lie?", &f);
    }
    struct turn *t = dialogue_last(d);
    assert_int_equal(f.from, 1);
    assert_int_equal(t->from, f.to + 1);
    assert_true(t->from > 1 && t->from < t->number);
    chat_message memory[40];
    for (int i = 0; i < TABLE_SEATS; i++) {
        size_t n = 0;
        for (int at = t->from; at < t->number; at++, n += 2)
            table_remembered(dialogue_at(d, at - 1), NAMES[i], memory + n);
        table_oracle(d, t, NAMES[i], dialogue_seed(d, t->number), memory, n);
        const turn_answer *a = turn_answer_of(t, NAMES[i]);
        assert_true(a->prompt_tokens + 24 <= TABLE_CONTEXT - TABLE_CONTEXT / 4);
    }
    int times = f.times;
    t = ask_forgetting(d, "and?", &f); /* there is room again for a while */
    assert_int_equal(f.times, times);
    assert_int_equal(t->from, f.to + 1);
    dialogue_close(d);
}

/* A brief question reads the last turns alone; the next one reads all again. */
static void memory_shrinks_for_a_question_alone(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[40];
    for (int i = 0; i < 3; i++)
        (void)table_ask(d, "why?", NULL);
    assert_int_equal(dialogue_last(d)->from, 1);
    int used = dialogue_context_used(d);
    dialogue_settings(d)->memory = used * 3 / 4;
    struct turn *t = table_ask(d, "and?", NULL);
    assert_true(t->from > 1 && t->from < t->number);
    assert_int_equal(t->reach, 1);
    for (int i = 0; i < TABLE_SEATS; i++) {
        size_t n = 0;
        for (int at = t->from; at < t->number; at++, n += 2)
            table_remembered(dialogue_at(d, at - 1), NAMES[i], memory + n);
        table_oracle(d, t, NAMES[i], dialogue_seed(d, t->number), memory, n);
        assert_true(turn_answer_of(t, NAMES[i])->prompt_tokens <= used * 3 / 4);
    }
    dialogue_settings(d)->memory = 1; /* not even one turn */
    t = table_ask(d, "so?", NULL);
    assert_int_equal(t->from, t->number);
    assert_int_equal(dialogue_reach(t), 1);
    dialogue_settings(d)->memory = 0;
    t = table_ask(d, "then", NULL);
    assert_int_equal(t->from, 1);
    assert_int_equal(t->reach, 0);
    dialogue_close(d);
}

static void a_full_context_may_be_an_error(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.overflow_stop = true;
    dialogue *d = table_dialogue(k, &o);
    static const char prompt[] = "Is it ever right to lie?";
    error err = {0};
    forgetting f = {0};
    dialogue_events events = {.user = &f, .forgot = on_forgot};
    while (dialogue_ask(d, prompt, strlen(prompt), NULL, &events, &err) == 0)
        assert_true(dialogue_turns(d) < 20);
    assert_int_equal(err.code, ERROR_CONTEXT);
    assert_non_null(strstr(err.text, "400"));
    assert_int_equal(f.times, 0);
    int turns = dialogue_turns(d);
    assert_true(turns > 3);
    for (int i = 0; i < TABLE_SEATS; i++) /* never without room for the answer */
        assert_true(turn_answer_of(dialogue_last(d), NAMES[i])->prompt_tokens + 24 <=
                    TABLE_CONTEXT);
    dialogue_settings(d)->overflow_stop = false;
    ask_forgetting(d, prompt, &f);
    assert_int_equal(f.times, 1);
    assert_int_equal(dialogue_turns(d), turns + 1);
    dialogue_close(d);
}

static void a_question_too_long_changes_nothing(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    char prompt[TABLE_CONTEXT + 1];
    chat_message memory[2];
    error err = {0};
    forgetting f = {0};
    dialogue_events events = {.user = &f, .forgot = on_forgot};
    struct turn *t1 = table_ask(d, "yes?", NULL);
    memset(prompt, 'x', TABLE_CONTEXT);
    prompt[TABLE_CONTEXT] = '\0';
    assert_int_equal(dialogue_ask(d, prompt, TABLE_CONTEXT, NULL, &events, &err), -1);
    assert_int_equal(err.code, ERROR_CONTEXT);
    char *number = strpbrk(err.text, "0123456789");
    assert_non_null(number);
    assert_true(atoi(number) > TABLE_CONTEXT && strstr(number, "400"));
    assert_int_equal(f.times, 0);
    assert_int_equal(dialogue_turns(d), 1);
    struct turn *t2 = table_ask(d, "why?", NULL);
    assert_int_equal(t2->from, 1);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
    }
    /* One that fits alone, but not with the room that is wanted free: all before it is forgotten. */
    prompt[300] = '\0';
    struct turn *t3 = ask_forgetting(d, prompt, &f);
    assert_int_equal(t3->from, 3);
    assert_int_equal(f.to, 2);
    /* Alone a question may leave even less room than is usually kept. */
    int longest = turn_answer_of(t3, "bob")->prompt_tokens;
    memset(prompt, 'x', TABLE_CONTEXT);
    prompt[300 + TABLE_CONTEXT - longest - 5] = '\0';
    struct turn *t4 = ask_forgetting(d, prompt, &f);
    assert_int_equal(t4->from, 4);
    assert_int_equal(turn_answer_of(t4, "bob")->prompt_tokens, TABLE_CONTEXT - 5);
    assert_true(turn_answer_of(t4, "bob")->ids.len <= 6);
    dialogue_close(d);
}

/* ---- 200 turns --------------------------------------------------------------------------------- */

/* What the turns of a dialogue hold; a region may have as much in reserve, and what lists grew out of. */
static size_t turn_bytes(const dialogue *d, int from)
{
    enum { OVERHEAD = 32 };
    size_t bytes = 0;
    for (int i = from; i < dialogue_turns(d); i++) {
        const struct turn *t = dialogue_at(d, i);
        bytes += sizeof *t + t->prompt.len + 4 * OVERHEAD;
        for (int a = 0; a < t->answer_count; a++) {
            const turn_answer *k = &t->answers[a];
            bytes +=
                sizeof *k + k->text.len + k->thought.len + k->ids.len * sizeof(int) + 12 * OVERHEAD;
        }
        for (int m = 0; m < t->merge_count; m++)
            bytes += sizeof(turn_merge) + 2 * t->merges[m].text.len + 20 * OVERHEAD;
    }
    return 2 * bytes;
}

static void two_hundred_turns_need_no_more_memory(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.council.max_tokens = 8;
    o.council.context = 200;
    dialogue *d = table_dialogue(k, &o);
    forgetting f = {0};
    size_t before = 0;
    for (int turn = 1; turn <= 200; turn++) {
        ask_forgetting(d, "and then?", &f);
        if (turn % 10 == 0)
            merge(d, turn % 20 ? MERGE_VOTE : MERGE_SYNTH);
        if (turn == 100)
            before = table_allocated();
    }
    size_t slack = 256 * sizeof(void *); /* of the list of turns, which doubles */
    assert_true(f.times > 10);
    assert_true(table_allocated() <= before + turn_bytes(d, 100) + slack);
    for (int i = 0; i < TABLE_SEATS; i++)
        assert_true(dialogue_context_used(d) <= 200);
    dialogue_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pass_is_stopped_and_the_others_go_on),
        cmocka_unit_test(an_interrupt_keeps_what_was_written),
        cmocka_unit_test(an_interrupt_while_reading_is_a_turn),
        cmocka_unit_test(the_oldest_turns_leave),
        cmocka_unit_test(memory_shrinks_for_a_question_alone),
        cmocka_unit_test(a_full_context_may_be_an_error),
        cmocka_unit_test(a_question_too_long_changes_nothing),
        cmocka_unit_test(two_hundred_turns_need_no_more_memory),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
