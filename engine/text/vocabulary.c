/* vocabulary.c - see vocabulary.h.
 *
 * Open addressing with linear probing, never more than two thirds full, sized once: the loader
 * knows the number of tokens before it adds the first.
 */
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint64_t vocabulary_seed(void)
{
    uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);
    /* Without a random source the fixed seed is still correct, only predictable. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        return UINT64_C(0x9E3779B97F4A7C15);
    return seed | 1;
}

__extension__ typedef unsigned __int128 wide;

/* Folds the 128-bit product: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(uint64_t seed, const char *s, size_t len)
{
    uint64_t h = mix(seed ^ len, UINT64_C(0xA0761D6478BD642F));
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, s, 8);
        h = mix(h ^ word, seed ^ UINT64_C(0xE7037ED1A0B428DB));
        s += 8;
        len -= 8;
    }
    uint64_t last = 0;
    memcpy(&last, s, len);
    return mix(h ^ last, seed ^ UINT64_C(0x8EBC6AF09C88C6E3));
}

int vocabulary_open(vocabulary *v, size_t count, error *err)
{
    *v = (vocabulary){.seed = vocabulary_seed()};
    if (count > VOCABULARY_MAX)
        return error_set(err, ERROR_LOAD, "%zu tokens; at most %d are supported", count,
                         VOCABULARY_MAX);
    v->slots = 16;
    while (v->slots < count + count / 2)
        v->slots *= 2;
    v->entry = calloc(count ? count : 1, sizeof *v->entry);
    v->slot = malloc(v->slots * sizeof *v->slot);
    if (!v->entry || !v->slot) {
        vocabulary_release(v);
        return error_memory(err, "the vocabulary");
    }
    for (size_t i = 0; i < v->slots; i++)
        v->slot[i].id = -1;
    v->count = (int)count;
    return 0;
}

void vocabulary_release(vocabulary *v)
{
    free(v->entry);
    free(v->slot);
    free(v->text);
    *v = (vocabulary){0};
}

/* Appends bytes to the text; *at is where they lie. */
static int keep(vocabulary *v, const char *s, size_t len, size_t *at, error *err)
{
    if (len > UINT32_MAX)
        return error_set(err, ERROR_LOAD, "a token of %zu bytes is too long", len);
    if (len > v->text_cap - v->text_len) {
        size_t cap = v->text_cap ? v->text_cap * 2 : 4096;
        while (cap - v->text_len < len)
            cap *= 2;
        char *text = realloc(v->text, cap);
        if (!text)
            return error_memory(err, "the vocabulary");
        v->text = text;
        v->text_cap = cap;
    }
    if (len)
        memcpy(v->text + v->text_len, s, len);
    *at = v->text_len;
    v->text_len += len;
    return 0;
}

/* The slot that holds this content, or the free one where it would go. */
static vocabulary_slot *probe(const vocabulary *v, const char *s, size_t len, uint64_t hash)
{
    size_t mask = v->slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        vocabulary_slot *slot = &v->slot[i];
        if (slot->id < 0)
            return slot;
        const vocabulary_entry *e = &v->entry[slot->id];
        if (slot->hash == (uint32_t)(hash >> 32) && e->content_len == len &&
            memcmp(v->text + e->content, s, len) == 0)
            return slot;
    }
}

int vocabulary_add(vocabulary *v, int id, const char *content, size_t len, token_kind kind,
                   error *err)
{
    vocabulary_entry *e = &v->entry[id];
    if (keep(v, content, len, &e->content, err))
        return -1;
    e->content_len = (uint32_t)len;
    e->kind = kind;
    if (len > v->longest)
        v->longest = len;
    uint64_t hash = hash_bytes(v->seed, content, len);
    vocabulary_slot *slot = probe(v, content, len, hash);
    if (slot->id < 0)
        *slot = (vocabulary_slot){(uint32_t)(hash >> 32), id};
    return 0;
}

int vocabulary_set_piece(vocabulary *v, int id, const char *piece, size_t len, error *err)
{
    vocabulary_entry *e = &v->entry[id];
    if (keep(v, piece, len, &e->piece, err))
        return -1;
    e->piece_len = (uint32_t)len;
    return 0;
}

int vocabulary_find(const vocabulary *v, const char *content, size_t len)
{
    if (v->count == 0 || len > v->longest)
        return -1;
    return probe(v, content, len, hash_bytes(v->seed, content, len))->id;
}

const char *vocabulary_content(const vocabulary *v, int id, size_t *len)
{
    *len = v->entry[id].content_len;
    return v->text ? v->text + v->entry[id].content : "";
}

const char *vocabulary_piece(const vocabulary *v, int id, size_t *len)
{
    *len = v->entry[id].piece_len;
    return v->text ? v->text + v->entry[id].piece : "";
}
