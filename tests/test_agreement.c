/* test_agreement.c - when two sentences say the same, and what two answers share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/base/buf.h"
#include "../engine/base/utf8.h"
#include "../personas/merge/agreement.h"
#include "../personas/merge/words.h"

static claim read_claim(const char *text, const claim *question)
{
    claim c;
    error err = {0};
    assert_int_equal(claim_read(text, strlen(text), question, &c, &err), 0);
    return c;
}

static bool agree(const char *question, const char *x, const char *y)
{
    claim q = read_claim(question, NULL), a = read_claim(x, &q), b = read_claim(y, &q);
    bool result = claims_agree(&a, &b);
    assert_int_equal(claims_agree(&b, &a), result);
    assert_true(claims_share(&a, &b) == claims_share(&b, &a));
    claim_release(&q);
    claim_release(&a);
    claim_release(&b);
    return result;
}

static void the_same_point_in_other_words_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *question, *a, *b;
        bool agree;
    } cases[] = {
        {"Why is the sea salty?", "Rivers carry dissolved minerals.",
         "It is because rivers carried the minerals.", true},
        {"Why is the sea salty?", "Rivers carry dissolved minerals.", "Fish drink it.", false},
        /* the question's words prove nothing, */
        {"Should a town close its library?", "The town should close the library.",
         "A town library closes early.", false},
        /* but the same words are the same, in any order and with other marks; */
        {"Is the Earth round?", "The Earth is round.", "Yes: the earth is ROUND!", true},
        /* one word is not enough, */
        {"Who?", "Rivers.", "Rivers.", false},
        /* nor a denial, however alike, */
        {"Is it safe?", "Raw chicken meat is safe to eat.", "Raw chicken meat is not safe to eat.",
         false},
        {"Is it safe?", "You shouldn't eat raw chicken meat.", "Never eat raw chicken meat.", true},
        {"Is it safe?", "You shouldn\xE2\x80\x99t eat raw chicken.", "Eat raw chicken.", false},
        /* nor other numbers. */
        {"How long?", "Boil the eggs for 7 minutes.", "Boil the eggs for 9 minutes.", false},
        {"How long?", "Boil the eggs for 7 minutes.", "Boil eggs 7 minutes.", true},
        {"How long?", "Boil eggs 1,000 minutes.", "Boil eggs 1000 minutes.", true},
        {"How long?", "Boil eggs 1.5 minutes.", "Boil eggs 1 minute, 5.", false},
        {"How long?", "Boil the eggs for 7 minutes.", "Boil the eggs for some minutes.", true},
        {"Почему важен сон?", "Мозг восстанавливает память ночью.",
         "Ночью мозгу нужно восстановить память.", true},
        {"Почему важен сон?", "Мозг восстанавливает память.", "Мозг не восстанавливает память.",
         false},
        {"为什么？", "河流带来矿物质。", "河流带来了矿物质。", true},
        {"为什么？", "河流带来矿物质。", "河流不带来矿物质。", false},
        {"Why?", "", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (agree(cases[i].question, cases[i].a, cases[i].b) != cases[i].agree)
            fail_msg("\"%s\" and \"%s\"", cases[i].a, cases[i].b);
}

static void what_is_shared_is_counted_by_hand(void **state)
{
    (void)state;
    claim q = read_claim("Why is the sea salty?", NULL);
    claim a = read_claim("The sea has salts: rivers bring minerals, rivers erode rocks.", &q);
    claim b = read_claim("A river erodes a mountain.", &q);
    /* river, bring, minera, erod, rock; the question's: sea, salt */
    assert_int_equal(a.fresh.len, 5);
    assert_int_equal(b.fresh.len, 3);
    assert_true(claims_share(&a, &b) == 2.0 * 2 / 8);
    assert_true(claims_share(&a, &a) == 1);
    claim none = read_claim("is it?", &q);
    assert_true(claims_share(&a, &none) == 0 && claims_share(&none, &none) == 0);
    claim_release(&q);
    claim_release(&a);
    claim_release(&b);
    claim_release(&none);
}

static int list(void *user, const text_word *w, error *err)
{
    char pair[12] = "";
    size_t n = w->before ? utf8_put(w->before, pair) : 0;
    n += w->v ? 0 : utf8_put(w->dense, pair + n);
    if (w->number && buf_text(user, "#", err))
        return -1;
    return buf_add(user, w->v ? w->v : pair, w->v ? w->len : n, err) || buf_text(user, "|", err);
}

/* The one rule of what a word is, for agreement and for a vote's features alike. */
static void words_begin_and_end_by_one_rule(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"Don't STOP \xE2\x80\x94 it\xE2\x80\x99s 'so'.", "don't|stop|it's|so|"},
        {"1,000.50 m, 3.", "#1000.50|m|#3|"},
        {"\xD0\x81\xD0\x9B\xD0\x9A\xD0\x90", "\xD0\xB5\xD0\xBB\xD0\xBA\xD0\xB0|"},
        {"\xE6\xB2\xB3\xE6\xB5\x81 a", "\xE6\xB2\xB3|\xE6\xB2\xB3\xE6\xB5\x81|a|"},
        {"abcdefghijklmnopqrstuvwxyzabcdefghij", "abcdefghijklmnopqrstuvwxyzabcdef|"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf out = {0};
        error err = {0};
        assert_int_equal(buf_text(&out, "", &err), 0);
        assert_int_equal(words_read(cases[i].text, strlen(cases[i].text), list, &out, &err), 0);
        assert_string_equal(out.v, cases[i].words);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_point_in_other_words_is_found),
        cmocka_unit_test(what_is_shared_is_counted_by_hand),
        cmocka_unit_test(words_begin_and_end_by_one_rule),
    };
    return cmocka_run_group_tests_name("agreement", tests, NULL, NULL);
}
