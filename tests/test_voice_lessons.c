/* test_voice_lessons.c - which languages of lessons are compared, and in which order they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/derive/voice_lessons.h"
#include "routing_support.h"
#include "scratch.h"

enum { SPEAKERS = 3, FILES = 3, COUNT = 6 };

/* One persona, whose lessons are made here: a question, then as many letters as a language says much. */
typedef struct speaker {
    char name[8];
    persona_text files[FILES];
    persona persona;
    voice_lessons said;
} speaker;

static void teach(lessons *l, const char *question, char letter, int size)
{
    char text[4096];
    size_t n = 0;
    error err = {0};
    for (int i = 0; i < COUNT; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "{\"question\":\"%s\",\"answer\":\"%.*s\"}\n", question, size,
                              (char[]){letter, letter, letter, letter, letter, letter});
    if (lessons_read("here", text, n, l, &err))
        fail_msg("%s", err.text);
}

/* languages: "en ru", "-" = a file that names none. */
static void make(speaker *s, const char *name, const char *languages, bool needed)
{
    *s = (speaker){0};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    s->persona = (persona){.name = s->name, .lessons = s->files};
    s->said = (voice_lessons){.persona = &s->persona, .needed = needed};
    s->said.files = calloc(FILES, sizeof *s->said.files);
    s->said.languages = calloc(FILES, sizeof *s->said.languages);
    assert_true(s->said.files && s->said.languages);
    for (const char *at = languages; *at; at += 2 + (at[2] == ' ')) {
        int i = s->persona.lesson_count++;
        (void)snprintf(s->files[i].language, sizeof s->files[i].language, "%.2s", at);
        s->said.languages[i] = s->files[i].language;
        teach(&s->said.files[i], "Why?", (char)('a' + i), i ? 6 : 2);
    }
}

/* Three speakers, of whom the first is named; what is read, and who is left out ("b"). */
static void choice(const char *const of[SPEAKERS], const char *asked, const char *languages,
                   const char *left_out)
{
    speaker s[SPEAKERS];
    voice_lessons *all[SPEAKERS];
    voice_languages chosen;
    buf list = {0};
    char out[SPEAKERS + 1] = "";
    error err = {0};
    for (int i = 0; i < SPEAKERS; i++) {
        make(&s[i], (const char *[]){"a", "b", "c"}[i], of[i], i == 0);
        all[i] = &s[i].said;
    }
    int result = voice_choose(all, SPEAKERS, asked, &chosen, &err);
    if (!languages) {
        assert_int_equal(result, -1);
        assert_int_equal(err.code, ERROR_USAGE);
        if (!strstr(err.text, left_out))
            fail_msg("\"%s\" does not say \"%s\"", err.text, left_out);
    } else {
        if (result || buf_text(&list, "", &err) || voice_languages_list(&chosen, &list, &err))
            fail_msg("%s", err.text);
        assert_string_equal(list.v, languages);
        for (int i = 0; i < SPEAKERS; i++)
            if (s[i].said.left_out)
                strcat(out, s[i].name);
        assert_string_equal(out, left_out);
    }
    buf_release(&list);
    for (int i = 0; i < SPEAKERS; i++)
        voice_lessons_release(&s[i].said);
}

#define OF(a, b, c) ((const char *const[]){a, b, c})

static void languages_are_those_that_all_have(void **state)
{
    (void)state;
    choice(OF("en", "en", "en"), NULL, "en", "");
    choice(OF("en ru", "en ru", "en ru"), NULL, "en, ru", "");
    choice(OF("en ru", "ru en", "en"), NULL, "en", "");
    choice(OF("ru en", "en ru", "ru en"), NULL, "ru, en", "");
    choice(OF("fr", "en ru", "en ru"), NULL, "fr", "bc"); /* who was named is heard */
    choice(OF("en fr", "de fr", "fr"), NULL, "fr", "");   /* most have it */
    choice(OF("en fr", "fr", "en fr"), NULL, "fr", "");   /* and not: en, without b */
    choice(OF("en ru", "", "en ru"), NULL, "en, ru", ""); /* no lessons at all */
    choice(OF("", "en ru", "ru"), NULL, "ru", "");        /* texts in place of lessons */
    choice(OF("", "", ""), NULL, "", "");
}

static void who_asks_is_obeyed_or_told(void **state)
{
    (void)state;
    choice(OF("en ru", "en ru", "en ru"), "ru", "ru", "");
    choice(OF("en ru", "en", "en ru"), "ru,en", "ru, en", "b");
    choice(OF("en", "en ru", "en ru"), "ru", NULL, "--lang ru: a has no lessons in it");
    choice(OF("en", "en ru", "en ru"), "english", NULL, "--lang english: a has");
    choice(OF("", "en ru", "en"), "de", NULL, "--lang de: nobody has");
    choice(OF("en", "en", "en"), "", NULL, "--lang: no language");
}

static void two_who_share_none_are_told(void **state)
{
    speaker a, b;
    voice_languages chosen;
    error err = {0};
    make(&a, "a", "en fr", true);
    make(&b, "b", "ru", true);
    assert_int_equal(
        voice_choose((voice_lessons *const[]){&a.said, &b.said}, 2, NULL, &chosen, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "none in common (a: en, fr; b: ru)"));
    voice_lessons_release(&a.said);
    voice_lessons_release(&b.said);
    (void)state;
}

/* Languages take turns by two, so that both halves have both; what says more has fewer turns. */
static void languages_take_turns(void **state)
{
    engine *e = support_engine(COUNCIL_MODEL, 64, NULL);
    speaker s;
    voice_languages chosen;
    error err = {0};
    measure_samples out = {0}, some = {0}, held = {0};
    make(&s, "a", "en ru", true);
    assert_int_equal(voice_choose((voice_lessons *const[]){&s.said}, 1, NULL, &chosen, &err), 0);
    assert_int_equal(voice_lessons_add(&s.said, &chosen, e, &(voice_reading){0}, &out, &err), 0);
    assert_int_equal(out.len, 2 * COUNT);
    char order[2 * COUNT + 1] = "";
    size_t said[2][2] = {{0}};
    for (size_t i = 0; i < out.len; i++) {
        size_t n = out.v[i].ids.len - out.v[i].from;
        order[i] = n > 4 ? 'r' : 'e';
        said[i % 2][n > 4] += n;
    }
    assert_string_equal(order, "eerreeeerrrr"); /* 3 tokens, and 7, with the end */
    for (int half = 0; half < 2; half++)
        assert_true(said[half][0] == 9 && said[half][1] == 21);
    assert_int_equal(
        voice_lessons_add(&s.said, &chosen, e, &(voice_reading){.most = 20}, &some, &err), 0);
    assert_int_equal(some.tokens, 20);
    assert_int_equal(
        voice_lessons_add(&s.said, &chosen, e, &(voice_reading){.held = 1}, &held, &err), 0);
    assert_int_equal(held.len, 2); /* the fifth of each file's six */
    assert_int_equal(
        voice_lessons_add(&s.said, &chosen, e, &(voice_reading){.held = 2}, &held, &err), 0);
    assert_int_equal(held.len, 2 + 2 * COUNT); /* too few: all of them */
    measure_samples_release(&out);
    measure_samples_release(&some);
    measure_samples_release(&held);
    voice_lessons_release(&s.said);
    engine_close(e);
    (void)state;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void count_note(void *user, const char *sentence)
{
    (void)sentence;
    ++*(int *)user;
}

/* A file that names no language is in that of its first question; faults are told, all of them. */
static void files_say_what_they_are(void **state)
{
    char folder[SCRATCH], one[128], two[128];
    scratch_folder(folder, "voice-lessons");
    (void)snprintf(one, sizeof one, "%s/one", folder);
    (void)snprintf(two, sizeof two, "%s/two", folder);
    write_file(one, "{\"question\":\"\u041f\u043e\u0447\u0435\u043c\u0443?\",\"answer\":\"a\"}\n");
    write_file(two, "{\"question\":\"Q\"}\n[]\n");
    persona_text files[] = {{.language = "", .text = one}, {.language = "en", .text = two}};
    char name[] = "a";
    persona p = {.name = name, .lessons = files, .lesson_count = 1};
    voice_lessons v = {0};
    error err = {0};
    int told = 0;
    assert_int_equal(voice_lessons_load(&p, &v, count_note, &told, &err), 0);
    assert_string_equal(v.languages[0], "ru");
    voice_lessons_release(&v);
    p.lesson_count = 2;
    assert_int_equal(voice_lessons_load(&p, &v, count_note, &told, &err), -1);
    assert_true(err.code == ERROR_LOAD && told == 2 && strstr(err.text, "2 faults above"));
    voice_lessons_release(&v);
    assert_true(remove(one) == 0 && remove(two) == 0 && remove(folder) == 0);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_are_those_that_all_have),
        cmocka_unit_test(who_asks_is_obeyed_or_told),
        cmocka_unit_test(two_who_share_none_are_told),
        cmocka_unit_test(languages_take_turns),
        cmocka_unit_test(files_say_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
