/* sources.h - what `-m` may name, and where models are found on this machine.
 *
 * A path is itself. `ollama:NAME:TAG` follows Ollama's manifest to its blob; `hf:ORG/NAME` finds a
 * snapshot in the local Hugging Face cache; `lmstudio:PUBLISHER/NAME[/FILE]` and bare names look in
 * LM Studio's folder. Nothing is ever downloaded.
 */
#ifndef ENGINE_SOURCES_H
#define ENGINE_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "../kernels/error.h"

/* Writes the path that `name` stands for into *path (caller frees). ERROR_LOAD with where it
 * looked when nothing is there. */
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
