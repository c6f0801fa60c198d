/* history_index.h - from a number to the index of the last thing that bore it.
 *
 * Records name each other by number, and a file may name any of them from anywhere; looking a number
 * up is one step however long the conversation is. Keys are positive, values not negative. {0} is an
 * empty one.
 */
#ifndef TRANSCRIPTS_HISTORY_INDEX_H
#define TRANSCRIPTS_HISTORY_INDEX_H

#include <stddef.h>

#include "../kernels/error.h"

typedef struct history_entry {
    int key, value; /* key 0 = free */
} history_entry;

typedef struct history_index {
    history_entry *v; /* [cap], open addressing; cap is a power of two, at least twice count */
    size_t count, cap;
} history_index;

/* An entry of that key takes the new value. -1 only without memory. */
int history_index_put(history_index *x, int key, int value, error *err);
/* -1 when there is none. */
int history_index_get(const history_index *x, int key);
void history_index_release(history_index *x);

#endif
