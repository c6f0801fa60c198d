/* file_set.c - see file_set.h.
 *
 * The journal is a line for each name: '=' when a file of that name was there, '+' when none was, the
 * name, a newline. Where there are no hard links a second name is given by renaming, which the
 * journal covers as well: the file is away for a moment, and comes back.
 */
#include "file_set.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "array.h"
#include "atomic_file.h"
#include "buf.h"
#include "folder.h"
#include "mapped_file.h"

#define CHANGING "/.changing"
#define CHANGED  "/.changed"

enum { TRIES = 100, TRY_MS = 20, JOURNAL_BYTES = 1 << 20 };

typedef struct member {
    char *name, *path, *new, *before;
    bool there, removed;
} member;

struct file_set {
    char *place, *changing, *changed;
    int fd; /* of the place, locked; -1 = it cannot be */
    member *v;
    size_t len, cap;
    bool committed;
};

static void drop(member *m)
{
    free(m->name);
    free(m->path);
    free(m->new);
    free(m->before);
}

/* Fills a member from a name; nothing is left behind on failure. */
static int name_member(member *m, const char *place, const char *name, size_t n, error *err)
{
    *m = (member){.name = string_format(err, "%.*s", (int)n, name),
                  .path = string_format(err, "%s/%.*s", place, (int)n, name),
                  .new = string_format(err, "%s/%.*s.new", place, (int)n, name),
                  .before = string_format(err, "%s/%.*s.before", place, (int)n, name)};
    if (m->name && m->path && m->new && m->before)
        return 0;
    drop(m);
    return -1;
}

/* ---- one after the other ------------------------------------------------------------------------ */

/* The folder, locked; -1 without one. A file system without locks is forgiven: *busy tells. */
static int lock_folder(const char *place, bool *busy)
{
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *busy = false;
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB); i++) {
        *busy = errno == EWOULDBLOCK || errno == EINTR;
        if (!*busy)
            break;
        if (i == TRIES) {
            (void)close(fd);
            return -1;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000L}, NULL);
        *busy = false;
    }
    return fd;
}

/* ---- what a killed process left ------------------------------------------------------------------ */

static int gone(const char *path)
{
    return unlink(path) && errno != ENOENT ? -1 : 0;
}

/* Done twice it does no harm: a second name that is not there was used already. */
static int undo_one(const member *m)
{
    int result = !m->there                         ? gone(m->path)
                 : rename(m->before, m->path) == 0 ? gone(m->before) /* were they one file */
                 : errno == ENOENT                 ? 0
                                                   : -1;
    (void)unlink(m->new);
    return result;
}

static int forget_one(const member *m)
{
    return gone(m->before);
}

/* Calls fn for each name in a journal, and removes it when all went well. */
static void each_name(const char *place, const char *journal, int (*fn)(const member *))
{
    char *text = NULL;
    size_t n = 0;
    int result = 0;
    if (file_read_all(journal, JOURNAL_BYTES, &text, &n, NULL))
        return;
    for (const char *at = text, *end; (end = memchr(at, '\n', n - (size_t)(at - text))) != NULL;
         at = end + 1) {
        member m;
        size_t len = (size_t)(end - at) - (end > at);
        if (len == 0 || (*at != '=' && *at != '+') || !folder_name_ok(at + 1, len) ||
            name_member(&m, place, at + 1, len, NULL))
            continue;
        m.there = *at == '=';
        result |= fn(&m);
        drop(&m);
    }
    free(text);
    file_flush_name(journal);
    if (!result)
        (void)unlink(journal);
}

static void settle(const char *place, const char *changing, const char *changed)
{
    each_name(place, changed, forget_one);
    each_name(place, changing, undo_one);
}

void file_set_settle(const char *place)
{
    char *changing = string_format(NULL, "%s" CHANGING, place);
    char *changed = string_format(NULL, "%s" CHANGED, place);
    bool busy;
    if (changing && changed && (access(changing, F_OK) == 0 || access(changed, F_OK) == 0)) {
        int fd = lock_folder(place, &busy);
        if (!busy)
            settle(place, changing, changed);
        if (fd >= 0)
            (void)close(fd);
    }
    free(changing);
    free(changed);
}

/* ---- a set -------------------------------------------------------------------------------------- */

file_set *file_set_open(const char *place, error *err)
{
    file_set *s = calloc(1, sizeof *s);
    bool busy = false;
    if (!s) {
        (void)error_memory(err, "a set of files");
        return NULL;
    }
    s->fd = -1;
    s->place = string_format(err, "%s", place);
    s->changing = string_format(err, "%s" CHANGING, place);
    s->changed = string_format(err, "%s" CHANGED, place);
    if (s->place && s->changing && s->changed) {
        s->fd = lock_folder(place, &busy);
        if (!busy) {
            settle(place, s->changing, s->changed);
            return s;
        }
        (void)error_set(err, ERROR_RUN, "%s: another process is changing files in it", place);
    }
    file_set_close(s);
    return NULL;
}

void file_set_close(file_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->len; i++) {
        if (!s->committed)
            (void)unlink(s->v[i].new);
        drop(&s->v[i]);
    }
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->v);
    free(s->place);
    free(s->changing);
    free(s->changed);
    free(s);
}

static member *add(file_set *s, const char *name, bool removed, error *err)
{
    struct stat st;
    member *v = array_room(s->v, s->len, &s->cap, sizeof *v, "a set of files", err);
    if (!v)
        return NULL;
    s->v = v;
    member *m = &v[s->len];
    if (name_member(m, s->place, name, strlen(name), err))
        return NULL;
    m->removed = removed;
    m->there = lstat(m->path, &st) == 0;
    if (m->there && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
        (void)error_set(err, ERROR_RUN, "%s is no file that is written over", m->path);
        drop(m);
        return NULL;
    }
    s->len++;
    return m;
}

int file_set_put(file_set *s, const char *name, const void *bytes, size_t n, error *err)
{
    const member *m = add(s, name, false, err);
    return m ? atomic_file_put(m->new, bytes, n, err) : -1;
}

const char *file_set_place(file_set *s, const char *name, error *err)
{
    const member *m = add(s, name, false, err);
    return m ? m->new : NULL;
}

int file_set_remove(file_set *s, const char *name, error *err)
{
    return add(s, name, true, err) ? 0 : -1;
}

/* ---- changing ----------------------------------------------------------------------------------- */

static int failed(const char *path, const char *what, error *err)
{
    return error_set(err, ERROR_RUN, "%s: cannot be %s: %s", path, what, strerror(errno));
}

static int write_journal(const file_set *s, error *err)
{
    buf text = {0};
    int result = 0;
    for (size_t i = 0; i < s->len && !result; i++) {
        (void)unlink(s->v[i].before); /* of whoever it was: it says nothing any more */
        result = buf_format(&text, err, "%c%s\n", s->v[i].there ? '=' : '+', s->v[i].name);
    }
    if (!result)
        result = atomic_file_put(s->changing, text.v, text.len, err);
    buf_release(&text);
    return result;
}

static int keep(const member *m, error *err)
{
    if (!m->there || link(m->path, m->before) == 0 || rename(m->path, m->before) == 0)
        return 0;
    return failed(m->path, "kept", err);
}

static int change(const member *m, error *err)
{
    if (m->removed)
        return unlink(m->path) && errno != ENOENT ? failed(m->path, "removed", err) : 0;
    return rename(m->new, m->path) ? failed(m->path, "written", err) : 0;
}

int file_set_commit(file_set *s, error *err)
{
    if (write_journal(s, err)) {
        (void)unlink(s->changing); /* it may stand although its place was not flushed */
        return -1;
    }
    int result = 0;
    for (size_t i = 0; i < s->len && !result; i++)
        result = keep(&s->v[i], err);
    for (size_t i = 0; i < s->len && !result; i++)
        result = change(&s->v[i], err);
    file_flush_name(s->changing);
    if (!result && rename(s->changing, s->changed))
        result = failed(s->changed, "written", err);
    if (result) {
        settle(s->place, s->changing, s->changed);
        return -1;
    }
    s->committed = true;
    file_flush_name(s->changed);
    settle(s->place, s->changing, s->changed);
    return 0;
}
