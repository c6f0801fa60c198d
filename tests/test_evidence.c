/* test_evidence.c - what a merge says of itself: kind of evidence, dissent, leaks and copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/merge/evidence.h"
#include "../personas/merge/written.h"

static const char *const NAMES[] = {"ann", "bob", "cleo"};

/* What is said of three answers to a question. */
static void expect(const char *prompt, const char *const said[3], const char *want)
{
    turn_answer answers[3];
    turn_merge m = {.method = "vote", .of = NAMES, .passes = 3};
    struct turn t = {.prompt = {prompt, strlen(prompt)}, .answers = answers, .answer_count = 3};
    error err = {0};
    buf out = {0};
    for (int i = 0; i < 3; i++)
        answers[i] = (turn_answer){.name = NAMES[i], .text = {said[i], strlen(said[i])}};
    assert_int_equal(turn_link(&t, &err), 0);
    assert_int_equal(buf_text(&out, "", &err), 0);
    assert_int_equal(evidence_dissent(&t, &m, NAMES, &out, &err), 0);
    assert_string_equal(out.v, want);
    buf_release(&out);
    turn_release(&t);
}

static void dissent_is_said_in_words(void **state)
{
    (void)state;
    expect("Is it good?", (const char *[]){"Yes.", "No, never.", "Maybe."},
           "the answers disagree: ann says yes, bob says no");
    expect("Is it good?", (const char *[]){"Yes.", "Yes, always.", "Maybe."}, "");
    expect("What is 3 + 4?", (const char *[]){"7", "It is 7.", "The answer is 8."},
           "the answers disagree: ann says 7, bob says 7, cleo says 8");
    expect("Is it good?", (const char *[]){"Wait 3 days.", "Wait 4 days.", "Maybe."}, "");
    static const char sea[] = "Rivers dissolve minerals from rocks and carry salts downstream.";
    static const char cat[] = "Kittens sleep sixteen hours, dream quietly, hunt mice.";
    static const char tax[] = "Governments collect money, build bridges, pay teachers, print laws.";
    expect("Why?", (const char *[]){sea, cat, tax}, "the answers share little: read each");
    expect("Why?", (const char *[]){sea, sea, tax}, "");
    expect("Why?", (const char *[]){sea, cat, "Short."}, ""); /* too short to tell */
    expect("Why?", (const char *[]){"", "", ""}, "");
}

static void the_kind_of_evidence_is_said(void **state)
{
    (void)state;
    const double scores[] = {-1, -1, -1, -1};
    turn_merge m = {.method = "vote", .passes = 2, .scores = scores, .winner = 1};
    error err = {0};
    buf out = {0};
    assert_int_equal(evidence_kind(&m, "", &out, &err), 0);
    assert_string_equal(out.v, "picked as likeliest by the others");
    buf_clear(&out);
    m.basis = "fit to the question";
    assert_int_equal(evidence_kind(&m, "", &out, &err), 0);
    assert_string_equal(out.v, "picked by fit to the question");
    buf_clear(&out);
    m = (turn_merge){.method = "blend", .winner = -1, .basis = "right 50 % of the time"};
    assert_int_equal(evidence_kind(&m, "; ", &out, &err), 0);
    assert_string_equal(out.v, "; right 50 % of the time");
    buf_clear(&out);
    m.basis = NULL;
    assert_int_equal(evidence_kind(&m, "; ", &out, &err), 0);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

static void leaks_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool leaks;
    } cases[] = {
        {"Answer A is right.", true}, {"as answer B, says", true},
        {"It is (answer C)", true},   {"Answer D is beyond.", false},
        {"Answer Ann.", false},       {"The answer a child has", false},
        {"Reanswer A", false},        {"It goes on [cut]", true},
        {"answer ", false},           {"", false},
        {"Answer A", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(written_leaks(cases[i].text, strlen(cases[i].text), 'C'), cases[i].leaks);
}

static double copied(const char *text, const char *source)
{
    double share = -1;
    error err = {0};
    assert_int_equal(written_copied(text, strlen(text), source, strlen(source), &share, &err), 0);
    return share;
}

static void copies_are_runs_of_twelve(void **state)
{
    (void)state;
    static const char twelve[] = "one two three four five six seven eight nine ten eleven twelve";
    assert_true(copied(twelve, twelve) == 1);
    assert_true(
        copied(twelve, "zero One, two. three four five six seven eight nine ten eleven TWELVE x") ==
        1);
    assert_true(copied(twelve, "one two three four five six seven eight nine ten eleven") == 0);
    assert_true(copied("one two three four five six seven eight nine ten eleven twelve, and then he"
                       " went away",
                       twelve) == 12.0 / 17);
    assert_true(copied("", twelve) == 0 && copied(twelve, "") == 0);
    /* A run goes on beyond twelve, and none is counted twice. */
    assert_true(
        copied("a one two three four five six seven eight nine ten eleven twelve thirteen",
               "one two three four five six seven eight nine ten eleven twelve thirteen. one "
               "two three four five six seven eight nine ten eleven twelve") == 13.0 / 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dissent_is_said_in_words),
        cmocka_unit_test(the_kind_of_evidence_is_said),
        cmocka_unit_test(leaks_are_found),
        cmocka_unit_test(copies_are_runs_of_twelve),
    };
    return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
