/* words.c - see words.h. */
#include "words.h"

#include <string.h>
#include <utf8proc.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/utf8.h"

typedef struct reading {
    word_fn *fn;
    void *user;
    char v[4 * WORD_MOST + 2]; /* one byte is kept for the NUL behind it */
    size_t len;
    int letters;
    uint32_t before; /* the dense character just read, or 0 */
    error *err;
} reading;

static bool is_dense(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool is_word(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_ND) || c == '\'' || c == 0x2019;
}

int words_letters(const char *v, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)v[i] & 0xC0) != 0x80;
    return n;
}

static bool is_number(const reading *r)
{
    return r->len && r->v[0] >= '0' && r->v[0] <= '9';
}

static int end_word(reading *r)
{
    while (r->len && r->v[r->len - 1] == '\'')
        r->len--;
    text_word w = {.v = r->v, .len = r->len, .number = is_number(r)};
    r->v[r->len] = '\0';
    r->len = 0;
    r->letters = 0;
    if (!w.len || memchr(w.v, '\0', w.len))
        return 0;
    w.letters = words_letters(w.v, w.len);
    return r->fn(r->user, &w, r->err);
}

static int take_dense(reading *r, uint32_t c)
{
    text_word w = {.dense = c, .before = r->before};
    r->before = c;
    return r->fn(r->user, &w, r->err);
}

/* One character behind the others. */
static int take(reading *r, uint32_t c, uint32_t next)
{
    bool dense = is_dense(c);
    bool digit_next = next >= '0' && next <= '9';
    bool number = is_number(r);
    if (number && c == ',' && digit_next)
        return 0;
    bool part = !dense && (is_word(c) || (number && c == '.' && digit_next));
    if (!part && end_word(r))
        return -1;
    if (dense)
        return take_dense(r, c);
    r->before = 0;
    if (!part || r->letters == WORD_MOST || (!r->len && (c == '\'' || c == 0x2019)))
        return 0;
    utf8proc_int32_t small = utf8proc_tolower((utf8proc_int32_t)c);
    small = small == 0x2019 ? '\'' : small == 0x451 ? 0x435 : small;
    r->len += utf8_put((uint32_t)small, r->v + r->len);
    r->letters++;
    return 0;
}

int words_read(const char *text, size_t len, word_fn *fn, void *user, error *err)
{
    reading r = {.fn = fn, .user = user, .err = err};
    for (size_t at = 0; at < len;) {
        uint32_t c = utf8_next(text, &at);
        size_t behind = at;
        if (take(&r, c, at < len ? utf8_next(text, &behind) : 0))
            return -1;
    }
    return end_word(&r);
}

uint64_t words_hash(const text_word *w)
{
    uint32_t pair[2] = {w->before, w->dense};
    return w->v ? hash_bytes(HASH_START, w->v, w->len) : hash_bytes(HASH_START, pair, sizeof pair);
}
