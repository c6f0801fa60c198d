/* utf8.c - see utf8.h.
 *
 * The well-formed sequences are table 3-7 of the Unicode standard: the second byte's range depends
 * on the first (E0, ED, F0, F4 are the narrow ones), all later bytes are 80..BF.
 */
#include "utf8.h"

#include <string.h>

static bool tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

size_t utf8_character(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    if (s[0] < 0xE0)
        return len >= 2 && tail(s[1]) ? 2 : 0;
    unsigned low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (len < 3 || s[1] < low || s[1] > high || !tail(s[2]))
        return 0;
    if (s[0] < 0xF0)
        return 3;
    return len >= 4 && tail(s[3]) ? 4 : 0;
}

bool utf8_check(const char *text, size_t len, size_t *offset)
{
    size_t at = 0;
    while (at < len) {
        uint64_t eight;
        /* Most text is ASCII: eight bytes at a time while no top bit is set. */
        if (len - at >= sizeof eight) {
            memcpy(&eight, text + at, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                at += sizeof eight;
                continue;
            }
        }
        size_t n = utf8_character(text + at, len - at);
        if (n == 0) {
            if (offset)
                *offset = at;
            return false;
        }
        at += n;
    }
    return true;
}

uint32_t utf8_next(const char *text, size_t *at)
{
    const unsigned char *s = (const unsigned char *)text + *at;
    uint32_t c = s[0];
    if (c < 0x80) {
        *at += 1;
        return c;
    }
    if (c < 0xE0) {
        *at += 2;
        return (c & 0x1F) << 6 | (s[1] & 0x3Fu);
    }
    if (c < 0xF0) {
        *at += 3;
        return (c & 0x0F) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    }
    *at += 4;
    return (c & 0x07) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
}

bool utf8_is_cyrillic(const char *text, size_t len)
{
    size_t cyrillic = 0, latin = 0;
    for (size_t at = 0; at < len;) {
        uint32_t c = utf8_next(text, &at);
        cyrillic += c >= 0x400 && c <= 0x52F;
        latin += (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= 0xC0 && c <= 0x24F);
    }
    return cyrillic > latin;
}

size_t utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}
