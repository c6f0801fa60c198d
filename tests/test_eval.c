/* test_eval.c - sets with keys: how they are read, what counts as right, and the statistics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/eval/eval_arms.h"
#include "../personas/eval/eval_figures.h"
#include "../personas/eval/eval_match.h"
#include "../transcripts/statistics.h"

#define EXACT   "{\"id\":\"f1\",\"kind\":\"exact\",\"question\":\"Capital?\",\"keys\":[\"Lima\"]}"
#define CHOICE  "{\"kind\":\"choice\",\"question\":\"Q\",\"choices\":[\"a\",\"b\"],\"right\":1}"
#define PROGRAM "{\"kind\":\"program\",\"question\":\"Q\",\"check\":\"assert f\",\"topic\":\"t\"}"
#define RUBRIC                                                                                     \
    "{\"kind\":\"rubric\",\"question\":\"Q\",\"keys\":[[\"cost\",\"price\"],[\"risk\"]],\"need\":" \
    "2}"

/* ---- sets -------------------------------------------------------------------------------------- */

static void every_kind_is_read(void **state)
{
    (void)state;
    static const char text[] = "# a set\n" EXACT "\n" CHOICE "\r\n" PROGRAM "\n\n" RUBRIC;
    eval_set s = {0};
    error err = {0};
    assert_int_equal(eval_set_read("f", text, strlen(text), &s, &err), 0);
    assert_int_equal(s.len, 4);
    assert_string_equal(s.v[0].id, "f1");
    assert_string_equal(s.v[0].keys.v[0], "Lima");
    assert_string_equal(s.v[1].id, "3");
    assert_string_equal(s.v[1].choices.v[1], "b");
    assert_int_equal(s.v[1].right, 1);
    assert_string_equal(s.v[2].check, "assert f");
    assert_string_equal(s.v[2].topic, "t");
    assert_int_equal(s.v[3].group_count, 2);
    assert_int_equal(s.v[3].groups[0].len, 2);
    assert_int_equal(s.v[3].need, 2);
    for (int k = 0; k < EVAL_KINDS; k++)
        assert_int_equal(s.of_kind[k], 1);
    eval_set_release(&s);
}

static void an_item_is_written_as_it_is_read(void **state)
{
    (void)state;
    static const char text[] = EXACT "\n" CHOICE "\n" PROGRAM "\n" RUBRIC;
    eval_set s = {0}, again = {0};
    buf out = {0};
    error err = {0};
    assert_int_equal(eval_set_read("f", text, strlen(text), &s, &err), 0);
    for (size_t i = 0; i < s.len; i++)
        assert_int_equal(eval_set_write(&s.v[i], &out, &err), 0);
    assert_int_equal(eval_set_read("g", out.v, out.len, &again, &err), 0);
    assert_int_equal(again.len, 4);
    assert_string_equal(again.v[3].groups[1].v[0], "risk");
    assert_int_equal(again.v[1].right, 1);
    buf_release(&out);
    eval_set_release(&s);
    eval_set_release(&again);
}

static void complaints_name_line_and_field(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"[]", "f:1: must be an object"},
        {"{\"kind\":\"exact\"", "f:1: JSON: "},
        {"{\"question\":\"Q\"}", "f:1: kind: missing"},
        {"{\"kind\":\"riddle\",\"question\":\"Q\"}", "f:1: kind: \"riddle\" is none of"},
        {"{\"kind\":\"exact\",\"question\":\"Q\"}", "f:1: keys: missing"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[]}", "f:1: keys: 0 texts"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[\"\"]}",
         "f:1: keys: number 1 is no text"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[7]}", "f:1: keys: number 1 is no text"},
        {"{\"kind\":\"exact\",\"question\":\"\",\"keys\":[\"a\"]}", "f:1: question: empty"},
        {"{\"kind\":\"exact\",\"keys\":[\"a\"]}", "f:1: question: missing"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[\"a\"],\"right\":1}",
         "f:1: right: no such"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[\"a\"],\"id\":\"\"}", "f:1: id: empty"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[\"a\"],\"id\":5}",
         "f:1: id is a number"},
        {"{\"kind\":\"exact\",\"question\":\"Q\",\"keys\":[\"a\"],\"topic\":5}",
         "f:1: topic is a number"},
        {"{\"kind\":\"choice\",\"question\":\"Q\",\"choices\":[\"a\"],\"right\":0}",
         "f:1: choices: 1 texts"},
        {"{\"kind\":\"choice\",\"question\":\"Q\",\"choices\":[\"a\",\"a\"],\"right\":0}",
         "f:1: choices: \"a\" stands twice"},
        {"{\"kind\":\"choice\",\"question\":\"Q\",\"choices\":[\"a\",\"b\"],\"right\":2}",
         "f:1: right is 2, expected 0 to 1"},
        {"{\"kind\":\"choice\",\"question\":\"Q\",\"choices\":[\"a\",\"b\"]}",
         "f:1: right: missing"},
        {"{\"kind\":\"program\",\"question\":\"Q\"}", "f:1: check: missing"},
        {"{\"kind\":\"rubric\",\"question\":\"Q\",\"keys\":[\"a\"],\"need\":1}",
         "f:1: keys: group 1 is no array"},
        {"{\"kind\":\"rubric\",\"question\":\"Q\",\"keys\":[[\"a\"]],\"need\":2}",
         "f:1: need is 2, expected 1 to 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eval_set s = {0};
        error err = {0};
        assert_int_equal(eval_set_read("f", bad[i].line, strlen(bad[i].line), &s, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        if (strncmp(err.text, bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%s: %s", bad[i].line, err.text);
        eval_set_release(&s);
    }
}

static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    static const char text[] = EXACT "\n{\"kind\":\"exact\",\"keyz\":1}\n" EXACT "\n";
    eval_set s = {0};
    error err = {0};
    assert_int_equal(eval_set_read("f", text, strlen(text), &s, &err), -1);
    assert_int_equal(s.fault_count, 4);
    assert_non_null(strstr(s.faults.v, "f:2: keyz: no such field\n"));
    assert_non_null(strstr(s.faults.v, "f:2: keys: missing\n"));
    assert_non_null(strstr(s.faults.v, "f:2: question: missing\n"));
    assert_non_null(strstr(s.faults.v, "f:3: id: \"f1\" stands twice\n"));
    assert_non_null(strstr(err.text, "(the first of 4)"));
    eval_set_release(&s);
    assert_int_equal(eval_set_read("f", "# nothing\n", 10, &s, &err), -1);
    assert_string_equal(err.text, "f: holds no item");
    eval_set_release(&s);
}

/* Cut anywhere it is read or refused, and nothing worse. */
static void cut_texts_fail_or_pass(void **state)
{
    (void)state;
    static const char text[] = EXACT "\n" CHOICE "\n" PROGRAM "\n" RUBRIC;
    for (size_t n = 0; n < sizeof text; n++) {
        eval_set s = {0};
        error err = {0};
        (void)eval_set_read("f", text, n, &s, &err);
        eval_set_release(&s);
    }
}

static void the_split_is_by_id(void **state)
{
    (void)state;
    buf text = {0};
    eval_set s = {0};
    error err = {0};
    size_t dev = 0;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_format(&text, &err,
                                    "{\"id\":\"f%d\",\"kind\":\"exact\",\"question\":\"Q\","
                                    "\"keys\":[\"k\"]}\n",
                                    i),
                         0);
    assert_int_equal(eval_set_read("f", text.v, text.len, &s, &err), 0);
    for (size_t i = 0; i < s.len; i++) {
        bool in = eval_split_has(EVAL_DEVELOPMENT, &s.v[i]);
        assert_int_equal(in, !eval_split_has(EVAL_REST, &s.v[i]));
        assert_true(eval_split_has(EVAL_ALL, &s.v[i]));
        dev += in;
    }
    assert_in_range(dev, 350, 450);
    eval_set_release(&s);
    buf_release(&text);
}

/* ---- matching ---------------------------------------------------------------------------------- */

static bool exact(const char *answer, const char *const *keys, int n)
{
    eval_item item = {.kind = EVAL_EXACT, .keys = {keys, n}};
    eval_verdict v;
    error err = {0};
    assert_int_equal(eval_match(&item, answer, strlen(answer), &v, &err), 0);
    assert_true(v.value[0]);
    return v.right;
}

static void answers_are_matched_by_words(void **state)
{
    (void)state;
    static const struct {
        const char *key, *answer;
        bool right;
    } rows[] = {
        {"Paris", "It is Paris.", true},
        {"Paris", "PARIS!", true},
        {"Paris", "A comparison", false},
        {"Paris", "Parisian life", false},
        {"the Nile", "Nile, of course", true},
        {"Sao Paulo", "S\u00e3o Paulo", true},
        {"Pacific Ocean", "The Pacific  ocean.", true},
        {"Pacific Ocean", "The Pacific is an ocean", false},
        {"Lima", "", false},
        {"A", "The note is a", true},
        {"don't", "I don\u2019t", true},
        {"H2O", "Water is H\u2082O.", true},
        {"Лима", "Это лима!", true},
        {"1000", "It has 1,000 steps", true},
        {"1,000", "1000", true},
        {"1000", "10,000", false},
        {"12.5", "It costs $12.50.", true},
        {"12", "12.0", true},
        {"12", "12.5", false},
        {"-5", "It is -5 degrees", true},
        {"5", "It is -5 degrees", false},
        {"5", "3-5", true},
        {"7", "7kg", true},
        {"7", "the 7th", false},
        {"7th", "the 7th", true},
        {"19", "In 1923", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (exact(rows[i].answer, &rows[i].key, 1) != rows[i].right)
            fail_msg("\"%s\" in \"%s\"", rows[i].key, rows[i].answer);
}

static void the_first_of_a_closed_set_counts(void **state)
{
    (void)state;
    static const char *const yes[] = {"yes"}, *const truth[] = {"true"}, *const da[] = {"да"};
    assert_true(exact("Yes, because no other way is left.", yes, 1));
    assert_false(exact("No. Some say yes.", yes, 1));
    assert_false(exact("Certainly.", yes, 1));
    assert_true(exact("That is true, not false.", truth, 1));
    assert_false(exact("False: it is not true.", truth, 1));
    assert_false(exact("Нет, хотя многие говорят да.", da, 1));
    assert_true(exact("Да!", da, 1));
}

static void numbers_are_read_where_they_are_stated(void **state)
{
    (void)state;
    static const char *const five[] = {"5", "five"}, *const word[] = {"Paris"},
                             *const clock[] = {"07:12:37"}, *const part[] = {"3/4"};
    assert_true(exact("We have 10 and 12.\n#### 5", five, 2));
    assert_false(exact("We take 5.\n#### 7", five, 2));
    assert_true(exact("So \\boxed{5} it is, not 7", five, 2));
    assert_false(exact("10 - 5 = 15", five, 2));
    assert_true(exact("10 - 5 = 5", five, 2));
    assert_true(exact("2 + 3 = 5, so that is it.", five, 2));
    assert_true(exact("The answer is 5, as 2 + 2 = 4.", five, 2));
    assert_false(exact("The answer is 6. Not 5.", five, 2));
    assert_true(exact("The answer is 2 + 3 = 5.", five, 2));
    assert_true(exact("That makes five.", five, 2));
    assert_true(exact("The answer is 07:12:37.", clock, 1));
    assert_true(exact("The answer is 3/4 of it.", part, 1));
    assert_true(exact("#### Paris", word, 1));
    assert_false(exact("Paris\n#### Rome", word, 1));
}

static void code_states_nothing(void **state)
{
    (void)state;
    static const char *const five[] = {"5", "five"};
    static const char sum[] =
        "9 - 4 is 5.\n\n```python\na = 9\nb = 4\nprint(a - b)\n```\n\nAdd another.",
                      wrong[] = "9 - 4 is 3.\n\n```python\nx = 5\n```\n",
                      bare[] = "```\nx = 5\n```", marked[] = "```\nx = 3\n```\n#### 5\n",
                      open[] = "It is 5.\n```\nx = 7";
    char value[EVAL_VALUE];
    error err = {0};
    assert_true(exact(sum, five, 2));
    assert_false(exact(wrong, five, 2));
    assert_true(exact(bare, five, 2)); /* there is nothing else */
    assert_true(exact(marked, five, 2));
    assert_true(exact(open, five, 2));
    assert_int_equal(eval_match_short(open, strlen(open), value, &err), 0);
    assert_string_equal(value, "5");
}

static void short_answers_are_read_without_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } rows[] = {
        {"We get 3.\n#### 1,042", " 1042 "}, {"Yes, it is.", "yes"},      {"4 + 5 = 9 apples", "9"},
        {"The sum of 4 and 5 is 9.", "9"},   {"The answer is 12.", "12"},
    };
    char value[EVAL_VALUE], other[EVAL_VALUE];
    error err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(eval_match_short(rows[i].text, strlen(rows[i].text), value, &err), 0);
        assert_string_equal(value, rows[i].value);
    }
    assert_int_equal(eval_match_short("It is Paris", 11, value, &err), 0);
    assert_int_equal(eval_match_short("it is the paris!", 16, other, &err), 0);
    assert_string_equal(value, other);
}

static void a_rubric_counts_groups(void **state)
{
    (void)state;
    static const char *const a[] = {"cost", "price"}, *const b[] = {"risk"};
    static const eval_words groups[] = {{a, 2}, {b, 1}};
    eval_item item = {.kind = EVAL_RUBRIC, .groups = groups, .group_count = 2, .need = 2};
    static const char both[] = "It is costly and risky.", one[] = "The prices; brisk trade.";
    eval_verdict v;
    error err = {0};
    assert_int_equal(eval_match(&item, both, strlen(both), &v, &err), 0);
    assert_true(v.right);
    assert_int_equal(eval_match(&item, one, strlen(one), &v, &err), 0);
    assert_false(v.right);
    item.need = 1;
    assert_int_equal(eval_match(&item, one, strlen(one), &v, &err), 0);
    assert_true(v.right);
}

static void the_first_block_is_the_code(void **state)
{
    (void)state;
    static const char two[] = "So:\n```python\nx = 1\n```\nor\n```\ny\n```\n",
                      open[] = "```\nx = 2\n";
    const char *code;
    size_t n;
    assert_true(eval_match_code(two, strlen(two), &code, &n));
    assert_memory_equal(code, "x = 1\n", n);
    assert_int_equal(n, 6);
    assert_true(eval_match_code(open, strlen(open), &code, &n));
    assert_int_equal(n, 6);
    assert_false(eval_match_code("x = 3", 5, &code, &n));
    assert_false(eval_match_code("```", 3, &code, &n));
}

/* Whatever bytes a model writes. */
static void broken_answers_are_read(void **state)
{
    (void)state;
    static const char *const keys[] = {"5", "yes"};
    static const char bytes[] = "\xff\xfe=\0-5.,=####\\boxed{\xc3```\n\xe2\x88\x92"
                                "9,999.,0th";
    eval_item item = {.kind = EVAL_EXACT, .keys = {keys, 2}};
    char value[EVAL_VALUE];
    const char *code;
    error err = {0};
    for (size_t from = 0; from < sizeof bytes; from++) {
        for (size_t n = 0; from + n <= sizeof bytes; n++) {
            char *copy = malloc(n + 1); /* so that reading too far is seen */
            eval_verdict v;
            size_t len;
            assert_non_null(copy);
            memcpy(copy, bytes + from, n);
            assert_int_equal(eval_match(&item, copy, n, &v, &err), 0);
            assert_int_equal(eval_match_short(copy, n, value, &err), 0);
            (void)eval_match_code(copy, n, &code, &len);
            free(copy);
        }
    }
}

/* ---- statistics -------------------------------------------------------------------------------- */

/* Python: min(1, 2 * sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n) */
static void mcnemar_is_exact(void **state)
{
    (void)state;
    static const struct {
        int b, c;
        double p;
    } rows[] = {{0, 0, 1},
                {1, 0, 1},
                {5, 0, 0.0625},
                {10, 2, 0.03857421875},
                {12, 4, 0.076812744140625},
                {100, 70, 0.02584438758134169},
                {400, 300, 0.00017847631448562445}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(fabs(eval_mcnemar(rows[i].b, rows[i].c) - rows[i].p) < 1e-9);
        assert_true(fabs(eval_mcnemar(rows[i].c, rows[i].b) - rows[i].p) < 1e-9);
    }
}

/* Holm by hand: 4 * 0.01, then 3 * 0.02 = 0.06, 2 * 0.03 = 0.06, 1 * 0.5. */
static void holm_corrects_step_by_step(void **state)
{
    (void)state;
    double p[] = {0.03, 0.01, NAN, 0.5, 0.02};
    eval_holm(p, 5);
    assert_true(fabs(p[0] - 0.06) < 1e-12);
    assert_true(fabs(p[1] - 0.04) < 1e-12);
    assert_true(isnan(p[2]));
    assert_true(fabs(p[3] - 0.5) < 1e-12);
    assert_true(fabs(p[4] - 0.06) < 1e-12);
}

/* ---- arms -------------------------------------------------------------------------------------- */

static void arms_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"coder", "critic"};
    static const char *const bad[] = {"nobody", "", "control,control", "none", "vote:2", "coder,"};
    eval_arms a;
    error err = {0};
    assert_int_equal(eval_arms_read(NULL, names, 2, false, &a, &err), 0);
    assert_int_equal(a.count, 9);
    assert_int_equal(eval_arms_read(NULL, names, 2, true, &a, &err), 0);
    assert_int_equal(a.count, 6);
    assert_int_equal(eval_arms_read(NULL, names, 1, false, &a, &err), 0);
    assert_int_equal(a.count, 4);
    assert_int_equal(eval_arms_read("critic,debate:2,auto", names, 2, false, &a, &err), 0);
    assert_int_equal(a.v[0].persona, 1);
    assert_int_equal(a.v[1].rounds, 2);
    assert_int_equal(eval_arms_persona(&a, 1), 0);
    assert_int_equal(eval_arms_persona(&a, 0), -1);
    assert_true(eval_arms_have(&a, EVAL_MERGE));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(eval_arms_read(bad[i], names, 2, false, &a, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(an_item_is_written_as_it_is_read),
        cmocka_unit_test(complaints_name_line_and_field),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(cut_texts_fail_or_pass),
        cmocka_unit_test(the_split_is_by_id),
        cmocka_unit_test(answers_are_matched_by_words),
        cmocka_unit_test(the_first_of_a_closed_set_counts),
        cmocka_unit_test(numbers_are_read_where_they_are_stated),
        cmocka_unit_test(code_states_nothing),
        cmocka_unit_test(short_answers_are_read_without_keys),
        cmocka_unit_test(a_rubric_counts_groups),
        cmocka_unit_test(the_first_block_is_the_code),
        cmocka_unit_test(broken_answers_are_read),
        cmocka_unit_test(mcnemar_is_exact),
        cmocka_unit_test(holm_corrects_step_by_step),
        cmocka_unit_test(arms_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
