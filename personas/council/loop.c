/* loop.c - see loop.h. */
#include "loop.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"

void loop_begin(loop_detector *w)
{
    memset(w->run, 0, sizeof w->run);
}

void loop_token(loop_detector *w, const int *ids, size_t n)
{
    size_t most = n - 1 < LOOP_LONGEST ? n - 1 : LOOP_LONGEST;
    for (size_t p = 1; p <= most; p++)
        w->run[p - 1] = ids[n - 1] == ids[n - 1 - p] ? w->run[p - 1] + 1 : 0;
}

/* The shortest period whose cycle stands there often enough and covers `need` of n tokens; 0 = none. */
static size_t period_of(const loop_detector *w, size_t n, size_t need)
{
    size_t longest = n / LOOP_TIMES < LOOP_LONGEST ? n / LOOP_TIMES : LOOP_LONGEST;
    for (size_t p = 1; p <= longest; p++) {
        size_t covered = (size_t)w->run[p - 1] + p;
        if (covered >= LOOP_TIMES * p && covered >= need)
            return p;
    }
    return 0;
}

/* Punctuation, arrows, lines, symbols and emoji lie there; letters of all scripts do not. */
static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool signs = c < 0xC0 || c == 0xD7 || c == 0xF7 || (c >= 0x2000 && c < 0x2C00) ||
                 (c >= 0x3000 && c < 0x3040) || (c >= 0xFE00 && c < 0xFE70) || c >= 0xFFF0;
    return !signs || (c >= 0x20000 && c < 0x40000);
}

static bool has_letter(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = utf8_character(text + at, len - at), next = at;
        if (n && is_letter(utf8_next(text, &next)))
            return true;
        at += n ? n : 1;
    }
    return false;
}

/* The end of the text that the last `count` tokens say, at least. */
static size_t tail_of(const tokenizer *t, const int *ids, size_t n, size_t count, size_t len)
{
    size_t bytes = 0, piece = 0;
    for (size_t i = n - count; i < n; i++) {
        (void)tokenizer_piece(t, ids[i], &piece);
        bytes += piece;
    }
    return bytes < len ? bytes : len;
}

/* An odd number of fences stands before. */
static bool in_code(const char *text, size_t len)
{
    static const char fence[] = "```";
    bool in = false;
    for (const char *at = text, *end = text + len; at && at < end;) {
        at = memmem(at, (size_t)(end - at), fence, sizeof fence - 1);
        if (at) {
            in = !in;
            at += sizeof fence - 1;
        }
    }
    return in;
}

bool loop_found(const loop_detector *w, const tokenizer *t, const int *ids, size_t n,
                const char *text, size_t len, int need)
{
    size_t most = need > 0 ? (size_t)need : 0;
    size_t period = most ? period_of(w, n, most) : 0;
    if (!period)
        return false;
    /* Two turns of the cycle: a character may lie across its ends. */
    size_t tail = tail_of(t, ids, n, 2 * period, len);
    if (has_letter(text + len - tail, tail) && !in_code(text, len))
        return true;
    return period_of(w, n, most * LOOP_FIGURES) > 0;
}

int loop_ends(const tokenizer *t, const char *text, size_t len, int need, error *err)
{
    tokens ids = {0};
    loop_detector *w = malloc(sizeof *w);
    int result = w ? tokenizer_encode(t, text, len, &ids, NULL, err) : error_memory(err, "a loop");
    if (!result) {
        loop_begin(w);
        for (size_t n = 1; n <= ids.len; n++)
            loop_token(w, ids.v, n);
        result = loop_found(w, t, ids.v, ids.len, text, len, need);
    }
    tokens_release(&ids);
    free(w);
    return result;
}
