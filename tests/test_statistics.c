/* test_statistics.c - intervals against published and hand-computed figures, and what is counted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../transcripts/statistics.h"

/* ---- intervals --------------------------------------------------------------------------------- */

static void check(size_t won, size_t could, double low, double high, double within)
{
    double l, h;
    statistics_interval((statistics_rate){won, could}, &l, &h);
    if (!(fabs(l - low) <= within && fabs(h - high) <= within))
        fail_msg("%zu of %zu: %.6f to %.6f, not %.6f to %.6f", won, could, l, h, low, high);
}

/* R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine
 * 17, 1998, table I, method 3. */
static void published(void **state)
{
    (void)state;
    check(81, 263, 0.2553, 0.3662, 5e-5);
    check(15, 148, 0.0624, 0.1605, 5e-5);
    check(0, 20, 0, 0.1611, 5e-5);
    check(1, 29, 0.0061, 0.1718, 5e-5);
}

/* z^2 = 3.841458821: 0 of n ends at z^2 / (n + z^2), n of n begins at n / (n + z^2). 12 of 30 has the
 * middle (0.4 + z^2 / 60) / (1 + z^2 / 30) = 0.411351 and the half
 * z / (1 + z^2 / 30) * sqrt(0.24 / 30 + z^2 / 3600) = 0.165444. */
static void by_hand(void **state)
{
    (void)state;
    check(0, 2, 0, 3.841458821 / 5.841458821, 1e-9);
    check(1, 1, 1 / 4.841458821, 1, 1e-9);
    check(7, 7, 7 / 10.841458821, 1, 1e-9);
    check(12, 30, 0.411351 - 0.165444, 0.411351 + 0.165444, 2e-6);
    check(18, 30, 1 - 0.576795, 1 - 0.245907, 2e-6);
}

static void nothing_is_known_of_none(void **state)
{
    (void)state;
    check(0, 0, 0, 1, 0);
}

static void many_are_sure(void **state)
{
    (void)state;
    double low, high;
    statistics_interval((statistics_rate){400000, 1000000}, &low, &high);
    assert_true(low > 0.399 && high < 0.401 && low < 0.4 && high > 0.4);
}

/* ---- counting ---------------------------------------------------------------------------------- */

#define TEXT(words)                                                                                \
    {                                                                                              \
        (words), sizeof(words) - 1                                                                 \
    }

static turn_answer said(const char *persona, pass_stop stop, size_t count, double speed)
{
    return (turn_answer){.name = persona,
                         .acts_by = "mask",
                         .stop = stop,
                         .failure = stop == STOP_ERROR ? "it broke" : NULL,
                         .text = TEXT("words"),
                         .ids = {NULL, count},
                         .tokens_per_second = speed};
}

static const statistics_candidate *candidate(const statistics *s, const char *name)
{
    for (size_t i = 0; i < s->candidate_count; i++)
        if (strcmp(s->candidates[i].name, name) == 0)
            return &s->candidates[i];
    fail_msg("%s was not counted", name);
    return NULL;
}

static void check_rate(statistics_rate r, size_t won, size_t could)
{
    assert_int_equal(r.won, won);
    assert_int_equal(r.could, could);
}

static const char *const pair[] = {"coder", "critic"};
static const double scores[] = {-1, -2, -1.5, -1}, shares[] = {0.6, 0.4};

static turn_merge voted(void)
{
    return (turn_merge){.method = "vote",
                        .by = "coder",
                        .of = pair,
                        .passes = 2,
                        .winner = 0,
                        .scores = scores,
                        .shares = shares,
                        .text = TEXT("words")};
}

/* A pick counts for those who could have been picked: not for a failed answer, not for an undone
 * turn, not without a merge. */
static void those_who_could(void **state)
{
    (void)state;
    turn_answer both[] = {said("coder", STOP_END, 10, 20), said("critic", STOP_LOOP, 30, 30)};
    turn_answer broken[] = {said("coder", STOP_END, 10, 20), said("critic", STOP_ERROR, 0, 0)};
    turn_merge vote = voted();
    struct turn turns[] = {
        {.number = 1,
         .answers = both,
         .answer_count = 2,
         .merges = &vote,
         .merge_count = 1,
         .picked = "critic"},
        {.number = 2, .answers = both, .answer_count = 2, .picked = "coder"},
        {.number = 3,
         .answers = broken,
         .answer_count = 2,
         .merges = &vote,
         .merge_count = 1,
         .picked = "merge"},
        {.number = 4, .answers = both, .answer_count = 2, .picked = "critic", .undone = true},
        {.number = 5, .answers = both, .answer_count = 2},
    };
    history h = {
        .model = {.path = "/a/b.gguf", .fingerprint = "f"}, .turns = turns, .turn_count = 5};
    statistics s = {0};
    assert_int_equal(statistics_add(&s, &h, NULL), 0);
    assert_int_equal(s.turns, 4);
    assert_int_equal(s.picks, 3);
    check_rate(candidate(&s, "coder")->open, 1, 3);
    check_rate(candidate(&s, "critic")->open, 1, 2);
    check_rate(candidate(&s, "merge")->open, 1, 2);
    check_rate(candidate(&s, "merge")->blind, 0, 0);
    check_rate(s.vote, 1, 2); /* against it in turn 1; the merge is its winner's text in turn 3 */
    assert_int_equal(s.model_count, 1);
    assert_string_equal(s.models[0].name, "b.gguf");
    assert_int_equal(s.models[0].answers, 10);
    assert_int_equal(s.models[0].loops, 4);
    assert_int_equal(s.models[0].failures, 1);
    assert_int_equal(s.models[0].tokens, 5 * 10 + 4 * 30);
    /* 50 tokens at 20/s and 120 at 30/s: 170 tokens in 2.5 + 4 seconds */
    assert_true(fabs(s.models[0].seconds - 6.5) < 1e-12 && s.models[0].timed == 170);
    statistics_release(&s);
}

/* A later pick takes the earlier one's place, in a blind turn too; blind turns are counted apart. */
static void blind_picks_are_apart(void **state)
{
    (void)state;
    turn_answer both[] = {said("coder", STOP_END, 10, 20), said("control", STOP_END, 10, 20)};
    turn_pick picks[] = {{1, "control"}, {2, "coder"}};
    struct turn turns[] = {
        {.number = 1,
         .answers = both,
         .answer_count = 2,
         .picks = picks,
         .pick_count = 2,
         .picked = "coder",
         .blind = true},
        {.number = 2,
         .answers = both,
         .answer_count = 2,
         .picks = picks,
         .pick_count = 2,
         .picked = "coder"},
    };
    history h = {.turns = turns, .turn_count = 2};
    statistics s = {0};
    assert_int_equal(statistics_add(&s, &h, NULL), 0);
    assert_int_equal(s.picks, 1);
    assert_int_equal(s.blind_picks, 1);
    check_rate(candidate(&s, "control")->blind, 0, 1);
    check_rate(candidate(&s, "control")->open, 0, 1);
    check_rate(candidate(&s, "coder")->blind, 1, 1);
    check_rate(candidate(&s, "coder")->open, 1, 1);
    statistics_release(&s);
}

/* Of two versions of an answer one can be picked. */
static void versions_count_once(void **state)
{
    (void)state;
    turn_answer three[] = {said("coder", STOP_LOOP, 10, 20), said("critic", STOP_END, 10, 20),
                           said("coder", STOP_END, 10, 20)};
    three[0].next = 2;
    struct turn turn = {.number = 1, .answers = three, .answer_count = 3, .picked = "coder"};
    history h = {.turns = &turn, .turn_count = 1};
    statistics s = {0};
    for (int i = 0; i < 40; i++)
        assert_int_equal(statistics_add(&s, &h, NULL), 0);
    check_rate(candidate(&s, "coder")->open, 40, 40);
    check_rate(candidate(&s, "critic")->open, 0, 40);
    statistics_sort(&s);
    assert_string_equal(s.candidates[0].name, "coder");
    assert_int_equal(s.transcripts, 40);
    assert_int_equal(s.model_count, 1);
    statistics_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(nothing_is_known_of_none),
        cmocka_unit_test(many_are_sure),
        cmocka_unit_test(those_who_could),
        cmocka_unit_test(blind_picks_are_apart),
        cmocka_unit_test(versions_count_once),
    };
    return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
