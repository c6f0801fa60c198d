/* zip_writer.c - archives with stored members; see zip.h. */
#include <string.h>
#include <zlib.h>

#include "zip.h"

enum {
    END_BYTES = 22,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    VERSION = 20,           /* 2.0: what stored members need is less, but old readers expect it */
    BY_UNIX = 3 << 8,       /* the attributes below are those of Unix */
    UTF8_NAMES = 1 << 11,   /* bit 11 */
    FIRST_DAY = 1 << 5 | 1, /* 1980-01-01, the earliest that can be said */
};
static const uint32_t PRIVATE_FILE = 0100600u << 16; /* a regular file, rw------- */

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

/* From "version needed" on, both headers say the same: 26 bytes. */
static void put_common(uint8_t *at, uint32_t crc, size_t n, size_t name)
{
    put16(at, VERSION);
    put16(at + 2, UTF8_NAMES);
    put16(at + 8, FIRST_DAY);
    put32(at + 10, crc);
    put32(at + 14, (uint32_t)n);
    put32(at + 18, (uint32_t)n);
    put16(at + 22, (unsigned)name);
}

int zip_put(zip_writer *w, const char *name, const void *bytes, size_t n, error *err)
{
    uint8_t local[LOCAL_BYTES] = "PK\3\4", entry[ENTRY_BYTES] = "PK\1\2";
    size_t len = strlen(name), at = w->out.len;
    if (len > UINT16_MAX || w->count == UINT16_MAX || n > UINT32_MAX ||
        at + LOCAL_BYTES + len + n > UINT32_MAX - w->directory.len - ENTRY_BYTES - len - END_BYTES)
        return error_set(err, ERROR_RUN, "%.60s: too much for a zip archive", name);
    uint32_t crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, n);
    put_common(local + 4, crc, n, len);
    put16(entry + 4, VERSION | BY_UNIX);
    put_common(entry + 6, crc, n, len);
    put32(entry + 38, PRIVATE_FILE);
    put32(entry + 42, (uint32_t)at);
    w->count++;
    return buf_add(&w->out, local, LOCAL_BYTES, err) || buf_add(&w->out, name, len, err) ||
                   buf_add(&w->out, bytes, n, err) ||
                   buf_add(&w->directory, entry, ENTRY_BYTES, err) ||
                   buf_add(&w->directory, name, len, err)
               ? -1
               : 0;
}

int zip_finish(zip_writer *w, error *err)
{
    uint8_t end[END_BYTES] = "PK\5\6";
    put16(end + 8, w->count);
    put16(end + 10, w->count);
    put32(end + 12, (uint32_t)w->directory.len);
    put32(end + 16, (uint32_t)w->out.len);
    return buf_add(&w->out, w->directory.v, w->directory.len, err) ||
                   buf_add(&w->out, end, END_BYTES, err)
               ? -1
               : 0;
}

void zip_writer_release(zip_writer *w)
{
    buf_release(&w->out);
    buf_release(&w->directory);
    *w = (zip_writer){0};
}
