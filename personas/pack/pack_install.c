/* pack_install.c - a checked pack into a folder, all of it or nothing; see pack.h.
 *
 * First every file is written beside its place, so that a full disk is met while nothing has
 * changed. Then what is there gets a second name, the new files take their places, the persona
 * last, since with it the others begin to count; when one cannot, the old ones return. A process
 * that is killed meanwhile leaves no new persona; of one that was written over, the files that had
 * their turn are new, and the old ones are beside them, NAME.before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/atomic_file.h"
#include "../../engine/base/folder.h"
#include "pack_internal.h"

typedef struct place {
    char *path, *second; /* second: another name for what was there */
    atomic_file *file;
    bool there, kept, written; /* kept: under its second name */
} place;

static void close_places(place *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        atomic_file_close(v[i].file);
        if (v[i].kept)
            (void)unlink(v[i].second);
        free(v[i].second);
        free(v[i].path);
    }
    free(v);
}

static int open_place(place *at, const char *where, const pack_file *f, bool over, error *err)
{
    struct stat st;
    at->path = string_format(err, "%s/%s", where, f->name);
    at->second = string_format(err, "%s/%s.before", where, f->name);
    if (!at->path || !at->second)
        return -1;
    at->there = lstat(at->path, &st) == 0;
    if (at->there && !over)
        return error_set(err, ERROR_RUN,
                         "%s is there already and was left alone (--force writes over it, --as "
                         "NAME takes another name)",
                         at->path);
    if (at->there && !S_ISREG(st.st_mode))
        return error_set(err, ERROR_RUN, "%s is no file that is written over", at->path);
    return 0;
}

static int write_place(place *at, const pack_file *f, error *err)
{
    at->file = atomic_file_open(at->path, err);
    return at->file ? atomic_file_write(at->file, f->bytes, f->len, err) : -1;
}

/* A second name for what is there; where there are no hard links, its only one for a moment. One that
 * a killed process left gives way. */
static int keep(place *at, error *err)
{
    if (!at->there)
        return 0;
    if (link(at->path, at->second) && rename(at->path, at->second))
        return error_set(err, ERROR_RUN, "%s cannot be kept as %s: %s", at->path, at->second,
                         strerror(errno));
    at->kept = true;
    return 0;
}

static void take_back(place *at)
{
    if (at->kept)
        (void)rename(at->second, at->path);
    else if (at->written)
        (void)unlink(at->path);
}

/* The persona is the first in the list, and the last to take its place. */
static int commit(place *v, size_t n, error *err)
{
    int result = 0;
    for (size_t i = 0; i < n && !result; i++)
        result = keep(&v[i], err);
    for (size_t i = n; i-- > 0 && !result;) {
        result = atomic_file_commit(v[i].file, err);
        v[i].written = !result;
    }
    for (size_t i = 0; i < n && result; i++)
        take_back(&v[i]);
    return result;
}

int pack_install(const pack *p, const char *where, bool over, error *err)
{
    place *v = calloc(p->len, sizeof *v);
    if (!v)
        return error_memory(err, "a pack");
    int result = 0;
    for (size_t i = 0; i < p->len && !result; i++)
        result = open_place(&v[i], where, &p->files[i], over, err);
    for (size_t i = 0; i < p->len && !result; i++)
        result = write_place(&v[i], &p->files[i], err);
    if (!result)
        result = commit(v, p->len, err);
    close_places(v, p->len);
    return result;
}
