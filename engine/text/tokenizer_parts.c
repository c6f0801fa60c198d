/* tokenizer_parts.c - see tokenizer_parts.h: what both loaders need to fill a tokenizer.
 *
 * First, merges: a pair of contents becomes a pair of ids and the id of their concatenation,
 * which must all be tokens. Then added tokens, and the white space that may surround one (the
 * reference's lstrip, rstrip and single_word). Last, tokenizer_finish(): it decodes each token
 * once, so that writing text later is one look-up an id, and finds the token of each byte.
 */
#include "tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "../base/printable.h"
#include "../base/utf8.h"
#include "bytelevel.h"
#include "spm.h"

size_t tokenizer_most_merges(size_t words)
{
    /* Llama 3 has 2.2 merges a token; a token of n characters has at most n - 1. */
    return 16 * words + 65536;
}

static int no_token(const char *s, size_t len, error *err)
{
    return error_set(err, ERROR_LOAD, "\"%s\" is not in the vocabulary", printable_of(s, len).text);
}

int tokenizer_add_merge(tokenizer *t, const char *left, size_t left_len, const char *right,
                        size_t right_len, uint32_t rank, error *err)
{
    const vocabulary *words = &t->vocabulary;
    int a = vocabulary_find(words, left, left_len);
    if (a < 0)
        return no_token(left, left_len, err);
    int b = vocabulary_find(words, right, right_len);
    if (b < 0)
        return no_token(right, right_len, err);
    buf joined = {0};
    if (buf_add(&joined, left, left_len, err) || buf_add(&joined, right, right_len, err)) {
        buf_release(&joined);
        return -1;
    }
    int id = vocabulary_find(words, joined.v, joined.len);
    int result = id < 0 ? no_token(joined.v, joined.len, err) : 0;
    buf_release(&joined);
    if (result == 0 && words->entry[id].kind != TOKEN_SPECIAL)
        bpe_add(&t->merges, a, b, rank, id);
    return result;
}

int tokenizer_add_merge_line(tokenizer *t, const char *line, size_t len, uint32_t rank, error *err)
{
    const char *space = memchr(line, ' ', len);
    size_t left = space ? (size_t)(space - line) : len;
    if (!space || left == 0 || left + 1 == len || memchr(space + 1, ' ', len - left - 1))
        return error_set(err, ERROR_LOAD, "\"%s\" is not two tokens and a space between them",
                         printable_of(line, len).text);
    return tokenizer_add_merge(t, line, left, space + 1, len - left - 1, rank, err);
}

/* Bytes of the white space character at s[0..len), or 0. */
static size_t white_space(const char *s, size_t len)
{
    static const char *const wide[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80",
                                       "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF",
                                       "\xE2\x81\x9F", "\xE3\x80\x80"};
    if (len == 0)
        return 0;
    if (*s == ' ' || (*s >= '\t' && *s <= '\r'))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (len >= strlen(wide[i]) && memcmp(s, wide[i], strlen(wide[i])) == 0)
            return strlen(wide[i]);
    /* U+2000 to U+200A */
    return len >= 3 && memcmp(s, "\xE2\x80", 2) == 0 && (unsigned char)s[2] <= 0x8A ? 3 : 0;
}

size_t tokenizer_space_behind(const char *text, size_t len)
{
    size_t at = 0;
    for (size_t n; (n = white_space(text + at, len - at)) > 0;)
        at += n;
    return at;
}

/* Bytes of the last character of text[0..len), which is UTF-8. */
static size_t last_character(const char *text, size_t len)
{
    size_t n = 1;
    while (n < len && ((unsigned char)text[len - n] & 0xC0) == 0x80)
        n++;
    return n;
}

size_t tokenizer_space_before(const char *text, size_t len)
{
    size_t left = len;
    while (left) {
        size_t n = last_character(text, left);
        if (white_space(text + left - n, n) != n)
            break;
        left -= n;
    }
    return len - left;
}

/* What the reference's \w means: letters, marks, decimal digits, connectors, joiners. */
static bool in_word(const char *text)
{
    size_t at = 0;
    uint32_t c = utf8_next(text, &at);
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D;
}

bool tokenizer_stands_alone(const char *text, size_t len, size_t from, size_t to)
{
    if (from && in_word(text + from - last_character(text, from)))
        return false;
    return to == len || !in_word(text + to);
}

bool tokenizer_is_white_space(const char *s, size_t len)
{
    return len > 0 && tokenizer_space_behind(s, len) == len;
}

int tokenizer_add_added(tokenizer *t, int id, bool after_normalizing, added_token_options options,
                        error *err)
{
    size_t len;
    const char *content = vocabulary_content(&t->vocabulary, id, &len);
    if (len == 0 || vocabulary_find(&t->vocabulary, content, len) != id)
        return 0;
    options.untrusted =
        t->vocabulary.entry[id].kind != TOKEN_SPECIAL && tokenizer_is_white_space(content, len);
    if (!after_normalizing)
        return added_tokens_insert(&t->raw, content, len, id, options, err);
    buf normal = {0};
    int result = buf_add(&normal, content, len, err) || normalizer_run(&t->normal, &normal, err)
                     ? -1
                     : added_tokens_insert(&t->normalized, normal.v, normal.len, id, options, err);
    buf_release(&normal);
    return result;
}

bool tokenizer_is_added(const tokenizer *t, int id)
{
    unsigned char trusted[ADDED_TOKEN_MAX_TEXT];
    size_t len;
    const char *content = vocabulary_content(&t->vocabulary, id, &len);
    if (len == 0 || len > ADDED_TOKEN_MAX_TEXT)
        return false;
    memset(trusted, 1, sizeof trusted);
    const added_tokens *lists[] = {&t->raw, &t->normalized};
    for (size_t i = 0; i < 2; i++) {
        added_token_hit hit = added_tokens_match(lists[i], content, len, trusted);
        if (hit.id == id && hit.length == len)
            return true;
    }
    return false;
}

int tokenizer_set_named(tokenizer *t, size_t i, const char *content, size_t len, error *err)
{
    free(t->named[i]);
    t->named[i] = strndup(content, len);
    return t->named[i] ? 0 : error_memory(err, "the tokenizer");
}

void tokenizer_keep_alphabet(tokenizer *t)
{
    for (int byte = 0; byte < 256; byte++) {
        char c[4];
        int id = vocabulary_find(&t->vocabulary, c, bytelevel_character((unsigned char)byte, c));
        if (id >= 0)
            t->vocabulary.entry[id].kind = TOKEN_NORMAL;
    }
}

static void find_bytes(tokenizer *t)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8] = {'<', '0', 'x', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15],
                        '>'};
        size_t n = 6;
        if (t->byte_level)
            n = bytelevel_character((unsigned char)byte, text);
        int id = vocabulary_find(&t->vocabulary, text, n);
        token_kind kind = id < 0 ? TOKEN_NONE : t->vocabulary.entry[id].kind;
        t->byte_id[byte] = kind == TOKEN_NORMAL || kind == TOKEN_BYTE ? id : -1;
    }
}

/* Appends what token id adds to a text. */
static int decode(const tokenizer *t, int id, buf *out, error *err)
{
    size_t len;
    const char *content = vocabulary_content(&t->vocabulary, id, &len);
    token_kind kind = t->vocabulary.entry[id].kind;
    if (kind == TOKEN_NONE || kind == TOKEN_UNUSED || kind == TOKEN_SPECIAL)
        return 0;
    /* Added tokens are written as text, not in the byte-level alphabet. */
    if (t->decoder == TOKENIZER_DECODE_BYTELEVEL && kind != TOKEN_ADDED)
        return bytelevel_decode(content, len, out, err);
    if (t->decoder != TOKENIZER_DECODE_SPM)
        return buf_add(out, content, len, err);
    int byte = spm_byte(content, len);
    if (byte >= 0 && kind == TOKEN_BYTE) {
        char c = (char)byte;
        return buf_add(out, &c, 1, err);
    }
    return spm_decode(content, len, out, err);
}

int tokenizer_finish(tokenizer *t, error *err)
{
    buf piece = {0};
    int result = 0;
    find_bytes(t);
    for (int id = 0; id < t->vocabulary.count && result == 0; id++) {
        buf_clear(&piece);
        result = decode(t, id, &piece, err);
        if (result == 0)
            result = vocabulary_set_piece(&t->vocabulary, id, piece.v, piece.len, err);
    }
    buf_release(&piece);
    return result;
}
