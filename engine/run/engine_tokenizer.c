/* engine_tokenizer.c - see engine_tokenizer.h. */
#include "engine_tokenizer.h"

#include "../text/tokenizer_file.h"
#include "engine_state.h"

int engine_set_tokenizer(engine *e, const char *path, const chat_options *chat,
                         checkpoint_warn *warn, void *user, error *err)
{
    tokenizer *t;
    if (tokenizer_open_other(path, e->tokenizer, engine_config(e)->vocabulary, warn, user, &t, err))
        return -1;
    chat_close(e->chat);
    e->chat = NULL;
    e->chat_problem = (error){0};
    tokens_release(&e->stops);
    tokenizer_close(e->tokenizer);
    e->tokenizer = t;
    return engine_open_text(e, chat, err);
}
