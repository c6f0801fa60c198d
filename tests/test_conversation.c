/* test_conversation.c - a whole conversation through conversation.h alone: asked, given anew, joined, picked,
 * taken back, kept, resumed and forked. The Makefile links it without a line of repl/.
 *
 * Turns with retries, merges, picks, an undone one, one for a single persona and changes of settings
 * are kept record by record, read back and resumed: every field is equal, and the
 * next question gets the same answers, byte for byte, in both.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "story_support.h"

/* ---- comparing --------------------------------------------------------------------------------- */

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void same_numbers(const double *a, const double *b, size_t n)
{
    assert_int_equal(a == NULL, b == NULL);
    for (size_t i = 0; a && i < n; i++)
        assert_true(a[i] == b[i] || (a[i] != a[i] && b[i] != b[i]));
}

/* In JSON: bytes that are no character have become U+FFFD on the way, as they do in what is
 * remembered. */
static void same_words(turn_text a, turn_text b)
{
    buf x = {0}, y = {0};
    assert_int_equal(json_quote(&x, a.v, a.len, NULL) || json_quote(&y, b.v, b.len, NULL), 0);
    assert_string_equal(x.v, y.v);
    buf_release(&x);
    buf_release(&y);
}

static void same_merge(const turn_merge *a, const turn_merge *b)
{
    const turn_merge *x = a, *y = b;
    size_t n = (size_t)x->passes;
    assert_string_equal(x->method, y->method);
    assert_int_equal(x->winner, y->winner);
    assert_int_equal(x->passes, y->passes);
    assert_int_equal(x->tie, y->tie);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->answers, b->answers);
    same_text(x->by, y->by);
    same_text(x->note, y->note);
    same_text(a->failure, b->failure);
    same_words(x->text, y->text);
    assert_int_equal(x->ids.len, y->ids.len);
    same_numbers(x->scores, y->scores, n * n);
    same_numbers(x->shares, y->shares, n);
    same_numbers(x->divergence, y->divergence, x->ids.len);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(a->of[i], b->of[i]);
        assert_int_equal(x->revised == NULL, y->revised == NULL);
        if (x->revised)
            same_words(x->revised[i], y->revised[i]);
    }
}

static void same_answer(const turn_answer *x, const turn_answer *y)
{
    assert_string_equal(x->name, y->name);
    same_words(x->text, y->text);
    same_words(x->thought, y->thought);
    assert_int_equal(x->ids.len, y->ids.len);
    assert_memory_equal(x->ids.v, y->ids.v, x->ids.len * sizeof(int));
    assert_int_equal(x->prompt_tokens, y->prompt_tokens);
    assert_int_equal(x->stop, y->stop);
    assert_true(x->seed == y->seed);
    assert_string_equal(x->acts_by, y->acts_by);
    assert_true(x->program == y->program && x->prompt_hash == y->prompt_hash && x->prompt_hash);
    assert_true(x->seconds == y->seconds && x->banned_mass == y->banned_mass);
    assert_int_equal(x->allowed.v[1], y->allowed.v[1]);
    assert_int_equal(x->used.v[0], y->used.v[0]);
}

static void same_turn(const struct turn *a, const struct turn *b)
{
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->parent, b->parent);
    assert_int_equal(a->prompt.len, b->prompt.len);
    assert_string_equal(a->prompt.v, b->prompt.v);
    assert_int_equal(a->context, b->context);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->shared, b->shared);
    assert_int_equal(a->undone, b->undone);
    assert_true(a->timings.decode == b->timings.decode);
    same_text(a->only, b->only);
    same_text(a->picked, b->picked);
    assert_int_equal(a->answer_count, b->answer_count);
    assert_int_equal(a->merge_count, b->merge_count);
    for (int i = 0; i < a->answer_count; i++)
        same_answer(&a->answers[i], &b->answers[i]);
    for (int i = 0; i < a->merge_count; i++)
        same_merge(&a->merges[i], &b->merges[i]);
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void a_conversation_comes_back_the_same(void **state)
{
    story s;
    error err = {0};
    story_begin(&s, *state, "talk");
    story_tell(&s);
    dialogue_options o = *dialogue_settings(s.d);
    conversation *c = conversation_resume(s.place, "talk", false, &err);
    assert_non_null(c);
    assert_int_equal(conversation_load(c, s.k->e, &o, &s.seats, NULL, NULL, &err), 0);
    dialogue *again = conversation_dialogue(c);
    assert_int_equal(dialogue_turns(again), dialogue_turns(s.d));
    for (int i = 0; i < dialogue_turns(again); i++)
        same_turn(dialogue_at(s.d, i), dialogue_at(again, i));
    const struct turn *a = table_ask(s.d, "And now?", NULL);
    const struct turn *b = table_ask(again, "And now?", NULL);
    assert_int_equal(a->number, b->number);
    for (int i = 0; i < a->answer_count; i++)
        table_equal(&a->answers[i], &b->answers[i]);
    conversation_close(c);
    story_finish(&s);
}

/* The state of a turn at any record before the end. */
static void a_turn_comes_back_as_it_was(void **state)
{
    story s;
    error err = {0};
    struct turn t;
    story_begin(&s, *state, "talk");
    story_tell(&s);
    history *h = story_read_back(&s);
    const struct turn *second = &h->turns[1];
    assert_int_equal(second->answer_count, 7);
    assert_int_equal(turn_before(second, second->answers[3].n, &t, &err), 0);
    assert_int_equal(t.answer_count, 3);
    assert_int_equal(t.merge_count, 0);
    turn_release(&t);
    const struct turn *third = &h->turns[2];
    assert_int_equal(turn_before(third, third->undone_n, &t, &err), 0);
    assert_false(t.undone);
    turn_release(&t);
    assert_int_equal(turn_before(third, INT_MAX, &t, &err), 0);
    assert_true(t.undone);
    turn_release(&t);
    assert_int_equal(turn_before(&h->turns[0], h->turns[0].picks[0].n, &t, &err), 0);
    assert_null(t.picked);
    turn_release(&t);
    history_close(h);
    story_finish(&s);
}

static void settings_are_kept_when_they_change(void **state)
{
    story s;
    error err = {0};
    record_setting set;
    story_begin(&s, *state, NULL);
    s.seats.experts = &s.experts;
    s.seats.expert_count = 1;
    named_value soft = {"cleo", 2};
    static const char *const bare[] = {"bob"};
    s.seats.mask_penalties = &soft;
    s.seats.unmasked = bare;
    s.seats.mask_penalty_count = s.seats.unmasked_count = 1;
    s.seats.system = "Be brief.";
    assert_int_equal(conversation_seat(s.c, &s.seats, NULL, NULL, &err), 0);
    story_tell(&s);
    history *h = story_read_back(&s);
    assert_int_equal(h->setting_count, 3);
    assert_int_equal(record_setting_read(history_setting(h, h->setting_count), &set, &err), 0);
    assert_string_equal(set.fingerprint, engine_fingerprint(s.k->e, &err));
    assert_string_equal(set.isa, backend_isa(engine_backend(s.k->e)));
    assert_null(set.day);
    assert_int_equal(set.dialogue.council.max_tokens, 9);
    assert_int_equal(set.dialogue.council.prefill, PREFILL_SHARED);
    assert_int_equal(set.dialogue.council.kv, DTYPE_F32);
    assert_int_equal(set.dialogue.council.context, TABLE_CONTEXT);
    assert_int_equal(set.dialogue.seed, 7);
    assert_int_equal(set.roster.persona_count, 3);
    assert_string_equal(set.roster.personas[2], "cleo");
    assert_int_equal(set.roster.given, s.seats.given);
    assert_true(set.roster.sampling.temperature == 1);
    assert_int_equal(set.roster.mask_count, 1);
    assert_string_equal(set.roster.masks[0].name, "cleo");
    assert_string_equal(set.roster.masks[0].path, s.k->mask);
    assert_int_equal(strlen(set.masks[0].hash), 64);
    assert_int_equal(set.roster.expert_count, 1);
    assert_true(set.roster.experts[0].value == 3);
    assert_int_equal(set.roster.mask_penalty_count, 1);
    assert_true(set.roster.mask_penalties[0].value == 2);
    assert_int_equal(set.roster.unmasked_count, 1);
    assert_string_equal(set.roster.unmasked[0], "bob");
    assert_string_equal(set.roster.system, "Be brief.");
    assert_int_equal(set.seat_count, 3);
    assert_string_equal(set.seats[0].instruction, "Be brief.\n\nYou are Ann.");
    assert_string_equal(set.seats[2].instruction, "Be brief.");
    assert_int_equal(strlen(set.seats[2].program), 16);
    record_setting_release(&set);
    history_close(h);
    story_finish(&s);
}

/* What a file may say instead of a setting is refused, not believed. */
static void broken_settings_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"model\":{\"path\":\"m\",\"fingerprint\":\"f\"},\"isa\":\"avx2\"}",
        "{\"model\":{\"path\":\"m\",\"fingerprint\":\"f\"},\"isa\":\"avx2\",\"kv\":\"f16\","
        "\"prefill\":\"own\",\"context\":9,\"max_tokens\":4,\"stops\":[1]}",
        "{\"model\":{\"path\":\"m\",\"fingerprint\":\"f\"},\"isa\":\"avx2\",\"kv\":\"f16\","
        "\"prefill\":\"own\",\"context\":9,\"max_tokens\":4,\"stops\":[],\"personas\":[\"a\"],"
        "\"control\":\"off\",\"sampling\":{\"temperature\":-1,\"given\":[]}}",
        "{\"model\":{\"path\":\"m\",\"fingerprint\":\"f\"},\"isa\":\"avx2\",\"kv\":\"f16\","
        "\"prefill\":\"own\",\"context\":9,\"max_tokens\":4,\"stops\":[],\"personas\":[\"a\"],"
        "\"control\":\"off\",\"sampling\":{\"given\":[]},\"masks\":[{\"name\":1}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        error err = {0};
        record_setting set;
        json_document *d = json_parse("it", texts[i], strlen(texts[i]), &err);
        assert_non_null(d);
        assert_int_equal(record_setting_read(json_root(d), &set, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        record_setting_release(&set);
        json_close(d);
    }
}

static void an_empty_conversation_leaves_no_file(void **state)
{
    story s;
    transcript_list l;
    char name[CONVERSATION_NAME];
    story_begin(&s, *state, NULL);
    conversation_note(s.c, "blind", "on");
    conversation_short_name(s.c, name);
    assert_string_equal(name, "");
    assert_int_equal(transcript_list_all(s.place, &l, &s.err), 0);
    assert_int_equal(l.len, 0);
    story_ask(&s, "Hello?", NULL);
    conversation_short_name(s.c, name);
    assert_int_equal(strlen(name), 4);
    assert_memory_equal(name, conversation_id(s.c), 4);
    conversation_note(s.c, "blind", "off");
    story_ask(&s, "Again?", NULL);
    history *h = story_read_back(&s);
    assert_true(h->turns[0].blind && !h->turns[1].blind);
    history_close(h);
    story_finish(&s);
}

static void a_session_is_continued(void **state)
{
    story s;
    story_begin(&s, *state, "project-x");
    char name[CONVERSATION_NAME];
    story_ask(&s, "One.", NULL);
    story_ask(&s, "Two.", NULL);
    story_undo(&s);
    conversation_short_name(s.c, name);
    assert_string_equal(name, "project-x");
    assert_null(conversation_resume(s.place, "proj", true, &s.err)); /* still being written */
    assert_int_equal(s.err.code, ERROR_RUN);
    conversation_close(s.c);
    s.c = NULL;
    story_take(&s, conversation_resume(s.place, "proj", true, &s.err));
    story_ask(&s, "Three.", NULL);
    history *h = story_read_back(&s);
    assert_int_equal(h->turn_count, 3);
    assert_int_equal(h->turns[2].number, 3);
    assert_int_equal(h->turns[2].parent, 1);
    history_close(h);
    assert_null(conversation_resume(s.place, "nothing", true, &s.err));
    assert_int_equal(s.err.code, ERROR_USAGE);
    story_finish(&s);
}

/* A fork has the records as they are, settings of their time included, and goes its own way. */
static void a_fork_has_the_same_past(void **state)
{
    story s;
    story_begin(&s, *state, "talk");
    story_tell(&s);
    history *before = story_read_back(&s);
    assert_int_equal(conversation_fork(s.c, &s.err), 0);
    assert_string_not_equal(conversation_id(s.c), before->id);
    history *h = story_read_back(&s);
    assert_int_equal(h->records, before->records + 1); /* and where they come from */
    assert_int_equal(h->copied, h->records);
    assert_int_equal(before->copied, 0);
    assert_int_equal(h->turn_count, before->turn_count);
    assert_string_equal(h->model.fingerprint, before->model.fingerprint);
    for (int i = 0; i < h->turn_count; i++) {
        assert_int_equal(h->turns[i].n, before->turns[i].n);
        assert_int_equal(h->turns[i].answer_count, before->turns[i].answer_count);
    }
    assert_int_equal(h->setting_count, 3);
    history_close(h);
    story_ask(&s, "Only here.", NULL);
    h = story_read_back(&s);
    assert_int_equal(h->turn_count, before->turn_count + 1);
    assert_int_equal(h->turns[h->turn_count - 1].parent, 5);
    assert_int_equal(h->setting_count, 3);
    history_close(h);
    history_close(before);
    story_finish(&s);
}

/* No place for the file in the first two turns: they wait, and the third brings them along. */
static void what_could_not_be_saved_is_saved_later(void **state)
{
    story s;
    merge_options o = {.method = MERGE_VOTE};
    story_begin(&s, *state, NULL);
    char *below = transcripts_path(s.place, "below");
    transcripts_write(below, "in the way", 10);
    story_take(&s, conversation_new(below, "late", &s.err));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(conversation_ask(s.c, "Lost?", 5, NULL, false, NULL, &s.err), 0);
        assert_int_equal(conversation_unsaved(s.c)->code, ERROR_RUN);
        assert_int_equal(conversation_merge(s.c, &o, NULL, 0, NULL, NULL, &s.err), 0);
        assert_int_equal(conversation_unsaved(s.c)->code, ERROR_RUN);
    }
    assert_int_equal(unlink(below), 0);
    story_ask(&s, "Kept.", NULL);
    char *path = transcripts_path(below, "late.jsonl");
    history *h = history_load(path, &s.err);
    assert_non_null(h);
    assert_int_equal(h->turn_count, 3);
    assert_string_equal(h->turns[0].prompt.v, "Lost?");
    assert_int_equal(h->turns[1].merge_count, 1);
    assert_int_equal(h->turns[2].parent, 2);
    history_close(h);
    assert_int_equal(unlink(path), 0);
    conversation_close(s.c);
    s.c = NULL;
    assert_int_equal(rmdir(below), 0);
    free(path);
    free(below);
    story_finish(&s);
}

/* The letters of the records' types, in order: what the file says happened. */
static void assert_records(const story *s, const char *folder, const char *id, const char *wanted)
{
    char name[80], letters[200] = "";
    size_t n, count = 0;
    (void)snprintf(name, sizeof name, "%s.jsonl", id ? id : conversation_id(s->c));
    char *path = transcripts_path(folder, name), *bytes = transcripts_read(path, &n);
    for (const char *at = bytes; (at = strstr(at, "\n{\"type\":\"")) && count < 199;)
        letters[count++] = *(at += strlen("\n{\"type\":\""));
    assert_string_equal(letters, wanted);
    free(bytes);
    free(path);
}

static void each_step_is_a_record(void **state)
{
    story s;
    story_begin(&s, *state, "talk");
    story_tell(&s);
    assert_records(&s, s.place, NULL,
                   "spaaampp"
                   "aaaaaaam"
                   "paaau"
                   "spa"
                   "spaaamp");
    story_finish(&s);
}

/* The new question is on the disk with the undoing of the old one; a question that is refused takes
 * nothing's place. */
static void a_question_takes_the_place_of_the_last(void **state)
{
    story s;
    story_begin(&s, *state, "edited");
    story_ask(&s, "One.", NULL);
    story_ask(&s, "Two, with a fault.", NULL);
    assert_int_equal(conversation_ask(s.c, "Two.", 4, "zoe", true, NULL, &s.err), -1);
    assert_false(dialogue_last(s.d)->undone);
    assert_int_equal(dialogue_last(s.d)->number, 2);
    assert_int_equal(conversation_ask(s.c, "Two.", 4, NULL, true, NULL, &s.err), 0);
    assert_int_equal(dialogue_last(s.d)->parent, 1);
    assert_true(dialogue_at(s.d, 1)->undone);
    assert_records(&s, s.place, NULL, "spaaapaaaupaaa");
    history *h = story_read_back(&s);
    assert_true(h->turns[1].undone && h->turns[2].parent == 1 && !h->turns[2].undone);
    history_close(h);
    story_finish(&s);
}

/* Kept nowhere, it may be copied; given a model again, its turns move there. */
static void nothing_need_be_kept(void **state)
{
    story s;
    story_begin(&s, *state, NULL);
    story_take(&s, conversation_new(NULL, NULL, &s.err));
    story_ask(&s, "One.", NULL);
    story_pick(&s, "bob");
    story_ask(&s, "Two.", NULL);
    story_undo(&s);
    story_retry(&s, "ann", 5);
    assert_false(conversation_keeps(s.c));
    assert_null(conversation_id(s.c));
    assert_int_equal(conversation_title(s.c, "x", &s.err), -1);
    dialogue_options o = table_options();
    assert_int_equal(conversation_load(s.c, s.k->e, &o, &s.seats, NULL, NULL, &s.err), 0);
    s.d = conversation_dialogue(s.c);
    assert_int_equal(dialogue_turns(s.d), 2);
    assert_int_equal(dialogue_last(s.d)->answer_count, TABLE_SEATS + 1);
    assert_int_equal(conversation_copy(s.c, s.place, "copy", &s.err), 0);
    assert_records(&s, s.place, "copy", "spaaaap");
    story_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_comes_back_the_same),
        cmocka_unit_test(a_turn_comes_back_as_it_was),
        cmocka_unit_test(settings_are_kept_when_they_change),
        cmocka_unit_test(broken_settings_are_refused),
        cmocka_unit_test(an_empty_conversation_leaves_no_file),
        cmocka_unit_test(a_session_is_continued),
        cmocka_unit_test(a_fork_has_the_same_past),
        cmocka_unit_test(what_could_not_be_saved_is_saved_later),
        cmocka_unit_test(each_step_is_a_record),
        cmocka_unit_test(a_question_takes_the_place_of_the_last),
        cmocka_unit_test(nothing_need_be_kept),
    };
    return cmocka_run_group_tests(tests, table_setup, table_teardown);
}
