/* tokenizer.c - see tokenizer.h and tokenizer_parts.h.
 *
 * Encoding: check UTF-8; cut at added tokens; normalize what lies between; cut at those that are
 * matched after normalizing; split each rest into words (pretoken.h); merge each word (bpe.h).
 * Each stage hands its pieces straight to the next, so memory is one word and one normalized text.
 */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "../base/utf8.h"
#include "bytelevel.h"
#include "spm.h"
#include "tokenizer_parts.h"

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
    vocabulary_release(&t->vocabulary);
    bpe_release(&t->merges);
    pretoken_close(t->split);
    added_tokens_release(&t->raw);
    added_tokens_release(&t->normalized);
    for (size_t i = 0; i < TOKENIZER_NAMES; i++)
        free(t->named[i]);
    free(t);
}

/* ---- encoding ------------------------------------------------------------------------------- */

typedef struct encoding {
    const tokenizer *t;
    tokens *out;
    bpe_word word;
    buf key;     /* a word as the vocabulary writes it */
    buf normal;  /* the segment being encoded, normalized */
    buf trusted; /* and which bytes of it a template wrote */
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
    spm_options options = {&t->vocabulary, t->byte_fallback ? t->byte_id : NULL, t->unknown,
                           t->fuse_unknown};
    return spm_symbols(&options, piece, len, &e->word, &e->dropped, err);
}

/* 1 when the whole word is one token of the model and was appended; 0 when not. */
static int whole_word(encoding *e, const char *piece, size_t len, error *err)
{
    const vocabulary *words = &e->t->vocabulary;
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

/* A span of the text: trusted is [len], 1 = written by a chat template, or NULL = none of it.
 * first: it begins the text that was asked for. */
typedef struct span {
    const char *text;
    const unsigned char *trusted;
    size_t len;
    bool first;
} span;

static span part_of(const span *s, size_t from, size_t to)
{
    return (span){s->text + from, s->trusted ? s->trusted + from : NULL, to - from,
                  s->first && from == 0};
}

typedef int encode_part(encoding *e, const span *s, error *err);

/* Cuts s at the tokens of `a`; what lies between goes to `part`. As in the reference, a match that
 * is given up because a letter touches it is stepped over, and the white space that a token takes
 * with it is never taken from the token before. */
static int cut_at(encoding *e, const added_tokens *a, const span *s, encode_part *part, error *err)
{
    size_t start = 0, at = s->trusted || a->white_space ? 0 : s->len;
    while (at < s->len) {
        added_token_hit hit =
            added_tokens_match(a, s->text + at, s->len - at, s->trusted ? s->trusted + at : NULL);
        if (hit.id < 0) {
            at++;
            continue;
        }
        size_t from = at, to = at + hit.length;
        at = to;
        if (hit.options.single && !tokenizer_stands_alone(s->text, s->len, from, to))
            continue;
        if (hit.options.left)
            from -= tokenizer_space_before(s->text, from);
        if (hit.options.right)
            to += tokenizer_space_behind(s->text + to, s->len - to);
        span before = part_of(s, start, from > start ? from : start);
        if ((before.len && part(e, &before, err)) || tokens_push(e->out, hit.id, err))
            return -1;
        start = to > start ? to : start;
    }
    span rest = part_of(s, start, s->len);
    return rest.len ? part(e, &rest, err) : 0;
}

static int encode_normal(encoding *e, const span *s, error *err)
{
    return pretoken_run(e->t->split, s->text, s->len, s->first, encode_word, e, err);
}

static int encode_raw(encoding *e, const span *s, error *err)
{
    const tokenizer *t = e->t;
    span normal = *s;
    if (t->normal.steps) {
        buf_clear(&e->normal);
        buf_clear(&e->trusted);
        if (buf_add(&e->normal, s->text, s->len, err) ||
            (s->trusted && buf_add(&e->trusted, s->trusted, s->len, err)) ||
            normalizer_run_trusted(&t->normal, &e->normal, s->trusted ? &e->trusted : NULL, err))
            return -1;
        normal.text = e->normal.v;
        normal.len = e->normal.len;
        normal.trusted = s->trusted ? (const unsigned char *)e->trusted.v : NULL;
    }
    return cut_at(e, &t->normalized, &normal, encode_normal, err);
}

int tokenizer_encode_trusted(const tokenizer *t, const char *text, size_t len,
                             const unsigned char *trusted, tokens *out, size_t *dropped, error *err)
{
    size_t bad = 0, before = out->len;
    if (!utf8_check(text, len, &bad))
        return error_set(err, ERROR_USAGE, "the text is not UTF-8: byte %zu (0x%02X)", bad,
                         (unsigned)(unsigned char)text[bad]);
    encoding e = {.t = t, .out = out};
    span all = {text, trusted, len, true};
    int result = cut_at(&e, &t->raw, &all, encode_raw, err);
    bpe_word_release(&e.word);
    buf_release(&e.key);
    buf_release(&e.normal);
    buf_release(&e.trusted);
    if (result)
        out->len = before;
    else if (dropped)
        *dropped += e.dropped;
    return result;
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t len, tokens *out, size_t *dropped,
                     error *err)
{
    return tokenizer_encode_trusted(t, text, len, NULL, out, dropped, err);
}

/* ---- questions ------------------------------------------------------------------------------ */

const char *tokenizer_piece(const tokenizer *t, int id, size_t *len)
{
    return vocabulary_piece(&t->vocabulary, id, len);
}

const char *tokenizer_first_piece(const tokenizer *t, int id, size_t *len)
{
    const char *piece = vocabulary_piece(&t->vocabulary, id, len);
    if (t->drop_first_space && *len && piece[0] == ' ') {
        *len -= 1;
        piece++;
    }
    return piece;
}

int tokenizer_count(const tokenizer *t)
{
    return t->vocabulary.count;
}

int tokenizer_find(const tokenizer *t, const char *content, size_t len)
{
    return vocabulary_find(&t->vocabulary, content, len);
}

bool tokenizer_is_special(const tokenizer *t, int id)
{
    return t->vocabulary.entry[id].kind == TOKEN_SPECIAL;
}

const char *tokenizer_content(const tokenizer *t, int id, size_t *len)
{
    return vocabulary_content(&t->vocabulary, id, len);
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

const char *tokenizer_named(const tokenizer *t, size_t i, const char **name)
{
    static const char *const names[TOKENIZER_NAMES] = {
        "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
    *name = i < TOKENIZER_NAMES ? names[i] : NULL;
    return i < TOKENIZER_NAMES ? t->named[i] : NULL;
}
