/* test_vote.c - a vote: who may win, how much it reads, how far it is, what methods are called. See
 * merge.h; test_merge.c has how it is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/merge/merge_state.h"
#include "council_support.h"

static const char PROMPT[] = "Is it ever right to lie?";
enum { EVERYONE = 15, FRAME = 19 };

/* Also where nothing ended it: --loop off, Ctrl-C, an answer from an old transcript. */
static void who_goes_round_in_circles_cannot_win(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    char circle[201] = "";
    for (size_t i = 0; i < 200; i++)
        circle[i] = "the end is near. "[i % 17];
    for (int round = 0; round < 3; round++) {
        cast_talk t = cast_talk_of(cast_council(k, &o, EVERYONE, 0));
        turn_answer answers[CAST];
        merge_options vote = {.method = MERGE_VOTE};
        turn_merge r;
        error err = {0};
        for (int i = 0; i < CAST; i++) {
            bool loops = round == 2 || (round ? i != 2 : i == 1);
            const char *text = loops ? circle : "qq zz \x02 it is not";
            answers[i] =
                (turn_answer){.text = {text, strlen(text)}, .stop = i % 2 ? STOP_LENGTH : STOP_END};
        }
        cast_talk_adopt(&t, PROMPT, answers);
        int result = merge_run(t.c, &t.round, &vote, &t.merges, &r, &err);
        assert_int_equal(result, round == 2 ? -1 : 0);
        if (round == 2)
            assert_non_null(strstr(err.text, "no answer can win"));
        else
            assert_true(round ? r.winner == 2 : r.winner != 1);
        cast_talk_close(&t);
    }
}

/* Rows of a vote on texts of these lengths, each answer judged for one more token than it is with `more`. */
static long rows_of(const int *lengths, int n, const vote_budget *b, int more)
{
    long rows = 0;
    for (int i = 0; i < n; i++) {
        int judged = b->judged + more;
        rows += (lengths[i] < b->answer ? lengths[i] : b->answer) + b->question;
        rows += b->answer ? FRAME : 0;
        rows += (long)(n - 1) * (lengths[i] < judged ? lengths[i] : judged);
    }
    return rows;
}

static vote_budget budget_of(const int *lengths, int n, int prompts, int question, vote_use use)
{
    return merge_vote_budget(&(vote_sizes){lengths, n, n, prompts, question, FRAME, use});
}

static void a_vote_reads_less_than_was_written(void **state)
{
    (void)state;
    for (int n = 2; n <= 8; n++) {
        for (int round = 0; round < 200; round++) {
            int lengths[8], written = 0, longest = 0, prompts = n * (20 + round);
            for (int i = 0; i < n; i++) {
                lengths[i] = (round * 37 + i * i * 11 + 5) % (round < 100 ? 60 : 2000) + 1;
                written += lengths[i];
                longest = lengths[i] > longest ? lengths[i] : longest;
            }
            vote_use use = round % 3;
            vote_budget b = budget_of(lengths, n, prompts, round / 4, use);
            long most = 12L * written / 20 + 6L * prompts / 20;
            assert_true(b.whole == ((use == VOTE_BY_FIT ? b.answer : b.judged) >= longest));
            assert_true(b.judged >= 4 && (use == VOTE_BY_PEERS ? b.answer == 0 : b.answer >= 8));
            int asked = use == VOTE_BY_PEERS ? 0 : round / 4;
            assert_true(b.question == (asked < 16 ? asked : 16));
            int bound = use == VOTE_BY_PEERS ? longest : b.answer;
            assert_true(b.judged <= (bound > longest ? bound : longest) || b.judged == 4);
            assert_true(b.judged == 4 || rows_of(lengths, n, &b, 0) <= most);
            /* and no less than it may */
            assert_true(b.judged >= bound || b.judged >= longest ||
                        rows_of(lengths, n, &b, 1) > most);
            /* What has no part in the decision takes nothing from what has. */
            assert_true(use != VOTE_BY_FIT || b.judged == 4 || b.answer >= longest);
        }
    }
    /* The longer the prompts, the more is read; with room enough all of it. */
    assert_true(budget_of((int[]){100, 90}, 2, 2000, 9, VOTE_BY_FEATURES).whole);
    assert_false(budget_of((int[]){100, 90}, 2, 20, 9, VOTE_BY_FEATURES).whole);
    assert_true(budget_of((int[]){100, 90}, 2, 20, 9, VOTE_BY_FIT).answer >
                2 * budget_of((int[]){100, 90}, 2, 20, 9, VOTE_BY_FEATURES).answer);
}

/* What an answer is told to have been while it was given needs no reading, and is the same. */
static void a_pass_need_not_read_its_own_answer(void **state)
{
    const cast *k = *state;
    council_options o = cast_options();
    for (int shared = 0; shared < 2; shared++) {
        turn_merge r[2];
        o.prefill = shared ? PREFILL_SHARED : PREFILL_OWN;
        for (int known = 0; known < 2; known++) {
            o.keep_logprobs = known;
            cast_talk t = cast_talk_of(cast_council(k, &o, EVERYONE, 0.7));
            merge_options vote = cast_merge_options(MERGE_VOTE);
            cast_talk_ask(&t, PROMPT);
            for (int i = 0; i < CAST; i++)
                assert_int_equal(t.replies[i].logprobs != NULL, known);
            cast_merge(&t, &vote, &r[known]);
            cast_talk_close(&t);
        }
        assert_memory_equal(r[0].scores, r[1].scores, sizeof(double) * CAST * CAST);
    }
}

typedef struct heard_judges {
    int calls, done, total;
    atomic_bool *cancel;
} heard_judges;

static void hear_judges(void *user, int done, int total)
{
    heard_judges *h = user;
    assert_true(done >= h->done && done <= total && (!h->calls || total == h->total));
    h->calls++;
    h->done = done;
    h->total = total;
    if (h->cancel && done)
        atomic_store(h->cancel, true);
}

static void a_vote_tells_how_far_it_is_and_can_be_stopped(void **state)
{
    cast *k = *state;
    council_options o = cast_options();
    for (int stopped = 0; stopped < 2; stopped++) {
        heard_judges h = {.cancel = stopped ? &k->cancel : NULL};
        council_events events = {.user = &h, .judge = hear_judges};
        cast_talk t = cast_talk_of(cast_council(k, &o, EVERYONE, 0.7));
        merge_options vote = cast_merge_options(MERGE_VOTE);
        turn_merge r;
        error err = {0};
        cast_talk_ask(&t, PROMPT);
        assert_int_equal(council_subscribe(t.c, &events, &err), 0);
        assert_int_equal(merge_run(t.c, &t.round, &vote, &t.merges, &r, &err), -stopped);
        assert_true(!stopped || err.code == ERROR_CANCELLED);
        assert_true(stopped ? h.done < h.total : h.calls > 2 && h.done == h.total);
        atomic_store(&k->cancel, false);
        cast_talk_close(&t);
    }
}

static void methods_have_names(void **state)
{
    (void)state;
    static const char *const good[] = {"auto", "none", "vote", "best", "synth", "debate", "blend"};
    static const char *const bad[] = {"",          "votes",  "debate:", "debate:0",
                                      "debate:10", "vote:2", "Vote",    "debate:x"};
    merge_method m;
    int rounds;
    error err = {0};
    for (int i = 0; i < 7; i++) {
        assert_int_equal(merge_parse(good[i], &m, &rounds, &err), 0);
        assert_string_equal(merge_name(m), good[i]);
        assert_int_equal(rounds, 1);
    }
    /* The lists that people read and complete are those of the table, and each of them is a name. */
    assert_string_equal(MERGE_VALUES, "auto|synth|vote|best|debate[:N]|blend|none");
    assert_string_equal(MERGE_WAYS, "synth, vote, best, debate[:N] or blend");
    char names[] = MERGE_NAMES, *rest = names;
    int count = 0;
    for (char *name; (name = strsep(&rest, "|")) != NULL; count++) {
        assert_int_equal(merge_parse(name, &m, &rounds, &err), 0);
        assert_string_equal(merge_name(m), name);
    }
    assert_int_equal(count, 7);
    assert_true(merge_needs(MERGE_SYNTH, MERGE_BY_CHAIR) &&
                merge_needs(MERGE_AUTO, MERGE_BY_CHAIR));
    assert_true(merge_needs(MERGE_DEBATE, MERGE_BY_JUDGES) &&
                !merge_needs(MERGE_BLEND, MERGE_BY_JUDGES));
    assert_int_equal(merge_parse("debate:3", &m, &rounds, &err), 0);
    assert_int_equal(rounds, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(merge_parse(bad[i], &m, &rounds, &err), -1);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(
            strstr(err.text, ": must be auto, synth, vote, best, debate[:1-9], blend or none"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_goes_round_in_circles_cannot_win),
        cmocka_unit_test(a_vote_reads_less_than_was_written),
        cmocka_unit_test(a_pass_need_not_read_its_own_answer),
        cmocka_unit_test(a_vote_tells_how_far_it_is_and_can_be_stopped),
        cmocka_unit_test(methods_have_names),
    };
    return cmocka_run_group_tests(tests, cast_setup, cast_teardown);
}
