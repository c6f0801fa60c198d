/* wrap_calls.c - see wrap_calls.h. The state is one variable: wrappers have no argument to hang it on. */
#include "wrap_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_fsync(int fd);
int __real_link(const char *old, const char *name);
int __real_rename(const char *old, const char *name);
int __real_unlink(const char *name);

int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fsync(int fd);
int __wrap_link(const char *old, const char *name);
int __wrap_rename(const char *old, const char *name);
int __wrap_unlink(const char *name);

call_faults disk;

static bool fails(void)
{
    if (disk.left == 0 || --disk.left > 0)
        return false;
    if (disk.kills)
        _exit(KILLED);
    errno = ENOSPC;
    return true;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails() ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (disk.left == 1)
        (void)!__real_write(fd, bytes, n / 2);
    return fails() ? -1 : __real_write(fd, bytes, n);
}

int __wrap_fsync(int fd)
{
    return fails() ? -1 : __real_fsync(fd);
}

int __wrap_link(const char *old, const char *name)
{
    if (disk.no_links) {
        errno = EPERM;
        return -1;
    }
    return fails() ? -1 : __real_link(old, name);
}

int __wrap_rename(const char *old, const char *name)
{
    return fails() ? -1 : __real_rename(old, name);
}

int __wrap_unlink(const char *name)
{
    return fails() && disk.kills ? -1 : __real_unlink(name);
}
