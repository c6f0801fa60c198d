/* pack_archive.c - a pack as a zip archive with its manifest; see pack.h.
 *
 * Reading trusts nothing: sizes are added up before a byte is unpacked, a member must be a plain
 * file with a plain name that stands there once, and what the manifest says of each file, which
 * files there are, their sizes and digests, must be so.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/json_writer.h"
#include "../../engine/base/mapped_file.h"
#include "../../engine/base/printable.h"
#include "../../engine/base/version.h"
#include "../../engine/base/zip.h"
#include "pack_internal.h"

enum { MANIFEST_BYTES = 1 << 20 };

static const char *const FIELDS[] = {"pack", "persona", "made_by", "files"};
static const char *const FILE_FIELDS[] = {"name", "bytes", "sha256"};

/* ---- writing ----------------------------------------------------------------------------------- */

static int write_manifest(const pack *p, buf *out, error *err)
{
    char digest[PACK_DIGEST];
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_put_int(&e, "pack", 1);
    json_put_text(&e, "persona", p->name);
    json_put_text(&e, "made_by", "consilium " CONSILIUM_VERSION);
    json_begin_array(&e, "files");
    for (size_t i = 0; i < p->len; i++) {
        if (pack_digest(p->files[i].bytes, p->files[i].len, digest, err))
            return -1;
        json_begin_object(&e, NULL);
        json_put_text(&e, "name", p->files[i].name);
        json_put_count(&e, "bytes", p->files[i].len);
        json_put_text(&e, "sha256", digest);
        json_end(&e);
    }
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}

int pack_write(const pack *p, buf *out, error *err)
{
    zip_writer w = {0};
    buf manifest = {0};
    int result = write_manifest(p, &manifest, err) ||
                 zip_put(&w, PACK_MANIFEST, manifest.v, manifest.len, err);
    for (size_t i = 0; i < p->len && !result; i++)
        result = zip_put(&w, p->files[i].name, p->files[i].bytes, p->files[i].len, err);
    if (!result)
        result = zip_finish(&w, err) || buf_add(out, w.out.v, w.out.len, err);
    buf_release(&manifest);
    zip_writer_release(&w);
    return result ? -1 : 0;
}

/* ---- reading: the archive ---------------------------------------------------------------------- */

static int check_members(const zip_archive *z, error *err)
{
    uint64_t total = 0;
    if (z->len > PACK_FILES)
        return error_set(err, ERROR_LOAD, "%s: %zu files; a pack has at most %d", z->where, z->len,
                         PACK_FILES);
    for (size_t i = 0; i < z->len; i++) {
        const zip_member *m = &z->v[i];
        if (m->special || !folder_name_ok(m->name, m->name_len))
            return error_set(err, ERROR_LOAD, "%s: offset %llu: %s is no plain file", z->where,
                             (unsigned long long)m->at, printable_of(m->name, m->name_len).text);
        total += m->size;
    }
    if (total > PACK_BYTES)
        return error_set(err, ERROR_LOAD, "%s: unpacked it has %llu bytes; at most %d are read",
                         z->where, (unsigned long long)total, PACK_BYTES);
    return 0;
}

static char *unpack(const zip_archive *z, const zip_member *m, error *err)
{
    char *bytes = malloc((size_t)m->size + 1);
    if (!bytes) {
        (void)error_memory(err, "a pack");
        return NULL;
    }
    bytes[m->size] = '\0';
    if (zip_read(z, m, bytes, err) == 0)
        return bytes;
    free(bytes);
    return NULL;
}

static bool is_called(const zip_member *m, const char *name)
{
    return m->name_len == strlen(name) && memcmp(m->name, name, m->name_len) == 0;
}

static json_document *read_manifest(const zip_archive *z, error *err)
{
    const zip_member *found = NULL;
    for (size_t i = 0; i < z->len && !found; i++)
        if (is_called(&z->v[i], PACK_MANIFEST))
            found = &z->v[i];
    if (!found || found->size > MANIFEST_BYTES) {
        (void)error_set(err, ERROR_LOAD,
                        found ? "%s: " PACK_MANIFEST ": too large"
                              : "%s: no " PACK_MANIFEST " in it: this is no packed persona",
                        z->where);
        return NULL;
    }
    char *text = unpack(z, found, err);
    json_document *d = text ? json_parse(PACK_MANIFEST, text, (size_t)found->size, err) : NULL;
    if (text && !d)
        (void)error_prefix(err, "%s: ", z->where);
    free(text);
    return d;
}

static int take_members(pack *p, const zip_archive *z, error *err)
{
    bool manifest = false; /* a second one is no part of a persona */
    for (size_t i = 0; i < z->len; i++) {
        const zip_member *m = &z->v[i];
        if (!manifest && is_called(m, PACK_MANIFEST)) {
            manifest = true;
            continue;
        }
        char *name = string_format(err, "%.*s", (int)m->name_len, m->name);
        char *bytes = name ? unpack(z, m, err) : NULL;
        int result = bytes ? pack_add(p, name, bytes, (size_t)m->size, err) : -1;
        free(name);
        if (result)
            return -1;
    }
    return 0;
}

/* ---- reading: the manifest --------------------------------------------------------------------- */

static int check_listed(const pack *p, const json *file, error *err)
{
    const char *name = NULL, *digest = NULL;
    char is[PACK_DIGEST];
    int64_t bytes = 0;
    if (json_type(file) != JSON_OBJECT || json_check_members(file, FILE_FIELDS, 3, err) ||
        json_get_string(file, "name", &name, err) != 1 ||
        json_get_int(file, "bytes", 0, PACK_BYTES, &bytes, err) != 1 ||
        json_get_string(file, "sha256", &digest, err) != 1)
        return error_set(err, ERROR_LOAD, "files: each needs name, bytes and sha256");
    const pack_file *f = pack_find(p, name);
    if (!f)
        return error_set(err, ERROR_LOAD, "\"%.80s\" is not in the archive", name);
    if ((uint64_t)bytes != f->len)
        return error_set(err, ERROR_LOAD, "%s has %zu bytes, not %lld", f->name, f->len,
                         (long long)bytes);
    if (pack_digest(f->bytes, f->len, is, err))
        return -1;
    return strcmp(is, digest) == 0
               ? 0
               : error_set(err, ERROR_LOAD, "%s is not the file that was packed", f->name);
}

static int check_manifest(const pack *p, const json *root, error *err)
{
    const json *files = json_member(root, "files");
    size_t listed = 0;
    for (const json *f = json_first(files); f; f = json_next(f), listed++)
        if (check_listed(p, f, err))
            return -1;
    return listed == p->len
               ? 0
               : error_set(err, ERROR_LOAD, "lists %zu files, and there are %zu", listed, p->len);
}

/* The persona's name, and nothing that is not known. */
static const char *read_head(const json *root, error *err)
{
    int64_t version = 0;
    const json *files = NULL;
    const char *name = NULL;
    if (json_type(root) != JSON_OBJECT || json_get_int(root, "pack", 1, 1, &version, err) != 1)
        (void)error_set(err, ERROR_LOAD, "must say \"pack\": 1");
    else if (json_check_members(root, FIELDS, sizeof FIELDS / sizeof *FIELDS, err) ||
             json_get_string(root, "persona", &name, err) < 0 ||
             json_get_array(root, "files", &files, err) < 0)
        name = NULL;
    else if (!name || !files || !persona_name_ok(name)) {
        name = NULL;
        (void)error_set(err, ERROR_LOAD, "needs \"persona\", a name, and \"files\"");
    }
    return name;
}

static pack *take(const zip_archive *z, const json *manifest, error *err)
{
    const char *name = read_head(manifest, err);
    if (!name) {
        (void)error_prefix(err, "%s: " PACK_MANIFEST ": ", z->where);
        return NULL;
    }
    pack *p = pack_new(z->where, name, err);
    int result = p ? take_members(p, z, err) : -1;
    if (!result && check_manifest(p, manifest, err))
        result = error_prefix(err, "%s: " PACK_MANIFEST ": ", z->where);
    if (!result)
        result = pack_sort(p, err) || pack_check(p, err) ? -1 : 0;
    if (!result)
        return p;
    pack_close(p);
    return NULL;
}

pack *pack_read(const char *where, const char *bytes, size_t n, error *err)
{
    zip_archive z = {0};
    pack *p = NULL;
    json_document *manifest = NULL;
    if (zip_open(&z, where, (const uint8_t *)bytes, n, err) == 0 && check_members(&z, err) == 0)
        manifest = read_manifest(&z, err);
    if (manifest)
        p = take(&z, json_root(manifest), err);
    json_close(manifest);
    zip_close(&z);
    return p;
}

pack *pack_load(const char *path, error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    if (file_read_all(path, PACK_BYTES, &bytes, &n, err))
        return NULL;
    pack *p = pack_read(path, bytes, n, err);
    free(bytes);
    return p;
}
