/* expert_reader.c - see expert_reader.h. */
#include "expert_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/mapped_file.h"

/* A disk is asked for several parts at once: one alone leaves it idle between two. */
enum { THREADS = 4 };

/* A file, opened once more for reads past the page cache; fd -1: it knows none. */
typedef struct direct_file {
    const mapped_file *of;
    int fd;
    bool told; /* the kernel tells this process what the page cache holds of it */
} direct_file;

typedef struct request {
    reader_part part;
    char *to;
    int ticket, direct; /* direct: a descriptor, or -1 */
    bool told;
} request;

struct expert_reader {
    pthread_t threads[THREADS];
    int started;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    request *queue; /* [most], a ring; `count` from `first` on */
    int most, first, count;
    bool closing;
    direct_file *files; /* [file_count]; the asking thread's */
    int file_count;
    reader_done *done;
    void *user;
};

size_t reader_room(uint64_t bytes)
{
    return ((size_t)bytes + 2 * READER_PAGE - 2) / READER_PAGE * READER_PAGE;
}

size_t reader_skip(const reader_part *part)
{
    return (size_t)(part->offset % READER_PAGE);
}

/* ---- reading one part --------------------------------------------------------------------------- */

/* Whether the page cache holds all of a part. The kernel tells only whom it lets write the file or who owns
 * it; nobody else is believed (mincore(2)). Nothing is read by asking, as RWF_NOWAIT would. */
static bool is_cached(const request *q)
{
    enum { PAGES = 256 };
    unsigned char there[PAGES];
    const mapped_file *m = q->part.file;
    uint64_t first = q->part.offset / READER_PAGE * READER_PAGE;
    uint64_t end = q->part.offset + q->part.bytes, step = (uint64_t)PAGES * READER_PAGE;
    for (uint64_t at = first; q->told && at < end; at += step) {
        size_t bytes = (size_t)(end - at < step ? end - at : step);
        if (end > m->size || mincore((void *)(uintptr_t)(m->data + at), bytes, there))
            return false;
        for (size_t i = 0; i < (bytes + READER_PAGE - 1) / READER_PAGE; i++)
            if (!(there[i] & 1))
                return false;
    }
    return q->told;
}

static int cut_short(const request *q, ssize_t n, error *err)
{
    if (n < 0)
        return error_set(err, ERROR_RUN, "%s: cannot read: %s", q->part.file->path,
                         strerror(errno));
    return error_set(err, ERROR_RUN, "%s: the file was cut while in use: nothing at byte %llu",
                     q->part.file->path, (unsigned long long)q->part.offset);
}

/* The whole pages that hold the part, past the page cache. false: not so, try otherwise. */
static bool read_direct(const request *q)
{
    uint64_t skip = reader_skip(&q->part), end = skip + q->part.bytes, at = 0;
    uint64_t stop = (end + READER_PAGE - 1) / READER_PAGE * READER_PAGE;
    while (at < end) {
        ssize_t n =
            pread(q->direct, q->to + at, (size_t)(stop - at), (off_t)(q->part.offset - skip + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (n % READER_PAGE && at + (uint64_t)n < end))
            return false;
        at += (uint64_t)n;
    }
    return true;
}

static int read_part(const request *q, error *err)
{
    char *to = q->to + reader_skip(&q->part);
    if (q->direct >= 0 && !is_cached(q) && read_direct(q))
        return 0;
    for (uint64_t done = 0; done < q->part.bytes;) {
        ssize_t n = pread(q->part.file->fd, to + done, (size_t)(q->part.bytes - done),
                          (off_t)(q->part.offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return cut_short(q, n, err);
        done += (uint64_t)n;
    }
    return 0;
}

/* ---- the threads -------------------------------------------------------------------------------- */

static bool take(expert_reader *r, request *out)
{
    pthread_mutex_lock(&r->lock);
    while (!r->count && !r->closing)
        pthread_cond_wait(&r->asked, &r->lock);
    bool some = r->count > 0;
    if (some) {
        *out = r->queue[r->first];
        r->first = (r->first + 1) % r->most;
        r->count--;
    }
    pthread_mutex_unlock(&r->lock);
    return some;
}

static void *work(void *arg)
{
    expert_reader *r = arg;
    request q;
    while (take(r, &q)) {
        error why = {0};
        int result = read_part(&q, &why);
        r->done(r->user, q.ticket, result ? &why : NULL);
    }
    return NULL;
}

/* ---- asking ------------------------------------------------------------------------------------- */

/* NULL without memory. */
static const direct_file *direct_of(expert_reader *r, const mapped_file *file)
{
    for (int i = 0; i < r->file_count; i++)
        if (r->files[i].of == file)
            return &r->files[i];
    direct_file *grown = realloc(r->files, ((size_t)r->file_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    struct stat st;
    char path[64]; /* the very file that is mapped, whatever its name leads to now */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file->fd);
    r->files = grown;
    grown[r->file_count] =
        (direct_file){.of = file, .fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT)};
    grown[r->file_count].told =
        fstat(file->fd, &st) == 0 && (st.st_uid == geteuid() || geteuid() == 0);
    return &grown[r->file_count++];
}

void reader_ask(expert_reader *r, const reader_part *part, void *to, int ticket)
{
    const direct_file *direct = direct_of(r, part->file);
    request q = {*part, to, ticket, direct ? direct->fd : -1, direct && direct->told};
    pthread_mutex_lock(&r->lock);
    assert(r->count < r->most);
    r->queue[(r->first + r->count++) % r->most] = q;
    pthread_cond_signal(&r->asked);
    pthread_mutex_unlock(&r->lock);
}

expert_reader *reader_open(int most, reader_done *done, void *user, error *err)
{
    expert_reader *r = calloc(1, sizeof *r);
    request *queue = calloc((size_t)most, sizeof *queue);
    if (!r || !queue) {
        free(r);
        free(queue);
        error_memory(err, "the reader of experts");
        return NULL;
    }
    *r = (expert_reader){.queue = queue, .most = most, .done = done, .user = user};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->asked, NULL);
    sigset_t all, old; /* signals are for the thread that waits for them */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; r->started < THREADS; r->started++)
        if (pthread_create(&r->threads[r->started], NULL, work, r))
            break;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r->started)
        return r;
    reader_close(r);
    error_set(err, ERROR_RUN, "no thread could be started to read experts");
    return NULL;
}

void reader_close(expert_reader *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    pthread_cond_broadcast(&r->asked);
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->started; i++)
        pthread_join(r->threads[i], NULL);
    for (int i = 0; i < r->file_count; i++)
        if (r->files[i].fd >= 0)
            close(r->files[i].fd);
    pthread_cond_destroy(&r->asked);
    pthread_mutex_destroy(&r->lock);
    free(r->files);
    free(r->queue);
    free(r);
}
