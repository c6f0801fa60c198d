/* pool.c - see pool.h.
 *
 * A region is announced by raising `epoch` and finished when `running` falls to 0. Both are plain
 * atomics that the other side spins on, so a region whose threads are awake costs two cache-line
 * transfers. Sleeping uses one mutex and two condition variables, and the rule that loses no
 * wake-up: whoever will sleep first says so (`sleepers`, `waiting`), then looks at the atomic again;
 * whoever changes the atomic then looks whether anybody sleeps. All four are sequentially
 * consistent, so at least one of the two sees the other.
 */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CACHE_LINE = 64, SPINS = 4000 };

typedef struct worker {
    pool *owner;
    pthread_t thread;
    int index;
} worker;

struct pool {
    alignas(CACHE_LINE) atomic_uint epoch; /* regions announced so far */
    pool_fn *fn;
    void *arg;
    alignas(CACHE_LINE) atomic_int running;  /* workers still in the region */
    alignas(CACHE_LINE) atomic_int sleepers; /* workers asleep, or about to be */
    atomic_bool waiting;                     /* the caller is asleep, or about to be */
    atomic_bool stop;
    int threads, started, spins;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    worker *workers; /* [threads - 1] */
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
    _mm_pause();
#endif
}

/* The MXCSR register: round to nearest, no flushing of subnormals, all exceptions masked. */
static unsigned floats_default(void)
{
#if defined(__x86_64__)
    unsigned old = _mm_getcsr();
    _mm_setcsr(0x1F80);
    return old;
#else
    return 0;
#endif
}

static void floats_restore(unsigned old)
{
#if defined(__x86_64__)
    _mm_setcsr(old);
#else
    (void)old;
#endif
}

/* ---- workers ----------------------------------------------------------------------------------- */

static void sleep_until_announced(pool *p, unsigned seen)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->epoch) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void wait_until_announced(pool *p, unsigned seen)
{
    for (int i = 0; i < p->spins; i++) {
        if (atomic_load_explicit(&p->epoch, memory_order_acquire) != seen)
            return;
        pause_briefly();
    }
    sleep_until_announced(p, seen);
}

static void report_done(pool *p)
{
    if (atomic_fetch_sub(&p->running, 1) != 1 || !atomic_load(&p->waiting))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    worker *self = arg;
    pool *p = self->owner;
    floats_default();
    for (unsigned seen = 0;; seen++) {
        wait_until_announced(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        p->fn(p->arg, self->index, p->threads);
        report_done(p);
    }
}

/* ---- the caller -------------------------------------------------------------------------------- */

static void announce(pool *p)
{
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void wait_until_done(pool *p)
{
    for (int i = 0; i < p->spins; i++) {
        if (atomic_load_explicit(&p->running, memory_order_acquire) == 0)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->running) != 0)
        pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

void pool_run(pool *p, pool_fn *fn, void *arg)
{
    unsigned floats = floats_default();
    if (p->threads > 1) {
        p->fn = fn;
        p->arg = arg;
        atomic_store(&p->running, p->threads - 1);
        announce(p);
    }
    fn(arg, 0, p->threads);
    if (p->threads > 1)
        wait_until_done(p);
    floats_restore(floats);
}

int pool_threads(const pool *p)
{
    return p->threads;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

/* Signals are for the program's own threads: the workers take none but those that a thread brings
 * upon itself. Blocked, a bus error (a mapped file that was cut short) would end the process
 * without its handler's word. */
static int start_workers(pool *p, error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = 0;
    for (int i = 1; i < p->threads && !failed; i++) {
        worker *w = &p->workers[i - 1];
        *w = (worker){.owner = p, .index = i};
        failed = pthread_create(&w->thread, NULL, work, w);
        if (!failed)
            p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return error_set(err, ERROR_RUN, "cannot start worker thread %d of %d: %s", p->started + 2,
                         p->threads, strerror(failed));
    return 0;
}

static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

pool *pool_open(int threads, error *err)
{
    pool *p = aligned_alloc(CACHE_LINE, sizeof *p);
    worker *workers = calloc((size_t)threads, sizeof *workers);
    if (!p || !workers) {
        free(p);
        free(workers);
        error_memory(err, "the worker threads");
        return NULL;
    }
    memset(p, 0, sizeof *p);
    p->workers = workers;
    p->threads = threads;
    p->spins = threads <= processors() ? SPINS : 0;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    if (start_workers(p, err) != 0) {
        pool_close(p);
        return NULL;
    }
    return p;
}

void pool_close(pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    announce(p);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}
