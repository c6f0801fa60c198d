/* mapped_file.c - see mapped_file.h. */
#include "mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"

/* O_NONBLOCK: opening a FIFO returns at once, to be refused by fstat. Returns the descriptor. */
static int open_regular(int dir, const char *name, const char *path, size_t *size, error *err)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set(err, ERROR_LOAD, "%s: cannot open: %s", path, strerror(errno));
    struct stat st;
    int result = 0;
    if (fstat(fd, &st))
        result = error_set(err, ERROR_LOAD, "%s: cannot look at: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        result = error_set(err, ERROR_LOAD, "%s: is %s, not a regular file", path,
                           S_ISDIR(st.st_mode) ? "a directory" : "a pipe, socket or device");
    else if (st.st_size < 0 || !checked_size((uint64_t)st.st_size, size))
        result = error_set(err, ERROR_LOAD, "%s: is too large to map", path);
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

int mapped_file_open_at(mapped_file *m, int dir, const char *name, const char *path, error *err)
{
    *m = (mapped_file){0};
    size_t size = 0;
    int fd = open_regular(dir, name, path, &size, err);
    if (fd < 0)
        return -1;
    char *copy = strdup(path);
    void *data = NULL;
    if (!copy) {
        close(fd);
        return error_memory(err, "a path");
    }
    if (size > 0)
        data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        error_set(err, ERROR_LOAD, "%s: cannot map: %s", path, strerror(errno));
        free(copy);
        close(fd);
        return -1;
    }
    *m = (mapped_file){.data = data, .size = size, .path = copy, .fd = fd};
    return 0;
}

int mapped_file_open(mapped_file *m, const char *path, error *err)
{
    return mapped_file_open_at(m, AT_FDCWD, path, path, err);
}

void mapped_file_close(mapped_file *m)
{
    if (!m->path)
        return;
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->size);
    close(m->fd);
    free(m->path);
    *m = (mapped_file){0};
}

bool mapped_file_holds(const mapped_file *m, const void *data)
{
    uintptr_t first = (uintptr_t)m->data, at = (uintptr_t)data;
    return m->data && at >= first && at - first < m->size;
}

int mapped_file_intact(const mapped_file *m, error *err)
{
    struct stat st;
    if (!m->path)
        return 0;
    if (fstat(m->fd, &st))
        return error_set(err, ERROR_RUN, "%s: cannot look at: %s", m->path, strerror(errno));
    if (st.st_size >= 0 && (uint64_t)st.st_size >= m->size)
        return 0;
    return error_set(err, ERROR_RUN, "%s: the file was cut while in use: %lld bytes, it had %zu",
                     m->path, (long long)st.st_size, m->size);
}

/* Fills text[0..size) from fd; a file that shrinks meanwhile is an error. */
static int read_all(int fd, const char *path, char *text, size_t size, error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, text + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, ERROR_LOAD, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            return error_set(err, ERROR_LOAD, "%s: ended at byte %zu of %zu", path, done, size);
        done += (size_t)n;
    }
    return 0;
}

int file_read_all(const char *path, size_t max_bytes, char **text, size_t *len, error *err)
{
    size_t size = 0;
    int fd = open_regular(AT_FDCWD, path, path, &size, err);
    if (fd < 0)
        return -1;
    char *bytes = NULL;
    int result = 0;
    if (size > max_bytes)
        result = error_set(err, ERROR_LOAD, "%s: has %zu bytes, more than the %zu that are read",
                           path, size, max_bytes);
    else if (!(bytes = malloc(size + 1)))
        result = error_memory(err, "a file");
    else
        result = read_all(fd, path, bytes, size, err);
    close(fd);
    if (result || !bytes) {
        free(bytes);
        return -1;
    }
    bytes[size] = '\0';
    *text = bytes;
    *len = size;
    return 0;
}
