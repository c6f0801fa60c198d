/* test_diverge.c - where the passes part, against distributions computed one by one from logits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/conversation/diverge.h"
#include "../personas/council/council_state.h"
#include "dialogue_support.h"

static const char *const NAMES[TABLE_SEATS] = {"ann", "bob", "cleo"};

/* The tokens that a seat read before it answered turn t, whose memory is turn `before` or none. */
static tokens prompt_of(const dialogue *d, const struct turn *t, const struct turn *before, int i)
{
    error err = {0};
    hand h = hand_of(d, &NAMES[i], 1);
    council_options o = *council_settings(h.c);
    chat_message memory[2];
    tokens prompt = {0};
    o.max_tokens = 1;
    council_adjust(h.c, &o);
    if (before)
        table_remembered(before, NAMES[i], memory);
    hand_remember(&h, 0, memory, before ? 2 : 0);
    hand_ask(&h, t->prompt.v, t->prompt.len);
    const tokens *read = &h.c->passes[0]->prompt;
    assert_int_equal(tokens_append(&prompt, read->v, read->len, &err), 0);
    hand_close(&h);
    return prompt;
}

/* softmax of row[v] in double. */
static void distribution(const float *row, size_t v, double *p)
{
    double sum = 0;
    for (size_t t = 0; t < v; t++)
        sum += p[t] = exp((double)row[t] - (double)row[0]);
    for (size_t t = 0; t < v; t++)
        p[t] /= sum;
}

/* sum_i (1/n) KL(p_i || mean), which is the divergence written another way. */
static double by_hand(double *const p[], int n, size_t v)
{
    double sum = 0;
    for (size_t t = 0; t < v; t++) {
        double mean = 0;
        for (int i = 0; i < n; i++)
            mean += p[i][t] / n;
        for (int i = 0; i < n; i++)
            if (p[i][t] > 0)
                sum += p[i][t] * log(p[i][t] / mean) / n;
    }
    return sum;
}

static void assert_choices(const double *p, size_t v, const diverge_choice *c)
{
    for (int k = 0; k < DIVERGE_TOP; k++) {
        int better = 0;
        for (size_t t = 0; t < v; t++)
            better += p[t] > p[c->id[k]];
        assert_int_equal(better, k);
        assert_true(fabs(c->p[k] - p[c->id[k]]) < 1e-12);
    }
}

/* Everything in the report, from logits that each pass computes alone. */
static void assert_report(const table *k, const dialogue *d, const struct turn *t,
                          const struct turn *before, const diverge_report *r)
{
    size_t v = (size_t)engine_config(k->e)->vocabulary;
    float *z[TABLE_SEATS];
    double *p[TABLE_SEATS];
    size_t at[TABLE_SEATS];
    int first = -1;
    for (int i = 0; i < TABLE_SEATS; i++) {
        tokens all = prompt_of(d, t, before, i);
        at[i] = all.len - 1;
        assert_int_equal(tokens_append(&all, r->tokens, (size_t)r->positions - 1, NULL), 0);
        z[i] =
            support_logits(k->e, roster_seat(dialogue_roster(d), i)->program, all.v, (int)all.len);
        p[i] = malloc(v * sizeof(double));
        tokens_release(&all);
    }
    for (int x = 0; x < r->positions; x++) {
        const diverge_choice *c = r->choices + (size_t)x * TABLE_SEATS;
        for (int i = 0; i < TABLE_SEATS; i++) {
            distribution(z[i] + (at[i] + (size_t)x) * v, v, p[i]);
            assert_choices(p[i], v, &c[i]);
        }
        assert_true(fabs(r->divergence[x] - by_hand(p, TABLE_SEATS, v)) < 1e-12);
        assert_true(r->divergence[x] > 0 && r->divergence[x] <= log(TABLE_SEATS));
        if (first < 0 && (c[1].id[0] != c[0].id[0] || c[2].id[0] != c[0].id[0]))
            first = x;
    }
    assert_int_equal(r->first, first);
    for (int i = 0; i < TABLE_SEATS; i++) {
        free(z[i]);
        free(p[i]);
    }
}

static diverge_report compute(dialogue *d, const char *follow, int most)
{
    diverge_report r;
    error err = {0};
    if (diverge_compute(d, NULL, 0, follow, most, &r, &err))
        fail_msg("%s", err.text);
    return r;
}

static void assert_follows(const struct turn *t, const diverge_report *r, const char *name)
{
    const turn_answer *a = turn_answer_of(t, name);
    assert_string_equal(r->follows, name);
    assert_true((size_t)r->positions <= a->ids.len);
    assert_memory_equal(r->tokens, a->ids.v, (size_t)r->positions * sizeof(int));
}

static void each_position_is_what_the_logits_say(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    struct turn *t1 = table_ask(d, "Is it ever right to lie?", NULL);
    struct turn *t2 = table_ask(d, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++) {
        diverge_report r = compute(d, NAMES[i], 0);
        assert_int_equal(r.passes, TABLE_SEATS);
        assert_int_equal(r.positions, turn_answer_of(t2, NAMES[i])->ids.len);
        assert_follows(t2, &r, NAMES[i]);
        assert_report(k, d, t2, t1, &r);
        diverge_release(&r);
    }
    diverge_report r = compute(d, NULL, 5);
    assert_int_equal(r.positions, 5);
    assert_follows(t2, &r, "ann");
    diverge_release(&r);
    dialogue_close(d);
}

/* The passes remember afterwards what they remembered before. */
static void looking_changes_nothing(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o), *other = table_dialogue(k, &o);
    table_ask(d, "Is it ever right to lie?", NULL);
    table_ask(other, "Is it ever right to lie?", NULL);
    diverge_report r = compute(d, "cleo", 0);
    diverge_release(&r);
    struct turn *a = table_ask(d, "why?", NULL), *b = table_ask(other, "why?", NULL);
    for (int i = 0; i < TABLE_SEATS; i++)
        table_equal(turn_answer_of(a, NAMES[i]), turn_answer_of(b, NAMES[i]));
    dialogue_close(d);
    dialogue_close(other);
}

static void a_shared_prompt_is_read_as_it_was(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    o.council.prefill = PREFILL_SHARED;
    dialogue *d = table_dialogue(k, &o);
    struct turn *t = table_ask(d, "Is it ever right to lie?", NULL);
    diverge_report r = compute(d, "cleo", 0);
    /* cleo has no instruction and so read the whole prompt without its mask; the mask acts on its
     * own words. */
    error err = {0};
    size_t v = (size_t)engine_config(k->e)->vocabulary;
    const turn_answer *a = turn_answer_of(t, "cleo");
    hand h = hand_of(d, &NAMES[2], 1);
    hand_ask(&h, t->prompt.v, t->prompt.len);
    int n = (int)h.c->passes[0]->prompt.len, more = (int)a->ids.len - 1;
    session *s = support_session(k->e, NULL, 400);
    float *z = support_read(k->e, s, h.c->passes[0]->prompt.v, n);
    double *q = malloc(v * sizeof *q);
    distribution(z + (size_t)(n - 1) * v, v, q);
    assert_choices(q, v, &r.choices[2]);
    free(z);
    assert_int_equal(session_set_program(s, h.c->passes[0]->program, &err), 0);
    z = support_read(k->e, s, a->ids.v, more);
    for (int x = 0; x < more; x++) {
        distribution(z + (size_t)x * v, v, q);
        assert_choices(q, v, &r.choices[(size_t)(x + 1) * TABLE_SEATS + 2]);
    }
    free(z);
    free(q);
    session_close(s);
    hand_close(&h);
    diverge_release(&r);
    dialogue_close(d);
}

static void merge(dialogue *d, merge_method method)
{
    error err = {0};
    merge_options o = {.method = method, .rounds = 1, .seed = 3, .chair = "Join them."};
    if (dialogue_merge(d, &o, NULL, 0, NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static void the_picked_or_merged_text_is_followed(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    struct turn *t = table_ask(d, "Is it ever right to lie?", NULL);
    merge(d, MERGE_VOTE);
    const char *winner = NAMES[turn_merged(t)->winner];
    diverge_report r = compute(d, NULL, 3);
    assert_follows(t, &r, winner);
    diverge_release(&r);
    merge(d, MERGE_BLEND);
    r = compute(d, NULL, 0);
    assert_string_equal(r.follows, "merge");
    assert_int_equal(r.positions, turn_merged(t)->ids.len);
    assert_memory_equal(r.tokens, turn_merged(t)->ids.v, (size_t)r.positions * sizeof(int));
    diverge_release(&r);
    assert_int_equal(dialogue_pick(d, "bob", &err), 0);
    r = compute(d, NULL, 3);
    assert_follows(t, &r, "bob");
    diverge_release(&r);
    assert_int_equal(diverge_compute(d, NULL, 0, "dora", 0, &r, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    dialogue_close(d);
}

/* What a blend records while it writes is what is found when its text is read again. */
static void a_blend_says_the_same(void **state)
{
    const table *k = *state;
    dialogue_options o = table_options();
    dialogue *d = table_dialogue(k, &o);
    error err = {0};
    static const char *const two[] = {"ann", "cleo"};
    static const double equal[] = {1, 1};
    merge_options m = {.method = MERGE_BLEND, .seed = 5, .weights = equal};
    struct turn *t = table_ask(d, "Is it ever right to lie?", NULL);
    assert_int_equal(dialogue_merge(d, &m, two, 2, NULL, NULL, &err), 0);
    const turn_merge *blend = turn_merged(t);
    diverge_report r;
    assert_int_equal(diverge_compute(d, two, 2, "merge", 0, &r, &err), 0);
    assert_int_equal(r.positions, blend->ids.len);
    assert_true(r.positions > 3);
    for (int i = 0; i < r.positions; i++)
        assert_true(r.divergence[i] == blend->divergence[i]);
    diverge_release(&r);
    dialogue_close(d);
}

static turn_answer saying(int *ids, size_t n)
{
    return (turn_answer){.ids = {ids, n}};
}

static void what_answers_begin_with(void **state)
{
    (void)state;
    int x[] = {1, 2, 3, 4}, y[] = {1, 2, 9};
    turn_answer a = saying(x, 4), b = saying(y, 3), c = saying(x, 2), none = saying(NULL, 0);
    const turn_answer *all[] = {&a, &b, &none, &c}, *same[] = {&a, &a}, *one[] = {&none, &a};
    assert_int_equal(diverge_shared(all, 2), 2);
    assert_int_equal(diverge_shared(all, 4), 2);
    assert_int_equal(diverge_shared(same, 2), 4);
    assert_int_equal(diverge_shared(one, 2), -1);
    y[0] = 7;
    assert_int_equal(diverge_shared(all, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_position_is_what_the_logits_say),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(a_shared_prompt_is_read_as_it_was),
        cmocka_unit_test(the_picked_or_merged_text_is_followed),
        cmocka_unit_test(a_blend_says_the_same),
        cmocka_unit_test(what_answers_begin_with),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
