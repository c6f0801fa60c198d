/* test_evidence_table.c - evidence: its file, what is chosen by it, whom it holds for, and merges that go by it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/merge/evidence.h"
#include "council_support.h"

#define PRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { CONTROL, A, B, C, D, VOTE, BLEND, DEBATE, ARMS };
static const evidence_arm NAMES[ARMS] = {
    {"control", EVIDENCE_CONTROL}, {"a", EVIDENCE_PERSONA},     {"b", EVIDENCE_PERSONA},
    {"c", EVIDENCE_PERSONA},       {"d", EVIDENCE_PERSONA},     {"vote", EVIDENCE_MERGE},
    {"blend", EVIDENCE_MERGE},     {"debate:2", EVIDENCE_MERGE}};

/* 100 questions of each part, of which a pick by chance gets 40. */
static evidence_table *table_of(const int *dev, const int *rest)
{
    evidence_table *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->model = (model_identity){"llama", PRINT, 8, 2};
    t->arm_count = ARMS;
    memcpy(t->arms, NAMES, sizeof NAMES);
    t->persona_count = CAST;
    for (int i = 0; i < CAST; i++)
        (void)snprintf(t->personas[i].name, EVIDENCE_NAME, "%c", 'a' + i);
    t->set_count = 1;
    evidence_set *s = &t->sets[0];
    *s = (evidence_set){.name = "facts", .items = 7};
    s->development = s->rest = (evidence_part){.questions = 100, .any = 70, .blind = 40};
    for (int a = 0; a < ARMS; a++) {
        s->development.right[a] = dev[a];
        s->rest.right[a] = rest[a];
        s->development.squares[a] = s->rest.squares[a] = 20;
    }
    return t;
}

static const char *chosen(const int *dev, const int *rest)
{
    evidence_table *t = table_of(dev, rest);
    int arm = evidence_choose(t);
    free(t);
    return arm < 0 ? "none" : NAMES[arm].name;
}

static void development_decides(void **state)
{
    (void)state;
    /*                         ctl  a   b   c   d  vote blend debate */
    static const int even[ARMS] = {40, 40, 40, 40, 40, 40, 40, 40};
    static const int vote[ARMS] = {40, 38, 50, 36, 36, 52, 51, 50};
    static const int near[ARMS] = {40, 38, 50, 36, 36, 50, 50, 50};
    static const int less[ARMS] = {40, 38, 52, 36, 36, 51, 50, 51};
    static const int dull[ARMS] = {40, 38, 45, 36, 36, 46, 45, 45};
    static const int talk[ARMS] = {40, 38, 50, 36, 36, 45, 45, 60};
    static const int lost[ARMS] = {40, 38, 50, 36, 36, 45, 45, 49};
    assert_string_equal(chosen(vote, even), "vote");
    assert_string_equal(chosen(near, even), "vote"); /* of equals the cheapest */
    assert_string_equal(chosen(less, even), "b");    /* no merge reaches the best persona */
    assert_string_equal(chosen(dull, even), "none"); /* within chance */
    assert_string_equal(chosen(even, vote), "none"); /* the rest decides nothing */
    assert_string_equal(chosen(talk, even), "debate:2");
    assert_string_equal(chosen(talk, lost), "b"); /* a debate that loses anywhere is left out */
}

/* A vote that is no better than the best persona on 100 questions, with what its verifier tells of 900 more. */
static void a_verifier_tells_of_more(void **state)
{
    (void)state;
    /*                        ctl  a   b   c   d  vote blend debate */
    static const int dev[ARMS] = {40, 38, 44, 36, 36, 43, 44, 30};
    const struct {
        double right, best, low, high;
        const char *chosen;
    } cases[] = {{0.47, 0.46, 0.01, 0.03, "vote"},   /* 423 + 43 against 414 + 44 */
                 {0.47, 0.47, 0.01, 0.03, "none"},   /* 423 + 44: a persona is better */
                 {0.47, 0.46, -0.02, 0.06, "none"}}; /* may be chance */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        evidence_table *t = table_of(dev, dev);
        t->by.verifier = 9;
        t->by.learned = (verifier_figures){.questions = 900,
                                           .told = 300,
                                           .right = cases[i].right,
                                           .blind = 0.45,
                                           .best = cases[i].best,
                                           .any = 0.6,
                                           .low = cases[i].low,
                                           .high = cases[i].high};
        int arm = evidence_choose(t);
        assert_string_equal(arm < 0 ? "none" : NAMES[arm].name, cases[i].chosen);
        evidence_part p = evidence_known(t, VOTE), without = evidence_known(t, BLEND);
        assert_int_equal(p.questions, 1000);
        assert_int_equal(p.right[VOTE], 43 + 423);
        assert_int_equal(without.questions, 100);
        char words[EVIDENCE_WORDS_MOST];
        assert_non_null(strstr(evidence_refusal(t, words), "1000 questions"));
        free(t);
    }
}

static void the_rest_reports(void **state)
{
    (void)state;
    static const int dev[ARMS] = {40, 38, 50, 36, 36, 52, 51, 50};
    static const int rest[ARMS] = {40, 38, 50, 36, 36, 47, 51, 49};
    char words[EVIDENCE_WORDS_MOST];
    evidence_table *t = table_of(dev, rest);
    assert_string_equal(evidence_figure(t, VOTE, words),
                        "47 % of the time on 100 questions (by chance 40 %)");
    double low, high;
    evidence_gain(&t->sets[0].rest, VOTE, &low, &high);
    /* mean 0.07, variance 0.2 - 0.07^2, over 99 */
    assert_true(fabs(low - (0.07 - 1.96 * 0.044391)) < 1e-5);
    assert_true(fabs(high - (0.07 + 1.96 * 0.044391)) < 1e-5);
    assert_true(evidence_loses(t, DEBATE) && !evidence_loses(t, BLEND));
    assert_string_equal(evidence_best_persona(t), "b");
    free(t);
}

/* ---- the file ---------------------------------------------------------------------------------- */

static evidence_table *again(const evidence_table *t)
{
    buf text = {0};
    error err = {0};
    assert_int_equal(evidence_table_write(t, &text, &err), 0);
    evidence_table *u = evidence_table_read("e.json", text.v, text.len, &err);
    if (!u)
        fail_msg("%s", err.text);
    buf_release(&text);
    return u;
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const int dev[ARMS] = {1, 2, 3, 4, 5, 6, 7, 8}, rest[ARMS] = {9, 8, 7, 6, 5, 4, 3, 2};
    evidence_table *t = table_of(dev, rest);
    t->by.verifier = 0xfedcba9876543210;
    t->by.gate = 5;
    t->personas[2].program = 3;
    evidence_table *u = again(t);
    assert_memory_equal(t, u, sizeof *t);
    /* One more set; the same again takes its place; another council drops them. */
    error err = {0};
    (void)snprintf(u->sets[0].name, EVIDENCE_NAME, "sums");
    assert_int_equal(evidence_table_add(t, u, &err), 0);
    assert_int_equal(t->set_count, 2);
    assert_int_equal(evidence_sum(t, true).right[VOTE], 2 * dev[VOTE]);
    u->sets[0].rest.right[A] = 1;
    assert_int_equal(evidence_table_add(t, u, &err), 0);
    assert_true(t->set_count == 2 && t->sets[1].rest.right[A] == 1);
    u->personas[1].program = 99;
    assert_int_equal(evidence_table_add(t, u, &err), 2);
    assert_memory_equal(t, u, sizeof *t);
    free(t);
    free(u);
}

static void bad_files_are_refused_by_field(void **state)
{
    (void)state;
    static const int some[ARMS] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"evidence\":1", "\"evidence\":2", "form 2"},
        {"\"verifier\":\"00", "\"verifier\":\"0g", "verifier: must be 16 hexadecimal digits"},
        {"\"personas\":[{\"name\":\"a\"", "\"personas\":[{\"nome\":\"a\"", "personas[0]"},
        {"\"right\":8,", "\"right\":101,", "sets[0]: development: arms[7]: right"},
        {"\"right\":8,", "\"right\":-1,", "right"},
        {"\"squares\":20", "\"squares\":1e9", "squares"},
        {"\"kind\":\"merge\"", "\"kind\":\"magic\"", "control, persona or merge"},
        {"\"blind\":40", "\"blind\":\"x\"", "blind"},
        {"\"any\":70", "\"any\":170", "any"},
        {"\"rest\":", "\"best\":", "best"},
        {"\"sets\":[", "\"sats\":[", "sats"},
        {"{\"evidence\"", "[{\"evidence\"", "e.json"},
    };
    evidence_table *t = table_of(some, some);
    buf text = {0};
    assert_int_equal(evidence_table_write(t, &text, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        buf bad = {0};
        const char *at = strstr(text.v, cases[i].from);
        assert_non_null(at);
        assert_int_equal(buf_add(&bad, text.v, (size_t)(at - text.v), NULL), 0);
        assert_int_equal(buf_text(&bad, cases[i].to, NULL), 0);
        assert_int_equal(buf_text(&bad, at + strlen(cases[i].from), NULL), 0);
        assert_null(evidence_table_read("e.json", bad.v, bad.len, &err));
        if (err.code != ERROR_LOAD || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].to, err.text);
        buf_release(&bad);
    }
    for (size_t n = 0; n + 1 < text.len; n++) {
        error err = {0};
        char *cut = strndup(text.v, n);
        assert_null(evidence_table_read("e.json", cut, n, &err));
        free(cut);
    }
    buf_release(&text);
    free(t);
}

/* ---- merges by it ------------------------------------------------------------------------------ */

static void begin(const cast *k, unsigned who, cast_talk *t)
{
    static const char *const texts[] = {"the code", "q", "and is it the code?", "no no"};
    council_options o = cast_options();
    *t = cast_talk_of(cast_council(k, &o, who, 0.7));
    turn_answer replies[CAST] = {{0}};
    for (int i = 0; i < council_passes(t->c); i++)
        replies[i] = (turn_answer){.text = {texts[i], strlen(texts[i])}};
    cast_talk_adopt(t, "who?", replies);
}

static void give_programs(const cast *k, evidence_table *t)
{
    for (int i = 0; i < CAST; i++)
        t->personas[i].program = k->programs[i] ? router_program_hash(k->programs[i]) : 0;
}

static void it_holds_for_its_council_alone(void **state)
{
    const cast *k = *state;
    static const int some[ARMS] = {40, 38, 50, 36, 36, 52, 51, 50};
    evidence_table *e = table_of(some, some);
    cast_talk all, three;
    begin(k, 15, &all);
    begin(k, 7, &three);
    give_programs(k, e);
    assert_true(evidence_holds(e, all.c) && !evidence_holds(e, three.c));
    assert_false(evidence_holds(NULL, all.c));
    e->personas[1].program++;
    assert_false(evidence_holds(e, all.c));
    give_programs(k, e);
    e->personas[1].name[0] = 'x';
    assert_false(evidence_holds(e, all.c));
    cast_talk_close(&all);
    cast_talk_close(&three);
    free(e);
}

static void expect(cast_talk *t, const merge_options *o, const char *method, int winner,
                   const char *says)
{
    turn_merge r;
    buf words = {0};
    cast_merge(t, o, &r);
    assert_string_equal(r.method, method);
    if (winner >= 0)
        assert_int_equal(r.winner, winner);
    assert_int_equal(evidence_kind(&r, "", &words, NULL), 0);
    assert_string_equal(words.v ? words.v : "", says);
    buf_release(&words);
}

static void auto_is_what_the_evidence_shows(void **state)
{
    const cast *k = *state;
    static const int vote[ARMS] = {40, 38, 50, 36, 36, 52, 51, 50};
    static const int best[ARMS] = {40, 38, 36, 55, 50, 51, 50, 51};
    static const int rest[ARMS] = {40, 41, 42, 43, 44, 45, 46, 39};
    cast_talk t;
    begin(k, 15, &t);
    merge_options o = cast_merge_options(MERGE_AUTO);
    int rounds;
    expect(&t, &o, "vote", -1, "picked by fit to the question");
    evidence_table *by_vote = table_of(vote, rest), *by_best = table_of(best, rest);
    give_programs(k, by_vote);
    give_programs(k, by_best);
    o.evidence = by_vote;
    expect(
        &t, &o, "vote", -1,
        "picked by fit to the question, right 45 % of the time on 100 questions (by chance 40 %)");
    o.evidence = by_best;
    expect(&t, &o, "best", 2,
           "right most often: 43 % of the time on 100 questions (by chance 40 %)");
    /* An answer that cannot be taken gives way to the next best persona's. */
    turn_answer failed = t.replies[2];
    t.replies[2] = (turn_answer){.text = {"", 0}, .stop = STOP_ERROR};
    expect(&t, &o, "best", 3,
           "right most often: 44 % of the time on 100 questions (by chance 40 %)");
    t.replies[2] = failed;
    o.method = MERGE_BLEND;
    o.max_tokens = 3;
    expect(&t, &o, "blend", -1, "right 46 % of the time on 100 questions (by chance 40 %)");
    o.method = MERGE_DEBATE; /* the table knows one of two rounds */
    expect(&t, &o, "debate", -1, "picked by fit to the question");
    assert_int_equal(merge_chosen(t.c, by_best, &rounds), MERGE_BEST);
    for (int a = 0; a < ARMS; a++)
        by_best->sets[0].development.right[a] = 40;
    assert_int_equal(merge_chosen(t.c, by_best, &rounds), MERGE_NONE);
    o = cast_merge_options(MERGE_BEST);
    turn_merge r;
    error err = {0};
    assert_int_equal(merge_run(t.c, &t.round, &o, &t.merges, &r, &err), -1);
    assert_true(err.code == ERROR_USAGE && strstr(err.text, "eval SET --learn"));
    free(by_vote);
    free(by_best);
    cast_talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(development_decides),
        cmocka_unit_test(a_verifier_tells_of_more),
        cmocka_unit_test(the_rest_reports),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(bad_files_are_refused_by_field),
        cmocka_unit_test(it_holds_for_its_council_alone),
        cmocka_unit_test(auto_is_what_the_evidence_shows),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
