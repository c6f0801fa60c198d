/* source_path.c - from a path that exists to the model that it means.
 *
 * A file is itself, a folder of safetensors too. A folder with one GGUF file means that file;
 * what else a folder may be - a repository of the Hugging Face cache, an adapter, a tokenizer
 * without a model - is followed or told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/folder.h"
#include "source_place.h"

static bool has(const char *dir, const char *name)
{
    char *path = string_format(NULL, "%s/%s", dir, name);
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcasecmp(name + n - m, end) == 0;
}

/* The first name in the folder with this ending, or NULL. Borrowed. */
static const char *name_with(const folder *names, const char *ending)
{
    for (size_t i = 0; i < names->len; i++)
        if (ends_with(names->v[i], ending))
            return names->v[i];
    return NULL;
}

/* ---- what a folder without a model is --------------------------------------------------------- */

static const char *const unfinished[] = {".incomplete", ".part", ".aria2", ".crdownload",
                                         ".partial"};
static const char *const pickles[] = {
    "pytorch_model.bin", ".pth", ".pt", "pytorch_model.bin.index.json", ".ckpt", ".bin"};
static const char *const others[] = {".onnx",    ".h5",   ".msgpack", ".tflite",
                                     ".mlmodel", ".nemo", ".ggml"};

static const char *any_of(const folder *names, const char *const *endings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name_with(names, endings[i]))
            return name_with(names, endings[i]);
    return NULL;
}

#define ANY_OF(names, list) any_of(names, list, sizeof(list) / sizeof *(list))

static int explain(const char *dir, const folder *names, error *err)
{
    const char *found = NULL;
    if (has(dir, "adapter_config.json"))
        return error_set(
            err, ERROR_LOAD,
            "%s: holds a LoRA adapter (adapter_config.json), which changes a base model: name that "
            "with -m, and this with --adapter",
            dir);
    if ((found = ANY_OF(names, unfinished)))
        return error_set(err, ERROR_LOAD, "%s: its download has not finished: %s", dir, found);
    if ((found = ANY_OF(names, pickles)))
        return error_set(err, ERROR_LOAD,
                         "%s: its weights are a PyTorch checkpoint (%s), which can run code and is "
                         "never read; look for the same model as safetensors or GGUF",
                         dir, found);
    if ((found = ANY_OF(names, others)))
        return error_set(err, ERROR_LOAD,
                         "%s: its weights are of another kind (%s); read are GGUF files, and "
                         "safetensors with config.json",
                         dir, found);
    if (name_with(names, ".safetensors"))
        return error_set(err, ERROR_LOAD,
                         "%s: holds safetensors but no config.json, which says what they are; "
                         "download it from the same place",
                         dir);
    if (has(dir, "config.json"))
        return error_set(err, ERROR_LOAD,
                         "%s: holds config.json but no weights; download model.safetensors (or all "
                         "its parts and the index) into it",
                         dir);
    if (has(dir, "tokenizer.json"))
        return error_set(err, ERROR_LOAD,
                         "%s: holds a tokenizer, but neither config.json nor weights", dir);
    return error_set(err, ERROR_LOAD,
                     "%s: holds no model: neither a GGUF file nor config.json with safetensors%s",
                     dir, names->len ? "" : "; it is empty");
}

/* ---- folders ----------------------------------------------------------------------------------- */

static int several(const char *dir, const sources *found, error *err)
{
    buf list = {0};
    for (size_t i = 0; i < found->len && list.len < 280; i++)
        if (buf_format(&list, err, "%s%s", i ? ", " : "", found->v[i].name))
            break;
    error_set(err, ERROR_LOAD, "%s: holds %zu models; name one of them: %s", dir, found->len,
              list.v ? list.v : "");
    buf_release(&list);
    return -1;
}

/* The repository that a folder of the Hugging Face cache is, or whose "snapshots" it is; caller
 * frees. NULL when it is neither. */
static char *repository_of(const char *dir)
{
    if (has(dir, "snapshots") && (has(dir, "refs") || has(dir, "blobs")))
        return strdup(dir);
    size_t n = strlen(dir);
    while (n && dir[n - 1] == '/')
        n--;
    size_t m = strlen("/snapshots");
    if (n <= m || strncmp(dir + n - m, "/snapshots", m) != 0)
        return NULL;
    char *parent = strndup(dir, n - m);
    if (parent && has(parent, "blobs"))
        return parent;
    free(parent);
    return NULL;
}

static int of_folder(const char *dir, char **out, error *err)
{
    folder names = {0};
    sources found = {0};
    char *repository = repository_of(dir), *snapshot = NULL;
    int result = folder_read(dir, &names, err);
    bool weights = name_with(&names, ".safetensors") && has(dir, "config.json");
    if (!result && (weights || has(dir, "model.safetensors.index.json")))
        result = (*out = strdup(dir)) ? 0 : error_memory(err, "a path");
    else if (!result && repository)
        result = (snapshot = source_hf_snapshot(repository, err))
                     ? source_choose(dir, snapshot, NULL, out, err)
                     : -1;
    else if (!result && source_folder_models(dir, &found, err))
        result = -1;
    else if (!result && found.len == 1)
        result = (*out = strdup(found.v[0].path)) ? 0 : error_memory(err, "a path");
    else if (!result)
        result = found.len ? several(dir, &found, err) : explain(dir, &names, err);
    sources_release(&found);
    folder_release(&names);
    free(repository);
    free(snapshot);
    return result;
}

/* ---- files ------------------------------------------------------------------------------------- */

/* A part of a Hugging Face model means the folder that it lies in; NULL when `path` is none. */
static char *folder_of_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = string_format(NULL, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    bool part = ends_with(path, ".safetensors") || ends_with(path, "config.json") ||
                ends_with(path, ".safetensors.index.json");
    if (dir && part && has(*dir ? dir : "/", "config.json"))
        return dir;
    free(dir);
    return NULL;
}

int source_of_path(const char *path, char **out, error *err)
{
    if (source_is_folder(path)) {
        if (access(path, R_OK | X_OK) != 0)
            return error_set(err, ERROR_LOAD, "%s: cannot look into the folder: %s", path,
                             strerror(errno));
        return of_folder(path, out, err);
    }
    *out = folder_of_part(path);
    if (!*out)
        *out = strdup(path);
    return *out ? 0 : error_memory(err, "a path");
}
