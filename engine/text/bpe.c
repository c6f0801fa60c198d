/* bpe.c - see bpe.h.
 *
 * The merges are one open-addressed table over (left, right). A word's symbols are an array
 * that is also a linked list, so that merging two is changing two links. The queue holds rank
 * and place of each pair that can merge, lowest first; a merge queues the pairs that it makes
 * on either side and leaves the old ones in the queue. So an entry that comes out may be stale:
 * its left symbol is gone, or the pair there is another by now, and it is passed over (see
 * bpe.h for how that is told).
 */
#include "bpe.h"

#include <stdlib.h>

#include "../base/array.h"
#include "vocabulary.h"

#define NOWHERE UINT32_MAX

int bpe_open(bpe *b, size_t merges, error *err)
{
    *b = (bpe){.slots = 16, .seed = vocabulary_seed()};
    while (b->slots < 2 * merges)
        b->slots *= 2;
    b->slot = malloc(b->slots * sizeof *b->slot);
    b->result = calloc(merges ? merges : 1, sizeof *b->result);
    if (!b->slot || !b->result) {
        bpe_release(b);
        return error_memory(err, "the merges");
    }
    for (size_t i = 0; i < b->slots; i++)
        b->slot[i].left = NOWHERE;
    return 0;
}

void bpe_release(bpe *b)
{
    free(b->slot);
    free(b->result);
    *b = (bpe){0};
}

static bpe_merge *probe(const bpe *b, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * b->seed;
    h = (h ^ h >> 32) * UINT64_C(0x9FB21C651E98DF25);
    size_t mask = b->slots - 1;
    for (size_t i = (h ^ h >> 29) & mask;; i = (i + 1) & mask) {
        bpe_merge *m = &b->slot[i];
        if (m->left == NOWHERE || (m->left == left && m->right == right))
            return m;
    }
}

void bpe_add(bpe *b, int left, int right, uint32_t rank, int result)
{
    *probe(b, (uint32_t)left, (uint32_t)right) =
        (bpe_merge){(uint32_t)left, (uint32_t)right, rank, (uint32_t)result};
    b->result[rank] = (uint32_t)result;
}

/* The merge of a pair, or NULL. */
static const bpe_merge *lookup(const bpe *b, int left, int right)
{
    if (!b->slot)
        return NULL;
    const bpe_merge *m = probe(b, (uint32_t)left, (uint32_t)right);
    return m->left == NOWHERE ? NULL : m;
}

void bpe_word_clear(bpe_word *w)
{
    w->len = 0;
    w->queued = 0;
}

void bpe_word_release(bpe_word *w)
{
    free(w->v);
    free(w->queue);
    *w = (bpe_word){0};
}

int bpe_word_add(bpe_word *w, int id, error *err)
{
    /* Places are 32-bit numbers; two below the top value stay free for NOWHERE. */
    if (w->len >= NOWHERE - 1)
        return error_set(err, ERROR_USAGE, "the text has a word of more than %zu symbols", w->len);
    bpe_symbol *v = array_room(w->v, w->len, &w->cap, sizeof *v, "a word's symbols", err);
    if (!v)
        return -1;
    w->v = v;
    uint32_t at = (uint32_t)w->len;
    if (at)
        w->v[at - 1].next = at;
    w->v[w->len++] = (bpe_symbol){id, at ? at - 1 : NOWHERE, NOWHERE, 1};
    return 0;
}

static int push(bpe_word *w, uint64_t key, error *err)
{
    uint64_t *queue =
        array_room(w->queue, w->queued, &w->queue_cap, sizeof *queue, "a word's merges", err);
    if (!queue)
        return -1;
    w->queue = queue;
    size_t i = w->queued++;
    while (i > 0 && key < w->queue[(i - 1) / 4]) {
        w->queue[i] = w->queue[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    w->queue[i] = key;
    return 0;
}

static uint64_t pop(bpe_word *w)
{
    uint64_t *queue = w->queue, top = queue[0], last = queue[--w->queued];
    size_t i = 0, n = w->queued;
    for (size_t child = 1; child < n; child = 4 * i + 1) {
        size_t least = child, end = child + 4 < n ? child + 4 : n;
        while (++child < end)
            if (queue[child] < queue[least])
                least = child;
        if (last <= queue[least])
            break;
        queue[i] = queue[least];
        i = least;
    }
    queue[i] = last;
    return top;
}

/* Queues the pair that starts at `at`, if it merges. */
static int consider(bpe_word *w, const bpe *b, uint32_t at, error *err)
{
    if (at == NOWHERE || w->v[at].next == NOWHERE)
        return 0;
    const bpe_merge *m = lookup(b, w->v[at].id, w->v[w->v[at].next].id);
    return m ? push(w, (uint64_t)m->rank << 32 | at, err) : 0;
}

int bpe_word_merge(bpe_word *w, const bpe *b, error *err)
{
    for (size_t i = 0; i + 1 < w->len; i++)
        if (consider(w, b, (uint32_t)i, err))
            return -1;
    while (w->queued) {
        uint64_t top = pop(w);
        uint32_t at = (uint32_t)top, rank = (uint32_t)(top >> 32);
        bpe_symbol *left = &w->v[at];
        if (!left->alive || left->next == NOWHERE)
            continue;
        bpe_symbol *right = &w->v[left->next];
        const bpe_merge *m = lookup(b, left->id, right->id);
        if (!m || (m->rank != rank && m->result != b->result[rank]))
            continue;
        left->id = (int)m->result;
        left->next = right->next;
        right->alive = 0;
        if (right->next != NOWHERE)
            w->v[right->next].prev = at;
        if (consider(w, b, left->prev, err) || consider(w, b, at, err))
            return -1;
    }
    return 0;
}
