/* history_memory.h - the one pool that a history lives in, and how records get there.
 *
 * Everything is allocated from chunks and freed at once; a list that grows leaves its old storage
 * behind. Records that readers may look into (prompts, settings) stay as they were parsed.
 */
#ifndef TRANSCRIPTS_HISTORY_MEMORY_H
#define TRANSCRIPTS_HISTORY_MEMORY_H

#include "history.h"

typedef struct history_memory {
    struct history_chunk *chunks;
    json_document **documents;
    size_t document_count, document_cap;
    bool blind; /* as the notes say */
} history_memory;

/* size bytes, zeroed; NULL without memory. */
void *history_take(history_memory *m, size_t size, error *err);
const char *history_copy(history_memory *m, const char *bytes, size_t n, error *err);
/* *list, `count` items of `size` bytes, gets room for one more and is counted. The new item is zeroed;
 * NULL without memory. Storage doubles whenever count is a power of two. */
void *history_add(history_memory *m, void *list, int *count, size_t size, error *err);
void history_memory_release(history_memory *m);

/* One record joins the history; fields of a wrong type are passed over. *keep: the document must
 * live as long as the history. -1 only without memory. */
int history_record(history *h, const json *record, bool *keep, error *err);

#endif
