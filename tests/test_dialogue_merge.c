/* test_dialogue_merge.c - joining the answers of a turn, against a council of just those passes that
 * was asked by hand and merged on the spot.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialogue_support.h"

static const char PROMPT[] = "Is it ever right to lie?";
static const char *const TWO[] = {"cleo", "ann"};

static merge_options options_of(merge_method method)
{
    return (merge_options){
        .method = method, .rounds = 1, .seed = 7, .chair = "Join them.", .max_tokens = 24};
}

static const turn_merge *merge(dialogue *d, const merge_options *o, const char *const *of,
                               int count, const char *by)
{
    error err = {0};
    if (dialogue_merge(d, o, of, count, by, NULL, &err))
        fail_msg("%s", err.text);
    return turn_merged(dialogue_last(d));
}

/* The same passes in a council of their own, asked turn t on what they remember of `before`. */
static void by_hand(hand *h, const dialogue *d, const struct turn *t, const struct turn *before,
                    const char *const *of, int count)
{
    *h = hand_of(d, of, count);
    chat_message memory[2];
    for (int i = 0; i < count; i++) {
        h->requests[i].seed = turn_answer_of(t, of[i])->seed;
        if (before)
            table_remembered(before, of[i], memory);
        hand_remember(h, i, memory, before ? 2 : 0);
    }
    hand_ask(h, t->prompt.v, t->prompt.len);
}

static void assert_merge(const turn_merge *x, hand *h, const merge_options *o)
{
    turn_merge y;
    error err = {0};
    if (merge_run(h->c, &h->round, o, &h->merges, &y, &err))
        fail_msg("%s", err.text);
    table_same_merge(x, &y);
}

/* Of some, in the order named, at a later turn; every way of merging. */
static void some_answers_are_joined_as_if_alone(void **state)
{
    const table *k = *state;
    static const merge_method methods[] = {MERGE_VOTE, MERGE_SYNTH, MERGE_BLEND, MERGE_DEBATE};
    dialogue_options o = table_options();
    o.council.context = 600;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        dialogue *d = table_dialogue(k, &o);
        struct turn *t1 = table_ask(d, "yes?", NULL), *t2 = table_ask(d, PROMPT, NULL);
        merge_options m = options_of(methods[i]);
        m.seed = dialogue_seed(d, 2);
        const turn_merge *kept = merge(d, &m, TWO, 2, NULL);
        assert_int_equal(kept->passes, 2);
        assert_string_equal(kept->of[0], "cleo");
        assert_string_equal(kept->of[1], "ann");
        assert_int_equal(kept->answers, t2->answer_count);
        assert_true(kept->seed == m.seed);
        hand h;
        by_hand(&h, d, t2, t1, TWO, 2);
        assert_merge(kept, &h, &m);
        hand_close(&h);
        dialogue_close(d);
    }
}

static void merges_are_repeated_and_kept(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    struct turn *t = table_ask(d, PROMPT, NULL);
    merge_options synth = options_of(MERGE_SYNTH), debate = options_of(MERGE_DEBATE);
    char *first = strdup(merge(d, &synth, NULL, 0, NULL)->text.v);
    merge(d, &debate, NULL, 0, NULL);
    const turn_merge *again = merge(d, &synth, NULL, 0, NULL);
    assert_string_equal(again->text.v, first); /* whatever came between */
    assert_int_equal(t->merge_count, 3);
    assert_string_equal(t->merges[0].text.v, first);
    assert_string_equal(t->merges[1].method, "debate");
    assert_int_equal(t->answer_count, TABLE_SEATS); /* the answers are what they were */
    free(first);
    dialogue_close(d);
}

/* The instruction and the program of the one who is named lead the synthesis. */
static void a_chair_is_named(void **state)
{
    const table *k = *state;
    static const char *const chairs[] = {"bob", "cleo", "dora"};
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    table_ask(d, PROMPT, NULL);
    merge_options m = options_of(MERGE_SYNTH);
    assert_null(merge(d, &m, NULL, 0, NULL)->by); /* a small model: quoted by nobody */
    const turn_merge *plain = merge(d, &m, NULL, 0, "chair");
    assert_string_equal(plain->by, "chair");
    char *text = strdup(plain->text.v);
    for (int i = 0; i < 3; i++) {
        const turn_merge *kept = merge(d, &m, NULL, 0, chairs[i]);
        assert_string_equal(kept->by, chairs[i]);
        assert_string_not_equal(kept->text.v, text);
        merge_options same = m;
        static const char *const words[] = {"You are the coder.\n\nJoin them.", "Join them.",
                                            "You are Dora.\n\nJoin them."};
        int seat_of = dialogue_find(d, chairs[i]);
        same.chair = words[i];
        same.by = chairs[i];
        same.program = seat_of < 0 ? NULL : roster_seat(dialogue_roster(d), seat_of)->program;
        static const char *const all[] = {"ann", "bob", "cleo"};
        hand h;
        by_hand(&h, d, dialogue_last(d), NULL, all, 3);
        assert_merge(kept, &h, &same);
        hand_close(&h);
    }
    free(text);
    error err = {0};
    int count = dialogue_last(d)->merge_count;
    assert_int_equal(dialogue_merge(d, &m, NULL, 0, "nobody", NULL, &err), -1);
    assert_int_equal(dialogue_last(d)->merge_count, count);
    dialogue_close(d);
}

static void a_blend_has_weights_and_a_contrast(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    struct turn *t = table_ask(d, PROMPT, NULL);
    static const double weights[] = {0.25, 0.75};
    for (int contrast = 0; contrast < 2; contrast++) {
        merge_options m = options_of(MERGE_BLEND);
        m.weights = weights;
        m.contrast = contrast * 0.5;
        const turn_merge *kept = merge(d, &m, TWO, 2, NULL);
        hand h;
        by_hand(&h, d, t, NULL, TWO, 2);
        assert_merge(kept, &h, &m);
        hand_close(&h);
    }
    assert_int_not_equal(t->merges[0].text.len, 0);
    assert_true(t->merges[0].text.len != t->merges[1].text.len ||
                memcmp(t->merges[0].text.v, t->merges[1].text.v, t->merges[0].text.len) != 0);
    dialogue_close(d);
}

/* ---- what cannot be joined --------------------------------------------------------------------- */

static void assert_refused(dialogue *d, const char *const *of, int count, const char *word)
{
    error err = {0};
    merge_options m = options_of(MERGE_VOTE);
    assert_int_equal(dialogue_merge(d, &m, of, count, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    if (!strstr(err.text, word))
        fail_msg("%s", err.text);
}

static void what_cannot_be_joined_is_refused(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    static const char *const names[] = {"ann", "dora", "bob", "ann"};
    assert_refused(d, NULL, 0, "nothing was asked");
    table_ask(d, PROMPT, NULL);
    assert_refused(d, names, 2, "dora does not sit here");
    assert_refused(d, names, 1, "two answers");
    assert_refused(d, (const char *const[]){"ann", "ann"}, 2, "twice");
    assert_int_equal(table_seat(k, d, "ann,dora", &err), 0);
    assert_refused(d, names, 2, "dora has not answered");
    assert_refused(d, NULL, 0, "has 1");
    /* She can still answer, and then be joined. */
    assert_int_equal(dialogue_retry(d, "dora", 7, NULL, &err), 0);
    merge_options m = options_of(MERGE_VOTE);
    assert_int_equal(merge(d, &m, NULL, 0, NULL)->passes, 2);
    assert_int_equal(dialogue_last(d)->merge_count, 1);
    static const double none[] = {0, 0};
    m = options_of(MERGE_BLEND);
    m.weights = none;
    assert_int_equal(dialogue_merge(d, &m, NULL, 0, NULL, NULL, &err), -1);
    assert_int_equal(dialogue_last(d)->merge_count, 1);
    dialogue_close(d);
}

/* A merge that fails takes nothing away: the one before stays current. */
static void a_failed_merge_is_kept_as_such(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    struct turn *t = table_ask(d, PROMPT, NULL);
    merge_options vote = options_of(MERGE_VOTE), synth = options_of(MERGE_SYNTH);
    char chair[2 * TABLE_CONTEXT + 1];
    error err = {0};
    merge(d, &vote, NULL, 0, NULL);
    memset(chair, 'x', sizeof chair - 1);
    chair[sizeof chair - 1] = '\0';
    synth.chair = chair; /* leaves no room for the answers */
    assert_int_equal(dialogue_merge(d, &synth, NULL, 0, "chair", NULL, &err), -1);
    assert_int_equal(err.code, ERROR_CONTEXT);
    assert_int_equal(t->merge_count, 2);
    const turn_merge *failed = &t->merges[1];
    assert_string_equal(failed->failure, err.text);
    assert_string_equal(failed->method, "synth");
    assert_int_equal(failed->passes, TABLE_SEATS);
    assert_string_equal(failed->of[1], "bob");
    assert_null(failed->text.v);
    assert_ptr_equal(turn_merged(t), &t->merges[0]);
    dialogue_close(d);
}

typedef struct cutter {
    atomic_bool *cancel;
    int tokens, passes; /* bit i + 1 = pass i was heard */
} cutter;

static void cut(void *user, int pass, const char *bytes, size_t n, bool thinking)
{
    cutter *c = user;
    (void)bytes, (void)n, (void)thinking;
    c->passes |= 1 << (pass + 1);
    if (--c->tokens == 0)
        atomic_store(c->cancel, true);
}

/* Ctrl-C during a merge: the synthesis is kept as far as it came, and the dialogue goes on. */
static void an_interrupted_merge_leaves_a_working_dialogue(void **state)
{
    table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    chat_message memory[2];
    error err = {0};
    struct turn *t1 = table_ask(d, PROMPT, NULL);
    static const merge_method methods[] = {MERGE_SYNTH, MERGE_BLEND, MERGE_DEBATE};
    static const int heard[] = {1, 1,
                                2 + 4 + 8}; /* a chair is -1; a debate's passes have their own */
    for (int i = 0; i < 3; i++) {
        cutter c = {&k->cancel, i == 2 ? 12 : 2, 0};
        dialogue_events events = {.user = &c, .merge_token = cut};
        merge_options m = options_of(methods[i]);
        const char *by = methods[i] == MERGE_SYNTH ? "chair" : NULL;
        int result = dialogue_merge(d, &m, NULL, 0, by, &events, &err);
        atomic_store(&k->cancel, false);
        assert_true(c.tokens <= 0);
        assert_int_equal(c.passes, heard[i]);
        const turn_merge *last = &t1->merges[t1->merge_count - 1];
        assert_int_equal(t1->merge_count, i + 1);
        assert_int_equal(result != 0, last->failure != NULL);
        if (i < 2)
            assert_int_equal(last->stop, STOP_INTERRUPTED);
    }
    merge_options vote = options_of(MERGE_VOTE);
    const turn_merge *kept = merge(d, &vote, TWO, 2, NULL);
    hand h;
    by_hand(&h, d, t1, NULL, TWO, 2);
    assert_merge(kept, &h, &vote);
    hand_close(&h);
    struct turn *t2 = table_ask(d, "why?", NULL);
    table_remembered(t1, "ann", memory);
    table_oracle(d, t2, "ann", dialogue_seed(d, 2), memory, 2);
    dialogue_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_answers_are_joined_as_if_alone),
        cmocka_unit_test(merges_are_repeated_and_kept),
        cmocka_unit_test(a_chair_is_named),
        cmocka_unit_test(a_blend_has_weights_and_a_contrast),
        cmocka_unit_test(what_cannot_be_joined_is_refused),
        cmocka_unit_test(a_failed_merge_is_kept_as_such),
        cmocka_unit_test(an_interrupted_merge_leaves_a_working_dialogue),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
