/* image_file.c - see image_file.h. */
#include "image_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

typedef struct taking {
    const image *m;
    const checkpoint *source;
    const image_watch *watch;
    gguf_writer *w;
    uint64_t done;
} taking;

/* Better told before than after an hour. What cannot be asked is met at the write. */
int image_check_room(const char *path, uint64_t bytes, error *err)
{
    struct statvfs fs;
    const char *slash = strrchr(path, '/');
    char *around = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int known = around ? statvfs(around, &fs) : -1;
    free(around);
    uint64_t free_bytes = known ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
    if (known || free_bytes >= bytes)
        return 0;
    return error_set(err, ERROR_RUN, "%s: needs %.1f GB, and its disk has %.1f GB left", path,
                     (double)bytes / 1e9, (double)free_bytes / 1e9);
}

int image_take_parts(const void *bytes, size_t n, const image_watch *watch, uint64_t *done,
                     uint64_t all, image_put *put, void *writer, error *err)
{
    enum { STEP = 8 << 20 }; /* bytes between two looks at the watch */
    for (size_t at = 0; at < n; at += STEP) {
        size_t part = n - at < STEP ? n - at : STEP;
        if (put(writer, (const char *)bytes + at, part, err))
            return -1;
        *done += part;
        if (watch->step && !watch->step(watch->user, (double)*done / (double)(all + 1)))
            return error_set(err, ERROR_CANCELLED, "interrupted");
    }
    return 0;
}

static int put_gguf(void *writer, const void *bytes, size_t n, error *err)
{
    return gguf_writer_data(writer, bytes, n, err);
}

static int take_gguf(void *user, const void *bytes, size_t n, error *err)
{
    taking *t = user;
    return image_take_parts(bytes, n, t->watch, &t->done, t->m->bytes, put_gguf, t->w, err);
}

static int write_tensors(taking *t, error *err)
{
    const image *m = t->m;
    for (size_t i = 0; i < m->len; i++)
        if (gguf_writer_tensor(t->w, m->v[i].name, m->v[i].type, m->v[i].dims, m->v[i].shape, err))
            return -1;
    if (gguf_writer_begin(t->w, err))
        return -1;
    for (size_t i = 0; i < m->len; i++)
        if (checkpoint_intact(t->source, err) || image_bytes(m, i, take_gguf, t, err))
            return -1;
    return gguf_writer_finish(t->w, err);
}

int image_write_gguf(const image *m, const checkpoint *source, image_describe *describe, void *user,
                     const char *path, const image_watch *watch, error *err)
{
    if (image_check(m, err) || image_check_room(path, m->bytes, err))
        return -1;
    taking t = {m, source, watch, gguf_writer_open(path, err), 0};
    int result = t.w && describe(user, t.w, err) == 0 ? write_tensors(&t, err) : -1;
    gguf_writer_close(t.w);
    return result;
}
