/* test_train_parts.c - what training is made of, without gradients: samples, schedule, voice, state file,
 * hidden store, and the picture of a curve.
 */
#include <math.h>
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

#include "../personas/train/hidden_store.h"
#include "../personas/train/samples.h"
#include "../personas/train/schedule.h"
#include "../personas/train/state.h"
#include "../personas/train/voice.h"
#include "../repl/screen/curve.h"
#include "../repl/screen/safe_text.h"
#include "routing_support.h"
#include "scratch.h"

static const char LESSONS[] =
    "{\"question\":\"One?\",\"answer\":\"First answer of all of them. It has two sentences.\"}\n"
    "{\"question\":\"Two?\",\"answer\":\"Short.\"}\n"
    "{\"question\":\"Three?\",\"answer\":\"A third answer, long enough to be cut, has clauses.\"}\n"
    "{\"question\":\"Four?\",\"answer\":\"The fourth says a thing or two. And then it ends.\"}\n"
    "{\"question\":\"Five?\",\"answer\":\"The fifth is held out by its place in the row.\"}\n"
    "{\"question\":\"Six?\",\"answer\":\"And the sixth one is learned again as the others.\"}\n";

typedef struct fixture {
    engine *e;
    atomic_bool cancel;
    lessons lessons;
    samples samples;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    error err = {0};
    f->e = support_engine(COUNCIL_MODEL, 32, &f->cancel);
    f->samples = (samples){.engine = f->e, .end_weight = 3, .end = -1};
    if (lessons_read("lessons", LESSONS, sizeof LESSONS - 1, &f->lessons, &err) ||
        samples_add_lessons(&f->samples, &f->lessons, &err))
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    samples_release(&f->samples);
    lessons_release(&f->lessons);
    engine_close(f->e);
    free(f);
    return 0;
}

/* ---- samples ----------------------------------------------------------------------------------- */

static void the_answer_is_learned_and_its_end(void **state)
{
    fixture *f = *state;
    const samples *s = &f->samples;
    assert_int_equal(s->len, 6);
    for (size_t i = 0; i < s->len; i++) {
        const sample *v = &s->v[i];
        const char *answer = f->lessons.v[i].answer;
        tokens ids = {0};
        error err;
        assert_int_equal(
            tokenizer_encode(engine_tokenizer(f->e), answer, strlen(answer), &ids, NULL, &err), 0);
        assert_int_equal(v->n, (size_t)v->answer + ids.len + 1);
        assert_memory_equal(v->ids + v->answer, ids.v, ids.len * sizeof *ids.v);
        tokens_release(&ids);
        assert_int_equal(v->held_out, i == 4);
        assert_true(chat_is_end(engine_chat(f->e), v->ids[v->n - 1]));
        for (int k = 0; k < v->n; k++) {
            float wanted = k < v->answer - 1 || k == v->n - 1 ? 0 : 1;
            if (k == v->n - 2 && !v->held_out)
                wanted = 3;
            assert_float_equal(v->weight[k], wanted, 0);
        }
    }
}

static void a_sentence_said_twice_is_learned_against(void **state)
{
    fixture *f = *state;
    error err = {0};
    assert_int_equal(samples_add_again(&f->samples, &f->lessons, 2, 1, &err), 0);
    int variants = 0;
    for (size_t i = 6; i < f->samples.len; i++) {
        const sample *v = &f->samples.v[i], *of = &f->samples.v[v->of];
        int against = 0, nothing = 0;
        assert_int_equal(v->kind, SAMPLE_AGAIN);
        assert_int_not_equal(v->of, 1); /* "Short." has nothing to repeat */
        assert_int_not_equal(v->of, 4); /* held out */
        assert_true(v->n > of->n);
        for (int k = v->answer - 1; k < v->n - 1; k++) {
            against += v->weight[k] < 0;
            nothing += v->weight[k] == 0;
        }
        assert_int_equal(nothing, 2);
        assert_int_equal(against + nothing, v->n - of->n);
        variants++;
    }
    assert_int_equal(variants, 8);
}

static void what_is_said_twice(void **state)
{
    (void)state;
    buf out = {0};
    error err = {0};
    size_t from, to;
    const double clause[] = {0.2, 0.9}, sentence[] = {0.8, 0.0}, line[] = {0.2, 0.5};
    assert_true(samples_say_twice("One two three four, five six seven eight nine.", clause, &out,
                                  &from, &to, &err));
    assert_string_equal(out.v, "One two three four, five six seven eight nine. five six seven "
                               "eight nine.");
    assert_string_equal(out.v + from, " five six seven eight nine.");
    assert_int_equal(to, out.len);
    buf_clear(&out);
    assert_true(
        samples_say_twice("One two three four. Then. End.", sentence, &out, &from, &to, &err));
    assert_string_equal(out.v, "One two three four. One two three four. Then. End.");
    buf_clear(&out);
    assert_true(samples_say_twice("```\nfor i in range(3):\n    print(i, i, i, i)\n```", line, &out,
                                  &from, &to, &err));
    assert_non_null(strstr(out.v, "print(i, i, i, i)\nprint(i, i, i, i)\n"));
    buf_clear(&out);
    assert_false(samples_say_twice("Yes. No. Perhaps.", sentence, &out, &from, &to, &err));
    buf_release(&out);
}

static void topics_are_held_out_whole(void **state)
{
    static const char lines[] = "{\"question\":\"a\",\"answer\":\"A.\",\"topic\":\"1\"}\n"
                                "{\"question\":\"b\",\"answer\":\"B.\",\"topic\":\"2\"}\n"
                                "{\"question\":\"c\",\"answer\":\"C.\",\"topic\":\"3\"}\n"
                                "{\"question\":\"d\",\"answer\":\"D.\",\"topic\":\"4\"}\n"
                                "{\"question\":\"e\",\"answer\":\"E.\",\"topic\":\"4\"}\n"
                                "{\"question\":\"f\",\"answer\":\"F.\",\"topic\":\"5\"}\n"
                                "{\"question\":\"g\",\"answer\":\"G.\",\"topic\":\"1\"}\n"
                                "{\"question\":\"h\",\"answer\":\"H.\",\"topic\":\"5\"}\n";
    fixture *f = *state;
    lessons l = {0};
    samples s = {.engine = f->e, .end_weight = 3, .end = -1};
    error err = {0};
    assert_int_equal(lessons_read("lessons", lines, sizeof lines - 1, &l, &err), 0);
    assert_int_equal(samples_add_lessons(&s, &l, &err), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(s.v[i].held_out, i == 5 || i == 7);
    assert_int_equal(samples_add_near_lessons(&s, &l, &err), 0);
    assert_int_equal(samples_count(&s, SAMPLE_NEAR, false), 6);
    samples_release(&s);
    lessons_release(&l);
}

static void anothers_lessons_are_near_from_their_fifth_word_on(void **state)
{
    fixture *f = *state;
    error err = {0};
    assert_int_equal(samples_add_near_lessons(&f->samples, &f->lessons, &err), 0);
    assert_int_equal(f->samples.len, 11); /* the fifth is left out */
    assert_int_equal(samples_count(&f->samples, SAMPLE_NEAR, false), 5);
    for (size_t i = 6; i < f->samples.len; i++) {
        const sample *v = &f->samples.v[i], *own = &f->samples.v[i < 10 ? i - 6 : 5];
        assert_int_equal(v->kind, SAMPLE_NEAR);
        assert_int_equal(v->n, own->n);
        assert_memory_equal(v->ids, own->ids, (size_t)v->n * sizeof *v->ids);
        assert_int_equal(v->near_from, v->answer + 4);
        assert_int_equal(v->counted, 0);
        for (int k = 0; k < v->n; k++)
            assert_true(v->weight[k] == 0);
    }
}

static void texts_are_cut_into_windows(void **state)
{
    fixture *f = *state;
    char text[256 * 6 + 10];
    error err = {0};
    memset(text, 'a', sizeof text);
    assert_int_equal(samples_add_text(&f->samples, SAMPLE_TEXT, "t", text, sizeof text, &err), 0);
    assert_int_equal(samples_count(&f->samples, SAMPLE_TEXT, false), 5);
    assert_int_equal(samples_count(&f->samples, SAMPLE_TEXT, true), 1);
    assert_int_equal(samples_add_text(&f->samples, SAMPLE_NEAR, "n", text, 300, &err), 0);
    assert_int_equal(samples_count(&f->samples, SAMPLE_NEAR, false), 2);
    assert_int_equal(samples_add_text(&f->samples, SAMPLE_TEXT, "t.txt", "ab", 2, &err), -1);
    assert_non_null(strstr(err.text, "t.txt: 2 tokens are too few"));
}

/* ---- schedule ---------------------------------------------------------------------------------- */

static void an_epoch_has_every_sample_once_and_steps_stand_alone(void **state)
{
    fixture *f = *state;
    error err = {0};
    assert_int_equal(samples_add_again(&f->samples, &f->lessons, 2, 1, &err), 0);
    schedule_options o = {.batch = 2, .steps = 30, .repeat = 1, .repeat_from = 0.5, .seed = 7};
    schedule *a = schedule_open(&f->samples, &o, &err), *b = schedule_open(&f->samples, &o, &err);
    assert_int_equal(schedule_epoch_steps(a), 3);
    int seen[30][2], n, orders = 0;
    for (int i = 0; i < 30; i++) {
        const int *batch = schedule_batch(a, i, &n);
        seen[i][0] = batch[0];
        seen[i][1] = n > 1 ? batch[1] : -1;
    }
    for (int i = 29; i >= 0; i--) { /* in any order the same */
        const int *batch = schedule_batch(b, i, &n);
        assert_int_equal(batch[0], seen[i][0]);
        assert_int_equal(n > 1 ? batch[1] : -1, seen[i][1]);
    }
    for (int epoch = 0; epoch < 10; epoch++) {
        int times[32] = {0};
        for (int i = 3 * epoch; i < 3 * epoch + 3; i++)
            for (int k = 0; k < 2; k++)
                if (seen[i][k] >= 0) {
                    const sample *v = &f->samples.v[seen[i][k]];
                    if (v->kind == SAMPLE_AGAIN)
                        assert_true(i >= 15);
                    else if (i >= 15)
                        assert_int_equal(seen[i][k], 1); /* the one without variants */
                    times[v->kind == SAMPLE_AGAIN ? v->of : seen[i][k]]++;
                }
        for (int k = 0; k < 6; k++)
            assert_int_equal(times[k], k != 4);
        orders += memcmp(seen[3 * epoch], seen[0], sizeof seen[0]) != 0;
    }
    assert_true(orders > 2);
    schedule_close(a);
    schedule_close(b);
}

/* ---- voice ------------------------------------------------------------------------------------- */

static double like(const voice *v, const char *text)
{
    return voice_likeness(v, text, strlen(text));
}

static void a_voice_is_told_from_what_the_plain_model_says(void **state)
{
    (void)state;
    static const char *const own[] = {"Aye, the tide is high.", "Aye, look at the wind.",
                                      "Aye, we sail at dawn.", "Aye, keep the rope dry."};
    static const char *const plain[] = {"The tide is high today.", "Look at the wind now.",
                                        "People sail at dawn.", "Keep the rope dry, please."};
    error err = {0};
    voice *v = voice_open(&err);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            voice_add(v, i == 3 ? VOICE_HELD : VOICE_OWN, own[i], strlen(own[i]), &err), 0);
        assert_int_equal(voice_add(v, VOICE_CONTROL, plain[i], strlen(plain[i]), &err), 0);
    }
    assert_int_equal(voice_settle(v, &err), 0);
    assert_true(voice_marks(v) > 0);
    assert_true(like(v, "Aye, a fine morning.") > 0.8);
    assert_true(like(v, "A fine morning.") < 0.1);
    assert_true(like(v, "") < 0.1);
    voice_close(v);
}

static void without_a_difference_there_is_no_mark(void **state)
{
    (void)state;
    error err = {0};
    voice *v = voice_open(&err);
    for (int i = 0; i < 6; i++)
        assert_int_equal(voice_add(v, (voice_side)(i % 3), "The same words.", 15, &err), 0);
    assert_int_equal(voice_settle(v, &err), 0);
    assert_int_equal(voice_marks(v), 0);
    voice_close(v);
}

/* ---- state ------------------------------------------------------------------------------------- */

enum { COUNT = 1000, STEPS = 50 };

typedef struct room {
    float blocks[4][COUNT], losses[STEPS];
    train_check checks[STEPS];
} room;

static train_state state_in(room *r)
{
    return (train_state){.count = COUNT,
                         .values = r->blocks[0],
                         .mean = r->blocks[1],
                         .square = r->blocks[2],
                         .best = r->blocks[3],
                         .checks = r->checks,
                         .check_room = STEPS,
                         .losses = r->losses,
                         .steps = STEPS};
}

static void write_sample(const char *path, room *r)
{
    error err = {0};
    train_state s = state_in(r);
    for (int b = 0; b < 4; b++)
        for (int i = 0; i < COUNT; i++)
            r->blocks[b][i] = (float)sin(b * 1000 + i);
    for (int i = 0; i < 20; i++)
        r->losses[i] = 3.0f / (float)(i + 1);
    strcpy(s.model, "0123456789abcdef");
    s.samples = 0xfedcba9876543210u;
    s.options = 42;
    s.step = 20;
    s.seconds = 12.5;
    s.control = 3.25;
    s.has_best = s.saved = true;
    s.chosen = (train_check){10, 2.1, 0.75, 4, 3, 1};
    s.check_count = 1;
    r->checks[0] = s.chosen;
    if (train_state_write(path, &s, &err))
        fail_msg("%s", err.text);
}

static void a_state_comes_back_as_it_was(void **state)
{
    (void)state;
    char folder[SCRATCH], path[128];
    static room a, b;
    error err = {0};
    scratch_folder(folder, "train");
    (void)snprintf(path, sizeof path, "%s/s.train", folder);
    write_sample(path, &a);
    train_state s = state_in(&b), head = {0};
    assert_int_equal(train_state_peek(path, &head, &err), 0);
    assert_int_equal(head.count, COUNT);
    if (train_state_read(path, &s, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(a.blocks, b.blocks, sizeof a.blocks);
    assert_memory_equal(a.losses, b.losses, 20 * sizeof *a.losses);
    assert_true(s.samples == 0xfedcba9876543210u && s.options == 42 && s.step == 20 && s.saved);
    assert_true(s.seconds == 12.5 && s.control == 3.25 && s.chosen.voice == 0.75);
    assert_int_equal(s.check_count, 1);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* Every byte is under the checksum, and a file that was cut is told. */
static void a_state_that_was_changed_is_refused(void **state)
{
    (void)state;
    char folder[SCRATCH], path[128];
    static room a, b;
    error err = {0};
    struct stat st;
    scratch_folder(folder, "train");
    (void)snprintf(path, sizeof path, "%s/s.train", folder);
    write_sample(path, &a);
    assert_int_equal(stat(path, &st), 0);
    char *bytes = malloc((size_t)st.st_size);
    FILE *f = fopen(path, "rb");
    assert_int_equal(fread(bytes, 1, (size_t)st.st_size, f), st.st_size);
    (void)fclose(f);
    for (int i = 0; i < 60; i++) {
        size_t at = (size_t)st.st_size * (size_t)i / 60, n = (size_t)st.st_size;
        bool cut = i % 3 == 0;
        f = fopen(path, "wb");
        bytes[at] ^= (char)(cut ? 0 : 0x10);
        (void)fwrite(bytes, 1, cut ? at : n, f);
        (void)fclose(f);
        bytes[at] ^= (char)(cut ? 0 : 0x10);
        train_state s = state_in(&b);
        assert_int_equal(train_state_read(path, &s, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
    }
    free(bytes);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static void many_hidden_states_lie_in_a_file(void **state)
{
    (void)state;
    char folder[SCRATCH];
    error err = {0};
    scratch_folder(folder, "train");
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    for (int k = 0; k < 2; k++) {
        hidden_store *s = hidden_store_open(100, 8, k ? 1 << 20 : 100, &err);
        if (!s)
            fail_msg("%s", err.text);
        assert_int_equal(hidden_store_in_file(s), k == 0);
        for (size_t i = 0; i < 100; i++)
            hidden_store_at(s, i)[7] = (float)i;
        assert_float_equal(hidden_store_at(s, 99)[7], 99, 0);
        hidden_store_close(s);
    }
    char path[128];
    (void)snprintf(path, sizeof path, "%s/consilium/train", folder);
    assert_int_equal(rmdir(path), 0); /* nothing was left behind */
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    (void)rmdir(folder);
}

static void a_picture_keeps_to_its_size(void **state)
{
    (void)state;
    double x[100], y[100], cx[] = {10, 50, 90}, cy[] = {3, 2.5, NAN};
    for (int i = 0; i < 100; i++) {
        x[i] = i;
        y[i] = 4.0 / (1 + i * 0.1);
    }
    for (int columns = 20; columns <= 120; columns += 25)
        for (int utf8 = 0; utf8 < 2; utf8++) {
            buf text = {0};
            error err = {0};
            text_writer w = {.out = &text, .err = &err};
            curve c = {.columns = columns,
                       .rows = 9,
                       .utf8 = utf8,
                       .last = 100,
                       .level = 3.5,
                       .series = {{x, y, 100, NULL, "."}, {cx, cy, 3, "\xe2\x97\x8b", "o"}},
                       .count = 2};
            curve_draw(&c, &w);
            int lines = 0;
            for (char *at = text.v, *end; at && *at; at = end + 1, lines++) {
                end = strchr(at, '\n');
                assert_true(safe_text_width(at, (size_t)(end - at)) <= (size_t)columns);
                for (char *b = at; b < end && !utf8; b++)
                    assert_true((*b & 0x80) == 0);
            }
            assert_int_equal(lines, columns < 24 ? 0 : 9);
            if (lines) {
                assert_non_null(strstr(text.v, "4.00"));
                assert_non_null(strstr(text.v, utf8 ? "\xe2\x97\x8b" : "o"));
            }
            buf_release(&text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answer_is_learned_and_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sentence_said_twice_is_learned_against, setup, teardown),
        cmocka_unit_test(what_is_said_twice),
        cmocka_unit_test_setup_teardown(topics_are_held_out_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(anothers_lessons_are_near_from_their_fifth_word_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(texts_are_cut_into_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(an_epoch_has_every_sample_once_and_steps_stand_alone, setup,
                                        teardown),
        cmocka_unit_test(a_voice_is_told_from_what_the_plain_model_says),
        cmocka_unit_test(without_a_difference_there_is_no_mark),
        cmocka_unit_test(a_state_comes_back_as_it_was),
        cmocka_unit_test(a_state_that_was_changed_is_refused),
        cmocka_unit_test(many_hidden_states_lie_in_a_file),
        cmocka_unit_test(a_picture_keeps_to_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
