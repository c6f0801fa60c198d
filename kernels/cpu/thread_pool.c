/* thread_pool.c - see thread_pool.h.
 *
 * All that threads agree on is one atomic word: the number of the region, whether its door is open,
 * and how many workers are inside. Announcing a region stores it with the door open and nobody
 * inside; a worker that sees it enters by adding one, unless the door is shut by then; the caller,
 * having run its own part, shuts the door and waits for those inside. A worker that the system has
 * put aside meanwhile is not waited for: on a busy machine that wait would be most of the time.
 *
 * Sleeping uses one mutex and two condition variables, and the rule that loses no wake-up: whoever
 * will sleep first says so (`sleepers`, `waiting`), then looks at the word again; whoever changes
 * the word then looks whether anybody sleeps. All are sequentially consistent, so at least one of
 * the two sees the other.
 */
#include "thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CACHE_LINE = 64, SPINS = 4000 };

/* The word: region number << 32 | OPEN | workers inside. */
#define OPEN   0x80000000u
#define INSIDE 0x7fffffffu

typedef struct worker {
    thread_pool *owner;
    pthread_t thread;
    int index;
} worker;

struct thread_pool {
    alignas(CACHE_LINE) _Atomic uint64_t word;
    thread_pool_fn *fn;
    void *arg;
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

static uint32_t region_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static void sleep_until_announced(thread_pool *p, uint32_t seen)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (region_of(atomic_load(&p->word)) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void wait_until_announced(thread_pool *p, uint32_t seen)
{
    for (int i = 0; i < p->spins; i++) {
        if (region_of(atomic_load_explicit(&p->word, memory_order_acquire)) != seen)
            return;
        pause_briefly();
    }
    sleep_until_announced(p, seen);
}

/* Enters the region of `word` if its door is still open. */
static bool enter(thread_pool *p, uint64_t word)
{
    uint32_t region = region_of(word);
    while ((word & OPEN) && region_of(word) == region)
        if (atomic_compare_exchange_weak(&p->word, &word, word + 1))
            return true;
    return false;
}

static void leave(thread_pool *p)
{
    uint64_t before = atomic_fetch_sub(&p->word, 1);
    if ((uint32_t)before != 1 || !atomic_load(&p->waiting))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    worker *self = arg;
    thread_pool *p = self->owner;
    floats_default();
    for (uint32_t seen = 0;;) {
        wait_until_announced(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        uint64_t word = atomic_load(&p->word);
        seen = region_of(word);
        if (!enter(p, word))
            continue;
        p->fn(p->arg, self->index, p->threads);
        leave(p);
    }
}

/* ---- the caller -------------------------------------------------------------------------------- */

/* door: OPEN, or 0 when there is nothing to run. */
static void announce(thread_pool *p, uint32_t door)
{
    uint32_t region = region_of(atomic_load(&p->word)) + 1;
    atomic_store(&p->word, (uint64_t)region << 32 | door);
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void shut_and_wait(thread_pool *p)
{
    if ((atomic_fetch_and(&p->word, ~(uint64_t)OPEN) & INSIDE) == 0)
        return;
    for (int i = 0; i < p->spins; i++) {
        if ((atomic_load_explicit(&p->word, memory_order_acquire) & INSIDE) == 0)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while ((atomic_load(&p->word) & INSIDE) != 0)
        pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

void thread_pool_run(thread_pool *p, thread_pool_fn *fn, void *arg)
{
    unsigned floats = floats_default();
    if (p->threads > 1) {
        p->fn = fn;
        p->arg = arg;
        announce(p, OPEN);
    }
    fn(arg, 0, p->threads);
    if (p->threads > 1)
        shut_and_wait(p);
    floats_restore(floats);
}

int thread_pool_threads(const thread_pool *p)
{
    return p->threads;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

/* Signals are for the program's own threads: the workers take none but those that a thread brings
 * upon itself. Blocked, a bus error (a mapped file that was cut short) would end the process
 * without its handler's word. */
static int start_workers(thread_pool *p, error *err)
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

thread_pool *thread_pool_open(int threads, error *err)
{
    thread_pool *p = aligned_alloc(CACHE_LINE, sizeof *p);
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
        thread_pool_close(p);
        return NULL;
    }
    return p;
}

void thread_pool_close(thread_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    announce(p, 0);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}
