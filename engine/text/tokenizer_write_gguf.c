/* tokenizer_write_gguf.c - see tokenizer_write.h: tokenizer.ggml.*. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../formats/gguf.h"
#include "spm.h"
#include "tokenizer_presets.h"
#include "tokenizer_write.h"
#include "tokenizer_write_merges.h"

#define KEY(name) "tokenizer.ggml." name

/* ---- what can be said -------------------------------------------------------------------------- */

static int refuse(const char *what, error *err)
{
    return error_set(err, ERROR_USAGE, "the tokenizer %s, which GGUF cannot say", what);
}

/* The name of its split rules; NULL when there is none. */
static const tokenizer_preset *preset_of(const tokenizer *t)
{
    const char *patterns[TOKENIZER_PRESET_PATTERNS];
    size_t n = pretoken_steps(t->split);
    bool nfc = t->normal.steps == 1 && t->normal.step[0].kind == NORMALIZE_NFC;
    if (n > TOKENIZER_PRESET_PATTERNS || (t->normal.steps && !nfc))
        return NULL;
    for (size_t i = 0; i < n; i++)
        patterns[i] = pretoken_pattern(t->split, i);
    return tokenizer_preset_like(patterns, n, nfc, t->ignore_merges);
}

static bool is_text(const char *text, size_t len, const char *want)
{
    return len == strlen(want) && memcmp(text, want, len) == 0;
}

/* Spaces become U+2581, with one in front or none: what add_space_prefix says. */
static int check_spaces(const tokenizer *t, error *err)
{
    const normalizer *n = &t->normal;
    size_t i = 0;
    bool prefix = n->steps && n->step[0].kind == NORMALIZE_PREPEND &&
                  is_text(n->step[0].to, n->step[0].to_len, SPM_SPACE);
    i += prefix;
    if (i + 1 != n->steps || n->step[i].kind != NORMALIZE_REPLACE ||
        !is_text(n->step[i].from, n->step[i].from_len, " ") ||
        !is_text(n->step[i].to, n->step[i].to_len, SPM_SPACE))
        return refuse("normalises text by steps of its own", err);
    if (pretoken_steps(t->split))
        return refuse("splits text before it is merged", err);
    if (prefix != t->drop_first_space || t->decoder != TOKENIZER_DECODE_SPM || !t->byte_fallback)
        return refuse("writes spaces or bytes by rules of its own", err);
    return t->ignore_merges ? refuse("takes whole words before merges", err) : 0;
}

/* Scores by which the same pairs are merged in the same order: those of one token follow each other, and are
 * all that its text can be cut into. [count], the caller's to free; NULL with an error. */
static float *scores_of(const tokenizer *t, error *err)
{
    size_t n = (size_t)t->vocabulary.count;
    float *scores = calloc(n + 1, sizeof *scores);
    merge_list list = {0}, again = {0};
    bpe all = {0};
    int result = scores ? merge_list_open(&t->merges, &list, err) : error_memory(err, "the scores");
    float step = 0;
    for (size_t i = 0; !result && i < list.len; i++) {
        const bpe_merge *m = &list.v[i];
        bool follows = i && list.v[i - 1].result == m->result;
        if (!follows && scores[m->result] != 0)
            result = refuse("merges by an order that is none of its tokens", err);
        if (!follows)
            scores[m->result] = step -= 1;
    }
    for (size_t i = 0; i < n && !result; i++) /* who is no sum of others comes last */
        scores[i] =
            scores[i] == 0 && t->vocabulary.entry[i].kind == TOKEN_NORMAL ? step - 1 : scores[i];
    if (!result)
        result = spm_merges_from_scores(&t->vocabulary, scores, &all, err);
    if (!result)
        result = merge_list_open(&all, &again, err);
    if (!result && again.len != list.len)
        result = refuse("leaves out merges that its tokens would make", err);
    merge_list_release(&list);
    merge_list_release(&again);
    bpe_release(&all);
    if (!result)
        return scores;
    free(scores);
    return NULL;
}

int tokenizer_check_gguf(const tokenizer *t, error *err)
{
    if (t->byte_level && (t->drop_first_space || t->byte_fallback))
        return refuse("puts a space in front of text", err);
    if (t->byte_level)
        return preset_of(t) ? 0
                            : refuse("splits or normalises text by rules that have no name", err);
    if (check_spaces(t, err))
        return -1;
    float *scores = scores_of(t, err);
    free(scores);
    return scores ? 0 : -1;
}

static int spaces_in(const added_tokens *a)
{
    int n = 0;
    for (int i = 0; i < a->len; i++) {
        const added_token_options *o = &a->node[i].options;
        n += a->node[i].id >= 0 && (o->left || o->right || o->single);
    }
    return n;
}

int tokenizer_spaces(const tokenizer *t)
{
    return spaces_in(&t->raw) + spaces_in(&t->normalized);
}

/* ---- keys -------------------------------------------------------------------------------------- */

/* A gap of ids is filled so. */
static int put_gap(gguf_writer *w, int id, error *err)
{
    char text[32];
    int len = snprintf(text, sizeof text, "[PAD%d]", id);
    return gguf_writer_element(w, text, (size_t)len, err);
}

static int32_t type_of(const tokenizer *t, int id)
{
    static const int32_t types[] = {[TOKEN_NONE] = 5, [TOKEN_NORMAL] = 1, [TOKEN_ADDED] = 4,
                                    [TOKEN_BYTE] = 6, [TOKEN_UNUSED] = 5, [TOKEN_SPECIAL] = 3};
    if (id >= t->vocabulary.count)
        return 5;
    return id == t->unknown && !t->byte_level ? 2 : types[t->vocabulary.entry[id].kind];
}

static int put_tokens(const tokenizer *t, size_t rows, gguf_writer *w, error *err)
{
    int32_t *types = malloc((rows + 1) * sizeof *types);
    int result = types ? gguf_writer_texts(w, KEY("tokens"), rows, err)
                       : error_memory(err, "the types of tokens");
    for (size_t i = 0; i < rows && !result; i++) {
        size_t len = 0;
        bool there = i < (size_t)t->vocabulary.count;
        const char *text = there ? vocabulary_content(&t->vocabulary, (int)i, &len) : "";
        types[i] = type_of(t, (int)i);
        result = len ? gguf_writer_element(w, text, len, err) : put_gap(w, (int)i, err);
    }
    if (!result)
        result = gguf_writer_array(w, KEY("token_type"), GGUF_I32, types, rows, err);
    free(types);
    return result;
}

static int put_merges(const tokenizer *t, gguf_writer *w, error *err)
{
    merge_list list;
    buf line = {0};
    int result = merge_list_open(&t->merges, &list, err);
    if (!result)
        result = gguf_writer_texts(w, KEY("merges"), list.len, err);
    for (size_t i = 0; i < list.len && !result; i++) {
        size_t left, right;
        const char *a = vocabulary_content(&t->vocabulary, (int)list.v[i].left, &left);
        const char *b = vocabulary_content(&t->vocabulary, (int)list.v[i].right, &right);
        line.len = 0;
        result = buf_add(&line, a, left, err) || buf_text(&line, " ", err) ||
                         buf_add(&line, b, right, err) ||
                         gguf_writer_element(w, line.v, line.len, err)
                     ? -1
                     : 0;
    }
    buf_release(&line);
    merge_list_release(&list);
    return result;
}

static int put_scores(const tokenizer *t, size_t rows, gguf_writer *w, error *err)
{
    float *scores = scores_of(t, err), *all = scores ? calloc(rows + 1, sizeof *all) : NULL;
    size_t n = (size_t)t->vocabulary.count;
    int result = all ? 0 : scores ? error_memory(err, "the scores") : -1;
    if (all)
        memcpy(all, scores, (n < rows ? n : rows) * sizeof *all);
    if (!result)
        result = gguf_writer_array(w, KEY("scores"), GGUF_F32, all, rows, err);
    free(scores);
    free(all);
    return result;
}

static int put_id(gguf_writer *w, const char *key, int id, error *err)
{
    return id >= 0 ? gguf_writer_u32(w, key, (uint32_t)id, err) : 0;
}

/* The tokenizer's own end comes first; all that end an answer are listed beside it. */
static int put_ids(const tokenizer *t, const model_config *c, gguf_writer *w, error *err)
{
    int eos = t->eos >= 0 ? t->eos : c->eos_count ? c->eos[0] : -1;
    int bos = t->bos >= 0 ? t->bos : c->bos;
    const char *pad = t->named[4]; /* tokenizer_named() */
    int padding = pad ? tokenizer_find(t, pad, strlen(pad)) : -1;
    if (put_id(w, KEY("bos_token_id"), bos, err) || put_id(w, KEY("eos_token_id"), eos, err) ||
        put_id(w, KEY("unknown_token_id"), t->unknown, err) ||
        put_id(w, KEY("padding_token_id"), padding, err) ||
        gguf_writer_bool(w, KEY("add_bos_token"), t->adds_bos, err))
        return -1;
    return c->eos_count > 1 ? gguf_writer_array(w, KEY("eos_token_ids"), GGUF_I32, c->eos,
                                                (size_t)c->eos_count, err)
                            : 0;
}

int tokenizer_to_gguf(const tokenizer *t, const model_config *c, gguf_writer *w, error *err)
{
    if (!t)
        return gguf_writer_text(w, KEY("model"), "no_vocab", err);
    size_t rows = (size_t)c->vocabulary;
    if (t->vocabulary.count > c->vocabulary)
        return refuse("has more tokens than the embedding rows", err);
    if (tokenizer_check_gguf(t, err) ||
        gguf_writer_text(w, KEY("model"), t->byte_level ? "gpt2" : "llama", err) ||
        (t->byte_level && gguf_writer_text(w, KEY("pre"), preset_of(t)->name, err)) ||
        put_tokens(t, rows, w, err))
        return -1;
    if (t->byte_level ? put_merges(t, w, err)
                      : put_scores(t, rows, w, err) ||
                            gguf_writer_bool(w, KEY("add_space_prefix"), t->drop_first_space, err))
        return -1;
    return put_ids(t, c, w, err);
}
