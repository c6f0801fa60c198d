/* buf.c - see buf.h. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static int reserve(buf *b, size_t more, error *err)
{
    if (more >= (size_t)-1 / 2 - b->len)
        return error_memory(err, "a text");
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap * 2 : 64;
    if (cap < need)
        cap = need;
    char *v = realloc(b->v, cap);
    if (!v)
        return error_memory(err, "a text");
    b->v = v;
    b->cap = cap;
    return 0;
}

int buf_add(buf *b, const void *bytes, size_t n, error *err)
{
    if (reserve(b, n, err))
        return -1;
    if (n)
        memcpy(b->v + b->len, bytes, n);
    b->len += n;
    b->v[b->len] = '\0';
    return 0;
}

int buf_text(buf *b, const char *text, error *err)
{
    return buf_add(b, text, strlen(text), err);
}

int buf_format(buf *b, error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = buf_format_list(b, err, format, args);
    va_end(args);
    return result;
}

int buf_format_list(buf *b, error *err, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    int result =
        n < 0 ? error_set(err, ERROR_RUN, "cannot format a text") : reserve(b, (size_t)n, err);
    if (result == 0) {
        (void)vsnprintf(b->v + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return result;
}

int buf_mend(buf *b, const char *text, size_t len, error *err)
{
    static const char broken[] = "\xEF\xBF\xBD";
    if (reserve(b, len, err))
        return -1;
    for (size_t at = 0; at < len;) {
        size_t n = utf8_character(text + at, len - at);
        if (n ? buf_add(b, text + at, n, err) : buf_text(b, broken, err))
            return -1;
        at += n ? n : 1;
    }
    b->v[b->len] = '\0';
    return 0;
}

void buf_clear(buf *b)
{
    b->len = 0;
    if (b->v)
        b->v[0] = '\0';
}

void buf_release(buf *b)
{
    free(b->v);
    *b = (buf){0};
}

char *buf_detach(buf *b)
{
    char *v = b->v;
    *b = (buf){0};
    return v;
}
