/* safe_text.c - see safe_text.h.
 *
 * One byte at a time goes into `held`; as soon as the held bytes are a character it is written or
 * replaced, and as soon as they cannot become one the first of them is replaced and the rest is
 * looked at again. That loop is all the state there is, which is why chunks cannot matter.
 */
#include "safe_text.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "display_width.h"

static bool is_between(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* The second byte of a character has a narrower range after some leads (no overlong forms, no
 * surrogates, nothing above U+10FFFF): Unicode 15, table 3-7. */
static bool second_fits(unsigned char lead, unsigned char c)
{
    switch (lead) {
    case 0xE0:
        return is_between(c, 0xA0, 0xBF);
    case 0xED:
        return is_between(c, 0x80, 0x9F);
    case 0xF0:
        return is_between(c, 0x90, 0xBF);
    case 0xF4:
        return is_between(c, 0x80, 0x8F);
    default:
        return is_between(c, 0x80, 0xBF);
    }
}

/* Bytes of the character that `held` begins; 0 when it can begin none. */
static size_t character_length(const unsigned char *held, size_t count)
{
    size_t length = held[0] < 0x80                    ? 1
                    : is_between(held[0], 0xC2, 0xDF) ? 2
                    : is_between(held[0], 0xE0, 0xEF) ? 3
                    : is_between(held[0], 0xF0, 0xF4) ? 4
                                                      : 0;
    if (count > 1 && length > 1 && !second_fits(held[0], held[1]))
        return 0;
    for (size_t i = 2; i < count && i < length; i++)
        if (!is_between(held[i], 0x80, 0xBF))
            return 0;
    return length;
}

static uint32_t code_point(const unsigned char *held, size_t length)
{
    if (length == 1)
        return held[0];
    uint32_t c = held[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (held[i] & 0x3Fu);
    return c;
}

static bool is_kept(safe_text *s, uint32_t c)
{
    bool shown = visible_next(&s->place, c);
    if (c == '\n')
        return s->style != SAFE_LINE;
    if (c == '\t')
        return s->style == SAFE_PROSE;
    return shown && !(s->ascii && c > 0x7F);
}

static int write_json_escape(uint32_t c, buf *out, error *err)
{
    if (c < 0x10000)
        return buf_format(out, err, "\\u%04x", (unsigned)c);
    return buf_format(out, err, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)),
                      (unsigned)(0xDC00 + ((c - 0x10000) & 0x3FF)));
}

static int write_character(safe_text *s, size_t length, buf *out, error *err)
{
    uint32_t c = code_point(s->held, length);
    if (is_kept(s, c))
        return buf_add(out, s->held, length, err);
    if (s->style == SAFE_JSON)
        return write_json_escape(c, out, err);
    return buf_format(out, err, c < 0x80 ? "\\x%02x" : "\\u{%04x}", (unsigned)c);
}

static int write_unfinished(safe_text *s, buf *out, error *err)
{
    s->place = (visible){0};
    if (s->style == SAFE_JSON)
        return write_json_escape(0xFFFD, out, err);
    return buf_text(out, s->ascii ? "\\u{fffd}" : "\uFFFD", err);
}

/* The first bytes of held[0..count) can become no character. */
/* held[0..count) can become no character, and held[0..count-1) might have. The bytes that are over. */
static size_t write_broken(safe_text *s, buf *out, error *err)
{
    if (s->count > 1)
        return write_unfinished(s, out, err) ? 0 : s->count - 1;
    s->place = (visible){0};
    int result = s->style == SAFE_JSON ? write_json_escape(0xFFFD, out, err)
                                       : buf_format(out, err, "\\x%02x", s->held[0]);
    return result ? 0 : 1;
}

static void forget(safe_text *s, size_t n)
{
    s->count -= n;
    memmove(s->held, s->held + n, s->count);
}

/* Writes every character and every broken byte that `held` already decides. */
static int settle(safe_text *s, buf *out, error *err)
{
    while (s->count) {
        size_t length = character_length(s->held, s->count);
        if (length > s->count)
            return 0;
        if (length && write_character(s, length, out, err))
            return -1;
        if (!length && !(length = write_broken(s, out, err)))
            return -1;
        forget(s, length);
    }
    return 0;
}

static size_t plain_run(const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && is_between((unsigned char)bytes[i], 0x20, 0x7E))
        i++;
    return i;
}

int safe_text_add(safe_text *s, const char *bytes, size_t n, buf *out, error *err)
{
    size_t i = 0;
    while (i < n) {
        size_t run = s->count ? 0 : plain_run(bytes + i, n - i);
        if (run) {
            if (buf_add(out, bytes + i, run, err))
                return -1;
            i += run;
            (void)visible_next(&s->place, (unsigned char)bytes[i - 1]);
            continue;
        }
        s->held[s->count++] = (unsigned char)bytes[i++];
        if (settle(s, out, err))
            return -1;
    }
    return 0;
}

int safe_text_end(safe_text *s, buf *out, error *err)
{
    if (s->count && write_unfinished(s, out, err))
        return -1;
    s->count = 0;
    return 0;
}

int safe_text_copy(buf *out, safe_style style, bool ascii, const char *text, size_t n, error *err)
{
    safe_text s = {.style = style, .ascii = ascii};
    return safe_text_add(&s, text, n, out, err) || safe_text_end(&s, out, err) ? -1 : 0;
}

int safe_text_excerpt(buf *out, const char *text, size_t n, size_t cells, bool ascii, error *err)
{
    buf line = {0}, safe = {0};
    int result = 0;
    for (size_t i = 0; i < n && !result;) {
        size_t word = 0, gap = 0;
        while (i + word < n && !(text[i + word] && strchr(" \t\r\n", text[i + word])))
            word++;
        for (i += word; i + gap < n && text[i + gap] && strchr(" \t\r\n", text[i + gap]);)
            gap++;
        result = (word && buf_add(&line, text + i - word, word, err)) ||
                 (line.len && gap && i + gap < n && buf_text(&line, " ", err));
        i += gap;
    }
    result = result || safe_text_copy(&safe, SAFE_LINE, ascii, line.v, line.len, err) ||
             display_fit(out, safe.v ? safe.v : "", safe.len, cells, !ascii, NULL, err);
    buf_release(&line);
    buf_release(&safe);
    return result ? -1 : 0;
}

size_t safe_text_width(const char *text, size_t n)
{
    size_t width = 0;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used = utf8proc_iterate(at + i, (utf8proc_ssize_t)(n - i), &c);
        width += used > 0 ? (size_t)utf8proc_charwidth(c) : 1;
        i += used > 0 ? (size_t)used : 1;
    }
    return width;
}
