/* normalize.c - see normalize.h. */
#include "normalize.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "utf8.h"

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
        utf8proc_ssize_t n =
            utf8proc_decompose_char((int32_t)utf8_next(text, &at), out->v + out->len, LONGEST,
                                    UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
        if (n < 0 || n > LONGEST)
            return error_set(err, ERROR_RUN, "utf8proc: %s", utf8proc_errmsg(n));
        out->len += (size_t)n;
    }
    return 0;
}

static size_t combining_class(int32_t c)
{
    return (size_t)utf8proc_get_property(c)->combining_class & 0xFF;
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

static int compose(points *p, buf *text, error *err)
{
    utf8proc_ssize_t n = utf8proc_normalize_utf32(p->v, (utf8proc_ssize_t)p->len,
                                                  UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (n < 0)
        return error_set(err, ERROR_RUN, "utf8proc: %s", utf8proc_errmsg(n));
    buf_clear(text);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char bytes[4];
        if (buf_add(text, bytes, utf8_put((uint32_t)p->v[i], bytes), err))
            return -1;
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

/* ---- prefix and replacement ----------------------------------------------------------------- */

/* Makes *text the bytes of *fresh. */
static void take(buf *text, buf *fresh)
{
    buf_release(text);
    *text = *fresh;
}

static int prepend(const normalize_step *s, buf *text, error *err)
{
    buf fresh = {0};
    if (buf_add(&fresh, s->to, s->to_len, err) || buf_add(&fresh, text->v, text->len, err)) {
        buf_release(&fresh);
        return -1;
    }
    take(text, &fresh);
    return 0;
}

static int replace(const normalize_step *s, buf *text, error *err)
{
    const char *at = text->v, *end = text->v + text->len, *hit;
    if (!memmem(at, text->len, s->from, s->from_len))
        return 0;
    buf fresh = {0};
    while ((hit = memmem(at, (size_t)(end - at), s->from, s->from_len))) {
        if (buf_add(&fresh, at, (size_t)(hit - at), err) ||
            buf_add(&fresh, s->to, s->to_len, err)) {
            buf_release(&fresh);
            return -1;
        }
        at = hit + s->from_len;
    }
    if (buf_add(&fresh, at, (size_t)(end - at), err)) {
        buf_release(&fresh);
        return -1;
    }
    take(text, &fresh);
    return 0;
}

int normalizer_run(const normalizer *n, buf *text, error *err)
{
    for (size_t i = 0; i < n->steps; i++) {
        const normalize_step *s = &n->step[i];
        if (text->len == 0)
            return 0;
        if (s->kind == NORMALIZE_NFC       ? nfc(text, err)
            : s->kind == NORMALIZE_PREPEND ? prepend(s, text, err)
                                           : replace(s, text, err))
            return -1;
    }
    return 0;
}
