/* engine_tokenizer.h - a model that reads and writes by another tokenizer than its own. */
#ifndef ENGINE_ENGINE_TOKENIZER_H
#define ENGINE_ENGINE_TOKENIZER_H

#include "engine.h"

/* Takes the tokenizer of `path` (tokenizer_open_other()) in place of the model's, right after
 * engine_open(): nobody may hold the old one. chat: as in engine_open(). ERROR_LOAD. */
int engine_set_tokenizer(engine *e, const char *path, const chat_options *chat,
                         checkpoint_warn *warn, void *user, error *err);

#endif
