/* tokenizer_gguf.c - a tokenizer from GGUF metadata (tokenizer.ggml.*); see tokenizer_parts.h.
 *
 * The file brings tokens, their types and merges (gpt2) or scores (llama), and *names* the split
 * rules in tokenizer.ggml.pre; tokenizer_presets.h knows what the names mean.
 *
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and llama.cpp's converter for
 * the meaning of the token types.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"
#include "../base/utf8.h"
#include "../formats/gguf.h"
#include "../formats/special_ids.h"
#include "spm.h"
#include "tokenizer_parts.h"
#include "tokenizer_presets.h"

#define KEY(name) "tokenizer.ggml." name

typedef struct loader {
    const gguf *g;
    tokenizer *t;
    const gguf_value *types; /* NULL when absent */
    error *err;
} loader;

static bool same(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* Refuses element i of an array, in front of the sentence already in err. */
static int at_element(loader *l, const char *key, size_t i)
{
    return error_prefix(l->err, "%s: " KEY("%s") "[%zu]: ", gguf_path(l->g), key, i);
}

/* ---- words ---------------------------------------------------------------------------------- */

static int kind_of(loader *l, size_t i, token_kind *out)
{
    static const token_kind kinds[] = {TOKEN_NORMAL, TOKEN_NORMAL, TOKEN_SPECIAL, TOKEN_SPECIAL,
                                       TOKEN_ADDED,  TOKEN_UNUSED, TOKEN_BYTE};
    int64_t type = 1;
    if (l->types)
        gguf_integer(l->types, i, &type);
    if (type < 0 || type > 6) {
        error_set(l->err, ERROR_LOAD, "type %lld is unknown", (long long)type);
        return at_element(l, "token_type", i);
    }
    *out = kinds[type];
    return 0;
}

static int add_word(loader *l, const gguf_value *list, size_t i)
{
    const char *text;
    size_t len, bad;
    token_kind kind = TOKEN_NORMAL;
    gguf_string(list, i, &text, &len);
    if (kind_of(l, i, &kind))
        return -1;
    if (!utf8_check(text, len, &bad)) {
        error_set(l->err, ERROR_LOAD, "not UTF-8 at byte %zu of the token", bad);
        return at_element(l, "tokens", i);
    }
    if (kind == TOKEN_BYTE && spm_byte(text, len) < 0) {
        error_set(l->err, ERROR_LOAD,
                  "\"%s\" is typed as a byte, which is written <0x00> to <0xFF>",
                  printable_of(text, len).text);
        return at_element(l, "tokens", i);
    }
    if (len == 0)
        return 0; /* a gap in the table */
    return vocabulary_add(&l->t->vocabulary, (int)i, text, len, kind, l->err);
}

static int add_words(loader *l)
{
    const gguf_value *list = NULL;
    int found = gguf_get_array(l->g, KEY("tokens"), GGUF_STRING, &list, l->err);
    if (found < 0 || gguf_get_array(l->g, KEY("token_type"), GGUF_I32, &l->types, l->err) < 0)
        return -1;
    if (!found || gguf_elements(list) == 0)
        return error_set(l->err, ERROR_LOAD, "%s: " KEY("tokens") " is missing or empty",
                         gguf_path(l->g));
    size_t n = gguf_elements(list);
    if (l->types && gguf_elements(l->types) != n)
        return error_set(l->err, ERROR_LOAD,
                         "%s: " KEY("token_type") " has %zu elements for %zu tokens",
                         gguf_path(l->g), gguf_elements(l->types), n);
    if (vocabulary_open(&l->t->vocabulary, n, l->err))
        return error_prefix(l->err, "%s: " KEY("tokens") ": ", gguf_path(l->g));
    for (size_t i = 0; i < n; i++)
        if (add_word(l, list, i))
            return -1;
    return 0;
}

/* A token id under `key`: -1 when absent, or when it is no token: config_gguf.c has told that. */
static int named_id(loader *l, const char *key, int *out)
{
    int64_t id = -1;
    if (gguf_get_integer(l->g, key, INT64_MIN, INT64_MAX, &id, l->err) < 0)
        return -1;
    special_ids ids = {.tokens = l->t->vocabulary.count};
    *out = (int)special_id(&ids, key, id, false);
    return 0;
}

/* What templates call bos_token and so on, in the order of tokenizer_named(). */
static int add_named(loader *l)
{
    static const char *const keys[TOKENIZER_NAMES] = {
        KEY("bos_token_id"),       KEY("eos_token_id"),     KEY("unknown_token_id"),
        KEY("seperator_token_id"), KEY("padding_token_id"), KEY("cls_token_id"),
        KEY("mask_token_id")};
    for (size_t i = 0; i < TOKENIZER_NAMES; i++) {
        int id = -1;
        size_t len = 0;
        if (named_id(l, keys[i], &id))
            return -1;
        const char *content = id < 0 ? "" : vocabulary_content(&l->t->vocabulary, id, &len);
        if (len && tokenizer_set_named(l->t, i, content, len, l->err))
            return -1;
    }
    return 0;
}

/* bos, eos and the unknown token are control tokens, whatever their type says. */
static int add_names(loader *l, bool adds_bos)
{
    tokenizer *t = l->t;
    if (named_id(l, KEY("bos_token_id"), &t->bos) || named_id(l, KEY("eos_token_id"), &t->eos) ||
        add_named(l) || gguf_get_bool(l->g, KEY("add_bos_token"), &adds_bos, l->err) < 0)
        return -1;
    t->adds_bos = adds_bos && t->bos >= 0;
    if (t->bos >= 0)
        t->vocabulary.entry[t->bos].kind = TOKEN_SPECIAL;
    if (t->eos >= 0)
        t->vocabulary.entry[t->eos].kind = TOKEN_SPECIAL;
    return 0;
}

/* The file does not tell how an added token is matched: as it stands, but white space, which is part
 * of the text, after normalizing. */
static int add_added(loader *l)
{
    for (int id = 0; id < l->t->vocabulary.count; id++) {
        size_t len;
        const char *content = vocabulary_content(&l->t->vocabulary, id, &len);
        token_kind kind = l->t->vocabulary.entry[id].kind;
        bool space = kind == TOKEN_ADDED && tokenizer_is_white_space(content, len);
        if ((kind == TOKEN_ADDED || kind == TOKEN_SPECIAL) &&
            tokenizer_add_added(l->t, id, space, (added_token_options){0}, l->err))
            return at_element(l, "tokens", (size_t)id);
    }
    return 0;
}

/* ---- byte-level: merges and named rules ----------------------------------------------------- */

static int add_merges(loader *l)
{
    const gguf_value *merges = NULL;
    int found = gguf_get_array(l->g, KEY("merges"), GGUF_STRING, &merges, l->err);
    if (found < 0)
        return -1;
    size_t n = found ? gguf_elements(merges) : 0;
    if (!found || n > tokenizer_most_merges((size_t)l->t->vocabulary.count))
        return error_set(l->err, ERROR_LOAD,
                         found ? "%s: " KEY("merges") " has %zu elements, too many for %d tokens"
                               : "%s: " KEY("merges") " is missing",
                         gguf_path(l->g), n, l->t->vocabulary.count);
    if (bpe_open(&l->t->merges, n, l->err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *line;
        size_t len;
        gguf_string(merges, i, &line, &len);
        if (tokenizer_add_merge_line(l->t, line, len, (uint32_t)i, l->err))
            return at_element(l, "merges", i);
    }
    return 0;
}

static int unknown_rule(loader *l, const char *name, size_t len)
{
    buf known = {0};
    if (tokenizer_preset_names(&known, l->err) == 0)
        error_set(l->err, ERROR_LOAD, "%s: " KEY("pre") " \"%s\" is not known; known are %s",
                  gguf_path(l->g), printable_of(name, len).text, known.v);
    buf_release(&known);
    return -1;
}

static int add_rule(loader *l, bool *adds_bos)
{
    const char *name = "default";
    size_t len = strlen(name);
    if (gguf_get_string(l->g, KEY("pre"), &name, &len, l->err) < 0)
        return -1;
    const tokenizer_preset *preset = tokenizer_preset_find(name, len);
    if (!preset)
        return unknown_rule(l, name, len);
    if (preset->nfc && normalizer_add_nfc(&l->t->normal, l->err))
        return -1;
    for (int i = 0; i < TOKENIZER_PRESET_PATTERNS && preset->pattern[i]; i++)
        if (pretoken_add_split(l->t->split, preset->pattern[i], strlen(preset->pattern[i]), false,
                               PRETOKEN_ISOLATED, false, l->err))
            return -1;
    l->t->ignore_merges = preset->ignore_merges;
    *adds_bos = preset->adds_bos;
    return 0;
}

static int load_byte_level(loader *l)
{
    bool adds_bos = false, prefix = false;
    l->t->byte_level = true;
    l->t->decoder = TOKENIZER_DECODE_BYTELEVEL;
    if (gguf_get_bool(l->g, KEY("add_space_prefix"), &prefix, l->err) < 0)
        return -1;
    if (prefix)
        return error_set(
            l->err, ERROR_LOAD,
            "%s: " KEY("add_space_prefix") " true is not supported with the gpt2 model",
            gguf_path(l->g));
    if (add_rule(l, &adds_bos) || add_names(l, adds_bos))
        return -1;
    tokenizer_keep_alphabet(l->t);
    return add_merges(l);
}

/* ---- SentencePiece: scores ------------------------------------------------------------------ */

static int add_scores(loader *l)
{
    const gguf_value *array = NULL;
    size_t n = (size_t)l->t->vocabulary.count;
    int found = gguf_get_array(l->g, KEY("scores"), GGUF_F32, &array, l->err);
    if (found < 0)
        return -1;
    if (!found || gguf_elements(array) != n)
        return error_set(l->err, ERROR_LOAD,
                         "%s: " KEY("scores") " has %zu elements for %zu tokens", gguf_path(l->g),
                         found ? gguf_elements(array) : 0, n);
    float *scores = malloc(n * sizeof *scores);
    if (!scores)
        return error_memory(l->err, "the scores");
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        double score = 0;
        gguf_number(array, i, &score);
        scores[i] = (float)score;
        if (!(score - score == 0)) {
            error_set(l->err, ERROR_LOAD, "the score is not finite");
            result = at_element(l, "scores", i);
        }
    }
    if (result == 0 && spm_merges_from_scores(&l->t->vocabulary, scores, &l->t->merges, l->err))
        result = error_prefix(l->err, "%s: " KEY("tokens") ": ", gguf_path(l->g));
    free(scores);
    return result;
}

static int load_sentencepiece(loader *l)
{
    tokenizer *t = l->t;
    bool prefix = true, squeeze = false;
    if (gguf_get_bool(l->g, KEY("add_space_prefix"), &prefix, l->err) < 0 ||
        gguf_get_bool(l->g, KEY("remove_extra_whitespaces"), &squeeze, l->err) < 0)
        return -1;
    if (squeeze || gguf_find(l->g, KEY("precompiled_charsmap")))
        return error_set(l->err, ERROR_LOAD, "%s: " KEY("%s") " is not supported", gguf_path(l->g),
                         squeeze ? "remove_extra_whitespaces" : "precompiled_charsmap");
    t->decoder = TOKENIZER_DECODE_SPM;
    t->byte_fallback = true;
    t->fuse_unknown = true;
    t->drop_first_space = prefix;
    if (prefix && normalizer_add_prepend(&t->normal, SPM_SPACE, strlen(SPM_SPACE), l->err))
        return -1;
    if (normalizer_add_replace(&t->normal, " ", 1, SPM_SPACE, strlen(SPM_SPACE), l->err) ||
        add_names(l, true) || named_id(l, KEY("unknown_token_id"), &t->unknown))
        return -1;
    return add_scores(l);
}

int tokenizer_from_gguf(const struct gguf *g, tokenizer **out, error *err)
{
    const char *model = NULL;
    size_t len = 0;
    *out = NULL;
    int found = gguf_get_string(g, KEY("model"), &model, &len, err);
    if (found <= 0 || same(model, len, "no_vocab") || same(model, len, "none"))
        return found < 0 ? -1 : 0;
    bool byte_level = same(model, len, "gpt2");
    if (!byte_level && !same(model, len, "llama"))
        return error_set(err, ERROR_LOAD,
                         "%s: " KEY("model") " \"%s\" is not supported (gpt2 and llama are)",
                         gguf_path(g), printable_of(model, len).text);
    loader l = {.g = g, .t = tokenizer_new(err), .err = err};
    if (!l.t)
        return -1;
    if (add_words(&l) || (byte_level ? load_byte_level : load_sentencepiece)(&l) || add_added(&l) ||
        tokenizer_finish(l.t, err)) {
        tokenizer_close(l.t);
        return -1;
    }
    *out = l.t;
    return 0;
}
