/* test_history.c - records become turns; what is broken is counted, what is missing is empty. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../transcripts/records.h"
#include "transcript_support.h"

static const char HEADER[] =
    "{\"transcript\":1,\"id\":\"s\",\"created\":\"2026-11-22T11:31:24Z\",\"version\":\"0.1.0\","
    "\"model\":{\"path\":\"m.gguf\",\"architecture\":\"qwen3moe\",\"fingerprint\":\"ab\","
    "\"layers\":2,\"experts\":8,\"experts_per_token\":2},\"isa\":\"avx2\"}\n";

static const char SESSION[] =
    "{\"type\":\"setting\",\"n\":1,\"turn\":1,\"parent\":0,\"seats\":[],\"kv\":\"f16\"}\n"
    "{\"type\":\"prompt\",\"n\":2,\"turn\":1,\"parent\":0,\"time\":1.5,\"text\":\"a\\ufffdb\","
    "\"exact\":\"YQBi\",\"context\":\"own\",\"from\":1,\"shared\":true,\"seed\":9007199254740991,"
    "\"timings\":{\"prefill\":0.5,\"decode\":1.5,\"union_experts_per_step\":3.5}}\n"
    "{\"type\":\"answer\",\"n\":3,\"turn\":1,\"parent\":2,\"persona\":\"coder\",\"acts_by\":"
    "\"mask\","
    "\"text\":\"one\",\"thought\":\"hm\",\"tokens\":[5,6,7],\"prompt_tokens\":9,\"stop\":"
    "\"length\","
    "\"seed\":7,\"program\":\"00000000000000ff\",\"seconds\":0.25,\"tokens_per_second\":12,"
    "\"asked_experts\":8,\"least_allowed\":4,"
    "\"routing\":{\"allowed\":[8,4],\"used\":[3,2],\"banned_mass\":0.125}}\n"
    "{\"type\":\"answer\",\"n\":4,\"turn\":1,\"parent\":2,\"persona\":\"critic\",\"text\":\"two\","
    "\"stop\":\"error\",\"failure\":\"it broke\"}\n"
    "{\"type\":\"setting\",\"n\":5,\"turn\":1,\"parent\":0,\"blind\":\"on\"}\n"
    "{\"type\":\"merge\",\"n\":6,\"turn\":1,\"parent\":2,\"method\":\"vote\",\"by\":\"coder\","
    "\"winner\":0,\"text\":\"one\",\"of\":[\"coder\",\"critic\"],\"scores\":[[-1,null],[-2,-3.5]],"
    "\"shares\":[0.75,0.25],\"tie\":true,\"revised\":[{\"text\":\"r1\"},{\"text\":\"r2\"}]}\n"
    "{\"type\":\"pick\",\"n\":7,\"turn\":1,\"parent\":2,\"name\":\"critic\"}\n"
    "{\"type\":\"pick\",\"n\":8,\"turn\":1,\"parent\":2,\"name\":\"merge\"}\n"
    "{\"type\":\"prompt\",\"n\":9,\"turn\":2,\"parent\":2,\"text\":\"next\",\"only\":\"coder\"}\n"
    "{\"type\":\"answer\",\"n\":10,\"turn\":2,\"parent\":9,\"persona\":\"coder\",\"text\":\"x\"}\n"
    "{\"type\":\"undo\",\"n\":11,\"turn\":2,\"parent\":9}\n"
    "{\"type\":\"setting\",\"n\":12,\"turn\":3,\"parent\":0,\"seats\":[1],\"blind\":\"off\"}\n"
    "{\"type\":\"prompt\",\"n\":13,\"turn\":3,\"parent\":2,\"text\":\"other\",\"context\":"
    "\"merged\"}\n"
    "{\"type\":\"answer\",\"n\":14,\"turn\":3,\"parent\":13,\"persona\":\"coder\",\"text\":\"y\"}\n"
    "{\"type\":\"answer\",\"n\":15,\"turn\":3,\"parent\":13,\"persona\":\"coder\",\"text\":\"z\"}"
    "\n";

/* The history of a file of these two parts, which is removed again. */
static history *load(const char *head, const char *body, error *err)
{
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    buf b = {0};
    assert_int_equal(buf_text(&b, head, NULL) || buf_text(&b, body, NULL), 0);
    transcripts_write(path, b.v, b.len);
    buf_release(&b);
    history *h = history_load(path, err);
    free(path);
    transcripts_remove(place);
    if (!h)
        fail_msg("%s", err->text);
    return h;
}

static void check_first_turn(const struct turn *t)
{
    assert_int_equal(t->number, 1);
    assert_int_equal(t->parent, 0);
    assert_int_equal(t->prompt.len, 3);
    assert_memory_equal(t->prompt.v, "a\0b", 4);
    assert_true(t->shared && !t->blind && !t->undone);
    assert_true(t->time == 1.5 && t->timings.decode == 1.5);
    assert_true(t->timings.union_experts_per_step == 3.5);
    assert_true(t->seed == 9007199254740991u);
    assert_int_equal(t->setting, 1);
    assert_false(t->lost);
    assert_int_equal(t->answer_count, 2);
    assert_int_equal(t->pick_count, 2);
    assert_string_equal(t->picked, "merge");
}

static void check_answers(const struct turn *t)
{
    const turn_answer *a = turn_answer_of(t, "coder");
    assert_non_null(a);
    assert_string_equal(a->text.v, "one");
    assert_string_equal(a->thought.v, "hm");
    assert_string_equal(a->acts_by, "mask");
    assert_int_equal(a->program, 0xff);
    assert_int_equal(a->ids.len, 3);
    assert_int_equal(a->ids.v[2], 7);
    assert_int_equal(a->used.len, 2);
    assert_int_equal(a->allowed.v[1], 4);
    assert_int_equal(a->used.v[0], 3);
    assert_int_equal(a->asked_experts, 8);
    assert_true(a->banned_mass == 0.125 && a->seconds == 0.25);
    a = turn_answer_of(t, "critic");
    assert_string_equal(a->failure, "it broke");
    assert_int_equal(a->stop, STOP_ERROR);
    assert_null(turn_answer_of(t, "nobody"));
}

static void check_merge(const turn_merge *m)
{
    assert_string_equal(m->method, "vote");
    assert_int_equal(m->passes, 2);
    assert_string_equal(m->of[1], "critic");
    assert_int_equal(m->winner, 0);
    assert_true(m->scores[0] == -1 && isnan(m->scores[1]) && m->scores[3] == -3.5);
    assert_true(m->shares[1] == 0.25 && m->tie);
    assert_string_equal(m->revised[1].v, "r2");
    assert_null(m->divergence);
    assert_null(m->failure);
}

static void records_become_turns(void **state)
{
    (void)state;
    error err = {0};
    const struct turn **path;
    size_t count;
    history *h = load(HEADER, SESSION, &err);
    assert_int_equal(h->records, 15);
    assert_int_equal(h->damaged + h->torn, 0);
    assert_int_equal(h->turn_count, 3);
    assert_int_equal(h->last_turn, 3);
    check_first_turn(&h->turns[0]);
    check_answers(&h->turns[0]);
    assert_int_equal(h->turns[0].merge_count, 1);
    check_merge(h->turns[0].merges);
    assert_true(h->turns[1].undone && h->turns[1].undone_n == 11 && h->turns[1].blind);
    assert_string_equal(h->turns[1].only, "coder");
    assert_int_equal(h->turns[2].parent, 1);
    assert_false(h->turns[2].blind);
    assert_string_equal(json_string(json_member(history_setting(h, 1), "kv")), "f16");
    assert_int_equal(h->turns[2].setting, 2);
    assert_int_equal(h->setting_count, 2);
    assert_string_equal(turn_answer_of(&h->turns[2], "coder")->text.v, "z");
    assert_int_equal(history_path(h, &path, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_ptr_equal(path[0], &h->turns[0]);
    assert_ptr_equal(path[1], &h->turns[2]);
    free(path);
    history_close(h);
}

/* Any one line may be lost: the rest stands. */
static void each_line_may_be_lost(void **state)
{
    (void)state;
    size_t lines = 0;
    for (const char *from = SESSION; *from; from = strchr(from, '\n') + 1, lines++) {
        error err = {0};
        char *body = strdup(SESSION);
        char *at = body + (from - SESSION);
        memset(at, '#', (size_t)(strchr(at, '\n') - at));
        history *h = load(HEADER, body, &err);
        assert_int_equal(h->records, 14);
        assert_int_equal(h->damaged, 1);
        assert_int_equal(h->first_damaged, lines + 2);
        const struct turn **path;
        size_t count;
        assert_int_equal(history_path(h, &path, &count, &err), 0);
        assert_true(count >= 1);
        assert_string_equal(path[count - 1]->answers[0].name, "coder");
        assert_int_equal(path[0]->parent, 0);
        free(path);
        history_close(h);
        free(body);
    }
    assert_int_equal(lines, 15);
}

static void a_lost_prompt_shows_its_answers(void **state)
{
    (void)state;
    error err = {0};
    history *h = load(HEADER,
                      "{\"type\":\"answer\",\"n\":3,\"turn\":1,\"parent\":2,\"persona\":\"a\"}\n"
                      "{\"type\":\"answer\",\"n\":4,\"turn\":1,\"parent\":2,\"persona\":\"b\"}\n",
                      &err);
    assert_int_equal(h->turn_count, 1);
    assert_int_equal(h->turns[0].answer_count, 2);
    assert_int_equal(h->turns[0].prompt.len, 0);
    assert_true(h->turns[0].lost);
    history_close(h);
}

/* Fields of a wrong type, records of a later version, blank lines, '\r', an unfinished end. */
static void strange_records_are_borne(void **state)
{
    (void)state;
    static const char body[] =
        "{\"type\":\"hologram\",\"n\":1}\r\n\n  \r\n"
        "{\"type\":\"prompt\",\"n\":2,\"turn\":-4,\"parent\":[],\"text\":7,\"seed\":-1,\"time\":"
        "\"x\","
        "\"context\":null,\"from\":1e99,\"exact\":\"!!\"}\n"
        "{\"type\":\"answer\",\"n\":3,\"turn\":1,\"parent\":2,\"persona\":{},\"text\":[],"
        "\"tokens\":[1,\"2\"],\"routing\":7,\"seed\":1e300,\"stop\":3}\n"
        "{\"type\":\"merge\",\"n\":4,\"turn\":1,\"parent\":2,\"of\":[1,\"b\"],\"scores\":[[1,2],[3]"
        "],"
        "\"shares\":[1],\"winner\":9,\"divergence\":[1],\"revised\":[]}\n"
        "{\"type\":\"pick\",\"n\":5,\"parent\":2,\"name\":4}\n"
        "{\"type\":\"undo\",\"n\":6,\"parent\":77}\n"
        "{\"type\":\"answer\",\"n\":0}\n"
        "{\"type\":5,\"n\":7}\n"
        "{\"type\":\"prompt\",\"n\":8,\"turn\":2,\"te";
    error err = {0};
    history *h = load(HEADER, body, &err);
    assert_int_equal(h->records, 6);
    assert_int_equal(h->damaged, 4 + 2); /* records with fields that cannot be; no records */
    assert_int_equal(h->first_damaged, 5);
    assert_int_equal(h->torn, strlen("{\"type\":\"prompt\",\"n\":8,\"turn\":2,\"te"));
    assert_int_equal(h->turn_count, 1);
    const struct turn *t = &h->turns[0];
    assert_int_equal(t->number, 1);
    assert_string_equal(t->prompt.v, "");
    assert_int_equal(t->context, CONTEXT_OWN);
    assert_int_equal(t->from, 1);
    assert_null(t->answers[0].ids.v);
    assert_int_equal(t->answers[0].ids.len, 0);
    assert_string_equal(t->answers[0].name, "");
    assert_null(t->merges[0].scores);
    assert_null(t->merges[0].shares);
    assert_null(t->merges[0].revised);
    assert_int_equal(t->merges[0].winner, -1);
    assert_null(t->picked);
    history_close(h);
}

static void a_whole_record_needs_no_newline(void **state)
{
    (void)state;
    error err = {0};
    history *h =
        load(HEADER, "{\"type\":\"prompt\",\"n\":1,\"turn\":1,\"parent\":0,\"text\":\"q\"}", &err);
    assert_int_equal(h->turn_count, 1);
    assert_int_equal(h->torn, 0);
    history_close(h);
}

/* Bytes of every length and value go through a record and come back. */
static void texts_come_back_byte_for_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        error err = {0};
        char text[300], *back;
        size_t len;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(i * 7 % 128); /* holds U+0000 */
        buf b = {0};
        json_writer e = {.out = &b, .err = &err};
        json_begin_object(&e, NULL);
        records_text(&e, "thought", text, n);
        json_end(&e);
        assert_int_equal(json_writer_finish(&e), 0);
        json_document *d = json_parse("it", b.v, b.len, &err);
        assert_non_null(d);
        assert_int_equal(records_read_text(json_root(d), "thought", &back, &len, &err), 1);
        assert_int_equal(len, n);
        assert_memory_equal(back, text, n);
        free(back);
        json_close(d);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_become_turns),
        cmocka_unit_test(each_line_may_be_lost),
        cmocka_unit_test(a_lost_prompt_shows_its_answers),
        cmocka_unit_test(strange_records_are_borne),
        cmocka_unit_test(a_whole_record_needs_no_newline),
        cmocka_unit_test(texts_come_back_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
