/* test_dialogue.c - what is remembered, against one pass alone that is told by hand what to remember;
 * versions, undoing and restoring.
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
    struct turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++)
        table_oracle(d, t1, NAMES[i], 7, NULL, 0);
    struct turn *t2 = table_ask(d, "and then?", NULL);
    struct turn *t3 = table_ask(d, "why?", NULL);
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
    const turn_answer *a = turn_answer_of(t3, "bob");
    assert_string_equal(a->acts_by, "prompt+experts 2");
    assert_true(a->program != 0 && turn_answer_of(t3, "ann")->program == 0);
    dialogue_close(d);
}

static void all_remember_what_was_merged(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.context = CONTEXT_MERGED;
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[4];
    struct turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    merge(d, MERGE_VOTE);
    struct turn *t2 = table_ask(d, "and then?", NULL); /* not merged: each keeps its own */
    struct turn *t3 = table_ask(d, "why?", NULL);
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
    struct turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    pick(d, "cleo");
    pick(d, "bob");
    struct turn *t2 = table_ask(d, "and then?", NULL);
    assert_int_equal(dialogue_pick(d, "merge", &err), -1); /* there is none yet */
    merge(d, MERGE_SYNTH);
    pick(d, "merge");
    assert_int_equal(dialogue_pick(d, "nobody", &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    struct turn *t3 = table_ask(d, "why?", NULL);
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
    struct turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    merge(d, MERGE_DEBATE);
    merge(d, MERGE_VOTE);
    assert_int_equal(t1->merge_count, 2);
    const turn_merge *debate = &t1->merges[0];
    struct turn *t2 = table_ask(d, "and then?", NULL);
    int changed = 0;
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, NAMES[i], memory);
        assert_string_equal(memory[1].text, debate->revised[i].v);
        assert_string_equal(debate->of[i], NAMES[i]);
        changed += strcmp(turn_answer_of(t1, NAMES[i])->text.v, memory[1].text) != 0;
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
    struct turn *t1 = table_ask(d, "yes?", NULL), *t2 = table_ask(d, "and you?", "bob");
    struct turn *t3 = table_ask(d, "why?", NULL);
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
        struct turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
        if (merged)
            merge(d, MERGE_VOTE);
        assert_int_equal(table_seat(k, d, "ann,ann", &err), -1); /* the old ones stay */
        assert_int_equal(table_seat(k, d, "ann,nobody", &err), -1);
        assert_int_equal(dialogue_find(d, "cleo"), 2);
        assert_int_equal(table_seat(k, d, "dora,cleo,ann", &err), 0);
        assert_int_equal(dialogue_find(d, "bob"), -1);
        reading r = {0};
        dialogue_events events = {.user = &r, .prefill = on_prefill};
        assert_int_equal(dialogue_ask(d, "and then?", 9, NULL, &events, &err), 0);
        struct turn *t2 = dialogue_last(d);
        assert_true(r.first >= turn_answer_of(t1, "cleo")->prompt_tokens && r.first < r.total);
        table_remembered(t1, merged ? "merge" : "cleo", memory);
        table_oracle(d, t2, "cleo", SECOND, memory, 2);
        table_remembered(t1, merged ? "merge" : "ann", memory);
        table_oracle(d, t2, "ann", SECOND, memory, 2);
        table_oracle(d, t2, "dora", SECOND, memory, merged ? 2 : 0);
        /* The one who was away remembers what it heard. */
        assert_int_equal(table_seat(k, d, "bob", &err), 0);
        struct turn *t3 = table_ask(d, "why?", NULL);
        table_remembered(t1, merged ? "merge" : "bob", memory);
        table_oracle(d, t3, "bob", THIRD, memory, 2);
        dialogue_close(d);
    }
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
            before = table_allocated();
        if (i >= 2)
            assert_true(table_allocated() <
                        before + 16384); /* a session of this model is 140,000 */
    }
    struct turn *t = table_ask(d, "yes?", NULL);
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
    struct turn *t = table_ask(d, "\xd0\xb4\xd0\xb0? \xd0\xbd\xd0\xb5\xd1\x82?", "ann");
    const seat *s = roster_seat(dialogue_roster(d), 0);
    const char *told = roster_instruction(dialogue_roster(d), 0, t->prompt.v, t->prompt.len);
    assert_string_not_equal(told, s->instruction);
    int russian = turn_answer_of(t, "ann")->prompt_tokens;
    error err = {0};
    council_options co = o.council;
    council *c = council_open(k->e, &co, &err);
    pass_options p = roster_pass(dialogue_roster(d), 0);
    chat_message question = {CHAT_USER, t->prompt.v, t->prompt.len};
    council_request request = {.instruction = told, .messages = &question, .count = 1};
    assert_int_equal(council_add(c, &p, &err), 0);
    assert_int_equal(council_ask(c, &request, &err), 0);
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
    struct turn *t1 = table_ask(d, "yes?", NULL);
    merge(d, MERGE_SYNTH);
    struct turn *t2 = table_ask(d, "Is it ever right?", NULL);
    merge(d, MERGE_VOTE);
    assert_non_null(turn_merged(t2));
    dialogue_settings(d)->context = CONTEXT_OWN; /* of turns to come: this one stays as it was */
    assert_int_equal(dialogue_retry(d, "bob", SECOND, NULL, &err), 0);
    assert_int_equal(t2->answer_count, 4);
    table_equal(&t2->answers[3], &t2->answers[1]); /* the same seed, the same answer */
    assert_null(turn_merged(t2));                  /* it joined an older version */
    assert_int_equal(dialogue_retry(d, "bob", 99, NULL, &err), 0);
    table_remembered(t1, "merge", memory);
    table_oracle(d, t2, "bob", 99, memory, 2);
    assert_int_equal(turn_answer_of(t2, "bob")->seed, 99);
    assert_int_equal(dialogue_retry(d, NULL, 5, NULL, &err), 0);
    assert_int_equal(t2->answer_count, 8);
    dialogue_settings(d)->context = CONTEXT_MERGED;
    struct turn *t3 = table_ask(d, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        table_remembered(t1, "merge", memory);
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
    struct turn *t1 = table_ask(d, "yes?", NULL);
    table_ask(d, "a mistake", NULL);
    assert_int_equal(dialogue_undo(d, &err), 0);
    assert_ptr_equal(dialogue_last(d), t1);
    struct turn *t3 = table_ask(d, "why?", NULL);
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
    struct turn *t4 = table_ask(d, "why?", NULL);
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
        struct turn t = table_copy(dialogue_at(from, i));
        if (dialogue_restore(d, &t, &err))
            fail_msg("%s", err.text);
        assert_null(t.answers); /* taken over */
    }
    return d;
}

static void assert_same_merge(const turn_merge *a, const turn_merge *b)
{
    const turn_merge *x = a, *y = b;
    size_t n = (size_t)x->passes;
    assert_non_null(a);
    assert_string_equal(x->method, y->method);
    assert_int_equal(x->passes, y->passes);
    assert_int_equal(x->winner, y->winner);
    assert_int_equal(x->text.len, y->text.len);
    assert_memory_equal(x->text.v, y->text.v, x->text.len);
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
            const turn_merge *a = turn_merged(dialogue_last(live));
            const char *note = a->note ? a->note : "";
            assert_same_merge(a, turn_merged(dialogue_last(later)));
            assert_true(!strstr(note, "without") == (policy || methods[i] != MERGE_DEBATE));
        }
        assert_int_equal(dialogue_retry(live, "ann", 11, NULL, &err), 0);
        assert_int_equal(dialogue_retry(later, "ann", 11, NULL, &err), 0);
        table_equal(turn_answer_of(dialogue_last(live), "ann"),
                    turn_answer_of(dialogue_last(later), "ann"));
        merge(live, MERGE_VOTE);
        merge(later, MERGE_VOTE);
        dialogue *latest = restored(k, &o, later);
        struct turn *a = table_ask(live, "why?", NULL), *b = table_ask(later, "why?", NULL);
        struct turn *c = table_ask(latest, "why?", NULL);
        assert_true(a->number == b->number && a->parent == b->parent && a->from == b->from);
        assert_int_equal(dialogue_context_used(live), dialogue_context_used(latest));
        for (int i = 0; i < TABLE_SEATS; i++) {
            table_equal(turn_answer_of(a, NAMES[i]), turn_answer_of(b, NAMES[i]));
            table_equal(turn_answer_of(a, NAMES[i]), turn_answer_of(c, NAMES[i]));
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
    struct turn *t1 = table_ask(d, "yes?", NULL), copy = table_copy(t1);
    assert_int_equal(dialogue_restore(d, &copy, &err), -1); /* the number is taken */
    assert_int_equal(err.code, ERROR_LOAD);
    copy = table_copy(t1);
    copy.number = 5;
    copy.from = 6;
    assert_int_equal(dialogue_restore(d, &copy, &err), -1);
    assert_int_equal(dialogue_turns(d), 1);
    dialogue_close(d);
}

/* Calls by pass; the last counts those of none. */
typedef struct heard {
    int routing[TABLE_SEATS + 1], tokens[TABLE_SEATS + 1];
} heard;

static void on_routing(void *user, int pass, const route_trace *trace)
{
    heard *h = user;
    (void)trace;
    h->routing[pass < 0 ? TABLE_SEATS : pass]++;
}

static void on_token(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    heard *h = user;
    (void)bytes, (void)n, (void)thinking;
    h->tokens[pass < 0 ? TABLE_SEATS : pass]++;
}

/* Who subscribes to the council hears of questions and merges, a seat by its index, a chair as none. */
static void a_trace_hears_seats_and_chairs(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    heard h[2];
    memset(h, 0, sizeof h);
    council_events events[2];
    error err = {0};
    for (int i = 0; i < 2; i++) {
        events[i] = (council_events){.user = &h[i], .token = on_token, .routing = on_routing};
        assert_int_equal(council_subscribe(dialogue_council(d), &events[i], &err), 0);
    }
    const struct turn *t = table_ask(d, "Is it?", "cleo");
    int read = (int)turn_answer_of(t, "cleo")->ids.len - 1, layers = engine_config(k->e)->layers;
    assert_true(read > 0);
    assert_int_equal(h[0].routing[2], read * layers);
    assert_int_equal(h[0].routing[0] + h[0].routing[1] + h[0].routing[TABLE_SEATS], 0);
    table_ask(d, "Is it not?", NULL);
    heard before = h[0];
    merge_options synth = {
        .method = MERGE_SYNTH, .rounds = 1, .seed = 3, .chair = "Join.", .max_tokens = 8};
    assert_int_equal(dialogue_merge(d, &synth, NULL, 0, "chair", NULL, &err), 0);
    assert_memory_equal(h[0].routing, before.routing, TABLE_SEATS * sizeof(int));
    assert_true(h[0].routing[TABLE_SEATS] > 0 && h[0].tokens[TABLE_SEATS] > 0);
    assert_memory_equal(&h[0], &h[1], sizeof h[0]);
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
        cmocka_unit_test(a_trace_hears_seats_and_chairs),
        cmocka_unit_test(versions_of_an_answer),
        cmocka_unit_test(an_undone_turn_is_not_remembered),
        cmocka_unit_test(a_restored_dialogue_goes_on_as_the_live_one),
        cmocka_unit_test(what_is_no_turn_is_not_restored),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
