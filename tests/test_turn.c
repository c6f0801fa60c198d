/* test_turn.c - a turn's parts as JSON: which fields stand in which document, and that what is written as
 * a record is read back the same; a region's lists; what is current.
 */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../transcripts/turn_json.h"

static const int IDS[] = {5, 6, 7}, ALLOWED[] = {8, 0}, USED[] = {3, 0};
static const double SCORES[] = {NAN, -1.5, -2, NAN}, SHARES[] = {0.25, 0.75};
static const double APART[] = {0.5, 0, 0.25};
static const char *const OF[] = {"coder", "critic"};
static const turn_text REVISED[] = {{"a\0b", 3}, {"", 0}};

static const turn_answer ANSWER = {.name = "coder",
                                   .acts_by = "mask",
                                   .color = "green",
                                   .text = {"a\0b", 3},
                                   .thought = {"hm", 2},
                                   .ids = {IDS, 3},
                                   .continued = 2,
                                   .prompt_tokens = 9,
                                   .prompt_hash = 0xfeedfacecafebeef,
                                   .stop = STOP_ERROR,
                                   .failure = "it broke",
                                   .seed = (uint64_t)1 << 52,
                                   .program = 255,
                                   .seconds = 0.125,
                                   .tokens_per_second = 24,
                                   .banned_mass = 0.5,
                                   .allowed = {ALLOWED, 2},
                                   .used = {USED, 2},
                                   .asked_experts = 8,
                                   .least_allowed = 4};

static const turn_merge MERGE = {.method = "vote",
                                 .by = "critic",
                                 .note = "nearly a tie",
                                 .text = {"x", 1},
                                 .ids = {IDS, 3},
                                 .of = OF,
                                 .passes = 2,
                                 .winner = 1,
                                 .scores = SCORES,
                                 .shares = SHARES,
                                 .basis = "fit",
                                 .verifier = 255,
                                 .divergence = APART,
                                 .revised = REVISED,
                                 .tie = true,
                                 .stop = STOP_INTERRUPTED,
                                 .seed = 3,
                                 .seconds = 2};

/* The keys of one level, in order. */
static char *keys_of(const json *object, char out[400])
{
    out[0] = '\0';
    for (const json *m = json_first(object); m; m = json_next(m)) {
        strcat(out, json_key(m));
        strcat(out, " ");
    }
    return out;
}

static json_document *document_of(buf *text, json_writer *w)
{
    json_end(w);
    assert_int_equal(json_writer_finish(w), 0);
    json_document *d = json_parse("it", text->v, text->len, NULL);
    assert_non_null(d);
    buf_release(text);
    return d;
}

static json_document *written(turn_form form, const struct turn *t, const turn_answer *a,
                              const turn_merge *m)
{
    buf text = {0};
    json_writer w = {.out = &text};
    json_begin_object(&w, NULL);
    if (t)
        turn_json_prompt(&w, form, t);
    if (a)
        turn_json_answer(&w, form, a);
    if (m)
        turn_json_merge(&w, form, m);
    return document_of(&text, &w);
}

static void assert_keys(json_document *d, const char *wanted)
{
    char keys[400];
    assert_string_equal(keys_of(json_root(d), keys), wanted);
    json_close(d);
}

static void each_document_has_its_fields(void **state)
{
    (void)state;
    turn_answer bare = {.name = "a", .acts_by = "none", .text = {"", 0}};
    turn_merge none = {.method = "blend", .winner = -1},
               failed = {.method = "synth", .failure = "no"};
    struct turn all = {.number = 2, .only = "coder"}, t = {.number = 1};
    turn_answer plain =
        ANSWER; /* JSON readers refuse U+0000, which records alone write otherwise */
    turn_merge vote = MERGE;
    plain.text = (turn_text){"ab", 2};
    vote.revised = (turn_text[]){{"a", 1}, {NULL, 0}};
    assert_keys(
        written(TURN_RECORD, NULL, &ANSWER, NULL),
        "persona acts_by color text exact thought tokens continued prompt_tokens prompt_hash "
        "stop failure seed program seconds tokens_per_second asked_experts least_allowed "
        "routing ");
    assert_keys(written(TURN_RECORD, NULL, &bare, NULL),
                "persona acts_by text tokens prompt_tokens prompt_hash stop seed program seconds "
                "tokens_per_second routing ");
    assert_keys(written(TURN_REPORT, NULL, &plain, NULL),
                "persona text tokens prompt_tokens stop seed seconds tokens_per_second acts_by "
                "routing thought error ");
    assert_keys(written(TURN_EXPORT, NULL, &bare, NULL),
                "persona in_force text tokens prompt_tokens stop seed seconds tokens_per_second "
                "acts_by color program prompt_hash asked_experts least_allowed routing ");
    assert_keys(
        written(TURN_RECORD, NULL, NULL, &MERGE),
        "method of seed by winner note text tokens scores shares basis verifier tie divergence "
        "revised stop seconds ");
    assert_keys(written(TURN_RECORD, NULL, NULL, &failed), "method of seed failure ");
    assert_keys(written(TURN_REPORT, NULL, NULL, &vote),
                "method by text scores shares basis verifier tie revised divergence stop note ");
    assert_keys(written(TURN_REPORT, NULL, NULL, &none), "method by text scores ");
    assert_keys(written(TURN_EXPORT, NULL, NULL, &none),
                "method by winner text tokens of scores seed seconds ");
    assert_keys(written(TURN_RECORD, &all, NULL, NULL),
                "text context from shared only seed timings ");
    assert_keys(written(TURN_EXPORT, &t, NULL, NULL),
                "turn parent time prompt context only from prefill blind undone picked picks seed "
                "timings ");
}

static void assert_text(turn_text a, turn_text b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.v, b.v, b.len);
}

static void assert_ids(turn_ids a, turn_ids b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.v, b.v, b.len * sizeof(int));
}

static void a_record_is_read_back(void **state)
{
    (void)state;
    region memory = {0};
    json_document *d = written(TURN_RECORD, NULL, &ANSWER, NULL);
    turn_reader r = {.record = json_root(d), .memory = &memory};
    turn_answer a = {0};
    turn_read_answer(&r, &a);
    assert_false(r.odd || r.failed);
    assert_string_equal(a.name, ANSWER.name);
    assert_string_equal(a.failure, ANSWER.failure);
    assert_text(a.text, ANSWER.text);
    assert_text(a.thought, ANSWER.thought);
    assert_ids(a.ids, ANSWER.ids);
    assert_ids(a.allowed, ANSWER.allowed);
    assert_ids(a.used, ANSWER.used);
    assert_true(a.prompt_hash == ANSWER.prompt_hash && a.program == 255 && a.seed == ANSWER.seed);
    assert_true(a.stop == STOP_ERROR && a.continued == 2 && a.prompt_tokens == 9);
    assert_true(a.seconds == 0.125 && a.tokens_per_second == 24 && a.banned_mass == 0.5);
    assert_true(a.asked_experts == 8 && a.least_allowed == 4);
    json_close(d);
    d = written(TURN_RECORD, NULL, NULL, &MERGE);
    r = (turn_reader){.record = json_root(d), .memory = &memory};
    turn_merge m = {0};
    turn_read_merge(&r, &m);
    assert_false(r.odd || r.failed);
    assert_string_equal(m.method, "vote");
    assert_string_equal(m.of[1], "critic");
    assert_true(m.winner == 1 && m.tie && m.stop == STOP_INTERRUPTED && m.seed == 3);
    assert_true(isnan(m.scores[0]) && m.scores[1] == -1.5 && m.shares[1] == 0.75);
    assert_true(m.divergence[2] == 0.25 && m.verifier == 255);
    assert_string_equal(m.basis, "fit");
    assert_text(m.revised[0], REVISED[0]);
    json_close(d);
    region_release(&memory);
}

/* A word that is none, a hash that is none: as if they were absent, and noted. */
static void what_cannot_be_is_odd(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"stop\":\"whenever\"}",
                                        "{\"program\":\"xyz\"}",
                                        "{\"prompt_hash\":7}",
                                        "{\"tokens\":[1,-1]}",
                                        "{\"routing\":{\"used\":[70000]}}",
                                        "{\"seed\":-1}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        region memory = {0};
        json_document *d = json_parse("it", texts[i], strlen(texts[i]), NULL);
        turn_reader r = {.record = json_root(d), .memory = &memory};
        turn_answer a = {.name = ""};
        turn_read_answer(&r, &a);
        assert_true(r.odd && !r.failed);
        assert_true(a.stop == STOP_END && !a.program && !a.prompt_hash && !a.ids.len);
        json_close(d);
        region_release(&memory);
    }
}

/* Versions, a merge that they make old, a pick that is taken off, and the turn as it was. */
static void what_is_current(void **state)
{
    (void)state;
    struct turn t = {.number = 1, .from = 1, .prompt = {"q", 1}}, before;
    turn_answer a = {.n = 2, .name = "coder", .text = {"one", 3}}, b = a;
    turn_merge m = {.n = 4, .method = "vote", .answers = 1, .winner = 0, .of = OF, .passes = 1};
    assert_int_equal(turn_add_answers(&t, &a, 1, NULL), 0);
    assert_int_equal(turn_add_merge(&t, &m, NULL), 0);
    t.picked = "coder";
    assert_non_null(turn_merged(&t));
    b.n = 5;
    b.text = (turn_text){"two", 3};
    assert_int_equal(turn_add_answers(&t, &b, 1, NULL), 0);
    assert_null(turn_merged(&t));
    assert_null(t.picked);
    assert_string_equal(turn_answer_of(&t, "coder")->text.v, "two");
    assert_true(!turn_is_current(&t, &t.answers[0]) && turn_is_current(&t, &t.answers[1]));
    assert_int_equal(turn_link(&t, NULL), 0);
    assert_true(t.answers[0].next == 1 && t.answers[1].earlier == 1 && t.answers[0].last == 1);
    assert_int_equal(turn_before(&t, 5, &before, NULL), 0);
    assert_int_equal(before.answer_count, 1);
    assert_non_null(turn_merged(&before));
    turn_release(&before);
    turn_release(&t);
}

static void lists_grow_in_a_region(void **state)
{
    (void)state;
    region r = {0}, other = {0};
    int *list = NULL, count = 0;
    for (int i = 0; i < 1000; i++) {
        int *new = region_add(i % 2 ? &r : &other, &list, &count, 1 + i % 3, sizeof *list, NULL);
        assert_non_null(new);
        for (int k = 0; k < 1 + i % 3; k++) {
            assert_int_equal(new[k], 0);
            new[k] = i;
        }
    }
    region_join(&r, &other);
    for (int i = 0, at = 0; i < 1000; i++)
        for (int k = 0; k < 1 + i % 3; k++)
            assert_int_equal(list[at++], i);
    region_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_document_has_its_fields), cmocka_unit_test(a_record_is_read_back),
        cmocka_unit_test(what_cannot_be_is_odd),        cmocka_unit_test(what_is_current),
        cmocka_unit_test(lists_grow_in_a_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
