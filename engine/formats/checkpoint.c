/* checkpoint.c - see checkpoint.h: chooses the format, then only forwards.
 *
 * Opening has three steps that the formats take in another order. A directory gives its
 * configuration first, because that is small and a model that cannot run should not be mapped;
 * a GGUF file gives its tensors first, because some dimensions only follow from their shapes.
 * Then comes the chat template. Everything that a tensor or a text points to is in a mapping
 * that lives as long as the checkpoint.
 */
#include "checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/checked.h"
#include "../base/json.h"
#include "../base/mapped_file.h"
#include "config.h"
#include "gguf.h"
#include "safetensors.h"
#include "tensor_list.h"

enum { MAX_TEMPLATE = 1 << 20, MAX_TOKENIZER_CONFIG = 64 << 20 };

struct checkpoint {
    char *path;
    bool directory;
    gguf *gguf; /* one of these two is set */
    safetensors *shards;
    tensor_list tensors;
    model_config config;
    char *chat_template;
};

/* ---- chat template -------------------------------------------------------------------------- */

/* A template is handed out as a C string, so it may not hold what would end one early. */
static int keep_template(checkpoint *c, const char *where, const char *text, size_t len, error *err)
{
    if (memchr(text, '\0', len))
        return error_set(err, ERROR_LOAD, "%s: the chat template holds a NUL byte", where);
    if (len > MAX_TEMPLATE)
        return error_set(err, ERROR_LOAD,
                         "%s: the chat template has %zu bytes, at most %d are read", where, len,
                         MAX_TEMPLATE);
    c->chat_template = strndup(text, len);
    return c->chat_template ? 0 : error_memory(err, "a chat template");
}

/* tokenizer_config.json: a string, or a list of {"name", "template"} of which "default" counts. */
static int template_of_config(checkpoint *c, const char *where, const json *root, error *err)
{
    const json *v = json_member(root, "chat_template");
    const char *name, *text = NULL;
    if (!v || json_type(v) == JSON_NULL)
        return 0;
    if (json_type(v) == JSON_STRING)
        text = json_string(v);
    else if (json_type(v) != JSON_ARRAY)
        return error_set(err, ERROR_LOAD, "%s: chat_template is neither a string nor a list",
                         where);
    for (const json *at = text ? NULL : json_first(v); at; at = json_next(at)) {
        const char *candidate = NULL;
        name = "";
        if (json_get_string(at, "name", &name, err) < 0 ||
            json_get_string(at, "template", &candidate, err) < 0)
            return error_prefix(err, "%s: chat_template: ", where);
        if (strcmp(name, "default") == 0)
            text = candidate;
    }
    return text ? keep_template(c, where, text, strlen(text), err) : 0;
}

/* The template in a JSON file that may not be there. */
static int template_in(checkpoint *c, buf *where, const char *name, error *err)
{
    buf_clear(where);
    if (buf_format(where, err, "%s/%s", c->path, name))
        return -1;
    if (access(where->v, F_OK) != 0)
        return 0;
    json_document *d = json_load(where->v, MAX_TOKENIZER_CONFIG, err);
    int result = d ? template_of_config(c, where->v, json_root(d), err) : -1;
    json_close(d);
    return result;
}

/* chat_template.jinja wins over tokenizer_config.json, as in transformers; what older
 * processors wrote comes last. */
static int read_template(checkpoint *c, buf *where, error *err)
{
    if (buf_format(where, err, "%s/chat_template.jinja", c->path))
        return -1;
    if (access(where->v, F_OK) == 0) {
        char *text;
        size_t len;
        if (file_read_all(where->v, MAX_TEMPLATE, &text, &len, err))
            return -1;
        int result = keep_template(c, where->v, text, len, err);
        free(text);
        return result;
    }
    if (template_in(c, where, "tokenizer_config.json", err))
        return -1;
    return c->chat_template ? 0 : template_in(c, where, "chat_template.json", err);
}

/* ---- opening -------------------------------------------------------------------------------- */

static const checkpoint_tensor *find(const checkpoint *c, const char *name)
{
    return tensor_list_find(&c->tensors, name, strlen(name));
}

/* transformers ties the output matrix to the embedding unless the file brings both and they
 * differ; then it keeps both. */
static void check_tied(checkpoint *c, checkpoint_warn *warn, void *user)
{
    const checkpoint_tensor *output = find(c, "lm_head.weight");
    const checkpoint_tensor *embedding = find(c, "model.embed_tokens.weight");
    if (!c->config.tied || !output || !embedding)
        return;
    if (output->type == embedding->type && output->bytes == embedding->bytes &&
        memcmp(output->data, embedding->data, output->bytes) == 0)
        return;
    c->config.tied = false;
    if (warn)
        warn(user, CHECKPOINT_DETAIL,
             "config.json: tie_word_embeddings is true, but lm_head.weight differs from the "
             "embedding; it is used");
}

/* The configuration first: it is small, and a model that cannot run should not map gigabytes. */
static int open_directory(checkpoint *c, checkpoint_warn *warn, void *user, error *err)
{
    buf where = {0};
    c->directory = true;
    if (config_from_directory(c->path, warn, user, &c->config, err))
        return -1;
    c->shards = safetensors_open(c->path, &c->tensors, err);
    if (!c->shards)
        return -1;
    check_tied(c, warn, user);
    int result = read_template(c, &where, err);
    buf_release(&where);
    return result;
}

/* Here the tensors come first: some dimensions are only known from their shapes. */
static int open_gguf(checkpoint *c, checkpoint_warn *warn, void *user, error *err)
{
    const char *text;
    size_t len;
    c->gguf = gguf_open(c->path, &c->tensors, err);
    if (!c->gguf || config_from_gguf(c->gguf, &c->tensors, warn, user, &c->config, err))
        return -1;
    int found = gguf_get_string(c->gguf, "tokenizer.chat_template", &text, &len, err);
    if (found == 0)
        found = gguf_get_string(c->gguf, "tokenizer.chat_template.default", &text, &len, err);
    return found > 0 ? keep_template(c, c->path, text, len, err) : found;
}

static int open_path(checkpoint *c, checkpoint_warn *warn, void *user, error *err)
{
    struct stat st;
    int count;
    if (stat(c->path, &st))
        return error_set(err, ERROR_LOAD, "%s: cannot open: %s", c->path, strerror(errno));
    int result =
        S_ISDIR(st.st_mode) ? open_directory(c, warn, user, err) : open_gguf(c, warn, user, err);
    if (result == 0 && !checked_int(c->tensors.len, &count))
        return error_set(err, ERROR_LOAD, "%s: has too many tensors", c->path);
    return result;
}

checkpoint *checkpoint_open(const char *path, checkpoint_warn *warn, void *user, error *err)
{
    checkpoint *c = calloc(1, sizeof *c);
    if (c)
        c->path = strdup(path);
    if (!c || !c->path) {
        free(c);
        error_memory(err, "a model");
        return NULL;
    }
    if (open_path(c, warn, user, err) == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}

void checkpoint_close(checkpoint *c)
{
    if (!c)
        return;
    tensor_list_release(&c->tensors); /* its entries point into the mappings closed next */
    gguf_close(c->gguf);
    safetensors_close(c->shards);
    free(c->chat_template);
    free(c->path);
    free(c);
}

int checkpoint_tweak(checkpoint *c, const model_tweaks *t, error *err)
{
    return model_tweaks_apply(t, &c->config, err);
}

/* ---- asking --------------------------------------------------------------------------------- */

const char *checkpoint_path(const checkpoint *c)
{
    return c->path;
}

/* Cuts the last part off a path; it is what is returned. */
static char *cut_part(char *path)
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        path[--n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return path;
    *slash = '\0';
    return slash + 1;
}

/* What the folder `whole` is called, by its typed name or else by where it is; cuts `whole`. */
static const char *folder_name(const char *typed, char *whole)
{
    const char *own = cut_part(whole), *above = cut_part(whole), *repository = cut_part(whole);
    const char *name = NULL;
    if (strcmp(above, "snapshots") == 0 && strncmp(repository, "models--", 8) == 0)
        for (const char *at = repository; (at = strstr(at, "--")) != NULL;)
            name = at += 2;
    if (name && *name)
        return name;
    return strcmp(typed, ".") == 0 || strcmp(typed, "..") == 0 ? own : typed;
}

char *checkpoint_name(const checkpoint *c, error *err)
{
    char *path = strdup(c->path), *whole = c->directory ? realpath(c->path, NULL) : NULL;
    const char *typed = path ? cut_part(path) : NULL;
    char *name = typed ? strdup(whole ? folder_name(typed, whole) : typed) : NULL;
    if (!name)
        (void)error_memory(err, "a model's name");
    free(path);
    free(whole);
    return name;
}

const model_config *checkpoint_config(const checkpoint *c)
{
    return &c->config;
}

int checkpoint_index(const checkpoint *c, const char *name)
{
    const checkpoint_tensor *t = find(c, name);
    return t ? (int)(t - c->tensors.v) : -1;
}

int checkpoint_count(const checkpoint *c)
{
    return (int)c->tensors.len;
}

void checkpoint_at(const checkpoint *c, int i, checkpoint_tensor *out)
{
    *out = c->tensors.v[i];
}

const struct gguf *checkpoint_gguf(const checkpoint *c)
{
    return c->gguf;
}

const char *checkpoint_directory(const checkpoint *c)
{
    return c->directory ? c->path : NULL;
}

const char *checkpoint_metadata(const checkpoint *c, size_t *len)
{
    *len = 0;
    return c->shards ? safetensors_metadata(c->shards, len) : NULL;
}

const char *checkpoint_chat_template(const checkpoint *c)
{
    return c->chat_template;
}

int checkpoint_intact(const checkpoint *c, error *err)
{
    if (c->gguf)
        return gguf_intact(c->gguf, err);
    return c->shards ? safetensors_intact(c->shards, err) : 0;
}

const mapped_file *checkpoint_file(const checkpoint *c, const void *data)
{
    if (c->gguf)
        return gguf_file(c->gguf, data);
    return c->shards ? safetensors_file(c->shards, data) : NULL;
}
