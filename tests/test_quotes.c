/* test_quotes.c - the synthesis of a small model: who agrees, the best of each, nothing twice, the same
 * bytes each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/merge/counted.h"
#include "../personas/merge/merge.h"
#include "council_support.h"

enum { EVERYONE = 15 };

/* What the cast (a, b, c, d) is quoted with when it has said this; NULL = an empty answer. */
static char *quoted(const cast *k, const char *question, const char *const said[CAST],
                    pass_stop stop)
{
    council_options o = cast_options();
    o.context = 1200;
    cast_talk t = cast_talk_of(cast_council(k, &o, EVERYONE, 0));
    turn_answer replies[CAST];
    turn_merge r, again;
    merge_options synth = cast_merge_options(MERGE_SYNTH);
    for (int i = 0; i < CAST; i++)
        replies[i] = (turn_answer){.text = {said[i] ? said[i] : "", said[i] ? strlen(said[i]) : 0},
                                   .stop = stop};
    cast_talk_adopt(&t, question, replies);
    cast_merge(&t, &synth, &r);
    synth.seed++; /* nothing is drawn */
    cast_merge(&t, &synth, &again);
    assert_string_equal(r.text.v, again.text.v);
    assert_string_equal(r.method, "synth");
    assert_string_equal(r.note, "quoted from the answers, not written");
    assert_true(!r.by && r.winner < 0 && !r.scores && !r.shares && !r.ids.len);
    char *text = strdup(r.text.v);
    cast_talk_close(&t);
    return text;
}

static void expect(const cast *k, const char *question, const char *const said[CAST],
                   const char *want)
{
    char *text = quoted(k, question, said, STOP_END);
    assert_string_equal(text, want);
    free(text);
}

static void points_of_two_come_first_and_once(void **state)
{
    static const char *const said[] = {"Rivers carry dissolved minerals down.",
                                       "Salt stays when water evaporates there.",
                                       "Rivers carry dissolved minerals.", "Fish swim. Is it so?"};
    expect(*state, "Why is the sea salty?", said,
           "Agreed by a and c: Rivers carry dissolved minerals down.\n\n"
           "- b: Salt stays when water evaporates there.\n"
           "- d: Fish swim.");
}

static void counted_answers_come_before_all(void **state)
{
    static const char *const said[] = {"Yes, it is.", "No.", "Yes. Plants need light to grow.",
                                       "Yes"};
    char *text = quoted(*state, "Is light needed?", said, STOP_END);
    static const char begin[] = "Agreed by a, c and d: yes\n\nBut b says no\n\n";
    assert_memory_equal(text, begin, strlen(begin));
    assert_non_null(strstr(text, "\n- c: Plants need light to grow."));
    free(text);
    static const char *const sums[] = {"It is 7.", "8", "The answer is 9, and that is all.",
                                       "Many."};
    text = quoted(*state, "What is 3 + 4?", sums, STOP_END);
    static const char differ[] = "They differ: a says 7, b says 8, c says 9\n\n";
    assert_memory_equal(text, differ, strlen(differ));
    free(text);
    /* A lone number does not answer this. */
    text = quoted(*state, "Is it good?", sums, STOP_END);
    assert_null(strstr(text, "a says 7"));
    free(text);
}

static void russian_questions_get_russian_words(void **state)
{
    static const char *const said[] = {"Да, мозг восстанавливает память.", "Нет.",
                                       "Мозг восстанавливает память.", NULL};
    expect(*state, "Важен ли сон?", said,
           "Расходятся: a: да, b: нет\n\n"
           "Согласны a и c: Да, мозг восстанавливает память.");
}

static void code_is_quoted_whole_or_not_at_all(void **state)
{
    static const char code[] =
        "Take this loop here:\n\n```c\nfor (;;)\n    stop(); /* A. B */\n```\n";
    static const char *const one[] = {code, "Loops never end alone.", NULL, NULL};
    static const char *const open[] = {"```c\nint x;", "Loops never end alone.", NULL, NULL};
    expect(*state, "What is a loop?", one,
           "a:\n\n```c\nfor (;;)\n    stop(); /* A. B */\n```\n\n- b: Loops never end alone.");
    static const char *const asked[] = {"A loop does it all:\n\n```c\nfor (;;)\n    stop();\n```\n",
                                        NULL, NULL, NULL};
    expect(*state, "Write a program.", asked, "a:\n\n```c\nfor (;;)\n    stop();\n```");
    expect(*state, "What is a loop?", open, "- b: Loops never end alone.");
}

static void what_was_cut_or_loops_is_not_quoted(void **state)
{
    static const char *const said[] = {"Waves break on old rocks. Waves then go",
                                       "Half a sentence has", NULL, NULL};
    char *text = quoted(*state, "What do waves do?", said, STOP_LENGTH);
    /* unless there is nothing else */
    assert_string_equal(text,
                        "- a: Waves break on old rocks.\n- b: Half a sentence has\xE2\x80\xA6");
    free(text);
    static const char *const same[] = {"Waves break on old rocks.", "Waves break on old rocks.",
                                       NULL, "**Waves** break on old rocks."};
    expect(*state, "What do waves do?", same, "Agreed by a, b and d: Waves break on old rocks.");
}

/* Of those on the topic it is the one that the others find most likely. */
static void the_best_is_the_votes(void **state)
{
    const cast *k = *state;
    static const char *const pieces[] = {"The user has waves.", "Qzx waves kjh vvv.",
                                         "Waves of \x02 zz."};
    char said[200], want[200];
    council_options o = cast_options();
    o.context = 1200;
    double score[3] = {0};
    cast_talk t = cast_talk_of(cast_council(k, &o, EVERYONE, 0));
    turn_answer replies[CAST] = {
        {.stop = STOP_END}, {.stop = STOP_END}, {.stop = STOP_END}, {.stop = STOP_END}};
    cast_talk_adopt(&t, "What do waves do?", replies);
    int best = 0;
    for (int i = 0; i < 3; i++) {
        for (int j = 1; j < CAST; j++) {
            double one;
            cast_talk_score(&t, j, pieces[i], strlen(pieces[i]), &one, NULL);
            score[i] += one;
        }
        best = score[i] > score[best] ? i : best;
    }
    cast_talk_close(&t);
    (void)snprintf(said, sizeof said, "%s %s %s", pieces[0], pieces[1], pieces[2]);
    (void)snprintf(want, sizeof want, "- a: %s", pieces[best]);
    expect(k, "What do waves do?", (const char *[]){said, NULL, NULL, NULL}, want);
}

static void nothing_to_quote_is_told(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    cast_talk t = cast_talk_of(cast_council(k, &o, EVERYONE, 0));
    turn_answer replies[CAST];
    turn_merge r;
    error err = {0};
    merge_options synth = cast_merge_options(MERGE_SYNTH);
    for (int i = 0; i < CAST; i++)
        replies[i] = (turn_answer){.text = {"```\nx", 5}, .stop = STOP_END};
    cast_talk_adopt(&t, "What?", replies);
    assert_int_equal(merge_run(t.c, &t.round, &synth, &t.merges, &r, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
    cast_talk_close(&t);
}

static void a_number_counts_where_one_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *question, *text, *value;
    } cases[] = {
        {"How many days?", "It has 365 days.", "365"},
        {"Сколько дней?", "365", "365"},
        {"Is it good?", "Wait 3 days.", NULL},
        {"Is it good?", "Yes, wait 3 days.", "yes"},
        {"Why?", "The answer is 156, and it is a mistake: 156 = 98.", "156"},
        {"Why?", "The answer is the part of it that nobody knows.", NULL},
        {"Why?", "Nothing.", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[EXTRACT_BYTES];
        bool found = counted_answer(cases[i].question, strlen(cases[i].question), cases[i].text,
                                    strlen(cases[i].text), out);
        assert_int_equal(found, cases[i].value != NULL);
        if (found)
            assert_string_equal(out, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_of_two_come_first_and_once),
        cmocka_unit_test(counted_answers_come_before_all),
        cmocka_unit_test(russian_questions_get_russian_words),
        cmocka_unit_test(code_is_quoted_whole_or_not_at_all),
        cmocka_unit_test(what_was_cut_or_loops_is_not_quoted),
        cmocka_unit_test(the_best_is_the_votes),
        cmocka_unit_test(nothing_to_quote_is_told),
        cmocka_unit_test(a_number_counts_where_one_is_asked_for),
    };
    return cmocka_run_group_tests_name("quotes", tests, cast_setup, cast_teardown);
}
