/* test_chat.c - recognising templates and rendering conversations, against what transformers makes
 * of the same templates (fixtures/chat.json, by make_chat_fixtures.py). The sink writes special
 * tokens between U+27E6 and U+27E7, so a look-alike that became one would show.
 *
 * With a path as argument, that file is used instead and only its known templates are looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/buf.h"
#include "../engine/chat_formats.h"
#include "../engine/json.h"

typedef struct fixture {
    json_document *document;
    const char *path;
    struct tm day;
} fixture;

static const json *member(const json *object, const char *key)
{
    const json *v = json_member(object, key);
    assert_non_null(v);
    return v;
}

static const char *string(const json *object, const char *key)
{
    return json_string(member(object, key));
}

static int open_fixture(void **state)
{
    fixture *f = *state;
    error err = {0};
    f->document = json_load(f->path, 1 << 26, &err);
    if (!f->document) {
        print_error("%s\n", err.text);
        return -1;
    }
    const json *year = json_first(member(json_root(f->document), "day"));
    f->day.tm_year = (int)json_number(year) - 1900;
    f->day.tm_mon = (int)json_number(json_next(year)) - 1;
    f->day.tm_mday = (int)json_number(json_next(json_next(year)));
    return 0;
}

static int close_fixture(void **state)
{
    json_close(((fixture *)*state)->document);
    return 0;
}

static const json *first_of(const fixture *f, const char *list)
{
    return json_first(member(json_root(f->document), list));
}

/* ---- a sink that writes down ---------------------------------------------------------------- */

static int note_special(void *user, const char *name, size_t len, error *err)
{
    buf *out = user;
    const char *shown = *name == CHAT_BOS[0] ? "bos" : *name == CHAT_EOS[0] ? "eos" : NULL;
    return buf_text(out, "\u27e6", err) ||
           (shown ? buf_text(out, shown, err) : buf_add(out, name, len, err)) ||
           buf_text(out, "\u27e7", err);
}

static int note_text(void *user, const char *text, size_t len, error *err)
{
    return buf_add(user, text, len, err);
}

static chat_sink notes(buf *out)
{
    return (chat_sink){out, note_special, note_text};
}

/* 1, 0 or -1 as chat_shape_recognise; -2 when the template cannot be cut up. */
static int recognise(const fixture *f, const char *text, chat_shape *shape, error *err)
{
    chat_pieces pieces;
    *shape = (chat_shape){0};
    if (chat_pieces_read(text, strlen(text), &pieces, err))
        return -2;
    int result = chat_shape_recognise(&pieces, &f->day, shape, err);
    chat_pieces_release(&pieces);
    return result;
}

enum { MAX_MESSAGES = 8 };

static size_t messages_of(const json *list, chat_message out[MAX_MESSAGES])
{
    size_t n = 0;
    for (const json *m = json_first(list); m; m = json_next(m)) {
        assert_true(n < MAX_MESSAGES);
        const char *role = json_string(json_first(m));
        const char *text = json_string(json_next(json_first(m)));
        chat_role r = *role == 's' ? CHAT_SYSTEM : *role == 'u' ? CHAT_USER : CHAT_ASSISTANT;
        out[n++] = (chat_message){r, text, strlen(text)};
    }
    return n;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void renders_as_transformers(void **state)
{
    const fixture *f = *state;
    int compared = 0;
    for (const json *t = first_of(f, "known"); t; t = json_next(t)) {
        const char *name = string(t, "name");
        chat_shape shape;
        error err = {0};
        int known = recognise(f, string(t, "template"), &shape, &err);
        if (known != 1)
            fail_msg("%s is not recognised: %s", name, err.text);
        if (*string(t, "format"))
            assert_string_equal(shape.family->name, string(t, "format"));
        for (const json *c = json_first(member(t, "cases")); c; c = json_next(c)) {
            chat_message m[MAX_MESSAGES];
            size_t n = messages_of(member(c, "messages"), m);
            buf out = {0};
            chat_sink to = notes(&out);
            assert_int_equal(chat_write_all(&shape, m, n, json_true(json_member(c, "reply")),
                                            json_true(json_member(c, "think")), &to, &err),
                             0);
            if (strcmp(out.v, string(c, "text")) != 0)
                fail_msg("%s:\n%s\nand not\n%s", name, out.v, string(c, "text"));
            buf_release(&out);
            compared++;
        }
        chat_shape_release(&shape);
    }
    print_message("%d renderings compared\n", compared);
    assert_true(compared > 0);
}

/* A conversation in pieces is the conversation, where a system message has its own turn. */
static void pieces_make_the_whole(void **state)
{
    const fixture *f = *state;
    const chat_message m[] = {{CHAT_SYSTEM, "Be brief.", 9},
                              {CHAT_USER, "Hello", 5},
                              {CHAT_ASSISTANT, "Hi", 2},
                              {CHAT_USER, "Why?", 4}};
    for (const json *t = first_of(f, "known"); t; t = json_next(t)) {
        chat_shape shape;
        error err = {0};
        assert_int_equal(recognise(f, string(t, "template"), &shape, &err), 1);
        size_t first = shape.family->place == CHAT_OWN_TURN ? 0 : 1;
        buf whole = {0}, grown = {0};
        chat_sink to_whole = notes(&whole), to_grown = notes(&grown);
        assert_int_equal(chat_write_all(&shape, m + first, 4 - first, true, false, &to_whole, &err),
                         0);
        assert_int_equal(
            chat_write_all(&shape, m + first, 2 - first, false, false, &to_grown, &err), 0);
        assert_int_equal(chat_write_message(&shape, &m[2], &to_grown, &err), 0);
        assert_int_equal(chat_write_message(&shape, &m[3], &to_grown, &err), 0);
        assert_int_equal(chat_write_reply(&shape, false, &to_grown, &err), 0);
        assert_string_equal(whole.v, grown.v);
        buf_release(&whole);
        buf_release(&grown);
        chat_shape_release(&shape);
    }
}

static void strangers_are_refused(void **state)
{
    const fixture *f = *state;
    int refused = 0;
    for (const json *t = first_of(f, "refused"); t; t = json_next(t), refused++) {
        chat_shape shape;
        error err = {0};
        int known = recognise(f, string(t, "template"), &shape, &err);
        if (known != 0)
            fail_msg("%s: %d %s", string(t, "name"), known,
                     shape.family ? shape.family->name : err.text);
    }
    assert_true(refused > 10);
}

static void broken_templates_are_errors(void **state)
{
    const fixture *f = *state;
    for (const json *t = first_of(f, "broken"); t; t = json_next(t)) {
        chat_shape shape;
        error err = {0};
        assert_int_equal(recognise(f, string(t, "template"), &shape, &err), -2);
        assert_int_equal(err.code, ERROR_LOAD);
        assert_non_null(strstr(err.text, string(t, "name")));
        assert_non_null(strstr(err.text, "offset"));
    }
}

/* Beginnings of templates, and templates with one byte gone, get some answer. */
static void torn_templates_are_survived(void **state)
{
    const fixture *f = *state;
    for (const json *t = first_of(f, "known"); t; t = json_next(t)) {
        const char *text = string(t, "template");
        size_t n = strlen(text);
        char *torn = malloc(n + 1);
        assert_non_null(torn);
        for (size_t i = 0; i < n; i += 11) {
            chat_shape shape;
            error err = {0};
            memcpy(torn, text, i);
            memcpy(torn + i, text + i + 1, n - i);
            (void)recognise(f, torn, &shape, &err);
            chat_shape_release(&shape);
            torn[i] = '\0';
            (void)recognise(f, torn, &shape, &err);
            chat_shape_release(&shape);
        }
        free(torn);
    }
}

static void hostile_templates_are_quick(void **state)
{
    const fixture *f = *state;
    const char *const units[] = {"(",      "not ", "{{",    "{% if (a",         "x[",
                                 "'a' + ", "{{ '", "and (", "{% for x in y %}", "{#"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        buf text = {0};
        error err = {0};
        chat_shape shape;
        assert_int_equal(buf_text(&text, "{% if ", &err), 0);
        while (text.len < CHAT_TEMPLATE_MAX - 20)
            assert_int_equal(buf_text(&text, units[i], &err), 0);
        (void)recognise(f, text.v, &shape, &err);
        chat_shape_release(&shape);
        assert_int_equal(buf_text(&text, " %}{% endif %}", &err), 0);
        (void)recognise(f, text.v, &shape, &err);
        chat_shape_release(&shape);
        buf_release(&text);
    }
}

static void formats_have_names(void **state)
{
    const fixture *f = *state;
    char names[256], *rest = NULL;
    assert_true(strlen(chat_shape_names()) < sizeof names);
    memcpy(names, chat_shape_names(), strlen(chat_shape_names()) + 1);
    const chat_message m[] = {{CHAT_SYSTEM, "S", 1}, {CHAT_USER, "U", 1}};
    for (char *name = strtok_r(names, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        chat_shape shape;
        error err = {0};
        buf out = {0};
        chat_sink to = notes(&out);
        assert_int_equal(chat_shape_named(name, &f->day, &shape, &err), 1);
        assert_string_equal(shape.family->name, name);
        assert_int_equal(chat_write_all(&shape, m, 2, true, false, &to, &err), 0);
        assert_non_null(strstr(out.v, "S"));
        assert_non_null(strstr(out.v, "U"));
        if (strcmp(name, "llama3.1") == 0)
            assert_non_null(strstr(out.v, "Today Date: 09 Feb 2024\n\nS"));
        buf_release(&out);
        chat_shape_release(&shape);
    }
    chat_shape none;
    assert_int_equal(chat_shape_named("klingon", &f->day, &none, NULL), 0);
}

int main(int argc, char **argv)
{
    fixture f = {.path = argc > 1 ? argv[1] : "tests/fixtures/chat.json"};
#define WITH(test) cmocka_unit_test_prestate_setup_teardown(test, open_fixture, close_fixture, &f)
    const struct CMUnitTest tests[] = {
        WITH(renders_as_transformers),     WITH(pieces_make_the_whole),
        WITH(torn_templates_are_survived), WITH(hostile_templates_are_quick),
        WITH(strangers_are_refused),       WITH(broken_templates_are_errors),
        WITH(formats_have_names),
    };
    if (argc > 1) {
        const struct CMUnitTest given[] = {WITH(renders_as_transformers)};
        return cmocka_run_group_tests(given, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
