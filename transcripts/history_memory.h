/* history_memory.h - the one pool that a history lives in, and how records get there.
 *
 * Everything is allocated from chunks and freed at once; a list that grows leaves its old storage
 * behind. Records that readers may look into (prompts, settings) stay as they were parsed.
 */
#ifndef TRANSCRIPTS_HISTORY_MEMORY_H
#define TRANSCRIPTS_HISTORY_MEMORY_H

#include "history.h"
#include "history_index.h"

typedef struct history_memory {
    struct history_chunk *chunks;
    json_document **documents;
    size_t document_count, document_cap;
    history_index by_record, by_number; /* turns, by their prompt's n and by their number */
    bool blind;                         /* as the notes say */
} history_memory;

/* size bytes, zeroed; NULL without memory. */
void *history_take(history_memory *m, size_t size, error *err);
const char *history_copy(history_memory *m, const char *bytes, size_t n, error *err);
/* *list, `count` items of `size` bytes, gets room for one more and is counted. The new item is zeroed;
 * NULL without memory. Storage doubles whenever count is a power of two. */
void *history_add(history_memory *m, void *list, int *count, size_t size, error *err);
void history_memory_release(history_memory *m);

/* One record joins the history. *keep: the document must live as long as the history. *odd: a field was
 * passed over because its value cannot be. -1 only without memory. */
int history_record(history *h, const json *record, bool *keep, bool *odd, error *err);
/* When all are in: which versions of an answer belong together. */
int history_link_versions(history *h, error *err);

#endif
