/* test_replay.c - a conversation answered again is the same, and a change is found where it is.
 *
 * Every version of every answer of a conversation with retries, merges, an undone turn and three
 * settings, at two numbers of threads; then one token, one seed, one word and one mask are changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/conversation/replay.h"
#include "story_support.h"

typedef struct seen {
    const table *k;
    int threads;
    int answers, equal, sentences;
    const turn_answer *first; /* that was not equal */
    size_t at;
    bool read_alike;
} seen;

static int see(void *user, const replay_answer *a, error *err)
{
    seen *s = user;
    (void)err;
    s->answers++;
    s->equal += a->equal;
    if (!a->equal && !s->first) {
        s->first = a->was;
        s->at = a->alike;
        s->read_alike = a->read_alike;
    }
    return 0;
}

static void hear(void *user, const char *sentence)
{
    seen *s = user;
    assert_true(strlen(sentence) > 10);
    s->sentences++;
}

static engine *open_it(void *user, const record_setting *set, error *err)
{
    const seen *s = user;
    engine_options o = {.path = set->model,
                        .backend = {.threads = s->threads},
                        .max_rows = 32,
                        .cancel = &s->k->cancel};
    return engine_open(&o, err);
}

static seen replay_it(const table *k, const history *h, int threads, replay_result *result)
{
    error err = {0};
    seen s = {.k = k, .threads = threads};
    replay_options o = {.user = &s, .open = open_it, .each = see, .note = hear};
    if (replay_run(h, &o, result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result->answers, s.answers);
    assert_int_equal(result->equal, s.equal);
    return s;
}

static void a_replay_is_equal(void **state)
{
    story s;
    replay_result result;
    story_begin(&s, *state, "again");
    story_tell(&s);
    history *h = story_read_back(&s);
    for (int threads = 1; threads <= 3; threads += 2) {
        seen all = replay_it(*state, h, threads, &result);
        assert_int_equal(all.answers, 3 + 7 + 3 + 1 + 3);
        assert_int_equal(all.equal, all.answers);
        assert_int_equal(all.sentences, 0);
        assert_false(result.other);
        assert_int_equal(result.lost, 0);
    }
    history_close(h);
    story_finish(&s);
}

/* Each kind of change is found where it is, and makes no later answer differ. */
static void a_change_is_found(void **state)
{
    story s;
    replay_result result;
    story_begin(&s, *state, "changed");
    story_tell(&s);
    history *h = story_read_back(&s);
    turn_answer *victim = &h->turns[1].answers[3];
    ((int *)(uintptr_t)victim->ids.v)[2] ^= 1;
    seen all = replay_it(*state, h, 1, &result);
    assert_ptr_equal(all.first, victim);
    assert_int_equal(all.at, 2);
    assert_true(all.read_alike);
    assert_int_equal(all.equal, all.answers - 1);
    ((int *)(uintptr_t)victim->ids.v)[2] ^= 1;
    victim->seed++;
    assert_ptr_equal(replay_it(*state, h, 1, &result).first, victim);
    victim->seed--;
    h->turns[0].prompt.v = "Another question.";
    all = replay_it(*state, h, 1, &result);
    assert_ptr_equal(all.first, &h->turns[0].answers[0]);
    assert_false(all.read_alike);
    history_close(h);
    story_finish(&s);
}

static void another_mask_is_told(void **state)
{
    story s;
    replay_result result;
    const table *k = *state;
    size_t n;
    story_begin(&s, k, "masks");
    story_ask(&s, "Hello?", NULL);
    history *h = story_read_back(&s);
    char *before = transcripts_read(k->mask, &n);
    static const char other[] = "{\"mask\":1,\"model\":null,\"mode\":\"keep\","
                                "\"layers\":{\"0\":\"4-7\"}}";
    transcripts_write(k->mask, other, sizeof other - 1);
    seen all = replay_it(k, h, 1, &result);
    transcripts_write(k->mask, before, n);
    assert_true(result.other);
    assert_int_equal(all.sentences, 2); /* the file, and whom it concerns */
    assert_int_equal(all.equal, 2);
    assert_string_equal(all.first->name, "cleo");
    free(before);
    history_close(h);
    story_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_is_equal),
        cmocka_unit_test(a_change_is_found),
        cmocka_unit_test(another_mask_is_told),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
