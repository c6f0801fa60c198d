/* source_hf.c - hf:ORG/NAME in the cache of Hugging Face's libraries. A repository is the folder
 * models--ORG--NAME; refs/main holds the name of the folder under snapshots/ that is current. */
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "mapped.h"
#include "source_place.h"

enum { MAX_REF = 256 };

static int hf_places(places *p, error *err)
{
    if (source_environment("HF_HUB_CACHE"))
        return places_add(p, source_environment("HF_HUB_CACHE"), "", err);
    if (source_environment("HF_HOME"))
        return places_add(p, source_environment("HF_HOME"), "/hub", err);
    if (source_environment("XDG_CACHE_HOME"))
        return places_add(p, source_environment("XDG_CACHE_HOME"), "/huggingface/hub", err);
    return places_add(p, source_environment("HOME"), "/.cache/huggingface/hub", err);
}

/* The folder of the snapshot that refs/main names, or of the only one there is. */
static char *hf_snapshot(const char *repository, error *err)
{
    char *ref = folder_path(err, "%s/refs/main", repository), *hash = NULL, *path = NULL;
    size_t len = 0;
    error unread;
    if (ref && mapped_read(ref, MAX_REF, &hash, &len, &unread) == 0) {
        while (len && strchr("\r\n\t ", hash[len - 1]))
            hash[--len] = '\0';
        if (folder_name_ok(hash, strlen(hash)) && strlen(hash) == len)
            path = folder_path(err, "%s/snapshots/%s", repository, hash);
        else
            error_set(err, ERROR_LOAD, "%s: not the name of a snapshot", ref);
    } else if (ref) {
        char *all = folder_path(err, "%s/snapshots", repository);
        folder names = {0};
        if (all && folder_read(all, &names, err) == 0) {
            if (names.len == 1)
                path = folder_path(err, "%s/%s", all, names.v[0]);
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

int source_hf_resolve(const char *name, const char *rest, char **path, error *err)
{
    parts p;
    places in = {0};
    char *file = NULL;
    int result = parts_cut(name, rest, 1, 4, "hf:ORG/NAME or hf:ORG/NAME/FILE", &p, err);
    if (result == 0)
        result = parts_file(&p, &file, err);
    if (result == 0)
        result = hf_places(&in, err);
    bool there = false;
    for (size_t i = 0; result == 0 && !there && i < in.len; i++) {
        char *repository = folder_path(err, "%s/models--%s%s%s", in.v[i], p.v[0],
                                       p.len > 1 ? "--" : "", p.len > 1 ? p.v[1] : "");
        there = repository && source_is_folder(repository);
        char *snapshot = there ? hf_snapshot(repository, err) : NULL;
        if (!repository || (there && !snapshot))
            result = -1;
        else if (there)
            result = source_choose(name, snapshot, file, path, err);
        free(snapshot);
        free(repository);
    }
    if (result == 0 && !there)
        result = source_missing(err, name, "the Hugging Face cache", &in);
    places_release(&in);
    free(file);
    parts_release(&p);
    return result;
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
        return folder_path(err, "hf:%s", entry);
    return folder_path(err, "hf:%.*s/%s", (int)(dashes - entry), entry, dashes + 2);
}

static int list_place(const char *place, sources *out, error *err)
{
    folder names = {0};
    int result = folder_read(place, &names, err);
    for (size_t i = 0; result == 0 && i < names.len; i++) {
        error unread = {0};
        char *name = hf_name(names.v[i], &unread), *snapshot = NULL;
        char *repository = name ? folder_path(&unread, "%s/%s", place, names.v[i]) : NULL;
        if (repository && (snapshot = hf_snapshot(repository, &unread)))
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
