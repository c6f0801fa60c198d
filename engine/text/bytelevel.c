/* bytelevel.c - see bytelevel.h. */
#include "bytelevel.h"

#include <stdint.h>

#include "../base/utf8.h"

static bool stands_for_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

/* The others in order: 00..20, 7F..A0, AD. */
static unsigned rank_of(unsigned byte)
{
    return byte <= 0x20 ? byte : byte <= 0xA0 ? byte - 0x7F + 0x21 : 0x43;
}

static int byte_of(uint32_t c)
{
    if (c < 0x100)
        return stands_for_itself(c) ? (int)c : -1;
    uint32_t rank = c - 0x100;
    if (rank > 0x43)
        return -1;
    return (int)(rank <= 0x20 ? rank : rank < 0x43 ? rank - 0x21 + 0x7F : 0xAD);
}

size_t bytelevel_character(unsigned char byte, char out[4])
{
    return utf8_put(stands_for_itself(byte) ? byte : 0x100 + rank_of(byte), out);
}

int bytelevel_encode(const char *bytes, size_t len, buf *out, error *err)
{
    for (size_t i = 0; i < len; i++) {
        char c[4];
        if (buf_add(out, c, bytelevel_character((unsigned char)bytes[i], c), err))
            return -1;
    }
    return 0;
}

int bytelevel_decode(const char *content, size_t len, buf *out, error *err)
{
    size_t before = out->len;
    for (size_t at = 0; at < len;) {
        int byte = byte_of(utf8_next(content, &at));
        if (byte < 0) {
            out->len = before;
            return buf_add(out, content, len, err);
        }
        char c = (char)byte;
        if (buf_add(out, &c, 1, err))
            return -1;
    }
    return 0;
}
