/* source_ollama.c - ollama:NAME:TAG. Ollama keeps a manifest per name, a small JSON file whose
 * layer of type "model" names a blob by its digest; the blob is a GGUF file. Other layers say
 * how it is run: model_defaults.h. One that would change the weights (an adapter) is refused.
 *
 * The digest comes from a file, so it only becomes a path when it is 64 hex digits.  */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/buf.h"
#include "../base/file_check.h"
#include "../base/folder.h"
#include "../base/json.h"
#include "../base/mapped_file.h"
#include "../base/paths.h"
#include "../base/utf8.h"
#include "source_place.h"

enum {
    MAX_MANIFEST = 1 << 20,
    MAX_LAYER = 1 << 20, /* of text or JSON */
    LEVELS = 4,          /* of folders under manifests/: host, space, name, tag */
};

static int ollama_places(places *p, error *err)
{
    if (source_environment("OLLAMA_MODELS"))
        return places_add(p, source_environment("OLLAMA_MODELS"), "", err);
    if (places_add(p, paths_home(), "/.ollama/models", err) ||
        places_add(p, "/usr/share/ollama", "/.ollama/models", err))
        return -1;
    return 0;
}

/* "sha256:" and 64 lower-case hex digits: nothing else may become a file name. */
static bool digest_ok(const char *digest)
{
    return strncmp(digest, "sha256:", 7) == 0 && strlen(digest) == 7 + 64 &&
           strspn(digest + 7, "0123456789abcdef") == 64;
}

/* ---- a manifest ------------------------------------------------------------------------------ */

/* The layers of a manifest that say something about how the model is run. */
typedef enum layer_kind {
    LAYER_MODEL,
    LAYER_ADAPTER,
    LAYER_TEMPLATE,
    LAYER_SYSTEM,
    LAYER_MESSAGES,
    LAYER_PROJECTOR,
    LAYER_PARAMS,
    LAYER_KINDS,
} layer_kind;

static const char *const layer_types[LAYER_KINDS] = {
    [LAYER_MODEL] = "model",         [LAYER_ADAPTER] = "adapter",   [LAYER_TEMPLATE] = "template",
    [LAYER_SYSTEM] = "system",       [LAYER_MESSAGES] = "messages", [LAYER_PARAMS] = "params",
    [LAYER_PROJECTOR] = "projector",
};

/* A manifest that is found: where, and the digest of each of its layers (borrowed from the
 * document); NULL = it has none of that kind. */
typedef struct manifest {
    const char *place; /* borrowed */
    char *path;
    json_document *document;
    const char *digest[LAYER_KINDS];
} manifest;

static void manifest_close(manifest *m)
{
    json_close(m->document);
    free(m->path);
    *m = (manifest){0};
}

static int kind_of_layer(const char *type)
{
    static const char prefix[] = "application/vnd.ollama.image.";
    if (type && strncmp(type, prefix, sizeof prefix - 1) == 0)
        for (int i = 0; i < LAYER_KINDS; i++)
            if (strcmp(type + sizeof prefix - 1, layer_types[i]) == 0)
                return i;
    return -1;
}

static int read_layers(manifest *m, error *err)
{
    const json *layers = NULL;
    if (json_get_array(json_root(m->document), "layers", &layers, err) < 0)
        return -1;
    for (const json *l = layers ? json_first(layers) : NULL; l; l = json_next(l)) {
        const char *type = NULL, *digest = NULL;
        if (json_get_string(l, "mediaType", &type, err) < 0 ||
            json_get_string(l, "digest", &digest, err) < 0)
            return -1;
        int kind = kind_of_layer(type);
        if (kind < 0 || m->digest[kind])
            continue;
        if (!digest || !digest_ok(digest))
            return error_set(err, ERROR_LOAD,
                             "the digest of the %s's layer is not sha256: and 64 hex digits",
                             layer_types[kind]);
        m->digest[kind] = digest;
    }
    return m->digest[LAYER_MODEL] ? 0 : error_set(err, ERROR_LOAD, "no layer holds a GGUF model");
}

/* The caller closes *m, on failure too. */
static int manifest_open(const char *place, const char *relative, manifest *m, error *err)
{
    *m = (manifest){.place = place, .path = string_format(err, "%s/manifests/%s", place, relative)};
    if (!m->path || !(m->document = json_load(m->path, MAX_MANIFEST, err)))
        return -1;
    return read_layers(m, err) ? error_prefix(err, "%s: ", m->path) : 0;
}

/* Where a layer's bytes lie; caller frees. */
static char *blob_path(const manifest *m, layer_kind kind, error *err)
{
    return string_format(err, "%s/blobs/sha256-%s", m->place, m->digest[kind] + 7);
}

/* The path of the model itself, which must be there. */
static int model_blob(const manifest *m, char **path, error *err)
{
    struct stat s;
    if (!(*path = blob_path(m, LAYER_MODEL, err)))
        return -1;
    if (stat(*path, &s) == 0 && S_ISREG(s.st_mode))
        return 0;
    if (file_partial_download(*path))
        error_set(
            err, ERROR_LOAD,
            "%s: its model is not there yet: a part of it is (%s%s); `ollama pull` finishes it",
            m->path, *path, file_partial_download(*path));
    else
        error_set(err, ERROR_LOAD, "%s: its model is not there: %s", m->path, *path);
    free(*path);
    *path = NULL;
    return -1;
}

/* ---- what stands beside the weights ----------------------------------------------------------- */

static int take_system(const manifest *m, model_defaults *out, error *err)
{
    size_t len = 0, bad;
    char *path = blob_path(m, LAYER_SYSTEM, err);
    int result = path ? file_read_all(path, MAX_LAYER, &out->system, &len, err) : -1;
    if (!result && (strlen(out->system) != len || !utf8_check(out->system, len, &bad)))
        result = error_set(err, ERROR_LOAD, "%s: the SYSTEM of a model is no UTF-8 text", path);
    free(path);
    return result ? -1 : model_defaults_note(&out->honoured, "SYSTEM", err);
}

static int take_params(const manifest *m, model_defaults *out, error *err)
{
    char *path = blob_path(m, LAYER_PARAMS, err);
    json_document *d = path ? json_load(path, MAX_LAYER, err) : NULL;
    int result = d ? 0 : -1;
    if (d && model_defaults_parameters(out, json_root(d), err))
        result = error_prefix(err, "%s: ", path);
    json_close(d);
    free(path);
    return result;
}

static int take_defaults(const manifest *m, const char *name, model_defaults **out, error *err)
{
    if (m->digest[LAYER_ADAPTER])
        return error_set(
            err, ERROR_LOAD,
            "%s: has an ADAPTER (LoRA), without which this would be another model. Name its base "
            "model with -m and the adapter with --adapter (FROM and ADAPTER in `ollama show "
            "--modelfile`)",
            name);
    model_defaults *w = *out = model_defaults_new(err);
    if (w && !(w->name = strdup(name)))
        return error_memory(err, "a model's name");
    if (!w || (m->digest[LAYER_SYSTEM] && take_system(m, w, err)))
        return -1;
    if (m->digest[LAYER_MESSAGES] && model_defaults_note(&w->left_out, "MESSAGE", err))
        return -1;
    w->own_template = m->digest[LAYER_TEMPLATE] != NULL;
    w->projector = m->digest[LAYER_PROJECTOR] != NULL;
    return m->digest[LAYER_PARAMS] ? take_params(m, w, err) : 0;
}

/* ---- names ------------------------------------------------------------------------------------- */

/* HOST/SPACE/NAME and the tag of a name as it is typed; the tag is NULL when it was left out. The
 * caller releases *p. */
static int cut_name(const char *name, const char *rest, parts *p, char **folder_of, char **tag,
                    error *err)
{
    static const char form[] = "ollama:NAME or ollama:NAME:TAG";
    if (parts_cut(name, rest, 1, 3, form, p, err))
        return -1;
    char *last = p->v[p->len - 1];
    *tag = strchr(last, ':');
    if (*tag)
        *(*tag)++ = '\0';
    if (!*last || (*tag && !folder_name_ok(*tag, strlen(*tag))))
        return source_malformed(err, name, form);
    *folder_of = string_format(err, "%s/%s/%s", p->len == 3 ? p->v[0] : "registry.ollama.ai",
                               p->len == 1 ? "library" : p->v[p->len - 2], last);
    return *folder_of ? 0 : -1;
}

/* "ollama:qwen3:8b, ollama:qwen3:30b": the tags of `rest`, cut before its tag. */
static int list_tags(const places *in, const char *folder_of, const char *rest, const char *tag,
                     buf *list, error *err)
{
    size_t stem = strlen(rest) - (tag ? strlen(tag) + 1 : 0);
    for (size_t i = 0; i < in->len; i++) {
        folder names = {0};
        char *path = string_format(err, "%s/manifests/%s", in->v[i], folder_of);
        int result = path ? folder_read(path, &names, err) : -1;
        for (size_t j = 0; result == 0 && j < names.len && list->len < 200; j++)
            result = buf_format(list, err, "%sollama:%.*s:%s", list->len ? ", " : "", (int)stem,
                                rest, names.v[j]);
        folder_release(&names);
        free(path);
        if (result)
            return -1;
    }
    return 0;
}

static int missing_tag(const char *name, const char *rest, const char *folder_of, const char *tag,
                       const places *in, error *err)
{
    buf list = {0};
    int result = list_tags(in, folder_of, rest, tag, &list, err);
    if (!result && list.len)
        result =
            error_set(err, ERROR_LOAD,
                      "%s: the tag %s is not there; there are %s. Nothing is downloaded: `ollama "
                      "pull` does that",
                      name, tag ? tag : "latest (which a name without a tag means)", list.v);
    else if (!result)
        result = source_missing(err, name, "Ollama's models", in);
    buf_release(&list);
    return result;
}

/* The first place that has the manifest, or none: 1 or 0; -1 when out of memory. */
static int find_manifest(const places *in, const char *folder_of, const char *tag,
                         const char **place, char **relative, error *err)
{
    *relative = string_format(err, "%s/%s", folder_of, tag ? tag : "latest");
    for (size_t i = 0; *relative && i < in->len; i++) {
        struct stat s;
        char *path = string_format(err, "%s/manifests/%s", in->v[i], *relative);
        bool there = path && stat(path, &s) == 0 && S_ISREG(s.st_mode);
        free(path);
        if (there) {
            *place = in->v[i];
            return 1;
        }
    }
    return *relative ? 0 : -1;
}

int source_ollama_has(const char *rest)
{
    parts p = {0};
    places in = {0};
    char *folder_of = NULL, *tag = NULL, *relative = NULL;
    const char *place = NULL;
    bool there = cut_name(rest, rest, &p, &folder_of, &tag, NULL) == 0 &&
                 ollama_places(&in, NULL) == 0 &&
                 find_manifest(&in, folder_of, tag, &place, &relative, NULL) > 0;
    places_release(&in);
    parts_release(&p);
    free(folder_of);
    free(relative);
    return there;
}

int source_ollama_near(const char *rest, error *err)
{
    parts p = {0};
    places in = {0};
    buf list = {0};
    char *folder_of = NULL, *tag = NULL;
    int result = 0;
    if (cut_name(rest, rest, &p, &folder_of, &tag, NULL) == 0 && ollama_places(&in, NULL) == 0 &&
        list_tags(&in, folder_of, rest, tag, &list, NULL) == 0 && list.len)
        result =
            error_set(err, ERROR_LOAD,
                      "%s: no such file or folder; Ollama has no tag %s of it, but %s. Nothing is "
                      "downloaded: `ollama pull` does that",
                      rest, tag ? tag : "latest", list.v);
    buf_release(&list);
    places_release(&in);
    parts_release(&p);
    free(folder_of);
    return result;
}

static int open_found(const char *name, const char *place, const char *relative, source_found *out,
                      error *err)
{
    manifest m;
    bool failed = manifest_open(place, relative, &m, err) || model_blob(&m, &out->path, err) ||
                  take_defaults(&m, name, &out->defaults, err);
    manifest_close(&m);
    return failed ? -1 : 0;
}

int source_ollama_resolve(const char *name, const char *rest, source_found *out, error *err)
{
    parts p = {0};
    places in = {0};
    char *folder_of = NULL, *tag = NULL, *relative = NULL;
    const char *place = NULL;
    int result = cut_name(name, rest, &p, &folder_of, &tag, err);
    if (!result)
        result = ollama_places(&in, err);
    int found = result ? -1 : find_manifest(&in, folder_of, tag, &place, &relative, err);
    if (found > 0)
        result = open_found(name, place, relative, out, err);
    else
        result = found ? -1 : missing_tag(name, rest, folder_of, tag, &in, err);
    places_release(&in);
    parts_release(&p);
    free(folder_of);
    free(relative);
    return result;
}

/* host/space/name/tag as it is typed: the usual host and space are left out. */
static int list_manifest(const char *place, const char *relative, sources *out, error *err)
{
    error unread;
    char *path = NULL, *name = NULL;
    int result = 0;
    manifest m;
    struct stat s;
    if (manifest_open(place, relative, &m, &unread) == 0 && model_blob(&m, &path, &unread) == 0 &&
        stat(path, &s) == 0) {
        const char *usual = "registry.ollama.ai/";
        if (strncmp(relative, usual, strlen(usual)) == 0)
            relative += strlen(usual);
        if (strncmp(relative, "library/", 8) == 0)
            relative += 8;
        const char *tag = strrchr(relative, '/');
        name = string_format(err, "ollama:%.*s:%s", (int)(tag - relative), relative, tag + 1);
        result = name ? source_list_one(name, path, (uint64_t)s.st_size, out, err) : -1;
    }
    free(name);
    free(path);
    manifest_close(&m);
    return result;
}

static int list_level(const char *place, const char *relative, int level, sources *out, error *err)
{
    if (level == LEVELS)
        return list_manifest(place, relative, out, err);
    folder names = {0};
    char *here = string_format(err, "%s/manifests/%s", place, relative);
    int result = here ? folder_read(here, &names, err) : -1;
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        char *below = string_format(err, "%s%s%s", relative, *relative ? "/" : "", names.v[i]);
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
