/* test_lessons.c - lessons are read strictly, and every complaint names line and field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../personas/lessons/lessons.h"
#include "scratch.h"

#define FOLLOWUP                                                                                   \
    "{\"id\":\"b\",\"form\":\"followup\",\"question\":\"Why?\",\"answer\":\"So.\",\"before\":["    \
    "{\"role\":\"user\",\"text\":\"u\"},{\"role\":\"assistant\",\"text\":\"a\"}]}"
#define PLAIN "{\"id\":\"a\",\"form\":\"why\",\"question\":\"Q\",\"answer\":\"A\"}"

static void lines_become_lessons(void **state)
{
    (void)state;
    static const char text[] = "\n" PLAIN "\r\n  \n" FOLLOWUP;
    lessons l = {0};
    error err = {0};
    assert_int_equal(lessons_read("f", text, strlen(text), &l, &err), 0);
    assert_int_equal(l.len, 2);
    assert_string_equal(l.v[0].question, "Q");
    assert_string_equal(l.v[0].answer, "A");
    assert_int_equal(l.v[0].before_count, 0);
    assert_int_equal(l.v[1].before_count, 2);
    assert_int_equal(l.v[1].before[1].role, CHAT_ASSISTANT);
    assert_string_equal(l.v[1].before[1].text, "a");
    lessons_release(&l);
}

static void two_fields_make_a_lesson(void **state)
{
    (void)state;
    static const char text[] = "# one\n\n{\"question\":\"Q\",\"answer\":\"A\"}\n" PLAIN "\n"
                               "{\"answer\":\"B\",\"question\":\"R\",\"id\":\"3\"}";
    lessons l = {0};
    error err = {0};
    assert_int_equal(lessons_read("f", text, strlen(text), &l, &err), 0);
    assert_int_equal(l.len, 3);
    assert_string_equal(l.v[0].id, "3"); /* its line; a given id may be the same */
    assert_string_equal(l.v[0].form, "");
    assert_string_equal(l.v[1].id, "a");
    assert_string_equal(l.v[1].form, "why");
    assert_string_equal(l.v[2].id, "3");
    assert_string_equal(l.v[2].answer, "B");
    assert_int_equal(l.fault_count, 0);
    lessons_release(&l);
}

static void complaints_name_line_and_field(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"{\"id\":\"b\",\"answer\":\"A\"}", "question: missing"},
        {"{\"question\":\"Q\"}", "answer: missing"},
        {PLAIN, "id: \"a\" stands twice"},
        {"{\"id\":\"\",\"question\":\"Q\",\"answer\":\"A\"}", "id: empty"},
        {"{\"id\":\"b\",\"form\":\"x\",\"question\":\"\",\"answer\":\"A\"}", "question: empty"},
        {"{\"from\":\"x\",\"question\":\"Q\",\"answer\":\"A\"}", "from: no such field"},
        {"{\"id\":7,\"question\":\"Q\",\"answer\":\"A\"}", "id"},
        {"[]", "must be an object"},
        {"{", "offset"},
        {"\xff", "offset"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512] = PLAIN "\n";
        strcat(text, bad[i].line);
        lessons l = {0};
        error err = {0};
        assert_int_equal(lessons_read("f.jsonl", text, strlen(text), &l, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_memory_equal(err.text, "f.jsonl:2: ", 11);
        assert_non_null(strstr(err.text, bad[i].says));
        assert_int_equal(l.fault_count, 1);
        assert_int_equal(l.len, 0);
        lessons_release(&l);
    }
}

/* Which of 30 lessons are held out when the i-th bears topics[i % n], "" = none. */
static void held(const char *const *topics, size_t n, char out[31])
{
    buf text = {0};
    lessons l = {0};
    error err = {0};
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(buf_format(&text, &err,
                                    "{\"question\":\"Q\",\"answer\":\"A\",\"topic\":\"%s\"}\n",
                                    topics[i % n]),
                         0);
    assert_int_equal(lessons_read("f", text.v, text.len, &l, &err), 0);
    assert_int_equal(l.len, 30);
    size_t count = 0;
    for (size_t i = 0; i < 30; i++) {
        out[i] = l.v[i].held_out ? 'x' : '.';
        count += l.v[i].held_out;
        assert_string_equal(l.v[i].topic, topics[i % n]);
    }
    out[30] = '\0';
    assert_int_equal(lessons_held_out(&l), count);
    lessons_release(&l);
    buf_release(&text);
}

static void every_fifth_is_held_out_or_every_fifth_topic(void **state)
{
    (void)state;
    static const char *const none[] = {""}, *const four[] = {"a", "b", "c", "d"},
                             *const six[] = {"a", "b", "c", "d", "e", "f"},
                             *const mixed[] = {"a", "", "b", "c", "d", "e"};
    char out[31];
    held(none, 1, out);
    assert_string_equal(out, "....x....x....x....x....x....x");
    held(four, 4, out); /* too few to hold one out: by their number again */
    assert_string_equal(out, "....x....x....x....x....x....x");
    held(six, 6, out);
    assert_string_equal(out, "....x.....x.....x.....x.....x.");
    held(mixed, 6, out); /* the fifth topic, and the fifth of those without one */
    assert_string_equal(out, ".....x.....x.....x.....x.x...x");
}

static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    static const char text[] = PLAIN "\n"
                                     "{\"question\":\"\",\"answr\":\"A\"}\n"
                                     "# none\n"
                                     "{\n" PLAIN "\n"
                                     "{\"question\":\"Q\",\"answer\":\"A\",\"before\":[7]}\n";
    lessons l = {0};
    error err = {0};
    assert_int_equal(lessons_read("first", PLAIN, strlen(PLAIN), &l, &err), 0);
    assert_int_equal(lessons_read("f", text, strlen(text), &l, &err), -1);
    assert_string_equal(err.text, "f:2: answr: no such field (the first of 6)");
    assert_int_equal(l.fault_count, 6);
    static const char *const lines[] = {"f:2: answr: no such field\n",   "f:2: question: empty\n",
                                        "f:2: answer: missing\n",        "f:4: ",
                                        "f:5: id: \"a\" stands twice\n", "f:6: before: a turn is "};
    const char *at = l.faults.v;
    for (size_t i = 0; i < 6; i++, at += strcspn(at, "\n") + 1)
        assert_memory_equal(at, lines[i], strlen(lines[i]));
    assert_int_equal(*at, '\0');
    assert_int_equal(l.len, 1); /* what was there before */
    assert_string_equal(l.v[0].id, "a");
    lessons_release(&l);
}

static void twenty_faults_are_told_and_the_rest_counted(void **state)
{
    (void)state;
    buf text = {0};
    lessons l = {0};
    error err = {0};
    for (int i = 0; i < LESSONS_FAULTS + 3; i++)
        assert_int_equal(buf_text(&text, "[]\n", NULL), 0);
    assert_int_equal(lessons_read("f", text.v, text.len, &l, &err), -1);
    int lines = 0;
    const char *last = l.faults.v;
    for (const char *at = l.faults.v; *at; at += strcspn(at, "\n") + 1, lines++)
        last = at;
    assert_int_equal(lines, LESSONS_FAULTS + 1);
    assert_string_equal(last, "and 3 more\n");
    lessons_release(&l);
    buf_release(&text);
}

/* What is written is what is read. */
static void a_lesson_is_written_as_it_is_read(void **state)
{
    (void)state;
    static const char question[] = "\"Why\"\n\xe2\x80\xa8?", answer[] = "So:\n```\n# x\n```";
    buf line = {0};
    lessons l = {0};
    error err = {0};
    assert_int_equal(lessons_write(question, strlen(question), answer, strlen(answer), &line, &err),
                     0);
    assert_ptr_equal(strchr(line.v, '\n'), line.v + line.len - 1);
    assert_int_equal(lessons_read("f", line.v, line.len, &l, &err), 0);
    assert_string_equal(l.v[0].question, question);
    assert_string_equal(l.v[0].answer, answer);
    buf_clear(&line);
    assert_int_equal(lessons_write("a\xff", 2, "b", 1, &line, &err), 0);
    assert_int_equal(lessons_read("f", line.v, line.len, &l, &err), 0);
    assert_string_equal(l.v[1].question, "a\xef\xbf\xbd");
    assert_int_equal(lessons_write("a", 1, "b\0c", 3, &line, &err), -1);
    assert_int_equal(lessons_write(" \n", 2, "b", 1, &line, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    lessons_release(&l);
    buf_release(&line);
}

static void a_lesson_is_put_behind_what_is_there(void **state)
{
    (void)state;
    char path[SCRATCH];
    static const char line[] = "{\"question\":\"Q\",\"answer\":\"A\"}\n";
    error err = {0};
    lessons l = {0};
    int fd = scratch_file(path, "lessons");
    assert_int_equal(write(fd, "# mine", 6), 6); /* no newline: one is put there */
    for (size_t n = 1; n <= 3; n++) {
        assert_int_equal(lessons_append(path, line, sizeof line - 1, &err), 0);
        assert_int_equal(lessons_load(path, &l, &err), 0);
        assert_int_equal(l.len, n);
        lessons_release(&l);
    }
    assert_int_equal(lseek(fd, 0, SEEK_END), 7 + 3 * (sizeof line - 1));
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(lessons_append(path, line, sizeof line - 1, &err), 0); /* made */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(lessons_append("/dev/null", line, sizeof line - 1, &err), -1);
    assert_int_equal(lessons_append("/tmp", line, sizeof line - 1, &err), -1);
    assert_int_equal(err.code, ERROR_RUN);
}

/* No end of the text may be read beyond: sanitizers watch. */
static void cut_texts_fail_or_pass(void **state)
{
    (void)state;
    static const char text[] = PLAIN "\n" FOLLOWUP "\n";
    for (size_t n = 0; n <= strlen(text); n++) {
        char copy[sizeof text];
        memcpy(copy, text, n);
        lessons l = {0};
        error err = {0};
        int result = lessons_read("f", copy, n, &l, &err);
        bool whole = n == strlen(PLAIN) || n == strlen(PLAIN) + 1 || n >= strlen(text) - 1;
        assert_int_equal(result, whole ? 0 : -1);
        lessons_release(&l);
    }
}

static void files_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"tests", "tests/fixtures/no-such-file", "/dev/zero"};
    for (size_t i = 0; i < 3; i++) {
        lessons l = {0};
        error err = {0};
        assert_int_equal(lessons_load(paths[i], &l, &err), -1);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, paths[i]));
        lessons_release(&l);
    }
}

static void shipped_lessons_load(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "personas/shipped/coder.lessons.jsonl", "personas/shipped/critic.lessons.jsonl",
        "personas/shipped/philosopher.lessons.jsonl", "personas/shipped/coder.lessons.ru.jsonl"};
    for (size_t i = 0; i < 4; i++) {
        lessons l = {0};
        error err = {0};
        assert_int_equal(lessons_load(paths[i], &l, &err), 0);
        assert_true(l.len >= 28);
        lessons_release(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_lessons),
        cmocka_unit_test(two_fields_make_a_lesson),
        cmocka_unit_test(complaints_name_line_and_field),
        cmocka_unit_test(every_fifth_is_held_out_or_every_fifth_topic),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(twenty_faults_are_told_and_the_rest_counted),
        cmocka_unit_test(a_lesson_is_written_as_it_is_read),
        cmocka_unit_test(a_lesson_is_put_behind_what_is_there),
        cmocka_unit_test(cut_texts_fail_or_pass),
        cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(shipped_lessons_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
