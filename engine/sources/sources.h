/* sources.h - what `-m` may name, and where models are found on this machine.
 *
 * A path is itself, and a folder that holds one model means it. Otherwise:
 *   ollama:NAME[:TAG]             Ollama's manifest, followed to its blob; the tag is "latest" unless
 *                                 named; NAME may be SPACE/NAME or HOST/SPACE/NAME
 *   hf:[ORG/]NAME[/FILE|:QUANT]   the snapshot that refs/main names in the Hugging Face cache
 *   lmstudio:PUBLISHER/NAME[/FILE] LM Studio's folder
 * FILE chooses between several GGUF files, QUANT ("Q4_K_M") the one that is called so. A name without
 * a scheme is looked up in all three. Nothing is ever downloaded, and a name never leaves its
 * folder: each of its parts is a plain file name.
 *
 * Places: $OLLAMA_MODELS, else ~/.ollama/models and the service's /usr/share/ollama/.ollama/models;
 * $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub; ~/.lmstudio/models and the older ~/.cache/lm-studio/models.
 */
#ifndef ENGINE_SOURCES_H
#define ENGINE_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

/* A model that was found: its path, and its maker's defaults (model_defaults.h; NULL = none). */
typedef struct source_found {
    char *path;
    struct model_defaults *defaults;
} source_found;

/* Finds what `name` stands for; caller releases *out, on failure too. ERROR_LOAD with where it
 * looked, and what is there instead, when nothing is. */
int source_find(const char *name, source_found *out, error *err);
void source_found_release(source_found *f); /* {0} ok */

/* The path alone (caller frees). */
int source_resolve(const char *name, char **path, error *err);

typedef struct source {
    char *name; /* what to give to -m */
    char *path;
    uint64_t bytes; /* size on disk */
} source;

typedef struct sources {
    source *v;
    size_t len, cap;
} sources;

/* Everything found in the known places, sorted by name. Unreadable places are skipped. */
int sources_list(sources *out, error *err);
void sources_release(sources *s);

#endif
