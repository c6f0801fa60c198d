/* zip.c - see zip.h.
 *
 * From the back: the end record says where the central directory is, an entry of it says where
 * a member's local header is, and only behind that header, whose length may differ, lie the
 * bytes. Each step is checked to lie inside the mapping before it is followed. Inflating goes
 * through a buffer into an atomic file, and stops when more comes out than the directory says.
 */
#include "zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "atomic_file.h"
#include "checked.h"
#include "mapped_file.h"

enum {
    END_BYTES = 22,      /* of the end record without its comment */
    END_COMMENT = 65535, /* at most */
    ENTRY_BYTES = 46,    /* of a directory entry without its name */
    LOCAL_BYTES = 30,    /* of a local header without its name */
    STORED = 0,
    DEFLATED = 8,
    OUT_BYTES = 1 << 18,
};

typedef struct member {
    unsigned method;
    uint32_t crc, packed, unpacked;
    uint64_t header; /* offset of the local header */
} member;

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

bool zip_is_archive(const char *path)
{
    mapped_file m = {0};
    bool zip = mapped_file_open(&m, path, NULL) == 0 && m.size >= END_BYTES &&
               memcmp(m.data, "PK\3\4", 4) == 0;
    mapped_file_close(&m);
    return zip;
}

static int broken(const mapped_file *m, uint64_t offset, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset %llu: %s", m->path, (unsigned long long)offset,
                     what);
}

/* The end record is the last of its kind; a comment of up to 65535 bytes may follow it. */
static const uint8_t *find_end(const mapped_file *m)
{
    size_t back = m->size - END_BYTES;
    for (size_t i = 0; i <= END_COMMENT && i <= back; i++)
        if (memcmp(m->data + back - i, "PK\5\6", 4) == 0)
            return m->data + back - i;
    return NULL;
}

static bool ends_with(const uint8_t *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);
    return len >= n && memcmp(name + len - n, suffix, n) == 0;
}

static int find_member(const mapped_file *m, const char *suffix, member *out, error *err)
{
    const uint8_t *end = m->size >= END_BYTES ? find_end(m) : NULL;
    if (!end)
        return broken(m, m->size, "no end of a zip archive", err);
    uint64_t at = get32(end + 16), limit = (uint64_t)(end - m->data);
    for (unsigned n = get16(end + 10); n; n--) {
        if (at > limit || limit - at < ENTRY_BYTES || memcmp(m->data + at, "PK\1\2", 4) != 0)
            return broken(m, at, "no entry of a zip directory", err);
        const uint8_t *e = m->data + at;
        uint64_t name = get16(e + 28), rest = name + get16(e + 30) + get16(e + 32);
        if (limit - at - ENTRY_BYTES < rest)
            return broken(m, at, "the entry is longer than the directory", err);
        if (ends_with(e + ENTRY_BYTES, (size_t)name, suffix)) {
            if (get16(e + 8) & 1)
                return broken(m, at, "the member is encrypted", err);
            *out =
                (member){get16(e + 10), get32(e + 16), get32(e + 20), get32(e + 24), get32(e + 42)};
            return 0;
        }
        at += ENTRY_BYTES + rest;
    }
    return error_set(err, ERROR_LOAD, "%s: the archive holds no %s", m->path, suffix);
}

/* The member's packed bytes, checked to lie inside the file. */
static int member_bytes(const mapped_file *m, const member *b, const uint8_t **out, error *err)
{
    if (b->header > m->size || m->size - b->header < LOCAL_BYTES ||
        memcmp(m->data + b->header, "PK\3\4", 4) != 0)
        return broken(m, b->header, "no header of a zip member", err);
    const uint8_t *h = m->data + b->header;
    uint64_t start = b->header + LOCAL_BYTES + get16(h + 26) + get16(h + 28);
    if (start > m->size || m->size - start < b->packed)
        return broken(m, b->header, "the member is longer than the file", err);
    *out = m->data + start;
    return 0;
}

static int inflate_all(z_stream *z, const mapped_file *m, const member *b, atomic_file *f,
                       uLong *crc, error *err)
{
    unsigned char *out = malloc(OUT_BYTES);
    int state = Z_OK, result = out ? 0 : error_memory(err, "unpacking");
    while (result == 0 && state != Z_STREAM_END) {
        z->next_out = out;
        z->avail_out = OUT_BYTES;
        state = inflate(z, Z_NO_FLUSH);
        size_t n = OUT_BYTES - z->avail_out;
        if ((state != Z_OK && state != Z_STREAM_END) || z->total_out > b->unpacked)
            result = broken(m, b->header, "the member cannot be unpacked", err);
        else
            result = atomic_file_write(f, out, n, err);
        *crc = crc32(*crc, out, (uInt)n);
    }
    free(out);
    if (result == 0 && z->total_out != b->unpacked)
        result = broken(m, b->header, "the member is shorter than the directory says", err);
    return result;
}

static int unpack(const mapped_file *m, const member *b, const uint8_t *packed, atomic_file *f,
                  error *err)
{
    uLong crc = crc32(0, NULL, 0);
    int result = -1;
    if (b->method == STORED && b->packed == b->unpacked) {
        crc = crc32_z(crc, packed, b->packed);
        result = atomic_file_write(f, packed, b->packed, err);
    } else if (b->method == DEFLATED) {
        /* next_in is not const in zlib's old interface; it is only read. */
        z_stream z = {.next_in = (Bytef *)(uintptr_t)packed, .avail_in = b->packed};
        if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
            return error_memory(err, "unpacking");
        result = inflate_all(&z, m, b, f, &crc, err);
        (void)inflateEnd(&z);
    } else {
        return broken(m, b->header, "the member is packed in a way that is not read here", err);
    }
    if (result == 0 && crc != b->crc)
        result = broken(m, b->header, "the member's checksum is wrong", err);
    return result;
}

int zip_extract(const char *archive, const char *suffix, const char *out, error *err)
{
    mapped_file m = {0};
    member b = {0};
    const uint8_t *packed = NULL;
    atomic_file *f = NULL;
    int result = -1;
    if (mapped_file_open(&m, archive, err) == 0 && find_member(&m, suffix, &b, err) == 0 &&
        member_bytes(&m, &b, &packed, err) == 0)
        f = atomic_file_open(out, err);
    if (f && unpack(&m, &b, packed, f, err) == 0)
        result = atomic_file_commit(f, err);
    atomic_file_close(f);
    mapped_file_close(&m);
    return result;
}
