/* special_ids.h - which number in a field of a model's file names a token.
 *
 * A special id says which token begins a text, ends one, pads it. Two numbers mean "there is none"
 * wherever one may stand: 4294967295, as GGUF writes it, and -1, the same 32 bits. Any other number
 * that is no token of the vocabulary is a mistake in the file that need not stop anybody: it counts
 * as none and is told, as a warning where this program would have used it.
 */
#ifndef ENGINE_SPECIAL_IDS_H
#define ENGINE_SPECIAL_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "load_notes.h"

/* Who is told, and the file's name in the sentence. */
typedef struct special_ids {
    const char *where;
    int64_t tokens; /* of the vocabulary */
    checkpoint_warn *warn;
    void *user;
} special_ids;

/* `id`, or -1 when it is none. used: the program acts by this field. */
int64_t special_id(const special_ids *s, const char *key, int64_t id, bool used);

#endif
