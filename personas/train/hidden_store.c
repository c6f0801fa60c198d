/* hidden_store.c - see hidden_store.h. */
#include "hidden_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/checked.h"
#include "../../engine/base/paths.h"

struct hidden_store {
    float *v;
    size_t bytes;
    size_t width;
    bool in_file;
};

/* A file without a name in `folder`, or -1 with errno. */
static int nameless(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    buf path = {0};
    if (fd >= 0 || buf_format(&path, NULL, "%s/hidden.XXXXXX", folder))
        return fd;
    fd = mkostemp(path.v, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path.v);
    buf_release(&path);
    return fd;
}

static int map_file(hidden_store *s, error *err)
{
    char *folder = NULL;
    if (paths_own(PATHS_CACHE, "train", &folder, err))
        return -1;
    if (!folder)
        return paths_missing(PATHS_CACHE, "no place for the hidden states: ", err);
    int result = paths_make(folder, strlen(folder), err);
    int fd = result ? -1 : nameless(folder);
    int why = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)s->bytes);
    if (!result && why)
        result = error_set(err, ERROR_RUN, "%s: %zu MiB of hidden states cannot be kept: %s",
                           folder, s->bytes >> 20, strerror(why));
    if (!result) {
        s->v = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (s->v == MAP_FAILED) {
            s->v = NULL;
            result = error_memory(err, "the hidden states");
        }
    }
    if (fd >= 0)
        (void)close(fd);
    free(folder);
    return result;
}

static int map_memory(hidden_store *s, error *err)
{
    s->v = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->v != MAP_FAILED)
        return 0;
    s->v = NULL;
    return error_memory(err, "the hidden states");
}

hidden_store *hidden_store_open(size_t rows, int width, uint64_t most, error *err)
{
    hidden_store *s = calloc(1, sizeof *s);
    const uint64_t shape[] = {rows ? rows : 1, (uint64_t)width, sizeof(float)};
    uint64_t bytes;
    if (!s || !checked_product(shape, 3, &bytes) || !checked_size(bytes, &s->bytes)) {
        free(s);
        (void)error_memory(err, "the hidden states");
        return NULL;
    }
    s->width = (size_t)width;
    s->in_file = bytes > most;
    if (s->in_file ? map_file(s, err) : map_memory(s, err)) {
        free(s);
        return NULL;
    }
    return s;
}

void hidden_store_close(hidden_store *s)
{
    if (s && s->v)
        (void)munmap(s->v, s->bytes);
    free(s);
}

float *hidden_store_at(const hidden_store *s, size_t row)
{
    return s->v + row * s->width;
}

bool hidden_store_in_file(const hidden_store *s)
{
    return s->in_file;
}
