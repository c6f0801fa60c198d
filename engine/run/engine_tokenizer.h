/* engine_tokenizer.h - a model that reads and writes by another tokenizer than its own. */
#ifndef ENGINE_ENGINE_TOKENIZER_H
#define ENGINE_ENGINE_TOKENIZER_H

#include "engine.h"

/* Takes the tokenizer of `path` (tokenizer_open_other()) in place of the model's, right after
 * engine_open(): nobody may hold the old one. chat: as in engine_open(). ERROR_LOAD. */
int engine_set_tokenizer(engine *e, const char *path, const chat_options *chat,
                         checkpoint_warn *warn, void *user, error *err);

/* The file or folder that it was taken from, a whole path, borrowed; NULL = the model's own. */
const char *engine_tokenizer_path(const engine *e);
/* SHA-256 of that file (of a folder its tokenizer.json), 64 hex digits; "" of a very large one, and of the
 * model's own. Borrowed. */
const char *engine_tokenizer_hash(const engine *e);

#endif
