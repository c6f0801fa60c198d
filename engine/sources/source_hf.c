/* source_hf.c - hf:ORG/NAME in the cache of Hugging Face's libraries.
 *
 * A repository is the folder models--ORG--NAME; refs/main holds the name of the folder under
 * snapshots/ that is current, and where there is no such file the only snapshot is meant. A
 * snapshot is a folder of links into blobs/, so a model in it is found as in any folder: GGUF
 * files, or config.json with safetensors. A third part of the name is a file of it; behind a
 * second colon stands the quantisation that a file's name holds. Listing goes through the same
 * steps for every repository of the cache.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/buf.h"
#include "../base/folder.h"
#include "../base/mapped_file.h"
#include "../base/paths.h"
#include "source_place.h"

enum { MAX_REF = 256 };

static int hf_places(places *p, error *err)
{
    if (source_environment("HF_HUB_CACHE"))
        return places_add(p, source_environment("HF_HUB_CACHE"), "", err);
    if (source_environment("HF_HOME"))
        return places_add(p, source_environment("HF_HOME"), "/hub", err);
    char *hub;
    int result = paths_of(PATHS_CACHE, "huggingface/hub", &hub, err) || places_add(p, hub, "", err);
    free(hub);
    return result ? -1 : 0;
}

/* The folder of the snapshot that refs/main names, or of the only one there is. */
char *source_hf_snapshot(const char *repository, error *err)
{
    char *ref = string_format(err, "%s/refs/main", repository), *hash = NULL, *path = NULL;
    size_t len = 0;
    error unread;
    if (ref && file_read_all(ref, MAX_REF, &hash, &len, &unread) == 0) {
        while (len && strchr("\r\n\t ", hash[len - 1]))
            hash[--len] = '\0';
        if (folder_name_ok(hash, strlen(hash)) && strlen(hash) == len)
            path = string_format(err, "%s/snapshots/%s", repository, hash);
        else
            error_set(err, ERROR_LOAD, "%s: not the name of a snapshot", ref);
    } else if (ref) {
        char *all = string_format(err, "%s/snapshots", repository);
        folder names = {0};
        if (all && folder_read(all, &names, err) == 0) {
            if (names.len == 1)
                path = string_format(err, "%s/%s", all, names.v[0]);
            else
                error_set(err, ERROR_LOAD, "%s: no such file, and %zu snapshots to choose from",
                          ref, names.len);
        }
        folder_release(&names);
        free(all);
    }
    free(hash);
    free(ref);
    return path;
}

/* ---- which file ------------------------------------------------------------------------------- */

static bool word_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* True when the file's name holds the quantisation as a word of its own: "Q4_K_M" in
 * "x-Q4_K_M-00001-of-00002.gguf" or "Q4_K_M/x.gguf", but neither "Q4_K" nor "F16" in "BF16".
 * Unsloth's dynamic "UD-Q4_K_M" is another one, unless there is no other. */
static bool holds_quant(const char *file, const char *quant, bool or_dynamic)
{
    size_t n = strlen(quant);
    for (const char *at = file; (at = strcasestr(at, quant)); at++) {
        bool whole = (at == file || !word_character(at[-1])) && !word_character(at[n]);
        bool dynamic = at - file >= 3 && strncasecmp(at - 3, "UD-", 3) == 0;
        if (whole && (or_dynamic || !dynamic))
            return true;
    }
    return false;
}

static int list_names(const sources *found, buf *list, error *err)
{
    for (size_t i = 0; i < found->len && list->len < 280; i++)
        if (buf_format(list, err, "%s%s", i ? ", " : "",
                       *found->v[i].name ? found->v[i].name : "the folder itself (safetensors)"))
            return -1;
    return 0;
}

/* The one model of `found` that is of this quantisation, or whose file is called so. */
static int pick_quant(const sources *found, const char *name, const char *quant, char **path,
                      error *err)
{
    const source *match = NULL;
    size_t matches = 0;
    buf list = {0};
    for (int dynamic = 0; dynamic < 2 && !matches; dynamic++)
        for (size_t i = 0; i < found->len; i++)
            if (strcmp(found->v[i].name, quant) == 0 ||
                holds_quant(found->v[i].name, quant, dynamic)) {
                match = &found->v[i];
                (void)buf_format(&list, NULL, "%s%s", matches++ ? ", " : "", match->name);
            }
    int result = -1;
    if (matches == 1)
        result = (*path = strdup(match->path)) ? 0 : error_memory(err, "a model's name");
    else if (matches)
        error_set(err, ERROR_LOAD, "%s: %zu files are %s: %s; name one as hf:ORG/NAME/FILE", name,
                  matches, quant, list.v ? list.v : "");
    else if (list_names(found, &list, err) == 0)
        error_set(err, ERROR_LOAD,
                  "%s: no %s among the files that were downloaded: %s. Nothing is downloaded: `hf "
                  "download` does that",
                  name, quant, list.len ? list.v : "none is a model");
    buf_release(&list);
    return result;
}

static int choose_quant(const char *name, const char *snapshot, const char *quant, char **path,
                        error *err)
{
    sources found = {0};
    int result = source_folder_models(snapshot, &found, err);
    if (result == 0)
        result = pick_quant(&found, name, quant, path, err);
    sources_release(&found);
    return result;
}

/* ---- names ------------------------------------------------------------------------------------- */

/* The folder of ORG/NAME in one of the places; NULL and 0 when there is none. */
static int find_repository(const parts *p, const places *in, char **repository, error *err)
{
    *repository = NULL;
    for (size_t i = 0; i < in->len; i++) {
        char *path = string_format(err, "%s/models--%s%s%s", in->v[i], p->v[0],
                                   p->len > 1 ? "--" : "", p->len > 1 ? p->v[1] : "");
        if (!path)
            return -1;
        if (source_is_folder(path)) {
            *repository = path;
            return 0;
        }
        free(path);
    }
    return 0;
}

/* A download of the repository that has not finished tells more than what is missing. */
static void refuse_unfinished(const char *name, const char *repository, error *err)
{
    char *path = string_format(NULL, "%s/blobs", repository);
    folder blobs = {0};
    if (path && folder_read(path, &blobs, NULL) == 0)
        for (size_t i = 0; i < blobs.len; i++) {
            size_t n = strlen(blobs.v[i]), m = strlen(".incomplete");
            if (n > m && strcmp(blobs.v[i] + n - m, ".incomplete") == 0) {
                error_set(err, ERROR_LOAD,
                          "%s: its download has not finished: %s/%s; `hf download` goes on with it",
                          name, path, blobs.v[i]);
                break;
            }
        }
    folder_release(&blobs);
    free(path);
}

static int resolve_in(const char *name, const char *repository, const char *file, const char *quant,
                      char **path, error *err)
{
    char *snapshot = source_hf_snapshot(repository, err);
    int result = !snapshot ? -1
                 : quant   ? choose_quant(name, snapshot, quant, path, err)
                           : source_choose(name, snapshot, file, path, err);
    if (result && err && err->code == ERROR_LOAD)
        refuse_unfinished(name, repository, err);
    free(snapshot);
    return result;
}

/* The quantisation behind ORG/NAME, cut off; NULL when there is none. */
static char *cut_quant(const parts *p)
{
    char *colon = p->len <= 2 ? strrchr(p->v[p->len - 1], ':') : NULL;
    if (!colon || colon == p->v[p->len - 1] || !colon[1])
        return NULL;
    *colon = '\0';
    return colon + 1;
}

int source_hf_resolve(const char *name, const char *rest, source_found *out, error *err)
{
    parts p;
    places in = {0};
    char *file = NULL, *repository = NULL;
    int result =
        parts_cut(name, rest, 1, 4, "hf:ORG/NAME, hf:ORG/NAME:QUANT or hf:ORG/NAME/FILE", &p, err);
    const char *quant = result ? NULL : cut_quant(&p);
    if (result == 0)
        result = parts_file(&p, &file, err);
    if (result == 0)
        result = hf_places(&in, err);
    if (result == 0)
        result = find_repository(&p, &in, &repository, err);
    if (result == 0 && repository)
        result = resolve_in(name, repository, file, quant, &out->path, err);
    else if (result == 0)
        result = source_missing(err, name, "the Hugging Face cache", &in);
    places_release(&in);
    free(repository);
    free(file);
    parts_release(&p);
    return result;
}

int source_hf_has(const char *rest)
{
    parts p;
    places in = {0};
    char *repository = NULL;
    bool there = parts_cut(rest, rest, 2, 4, "", &p, NULL) == 0;
    if (there) {
        (void)cut_quant(&p);
        there = hf_places(&in, NULL) == 0 && find_repository(&p, &in, &repository, NULL) == 0 &&
                repository;
    }
    free(repository);
    places_release(&in);
    parts_release(&p);
    return there;
}

/* "models--ORG--NAME" as "hf:ORG/NAME" (an id never holds "--"); NULL for other folders. */
static char *hf_name(const char *entry, error *err)
{
    static const char prefix[] = "models--";
    if (strncmp(entry, prefix, strlen(prefix)) != 0)
        return NULL;
    entry += strlen(prefix);
    const char *dashes = strstr(entry, "--");
    if (!dashes)
        return string_format(err, "hf:%s", entry);
    return string_format(err, "hf:%.*s/%s", (int)(dashes - entry), entry, dashes + 2);
}

static int list_place(const char *place, sources *out, error *err)
{
    folder names = {0};
    int result = folder_read(place, &names, err);
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        error unread = {0};
        char *name = hf_name(names.v[i], &unread), *snapshot = NULL;
        char *repository = name ? string_format(&unread, "%s/%s", place, names.v[i]) : NULL;
        if (repository && (snapshot = source_hf_snapshot(repository, &unread)))
            result = source_list_folder(name, snapshot, out, err);
        free(snapshot);
        free(repository);
        free(name);
    }
    folder_release(&names);
    return result;
}

int source_hf_list(sources *out, error *err)
{
    places in = {0};
    int result = hf_places(&in, err);
    for (size_t i = 0; result == 0 && i < in.len; i++)
        result = list_place(in.v[i], out, err);
    places_release(&in);
    return result;
}
