/* source_place.h - what the schemes of sources.h share; private to source*.c.
 *
 * A scheme is two functions: one finds the model that a name stands for, one lists the names that
 * would be found. Both look in the scheme's places in order, and the first place that has a model
 * of that name wins. A name's parts are checked to be plain file names before they become a path,
 * so the path cannot lie outside the place.
 */
#ifndef ENGINE_SOURCE_PLACE_H
#define ENGINE_SOURCE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"
#include "../formats/model_defaults.h"
#include "sources.h"

enum {
    SOURCE_PLACES = 2,
    SOURCE_PARTS = 5,
    SOURCE_MAX = 4096, /* listed at most */
};

/* `name` is the whole word for sentences, `rest` what follows the scheme's colon. */
int source_ollama_resolve(const char *name, const char *rest, source_found *out, error *err);
int source_hf_resolve(const char *name, const char *rest, source_found *out, error *err);
int source_lmstudio_resolve(const char *name, const char *rest, source_found *out, error *err);
/* Whether a name without its scheme has a manifest, or a folder, in one of the places. */
int source_ollama_has(const char *rest);
int source_hf_has(const char *rest);
/* A model of that name is there under other tags: -1 and the sentence that lists them; else 0. */
int source_ollama_near(const char *rest, error *err);
/* The model that an existing path stands for: source_path.c. */
int source_of_path(const char *path, char **out, error *err);
/* The snapshot in a repository of the Hugging Face cache that is current; caller frees. */
char *source_hf_snapshot(const char *repository, error *err);

/* Append to *out what is found. -1 only when out of memory. */
int source_ollama_list(sources *out, error *err);
int source_hf_list(sources *out, error *err);
int source_lmstudio_list(sources *out, error *err);

/* Directories in which one scheme looks. */
typedef struct places {
    char *v[SOURCE_PLACES];
    size_t len;
} places;

/* Adds base + below; nothing when base is NULL. */
int places_add(places *p, const char *base, const char *below, error *err);
void places_release(places *p);
/* The variable's value, or NULL when it is unset or empty. */
const char *source_environment(const char *name);

/* A name cut at its slashes. The parts point into `text`. */
typedef struct parts {
    char *text;
    char *v[SOURCE_PARTS];
    size_t len;
} parts;

/* Cuts `rest` into min to max plain file names; `form` tells the user how they are written. The
 * caller releases *p, on failure too. */
int parts_cut(const char *name, const char *rest, size_t min, size_t max, const char *form,
              parts *p, error *err);
/* The third part and what follows it as "FILE" or "FOLDER/FILE" (caller frees); NULL in *file and 0
 * when there is none. */
int parts_file(const parts *p, char **file, error *err);
void parts_release(parts *p);

/* The sentences for a name that cannot be one, and for a model that is in none of the places. */
int source_malformed(error *err, const char *name, const char *form);
int source_missing(error *err, const char *name, const char *what, const places *looked);

bool source_is_folder(const char *path);
/* The model in `dir`: `file` when it is named, else the folder itself, else its only file. */
int source_choose(const char *name, const char *dir, const char *file, char **path, error *err);
/* The models in a folder and in the folders right below it, appended to *out: the folder itself
 * (name "") when it holds config.json and safetensors, and each GGUF file (name relative to it). Of a
 * split model only the first part is listed, with the bytes of all; projectors of vision models
 * (mmproj) are left out. */
int source_folder_models(const char *path, sources *out, error *err);

/* Appends one source; name and path are copied. */
int sources_add(sources *s, const char *name, const char *path, uint64_t bytes, error *err);
/* Appends one source, unless an earlier place had one of that name. */
int source_list_one(const char *name, const char *path, uint64_t bytes, sources *out, error *err);
/* Lists the models of a folder as `name`, or as `name`/FILE where there are several. */
int source_list_folder(const char *name, const char *dir, sources *out, error *err);

#endif
