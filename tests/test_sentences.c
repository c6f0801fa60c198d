/* test_sentences.c - where sentences end, in several scripts, and what stays whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../personas/merge/sentences.h"

/* The pieces with a bar between them, each behind a letter for what it is: p, i, h, c or t. */
static void split(const char *text, size_t len, char *out, size_t size)
{
    sentence_list list = {0};
    error err = {0};
    size_t used = 0;
    assert_int_equal(sentences_split(text, len, &list, &err), 0);
    out[0] = '\0';
    for (size_t i = 0; i < list.len; i++) {
        const sentence *s = &list.v[i];
        assert_true(s->len > 0 && s->text >= text && s->text + s->len <= text + len);
        if (i)
            assert_true(s->text >= list.v[i - 1].text + list.v[i - 1].len);
        used += (size_t)snprintf(out + used, size - used, "%s%c:%.*s", i ? "|" : "",
                                 "pihct"[s->kind], (int)s -> len, s -> text);
    }
    sentences_release(&list);
}

static void sentences_end_where_they_do(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {" \n\n ", ""},
        {"One. Two! Three?", "p:One.|p:Two!|p:Three?"},
        {"No mark at the end", "p:No mark at the end"},
        {"Dr. Smith met J. Doe at 3.14 p.m. Then he left.",
         "p:Dr. Smith met J. Doe at 3.14 p.m.|p:Then he left."},
        {"Use fruit, e.g. Apples, i.e. Pears. Eat etc. The end.",
         "p:Use fruit, e.g. Apples, i.e. Pears.|p:Eat etc.|p:The end."},
        {"The U.S. Congress met. It voted.", "p:The U.S. Congress met.|p:It voted."},
        {"See No. 5 below. He said no. Then yes.", "p:See No. 5 below.|p:He said no.|p:Then yes."},
        {"No. That is wrong.", "p:No.|p:That is wrong."},
        {"So do I. He does not.", "p:So do I.|p:He does not."},
        {"Well... maybe. Wait... Now go.", "p:Well... maybe.|p:Wait...|p:Now go."},
        {"Yahoo! is a firm. What?! Yes.", "p:Yahoo! is a firm.|p:What?!|p:Yes."},
        {"He said \"stop.\" She did. (Twice.) Done.",
         "p:He said \"stop.\"|p:She did.|p:(Twice.)|p:Done."},
        {"**Yes.** It is.", "p:**Yes.**|p:It is."},
        {"Call `a. B` or ``x. Y`` now. Fine.", "p:Call `a. B` or ``x. Y`` now.|p:Fine."},
        {"It costs 3.5 crowns.5 is odd.", "p:It costs 3.5 crowns.5 is odd."},
        {"First line\nSecond line\nwhich goes on. Third",
         "p:First line|p:Second line\nwhich goes on.|p:Third"},
        {"2. Stir", "i:Stir"},
        {"Да. Это т.е. Так, и т.д. Потом ул. Мира, им. Ленина. А. С. Пушкин писал! Всё?",
         "p:Да.|p:Это т.е. Так, и т.д.|p:Потом ул. Мира, им. Ленина.|"
         "p:А. С. Пушкин писал!|p:Всё?"},
        {"Он сказал: «Нет.» Она ушла… Потом вернулась.",
         "p:Он сказал: «Нет.»|p:Она ушла…|p:Потом вернулась."},
        {"水是湿的。火是热的！真的吗？对", "p:水是湿的。|p:火是热的！|p:真的吗？|p:对"},
        {"「はい。」彼は言った。終わり", "p:「はい。」|p:彼は言った。|p:終わり"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[1000];
        split(cases[i][0], strlen(cases[i][0]), out, sizeof out);
        assert_string_equal(out, cases[i][1]);
    }
}

static void blocks_stay_apart_and_code_whole(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Do this:\n\n- Boil water. Wait.\n- Add tea\n\nDone.",
         "p:Do this:|i:Boil water.|i:Wait.|i:Add tea|p:Done."},
        {"# A title\nText. More.", "h:A title|p:Text.|p:More."},
        {"Run it.\n\n```python\nx = 1. # A. B\n\nprint(x)\n```\n\nIt prints. So.",
         "p:Run it.|c:```python\nx = 1. # A. B\n\nprint(x)\n```|p:It prints.|p:So."},
        {"Cut:\n```c\nint main(", "p:Cut:|c:```c\nint main("},
        {"| a | b |\n|---|---|\n| 1. A | 2 |\n\nBehind.",
         "t:| a | b |\n|---|---|\n| 1. A | 2 ||p:Behind."},
        {"> Quoted. Twice.\n\n---\n\nEnd.", "p:Quoted.|p:Twice.|p:End."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[1000];
        split(cases[i][0], strlen(cases[i][0]), out, sizeof out);
        assert_string_equal(out, cases[i][1]);
    }
}

static void what_a_piece_is_like_is_told(void **state)
{
    (void)state;
    static const char text[] = "Is it? It is:\n\n```\nx\n```\n\nДа？ Or: **why?** End\n\n```\ny";
    sentence_list list = {0};
    error err = {0};
    assert_int_equal(sentences_split(text, strlen(text), &list, &err), 0);
    assert_int_equal(list.len, 7);
    static const struct {
        bool ended, asks, leads;
    } want[] = {{true, true, false},  {false, false, true}, {true, false, false},
                {true, true, false},  {true, true, false},  {false, false, false},
                {false, false, false}};
    for (size_t i = 0; i < list.len; i++) {
        assert_int_equal(list.v[i].ended, want[i].ended);
        assert_int_equal(list.v[i].asks, want[i].asks);
        assert_int_equal(list.v[i].leads, want[i].leads);
    }
    sentences_release(&list);
}

/* U+0000 is a character like others, and a text of nothing but marks ends. */
static void odd_texts_are_split_in_time(void **state)
{
    (void)state;
    static const char nul[] = "A\0. B. C";
    char out[100];
    sentence_list list = {0};
    error err = {0};
    split(nul, sizeof nul - 1, out, sizeof out);
    enum { MANY = 200000 };
    static const char *const parts[] = {".", "`", "a. ", "(\"", "A.\n", "*", "1. ", "```\n"};
    char *text = malloc(MANY + 8);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i]);
        for (size_t at = 0; at < MANY; at += n)
            memcpy(text + at, parts[i], n);
        assert_int_equal(sentences_split(text, MANY, &list, &err), 0);
    }
    free(text);
    sentences_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_end_where_they_do),
        cmocka_unit_test(blocks_stay_apart_and_code_whole),
        cmocka_unit_test(what_a_piece_is_like_is_told),
        cmocka_unit_test(odd_texts_are_split_in_time),
    };
    return cmocka_run_group_tests_name("sentences", tests, NULL, NULL);
}
