/* name_index.c - see name_index.h.
 *
 * Linear probing over a power of two of slots, at most three quarters full. A slot keeps 32 bits of
 * the hash: enough to move it when the table grows without asking the owner, and to make a call of
 * `same` rare for names that differ.
 */
#include "name_index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* hash: the low half of the SipHash; taken: number + 1, so that zeroed slots are empty. */
typedef struct name_index_slot {
    uint32_t hash, taken;
} name_index_slot;

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* The names v0..v3, the rotations and their order are the paper's. */
static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-1-3 of the salt (8 bytes) followed by the name. */
static uint32_t hash_of(const name_index *n, uint64_t salt, const unsigned char *bytes, size_t len)
{
    uint64_t v[4] = {n->key[0] ^ 0x736f6d6570736575, n->key[1] ^ 0x646f72616e646f6d,
                     n->key[0] ^ 0x6c7967656e657261, n->key[1] ^ 0x7465646279746573};
    sip_word(v, salt);
    size_t whole = len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        sip_word(v, word);
    }
    uint64_t last = (uint64_t)(len + 8) << 56;
    for (size_t i = whole; i < len; i++)
        last |= (uint64_t)bytes[i] << 8 * (i - whole);
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* Random bytes from the kernel; should it have none, a guess is only a speed risk, not a fault. */
static void choose_key(name_index *n)
{
    if (getrandom(n->key, sizeof n->key, GRND_NONBLOCK) == (ssize_t)sizeof n->key)
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    n->key[0] = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15;
    n->key[1] = (uint64_t)(uintptr_t)n ^ (uint64_t)now.tv_sec;
}

/* The first free slot from the hash on; there is one, the table is never full. */
static void place(name_index_slot *slots, size_t cap, name_index_slot slot)
{
    size_t at = slot.hash & (cap - 1);
    while (slots[at].taken)
        at = (at + 1) & (cap - 1);
    slots[at] = slot;
}

/* Moves everything to `cap` slots. The key is chosen once: stored hashes stay good. */
static int grow(name_index *n, size_t cap, error *err)
{
    name_index_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return error_memory(err, "an index of names");
    if (!n->cap)
        choose_key(n);
    for (size_t i = 0; i < n->cap; i++)
        if (n->slots[i].taken)
            place(slots, cap, n->slots[i]);
    free(n->slots);
    n->slots = slots;
    n->cap = cap;
    return 0;
}

int name_index_reserve(name_index *n, size_t count, error *err)
{
    if (count >= UINT32_MAX / 2)
        return error_memory(err, "an index of names");
    size_t cap = n->cap ? n->cap : 16;
    while (cap / 4 * 3 < count)
        cap *= 2;
    return cap == n->cap ? 0 : grow(n, cap, err);
}

bool name_index_find(const name_index *n, uint64_t salt, const void *bytes, size_t len,
                     name_index_same *same, const void *owner, uint32_t *found)
{
    if (!n->len)
        return false;
    uint32_t hash = hash_of(n, salt, bytes, len);
    for (size_t at = hash & (n->cap - 1); n->slots[at].taken; at = (at + 1) & (n->cap - 1)) {
        uint32_t number = n->slots[at].taken - 1;
        if (n->slots[at].hash == hash && same(owner, number, bytes, len)) {
            *found = number;
            return true;
        }
    }
    return false;
}

int name_index_add(name_index *n, uint64_t salt, const void *bytes, size_t len, uint32_t number,
                   name_index_same *same, const void *owner, uint32_t *found, error *err)
{
    if (name_index_find(n, salt, bytes, len, same, owner, found))
        return 1;
    if (name_index_reserve(n, n->len + 1, err))
        return -1;
    place(n->slots, n->cap, (name_index_slot){hash_of(n, salt, bytes, len), number + 1});
    n->len++;
    return 0;
}

void name_index_release(name_index *n)
{
    free(n->slots);
    *n = (name_index){0};
}
