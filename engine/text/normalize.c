/* normalize.c - see normalize.h.
 *
 * NFC is three passes over code points: decompose each character, order every run of combining
 * marks by class, compose. Text that lies below U+0300 altogether is left as it is before any
 * of them (is_plain). Marks newer than the reference's Unicode cut the text where they stand:
 * what is on either side is composed by itself.
 *
 * With trust, each byte of the text has one that says whether the template wrote it, and both
 * change together. NFC then goes stretch by stretch, cut before ASCII, where nothing composes
 * across; of a stretch that did change the equal bytes at both ends keep their trust, and what
 * lies between is trusted only if all of it was.
 */
#include "normalize.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "../base/utf8.h"

/* ---- the list of steps ---------------------------------------------------------------------- */

static int add(normalizer *n, normalize_step step, error *err)
{
    if (n->steps == NORMALIZE_MAX_STEPS)
        return error_set(err, ERROR_LOAD, "more than %d normalizer steps", NORMALIZE_MAX_STEPS);
    n->step[n->steps++] = step;
    return 0;
}

static int copy(char out[NORMALIZE_MAX_TEXT], const char *text, size_t len, error *err)
{
    if (len > NORMALIZE_MAX_TEXT)
        return error_set(err, ERROR_LOAD, "a normalizer text of %zu bytes; at most %d", len,
                         NORMALIZE_MAX_TEXT);
    memcpy(out, text, len);
    return 0;
}

int normalizer_add_nfc(normalizer *n, error *err)
{
    return add(n, (normalize_step){.kind = NORMALIZE_NFC}, err);
}

int normalizer_add_prepend(normalizer *n, const char *text, size_t len, error *err)
{
    normalize_step s = {.kind = NORMALIZE_PREPEND, .to_len = len};
    return copy(s.to, text, len, err) || add(n, s, err) ? -1 : 0;
}

int normalizer_add_replace(normalizer *n, const char *from, size_t from_len, const char *to,
                           size_t to_len, error *err)
{
    normalize_step s = {.kind = NORMALIZE_REPLACE, .from_len = from_len, .to_len = to_len};
    if (from_len == 0)
        return error_set(err, ERROR_LOAD, "a Replace normalizer with an empty pattern");
    if (copy(s.from, from, from_len, err) || copy(s.to, to, to_len, err))
        return -1;
    return add(n, s, err);
}

/* ---- NFC ------------------------------------------------------------------------------------ */

/* Everything below U+0300 (lead byte 0xCC) is its own normal form and never reorders. */
static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0xCC)
            return false;
    return true;
}

/* The reference composes by the tables of Unicode 9. Marks that came later are unknown to it: it
 * never moves them and nothing composes across them. U+11938 (later too) neither decomposes nor
 * comes about from its two parts. Found by trying every character against the library. */
static const int32_t newer[][2] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
    {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42},
    {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
};

static bool is_newer(int32_t c)
{
    size_t low = 0, high = sizeof newer / sizeof *newer;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > newer[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof newer / sizeof *newer && c >= newer[low][0];
}

typedef struct points {
    int32_t *v;
    size_t len, cap;
} points;

static int decompose(const char *text, size_t len, points *out, error *err)
{
    /* No canonical decomposition is longer than 4 code points. */
    enum { LONGEST = 16 };
    size_t at = 0;
    while (at < len) {
        if (out->cap - out->len < LONGEST) {
            size_t cap = out->cap ? out->cap * 2 : len + LONGEST;
            int32_t *v = realloc(out->v, cap * sizeof *v);
            if (!v)
                return error_memory(err, "normalizing a text");
            out->v = v;
            out->cap = cap;
        }
        int boundary = 0;
        int32_t c = (int32_t)utf8_next(text, &at);
        if (is_newer(c)) {
            out->v[out->len++] = c;
            continue;
        }
        utf8proc_ssize_t n = utf8proc_decompose_char(
            c, out->v + out->len, LONGEST, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
        if (n < 0 || n > LONGEST)
            return error_set(err, ERROR_RUN, "utf8proc: %s", utf8proc_errmsg(n));
        out->len += (size_t)n;
    }
    return 0;
}

static size_t combining_class(int32_t c)
{
    size_t class = (size_t)utf8proc_get_property(c)->combining_class & 0xFF;
    return class && is_newer(c) ? 0 : class;
}

/* Sorts a run of marks by combining class, equal ones in their old order; scratch[0..n). */
static void sort_marks(int32_t *marks, size_t n, int32_t *scratch)
{
    size_t place[257] = {0};
    for (size_t i = 0; i < n; i++)
        place[combining_class(marks[i]) + 1]++;
    for (size_t i = 1; i < 257; i++)
        place[i] += place[i - 1];
    for (size_t i = 0; i < n; i++)
        scratch[place[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, scratch, n * sizeof *marks);
}

static int order_marks(points *p, error *err)
{
    int32_t *scratch = NULL;
    for (size_t i = 0; i < p->len; i++) {
        size_t start = i;
        while (i < p->len && combining_class(p->v[i]))
            i++;
        if (i - start < 2)
            continue;
        if (!scratch && !(scratch = malloc(p->len * sizeof *scratch)))
            return error_memory(err, "normalizing a text");
        sort_marks(p->v + start, i - start, scratch);
    }
    free(scratch);
    return 0;
}

/* Composes v[0..n), which holds no newer mark, and appends it to *text. */
static int compose_part(int32_t *v, size_t n, buf *text, error *err)
{
    utf8proc_ssize_t left =
        utf8proc_normalize_utf32(v, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (left < 0)
        return error_set(err, ERROR_RUN, "utf8proc: %s", utf8proc_errmsg(left));
    for (utf8proc_ssize_t i = 0; i < left; i++) {
        char bytes[4];
        if (buf_add(text, bytes, utf8_put((uint32_t)v[i], bytes), err))
            return -1;
    }
    return 0;
}

static int compose(points *p, buf *text, error *err)
{
    buf_clear(text);
    for (size_t start = 0, at = 0; at <= p->len; at++) {
        if (at < p->len && !is_newer(p->v[at]))
            continue;
        /* The newer mark itself is a part of one: nothing to compose with. */
        if (compose_part(p->v + start, at - start, text, err) ||
            (at < p->len && compose_part(p->v + at, 1, text, err)))
            return -1;
        start = at + 1;
    }
    return 0;
}

static int nfc(buf *text, error *err)
{
    if (is_plain(text->v, text->len))
        return 0;
    points p = {0};
    int result = decompose(text->v, text->len, &p, err);
    if (result == 0)
        result = order_marks(&p, err);
    if (result == 0)
        result = compose(&p, text, err);
    free(p.v);
    return result;
}

/* NFC of text[at..end), of which neither end is inside something that composes. The bytes that did
 * not change keep their trust; the others are trusted when all of the old ones were. */
static int nfc_part(const char *text, const char *trust, size_t len, buf *out, buf *trusted,
                    error *err)
{
    buf fresh = {0};
    if (buf_add(&fresh, text, len, err) || nfc(&fresh, err)) {
        buf_release(&fresh);
        return -1;
    }
    size_t head = 0, tail = 0, most = len < fresh.len ? len : fresh.len;
    while (head < most && text[head] == fresh.v[head])
        head++;
    while (tail < most - head && text[len - 1 - tail] == fresh.v[fresh.len - 1 - tail])
        tail++;
    char all = 1;
    for (size_t i = head; i < len - tail; i++)
        all = (char)(all & trust[i]);
    int result = buf_add(out, fresh.v, fresh.len, err) || buf_add(trusted, trust, head, err);
    for (size_t i = head; !result && i < fresh.len - tail; i++)
        result = buf_add(trusted, &all, 1, err);
    result = result || buf_add(trusted, trust + len - tail, tail, err);
    buf_release(&fresh);
    return result ? -1 : 0;
}

/* The end of a step: *text becomes *fresh, and *trusted (NULL = nobody asks) *marks; or, when it
 * failed, both stay as they were. 0 or -1. */
static int settle(int failed, buf *text, buf *fresh, buf *trusted, buf *marks)
{
    buf_release(failed ? fresh : text);
    buf_release(failed || !trusted ? marks : trusted);
    if (failed)
        return -1;
    *text = *fresh;
    if (trusted)
        *trusted = *marks;
    return 0;
}

/* ASCII never composes with what stands before it, so the text is cut there. */
static int nfc_trusted(buf *text, buf *trusted, error *err)
{
    buf fresh = {0}, marks = {0};
    int result = 0;
    if (is_plain(text->v, text->len))
        return 0;
    for (size_t at = 0, end; at < text->len && !result; at = end) {
        for (end = at + 1; end < text->len && (unsigned char)text->v[end] >= 0x80;)
            end++;
        result = nfc_part(text->v + at, trusted->v + at, end - at, &fresh, &marks, err);
    }
    return settle(result, text, &fresh, trusted, &marks);
}

/* ---- prefix and replacement ----------------------------------------------------------------- */

static int prepend(const normalize_step *s, buf *text, buf *trusted, error *err)
{
    buf fresh = {0}, marks = {0};
    int result = buf_add(&fresh, s->to, s->to_len, err) || buf_add(&fresh, text->v, text->len, err);
    for (size_t i = 0; trusted && !result && i < s->to_len; i++)
        result = buf_add(&marks, trusted->v, 1, err);
    result = result || (trusted && buf_add(&marks, trusted->v, trusted->len, err));
    return settle(result, text, &fresh, trusted, &marks);
}

/* Appends what stands in the place of trust[0..n) bytes: to_len of them. */
static int replace_marks(const char *trust, size_t n, size_t to_len, buf *marks, error *err)
{
    char all = 1;
    for (size_t i = 0; i < n; i++)
        all = (char)(all & trust[i]);
    for (size_t i = 0; i < to_len; i++)
        if (buf_add(marks, &all, 1, err))
            return -1;
    return 0;
}

static int replace(const normalize_step *s, buf *text, buf *trusted, error *err)
{
    const char *at = text->v, *end = text->v + text->len, *hit;
    if (!memmem(at, text->len, s->from, s->from_len))
        return 0;
    buf fresh = {0}, marks = {0};
    int result = 0;
    while (!result && (hit = memmem(at, (size_t)(end - at), s->from, s->from_len))) {
        const char *trust = trusted ? trusted->v + (at - text->v) : NULL;
        size_t plain = (size_t)(hit - at);
        result = buf_add(&fresh, at, plain, err) || buf_add(&fresh, s->to, s->to_len, err) ||
                 (trust && (buf_add(&marks, trust, plain, err) ||
                            replace_marks(trust + plain, s->from_len, s->to_len, &marks, err)));
        at = hit + s->from_len;
    }
    size_t rest = (size_t)(end - at);
    result = result || buf_add(&fresh, at, rest, err) ||
             (trusted && buf_add(&marks, trusted->v + (at - text->v), rest, err));
    return settle(result, text, &fresh, trusted, &marks);
}

static int run_step(const normalize_step *s, buf *text, buf *trusted, error *err)
{
    switch (s->kind) {
    case NORMALIZE_NFC:
        return trusted ? nfc_trusted(text, trusted, err) : nfc(text, err);
    case NORMALIZE_PREPEND:
        return prepend(s, text, trusted, err);
    default:
        return replace(s, text, trusted, err);
    }
}

int normalizer_run_trusted(const normalizer *n, buf *text, buf *trusted, error *err)
{
    for (size_t i = 0; i < n->steps; i++) {
        const normalize_step *s = &n->step[i];
        if (text->len == 0)
            return 0;
        if (run_step(s, text, trusted, err))
            return -1;
    }
    return 0;
}

int normalizer_run(const normalizer *n, buf *text, error *err)
{
    return normalizer_run_trusted(n, text, NULL, err);
}
