/* printable.c - see printable.h. */
#include "printable.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"
#include "visible.h"

/* What stands for the character or byte at from[0..n), in out; its length. */
static size_t piece(visible *place, const char *from, size_t n, char out[16])
{
    size_t length = utf8_character(from, n), at = 0;
    uint32_t c = length ? utf8_next(from, &at) : 0;
    if (!length)
        *place = (visible){0};
    if (length && visible_next(place, c)) {
        memcpy(out, from, length);
        out[length] = '\0';
    } else if (c >= 0x80) {
        (void)snprintf(out, 16, "\\u{%04x}", (unsigned)c);
    } else {
        (void)snprintf(out, 16, "\\x%02x", (unsigned char)*from);
    }
    return length ? length : 1;
}

printable printable_of(const void *bytes, size_t len)
{
    const char *from = bytes;
    printable out = {{0}};
    visible place = {0};
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        char shown[16];
        i += piece(&place, from + i, len - i, shown);
        size_t n = strlen(shown);
        if (used + n + 4 > sizeof out.text) { /* "..." and the NUL must still fit behind it */
            memcpy(out.text + used, "...", 4);
            break;
        }
        memcpy(out.text + used, shown, n);
        used += n;
    }
    return out;
}

printable printable_text(const char *text)
{
    return printable_of(text, strlen(text));
}
