/* pack.c - a pack in memory; see pack.h. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/folder.h"
#include "pack_internal.h"

pack *pack_new(const char *where, const char *name, error *err)
{
    pack *p = calloc(1, sizeof *p);
    if (p) {
        p->where = strdup(where);
        p->name = strdup(name);
    }
    if (p && p->where && p->name)
        return p;
    pack_close(p);
    (void)error_memory(err, "a pack");
    return NULL;
}

void pack_close(pack *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->len; i++) {
        free(p->files[i].name);
        free(p->files[i].bytes);
    }
    free(p->files);
    free(p->where);
    free(p->name);
    free(p);
}

const pack_file *pack_find(const pack *p, const char *name)
{
    for (size_t i = 0; i < p->len; i++)
        if (strcmp(p->files[i].name, name) == 0)
            return &p->files[i];
    return NULL;
}

int pack_add(pack *p, const char *name, char *bytes, size_t len, error *err)
{
    pack_file *v = NULL;
    if (pack_find(p, name))
        (void)error_set(err, ERROR_LOAD, "%s: %s: there twice", p->where, name);
    else if (p->len + 1 >= PACK_FILES)
        (void)error_set(err, ERROR_LOAD, "%s: more than %d files", p->where, PACK_FILES);
    else
        v = array_room(p->files, p->len, &p->cap, sizeof *v, "a pack", err);
    if (v)
        p->files = v;
    char *copy = v ? string_format(err, "%s", name) : NULL;
    if (!copy) {
        free(bytes);
        return -1;
    }
    p->files[p->len++] = (pack_file){.name = copy, .bytes = bytes, .len = len};
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const pack_file *)a)->name, ((const pack_file *)b)->name);
}

int pack_sort(pack *p, error *err)
{
    char *own = string_format(err, "%s.json", p->name);
    if (!own)
        return -1;
    if (p->len)
        qsort(p->files, p->len, sizeof *p->files, compare);
    size_t at = 0;
    while (at < p->len && strcmp(p->files[at].name, own) != 0)
        at++;
    int result = at < p->len ? 0 : error_set(err, ERROR_LOAD, "%s: no %s in it", p->where, own);
    free(own);
    if (result)
        return -1;
    pack_file first = p->files[at];
    memmove(p->files + 1, p->files, at * sizeof first);
    p->files[0] = first;
    return 0;
}

int pack_rename(pack *p, const char *name, error *err)
{
    buf text = {0};
    if (!persona_name_ok(name))
        return error_set(err, ERROR_USAGE, "\"%.64s\" is no persona's name", name);
    if (pack_rewrite(p->where, p->files[0].bytes, p->files[0].len, p->name, name, &text, err)) {
        buf_release(&text);
        return -1;
    }
    free(p->files[0].bytes);
    p->files[0].len = text.len;
    p->files[0].bytes = buf_detach(&text);
    for (size_t i = 0; i < p->len; i++) {
        char *new = pack_name(name, p->name, p->files[i].name, err);
        if (!new)
            return -1;
        free(p->files[i].name);
        p->files[i].name = new;
    }
    char *copy = strdup(name);
    if (!copy)
        return error_memory(err, "a pack");
    free(p->name);
    p->name = copy;
    return pack_sort(p, err) || pack_check(p, err) ? -1 : 0;
}

int pack_digest(const void *bytes, size_t n, char out[PACK_DIGEST], error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(bytes, n, digest, &len, EVP_sha256(), NULL) != 1 || 2 * len + 1 != PACK_DIGEST)
        return error_set(err, ERROR_RUN, "SHA-256 is not available");
    for (unsigned i = 0; i < len; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[PACK_DIGEST - 1] = '\0';
    return 0;
}
