/* printable.c - see printable.h. */
#include "printable.h"

#include <stdio.h>
#include <string.h>

printable printable_of(const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    printable out = {{0}};
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        /* the longest piece is \xNN; "..." and the NUL must still fit behind it */
        if (used + 4 + 4 > sizeof out.text) {
            memcpy(out.text + used, "...", 4);
            break;
        }
        if (from[i] >= 0x20 && from[i] < 0x7f)
            out.text[used++] = (char)from[i];
        else
            used += (size_t)snprintf(out.text + used, 5, "\\x%02x", from[i]);
    }
    return out;
}

printable printable_text(const char *text)
{
    return printable_of(text, strlen(text));
}
