/* pack_collect.c - all that belongs to a persona on this machine, as a pack; see pack.h.
 *
 * Its file is taken first, then what it names; then masks and adapters by their names, from the
 * folder of its file and from the cache, the nearer one where both have it. A pack holds files alone: an
 * adapter that PEFT wrote, in two files, becomes one of the program's own that says the same.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/folder.h"
#include "../../engine/base/mapped_file.h"
#include "../../engine/base/paths.h"
#include "../../engine/routing/adapter.h"
#include "pack_internal.h"

typedef struct collecting {
    const persona *persona;
    const char *place; /* folder of its file */
    pack *pack;
    uint64_t bytes;
} collecting;

/* A folder, or weights with PEFT's configuration beside them. */
static bool needs_config(const char *path)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    char *config =
        string_format(NULL, "%.*s/adapter_config.json", slash ? (int)(slash - path) : 0, path);
    bool found = (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) ||
                 (config && slash && access(config, F_OK) == 0);
    free(config);
    return found;
}

/* The adapter as one file. */
static int convert(const adapter *a, char **text, size_t *n, error *err)
{
    buf whole = {0};
    if (adapter_write_into(a, &whole, err)) {
        buf_release(&whole);
        return -1;
    }
    *n = whole.len;
    *text = buf_detach(&whole);
    return 0;
}

static int read_adapter(const char *path, char **text, size_t *n, error *err)
{
    if (!needs_config(path))
        return file_read_all(path, PACK_BYTES, text, n, err);
    adapter *a = adapter_open_within(path, PACK_BYTES, err);
    int result = a ? convert(a, text, n, err) : -1;
    adapter_close(a);
    return result;
}

/* PLACE/file, called by the rule of packs; one that is in already stays. */
static int take(collecting *c, const char *place, pack_kind kind, const char *file, error *err)
{
    char *text = NULL, *name = pack_name(c->pack->name, c->pack->name, file, err);
    char *path = string_format(err, "%s/%s", place, file);
    size_t n = 0;
    int result = name && path ? 0 : -1;
    if (!result && !pack_find(c->pack, name)) {
        result = kind == PACK_ADAPTER ? read_adapter(path, &text, &n, err)
                                      : file_read_all(path, PACK_BYTES, &text, &n, err);
        c->bytes += n;
        if (!result && c->bytes > PACK_BYTES)
            result = error_set(err, ERROR_LOAD, "%s: with it there are more than %d MiB", path,
                               PACK_BYTES >> 20);
        if (!result)
            result = pack_add(c->pack, name, text, n, err);
        else
            free(text);
    }
    free(name);
    free(path);
    return result;
}

static int take_named(void *user, pack_kind kind, const char *file, error *err)
{
    collecting *c = user;
    return take(c, c->place, kind, file, err);
}

/* Masks and adapters of this persona for any model. */
static int take_made(collecting *c, const char *place, error *err)
{
    folder f = {0};
    size_t n = strlen(c->persona->name);
    int result = folder_read(place, &f, err);
    for (size_t i = 0; i < f.len && !result; i++) {
        const char *rest = f.v[i] + n + 1;
        if (strncmp(f.v[i], c->persona->name, n) == 0 && f.v[i][n] == '.' &&
            (pack_is_made(rest, PACK_MASK_END) || pack_is_made(rest, PACK_ADAPTER_END)))
            result = take(c, place, PACK_OTHER, f.v[i], err);
    }
    folder_release(&f);
    return result;
}

/* Its file as it is packed: all names in it are those of the pack. */
static int take_persona(collecting *c, error *err)
{
    const persona *p = c->persona;
    char *text = NULL;
    size_t n = 0;
    buf out = {0};
    if (file_read_all(p->path, PACK_BYTES, &text, &n, err))
        return -1;
    char *name = string_format(err, "%s.json", p->name);
    int result = name ? pack_rewrite(p->path, text, n, p->name, p->name, &out, err) : -1;
    json_document *d = result ? NULL : json_parse(p->path, text, n, err);
    size_t len = out.len;
    if (d)
        result = pack_add(c->pack, name, buf_detach(&out), len, err) ||
                         pack_each_name(json_root(d), take_named, c, err)
                     ? -1
                     : 0;
    json_close(d);
    free(name);
    free(text);
    buf_release(&out);
    return d ? result : -1;
}

/* Lessons that the file does not name, but that are its own all the same. */
static int take_lessons(collecting *c, error *err)
{
    for (int i = 0; i < c->persona->lesson_count; i++)
        if (take(c, c->place, PACK_LESSONS, paths_name(c->persona->lessons[i].text), err))
            return -1;
    return 0;
}

pack *pack_collect(const persona *p, error *err)
{
    const char *slash = strrchr(p->path, '/');
    char *cache = NULL;
    char *place =
        string_format(err, "%.*s", slash ? (int)(slash - p->path) : 1, slash ? p->path : ".");
    collecting c = {.persona = p, .place = place};
    int result = place && (c.pack = pack_new(p->path, p->name, err)) != NULL
                     ? paths_own(PATHS_CACHE, "masks", &cache, err)
                     : -1;
    if (!result)
        result = take_persona(&c, err) || take_lessons(&c, err) || take_made(&c, place, err) ||
                 (cache && take_made(&c, cache, err)) || pack_sort(c.pack, err) ||
                 pack_check(c.pack, err);
    free(cache);
    free(place);
    if (!result)
        return c.pack;
    pack_close(c.pack);
    return NULL;
}
