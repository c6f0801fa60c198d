/* test_lessons.c - lessons are read strictly, and every complaint names line and field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/lessons/lessons.h"

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

static void complaints_name_line_and_field(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"{\"id\":\"b\"}", "form: missing"},
        {PLAIN, "\"a\" stands twice"},
        {"{\"id\":\"b\",\"form\":\"x\",\"question\":\"\",\"answer\":\"A\"}", "question: empty"},
        {"{\"id\":\"b\",\"from\":\"x\"}", "from: no such field"},
        {"{\"id\":7}", "id"},
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
        assert_non_null(strstr(err.text, "f.jsonl: "));
        assert_non_null(strstr(err.text, bad[i].says));
        if (i != 1) /* only a second look at the whole finds that one */
            assert_non_null(strstr(err.text, "line 2: "));
        lessons_release(&l);
    }
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
        cmocka_unit_test(lines_become_lessons),   cmocka_unit_test(complaints_name_line_and_field),
        cmocka_unit_test(cut_texts_fail_or_pass), cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(shipped_lessons_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
