/* test_examples.c - the examples that help, manual and README show, read by the program's own readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../engine/routing/mask.h"
#include "../personas/lessons/lessons.h"
#include "../personas/roster/persona.h"
#include "../repl/options/examples.h"
#include "scratch.h"

static char folder_name[SCRATCH];

static const char *write_text(const char *name, const buf *text)
{
    static char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", folder_name, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text->v, 1, text->len, f), text->len);
    assert_int_equal(fclose(f), 0);
    return path;
}

static buf text_of(const char *kind)
{
    size_t count;
    buf out = {0};
    const example *all = examples(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].kind, kind) == 0)
            assert_int_equal(example_text(i, &out, NULL), 0);
    assert_true(out.len > 0);
    return out;
}

static persona *load(const char *name, const buf *text)
{
    error err = {0};
    persona *p = persona_load(write_text(name, text), &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static void the_persona_is_one(void **state)
{
    (void)state;
    buf lines = text_of("lessons");
    (void)write_text("lawyer.lessons.jsonl", &lines);
    buf text = text_of("persona");
    persona *p = load("lawyer.json", &text);
    assert_string_equal(p->name, "lawyer");
    assert_non_null(p->about);
    assert_int_equal(p->instruction_count, 1);
    assert_int_equal(p->lesson_count, 1);
    assert_int_equal(p->given, GIVEN_TEMPERATURE | GIVEN_TOP_P);
    persona_close(p);
    buf_release(&text);
    buf_release(&lines);
}

static void the_mask_is_one(void **state)
{
    (void)state;
    error err = {0};
    buf text = text_of("mask");
    mask *m = mask_load(write_text("lawyer.mask.json", &text), &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_int_equal(mask_kind(m), MASK_BAN);
    mask_close(m);
    buf_release(&text);
}

/* Where it is said to stand. */
static void the_rule_is_one_of_a_persona(void **state)
{
    (void)state;
    buf rule = text_of("rule"), text = {0};
    assert_int_equal(buf_format(&text, NULL,
                                "{\"persona\":1,\"name\":\"ruled\",\"router\":{\"rules\":[%s]}}",
                                rule.v),
                     0);
    persona *p = load("ruled.json", &text);
    assert_non_null(p->rules);
    assert_int_equal(rules_count(p->rules), 1);
    persona_close(p);
    buf_release(&rule);
    buf_release(&text);
}

static void the_lessons_are_some(void **state)
{
    (void)state;
    error err = {0};
    lessons l = {0};
    buf text = text_of("lessons");
    if (lessons_read("lessons", text.v, text.len, &l, &err))
        fail_msg("%s", err.text);
    assert_int_equal(l.len, EXAMPLE_LESSONS);
    lessons_release(&l);
    buf_release(&text);
}

static void a_template_is_a_persona_whatever_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {"x", "lawyer", "A-b_9"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[80];
        buf text = {0}, lines = {0};
        assert_int_equal(example_lessons(names[i], &lines, NULL), 0);
        (void)snprintf(file, sizeof file, "%s.lessons.jsonl", names[i]);
        (void)write_text(file, &lines);
        (void)snprintf(file, sizeof file, "%s.json", names[i]);
        assert_int_equal(example_persona(names[i], &text, NULL), 0);
        persona *p = load(file, &text);
        assert_string_equal(p->name, names[i]);
        persona_close(p);
        buf_release(&text);
        buf_release(&lines);
    }
}

/* Its lessons are comments; without the marks they are lessons. */
static void a_template_of_lessons_holds_none_before_it_is_changed(void **state)
{
    (void)state;
    error err = {0};
    lessons l = {0};
    buf text = {0}, bare = {0};
    assert_int_equal(example_lessons("lawyer", &text, NULL), 0);
    assert_int_equal(lessons_read("f", text.v, text.len, &l, &err), -1);
    assert_string_equal(err.text, "f:3: still an example, commented out; put a lesson of your "
                                  "own in its place, without the #");
    for (const char *at = text.v; *at; at += strcspn(at, "\n") + 1)
        if (strncmp(at, "# {", 3) == 0)
            assert_int_equal(buf_add(&bare, at + 2, strcspn(at, "\n") - 1, NULL), 0);
    lessons_release(&l);
    assert_int_equal(lessons_read("f", bare.v, bare.len, &l, &err), 0);
    assert_int_equal(l.len, 1);
    assert_int_equal(buf_text(&text, "  # more\n", NULL), 0);
    assert_int_equal(buf_add(&text, bare.v, bare.len, NULL), 0);
    lessons_release(&l);
    assert_int_equal(lessons_read("f", text.v, text.len, &l, &err), 0); /* both may stand there */
    assert_int_equal(l.len, 1);
    lessons_release(&l);
    buf_release(&text);
    buf_release(&bare);
}

static void the_help_is_eighty_wide(void **state)
{
    (void)state;
    buf out = {0};
    assert_int_equal(examples_help(&out, NULL), 0);
    for (const char *row = out.v; *row; row += strcspn(row, "\n") + 1)
        if (strcspn(row, "\n") > 80)
            fail_msg("wider than 80 columns: %.*s", (int)strcspn(row, "\n"), row);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_persona_is_one),
        cmocka_unit_test(the_mask_is_one),
        cmocka_unit_test(the_rule_is_one_of_a_persona),
        cmocka_unit_test(the_lessons_are_some),
        cmocka_unit_test(a_template_is_a_persona_whatever_its_name),
        cmocka_unit_test(a_template_of_lessons_holds_none_before_it_is_changed),
        cmocka_unit_test(the_help_is_eighty_wide),
    };
    char command[128];
    scratch_folder(folder_name, "examples");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder_name);
    return system(command) || failed;
}
