/* kvcache.c - see kvcache.h.
 *
 * A page is in one of two places: on the pool's stack of idle pages, or in the tables of as
 * many sequences as `references` says. Opening a sequence makes as many pages as it can need
 * and puts them on the stack; closing gives its pages back and destroys that many. In between
 * pages only move, so decoding allocates nothing.
 *
 * kv_prepare() is where sharing ends: a page about to be written that others hold as well is
 * first replaced by a copy. kv_rewind() and kv_share_prefix() only count references.
 */
#include "kvcache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct kv_page {
    void *memory;   /* device keys and values, kv_layout */
    backend *home;  /* whose memory that is */
    int references; /* sequences whose table holds it */
    int stale;      /* positions from here on were lost with the page's last home; KV_PAGE = none */
    int32_t token[KV_PAGE];
    uint64_t program[KV_PAGE];
} kv_page;

struct kv_pool {
    backend *backend;
    kv_layout layout;
    kv_page **idle; /* [reserved] stack of pages that no sequence holds */
    int idle_count;
    int reserved; /* pages that exist = sum of the sequences' capacities */
};

struct kv_sequence {
    kv_pool *pool;
    kv_page **pages; /* [capacity], the first `used` are held */
    void **memory;   /* [capacity] pages[i]->memory, in the form a backend reads */
    int used, capacity;
    int reserved; /* pages of its own that it can ever need */
    int length, context;
};

kv_pool *kv_pool_open(backend *b, const kv_layout *layout, error *err)
{
    kv_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        error_memory(err, "the KV cache");
        return NULL;
    }
    pool->backend = b;
    pool->layout = *layout;
    return pool;
}

static void page_free(kv_page *page)
{
    kv_page_free(page->home, page->memory);
    free(page);
}

void kv_pool_close(kv_pool *pool)
{
    if (!pool)
        return;
    assert(pool->reserved == 0 && "a sequence outlives its pool");
    free(pool->idle);
    free(pool);
}

static kv_page *page_new(kv_pool *pool, error *err)
{
    kv_page *page = calloc(1, sizeof *page);
    if (!page) {
        error_memory(err, "a page of the KV cache");
        return NULL;
    }
    page->memory = kv_page_new(pool->backend, &pool->layout, err);
    if (!page->memory) {
        free(page);
        return NULL;
    }
    page->home = pool->backend;
    page->stale = KV_PAGE;
    return page;
}

/* To the pool's backend; what it held is lost. */
static int page_move(const kv_pool *pool, kv_page *page, error *err)
{
    if (page->home == pool->backend)
        return 0;
    void *memory = kv_page_new(pool->backend, &pool->layout, err);
    if (!memory)
        return -1;
    kv_page_free(page->home, page->memory);
    page->memory = memory;
    page->home = pool->backend;
    page->stale = 0;
    return 0;
}

int kv_pool_move(kv_pool *pool, backend *to, error *err)
{
    pool->backend = to;
    for (int i = 0; i < pool->idle_count; i++)
        if (page_move(pool, pool->idle[i], err))
            return -1;
    return 0;
}

static void pool_shrink(kv_pool *pool, int pages)
{
    for (int i = 0; i < pages; i++)
        page_free(pool->idle[--pool->idle_count]);
    pool->reserved -= pages;
}

static int pool_grow(kv_pool *pool, int pages, error *err)
{
    size_t total = (size_t)pool->reserved + (size_t)pages;
    kv_page **idle = realloc(pool->idle, total * sizeof *idle);
    if (!idle)
        return error_memory(err, "the KV cache");
    pool->idle = idle;
    for (int i = 0; i < pages; i++) {
        kv_page *page = page_new(pool, err);
        if (!page) {
            pool_shrink(pool, i);
            return -1;
        }
        pool->idle[pool->idle_count++] = page;
        pool->reserved++;
    }
    return 0;
}

static kv_page *page_take(kv_pool *pool)
{
    assert(pool->idle_count > 0 && "reservations cover every page in use");
    kv_page *page = pool->idle[--pool->idle_count];
    page->references = 1;
    page->stale = KV_PAGE; /* nothing of it is read before it is written */
    return page;
}

static void page_drop(kv_pool *pool, kv_page *page)
{
    if (--page->references == 0)
        pool->idle[pool->idle_count++] = page;
}

/* A table for `context` positions, of which the first `shared` pages are never its own. */
static kv_sequence *open_with(kv_pool *pool, int context, int shared, error *err)
{
    int capacity = (context + KV_PAGE - 1) / KV_PAGE;
    kv_sequence *t = calloc(1, sizeof *t);
    if (!t) {
        error_memory(err, "a session");
        return NULL;
    }
    t->pool = pool;
    t->context = context;
    t->pages = calloc((size_t)capacity, sizeof(kv_page *));
    t->memory = calloc((size_t)capacity, sizeof(void *));
    if (!t->pages || !t->memory) {
        error_memory(err, "a session's page table");
        goto fail;
    }
    if (pool_grow(pool, capacity - shared, err))
        goto fail;
    t->capacity = capacity;
    t->reserved = capacity - shared;
    return t;
fail:
    kv_close(t);
    return NULL;
}

kv_sequence *kv_open(kv_pool *pool, int context, error *err)
{
    return open_with(pool, context, 0, err);
}

void kv_share_prefix(kv_sequence *t, const kv_sequence *from, int length)
{
    assert(t->pool == from->pool && length <= from->length && length <= t->context);
    int pages = (length + KV_PAGE - 1) / KV_PAGE;
    for (int i = 0; i < pages; i++)
        from->pages[i]->references++; /* first: t may hold the same pages */
    kv_rewind(t, 0);
    for (int i = 0; i < pages; i++) {
        t->pages[i] = from->pages[i];
        t->memory[i] = from->memory[i];
    }
    t->used = pages;
    t->length = length;
}

kv_sequence *kv_branch(const kv_sequence *from, int length, int room, error *err)
{
    kv_sequence *t = open_with(from->pool, length + room, length / KV_PAGE, err);
    if (t)
        kv_share_prefix(t, from, length);
    return t;
}

kv_sequence *kv_fork(const kv_sequence *from, error *err)
{
    kv_sequence *t = kv_open(from->pool, from->context, err);
    if (t)
        kv_share_prefix(t, from, from->length);
    return t;
}

void kv_close(kv_sequence *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->used; i++)
        page_drop(t->pool, t->pages[i]);
    pool_shrink(t->pool, t->reserved);
    free(t->pages);
    free(t->memory);
    free(t);
}

int kv_length(const kv_sequence *t)
{
    return t->length;
}

int kv_context(const kv_sequence *t)
{
    return t->context;
}

int kv_token(const kv_sequence *t, int position)
{
    return t->pages[position / KV_PAGE]->token[position % KV_PAGE];
}

uint64_t kv_program(const kv_sequence *t, int position)
{
    return t->pages[position / KV_PAGE]->program[position % KV_PAGE];
}

void *const *kv_pages(const kv_sequence *t)
{
    return t->memory;
}

/* Slot i of the table becomes a page that only this sequence holds, with the same contents. */
static void own_page(kv_sequence *t, int i)
{
    kv_page *shared = t->pages[i];
    if (shared->references == 1)
        return;
    kv_page *own = page_take(t->pool);
    kv_page_copy(t->pool->backend, &t->pool->layout, own->memory, shared->memory);
    memcpy(own->token, shared->token, sizeof own->token);
    memcpy(own->program, shared->program, sizeof own->program);
    own->stale = shared->stale;
    page_drop(t->pool, shared);
    t->pages[i] = own;
    t->memory[i] = own->memory;
}

void kv_prepare(kv_sequence *t, int n)
{
    assert(n >= 0 && n <= t->context - t->length);
    int first = t->length / KV_PAGE;
    int needed = (t->length + n + KV_PAGE - 1) / KV_PAGE;
    for (int i = first; i < t->used && i < needed; i++)
        own_page(t, i);
    for (; t->used < needed; t->used++) {
        t->pages[t->used] = page_take(t->pool);
        t->memory[t->used] = t->pages[t->used]->memory;
    }
}

void kv_commit(kv_sequence *t, const int *tokens, int n, uint64_t program)
{
    for (int i = 0; i < n; i++, t->length++) {
        kv_page *page = t->pages[t->length / KV_PAGE];
        page->token[t->length % KV_PAGE] = tokens[i];
        page->program[t->length % KV_PAGE] = program;
        if (page->stale == t->length % KV_PAGE)
            page->stale++;
    }
}

int kv_move(kv_sequence *t, error *err)
{
    for (int i = 0; i < t->used; i++) {
        if (page_move(t->pool, t->pages[i], err))
            return -1;
        t->memory[i] = t->pages[i]->memory;
    }
    return 0;
}

int kv_stale(const kv_sequence *t)
{
    for (int i = 0; i * KV_PAGE < t->length; i++)
        if (t->pages[i]->stale < KV_PAGE && i * KV_PAGE + t->pages[i]->stale < t->length)
            return i * KV_PAGE + t->pages[i]->stale;
    return t->length;
}

void kv_refreshed(kv_sequence *t, int end)
{
    for (int i = 0; i * KV_PAGE < end; i++) {
        int here = end - i * KV_PAGE < KV_PAGE ? end - i * KV_PAGE : KV_PAGE;
        if (t->pages[i]->stale < here)
            t->pages[i]->stale = here;
    }
}

void kv_rewind(kv_sequence *t, int length)
{
    assert(length >= 0 && length <= t->length);
    int needed = (length + KV_PAGE - 1) / KV_PAGE;
    while (t->used > needed)
        page_drop(t->pool, t->pages[--t->used]);
    t->length = length;
}

uint64_t kv_pool_bytes(const kv_pool *pool)
{
    if (!pool)
        return 0;
    return (uint64_t)pool->reserved * (kv_page_bytes(&pool->layout) + sizeof(kv_page));
}

uint64_t kv_bytes(const kv_layout *layout, int context)
{
    uint64_t pages = ((uint64_t)context + KV_PAGE - 1) / KV_PAGE;
    return pages * (kv_page_bytes(layout) + sizeof(kv_page));
}
