/* atomic_file.c - see atomic_file.h.
 *
 * Opening makes PATH.part or takes over one that a dead writer left, and holds a lock on it for
 * as long as it is written. Between opening and locking another writer may have renamed the
 * file away, so the name is looked at again under the lock, until both agree. Small writes are
 * gathered into chunks of a megabyte. Committing is the order that makes it safe: bytes, fsync,
 * rename, fsync of the folder.
 */
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

enum { CHUNK = 1 << 20 }; /* bytes gathered for one write */

struct atomic_file {
    char *path, *part;
    int fd;
    bool committed;
    size_t held;
    unsigned char chunk[CHUNK];
};

static int failed(const atomic_file *f, const char *what, error *err)
{
    return error_set(err, ERROR_RUN, "%s: cannot %s: %s", f->part, what, strerror(errno));
}

static char *joined(const char *path, const char *rest, error *err)
{
    buf b = {0};
    if (buf_text(&b, path, err) || buf_text(&b, rest, err)) {
        buf_release(&b);
        return NULL;
    }
    return buf_detach(&b);
}

/* True when f->fd is still what the name f->part stands for: another writer may have renamed it
 * between our open and our lock. */
static bool still_there(const atomic_file *f)
{
    struct stat opened, named;
    return fstat(f->fd, &opened) == 0 && stat(f->part, &named) == 0 &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

static int open_part(atomic_file *f, error *err)
{
    for (;;) {
        f->fd = open(f->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (f->fd < 0)
            return failed(f, "be made", err);
        if (flock(f->fd, LOCK_EX | LOCK_NB)) {
            int why = errno;
            (void)close(f->fd);
            f->fd = -1;
            errno = why;
            return why == EWOULDBLOCK ? error_set(err, ERROR_RUN,
                                                  "%s is being written by another process", f->path)
                                      : failed(f, "be locked", err);
        }
        if (still_there(f))
            return ftruncate(f->fd, 0) || fchmod(f->fd, 0644) ? failed(f, "be emptied", err) : 0;
        (void)close(f->fd);
    }
}

atomic_file *atomic_file_open(const char *path, error *err)
{
    atomic_file *f = calloc(1, sizeof *f);
    if (!f) {
        (void)error_memory(err, "a file to write");
        return NULL;
    }
    f->fd = -1;
    f->path = joined(path, "", err);
    f->part = joined(path, ".part", err);
    if (f->path && f->part && open_part(f, err) == 0)
        return f;
    atomic_file_close(f);
    return NULL;
}

int atomic_file_private(atomic_file *f, error *err)
{
    return fchmod(f->fd, 0600) ? failed(f, "be kept private", err) : 0;
}

int file_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t written = write(fd, at, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        at += written;
        n -= (size_t)written;
    }
    return 0;
}

static int write_now(atomic_file *f, const void *bytes, size_t n, error *err)
{
    return file_write_all(f->fd, bytes, n) ? failed(f, "be written", err) : 0;
}

static int flush(atomic_file *f, error *err)
{
    size_t n = f->held;
    f->held = 0;
    return write_now(f, f->chunk, n, err);
}

const char *atomic_file_path(const atomic_file *f)
{
    return f->path;
}

int atomic_file_write(atomic_file *f, const void *bytes, size_t n, error *err)
{
    if (n >= CHUNK)
        return flush(f, err) || write_now(f, bytes, n, err) ? -1 : 0;
    if (n > CHUNK - f->held && flush(f, err))
        return -1;
    if (n)
        memcpy(f->chunk + f->held, bytes, n);
    f->held += n;
    return 0;
}

void file_flush_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

int atomic_file_commit(atomic_file *f, error *err)
{
    if (flush(f, err))
        return -1;
    if (fsync(f->fd))
        return failed(f, "be written", err);
    if (rename(f->part, f->path))
        return failed(f, "be renamed", err);
    f->committed = true;
    file_flush_name(f->path);
    return 0;
}

void atomic_file_close(atomic_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0) {
        if (!f->committed)
            (void)unlink(f->part);
        (void)close(f->fd);
    }
    free(f->path);
    free(f->part);
    free(f);
}

int atomic_file_put(const char *path, const void *bytes, size_t n, error *err)
{
    atomic_file *f = atomic_file_open(path, err);
    int result = f && atomic_file_write(f, bytes, n, err) == 0 ? atomic_file_commit(f, err) : -1;
    atomic_file_close(f);
    return result;
}
