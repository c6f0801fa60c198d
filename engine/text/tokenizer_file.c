/* tokenizer_file.c - a tokenizer that is named by itself, and how two of them compare. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/folder.h"
#include "../formats/gguf.h"
#include "tokenizer_file.h"
#include "tokenizer_parts.h"

static const char NAME[] = "tokenizer.json";

static int from_gguf(const char *path, tokenizer **out, error *err)
{
    tensor_list tensors = {0};
    gguf *g = gguf_open(path, &tensors, err);
    int result = g ? tokenizer_from_gguf(g, out, err) : -1;
    tensor_list_release(&tensors);
    gguf_close(g);
    return result;
}

/* Of "x/tokenizer.json" the folder "x"; NULL for another file. Caller frees. */
static char *folder_of(const char *path)
{
    size_t n = strlen(path), m = sizeof NAME - 1;
    if (n < m || strcmp(path + n - m, NAME) != 0 || (n > m && path[n - m - 1] != '/'))
        return NULL;
    return n == m ? strdup(".") : strndup(path, n - m - 1);
}

static int open_file(const char *path, tokenizer **out, error *err)
{
    struct stat st;
    char *around = folder_of(path);
    *out = NULL;
    bool directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int result = around      ? tokenizer_from_json(around, out, err)
                 : directory ? tokenizer_from_json(path, out, err)
                             : from_gguf(path, out, err);
    free(around);
    if (!result && !*out)
        result = error_set(err, ERROR_LOAD,
                           "%s: holds no tokenizer: name a tokenizer.json, a folder with one, or a "
                           "GGUF file",
                           path);
    return result;
}

/* How many ids have another content; both have as many. */
static int differences(const tokenizer *a, const tokenizer *b)
{
    int n = 0;
    for (int id = 0; id < tokenizer_count(a); id++) {
        size_t left = 0, right = 0;
        const char *mine = tokenizer_content(a, id, &left);
        const char *theirs = tokenizer_content(b, id, &right);
        n += left != right || (left && memcmp(mine, theirs, left) != 0);
    }
    return n;
}

static int check_size(const char *path, const tokenizer *t, const tokenizer *own, int rows,
                      error *err)
{
    int theirs = tokenizer_count(t), mine = own ? tokenizer_count(own) : rows;
    if (own ? theirs == mine : theirs <= mine)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: has %d tokens, the model's %s %d: ids would not fit",
                     path, theirs, own ? "own tokenizer" : "vocabulary", mine);
}

int tokenizer_open_other(const char *path, const tokenizer *own, int rows, checkpoint_warn *warn,
                         void *user, tokenizer **out, error *err)
{
    char sentence[512];
    if (open_file(path, out, err))
        return -1;
    if (check_size(path, *out, own, rows, err)) {
        tokenizer_close(*out);
        *out = NULL;
        return -1;
    }
    int count = tokenizer_count(*out), n = own ? differences(own, *out) : count;
    (void)snprintf(sentence, sizeof sentence,
                   "%s: text is read and written by this tokenizer, not the model's own; %d of %d "
                   "tokens %s",
                   path, n, count, own ? "differ" : "are new to the model");
    if (warn)
        warn(user, CHECKPOINT_WARNING, sentence);
    return 0;
}

size_t tokenizer_bytes(const tokenizer *t, const int *ids, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        (void)tokenizer_piece(t, ids[i], &len);
        bytes += len;
    }
    return bytes;
}
