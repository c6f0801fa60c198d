/* expert_store.c - see expert_store.h.
 *
 * A `place` is one expert of the model in one layer with experts; it has a slot, or none. All but the state
 * of a place is touched only by the thread that runs ops; the readers set states, from READING to THERE
 * or LOST, and wake who waits.
 */
#include "expert_store.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../base/mapped_file.h"
#include "expert_reader.h"

enum { MATRICES = 3, NOWHERE = -1, LEAST_SLOTS = 4, HUGE_PAGE = 2 << 20 };

enum place_state { ABSENT, READING, THERE, LOST };

typedef struct place {
    tensor *matrix[MATRICES]; /* gate, up, down, as the bank has them */
    reader_part part[MATRICES];
    int slot; /* or NOWHERE */
    bool held;
    uint64_t called;           /* when last, in ops */
    atomic_int state, missing; /* place_state; matrices that have not come */
    atomic_bool lost;          /* one of them could not be read */
} place;

/* One layer with experts. */
typedef struct store_layer {
    struct expert_store *store;
    const layer_weights *weights;
    expert_source source;
    place *places; /* [experts] */
    int count;     /* of them, those with a slot */
} store_layer;

struct expert_store {
    store_layer *layers; /* [layer_count] */
    int layer_count, experts;
    size_t slot_bytes;
    char *pool; /* [most * slot_bytes], of which `limit` slots may be used */
    int most, limit, used;
    int *spare; /* [spare_count] slots that nobody has */
    int spare_count;
    uint64_t clock;
    expert_reader *reader;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    error failure; /* the first; under the lock, as is what follows */
    double waited;
    uint64_t calls, reads, read_bytes;
};

/* ---- geometry ----------------------------------------------------------------------------------- */

static tensor *const *matrices_of(const layer_weights *l, int m)
{
    return m == 0 ? l->expert_gate : m == 1 ? l->expert_up : l->expert_down;
}

static uint64_t tensor_bytes(const tensor *t)
{
    return (uint64_t)tensor_rows(t) * dtype_row_bytes(tensor_type(t), tensor_cols(t));
}

static uint64_t room_of(const layer_weights *l, int expert)
{
    uint64_t room = 0;
    for (int m = 0; m < MATRICES; m++)
        room += reader_room(tensor_bytes(matrices_of(l, m)[expert]));
    return room;
}

uint64_t expert_store_slot_bytes(const weights *w)
{
    uint64_t most = READER_PAGE;
    for (int i = 0; i < w->layer_count; i++)
        for (int e = 0; w->layers[i].bank && e < w->experts; e++) {
            uint64_t room = room_of(&w->layers[i], e);
            most = room > most ? room : most;
        }
    return most;
}

uint64_t expert_store_least(const weights *w)
{
    return LEAST_SLOTS * expert_store_slot_bytes(w);
}

/* ---- slots -------------------------------------------------------------------------------------- */

static place *place_of_ticket(const expert_store *s, int ticket)
{
    return &s->layers[ticket / s->experts].places[ticket % s->experts];
}

static void give_up(store_layer *l, place *p)
{
    expert_store *s = l->store;
    assert(!p->held && p->slot != NOWHERE);
    s->spare[s->spare_count++] = p->slot;
    s->used--;
    l->count--;
    p->slot = NOWHERE;
    atomic_store(&p->state, ABSENT);
}

/* The place of a layer that was called longest ago and is not held. */
static place *oldest(const store_layer *l)
{
    place *found = NULL;
    for (int e = 0; e < l->store->experts; e++) {
        place *p = &l->places[e];
        if (p->slot != NOWHERE && !p->held && (!found || p->called < found->called))
            found = p;
    }
    return found;
}

/* How many slots each layer is owed. */
static int owed(const expert_store *s)
{
    return s->limit / s->layer_count;
}

/* Whose oldest place goes when `l` needs a slot: its own when it has what it is owed, else the one that
 * has most. */
static store_layer *who_gives(store_layer *l)
{
    expert_store *s = l->store;
    store_layer *most = l;
    if (l->count && l->count >= owed(s))
        return l;
    for (int i = 0; i < s->layer_count; i++)
        if (s->layers[i].count > most->count)
            most = &s->layers[i];
    return most;
}

/* A slot for a place of l; NOWHERE when all that could go are held. */
static int take_slot(store_layer *l)
{
    expert_store *s = l->store;
    if (s->used == s->limit) {
        store_layer *from = who_gives(l);
        place *p = oldest(from);
        if (!p)
            return NOWHERE;
        give_up(from, p);
    }
    s->used++;
    l->count++;
    return s->spare[--s->spare_count];
}

/* ---- the source that an op asks ------------------------------------------------------------------ */

static bool mine(const store_layer *l, int i)
{
    return i < l->store->experts;
}

static void source_order(void *user, int *places, int n)
{
    const store_layer *l = user;
    int there = 0;
    for (int i = 0; i < n; i++) {
        if (mine(l, places[i]) && l->places[places[i]].slot == NOWHERE)
            continue;
        int keep = places[i]; /* moves up; the missing ones stay in order among themselves */
        memmove(places + there + 1, places + there, (size_t)(i - there) * sizeof *places);
        places[there++] = keep;
    }
}

static void begin_reading(store_layer *l, place *p)
{
    expert_store *s = l->store;
    int ticket = (int)(l - s->layers) * s->experts + (int)(p - l->places);
    char *to = s->pool + (size_t)p->slot * s->slot_bytes;
    atomic_store(&p->missing, MATRICES);
    atomic_store(&p->lost, false);
    atomic_store(&p->state, READING);
    for (int m = 0; m < MATRICES; m++) {
        tensor_remap(p->matrix[m], to + reader_skip(&p->part[m]));
        reader_ask(s->reader, &p->part[m], to, ticket);
        to += reader_room(p->part[m].bytes);
        s->read_bytes += p->part[m].bytes;
    }
    s->reads++;
}

/* The most that may be held at once: all of them if they fit what the layer can have, else half of
 * that, so that the next half is read meanwhile. */
static int most_held(const store_layer *l, int n)
{
    const expert_store *s = l->store;
    int free = s->limit - s->used, own = l->count > owed(s) ? l->count : owed(s);
    int room = own + free < s->limit ? own + free : s->limit;
    room = room < 2 ? 2 : room;
    return n <= room ? n : room / 2;
}

static int source_hold(void *user, const int *places, int n)
{
    store_layer *l = user;
    int most = most_held(l, n), held = 0;
    l->store->clock++;
    for (; held < most; held++) {
        place *p = mine(l, places[held]) ? &l->places[places[held]] : NULL;
        if (!p)
            continue;
        bool missing = p->slot == NOWHERE;
        if (missing && (p->slot = take_slot(l)) == NOWHERE)
            break;
        p->held = true;
        p->called = l->store->clock;
        l->store->calls++;
        if (missing)
            begin_reading(l, p);
    }
    return held;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool source_wait(void *user, int index)
{
    const store_layer *l = user;
    expert_store *s = l->store;
    if (!mine(l, index))
        return true;
    place *p = &l->places[index];
    int state = atomic_load_explicit(&p->state, memory_order_acquire);
    if (state == READING) {
        double from = seconds_now();
        pthread_mutex_lock(&s->lock);
        while ((state = atomic_load(&p->state)) == READING)
            pthread_cond_wait(&s->arrived, &s->lock);
        s->waited += seconds_now() - from;
        pthread_mutex_unlock(&s->lock);
    }
    return state == THERE;
}

/* A place that was lost goes: the next call tries again. */
static void source_let_go(void *user, const int *places, int n)
{
    store_layer *l = user;
    for (int i = 0; i < n; i++) {
        if (!mine(l, places[i]))
            continue;
        place *p = &l->places[places[i]];
        p->held = false;
        if (!source_wait(l, places[i]))
            give_up(l, p);
    }
}

static void source_failed(void *user, error *err)
{
    const store_layer *l = user;
    expert_store *s = l->store;
    pthread_mutex_lock(&s->lock);
    *err = s->failure;
    s->failure = (error){0};
    pthread_mutex_unlock(&s->lock);
}

/* A reader has done one matrix of a place; the last of them tells. */
static void arrived(void *user, int ticket, const error *why)
{
    expert_store *s = user;
    place *p = place_of_ticket(s, ticket);
    if (why)
        atomic_store(&p->lost, true);
    pthread_mutex_lock(&s->lock);
    if (why && s->failure.code == ERROR_NONE)
        s->failure = *why;
    if (atomic_fetch_sub(&p->missing, 1) == 1) {
        atomic_store(&p->state, atomic_load(&p->lost) ? LOST : THERE);
        pthread_cond_broadcast(&s->arrived);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- opening ------------------------------------------------------------------------------------- */

static int open_place(const checkpoint *c, const layer_weights *w, int expert, place *p, backend *b,
                      error *err)
{
    p->slot = NOWHERE;
    for (int m = 0; m < MATRICES; m++) {
        const tensor *t = matrices_of(w, m)[expert];
        const uint8_t *data = tensor_host(t);
        const mapped_file *file = checkpoint_file(c, data);
        if (!file)
            return error_set(err, ERROR_RUN, "the experts lie in no file");
        p->part[m] = (reader_part){file, (uint64_t)(data - file->data), tensor_bytes(t)};
        p->matrix[m] = tensor_map(b, tensor_type(t), tensor_rows(t), tensor_cols(t), NULL, err);
        if (!p->matrix[m])
            return -1;
    }
    return 0;
}

/* The bank's places become those of the pool, or again the mapped ones. They are there already, so this
 * takes no memory and cannot fail. */
static void put_bank(store_layer *l, bool pool)
{
    for (int e = 0; e < l->store->experts; e++) {
        const tensor *m[MATRICES];
        for (int i = 0; i < MATRICES; i++)
            m[i] = pool ? l->places[e].matrix[i] : matrices_of(l->weights, i)[e];
        (void)expert_bank_put(l->weights->bank, e, 1, &m[0], &m[1], &m[2], NULL);
    }
    expert_bank_page(l->weights->bank, pool ? &l->source : NULL);
}

static int open_layer(expert_store *s, store_layer *l, const checkpoint *c, const layer_weights *w,
                      backend *b, error *err)
{
    *l = (store_layer){.store = s, .weights = w};
    l->source =
        (expert_source){source_order, source_hold, source_wait, source_let_go, source_failed, l};
    l->places = calloc((size_t)s->experts, sizeof *l->places);
    if (!l->places)
        return error_memory(err, "the pool of experts");
    for (int e = 0; e < s->experts; e++)
        if (open_place(c, w, e, &l->places[e], b, err))
            return -1;
    return 0;
}

static int open_layers(expert_store *s, weights *w, const checkpoint *c, backend *b, error *err)
{
    s->experts = w->experts;
    s->layers = calloc((size_t)w->moe_layers, sizeof *s->layers);
    if (!s->layers)
        return error_memory(err, "the pool of experts");
    for (int i = 0; i < w->layer_count; i++)
        if (w->layers[i].bank &&
            open_layer(s, &s->layers[s->layer_count++], c, &w->layers[i], b, err))
            return -1;
    return 0;
}

static void *reserve(const expert_store *s)
{
    void *pool = mmap(NULL, (size_t)s->most * s->slot_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pool == MAP_FAILED ? NULL : pool;
}

/* Address space for all experts, or where that is counted as memory, for so many slots; memory comes
 * with the first use of a slot. */
static int open_pool(expert_store *s, uint64_t slots, error *err)
{
    s->most = s->layer_count * s->experts;
    s->pool = reserve(s);
    if (!s->pool && slots >= LEAST_SLOTS && slots < (uint64_t)s->most) {
        s->most = (int)slots;
        s->pool = reserve(s);
    }
    s->spare = malloc((size_t)s->most * sizeof *s->spare);
    if (!s->pool || !s->spare)
        return error_memory(err, "the pool of experts");
    if (s->slot_bytes >= HUGE_PAGE)
        (void)madvise(s->pool, (size_t)s->most * s->slot_bytes, MADV_HUGEPAGE);
    for (int i = s->most; i > 0;)
        s->spare[s->spare_count++] = --i;
    return 0;
}

expert_store *expert_store_open(weights *w, const checkpoint *c, backend *b, uint64_t bytes,
                                error *err)
{
    expert_store *s = calloc(1, sizeof *s);
    if (!s) {
        error_memory(err, "the pool of experts");
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->arrived, NULL);
    s->slot_bytes = (size_t)expert_store_slot_bytes(w);
    int result = open_layers(s, w, c, b, err) || open_pool(s, bytes / s->slot_bytes, err) ? -1 : 0;
    if (!result &&
        !(s->reader = reader_open(s->layer_count * s->experts * MATRICES, arrived, s, err)))
        result = -1;
    if (result) {
        expert_store_close(s);
        return NULL;
    }
    for (int i = 0; i < s->layer_count; i++)
        put_bank(&s->layers[i], true);
    expert_store_resize(s, bytes);
    return s;
}

void expert_store_close(expert_store *s)
{
    if (!s)
        return;
    reader_close(s->reader);
    for (int i = 0; i < s->layer_count; i++) {
        store_layer *l = &s->layers[i];
        put_bank(l, false);
        for (int e = 0; l->places && e < s->experts; e++)
            for (int m = 0; m < MATRICES; m++)
                tensor_free(l->places[e].matrix[m]);
        free(l->places);
    }
    if (s->pool)
        (void)munmap(s->pool, (size_t)s->most * s->slot_bytes);
    pthread_cond_destroy(&s->arrived);
    pthread_mutex_destroy(&s->lock);
    free(s->spare);
    free(s->layers);
    free(s);
}

/* ---- size and figures ---------------------------------------------------------------------------- */

void expert_store_resize(expert_store *s, uint64_t bytes)
{
    uint64_t slots = bytes / s->slot_bytes;
    int before = s->limit;
    slots = slots < LEAST_SLOTS ? LEAST_SLOTS : slots;
    s->limit = slots < (uint64_t)s->most ? (int)slots : s->most;
    while (s->used > s->limit) {
        store_layer *from = &s->layers[0];
        for (int i = 1; i < s->layer_count; i++)
            from = s->layers[i].count > from->count ? &s->layers[i] : from;
        give_up(from, oldest(from));
    }
    for (int i = 0; s->limit < before && i < s->spare_count; i++)
        (void)madvise(s->pool + (size_t)s->spare[i] * s->slot_bytes, s->slot_bytes, MADV_DONTNEED);
}

void expert_store_figures_of(const expert_store *s, expert_store_figures *out)
{
    *out = (expert_store_figures){.bytes = (uint64_t)s->limit * s->slot_bytes,
                                  .slots = (uint64_t)s->limit,
                                  .total = (uint64_t)s->layer_count * (uint64_t)s->experts,
                                  .calls = s->calls,
                                  .reads = s->reads,
                                  .read_bytes = s->read_bytes,
                                  .waited = s->waited};
}
