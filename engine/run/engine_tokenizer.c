/* engine_tokenizer.c - see engine_tokenizer.h. */
#include "engine_tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/digest.h"
#include "../base/folder.h"
#include "../text/tokenizer_file.h"
#include "engine_state.h"

/* A GGUF file may be all of a model: what is larger is known by its path alone. */
enum { HASHED_MOST = 256 << 20 };

static int note_file(engine *e, const char *path, error *err)
{
    struct stat st;
    char *whole = realpath(path, NULL), *inside = NULL;
    free(e->tokenizer_path);
    e->tokenizer_path = whole ? whole : strdup(path);
    e->tokenizer_hash[0] = '\0';
    if (!e->tokenizer_path)
        return error_memory(err, "a tokenizer");
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!(inside = string_format(err, "%s/tokenizer.json", path)))
            return -1;
        path = inside;
    }
    if (stat(path, &st) == 0 && st.st_size <= HASHED_MOST)
        digest_files(&path, 1, e->tokenizer_hash);
    free(inside);
    return 0;
}

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
    return note_file(e, path, err) || engine_open_text(e, chat, err) ? -1 : 0;
}

const char *engine_tokenizer_path(const engine *e)
{
    return e->tokenizer_path;
}

const char *engine_tokenizer_hash(const engine *e)
{
    return e->tokenizer_hash;
}
