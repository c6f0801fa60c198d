/* fuzz_pack.c - any bytes as a packed persona: what is read can be written and read again, the same.
 *
 * The first byte says what the rest is: 0, an archive; else files, in the shape
 *
 *     NAME \n LENGTH \n BYTES NAME \n LENGTH \n BYTES ...
 *
 * of which an archive with a right manifest is made, so that the readers behind it are reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/json_writer.h"
#include "../engine/base/zip.h"
#include "../personas/pack/pack_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const pack *p)
{
    buf archive = {0};
    if (pack_write(p, &archive, NULL))
        abort();
    pack *again = pack_read("again", archive.v, archive.len, NULL);
    if (!again || again->len != p->len || strcmp(again->name, p->name) != 0)
        abort();
    for (size_t i = 0; i < p->len; i++)
        if (strchr(p->files[i].name, '/') || strcmp(again->files[i].name, p->files[i].name) != 0)
            abort();
    if (pack_rename(again, "fuzzed", NULL) == 0 && strcmp(again->files[0].name, "fuzzed.json") != 0)
        abort();
    pack_close(again);
    buf_release(&archive);
}

static void read_archive(const char *bytes, size_t n)
{
    error err = {0};
    pack *p = pack_read("a pack", bytes, n, &err);
    if (p)
        check_same(p);
    else if (!err.text[0])
        abort();
    pack_close(p);
}

/* Up to the next newline, as a word in out[64]. */
static size_t word(const char *at, size_t n, char out[64])
{
    const char *end = memchr(at, '\n', n < 63 ? n : 63);
    size_t len = end ? (size_t)(end - at) : 0;
    memcpy(out, at, len);
    out[len] = '\0';
    return end ? len + 1 : n;
}

static void list(json_writer *e, const char *name, const char *bytes, size_t n)
{
    char digest[PACK_DIGEST];
    if (pack_digest(bytes, n, digest, NULL))
        abort();
    json_begin_object(e, NULL);
    json_put_text(e, "name", name);
    json_put_count(e, "bytes", n);
    json_put_text(e, "sha256", digest);
    json_end(e);
}

static void read_files(const char *at, size_t n)
{
    zip_writer w = {0};
    buf manifest = {0};
    char name[64], length[64], persona[64] = "";
    json_writer e = {.out = &manifest};
    json_begin_object(&e, NULL);
    json_put_int(&e, "pack", 1);
    json_begin_array(&e, "files");
    while (n) {
        size_t used = word(at, n, name);
        used += word(at + used, n - used, length);
        size_t bytes = (size_t)strtoul(length, NULL, 10);
        bytes = bytes < n - used ? bytes : n - used;
        if (!*persona)
            (void)strncpy(persona, name, sizeof persona - 1);
        list(&e, name, at + used, bytes);
        if (zip_put(&w, name, at + used, bytes, NULL))
            abort();
        at += used + bytes;
        n -= used + bytes;
    }
    json_end(&e);
    persona[strcspn(persona, ".")] = '\0';
    json_put_text(&e, "persona", persona);
    json_end(&e);
    if (json_writer_finish(&e) || zip_put(&w, PACK_MANIFEST, manifest.v, manifest.len, NULL) ||
        zip_finish(&w, NULL))
        abort();
    read_archive(w.out.v, w.out.len);
    buf_release(&manifest);
    zip_writer_release(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0)
        read_archive((const char *)data + 1, size - 1);
    else
        read_files((const char *)data + 1, size - 1);
    return 0;
}
