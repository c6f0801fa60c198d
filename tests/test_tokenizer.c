/* test_tokenizer.c - tokenizers from files: ids, pieces, and files that must be refused.
 *
 * tests/fixtures/tokenizers holds small vocabularies of each family with the ids that the reference
 * libraries gave (make_tokenizer_fixtures.py). test_tokenizers.py adds real vocabularies.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#include "../engine/base/utf8.h"
#include "../engine/formats/gguf.h"
#include "../engine/text/tokenizer_parts.h"

#define FOLDER "tests/fixtures/tokenizers/"

static tokenizer *open_fixture(const char *name)
{
    tokenizer *t = NULL;
    error err = {0};
    char path[256];
    snprintf(path, sizeof path, FOLDER "%s", name);
    if (strstr(name, ".gguf")) {
        tensor_list tensors = {0};
        gguf *g = gguf_open(path, &tensors, &err);
        if (!g || tokenizer_from_gguf(g, &t, &err))
            fail_msg("%s", err.text);
        tensor_list_release(&tensors);
        gguf_close(g);
    } else if (tokenizer_from_json(path, &t, &err)) {
        fail_msg("%s", err.text);
    }
    assert_non_null(t);
    return t;
}

static size_t unhex(const char *hex, size_t len, char *out)
{
    for (size_t i = 0; i < len / 2; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (char)byte;
    }
    return len / 2;
}

/* One line of ids.txt: the text in hexadecimal, then its ids. */
static void check_line(const tokenizer *t, char *line)
{
    size_t hex = strcspn(line, " \n");
    char *text = malloc(hex + 1);
    size_t len = unhex(line, hex, text);
    tokens got = {0};
    error err = {0};
    if (tokenizer_encode(t, text, len, &got, NULL, &err))
        fail_msg("%s", err.text);
    char *at = line + hex;
    for (size_t i = 0; i < got.len; i++)
        if (strtol(at, &at, 10) != got.v[i])
            fail_msg("id %zu is %d: %.60s", i, got.v[i], line);
    if (strspn(at, " \n") != strlen(at))
        fail_msg("ids are missing after %zu: %.60s", got.len, line);
    tokens_release(&got);
    free(text);
}

static void check_ids(const char *model, const char *list)
{
    tokenizer *t = open_fixture(model);
    char path[256];
    snprintf(path, sizeof path, FOLDER "%s/ids.txt", list);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t cap = 0, lines = 0;
    while (getline(&line, &cap, file) > 0) {
        check_line(t, line);
        lines++;
    }
    assert_true(lines > 100);
    free(line);
    fclose(file);
    tokenizer_close(t);
}

static void every_fixture_has_the_reference_ids(void **state)
{
    static const char *const all[] = {"gpt2",   "smollm", "llama3", "qwen2",   "olmo",
                                      "tekken", "splits", "llama2", "mistral", "unknown"};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_ids(all[i], all[i]);
    for (size_t i = 0; i < 5; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.gguf", all[i]);
        check_ids(file, all[i]);
    }
    check_ids("sentencepiece.gguf", "sentencepiece");
}

/* ---- decode(encode(x)) ---------------------------------------------------------------------- */

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A random text: ASCII, marks, other scripts, blanks. */
static size_t random_text(uint32_t *seed, char *out, size_t cap)
{
    static const uint32_t first[] = {0x20, 0x20, 0x300, 0xA0, 0x400, 0x4E00, 0xAC00, 0x1F300, 0};
    static const uint32_t count[] = {95, 95, 100, 400, 200, 20000, 11000, 600, 33};
    size_t len = 0, n = draw(seed) % 24;
    for (size_t i = 0; i < n && len + 4 < cap; i++) {
        uint32_t kind = draw(seed) % 9;
        len += utf8_put(first[kind] + draw(seed) % count[kind], out + len);
    }
    return len;
}

static void check_restored(const tokenizer *t, const char *text, size_t len, const char *want,
                           size_t want_len)
{
    tokens ids = {0};
    buf got = {0};
    error err = {0};
    size_t dropped = 0;
    assert_int_equal(tokenizer_encode(t, text, len, &ids, &dropped, &err), 0);
    for (size_t i = 0; i < ids.len; i++) {
        size_t n;
        const char *piece = (i ? tokenizer_piece : tokenizer_first_piece)(t, ids.v[i], &n);
        assert_int_equal(buf_add(&got, piece, n, &err), 0);
        assert_false(tokenizer_is_special(t, ids.v[i]));
    }
    assert_int_equal(dropped, 0);
    assert_int_equal(got.len, want_len);
    assert_memory_equal(got.v ? got.v : "", want, want_len);
    tokens_release(&ids);
    buf_release(&got);
}

static void pieces_restore_any_text(void **state)
{
    tokenizer *plain = open_fixture("gpt2"), *nfc = open_fixture("qwen2.gguf"),
              *spm = open_fixture("llama2");
    uint32_t seed = 1;
    int rounds = getenv("SANITIZED") ? 10000 : 100000;
    (void)state;
    for (int i = 0; i < rounds; i++) {
        char text[128];
        size_t len = random_text(&seed, text, sizeof text);
        check_restored(plain, text, len, text, len);
        check_restored(spm, text, len, text, len);
        utf8proc_uint8_t *normal = NULL;
        utf8proc_ssize_t n = utf8proc_map((utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, &normal,
                                          UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        assert_true(n >= 0);
        check_restored(nfc, text, len, (char *)normal, (size_t)n);
        free(normal);
    }
    tokenizer_close(plain);
    tokenizer_close(nfc);
    tokenizer_close(spm);
}

/* ---- single answers ------------------------------------------------------------------------- */

static void specials_are_found_by_name_only(void **state)
{
    tokenizer *t = open_fixture("llama3");
    size_t n;
    (void)state;
    int bos = tokenizer_find(t, "<|begin_of_text|>", 17);
    assert_true(bos >= 0 && bos == tokenizer_count(t) - 1);
    assert_int_equal(tokenizer_bos(t), bos);
    assert_int_equal(tokenizer_eos(t), tokenizer_find(t, "<|eot_id|>", 10));
    assert_true(tokenizer_adds_bos(t));
    assert_true(tokenizer_is_special(t, bos));
    tokenizer_piece(t, bos, &n);
    assert_int_equal(n, 0);
    assert_memory_equal(tokenizer_content(t, bos, &n), "<|begin_of_text|>", 17);
    assert_int_equal(n, 17);
    assert_int_equal(tokenizer_find(t, "no such token", 13), -1);
    tokenizer_close(t);

    t = open_fixture("qwen2");
    int think = tokenizer_find(t, "<think>", 7);
    assert_true(think >= 0 && !tokenizer_is_special(t, think));
    assert_memory_equal(tokenizer_piece(t, think, &n), "<think>", 7);
    assert_int_equal(n, 7);
    assert_false(tokenizer_adds_bos(t));
    assert_int_equal(tokenizer_bos(t), -1);
    tokenizer_close(t);
}

static void the_first_piece_loses_the_added_space(void **state)
{
    tokenizer *t = open_fixture("llama2");
    size_t n;
    (void)state;
    int the = tokenizer_find(t, "\xE2\x96\x81the", 6), newline = tokenizer_find(t, "<0x0A>", 6);
    assert_true(the >= 0 && newline >= 0);
    assert_memory_equal(tokenizer_piece(t, the, &n), " the", 4);
    assert_memory_equal(tokenizer_first_piece(t, the, &n), "the", 3);
    assert_int_equal(n, 3);
    assert_memory_equal(tokenizer_piece(t, newline, &n), "\n", 1);
    assert_int_equal(tokenizer_bos(t), 1);
    tokenizer_close(t);
}

static void missing_bytes_are_dropped_and_counted(void **state)
{
    tokenizer *t = open_fixture("smollm.gguf");
    tokens with = {0}, without = {0};
    size_t dropped = 3;
    error err = {0};
    (void)state;
    assert_int_equal(tokenizer_encode(t, "a\0b\x01", 4, &with, &dropped, &err), 0);
    assert_int_equal(dropped, 5);
    assert_int_equal(tokenizer_encode(t, "", 0, &without, NULL, &err), 0);
    assert_int_equal(without.len, 0);
    assert_int_equal(with.len, 2);
    tokens_release(&with);
    tokenizer_close(t);
}

static void broken_text_leaves_the_list_alone(void **state)
{
    tokenizer *t = open_fixture("gpt2");
    tokens ids = {0};
    error err = {0};
    (void)state;
    assert_int_equal(tokens_push(&ids, 7, &err), 0);
    assert_int_equal(tokenizer_encode(t, "abc\xC3(", 5, &ids, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.text, "byte 3 "));
    assert_int_equal(ids.len, 1);
    tokens_release(&ids);
    tokenizer_close(t);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *encode_often(void *user)
{
    const tokenizer *t = user;
    uint32_t seed = 9;
    uintptr_t sum = 0;
    for (int i = 0; i < 500; i++) {
        char text[128];
        size_t len = random_text(&seed, text, sizeof text);
        tokens ids = {0};
        error err;
        if (tokenizer_encode(t, text, len, &ids, NULL, &err))
            return NULL;
        for (size_t j = 0; j < ids.len; j++)
            sum = sum * 31 + (uintptr_t)ids.v[j] + 1;
        tokens_release(&ids);
    }
    return (void *)sum; /* a number, never followed */
}

static void threads_share_a_tokenizer(void **state)
{
    tokenizer *t = open_fixture("qwen2");
    pthread_t thread[4];
    void *alone = encode_often(t), *result;
    (void)state;
    assert_non_null(alone);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, encode_often, t), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], &result), 0);
        assert_ptr_equal(result, alone);
    }
    tokenizer_close(t);
}

/* ---- files that are refused, or load where that is sensible --------------------------------- */

#define BYTELEVEL            "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define MODEL(vocab, merges) "{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":" merges "}"
#define FILE_OF(pre, model, added)                                                                 \
    "{\"added_tokens\":" added ",\"pre_tokenizer\":" pre ",\"model\":" model "}"
#define VOCAB(vocab)   FILE_OF(BYTELEVEL, MODEL(vocab, "[]"), "[]")
#define MERGES(merges) FILE_OF(BYTELEVEL, MODEL("{\"a\":0,\"b\":1,\"ab\":2}", merges), "[]")
#define ADDED(added)   FILE_OF(BYTELEVEL, MODEL("{\"a\":0,\"b\":1,\"ab\":2}", "[]"), added)
#define PRE(pre)       FILE_OF(pre, MODEL("{\"a\":0,\"b\":1,\"ab\":2}", "[]"), "[]")
#define REGEX(regex)                                                                               \
    PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex                                      \
        "\"},\"behavior\":\"Isolated\",\"invert\":false}")
#define STAGE(key, stage) "{\"" key "\":" stage ",\"model\":" MODEL("{\"a\":0}", "[]") "}"
#define OPTION(option)    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]," option "}}"

/* why = words of the sentence; NULL = it loads. */
static const struct {
    const char *text, *why;
} files[] = {
    {"[]", "no object"},
    {"{}", "model is missing"},
    {"{\"model\":{\"type\":\"BPE\"}}", "vocab or merges is missing"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", "model: type \"WordPiece\""},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "model: type \"Unigram\""},
    /* K1, K12: ids */
    {VOCAB("{\"a\":0,\"b\":900}"), NULL},
    {VOCAB("{}"), NULL},
    {VOCAB("{\"a\":0}"), NULL},
    {VOCAB("{\"a\":0,\"b\":0}"), "model.vocab: \"b\" has id 0, which another token has"},
    {VOCAB("{\"a\":2147483648}"), "the id of \"a\" is no whole number"},
    {VOCAB("{\"a\":2000000}"), "the id of \"a\" is no whole number"},
    {VOCAB("{\"a\":-1}"), "the id of \"a\""},
    {VOCAB("{\"a\":1.5}"), "the id of \"a\""},
    {VOCAB("{\"a\":\"0\"}"), "the id of \"a\""},
    {VOCAB("{\"a\":1e300}"), "the id of \"a\""},
    {VOCAB("[]"), "vocab is a list"},
    {VOCAB("{\"\":0}"), NULL},
    /* K2, K3: merges */
    {MERGES("[\"a b\"]"), NULL},
    {MERGES("[[\"a\",\"b\"]]"), NULL},
    {MERGES("[\"a b\",\"a b\"]"), NULL},
    {MERGES("[\"#version: 0.2\",\"a b\"]"), NULL},
    {MERGES("[\"a\"]"), "model.merges[0]: \"a\" is not two tokens"},
    {MERGES("[\"a b\",\"a b c\"]"), "model.merges[1]: \"a b c\" is not two tokens"},
    {MERGES("[\" b\"]"), "is not two tokens"},
    {MERGES("[\"\"]"), "is not two tokens"},
    {MERGES("[\"a x\"]"), "model.merges[0]: \"x\" is not in the vocabulary"},
    {MERGES("[\"x a\"]"), "\"x\" is not in the vocabulary"},
    {MERGES("[\"b a\"]"), "\"ba\" is not in the vocabulary"},
    {MERGES("[[\"a\"]]"), "a merge is a pair"},
    {MERGES("[[\"a\",\"b\",\"c\"]]"), "a merge is a pair"},
    {MERGES("[[\"a\",1]]"), "a merge is a pair"},
    {MERGES("[\"a b\",[\"a\",\"b\"]]"), "model.merges[1]: strings and pairs are mixed"},
    {MERGES("[3]"), "a merge is a pair"},
    /* K4: added tokens */
    {ADDED("[{\"id\":3,\"content\":\"<x>\",\"special\":true}]"), NULL},
    {ADDED("[{\"id\":0,\"content\":\"a\",\"special\":true}]"), NULL},
    {ADDED("[{\"id\":3,\"content\":\"\"}]"), NULL},
    {ADDED("[{\"id\":3,\"content\":\" \"}]"), NULL},
    {ADDED("[{\"id\":3,\"content\":\" \",\"lstrip\":true}]"), "id 3: lstrip is not supported"},
    {ADDED("[{\"id\":3,\"content\":\"x\"},{\"id\":3,\"content\":\"y\"}]"),
     "added_tokens: \"y\" has id 3, which another"},
    {ADDED("[{\"id\":3,\"content\":\"x\"},{\"id\":4,\"content\":\"x\"}]"), NULL},
    {ADDED("[{\"id\":1,\"content\":\"x\"}]"), "\"x\" has id 1, which another token has"},
    {ADDED("[{\"id\":1,\"content\":\"a\"}]"), "\"a\" has id 1, but 0 in vocab"},
    {ADDED("[{\"id\":3}]"), "a token without content"},
    {ADDED("[{\"content\":\"x\"}]"), "the id of \"x\""},
    {ADDED("[{\"id\":3,\"content\":\"x\",\"special\":1}]"), "special is a number"},
    {ADDED("[{\"id\":3,\"content\":\"\\u0000\"}]"), "offset"},
    {ADDED("[{\"id\":3,\"content\":\"\\ud800\"}]"), "offset"},
    /* K7: patterns */
    {REGEX("a|b"), NULL},
    {REGEX(""), NULL},
    {REGEX("(a+)+$"), NULL},
    {REGEX("\\\\C"), "split pattern: offset 0: this escape"},
    {REGEX("(?R)"), "offset 0: this kind of group"},
    {REGEX("(?C)"), "this kind of group"},
    {REGEX("(?<=a)b"), "this kind of group"},
    {REGEX("(?i)a"), "this kind of group"},
    {REGEX("(*LIMIT_MATCH=1)a"), "offset 1: nothing to repeat"},
    {REGEX("\\\\p{Xyz}"), "split pattern"},
    {REGEX("\\\\1(a)"), "this escape"},
    {REGEX("\\\\w+\\\\b"), "this escape"},
    {REGEX("\\\\h"), "this escape"},
    {REGEX("a{2"), "a { that is no"},
    {REGEX("a{,3}"), "a { that is no"},
    {REGEX("[a"), "the class has no end"},
    {REGEX("[[:alpha:]]"), "a class inside a class"},
    {REGEX("[a&&b]"), "an intersection"},
    {REGEX("(a"), "a ( without its )"},
    {REGEX("a)"), "a ) without its ("},
    {REGEX("[z-a]"), "split pattern: near offset"},
    {REGEX("((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))"), "too deep"},
    /* K8: stages */
    {PRE("null"), NULL},
    {PRE("{\"type\":\"Whitespace\"}"), "pre_tokenizer: type \"Whitespace\""},
    {PRE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Punctuation\"}]}"), "Punctuation"},
    {PRE("{\"type\":\"Sequence\",\"pretokenizers\":[" BYTELEVEL "," BYTELEVEL "]}"),
     "a ByteLevel behind ByteLevel"},
    {PRE("{\"type\":\"Sequence\"}"), "without pretokenizers"},
    {PRE("{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Other\"}"),
     "behavior \"Other\""},
    {PRE("{\"type\":\"Split\",\"behavior\":\"Isolated\"}"), "pattern is neither"},
    {PRE("{}"), "pre_tokenizer: type is missing"},
    {PRE("7"), "pre_tokenizer: a stage is no object"},
    {STAGE("normalizer", "{\"type\":\"NFKC\"}"), "normalizer: type \"NFKC\""},
    {STAGE("normalizer", "{\"type\":\"Lowercase\"}"), "normalizer: type \"Lowercase\""},
    {STAGE("normalizer", "{\"type\":\"NFC\"}"), NULL},
    {STAGE("normalizer", "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},\"content\":\"b\"}"),
     "Replace of a Regex"},
    {STAGE("normalizer", "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"b\"}"),
     "empty pattern"},
    {STAGE("decoder", "{\"type\":\"CTC\"}"), "decoder: type \"CTC\""},
    {STAGE("post_processor", "{\"type\":\"BertProcessing\"}"), "post_processor: type"},
    {STAGE("post_processor",
           "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}}]}"),
     "post_processor: \"<s>\" is not in the vocabulary"},
    {STAGE("post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[]}"), NULL},
    /* options */
    {OPTION("\"dropout\":0.1"), "model: dropout 0.1"},
    {OPTION("\"dropout\":null"), NULL},
    {OPTION("\"continuing_subword_prefix\":\"##\""), "model: continuing_subword_prefix \"##\""},
    {OPTION("\"end_of_word_suffix\":\"</w>\""), "model: end_of_word_suffix"},
    {OPTION("\"unk_token\":\"<unk>\""), "model: unk_token \"<unk>\" is not in the vocabulary"},
    {OPTION("\"unk_token\":\"a\""), NULL},
    {OPTION("\"byte_fallback\":\"yes\""), "byte_fallback is a string"},
    {FILE_OF(BYTELEVEL, "{\"vocab\":{\"a\":0},\"merges\":[],\"byte_fallback\":true}", "[]"),
     "byte 0x00 has no token"},
};

static void check_file(const char *text, const char *why)
{
    error err = {0};
    tokenizer *t = tokenizer_parse("tokenizer.json", text, strlen(text), &err);
    if (t && why)
        fail_msg("was not refused: %s", text);
    if (!t && !why)
        fail_msg("%s: %s", err.text, text);
    if (why && (err.code != ERROR_LOAD || !strstr(err.text, why) ||
                strncmp(err.text, "tokenizer.json: ", 16) != 0))
        fail_msg("\"%s\" does not say \"%s\": %s", err.text, why, text);
    /* What loads must also run: the text may have no token at all. */
    tokens ids = {0};
    const char *sample = "ab <x> <0x41> a";
    if (t && tokenizer_encode(t, sample, strlen(sample), &ids, NULL, &err))
        fail_msg("%s: %s", err.text, text);
    tokens_release(&ids);
    tokenizer_close(t);
}

static void malformed_files_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_file(files[i].text, files[i].why);
}

/* A file with n copies of `item` between head and tail. */
static void check_many(const char *head, const char *item, size_t n, const char *tail,
                       const char *why)
{
    buf text = {0};
    error err = {0};
    assert_int_equal(buf_text(&text, head, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_text(&text, item, &err), 0);
    assert_int_equal(buf_text(&text, tail, &err), 0);
    check_file(text.v, why);
    buf_release(&text);
}

static void large_files_are_bounded(void **state)
{
    (void)state;
    check_many("{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"", ",\"a b\"",
               100000, "]}}", "merges, too many for 3 tokens");
    check_many("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"", "aaaaaaaaaa",
               7000, "\"},\"behavior\":\"Isolated\"},\"model\":" MODEL("{\"a\":0}", "[]") "}",
               "split pattern: 70000 bytes");
    check_many("{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}",
               ",{\"type\":\"Digits\"}", 16, "]},\"model\":" MODEL("{\"a\":0}", "[]") "}",
               "more than 16 steps");
    check_many("{\"normalizer\":", "{\"type\":\"Sequence\",\"normalizers\":[", 10000, "", "");
    check_many("{\"added_tokens\":[{\"id\":0,\"content\":\"", "x", 1 << 20,
               "\",\"special\":true}],\"model\":" MODEL("{}", "[]") "}", NULL);
    check_many("{\"added_tokens\":[{\"id\":0,\"content\":\"", " ", 1 << 20,
               "\"}],\"model\":" MODEL("{}", "[]") "}", "more than 256 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fixture_has_the_reference_ids),
        cmocka_unit_test(pieces_restore_any_text),
        cmocka_unit_test(specials_are_found_by_name_only),
        cmocka_unit_test(the_first_piece_loses_the_added_space),
        cmocka_unit_test(missing_bytes_are_dropped_and_counted),
        cmocka_unit_test(broken_text_leaves_the_list_alone),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(malformed_files_are_refused_by_name),
        cmocka_unit_test(large_files_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
