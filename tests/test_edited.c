/* test_edited.c - transcripts that somebody edited, and very long ones.
 *
 * Each number of each record takes each value that ranges go wrong at: what is read is in its range or
 * as if it were absent, the line counts as damaged, and nothing else is lost. Then time: a
 * conversation of twice as many turns takes twice as long to read and to export, also when all of it
 * was undone, and so does a turn with twice as many answers.
 */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../personas/conversation/dialogue.h"
#include "../transcripts/export/export.h"
#include "../transcripts/records.h"
#include "transcript_support.h"

static const char HEADER[] = "{\"transcript\":1,\"id\":\"s\"}\n";

static history *load(const buf *lines)
{
    char *place = transcripts_folder(), *path = transcripts_path(place, "s.jsonl");
    error err = {0};
    transcripts_write(path, lines->v, lines->len);
    history *h = history_load(path, &err);
    free(path);
    transcripts_remove(place);
    if (!h)
        fail_msg("%s", err.text);
    return h;
}

/* ---- ranges ------------------------------------------------------------------------------------ */

static const char *const values[] = {"-1",
                                     "-2147483648",
                                     "2147483648",
                                     "4294967297",
                                     "9223372036854775807",
                                     "1e400",
                                     "-1e400",
                                     "0.5",
                                     "1e300",
                                     "\"7\"",
                                     "[]",
                                     "{}",
                                     "true",
                                     "[[1e400]]",
                                     "[null]",
                                     "-0.000001e9",
                                     "123456789012345678901234567890"};

enum { VALUES = sizeof values / sizeof *values };

/* The field that is put instead of '@', with the comma before it. */
typedef struct place {
    const char *type, *field;
} place;

static const place places[] = {{"prompt", "\"turn\":@"},
                               {"prompt", "\"parent\":@"},
                               {"prompt", "\"from\":@"},
                               {"prompt", "\"seed\":@"},
                               {"prompt", "\"time\":@"},
                               {"prompt", "\"timings\":{\"prefill\":@}"},
                               {"prompt", "\"timings\":{\"decode\":@}"},
                               {"prompt", "\"timings\":{\"union_experts_per_step\":@}"},
                               {"prompt", "\"timings\":{\"picks_per_step\":@}"},
                               {"answer", "\"parent\":@"},
                               {"answer", "\"prompt_tokens\":@"},
                               {"answer", "\"seed\":@"},
                               {"answer", "\"seconds\":@"},
                               {"answer", "\"tokens_per_second\":@"},
                               {"answer", "\"asked_experts\":@"},
                               {"answer", "\"least_allowed\":@"},
                               {"answer", "\"tokens\":[1,@]"},
                               {"answer", "\"routing\":{\"allowed\":[1,@]}"},
                               {"answer", "\"routing\":{\"used\":[@,1]}"},
                               {"answer", "\"routing\":{\"banned_mass\":@}"},
                               {"merge", "\"winner\":@"},
                               {"merge", "\"seconds\":@"},
                               {"merge", "\"seed\":@"},
                               {"merge", "\"tokens\":[@]"},
                               {"pick", "\"parent\":@"},
                               {"undo", "\"parent\":@"}};

static void add_edited(buf *b, const place *p, const char *value)
{
    static const char *const types[] = {"prompt", "answer", "merge", "pick", "undo"};
    assert_int_equal(buf_text(b, HEADER, NULL), 0);
    for (int i = 0; i < 5; i++) {
        bool here = strcmp(types[i], p->type) == 0;
        int field = here ? (int)strcspn(p->field, "@") : 0;
        assert_int_equal(buf_format(b, NULL,
                                    "{\"type\":\"%s\",\"n\":%d,\"name\":\"a\",\"persona\":\"a\","
                                    "\"text\":\"said\",\"of\":[\"a\",\"b\"]%s%.*s%s%s",
                                    types[i], i + 1, here ? "," : "", field, p->field,
                                    here ? value : "", here ? p->field + field + 1 : ""),
                         0);
        bool own = here && strncmp(p->field, "\"parent", 7) == 0;
        assert_int_equal(buf_text(b, own || !i ? "}\n" : ",\"parent\":1}\n", NULL), 0);
    }
}

static bool figure(double x)
{
    return x >= 0 && x <= 1e11;
}

static void check_ranges(const history *h, const char *field, const char *value)
{
    bool good = h->turn_count >= 1;
    for (int i = 0; i < h->turn_count; i++) {
        const struct turn *t = &h->turns[i];
        good = good && t->number >= 1 && t->number <= TURN_NUMBER_MOST + 1 && t->parent >= 0 &&
               t->from >= 1 && t->from <= t->number && figure(t->time) &&
               t->seed <= (uint64_t)1 << 53 && figure(t->timings.prefill) &&
               figure(t->timings.decode) && figure(t->timings.picks_per_step) &&
               figure(t->timings.union_experts_per_step);
        for (int k = 0; k < t->answer_count; k++) {
            const turn_answer *a = &t->answers[k];
            good = good && a->prompt_tokens >= 0 && a->asked_experts >= 0 &&
                   a->least_allowed >= 0 && figure(a->seconds) && figure(a->tokens_per_second) &&
                   a->banned_mass >= 0 && a->banned_mass <= 1.01 && !a->ids.v && !a->used.len &&
                   strcmp(a->text.v, "said") == 0;
        }
        for (int k = 0; k < t->merge_count; k++)
            good = good && t->merges[k].winner >= -1 && t->merges[k].winner < 2 &&
                   figure(t->merges[k].seconds) && !t->merges[k].ids.v;
    }
    if (!good)
        fail_msg("%s with %s", field, value);
}

static void no_number_leaves_its_range(void **state)
{
    (void)state;
    int odd = 0;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++)
        for (int v = 0; v < VALUES; v++) {
            buf b = {0}, out = {0};
            add_edited(&b, &places[p], values[v]);
            history *h = load(&b);
            check_ranges(h, places[p].field, values[v]);
            assert_true(h->damaged <= 1);
            odd += (int)h->damaged;
            for (int f = EXPORT_MARKDOWN; f <= EXPORT_HTML; f++)
                assert_int_equal(export_as((export_format)f, h, &out, NULL), 0);
            assert_null(strstr(out.v, "nan"));
            assert_null(strstr(out.v, "inf"));
            buf_release(&out);
            buf_release(&b);
            history_close(h);
        }
    /* Most cannot be; some fields may be 0.5 or so, some are read from nothing but the right type. */
    assert_true(odd > (int)(sizeof places / sizeof *places) * VALUES * 7 / 10);
}

/* null is what writers put for what there is not. */
static void null_is_absent(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        if (strchr(places[p].field, '['))
            continue;
        buf b = {0};
        add_edited(&b, &places[p], "null");
        history *h = load(&b);
        assert_int_equal(h->damaged, 0);
        check_ranges(h, places[p].field, "null");
        history_close(h);
        buf_release(&b);
    }
}

static void records_beyond_counting_are_none(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0", "-1", "1073741825", "2147483647", "1e400", "\"1\""};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buf b = {0};
        assert_int_equal(buf_format(&b, NULL, "%s{\"type\":\"prompt\",\"n\":%s,\"turn\":1}\n",
                                    HEADER, numbers[i]),
                         0);
        history *h = load(&b);
        assert_int_equal(h->damaged, 1);
        assert_int_equal(h->turn_count, 0);
        history_close(h);
        buf_release(&b);
    }
}

/* A file whose numbers leave no room is refused for writing, not counted beyond. */
static void numbers_run_out(void **state)
{
    (void)state;
    char *folder = transcripts_folder(), *path = transcripts_path(folder, "s.jsonl");
    error err = {0};
    buf b = {0};
    for (int torn = 0; torn < 2; torn++) {
        buf_clear(&b);
        assert_int_equal(buf_format(&b, NULL, "%s{\"type\":\"pick\",\"n\":%d}\n%s", HEADER,
                                    RECORDS_MOST, torn ? "{\"type\":" : ""),
                         0);
        transcripts_write(path, b.v, b.len);
        assert_null(transcript_open(folder, "s", NULL, &err));
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, "1073741824"));
    }
    buf_release(&b);
    free(path);
    transcripts_remove(folder);
}

/* A merge of too many would need a table of their square. */
static void tables_stay_small(void **state)
{
    (void)state;
    buf b = {0};
    int result = buf_format(&b, NULL, "%s{\"type\":\"merge\",\"n\":1,\"of\":[\"a\"", HEADER);
    for (int i = 0; i < 100000; i++)
        result |= buf_text(&b, ",\"a\"", NULL);
    result |= buf_text(&b, "],\"scores\":[[]", NULL);
    for (int i = 0; i < 100000; i++)
        result |= buf_text(&b, ",[]", NULL);
    assert_int_equal(result | buf_text(&b, "]}\n", NULL), 0);
    history *h = load(&b);
    assert_int_equal(h->turns[0].merges[0].passes, 0);
    assert_null(h->turns[0].merges[0].scores);
    assert_int_equal(h->damaged, 1);
    history_close(h);
    buf_release(&b);
}

/* ---- time -------------------------------------------------------------------------------------- */

typedef enum shape { CHAIN, UNDONE, VERSIONS, NAMES, SHAPES } shape;

/* n turns of one answer, each following the one before; or one turn of n answers. */
static void add_long(buf *b, shape s, int n)
{
    int result = buf_text(b, HEADER, NULL), k = 0;
    for (int i = 1; i <= n; i++) {
        int prompt = s <= UNDONE ? 2 * i - 1 : 1;
        if (i == 1 || s <= UNDONE)
            result |= buf_format(b, NULL,
                                 "{\"type\":\"prompt\",\"n\":%d,\"turn\":%d,\"parent\":%d,"
                                 "\"text\":\"q\",\"from\":%d}\n",
                                 ++k, s <= UNDONE ? i : 1, i > 1 ? prompt - 2 : 0,
                                 s <= UNDONE && i > 1 ? i - 1 : 1);
        result |= buf_format(b, NULL,
                             "{\"type\":\"answer\",\"n\":%d,\"parent\":%d,\"persona\":\"p%d\","
                             "\"text\":\"word\"}\n",
                             ++k, prompt, s == NAMES ? i : 0);
    }
    for (int i = n; s == UNDONE && i > 0; i--)
        result |=
            buf_format(b, NULL, "{\"type\":\"undo\",\"n\":%d,\"parent\":%d}\n", ++k, 2 * i - 1);
    assert_int_equal(result, 0);
}

static double seconds_to_export(shape s, int n)
{
    buf b = {0};
    double best = INFINITY;
    add_long(&b, s, n);
    for (int i = 0; i < 3; i++) {
        const struct turn **path;
        size_t count;
        buf out = {0};
        clock_t start = clock();
        history *h = load(&b);
        int result = history_path(h, &path, &count, NULL);
        for (int f = EXPORT_MARKDOWN; f <= EXPORT_HTML; f++)
            result |= export_as((export_format)f, h, &out, NULL);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        assert_int_equal(result, 0);
        assert_int_equal(count, s == CHAIN ? n : s != UNDONE);
        best = seconds < best ? seconds : best;
        free(path);
        buf_release(&out);
        history_close(h);
    }
    buf_release(&b);
    return best;
}

/* Twice as much takes twice as long: 4 would be its square. */
static void long_ones_take_linear_time(void **state)
{
    enum { MANY = 8000 };
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        double half = seconds_to_export((shape)s, MANY / 2), whole;
        whole = seconds_to_export((shape)s, MANY);
        print_message("# shape %d: %.3f s, then %.3f s\n", s, half, whole);
        if (whole > 3 * half + 0.05)
            fail_msg("shape %d: %.3f s for %d, %.3f s for %d", s, half, MANY / 2, whole, MANY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_number_leaves_its_range),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(records_beyond_counting_are_none),
        cmocka_unit_test(numbers_run_out),
        cmocka_unit_test(tables_stay_small),
        cmocka_unit_test(long_ones_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
