/* name_index.h - a hash index over names that strangers chose.
 *
 * The index stores no names, only (hash, number) pairs; the owner keeps the names and answers
 * "is number i this name?". The hash is SipHash keyed with random bytes per index, so a file cannot
 * be made to put its names into one bucket: insertion and lookup stay O(1) for any input.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012); 1 and 3 rounds here.
 */
#ifndef ENGINE_NAME_INDEX_H
#define ENGINE_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

/* {0} is valid and empty. slots: [cap] of (hash, number + 1), open addressing, cap a power of 2. */
typedef struct name_index {
    struct name_index_slot *slots;
    size_t len, cap;
    uint64_t key[2];
} name_index;

/* True when entry `number` of the owner is called bytes[0..len). */
typedef bool name_index_same(const void *owner, uint32_t number, const void *bytes, size_t len);

/* Room for `count` names without growing. */
int name_index_reserve(name_index *n, size_t count, error *err);
/* Adds `number` under bytes[0..len) (salt: a scope; names of different salts never meet in `same`
 * by chance more than in a hash tie, so `same` must compare the scope too). 0 = added; 1 = the name
 * is there already, *found is its number; -1 = out of memory. */
int name_index_add(name_index *n, uint64_t salt, const void *bytes, size_t len, uint32_t number,
                   name_index_same *same, const void *owner, uint32_t *found, error *err);
/* True and *found when the name is there. */
bool name_index_find(const name_index *n, uint64_t salt, const void *bytes, size_t len,
                     name_index_same *same, const void *owner, uint32_t *found);
void name_index_release(name_index *n); /* frees and empties */

#endif
