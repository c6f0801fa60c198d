/* source_ollama.c - ollama:NAME:TAG. Ollama keeps a manifest per name, a small JSON file whose layer
 * of type "model" names a blob by its digest; the blob is a GGUF file.
 *
 * The digest comes from a file, so it only becomes a path when it is 64 hex digits. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "folder.h"
#include "json.h"
#include "source_place.h"

enum {
    MAX_MANIFEST = 1 << 20,
    LEVELS = 4, /* of folders under manifests/: host, space, name, tag */
};

static int ollama_places(places *p, error *err)
{
    if (source_environment("OLLAMA_MODELS"))
        return places_add(p, source_environment("OLLAMA_MODELS"), "", err);
    return places_add(p, source_environment("HOME"), "/.ollama/models", err) ||
                   places_add(p, "/usr/share/ollama", "/.ollama/models", err)
               ? -1
               : 0;
}

/* "sha256:" and 64 lower-case hex digits: nothing else may become a file name. */
static bool digest_ok(const char *digest)
{
    return strncmp(digest, "sha256:", 7) == 0 && strlen(digest) == 7 + 64 &&
           strspn(digest + 7, "0123456789abcdef") == 64;
}

/* The digest of the manifest's model layer. */
static int model_layer(const char *manifest, const json_document *d, const char **digest,
                       error *err)
{
    const json *layers = NULL;
    if (json_get_array(json_root(d), "layers", &layers, err) < 0)
        return error_prefix(err, "%s: ", manifest);
    for (const json *l = layers ? json_first(layers) : NULL; l; l = json_next(l)) {
        const char *type = NULL;
        if (json_get_string(l, "mediaType", &type, err) < 0 ||
            json_get_string(l, "digest", digest, err) < 0)
            return error_prefix(err, "%s: ", manifest);
        if (!type || strcmp(type, "application/vnd.ollama.image.model") != 0)
            continue;
        if (*digest && digest_ok(*digest))
            return 0;
        return error_set(err, ERROR_LOAD,
                         "%s: the digest of the model's layer is not sha256: and "
                         "64 hex digits",
                         manifest);
    }
    return error_set(err, ERROR_LOAD, "%s: no layer holds a GGUF model", manifest);
}

static int ollama_blob(const char *place, const char *manifest, char **path, error *err)
{
    json_document *d = json_load(manifest, MAX_MANIFEST, err);
    if (!d)
        return -1;
    const char *digest = NULL;
    int result = model_layer(manifest, d, &digest, err);
    if (result == 0)
        result = (*path = folder_path(err, "%s/blobs/sha256-%s", place, digest + 7)) ? 0 : -1;
    json_close(d);
    struct stat s;
    if (result == 0 && (stat(*path, &s) || !S_ISREG(s.st_mode))) {
        error_set(err, ERROR_LOAD, "%s: its model is not there: %s", manifest, *path);
        free(*path);
        *path = NULL;
        return -1;
    }
    return result;
}

int source_ollama_resolve(const char *name, const char *rest, char **path, error *err)
{
    static const char form[] = "ollama:NAME or ollama:NAME:TAG";
    parts p;
    places in = {0};
    char *relative = NULL;
    int result = parts_cut(name, rest, 1, 3, form, &p, err);
    if (result == 0) {
        char *tag = strchr(p.v[p.len - 1], ':');
        if (tag)
            *tag++ = '\0';
        if (!*p.v[p.len - 1] || (tag && !folder_name_ok(tag, strlen(tag))))
            result = source_malformed(err, name, form);
        else
            relative = folder_path(err, "%s/%s/%s/%s", p.len == 3 ? p.v[0] : "registry.ollama.ai",
                                   p.len == 1 ? "library" : p.v[p.len - 2], p.v[p.len - 1],
                                   tag ? tag : "latest");
    }
    if (result == 0)
        result = relative ? ollama_places(&in, err) : -1;
    bool there = false;
    for (size_t i = 0; result == 0 && !there && i < in.len; i++) {
        char *manifest = folder_path(err, "%s/manifests/%s", in.v[i], relative);
        struct stat s;
        there = manifest && stat(manifest, &s) == 0;
        result = !manifest ? -1 : there ? ollama_blob(in.v[i], manifest, path, err) : 0;
        free(manifest);
    }
    if (result == 0 && !there)
        result = source_missing(err, name, "Ollama's models", &in);
    places_release(&in);
    free(relative);
    parts_release(&p);
    return result;
}

/* host/space/name/tag as it is typed: the usual host and space are left out. */
static int list_manifest(const char *place, const char *relative, sources *out, error *err)
{
    error unread;
    char *path = NULL, *name = NULL;
    char *manifest = folder_path(err, "%s/manifests/%s", place, relative);
    int result = manifest ? 0 : -1;
    struct stat s;
    if (result == 0 && ollama_blob(place, manifest, &path, &unread) == 0 && stat(path, &s) == 0) {
        const char *usual = "registry.ollama.ai/";
        if (strncmp(relative, usual, strlen(usual)) == 0)
            relative += strlen(usual);
        if (strncmp(relative, "library/", 8) == 0)
            relative += 8;
        const char *tag = strrchr(relative, '/');
        name = folder_path(err, "ollama:%.*s:%s", (int)(tag - relative), relative, tag + 1);
        result = name ? source_list_one(name, path, (uint64_t)s.st_size, out, err) : -1;
    }
    free(name);
    free(path);
    free(manifest);
    return result;
}

static int list_level(const char *place, const char *relative, int level, sources *out, error *err)
{
    if (level == LEVELS)
        return list_manifest(place, relative, out, err);
    folder names = {0};
    char *here = folder_path(err, "%s/manifests/%s", place, relative);
    int result = here ? folder_read(here, &names, err) : -1;
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        char *below = folder_path(err, "%s%s%s", relative, *relative ? "/" : "", names.v[i]);
        result = below ? list_level(place, below, level + 1, out, err) : -1;
        free(below);
    }
    folder_release(&names);
    free(here);
    return result;
}

int source_ollama_list(sources *out, error *err)
{
    places in = {0};
    int result = ollama_places(&in, err);
    for (size_t i = 0; result == 0 && i < in.len; i++)
        result = list_level(in.v[i], "", 0, out, err);
    places_release(&in);
    return result;
}
