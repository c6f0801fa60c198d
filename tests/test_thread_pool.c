/* test_thread_pool.c - regions at any number of threads and processors: nobody runs twice, all can come,
 * and what they share out is done once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../kernels/cpu/guided.h"
#include "../kernels/cpu/thread_pool.h"

enum { THREADS_MAX = 16 };

typedef struct counts {
    atomic_int calls[THREADS_MAX];
    atomic_int wrong_count, arrived;
    int threads;
} counts;

static void count_call(void *arg, int index, int count)
{
    counts *c = arg;
    atomic_fetch_add(&c->calls[index], 1);
    if (count != c->threads)
        atomic_fetch_add(&c->wrong_count, 1);
}

/* While one thread is inside, the others can enter: this one waits until all have. */
static void meet(void *arg, int index, int count)
{
    counts *c = arg;
    count_call(arg, index, count);
    int before = atomic_fetch_add(&c->arrived, 1), everyone = (before / count + 1) * count;
    while (atomic_load(&c->arrived) < everyone)
        sched_yield();
}

static void each_thread_runs_once(int threads, int regions)
{
    error err = {0};
    thread_pool *p = thread_pool_open(threads, &err);
    assert_non_null(p);
    assert_int_equal(thread_pool_threads(p), threads);
    counts c = {.threads = threads};
    for (int i = 0; i < regions; i++)
        thread_pool_run(p, meet, &c);
    for (int i = 0; i < THREADS_MAX; i++)
        assert_int_equal(atomic_load(&c.calls[i]), i < threads ? regions : 0);
    assert_int_equal(atomic_load(&c.wrong_count), 0);
    thread_pool_close(p);
}

static void test_counts(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 3, 8, 16};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        each_thread_runs_once(threads[i], 100);
}

/* Short regions do not wait for anybody: the caller runs in each, a worker at most once. */
static void test_short_regions(void **state)
{
    (void)state;
    thread_pool *p = thread_pool_open(4, NULL);
    counts c = {.threads = 4};
    for (int i = 0; i < 2000; i++)
        thread_pool_run(p, count_call, &c);
    thread_pool_close(p);
    assert_int_equal(atomic_load(&c.calls[0]), 2000);
    for (int i = 1; i < 4; i++)
        assert_true(atomic_load(&c.calls[i]) <= 2000);
}

/* Workers fall asleep between regions and must wake up again. */
static void test_sleep_between(void **state)
{
    (void)state;
    thread_pool *p = thread_pool_open(3, NULL);
    counts c = {.threads = 3};
    const struct timespec nap = {.tv_nsec = 5 * 1000 * 1000};
    for (int i = 0; i < 10; i++) {
        thread_pool_run(p, meet, &c);
        nanosleep(&nap, NULL);
    }
    assert_int_equal(atomic_load(&c.calls[2]), 10);
    thread_pool_close(p);
}

typedef struct shared {
    atomic_int next;
    int items;
    long seen[1000]; /* plain memory: written inside, read after */
} shared;

static void take_items(void *arg, int index, int count)
{
    (void)index, (void)count;
    shared *s = arg;
    for (int i; (i = atomic_fetch_add(&s->next, 1)) < s->items;)
        s->seen[i] += i + 1;
}

static void test_memory_is_seen(void **state)
{
    (void)state;
    thread_pool *p = thread_pool_open(4, NULL);
    shared s = {.items = 1000};
    for (int round = 0; round < 200; round++) {
        atomic_store(&s.next, 0);
        thread_pool_run(p, take_items, &s);
        for (int i = 0; i < s.items; i++)
            assert_int_equal(s.seen[i], (long)(round + 1) * (i + 1));
    }
    thread_pool_close(p);
}

static void test_closed_unused(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        thread_pool_close(thread_pool_open(5, NULL));
    thread_pool_close(NULL);
}

#if defined(__x86_64__)
typedef struct floats {
    counts all; /* first: meet() reads it */
    unsigned inside[3];
} floats;

static void read_mxcsr(void *arg, int index, int count)
{
    ((floats *)arg)->inside[index] = _mm_getcsr();
    meet(arg, index, count);
}

/* A host program that flushes subnormals must not change results, and keeps its setting. */
static void test_float_environment(void **state)
{
    (void)state;
    unsigned before = _mm_getcsr(), flushing = 0x9FC0;
    floats f = {.all = {.threads = 3}};
    _mm_setcsr(flushing);
    thread_pool *p = thread_pool_open(3, NULL);
    thread_pool_run(p, read_mxcsr, &f);
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f.inside[i] & ~0x3Fu, 0x1F80);
    assert_int_equal(after & ~0x3Fu, flushing & ~0x3Fu);
    thread_pool_close(p);
}
#endif

enum { CELLS = 5000 };

typedef struct cells {
    atomic_size_t next;
    size_t total, most;
    atomic_int done[CELLS], too_long;
} cells;

static void take_all(void *arg, int index, int count)
{
    cells *s = arg;
    size_t first, last;
    (void)index;
    while (last = guided_chunk(&s->next, s->total, s->most, count, &first), first < s->total) {
        if (last - first > s->most || last > s->total)
            atomic_fetch_add(&s->too_long, 1);
        for (size_t i = first; i < last && i < CELLS; i++)
            atomic_fetch_add(&s->done[i], 1);
    }
}

/* Every cell is taken once, by whoever; the last ones singly, so that nobody waits for long. */
static void test_sharing(void **state)
{
    (void)state;
    const size_t totals[] = {0, 1, 7, 64, CELLS};
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        for (int threads = 1; threads <= 8; threads++) {
            thread_pool *p = thread_pool_open(threads, NULL);
            cells s = {.total = totals[i], .most = 1 + i * 3};
            thread_pool_run(p, take_all, &s);
            for (size_t c = 0; c < CELLS; c++)
                assert_int_equal(atomic_load(&s.done[c]), c < totals[i]);
            assert_int_equal(atomic_load(&s.too_long), 0);
            thread_pool_close(p);
        }
    atomic_size_t next = 0;
    size_t first, last = guided_chunk(&next, 100, 8, 2, &first);
    assert_true(first == 0 && last == 8);
    atomic_store(&next, 96);
    assert_true(guided_chunk(&next, 100, 8, 2, &first) == 97 && first == 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_short_regions),
        cmocka_unit_test(test_sleep_between),
        cmocka_unit_test(test_memory_is_seen),
        cmocka_unit_test(test_closed_unused),
        cmocka_unit_test(test_sharing),
#if defined(__x86_64__)
        cmocka_unit_test(test_float_environment),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
