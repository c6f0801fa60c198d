/* source_folder.c - the models that lie in a folder: GGUF files, and safetensors beside a
 * config.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "../base/folder.h"
#include "source_place.h"

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcasecmp(name + n - m, end) == 0;
}

/* "NAME-00002-of-00003.gguf": the part's number and how many there are; 0 for other names. */
static int split_part(const char *name, int *count)
{
    size_t n = strlen(name);
    const size_t tail = strlen("-00001-of-00001.gguf");
    int part = 0, used = 0;
    if (n <= tail)
        return 0;
    if (sscanf(name + n - tail, "-%5d-of-%5d.%n", &part, count, &used) != 2 || part < 1)
        return 0;
    return (size_t)used == tail - strlen("gguf") ? part : 0;
}

static uint64_t file_bytes(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 ? (uint64_t)s.st_size : 0;
}

/* Bytes of all parts of the model whose first part is `path`. */
static int split_bytes(const char *path, int count, uint64_t *bytes, error *err)
{
    size_t stem = strlen(path) - strlen("00001-of-00001.gguf");
    *bytes = 0;
    for (int i = 1; i <= count && i <= FOLDER_MAX; i++) {
        char *part = string_format(err, "%.*s%05d%s", (int)stem, path, i, path + stem + 5);
        if (!part)
            return -1;
        *bytes += file_bytes(part);
        free(part);
    }
    return 0;
}

static int add_gguf(const char *dir, const char *sub, const char *name, sources *out, error *err)
{
    int count = 1, part = split_part(name, &count);
    if (part > 1 || strcasestr(name, "mmproj"))
        return 0;
    char *path = string_format(err, "%s/%s%s", dir, sub, name);
    char *shown = path ? string_format(err, "%s%s", sub, name) : NULL;
    uint64_t bytes = path ? file_bytes(path) : 0;
    int result = shown ? 0 : -1;
    if (result == 0 && bytes && part == 1)
        result = split_bytes(path, count, &bytes, err);
    if (result == 0 && bytes)
        result = sources_add(out, shown, path, bytes, err);
    free(shown);
    free(path);
    return result;
}

/* Looks at dir/sub; sub is "" or "NAME/". Subfolders are looked into from the top only. */
static int models_in(const char *dir, const char *sub, sources *out, error *err)
{
    char *here = string_format(err, "%s/%s", dir, sub);
    folder names = {0};
    int result = here ? folder_read(here, &names, err) : -1;
    uint64_t weights = 0;
    bool configured = false;
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        const char *name = names.v[i];
        char *path = string_format(err, "%s%s", here, name);
        struct stat s;
        if (!path)
            result = -1;
        else if (stat(path, &s))
            ; /* gone, or a link to nowhere: no model */
        else if (S_ISDIR(s.st_mode) && !*sub) {
            char *below = string_format(err, "%s/", name);
            result = below ? models_in(dir, below, out, err) : -1;
            free(below);
        } else if (ends_with(name, ".gguf"))
            result = add_gguf(dir, sub, name, out, err);
        else if (ends_with(name, ".safetensors"))
            weights += file_bytes(path);
        else if (strcmp(name, "config.json") == 0)
            configured = true;
        free(path);
    }
    if (result == 0 && configured && weights && !*sub)
        result = sources_add(out, "", dir, weights, err);
    folder_release(&names);
    free(here);
    return result;
}

int source_folder_models(const char *path, sources *out, error *err)
{
    return models_in(path, "", out, err);
}
