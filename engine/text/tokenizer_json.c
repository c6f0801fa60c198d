/* tokenizer_json.c - a tokenizer from tokenizer.json and tokenizer_config.json.
 *
 * tokenizer.json is the format of the `tokenizers` library and the reference for every id. Of its
 * models BPE is read; WordPiece, Unigram and WordLevel are refused by name, and so are the options
 * that make BPE something else (dropout, affixes). tokenizer_config.json adds which tokens are bos
 * and eos.
 *
 * Where the library is lax and we are not: an id that is no whole number, is given twice or lies
 * far beyond the number of tokens is refused, and so is an added token whose id is not the one the
 * vocabulary gives. Merges are all strings or all pairs, as there.
 */
#include <string.h>
#include <unistd.h>

#include "../base/file_check.h"
#include "../base/json.h"
#include "../base/printable.h"
#include "spm.h"
#include "tokenizer_parts.h"
#include "tokenizer_stages.h"

enum { MAX_FILE = 256 << 20, MAX_CONFIG = 16 << 20 };

/* ---- the vocabulary ------------------------------------------------------------------------- */

/* The id that v gives to `content`, below `most`. */
static int read_id(const json *v, const char *content, double most, int *out, error *err)
{
    double d = v && json_type(v) == JSON_NUMBER ? json_number(v) : -1;
    if (!(d >= 0) || d >= most || d != (double)(int)d)
        return error_set(err, ERROR_LOAD, "the id of \"%s\" is no whole number from 0 to %.0f",
                         printable_text(content).text, most - 1);
    *out = (int)d;
    return 0;
}

/* A gap in the ids costs memory for nothing; one as large as the vocabulary is a broken file. */
static double most_ids(size_t n)
{
    double most = 2.0 * (double)n + 65536;
    return most < VOCABULARY_MAX ? most : VOCABULARY_MAX;
}

/* Finds the largest id of words and added tokens, and checks all of them. */
static int count_ids(const json *words, const json *extra, size_t *count, error *err)
{
    double most = most_ids(json_count(words) + json_count(extra));
    int id = 0, largest = -1;
    for (const json *v = json_first(words); v; v = json_next(v)) {
        if (read_id(v, json_key(v), most, &id, err))
            return error_prefix(err, "model.vocab: ");
        largest = id > largest ? id : largest;
    }
    for (const json *v = json_first(extra); v; v = json_next(v)) {
        const char *content = json_text_at(v, "content");
        if (!content)
            return error_set(err, ERROR_LOAD, "added_tokens: a token without content");
        if (read_id(json_member(v, "id"), content, most, &id, err))
            return error_prefix(err, "added_tokens: ");
        largest = id > largest ? id : largest;
    }
    *count = (size_t)largest + 1;
    return 0;
}

/* Takes a free id for a token. */
static int add_word(tokenizer *t, int id, const char *content, token_kind kind, error *err)
{
    if (t->vocabulary.entry[id].kind != TOKEN_NONE)
        return error_set(err, ERROR_LOAD, "\"%s\" has id %d, which another token has",
                         printable_text(content).text, id);
    return vocabulary_add(&t->vocabulary, id, content, strlen(content), kind, err);
}

static int add_words(tokenizer *t, const json *words, error *err)
{
    for (const json *v = json_first(words); v; v = json_next(v)) {
        const char *content = json_key(v);
        bool byte = t->byte_fallback && spm_byte(content, strlen(content)) >= 0;
        if (add_word(t, (int)json_number(v), content, byte ? TOKEN_BYTE : TOKEN_NORMAL, err))
            return error_prefix(err, "model.vocab: ");
    }
    return 0;
}

/* ---- added tokens --------------------------------------------------------------------------- */

/* Marks words that the file also lists as special, before merges could make them. */
static int mark_special(tokenizer *t, const json *extra, error *err)
{
    for (const json *v = json_first(extra); v; v = json_next(v)) {
        const char *content = json_text_at(v, "content");
        bool special = false;
        if (json_get_bool(v, "special", &special, err) < 0)
            return error_prefix(err, "added_tokens: ");
        int id = vocabulary_find(&t->vocabulary, content, strlen(content));
        if (id >= 0 && id != (int)json_number(json_member(v, "id")))
            return error_set(err, ERROR_LOAD, "added_tokens: \"%s\" has id %.0f, but %d in vocab",
                             printable_text(content).text, json_number(json_member(v, "id")), id);
        if (id >= 0 && special)
            t->vocabulary.entry[id].kind = TOKEN_SPECIAL;
    }
    return 0;
}

/* How token v is found in text. For white space, which is found in anybody's, the options that widen
 * a match are refused. */
static int add_match(tokenizer *t, const json *v, int id, bool special, error *err)
{
    static const char *const options[] = {"single_word", "lstrip", "rstrip"};
    bool normalized = !special, wide[3] = {false, false, false};
    int before = t->raw.white_space + t->normalized.white_space;
    for (size_t i = 0; i < 3; i++)
        wide[i] = json_true(json_member(v, options[i]));
    if (json_get_bool(v, "normalized", &normalized, err) < 0 ||
        tokenizer_add_added(
            t, id, normalized,
            (added_token_options){.single = wide[0], .left = wide[1], .right = wide[2]}, err))
        return -1;
    bool found_anywhere = t->raw.white_space + t->normalized.white_space > before;
    for (size_t i = 0; i < 3 && found_anywhere; i++)
        if (wide[i])
            return error_set(err, ERROR_LOAD, "%s is not supported for a token of white space",
                             options[i]);
    return 0;
}

static int add_added(tokenizer *t, const json *extra, error *err)
{
    for (const json *v = json_first(extra); v; v = json_next(v)) {
        const char *content = json_text_at(v, "content");
        bool special = json_true(json_member(v, "special"));
        int id = (int)json_number(json_member(v, "id"));
        if (*content == '\0')
            continue; /* the library ignores it too */
        if (vocabulary_find(&t->vocabulary, content, strlen(content)) != id &&
            add_word(t, id, content, special ? TOKEN_SPECIAL : TOKEN_ADDED, err))
            return error_prefix(err, "added_tokens: ");
        if (add_match(t, v, id, special, err))
            return error_prefix(err, "added_tokens: id %d: ", id);
    }
    return 0;
}

/* ---- merges --------------------------------------------------------------------------------- */

static int add_pair(tokenizer *t, const json *pair, uint32_t rank, error *err)
{
    const json *a = json_first(pair), *b = a ? json_next(a) : NULL;
    if (!b || json_next(b) || json_type(a) != JSON_STRING || json_type(b) != JSON_STRING)
        return error_set(err, ERROR_LOAD, "a merge is a pair of strings");
    const char *left = json_string(a), *right = json_string(b);
    return tokenizer_add_merge(t, left, strlen(left), right, strlen(right), rank, err);
}

static int add_merges(tokenizer *t, const json *merges, error *err)
{
    size_t n = json_count(merges), i = 0;
    if (n > tokenizer_most_merges((size_t)t->vocabulary.count))
        return error_set(err, ERROR_LOAD, "model.merges: %zu merges, too many for %d tokens", n,
                         t->vocabulary.count);
    if (bpe_open(&t->merges, n, err))
        return -1;
    const json *first = json_first(merges);
    for (const json *v = first; v; v = json_next(v), i++) {
        int result = -1;
        if (json_type(v) != json_type(first))
            error_set(err, ERROR_LOAD, "strings and pairs are mixed");
        else if (json_type(v) == JSON_STRING)
            result = strncmp(json_string(v), "#version", 8) == 0
                         ? 0
                         : tokenizer_add_merge_line(t, json_string(v), strlen(json_string(v)),
                                                    (uint32_t)i, err);
        else
            result = add_pair(t, v, (uint32_t)i, err);
        if (result)
            return error_prefix(err, "model.merges[%zu]: ", i);
    }
    return 0;
}

/* ---- the model ------------------------------------------------------------------------------ */

static int refuse_affix(const json *model, const char *key, error *err)
{
    const char *text = "";
    if (json_get_string(model, key, &text, err) < 0)
        return -1;
    return *text ? error_set(err, ERROR_LOAD, "%s \"%s\" is not supported", key,
                             printable_text(text).text)
                 : 0;
}

static int read_options(tokenizer *t, const json *model, error *err)
{
    const char *type = "BPE";
    double dropout = 0;
    if (json_get_string(model, "type", &type, err) < 0)
        return -1;
    if (strcmp(type, "BPE") != 0)
        return error_set(err, ERROR_LOAD, "type \"%s\" is not supported (BPE is)",
                         printable_text(type).text);
    if (json_get_number(model, "dropout", 0, 1, &dropout, err) < 0 ||
        refuse_affix(model, "continuing_subword_prefix", err) ||
        refuse_affix(model, "end_of_word_suffix", err) ||
        json_get_bool(model, "fuse_unk", &t->fuse_unknown, err) < 0 ||
        json_get_bool(model, "byte_fallback", &t->byte_fallback, err) < 0 ||
        json_get_bool(model, "ignore_merges", &t->ignore_merges, err) < 0)
        return -1;
    return dropout > 0 ? error_set(err, ERROR_LOAD, "dropout %g is not supported", dropout) : 0;
}

static int read_unknown(tokenizer *t, const json *model, error *err)
{
    const char *unknown = NULL;
    int found = json_get_string(model, "unk_token", &unknown, err);
    if (found <= 0)
        return found;
    t->unknown = vocabulary_find(&t->vocabulary, unknown, strlen(unknown));
    return t->unknown < 0 ? error_set(err, ERROR_LOAD, "unk_token \"%s\" is not in the vocabulary",
                                      printable_text(unknown).text)
                          : 0;
}

/* byte_fallback behind ByteLevel would fall back from one half of a byte's name to another. */
static int check_fallback(const tokenizer *t, error *err)
{
    for (int byte = 0; byte < 256 && t->byte_level && t->byte_fallback; byte++)
        if (t->byte_id[byte] < 0)
            return error_set(err, ERROR_LOAD,
                             "model: byte_fallback with ByteLevel, and byte 0x%02X has no token",
                             (unsigned)byte);
    return 0;
}

static int read_model(tokenizer *t, const json *root, error *err)
{
    const json *model = NULL, *words = NULL, *merges = NULL, *extra = NULL;
    size_t count = 0;
    if (json_get_object(root, "model", &model, err) < 0 ||
        json_get_array(root, "added_tokens", &extra, err) < 0)
        return -1;
    if (!model)
        return error_set(err, ERROR_LOAD, "model is missing");
    if (read_options(t, model, err) || json_get_object(model, "vocab", &words, err) < 0 ||
        json_get_array(model, "merges", &merges, err) < 0)
        return error_prefix(err, "model: ");
    if (!words || !merges)
        return error_set(err, ERROR_LOAD, "model: vocab or merges is missing");
    if (count_ids(words, extra, &count, err) || vocabulary_open(&t->vocabulary, count, err) ||
        add_words(t, words, err) || mark_special(t, extra, err))
        return -1;
    if (t->byte_level)
        tokenizer_keep_alphabet(t);
    if (add_merges(t, merges, err) || add_added(t, extra, err))
        return -1;
    if (read_unknown(t, model, err))
        return error_prefix(err, "model: ");
    return tokenizer_finish(t, err) || check_fallback(t, err) ? -1 : 0;
}

/* ---- bos and eos ---------------------------------------------------------------------------- */

/* The content of the token that config names under `key`, by a string or by {"content": ".."}; NULL
 * when the key is absent or null. */
static int named_content(const json *config, const char *key, const char **out, error *err)
{
    const json *v = json_member(config, key);
    *out = NULL;
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    *out = json_type(v) == JSON_STRING ? json_string(v) : json_text_at(v, "content");
    return *out ? 0 : error_set(err, ERROR_LOAD, "%s is neither a string nor a token", key);
}

/* bos and eos must be there. The reference takes all that have a name for special tokens. */
static int read_named(tokenizer *t, const json *config, error *err)
{
    const char *key, *content;
    for (size_t i = 0; (void)tokenizer_named(t, i, &key), key; i++) {
        error lax;
        if (named_content(config, key, &content, i < 2 ? err : &lax)) {
            if (i < 2)
                return -1;
            continue;
        }
        if (!content)
            continue;
        int id = tokenizer_find(t, content, strlen(content));
        if (i < 2 && id < 0)
            return error_set(err, ERROR_LOAD, "%s \"%s\" is not in the vocabulary", key,
                             printable_text(content).text);
        if (i < 2)
            *(i == 0 ? &t->bos : &t->eos) = id;
        if (tokenizer_set_named(t, i, content, strlen(content), err) ||
            (id >= 0 && !tokenizer_is_added(t, id) &&
             tokenizer_add_added(t, id, false, (added_token_options){0}, err)))
            return -1;
    }
    return 0;
}

static int read_config(tokenizer *t, const char *path, bool has_template, error *err)
{
    if (access(path, F_OK) != 0)
        return 0;
    json_document *d = json_load(path, MAX_CONFIG, err);
    if (!d)
        return -1;
    const json *root = json_root(d);
    bool adds_bos = false;
    int result = 0;
    if (read_named(t, root, err) || json_get_bool(root, "add_bos_token", &adds_bos, err) < 0)
        result = error_prefix(err, "%s: ", path);
    json_close(d);
    /* The template in tokenizer.json is what the reference executes; the switch is for files that
     * have none. */
    if (!has_template)
        t->adds_bos = adds_bos && t->bos >= 0;
    return result;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Fills t from a parsed tokenizer.json. */
static int read_root(tokenizer *t, const json *root, bool *has_template, error *err)
{
    const char *first = NULL;
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "the file is no object");
    if (tokenizer_stages_normalizer(t, root, err) || tokenizer_stages_pretokenizer(t, root, err) ||
        tokenizer_stages_decoder(t, root, err) || read_model(t, root, err) ||
        tokenizer_stages_template(root, has_template, &first, err))
        return -1;
    if (!first)
        return 0;
    t->bos = tokenizer_find(t, first, strlen(first));
    t->adds_bos = true;
    return t->bos < 0
               ? error_set(err, ERROR_LOAD, "post_processor: \"%s\" is not in the vocabulary",
                           printable_text(first).text)
               : 0;
}

static tokenizer *build(const char *where, const json_document *d, bool *has_template, error *err)
{
    tokenizer *t = tokenizer_new(err);
    if (t && read_root(t, json_root(d), has_template, err)) {
        error_prefix(err, "%s: ", where);
        tokenizer_close(t);
        t = NULL;
    }
    return t;
}

tokenizer *tokenizer_parse(const char *where, const char *text, size_t len, error *err)
{
    bool has_template;
    json_document *d = json_parse(where, text, len, err);
    if (!d)
        return NULL;
    tokenizer *t = build(where, d, &has_template, err);
    json_close(d);
    return t;
}

static int load(const char *path, const char *config, tokenizer **out, error *err)
{
    bool has_template = false;
    json_document *d = json_load(path, MAX_FILE, err);
    if (!d)
        return file_explain_truncated_text(path, err);
    tokenizer *t = build(path, d, &has_template, err);
    json_close(d);
    if (!t)
        return -1;
    if (read_config(t, config, has_template, err)) {
        tokenizer_close(t);
        return -1;
    }
    *out = t;
    return 0;
}

int tokenizer_from_json(const char *directory, tokenizer **out, error *err)
{
    buf path = {0}, config = {0};
    int result = -1;
    *out = NULL;
    if (buf_format(&path, err, "%s/tokenizer.json", directory) == 0 &&
        buf_format(&config, err, "%s/tokenizer_config.json", directory) == 0)
        result = access(path.v, F_OK) == 0 ? load(path.v, config.v, out, err) : 0;
    buf_release(&path);
    buf_release(&config);
    return result;
}
