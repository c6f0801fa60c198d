/* test_bpe.c - the parts below a tokenizer: UTF-8, vocabulary, merging, normalization. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#include "../engine/base/utf8.h"
#include "../engine/text/added_tokens.h"
#include "../engine/text/bpe.h"
#include "../engine/text/bytelevel.h"
#include "../engine/text/normalize.h"
#include "../engine/text/spm.h"
#include "../engine/text/vocabulary.h"

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

static void every_code_point_goes_round(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        size_t n = utf8_put(c, bytes), at = 0;
        bool surrogate = c >= 0xD800 && c < 0xE000;
        assert_int_equal(utf8_character(bytes, n), surrogate ? 0 : n);
        assert_int_equal(utf8_character(bytes, n - 1), 0);
        assert_int_equal(utf8_next(bytes, &at), c);
        assert_int_equal(at, n);
    }
}

static void broken_bytes_are_found_anywhere(void **state)
{
    static const char *const broken[] = {
        "\x80",         "\xC3", "\xC0\x80",         "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF", "\xF8", "\xF4\x90\x80\x80", "\xE2\x82",     "\xFF"};
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        for (size_t before = 0; before < 20; before++) {
            char text[32];
            size_t at = 99, len = before + strlen(broken[i]);
            memset(text, 'x', before);
            memcpy(text + before, broken[i], strlen(broken[i]));
            assert_false(utf8_check(text, len, &at));
            assert_int_equal(at, before);
            assert_true(utf8_check(text, before, NULL));
        }
}

/* ---- vocabulary ----------------------------------------------------------------------------- */

static void words_are_found_by_content_and_id(void **state)
{
    enum { COUNT = 20000 };
    vocabulary v;
    error err = {0};
    char text[16];
    size_t len;
    (void)state;
    assert_int_equal(vocabulary_open(&v, COUNT, &err), 0);
    for (int id = 0; id < COUNT; id += 2)
        assert_int_equal(vocabulary_add(&v, id, text,
                                        (size_t)snprintf(text, sizeof text, "w%d", id),
                                        TOKEN_NORMAL, &err),
                         0);
    for (int id = 0; id < COUNT; id++) {
        size_t n = (size_t)snprintf(text, sizeof text, "w%d", id);
        assert_int_equal(vocabulary_find(&v, text, n), id % 2 ? -1 : id);
        vocabulary_content(&v, id, &len);
        assert_int_equal(len, id % 2 ? 0 : n);
    }
    assert_int_equal(vocabulary_find(&v, "", 0), -1);
    /* The earlier of two ids keeps the name; both have the content. */
    assert_int_equal(vocabulary_add(&v, 1, "w0", 2, TOKEN_ADDED, &err), 0);
    assert_int_equal(vocabulary_find(&v, "w0", 2), 0);
    assert_memory_equal(vocabulary_content(&v, 1, &len), "w0", 2);
    /* NUL is a byte like others. */
    assert_int_equal(vocabulary_add(&v, 3, "a\0b", 3, TOKEN_NORMAL, &err), 0);
    assert_int_equal(vocabulary_find(&v, "a\0b", 3), 3);
    assert_int_equal(vocabulary_find(&v, "a\0c", 3), -1);
    vocabulary_release(&v);
    assert_int_equal(vocabulary_open(&v, (size_t)VOCABULARY_MAX + 1, &err), -1);
    assert_int_equal(vocabulary_open(&v, 0, &err), 0);
    assert_int_equal(vocabulary_find(&v, "a", 1), -1);
    vocabulary_release(&v);
}

/* ---- merging: the definition, in quadratic time --------------------------------------------- */

enum { SYMBOLS = 6, MERGES = 60 };

typedef struct rule {
    int left, right, result;
} rule;

/* A random table: results are new ids, and now and then one that another merge makes too. */
static void random_rules(uint32_t *seed, rule *rules, bpe *b)
{
    error err;
    assert_int_equal(bpe_open(b, MERGES, &err), 0);
    for (int i = 0; i < MERGES; i++) {
        int known = SYMBOLS + i / 2 + 1;
        rules[i] = (rule){(int)(draw(seed) % (uint32_t)known), (int)(draw(seed) % (uint32_t)known),
                          SYMBOLS + (int)(draw(seed) % (uint32_t)(i + 1))};
        bpe_add(b, rules[i].left, rules[i].right, (uint32_t)i, rules[i].result);
    }
}

/* The merge of a pair: of a pair given twice the later one. */
static int rank_of(const rule *rules, int left, int right)
{
    for (int i = MERGES; i-- > 0;)
        if (rules[i].left == left && rules[i].right == right)
            return i;
    return MERGES;
}

/* Lowest rank first, leftmost among equals, over and over. */
static size_t merge_slowly(const rule *rules, int *ids, size_t n)
{
    for (;;) {
        int best = MERGES;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            int rank = rank_of(rules, ids[i], ids[i + 1]);
            if (rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == MERGES)
            return n;
        ids[at] = rules[best].result;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

/* Distinct results: then the reference's rule for stale entries changes nothing. */
static void merging_follows_its_definition(void **state)
{
    uint32_t seed = 5;
    bpe_word word = {0};
    error err = {0};
    (void)state;
    for (int round = 0; round < 3000; round++) {
        rule rules[MERGES];
        bpe table;
        random_rules(&seed, rules, &table);
        for (int i = 0; i < MERGES; i++) {
            rules[i].result = SYMBOLS + i;
            bpe_add(&table, rules[i].left, rules[i].right, (uint32_t)i, rules[i].result);
        }
        int ids[64];
        size_t n = draw(&seed) % 64;
        bpe_word_clear(&word);
        for (size_t i = 0; i < n; i++) {
            ids[i] = (int)(draw(&seed) % SYMBOLS);
            assert_int_equal(bpe_word_add(&word, ids[i], &err), 0);
        }
        assert_int_equal(bpe_word_merge(&word, &table, &err), 0);
        n = merge_slowly(rules, ids, n);
        size_t got = 0;
        for (size_t i = 0; i < word.len; i++)
            if (word.v[i].alive) {
                assert_true(got < n);
                assert_int_equal(word.v[i].id, ids[got]);
                got++;
            }
        assert_int_equal(got, n);
        bpe_release(&table);
    }
    bpe_word_release(&word);
}

/* ab+c and a+bc make one token: the stale entry of the cheaper one merges the dearer one early. */
static void a_stale_entry_with_the_same_result_merges(void **state)
{
    enum { A, B, C, D, AB, BC, ABC, CD };
    bpe table;
    bpe_word word = {0};
    error err = {0};
    (void)state;
    assert_int_equal(bpe_open(&table, 5, &err), 0);
    bpe_add(&table, A, BC, 3, ABC);
    bpe_add(&table, B, C, 0, BC);
    bpe_add(&table, A, B, 1, AB);
    bpe_add(&table, AB, C, 2, ABC);
    bpe_add(&table, C, D, 4, CD);
    const int text[] = {A, B, C, D};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(bpe_word_add(&word, text[i], &err), 0);
    assert_int_equal(bpe_word_merge(&word, &table, &err), 0);
    assert_int_equal(word.v[0].id, ABC);
    assert_false(word.v[1].alive || word.v[2].alive);
    assert_int_equal(word.v[3].id, D);
    bpe_word_release(&word);
    bpe_release(&table);
}

/* ---- SentencePiece -------------------------------------------------------------------------- */

static void bytes_of_sentencepiece(void **state)
{
    (void)state;
    assert_int_equal(spm_byte("<0x00>", 6), 0);
    assert_int_equal(spm_byte("<0xFF>", 6), 255);
    assert_int_equal(spm_byte("<0x0a>", 6), -1);
    assert_int_equal(spm_byte("<0x-1>", 6), -1);
    assert_int_equal(spm_byte("<0xZZ>", 6), -1);
    assert_int_equal(spm_byte("<0x100>", 7), -1);
    assert_int_equal(spm_byte("<0x4>", 5), -1);
    assert_int_equal(spm_byte("", 0), -1);
}

/* Equal scores merge from the left; a token that only one cut can make needs both parts. */
static void scores_become_ranks(void **state)
{
    static const char *const words[] = {"a", "b", "ab", "ba", "bab", "c", "abc"};
    static const float scores[] = {0, 0, -1, -1, -5, 0, -2};
    static const int want[] = {2, 4 - 1, 5}; /* a b b a c -> ab ba c */
    vocabulary v;
    bpe table = {0};
    bpe_word word = {0};
    error err = {0};
    size_t dropped = 0, got = 0;
    (void)state;
    assert_int_equal(vocabulary_open(&v, 7, &err), 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(vocabulary_add(&v, i, words[i], strlen(words[i]), TOKEN_NORMAL, &err), 0);
    assert_int_equal(spm_merges_from_scores(&v, scores, &table, &err), 0);
    spm_options rules = {&v, NULL, -1, false};
    assert_int_equal(spm_symbols(&rules, "abzbac", 6, &word, &dropped, &err), 0);
    assert_int_equal(dropped, 1);
    assert_int_equal(bpe_word_merge(&word, &table, &err), 0);
    for (size_t i = 0; i < word.len; i++)
        if (word.v[i].alive)
            assert_int_equal(word.v[i].id, want[got++]);
    assert_int_equal(got, 3);
    bpe_word_release(&word);
    bpe_release(&table);
    vocabulary_release(&v);
}

/* ---- the byte-level alphabet ---------------------------------------------------------------- */

static void the_alphabet_goes_round(void **state)
{
    char bytes[256];
    error err;
    buf content = {0}, back = {0};
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    assert_int_equal(bytelevel_encode(bytes, 256, &content, &err), 0);
    assert_true(utf8_check(content.v, content.len, NULL));
    assert_int_equal(content.len, 188 - 94 + 68 + 256);
    assert_int_equal(bytelevel_decode(content.v, content.len, &back, &err), 0);
    assert_int_equal(back.len, 256);
    assert_memory_equal(back.v, bytes, 256);
    buf_clear(&content);
    assert_int_equal(bytelevel_encode(" \n\xAD", 3, &content, &err), 0);
    assert_string_equal(content.v, "\xC4\xA0\xC4\x8A\xC5\x83"); /* U+0120 U+010A U+0143 */
    buf_clear(&back);
    assert_int_equal(bytelevel_decode("\xC4\xA0 x", 4, &back, &err), 0);
    assert_string_equal(back.v, "\xC4\xA0 x"); /* a space is no letter of it: as it is */
    buf_release(&content);
    buf_release(&back);
}

/* ---- added tokens --------------------------------------------------------------------------- */

static void the_longest_added_token_is_found(void **state)
{
    const added_token_options anybody = {.untrusted = true};
    added_tokens a = {0};
    error err = {0};
    (void)state;
    assert_int_equal(added_tokens_match(&a, "  ", 2, NULL).id, -1);
    assert_int_equal(added_tokens_insert(&a, "  ", 2, 7, anybody, &err), 0);
    assert_int_equal(added_tokens_insert(&a, "    ", 4, 8, anybody, &err), 0);
    assert_int_equal(added_tokens_insert(&a, "\t", 1, 9, anybody, &err), 0);
    assert_int_equal(added_tokens_match(&a, "   x", 4, NULL).id, 7);
    assert_int_equal(added_tokens_match(&a, "   x", 4, NULL).length, 2);
    assert_int_equal(added_tokens_match(&a, "     ", 5, NULL).id, 8);
    assert_int_equal(added_tokens_match(&a, "     ", 5, NULL).length, 4);
    assert_int_equal(added_tokens_match(&a, " ", 1, NULL).id, -1);
    assert_int_equal(added_tokens_match(&a, "\t\t", 2, NULL).id, 9);
    added_tokens_release(&a);
}

/* Nobody's text makes a special token, wholly or in part, or decides which one a template makes. */
static void special_tokens_are_trusted_throughout(void **state)
{
    const unsigned char none[6] = {0}, all[6] = {1, 1, 1, 1, 1, 1}, half[6] = {1, 1, 1};
    added_tokens a = {0};
    error err = {0};
    (void)state;
    assert_int_equal(added_tokens_insert(&a, "<s>", 3, 1, (added_token_options){0}, &err), 0);
    assert_int_equal(added_tokens_insert(&a, "<s>[x]", 6, 2, (added_token_options){0}, &err), 0);
    assert_int_equal(added_tokens_match(&a, "<s>[x]", 6, NULL).id, -1);
    assert_int_equal(added_tokens_match(&a, "<s>[x]", 6, none).id, -1);
    assert_int_equal(added_tokens_match(&a, "<s>[x]", 6, all).id, 2);
    assert_int_equal(added_tokens_match(&a, "<s>[x]", 6, half).id, 1);
    assert_int_equal(added_tokens_match(&a, "<s>[x]", 6, half + 1).id, -1);
    added_tokens_release(&a);
}

/* What composes of a template's and somebody's characters is not the template's. */
static void trust_survives_normalizing(void **state)
{
    normalizer n = {0};
    error err = {0};
    buf text = {0}, trusted = {0};
    (void)state;
    assert_int_equal(normalizer_add_nfc(&n, &err), 0);
    assert_int_equal(normalizer_add_prepend(&n, "_", 1, &err), 0);
    assert_int_equal(normalizer_add_replace(&n, " ", 1, "__", 2, &err), 0);
    /* "<e" of the template, an accent and " a\u0308" of somebody, ">" of the template */
    static const char words[] = "<e\xCC\x81 a\xCC\x88>", marks[] = {1, 1, 0, 0, 0, 0, 0, 0, 1};
    assert_int_equal(buf_add(&text, words, 9, &err), 0);
    assert_int_equal(buf_add(&trusted, marks, 9, &err), 0);
    assert_int_equal(normalizer_run_trusted(&n, &text, &trusted, &err), 0);
    static const char after[] = {1, 1, 0, 0, 0, 0, 0, 0, 1};
    assert_string_equal(text.v, "_<\xC3\xA9__\xC3\xA4>");
    assert_int_equal(trusted.len, 9);
    assert_memory_equal(trusted.v, after, 9);
    buf_release(&text);
    buf_release(&trusted);
}

/* ---- normalization -------------------------------------------------------------------------- */

/* Marks of many classes in random order: utf8proc's own insertion sort is the oracle. */
static void long_runs_of_marks_are_ordered(void **state)
{
    static const uint32_t marks[] = {0x301, 0x316, 0x327, 0x31B, 0x345,
                                     0x35C, 0x5B0, 0x64B, 0x93C, 0x3099};
    uint32_t seed = 3;
    normalizer nfc = {0};
    error err = {0};
    (void)state;
    assert_int_equal(normalizer_add_nfc(&nfc, &err), 0);
    for (int round = 0; round < 300; round++) {
        buf text = {0};
        char bytes[4];
        for (uint32_t i = 0, n = draw(&seed) % 200; i < n; i++) {
            uint32_t c = draw(&seed) % 20 ? marks[draw(&seed) % 10] : 'a' + draw(&seed) % 26;
            assert_int_equal(buf_add(&text, bytes, utf8_put(c, bytes), &err), 0);
        }
        utf8proc_uint8_t *want = NULL;
        utf8proc_ssize_t n = utf8proc_map((utf8proc_uint8_t *)text.v, (utf8proc_ssize_t)text.len,
                                          &want, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        assert_true(n >= 0);
        assert_int_equal(normalizer_run(&nfc, &text, &err), 0);
        assert_int_equal(text.len, n);
        assert_memory_equal(text.v ? text.v : "", want, (size_t)n);
        free(want);
        buf_release(&text);
    }
}

static void steps_run_in_order(void **state)
{
    normalizer n = {0};
    error err = {0};
    buf text = {0};
    (void)state;
    assert_int_equal(normalizer_add_prepend(&n, " ", 1, &err), 0);
    assert_int_equal(normalizer_add_replace(&n, " ", 1, "__", 2, &err), 0);
    assert_int_equal(normalizer_run(&n, &text, &err), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(buf_text(&text, "a b ", &err), 0);
    assert_int_equal(normalizer_run(&n, &text, &err), 0);
    assert_string_equal(text.v, "__a__b__");
    assert_int_equal(normalizer_add_replace(&n, "", 0, "x", 1, &err), -1);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_goes_round),
        cmocka_unit_test(broken_bytes_are_found_anywhere),
        cmocka_unit_test(words_are_found_by_content_and_id),
        cmocka_unit_test(merging_follows_its_definition),
        cmocka_unit_test(a_stale_entry_with_the_same_result_merges),
        cmocka_unit_test(bytes_of_sentencepiece),
        cmocka_unit_test(scores_become_ranks),
        cmocka_unit_test(the_alphabet_goes_round),
        cmocka_unit_test(the_longest_added_token_is_found),
        cmocka_unit_test(special_tokens_are_trusted_throughout),
        cmocka_unit_test(trust_survives_normalizing),
        cmocka_unit_test(long_runs_of_marks_are_ordered),
        cmocka_unit_test(steps_run_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
