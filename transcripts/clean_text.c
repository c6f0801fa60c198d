/* clean_text.c - see clean_text.h. */
#include "clean_text.h"

#include <string.h>

#include "../engine/base/utf8.h"
#include "../engine/base/visible.h"

/* Bytes at the front that need no look: printable ASCII, tab and newline. */
static size_t plain_run(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && ((text[i] >= 0x20 && text[i] < 0x7F) || text[i] == '\n' || text[i] == '\t'))
        i++;
    return i;
}

/* One character that is not plain. Returns the bytes taken, 0 when memory is out. */
static size_t clean_one(visible *place, buf *out, const char *text, size_t n, error *err)
{
    if (*text == '\r') {
        *place = (visible){0};
        if (n > 1 && text[1] == '\n')
            return 1; /* the newline comes next */
        return buf_text(out, "\n", err) ? 0 : 1;
    }
    size_t length = utf8_character(text, n), at = 0;
    if (length == 0) {
        *place = (visible){0};
        return buf_format(out, err, "\\x%02x", (unsigned char)*text) ? 0 : 1;
    }
    uint32_t c = utf8_next(text, &at);
    int result = visible_next(place, c) ? buf_add(out, text, length, err)
                 : c < 0x80             ? buf_format(out, err, "\\x%02x", (unsigned)c)
                                        : buf_format(out, err, "\\u{%04x}", (unsigned)c);
    return result ? 0 : length;
}

int clean_text(buf *out, const char *text, size_t n, error *err)
{
    visible place = {0};
    for (size_t i = 0; i < n;) {
        size_t run = plain_run(text + i, n - i);
        if (run && buf_add(out, text + i, run, err))
            return -1;
        i += run;
        if (run)
            (void)visible_next(&place, (unsigned char)text[i - 1]);
        if (i == n)
            break;
        size_t used = clean_one(&place, out, text + i, n - i, err);
        if (!used)
            return -1;
        i += used;
    }
    return 0;
}

int clean_line(buf *out, const char *text, error *err)
{
    buf clean = {0};
    int result = text ? clean_text(&clean, text, strlen(text), err) : 0;
    for (size_t i = 0; !result && i < clean.len;) {
        size_t word = strcspn(clean.v + i, " \t\n");
        result = buf_add(out, clean.v + i, word, err);
        i += word;
        size_t gap = strspn(clean.v + i, " \t\n");
        if (!result && gap && i + gap < clean.len)
            result = buf_text(out, " ", err);
        i += gap;
    }
    buf_release(&clean);
    return result;
}
