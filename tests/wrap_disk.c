/* wrap_disk.c - see wrap_disk.h. The state is one variable: wrappers have no argument to hang it on. */
#include "wrap_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "transcript_support.h"

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __real_ftruncate(int fd, off_t size);
int __real_openat(int fd, const char *name, int flags, ...);
int __real_linkat(int from, const char *old, int to, const char *name, int flags);
int __real_unlinkat(int fd, const char *name, int flags);
int __real_flock(int fd, int how);
int __real_mkdir(const char *path, mode_t mode);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);
int __wrap_fsync(int fd);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_openat(int fd, const char *name, int flags, ...);
int __wrap_linkat(int from, const char *old, int to, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_flock(int fd, int how);
int __wrap_mkdir(const char *path, mode_t mode);

enum { FILES = 16 };

static struct {
    fault how;
    long calls, at; /* the at-th call from now is the one; 0 = none */
    int error;
    int no_links; /* what linkat fails with, or 0 */
    struct {      /* new files, and how much of each was flushed */
        ino_t inode;
        off_t size;
    } flushed[FILES];
    int files;
    char shadow[64]; /* folder of what the disk holds: i<inode> of a file, d<inode> of a folder */
} disk;

/* What the call that happens now is to do. */
static fault next_call(void)
{
    disk.calls++;
    if (disk.how == NONE || disk.calls < disk.at || (disk.how != FOR_EVER && disk.calls > disk.at))
        return NONE;
    if (disk.how == EXIT_BEFORE)
        _exit(3);
    return disk.how;
}

static int refuse(int why)
{
    errno = why;
    return -1;
}

/* ---- what the disk holds ----------------------------------------------------------------------- */

static void shadow_path(char out[128], char kind, ino_t inode)
{
    (void)snprintf(out, 128, "%s/%c%llu", disk.shadow, kind, (unsigned long long)inode);
}

/* A file or folder is new: the disk holds nothing of it. */
static void shadow_forget(ino_t inode)
{
    char path[128];
    if (!disk.shadow[0])
        return;
    shadow_path(path, 'i', inode);
    (void)unlink(path);
    shadow_path(path, 'd', inode);
    (void)unlink(path);
}

static void shadow_file(int fd, const struct stat *s)
{
    char path[128], own[64], *bytes = malloc((size_t)s->st_size + 1);
    (void)snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    int in = open(own, O_RDONLY);
    assert_true(bytes && in >= 0 && pread(in, bytes, (size_t)s->st_size, 0) == s->st_size);
    (void)close(in);
    shadow_path(path, 'i', s->st_ino);
    transcripts_write(path, bytes, (size_t)s->st_size);
    free(bytes);
}

/* "INODE NAME", a line each, into a file of that kind. */
static void list_folder(int fd, ino_t inode, char kind)
{
    char path[128];
    shadow_path(path, kind, inode);
    FILE *out = fopen(path, "w");
    int own = __real_openat(fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    assert_true(out && d);
    for (const struct dirent *at; (at = readdir(d)) != NULL;)
        if (at->d_name[0] != '.')
            (void)fprintf(out, "%llu %s\n", (unsigned long long)at->d_ino, at->d_name);
    (void)closedir(d);
    (void)fclose(out);
}

static void note_flushed(ino_t inode, off_t size, bool new)
{
    int i = 0;
    while (i < disk.files && disk.flushed[i].inode != inode)
        i++;
    if (i == disk.files && (!new || i == FILES))
        return;
    disk.files += i == disk.files;
    disk.flushed[i].inode = inode;
    disk.flushed[i].size = size;
}

/* What is flushed is on the disk. */
static void shadow_flush(int fd)
{
    struct stat s;
    if (fstat(fd, &s))
        return;
    if (S_ISREG(s.st_mode))
        note_flushed(s.st_ino, s.st_size, false);
    if (disk.shadow[0])
        S_ISREG(s.st_mode) ? shadow_file(fd, &s) : list_folder(fd, s.st_ino, 'd');
}

/* The kernel may drop what it could not write, and call it clean. */
static void lose_pages(int fd)
{
    struct stat s;
    static const char zeros[4096];
    if (fstat(fd, &s) || !S_ISREG(s.st_mode))
        return;
    int i = 0;
    while (i < disk.files && disk.flushed[i].inode != s.st_ino)
        i++;
    for (off_t at = i < disk.files ? disk.flushed[i].size : s.st_size, n; at < s.st_size; at += n) {
        n = s.st_size - at < (off_t)sizeof zeros ? s.st_size - at : (off_t)sizeof zeros;
        (void)!__real_pwrite(fd, zeros, (size_t)n, at);
    }
}

/* ---- the calls --------------------------------------------------------------------------------- */

/* Calls that either happen or do not. */
#define WHOLE(call)                                                                                \
    do {                                                                                           \
        fault f_ = next_call();                                                                    \
        if (f_ == ONCE || f_ == FOR_EVER || f_ == HALF)                                            \
            return refuse(disk.error);                                                             \
        int r_ = (call);                                                                           \
        if (f_ == EXIT_AFTER)                                                                      \
            _exit(3);                                                                              \
        return r_;                                                                                 \
    } while (0)

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER)
        return refuse(disk.error);
    if (f == INTERRUPT)
        return refuse(EINTR);
    if (f == HALF) { /* the disk takes half, then no more until the cut */
        disk.at = disk.calls + 1;
        disk.how = ONCE;
        return __real_pwrite(fd, bytes, n / 2 + 1, at);
    }
    ssize_t put = __real_pwrite(fd, bytes, f == EXIT_AFTER ? n / 2 : n, at);
    if (f == EXIT_AFTER)
        _exit(3);
    return put;
}

int __wrap_fsync(int fd)
{
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF) {
        lose_pages(fd);
        return refuse(disk.error);
    }
    if (f == INTERRUPT)
        return refuse(EINTR);
    shadow_flush(fd); /* the real one would only cost time */
    int result = 0;
    if (f == EXIT_AFTER)
        _exit(3);
    return result;
}

int __wrap_ftruncate(int fd, off_t size)
{
    WHOLE(__real_ftruncate(fd, size));
}

int __wrap_openat(int fd, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF)
        return refuse(disk.error);
    int made = __real_openat(fd, name, flags, mode);
    struct stat s;
    if (made >= 0 && flags & O_EXCL && fstat(made, &s) == 0) {
        shadow_forget(s.st_ino);
        note_flushed(s.st_ino, 0, true);
    }
    if (f == EXIT_AFTER)
        _exit(3);
    return made;
}

int __wrap_linkat(int from, const char *old, int to, const char *name, int flags)
{
    if (disk.no_links)
        return refuse(disk.no_links);
    WHOLE(__real_linkat(from, old, to, name, flags));
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    WHOLE(__real_unlinkat(fd, name, flags));
}

int __wrap_flock(int fd, int how)
{
    WHOLE(__real_flock(fd, how));
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    fault f = next_call();
    if (f == ONCE || f == FOR_EVER || f == HALF)
        return refuse(disk.error);
    int result = __real_mkdir(path, mode);
    struct stat s;
    if (!result && stat(path, &s) == 0)
        shadow_forget(s.st_ino);
    if (f == EXIT_AFTER)
        _exit(3);
    return result;
}

void disk_arm(fault how, long at, int why)
{
    disk.how = how;
    disk.at = at;
    disk.calls = 0;
    disk.error = why;
}

long disk_calls(void)
{
    return disk.calls;
}

void disk_refuse_links(int why)
{
    disk.no_links = why;
}

void disk_forget_files(void)
{
    disk.files = 0;
}

void disk_shadow(const char *folder)
{
    (void)snprintf(disk.shadow, sizeof disk.shadow, "%s", folder ? folder : "");
}

/* ---- after a power cut -------------------------------------------------------------------------- */

/* A file as the disk has it; `now` is what was written to it. */
static void restore_file(const char *now, ino_t inode, const char *to, cut_bytes how)
{
    char path[128];
    size_t n = 0, written = 0;
    shadow_path(path, 'i', inode);
    char *held = access(path, F_OK) == 0 ? transcripts_read(path, &n) : NULL;
    char *live = access(now, F_OK) == 0 ? transcripts_read(now, &written) : NULL;
    if (how == BYTES_KEPT && live) {
        transcripts_write(to, live, written);
    } else {
        size_t size = how == BYTES_ZERO && written > n ? written : n;
        char *bytes = calloc(1, size + 1);
        assert_non_null(bytes);
        if (n)
            memcpy(bytes, held, n);
        transcripts_write(to, bytes, size);
        free(bytes);
    }
    free(held);
    free(live);
}

/* The file or folder `name` of that inode, if it is still what it was. */
static void restore_entry(const char *from, const char *to, const char *name, ino_t inode,
                          cut_names names, cut_bytes bytes)
{
    struct stat s;
    char *old = transcripts_path(from, name), *new = transcripts_path(to, name);
    if (stat(old, &s) == 0 && S_ISDIR(s.st_mode)) {
        assert_int_equal(__real_mkdir(new, 0700), 0);
        disk_restore(old, new, names, bytes);
    } else {
        bool same = stat(old, &s) == 0 && s.st_ino == inode;
        restore_file(same ? old : "", inode, new, bytes);
    }
    free(old);
    free(new);
}

void disk_restore(const char *from, const char *to, cut_names names, cut_bytes bytes)
{
    char path[128], name[256];
    unsigned long long inode;
    struct stat s;
    assert_int_equal(stat(from, &s), 0);
    if (names == NAMES_KEPT) {
        int fd = open(from, O_RDONLY | O_DIRECTORY);
        list_folder(fd, s.st_ino, 'k');
        (void)close(fd);
    }
    shadow_path(path, names == NAMES_KEPT ? 'k' : 'd', s.st_ino);
    FILE *list = fopen(path, "r");
    while (list && fscanf(list, "%llu %255s", &inode, name) == 2)
        restore_entry(from, to, name, (ino_t)inode, names, bytes);
    if (list)
        (void)fclose(list);
}
