/* spm.c - see spm.h.
 *
 * SentencePiece looks up the joined text at each merge; a table of pairs built once gives the same
 * merges (both parts of a token must be tokens, which holds for every vocabulary its trainer makes)
 * and lets one merging loop serve both families.
 */
#include "spm.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../base/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int spm_byte(const char *content, size_t len)
{
    if (len != 6 || memcmp(content, "<0x", 3) != 0 || content[5] != '>')
        return -1;
    int high = hex_digit(content[3]), low = hex_digit(content[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Adds the byte tokens of one character; false when one is missing (then none is added). */
static bool has_bytes(const spm_options *r, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!r->byte_id || r->byte_id[(unsigned char)s[i]] < 0)
            return false;
    return true;
}

int spm_symbols(const spm_options *r, const char *piece, size_t len, bpe_word *word,
                size_t *dropped, error *err)
{
    bool pending = false; /* an unknown token waits: more may join it */
    for (size_t at = 0, n; at < len; at += n) {
        n = utf8_character(piece + at, len - at);
        int id = vocabulary_find(r->vocabulary, piece + at, n);
        if (id >= 0 && (r->vocabulary->entry[id].kind == TOKEN_NORMAL)) {
            if ((pending && bpe_word_add(word, r->unknown, err)) || bpe_word_add(word, id, err))
                return -1;
            pending = false;
        } else if (has_bytes(r, piece + at, n)) {
            /* As in the reference, a waiting unknown token comes behind these bytes. */
            for (size_t i = 0; i < n; i++)
                if (bpe_word_add(word, r->byte_id[(unsigned char)piece[at + i]], err))
                    return -1;
        } else if (r->unknown >= 0) {
            if (pending && !r->fuse_unknown && bpe_word_add(word, r->unknown, err))
                return -1;
            pending = true;
        } else {
            *dropped += n;
        }
    }
    return pending ? bpe_word_add(word, r->unknown, err) : 0;
}

/* ---- merges from scores --------------------------------------------------------------------- */

typedef struct ranked {
    float score;
    int id;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id - y->id;
}

/* Calls for each cut of token id into two tokens that text may become; counts them, and adds them
 * when merges is not NULL. */
static size_t cuts(const vocabulary *words, int id, uint32_t rank, bpe *merges)
{
    size_t len, n = 0;
    const char *s = vocabulary_content(words, id, &len);
    for (size_t at = utf8_character(s, len); at < len; at += utf8_character(s + at, len - at)) {
        int left = vocabulary_find(words, s, at);
        int right = vocabulary_find(words, s + at, len - at);
        if (left < 0 || right < 0 || words->entry[left].kind != TOKEN_NORMAL ||
            words->entry[right].kind != TOKEN_NORMAL)
            continue;
        n++;
        if (merges)
            bpe_add(merges, left, right, rank, id);
    }
    return n;
}

int spm_merges_from_scores(const vocabulary *words, const float *scores, bpe *merges, error *err)
{
    ranked *order = malloc(((size_t)words->count + 1) * sizeof *order);
    size_t n = 0, total = 0;
    if (!order)
        return error_memory(err, "the scores");
    int result = 0;
    for (int id = 0; id < words->count && result == 0; id++) {
        if (words->entry[id].kind != TOKEN_NORMAL)
            continue;
        if (words->entry[id].content_len > SPM_MAX_TOKEN)
            result = error_set(err, ERROR_LOAD, "token %d has %u bytes; at most %d", id,
                               words->entry[id].content_len, SPM_MAX_TOKEN);
        order[n++] = (ranked){scores[id], id};
        total += result ? 0 : cuts(words, id, 0, NULL);
    }
    qsort(order, n, sizeof *order, by_score);
    if (result == 0)
        result = bpe_open(merges, total, err);
    /* Ranks count the different scores among tokens that can be cut, so they stay below `total`. */
    uint32_t rank = 0;
    const ranked *last = NULL;
    for (size_t i = 0; i < n && result == 0; i++) {
        uint32_t next = last && order[i].score != last->score ? rank + 1 : rank;
        if (cuts(words, order[i].id, next, merges)) {
            rank = next;
            last = &order[i];
        }
    }
    free(order);
    return result;
}

int spm_decode(const char *content, size_t len, buf *out, error *err)
{
    size_t n = sizeof SPM_SPACE - 1, at = 0;
    while (at < len) {
        bool space = len - at >= n && memcmp(content + at, SPM_SPACE, n) == 0;
        if (buf_add(out, space ? " " : content + at, 1, err))
            return -1;
        at += space ? n : 1;
    }
    return 0;
}
