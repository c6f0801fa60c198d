/* tokenizer.c - see tokenizer.h and tokenizer_parts.h.
 *
 * Encoding: check UTF-8; cut at white-space tokens; normalize what lies between; cut at those that
 * are matched after normalizing; split each rest into words (pretoken.h); merge each word (bpe.h).
 * Each stage hands its pieces straight to the next, so memory is one word and one normalized text.
 */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "bytelevel.h"
#include "spm.h"
#include "tokenizer_parts.h"
#include "utf8.h"

/* ---- lists of ids --------------------------------------------------------------------------- */

int tokens_append(tokens *t, const int *ids, size_t n, error *err)
{
    if (n > t->cap - t->len) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        while (cap - t->len < n)
            cap *= 2;
        int *v = realloc(t->v, cap * sizeof *v);
        if (!v)
            return error_memory(err, "a list of tokens");
        t->v = v;
        t->cap = cap;
    }
    if (n)
        memcpy(t->v + t->len, ids, n * sizeof *ids);
    t->len += n;
    return 0;
}

int tokens_push(tokens *t, int id, error *err)
{
    return tokens_append(t, &id, 1, err);
}

void tokens_release(tokens *t)
{
    free(t->v);
    *t = (tokens){0};
}

/* ---- opening -------------------------------------------------------------------------------- */

int tokenizer_open(const checkpoint *c, tokenizer **out, error *err)
{
    *out = NULL;
    if (checkpoint_gguf(c))
        return tokenizer_from_gguf(checkpoint_gguf(c), out, err);
    return tokenizer_from_json(checkpoint_directory(c), out, err);
}

tokenizer *tokenizer_new(error *err)
{
    tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        error_memory(err, "the tokenizer");
        return NULL;
    }
    t->unknown = t->bos = t->eos = -1;
    t->split = pretoken_open(err);
    if (!t->split) {
        free(t);
        return NULL;
    }
    return t;
}

void tokenizer_close(tokenizer *t)
{
    if (!t)
        return;
    vocabulary_release(&t->words);
    bpe_release(&t->merges);
    pretoken_close(t->split);
    added_release(&t->raw);
    added_release(&t->normalized);
    free(t);
}

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct encoding {
    const tokenizer *t;
    tokens *out;
    bpe_word word;
    buf key;    /* a word as the vocabulary writes it */
    buf normal; /* the segment being encoded, normalized */
    size_t dropped;
} encoding;

static int byte_symbols(encoding *e, const char *piece, size_t len, error *err)
{
    bool pending = false;
    int unknown = e->t->unknown;
    for (size_t i = 0; i < len; i++) {
        int id = e->t->byte_id[(unsigned char)piece[i]];
        if (id < 0 && unknown < 0) {
            e->dropped++;
            continue;
        }
        if (pending && (id >= 0 || !e->t->fuse_unknown) && bpe_word_add(&e->word, unknown, err))
            return -1;
        pending = id < 0;
        if (id >= 0 && bpe_word_add(&e->word, id, err))
            return -1;
    }
    return pending ? bpe_word_add(&e->word, unknown, err) : 0;
}

static int character_symbols(encoding *e, const char *piece, size_t len, error *err)
{
    const tokenizer *t = e->t;
    spm_rules rules = {&t->words, t->byte_fallback ? t->byte_id : NULL, t->unknown,
                       t->fuse_unknown};
    return spm_symbols(&rules, piece, len, &e->word, &e->dropped, err);
}

/* 1 when the whole word is one token of the model and was appended; 0 when not. */
static int whole_word(encoding *e, const char *piece, size_t len, error *err)
{
    const vocabulary *words = &e->t->words;
    if (len > words->longest)
        return 0;
    if (e->t->byte_level) {
        buf_clear(&e->key);
        if (bytelevel_encode(piece, len, &e->key, err))
            return -1;
        piece = e->key.v;
        len = e->key.len;
    }
    int id = vocabulary_find(words, piece, len);
    if (id < 0 || (words->entry[id].kind != TOKEN_NORMAL && words->entry[id].kind != TOKEN_BYTE))
        return 0;
    return tokens_push(e->out, id, err) ? -1 : 1;
}

static int encode_word(void *user, const char *piece, size_t len, error *err)
{
    encoding *e = user;
    if (e->t->ignore_merges) {
        int done = whole_word(e, piece, len, err);
        if (done)
            return done < 0 ? -1 : 0;
    }
    bpe_word_clear(&e->word);
    if ((e->t->byte_level ? byte_symbols : character_symbols)(e, piece, len, err) ||
        bpe_word_merge(&e->word, &e->t->merges, err))
        return -1;
    for (size_t i = 0; i < e->word.len; i++)
        if (e->word.v[i].alive && tokens_push(e->out, e->word.v[i].id, err))
            return -1;
    return 0;
}

typedef int encode_part(encoding *e, const char *text, size_t len, bool first, error *err);

/* Cuts text at the tokens of `a`; what lies between goes to `part`. */
static int cut_at(encoding *e, const added *a, const char *text, size_t len, bool first,
                  encode_part *part, error *err)
{
    size_t start = 0, at = a->len ? 0 : len;
    while (at < len) {
        size_t n = 0;
        int id = added_match(a, text + at, len - at, &n);
        if (id < 0) {
            at++;
            continue;
        }
        if (start < at && part(e, text + start, at - start, first && start == 0, err))
            return -1;
        if (tokens_push(e->out, id, err))
            return -1;
        start = at += n;
    }
    return start < len ? part(e, text + start, len - start, first && start == 0, err) : 0;
}

static int encode_normal(encoding *e, const char *text, size_t len, bool first, error *err)
{
    return pretoken_run(e->t->split, text, len, first, encode_word, e, err);
}

static int encode_raw(encoding *e, const char *text, size_t len, bool first, error *err)
{
    const tokenizer *t = e->t;
    if (t->normal.steps) {
        buf_clear(&e->normal);
        if (buf_add(&e->normal, text, len, err) || normalizer_run(&t->normal, &e->normal, err))
            return -1;
        text = e->normal.v;
        len = e->normal.len;
    }
    return cut_at(e, &t->normalized, text, len, first, encode_normal, err);
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t len, tokens *out, size_t *dropped,
                     error *err)
{
    size_t bad = 0, before = out->len;
    if (!utf8_check(text, len, &bad))
        return error_set(err, ERROR_USAGE, "the text is not UTF-8: byte %zu (0x%02X)", bad,
                         (unsigned)(unsigned char)text[bad]);
    encoding e = {.t = t, .out = out};
    int result = cut_at(&e, &t->raw, text, len, true, encode_raw, err);
    bpe_word_release(&e.word);
    buf_release(&e.key);
    buf_release(&e.normal);
    if (result)
        out->len = before;
    else if (dropped)
        *dropped += e.dropped;
    return result;
}

/* ---- questions ------------------------------------------------------------------------------ */

const char *tokenizer_piece(const tokenizer *t, int id, size_t *len)
{
    return vocabulary_piece(&t->words, id, len);
}

const char *tokenizer_first_piece(const tokenizer *t, int id, size_t *len)
{
    const char *piece = vocabulary_piece(&t->words, id, len);
    if (t->drop_first_space && *len && piece[0] == ' ') {
        *len -= 1;
        piece++;
    }
    return piece;
}

int tokenizer_count(const tokenizer *t)
{
    return t->words.count;
}

int tokenizer_find(const tokenizer *t, const char *content, size_t len)
{
    return vocabulary_find(&t->words, content, len);
}

bool tokenizer_is_special(const tokenizer *t, int id)
{
    return t->words.entry[id].kind == TOKEN_SPECIAL;
}

const char *tokenizer_content(const tokenizer *t, int id, size_t *len)
{
    return vocabulary_content(&t->words, id, len);
}

int tokenizer_bos(const tokenizer *t)
{
    return t->bos;
}

int tokenizer_eos(const tokenizer *t)
{
    return t->eos;
}

bool tokenizer_adds_bos(const tokenizer *t)
{
    return t->adds_bos;
}
