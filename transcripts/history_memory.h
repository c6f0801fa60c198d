/* history_memory.h - what a history keeps behind it, and how records get there.
 *
 * What is of no turn lies in one region. Settings, which readers may look into, stay as they
 * were parsed.
 */
#ifndef TRANSCRIPTS_HISTORY_MEMORY_H
#define TRANSCRIPTS_HISTORY_MEMORY_H

#include "history.h"
#include "history_index.h"

typedef struct history_memory {
    region texts;
    json_document **documents;
    int document_count;
    history_index by_record, by_number; /* turns, by their prompt's n and by their number */
    bool blind;                         /* as the notes say */
} history_memory;

/* One record joins the history. *keep: the document must live as long as the history. *odd: a
 * field was passed over because its value cannot be. -1 only without memory. */
int history_record(history *h, const json *record, bool *keep, bool *odd, error *err);

#endif
