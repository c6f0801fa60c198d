/* test_dialogue.c - what is remembered, against one pass alone that is told by hand what to remember;
 * versions, undoing and restoring; stopping and running out of room.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialogue_support.h"

/* There only under AddressSanitizer, where malloc's own figures say nothing. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static const char *const NAMES[TABLE_SEATS] = {"ann", "bob", "cleo"};
static const uint64_t SECOND = 7 + 1000003, THIRD = 7 + 2 * 1000003;

static void merge(dialogue *d, merge_method method)
{
    error err = {0};
    merge_options o = {.method = method, .rounds = 1, .seed = 3, .chair = "Join them."};
    if (dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static void pick(dialogue *d, const char *name)
{
    error err = {0};
    if (dialogue_pick(d, name, &err))
        fail_msg("%s", err.text);
}

/* ---- what is remembered ------------------------------------------------------------------------ */

static void each_remembers_its_own(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[4];
    dialogue_turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++)
        table_oracle(d, t1, NAMES[i], 7, NULL, 0);
    dialogue_turn *t2 = table_ask(d, "and then?", NULL);
    dialogue_turn *t3 = table_ask(d, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
        table_remembered(t2, NAMES[i], memory + 2);
        table_oracle(d, t3, NAMES[i], THIRD, memory, 4);
    }
    assert_int_equal(t3->number, 3);
    assert_int_equal(t3->parent, 2);
    assert_int_equal(t3->from, 1);
    assert_int_equal(dialogue_turns(d), 3);
    const kept_answer *a = dialogue_answer(t3, "bob");
    assert_string_equal(a->acts_by, "prompt+mask");
    assert_true(a->program != 0 && dialogue_answer(t3, "ann")->program == 0);
    dialogue_close(d);
}

static void all_remember_what_was_merged(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.context = CONTEXT_MERGED;
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[4];
    dialogue_turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    merge(d, MERGE_VOTE);
    dialogue_turn *t2 = table_ask(d, "and then?", NULL); /* not merged: each keeps its own */
    dialogue_turn *t3 = table_ask(d, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, "merge", memory);
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
        table_remembered(t2, NAMES[i], memory + 2);
        table_oracle(d, t3, NAMES[i], THIRD, memory, 4);
    }
    dialogue_close(d);
}

static void all_remember_what_was_picked(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.context = CONTEXT_PICKED;
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[4];
    error err = {0};
    assert_int_equal(dialogue_pick(d, "bob", &err), -1);
    dialogue_turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    pick(d, "cleo");
    pick(d, "bob");
    dialogue_turn *t2 = table_ask(d, "and then?", NULL);
    assert_int_equal(dialogue_pick(d, "merge", &err), -1); /* there is none yet */
    merge(d, MERGE_SYNTH);
    pick(d, "merge");
    assert_int_equal(dialogue_pick(d, "nobody", &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    dialogue_turn *t3 = table_ask(d, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, "bob", memory);
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
        table_remembered(t2, "merge", memory + 2);
        table_oracle(d, t3, NAMES[i], THIRD, memory, 4);
    }
    dialogue_close(d);
}

/* After a debate each remembers what it said last, whatever merge followed. */
static void a_debate_is_remembered_revised(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[2];
    dialogue_turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    merge(d, MERGE_DEBATE);
    merge(d, MERGE_VOTE);
    assert_int_equal(t1->merge_count, 2);
    const kept_merge *debate = &t1->merges[0];
    dialogue_turn *t2 = table_ask(d, "and then?", NULL);
    int changed = 0;
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        assert_string_equal(memory[1].text, debate->result.revised[i].v);
        assert_string_equal(debate->of[i], NAMES[i]);
        changed += strcmp(dialogue_answer(t1, NAMES[i])->text, memory[1].text) != 0;
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
    }
    assert_int_equal(changed, TABLE_SEATS);
    dialogue_close(d);
}

/* ---- who speaks -------------------------------------------------------------------------------- */

static void one_persona_is_asked_alone(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[4];
    dialogue_turn *t1 = table_ask(d, "yes?", NULL), *t2 = table_ask(d, "and you?", "bob");
    dialogue_turn *t3 = table_ask(d, "why?", NULL);
    assert_int_equal(t2->answer_count, 1);
    assert_string_equal(t2->only, "bob");
    assert_null(t3->only);
    for (int i = 0; i < TABLE_SEATS; i++) {
        bool bob = i == 1;
        table_remembered(t1, NAMES[i], memory);
        if (bob) {
            table_oracle(d, t2, "bob", SECOND, memory, 2);
            table_remembered(t2, "bob", memory + 2);
        }
        table_oracle(d, t3, NAMES[i], THIRD, memory, bob ? 4 : 2);
    }
    error err = {0};
    assert_int_equal(dialogue_ask(d, "x", 1, "nobody", NULL, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "ann, bob, cleo"));
    assert_int_equal(dialogue_turns(d), 3);
    dialogue_close(d);
}

typedef struct reading {
    int first, total; /* tokens held when reading began, and to be held */
    bool begun;
} reading;

static void on_prefill(void *user, int done, int total)
{
    reading *r = user;
    if (!r->begun)
        *r = (reading){done, total, true};
}

/* Others sit down: what the one who stays has read is not read again, and a newcomer remembers
 * nothing, or what was merged. */
static void newcomers_and_those_who_stay(void **state)
{
    const table *k = *state;
    for (int merged = 0; merged < 2; merged++) {
        dialogue_options o = table_options();
        o.context = merged ? CONTEXT_MERGED : CONTEXT_OWN;
        dialogue *d = table_dialogue(k, &o);
        chat_message memory[4];
        error err = {0};
        dialogue_turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
        if (merged)
            merge(d, MERGE_VOTE);
        assert_int_equal(table_seat(k, d, "ann,ann", &err), -1); /* the old ones stay */
        assert_int_equal(table_seat(k, d, "ann,nobody", &err), -1);
        assert_int_equal(dialogue_find(d, "cleo"), 2);
        assert_int_equal(table_seat(k, d, "dora,cleo,ann", &err), 0);
        assert_int_equal(dialogue_find(d, "bob"), -1);
        reading r = {0};
        dialogue_events events = {.user = &r, .council = {.prefill = on_prefill}};
        assert_int_equal(dialogue_ask(d, "and then?", 9, NULL, &events, &err), 0);
        dialogue_turn *t2 = dialogue_last(d);
        assert_true(r.first >= dialogue_answer(t1, "cleo")->prompt_tokens && r.first < r.total);
        table_remembered(t1, merged ? "merge" : "cleo", memory);
        table_oracle(d, t2, "cleo", SECOND, memory, 2);
        table_remembered(t1, merged ? "merge" : "ann", memory);
        table_oracle(d, t2, "ann", SECOND, memory, 2);
        table_oracle(d, t2, "dora", SECOND, memory, merged ? 2 : 0);
        /* The one who was away remembers what it heard. */
        assert_int_equal(table_seat(k, d, "bob", &err), 0);
        dialogue_turn *t3 = table_ask(d, "why?", NULL);
        table_remembered(t1, merged ? "merge" : "bob", memory);
        table_oracle(d, t3, "bob", THIRD, memory, 2);
        dialogue_close(d);
    }
}

/* Bytes that are allocated now. */
static size_t allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* Newcomers sit down on what those who leave had: nothing grows, and they say what they would. */
static void seats_change_without_more_memory(void **state)
{
    const table *k = *state;
    static const char *const tables[] = {"ann,bob,cleo", "dora,ann", "cleo,dora,bob"};
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    size_t before = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(table_seat(k, d, tables[i % 3], &err), 0);
        if (i == 2)
            before = allocated();
        if (i >= 2)
            assert_true(allocated() < before + 16384); /* a session of this model is 140,000 */
    }
    dialogue_turn *t = table_ask(d, "yes?", NULL);
    for (int i = 0; i < 3; i++)
        table_oracle(d, t, roster_seat(dialogue_roster(d), i)->name, 7, NULL, 0);
    assert_int_equal(table_seat(k, d, "bob,dora,ann", &err), 0);
    t = table_ask(d, "why?", NULL);
    table_oracle(d, t, "ann", SECOND, NULL, 0);
    dialogue_close(d);
}

/* An instruction in several languages follows the question's. */
static void the_question_chooses_the_language(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    dialogue_turn *t = table_ask(d, "\xd0\xb4\xd0\xb0? \xd0\xbd\xd0\xb5\xd1\x82?", "ann");
    const seat *s = roster_seat(dialogue_roster(d), 0);
    const char *told = roster_instruction(dialogue_roster(d), 0, t->prompt, t->prompt_len);
    assert_string_not_equal(told, s->instruction);
    int russian = dialogue_answer(t, "ann")->prompt_tokens;
    error err = {0};
    council_options co = o.council;
    council *c = council_open(k->e, &co, &err);
    pass_options p = roster_pass(dialogue_roster(d), 0);
    p.instruction = told;
    assert_int_equal(council_add(c, &p, &err), 0);
    assert_int_equal(council_ask(c, t->prompt, t->prompt_len, NULL, &err), 0);
    assert_int_equal(council_answer(c, 0)->prompt_tokens, russian);
    council_close(c);
    dialogue_close(d);
}

/* ---- again, and back --------------------------------------------------------------------------- */

static void versions_of_an_answer(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.context = CONTEXT_MERGED;
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[4];
    error err = {0};
    assert_int_equal(dialogue_retry(d, NULL, 1, NULL, &err), -1);
    dialogue_turn *t1 = table_ask(d, "yes?", NULL), *t2 = table_ask(d, "Is it ever right?", NULL);
    merge(d, MERGE_VOTE);
    assert_non_null(dialogue_merged(t2));
    assert_int_equal(dialogue_retry(d, "bob", SECOND, NULL, &err), 0);
    assert_int_equal(t2->answer_count, 4);
    table_equal(&t2->answers[3], &t2->answers[1]); /* the same seed, the same answer */
    assert_null(dialogue_merged(t2));              /* it joined an older version */
    assert_int_equal(dialogue_retry(d, "bob", 99, NULL, &err), 0);
    table_remembered(t1, "bob", memory);
    table_oracle(d, t2, "bob", 99, memory, 2);
    assert_int_equal(dialogue_answer(t2, "bob")->seed, 99);
    assert_int_equal(dialogue_retry(d, NULL, 5, NULL, &err), 0);
    assert_int_equal(t2->answer_count, 8);
    dialogue_turn *t3 = table_ask(d, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        table_oracle(d, t2, NAMES[i], 5, memory, 2);
        table_remembered(t2, NAMES[i], memory + 2);
        table_oracle(d, t3, NAMES[i], THIRD, memory, 4);
    }
    dialogue_close(d);
}

static void an_undone_turn_is_not_remembered(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[2];
    error err = {0};
    assert_int_equal(dialogue_undo(d, &err), -1);
    dialogue_turn *t1 = table_ask(d, "yes?", NULL);
    table_ask(d, "a mistake", NULL);
    assert_int_equal(dialogue_undo(d, &err), 0);
    assert_ptr_equal(dialogue_last(d), t1);
    dialogue_turn *t3 = table_ask(d, "why?", NULL);
    assert_int_equal(t3->number, 3);
    assert_int_equal(t3->parent, 1);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        table_oracle(d, t3, NAMES[i], THIRD, memory, 2);
    }
    assert_int_equal(dialogue_undo(d, &err), 0);
    assert_int_equal(dialogue_undo(d, &err), 0);
    assert_int_equal(dialogue_undo(d, &err), -1);
    assert_null(dialogue_last(d));
    assert_int_equal(dialogue_turns(d), 3);
    dialogue_turn *t4 = table_ask(d, "why?", NULL);
    assert_int_equal(t4->parent, 0);
    assert_int_equal(t4->from, 4);
    table_oracle(d, t4, "ann", 7 + 3 * 1000003, NULL, 0);
    dialogue_close(d);
}

/* ---- restoring --------------------------------------------------------------------------------- */

static dialogue *restored(const table *k, const dialogue_options *o, const dialogue *from)
{
    dialogue *d = table_dialogue(k, o);
    error err = {0};
    for (int i = 0; i < dialogue_turns(from); i++) {
        dialogue_turn t = table_copy(k, dialogue_at(from, i));
        if (dialogue_restore(d, &t, &err))
            fail_msg("%s", err.text);
        assert_null(t.prompt); /* taken over */
    }
    return d;
}

static void assert_same_merge(const kept_merge *a, const kept_merge *b)
{
    const merge_result *x = &a->result, *y = &b->result;
    size_t n = (size_t)x->passes;
    assert_non_null(a);
    assert_int_equal(x->method, y->method);
    assert_int_equal(x->passes, y->passes);
    assert_int_equal(x->winner, y->winner);
    assert_int_equal(x->len, y->len);
    assert_memory_equal(x->text, y->text, x->len);
    assert_int_equal(x->ids.len, y->ids.len);
    if (x->ids.len)
        assert_memory_equal(x->ids.v, y->ids.v, x->ids.len * sizeof(int));
    assert_int_equal(!x->scores, !y->scores);
    if (x->scores) {
        assert_memory_equal(x->scores, y->scores, n * n * sizeof(double));
        assert_memory_equal(x->shares, y->shares, n * sizeof(double));
    }
    assert_int_equal(!x->revised, !y->revised);
    for (size_t i = 0; x->revised && i < n; i++)
        assert_string_equal(x->revised[i].v, y->revised[i].v);
    if (x->divergence)
        assert_memory_equal(x->divergence, y->divergence, x->ids.len * sizeof(double));
}

/* A session that was closed and resumed says what the one that went on says. */
static void a_restored_dialogue_goes_on_as_the_live_one(void **state)
{
    const table *k = *state;
    static const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_BLEND, MERGE_DEBATE};
    for (int policy = 0; policy < 3; policy++) {
        dialogue_options o = table_options();
        o.context = (context_policy)policy;
        o.council.context = policy ? 1200 : 360; /* where a debate finds room, or does not */
        o.council.prefill = policy == 1 ? PREFILL_SHARED : PREFILL_OWN;
        dialogue *live = table_dialogue(k, &o);
        error err = {0};
        table_ask(live, "Is it ever right to lie?", NULL);
        pick(live, "cleo");
        table_ask(live, "a mistake", NULL);
        assert_int_equal(dialogue_undo(live, &err), 0);
        table_ask(live, "and you?", "bob");
        table_ask(live, "and then?", NULL);
        dialogue *later = restored(k, &o, live);
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
            merge(live, methods[i]);
            merge(later, methods[i]);
            const kept_merge *a = dialogue_merged(dialogue_last(live));
            const char *note = a->result.note ? a->result.note : "";
            assert_same_merge(a, dialogue_merged(dialogue_last(later)));
            assert_true(!strstr(note, "without") == (policy || methods[i] != MERGE_DEBATE));
        }
        assert_int_equal(dialogue_retry(live, "ann", 11, NULL, &err), 0);
        assert_int_equal(dialogue_retry(later, "ann", 11, NULL, &err), 0);
        table_equal(dialogue_answer(dialogue_last(live), "ann"),
                    dialogue_answer(dialogue_last(later), "ann"));
        merge(live, MERGE_VOTE);
        merge(later, MERGE_VOTE);
        dialogue *latest = restored(k, &o, later);
        dialogue_turn *a = table_ask(live, "why?", NULL), *b = table_ask(later, "why?", NULL);
        dialogue_turn *c = table_ask(latest, "why?", NULL);
        assert_true(a->number == b->number && a->parent == b->parent && a->from == b->from);
        assert_int_equal(dialogue_context_used(live), dialogue_context_used(latest));
        for (int i = 0; i < TABLE_SEATS; i++) {
            table_equal(dialogue_answer(a, NAMES[i]), dialogue_answer(b, NAMES[i]));
            table_equal(dialogue_answer(a, NAMES[i]), dialogue_answer(c, NAMES[i]));
        }
        dialogue_close(live);
        dialogue_close(later);
        dialogue_close(latest);
    }
}

static void what_is_no_turn_is_not_restored(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    dialogue_turn *t1 = table_ask(d, "yes?", NULL), copy = table_copy(k, t1);
    assert_int_equal(dialogue_restore(d, &copy, &err), -1); /* the number is taken */
    assert_int_equal(err.code, ERROR_LOAD);
    copy = table_copy(k, t1);
    copy.number = 5;
    copy.from = 6;
    assert_int_equal(dialogue_restore(d, &copy, &err), -1);
    assert_int_equal(dialogue_turns(d), 1);
    dialogue_close(d);
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

static void count_answers(void *user, int pass, const answer *a)
{
    stopper *s = user;
    (void)pass;
    s->answers += a->text != NULL;
}

static dialogue_turn *ask_and_stop(dialogue *d, stopper *s)
{
    error err = {0};
    dialogue_events events = {.user = s, .council = {NULL, stop_reading, stop_at, count_answers}};
    s->d = d;
    if (dialogue_ask(d, "Is it ever right to lie?", 24, NULL, &events, &err))
        fail_msg("%s", err.text);
    if (s->cancel)
        atomic_store(s->cancel, false);
    assert_int_equal(s->answers, TABLE_SEATS);
    return dialogue_last(d);
}

/* `part` is how `whole` begins. */
static void assert_begins(const kept_answer *part, const kept_answer *whole)
{
    assert_true(part->ids.len <= whole->ids.len && part->len <= whole->len);
    assert_memory_equal(part->text, whole->text, part->len);
    if (part->ids.len)
        assert_memory_equal(part->ids.v, whole->ids.v, part->ids.len * sizeof(int));
}

static void one_pass_is_stopped_and_the_others_go_on(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *whole = table_dialogue(k, &o);
    dialogue_turn *free_run = table_ask(whole, "Is it ever right to lie?", NULL);
    int cut = 0;
    for (int pass = -1; pass < TABLE_SEATS; pass++) {
        for (int after = 1; after <= 9; after += 4) {
            dialogue *d = table_dialogue(k, &o);
            stopper s = {.pass = pass, .after = after};
            dialogue_turn *t = ask_and_stop(d, &s);
            for (int i = 0; i < TABLE_SEATS; i++) {
                const kept_answer *a = dialogue_answer(t, NAMES[i]);
                const kept_answer *b = dialogue_answer(free_run, NAMES[i]);
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
    dialogue_turn *free_run = table_ask(whole, "Is it ever right to lie?", NULL);
    stopper s = {.cancel = &k->cancel, .after = 12};
    dialogue_turn *t1 = ask_and_stop(d, &s);
    int interrupted = 0;
    for (int i = 0; i < TABLE_SEATS; i++) {
        assert_begins(dialogue_answer(t1, NAMES[i]), dialogue_answer(free_run, NAMES[i]));
        interrupted += dialogue_answer(t1, NAMES[i])->stop == STOP_INTERRUPTED;
    }
    assert_true(interrupted >= 2);
    merge(d, MERGE_VOTE); /* partial answers can be joined */
    dialogue_turn *t2 = table_ask(d, "and then?", NULL);
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
    dialogue_turn *t1 = ask_and_stop(d, &s);
    assert_int_equal(t1->answer_count, TABLE_SEATS);
    for (int i = 0; i < TABLE_SEATS; i++) {
        assert_int_equal(dialogue_answer(t1, NAMES[i])->stop, STOP_INTERRUPTED);
        assert_int_equal(dialogue_answer(t1, NAMES[i])->ids.len, 0);
    }
    error err = {0};
    dialogue_events events = {.user = &s, .council = {.prefill = stop_reading}};
    assert_int_equal(dialogue_retry(d, NULL, 7, &events, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(t1->answer_count, TABLE_SEATS);
    atomic_store(&k->cancel, false);
    dialogue_turn *t2 = table_ask(d, "and then?", NULL);
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

static dialogue_turn *ask_forgetting(dialogue *d, const char *prompt, forgetting *f)
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
    dialogue_turn *t = dialogue_last(d);
    assert_int_equal(f.from, 1);
    assert_int_equal(t->from, f.to + 1);
    assert_true(t->from > 1 && t->from < t->number);
    chat_message memory[40];
    for (int i = 0; i < TABLE_SEATS; i++) {
        size_t n = 0;
        for (int at = t->from; at < t->number; at++, n += 2)
            table_remembered(dialogue_at(d, at - 1), NAMES[i], memory + n);
        table_oracle(d, t, NAMES[i], dialogue_seed(d, t->number), memory, n);
        const kept_answer *a = dialogue_answer(t, NAMES[i]);
        assert_true(a->prompt_tokens + 24 <= TABLE_CONTEXT - TABLE_CONTEXT / 4);
    }
    int times = f.times;
    t = ask_forgetting(d, "and?", &f); /* there is room again for a while */
    assert_int_equal(f.times, times);
    assert_int_equal(t->from, f.to + 1);
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
        assert_true(dialogue_answer(dialogue_last(d), NAMES[i])->prompt_tokens + 24 <=
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
    dialogue_turn *t1 = table_ask(d, "yes?", NULL);
    memset(prompt, 'x', TABLE_CONTEXT);
    prompt[TABLE_CONTEXT] = '\0';
    assert_int_equal(dialogue_ask(d, prompt, TABLE_CONTEXT, NULL, &events, &err), -1);
    assert_int_equal(err.code, ERROR_CONTEXT);
    char *number = strpbrk(err.text, "0123456789");
    assert_non_null(number);
    assert_true(atoi(number) > TABLE_CONTEXT && strstr(number, "400"));
    assert_int_equal(f.times, 0);
    assert_int_equal(dialogue_turns(d), 1);
    dialogue_turn *t2 = table_ask(d, "why?", NULL);
    assert_int_equal(t2->from, 1);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        table_oracle(d, t2, NAMES[i], SECOND, memory, 2);
    }
    /* One that fits alone, but not with the room that is wanted free: all before it is forgotten. */
    prompt[300] = '\0';
    dialogue_turn *t3 = ask_forgetting(d, prompt, &f);
    assert_int_equal(t3->from, 3);
    assert_int_equal(f.to, 2);
    dialogue_close(d);
}

/* ---- 200 turns --------------------------------------------------------------------------------- */

/* What the turns of a dialogue hold, with room for the allocator's own words. */
static size_t turn_bytes(const dialogue *d, int from)
{
    enum { OVERHEAD = 32 };
    size_t bytes = 0;
    for (int i = from; i < dialogue_turns(d); i++) {
        const dialogue_turn *t = dialogue_at(d, i);
        bytes += sizeof *t + t->prompt_len + 4 * OVERHEAD;
        for (int a = 0; a < t->answer_count; a++) {
            const kept_answer *k = &t->answers[a];
            bytes += sizeof *k + k->len + k->thought_len + k->ids.cap * sizeof(int) + 12 * OVERHEAD;
        }
        for (int m = 0; m < t->merge_count; m++)
            bytes += sizeof(kept_merge) + 2 * t->merges[m].result.len + 20 * OVERHEAD;
    }
    return bytes;
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
            before = allocated();
    }
    size_t slack = 256 * sizeof(void *); /* of the list of turns, which doubles */
    assert_true(f.times > 10);
    assert_true(allocated() <= before + turn_bytes(d, 100) + slack);
    for (int i = 0; i < TABLE_SEATS; i++)
        assert_true(dialogue_context_used(d) <= 200);
    dialogue_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_remembers_its_own),
        cmocka_unit_test(all_remember_what_was_merged),
        cmocka_unit_test(all_remember_what_was_picked),
        cmocka_unit_test(a_debate_is_remembered_revised),
        cmocka_unit_test(one_persona_is_asked_alone),
        cmocka_unit_test(newcomers_and_those_who_stay),
        cmocka_unit_test(seats_change_without_more_memory),
        cmocka_unit_test(the_question_chooses_the_language),
        cmocka_unit_test(versions_of_an_answer),
        cmocka_unit_test(an_undone_turn_is_not_remembered),
        cmocka_unit_test(a_restored_dialogue_goes_on_as_the_live_one),
        cmocka_unit_test(what_is_no_turn_is_not_restored),
        cmocka_unit_test(one_pass_is_stopped_and_the_others_go_on),
        cmocka_unit_test(an_interrupt_keeps_what_was_written),
        cmocka_unit_test(an_interrupt_while_reading_is_a_turn),
        cmocka_unit_test(the_oldest_turns_leave),
        cmocka_unit_test(a_full_context_may_be_an_error),
        cmocka_unit_test(a_question_too_long_changes_nothing),
        cmocka_unit_test(two_hundred_turns_need_no_more_memory),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
