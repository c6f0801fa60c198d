/* zip.c - see zip.h.
 *
 * From the back: the end record says where the central directory is, an entry of it says where
 * a member's local header is, and only behind that header, whose length may differ, lie the
 * bytes. Each step is checked to lie inside the bytes before it is followed. Inflating goes
 * through a buffer to a sink, and stops when more comes out than the directory says: a sink of
 * that size never overflows.
 */
#include "zip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "atomic_file.h"
#include "mapped_file.h"

enum {
    END_BYTES = 22,      /* of the end record without its comment */
    END_COMMENT = 65535, /* at most */
    ENTRY_BYTES = 46,    /* of a directory entry without its name */
    LOCAL_BYTES = 30,    /* of a local header without its name */
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED = 1 << 16, /* no method: by its flag */
    OUT_BYTES = 1 << 18,
};

/* What unpacked bytes are handed to. */
typedef int zip_sink(void *user, const void *bytes, size_t n, error *err);

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

static int broken(const zip_archive *z, uint64_t offset, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset %llu: %s", z->where, (unsigned long long)offset,
                     what);
}

/* ---- the directory ----------------------------------------------------------------------------- */

/* The end record is the last of its kind; a comment of up to 65535 bytes may follow it. */
static const uint8_t *find_end(const zip_archive *z)
{
    size_t back = z->size - END_BYTES;
    for (size_t i = 0; i <= END_COMMENT && i <= back; i++)
        if (memcmp(z->data + back - i, "PK\5\6", 4) == 0)
            return z->data + back - i;
    return NULL;
}

/* By the attributes that Unix gave it (its mode is in the upper half), or by DOS's bit of folders. */
static bool is_special(const uint8_t *entry)
{
    uint32_t attributes = get32(entry + 38);
    unsigned kind = attributes >> 16 & S_IFMT;
    bool by_unix = entry[5] == 3;
    return (by_unix && kind && kind != S_IFREG) || (attributes & 0x10);
}

static zip_member read_entry(const zip_archive *z, const uint8_t *e)
{
    return (zip_member){.name = (const char *)e + ENTRY_BYTES,
                        .name_len = get16(e + 28),
                        .size = get32(e + 24),
                        .at = (uint64_t)(e - z->data),
                        .special = is_special(e),
                        .method = get16(e + 10),
                        .crc = get32(e + 16),
                        .packed = get32(e + 20),
                        .header = get32(e + 42)};
}

int zip_open(zip_archive *z, const char *where, const uint8_t *data, size_t size, error *err)
{
    *z = (zip_archive){.where = where, .data = data, .size = size};
    const uint8_t *end = size >= END_BYTES ? find_end(z) : NULL;
    if (!end)
        return broken(z, size, "no end of a zip archive", err);
    uint64_t at = get32(end + 16), limit = (uint64_t)(end - data);
    unsigned count = get16(end + 10);
    z->v = calloc(count ? count : 1, sizeof *z->v);
    if (!z->v)
        return error_memory(err, "a zip archive");
    while (z->len < count) {
        if (at > limit || limit - at < ENTRY_BYTES || memcmp(data + at, "PK\1\2", 4) != 0)
            return broken(z, at, "no entry of a zip directory", err);
        const uint8_t *e = data + at;
        uint64_t rest = (uint64_t)get16(e + 28) + get16(e + 30) + get16(e + 32);
        if (limit - at - ENTRY_BYTES < rest)
            return broken(z, at, "the entry is longer than the directory", err);
        z->v[z->len] = read_entry(z, e);
        if (get16(e + 8) & 1)
            z->v[z->len].method = ENCRYPTED;
        z->len++;
        at += ENTRY_BYTES + rest;
    }
    return 0;
}

void zip_close(zip_archive *z)
{
    free(z->v);
    *z = (zip_archive){0};
}

/* ---- a member ---------------------------------------------------------------------------------- */

/* Its packed bytes, checked to lie inside the file, behind a header that names it too. */
static int member_bytes(const zip_archive *z, const zip_member *m, const uint8_t **out, error *err)
{
    if (m->header > z->size || z->size - m->header < LOCAL_BYTES ||
        memcmp(z->data + m->header, "PK\3\4", 4) != 0)
        return broken(z, m->header, "no header of a zip member", err);
    const uint8_t *h = z->data + m->header;
    uint64_t name = get16(h + 26), start = m->header + LOCAL_BYTES + name + get16(h + 28);
    if (start > z->size || z->size - start < m->packed)
        return broken(z, m->header, "the member is longer than the file", err);
    if (name != m->name_len || memcmp(h + LOCAL_BYTES, m->name, m->name_len) != 0)
        return broken(z, m->header, "the member has another name than in the directory", err);
    *out = z->data + start;
    return 0;
}

static int inflate_all(z_stream *s, const zip_archive *z, const zip_member *m, zip_sink *sink,
                       void *user, uLong *crc, error *err)
{
    unsigned char *out = malloc(OUT_BYTES);
    int state = Z_OK, result = out ? 0 : error_memory(err, "unpacking");
    while (result == 0 && state != Z_STREAM_END) {
        s->next_out = out;
        s->avail_out = OUT_BYTES;
        state = inflate(s, Z_NO_FLUSH);
        size_t n = OUT_BYTES - s->avail_out;
        if ((state != Z_OK && state != Z_STREAM_END) || s->total_out > m->size)
            result = broken(z, m->header, "the member cannot be unpacked", err);
        else
            result = sink(user, out, n, err);
        *crc = crc32(*crc, out, (uInt)n);
    }
    free(out);
    if (result == 0 && s->total_out != m->size)
        result = broken(z, m->header, "the member is shorter than the directory says", err);
    return result;
}

static int unpack(const zip_archive *z, const zip_member *m, zip_sink *sink, void *user, error *err)
{
    uLong crc = crc32(0, NULL, 0);
    const uint8_t *packed = NULL;
    int result = -1;
    if (m->method == ENCRYPTED)
        return broken(z, m->at, "the member is encrypted", err);
    if (member_bytes(z, m, &packed, err))
        return -1;
    if (m->method == STORED && m->packed == m->size) {
        crc = crc32_z(crc, packed, m->packed);
        result = sink(user, packed, m->packed, err);
    } else if (m->method == DEFLATED) {
        /* next_in is not const in zlib's old interface; it is only read. */
        z_stream s = {.next_in = (Bytef *)(uintptr_t)packed, .avail_in = m->packed};
        if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
            return error_memory(err, "unpacking");
        result = inflate_all(&s, z, m, sink, user, &crc, err);
        (void)inflateEnd(&s);
    } else {
        return broken(z, m->header, "the member is packed in a way that is not read here", err);
    }
    if (result == 0 && crc != m->crc)
        result = broken(z, m->header, "the member's checksum is wrong", err);
    return result;
}

static int to_memory(void *user, const void *bytes, size_t n, error *err)
{
    char **at = user;
    (void)err;
    if (n)
        memcpy(*at, bytes, n);
    *at += n;
    return 0;
}

int zip_read(const zip_archive *z, const zip_member *m, void *out, error *err)
{
    char *at = out;
    return unpack(z, m, to_memory, &at, err);
}

/* ---- one member into a file -------------------------------------------------------------------- */

static int to_file(void *user, const void *bytes, size_t n, error *err)
{
    return atomic_file_write(user, bytes, n, err);
}

static const zip_member *find_member(const zip_archive *z, const char *suffix, error *err)
{
    size_t n = strlen(suffix);
    for (size_t i = 0; i < z->len; i++) {
        const zip_member *m = &z->v[i];
        if (m->name_len >= n && memcmp(m->name + m->name_len - n, suffix, n) == 0)
            return m;
    }
    (void)error_set(err, ERROR_LOAD, "%s: the archive holds no %s", z->where, suffix);
    return NULL;
}

int zip_extract(const char *archive, const char *suffix, const char *out, error *err)
{
    mapped_file file = {0};
    zip_archive z = {0};
    atomic_file *f = NULL;
    const zip_member *m = NULL;
    if (mapped_file_open(&file, archive, err) == 0 &&
        zip_open(&z, file.path, file.data, file.size, err) == 0)
        m = find_member(&z, suffix, err);
    if (m)
        f = atomic_file_open(out, err);
    int result = f && unpack(&z, m, to_file, f, err) == 0 ? atomic_file_commit(f, err) : -1;
    atomic_file_close(f);
    zip_close(&z);
    mapped_file_close(&file);
    return result;
}
