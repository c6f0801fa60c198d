/* image_file.h - an image (image.h) becomes a file: GGUF, or a folder of safetensors.
 *
 * This is the one place that writes models. What is not weights is the describer's: it fills in the
 * metadata of a GGUF, or makes the other files of a folder, and knows nothing of tensors. Everything
 * appears at once when it is whole: a file is written beside its place and renamed, a folder likewise;
 * a full disk, a signal or kill -9 leave at most PATH.part, which the next writing takes over.
 */
#ifndef ENGINE_IMAGE_FILE_H
#define ENGINE_IMAGE_FILE_H

#include "../formats/gguf_writer.h"
#include "image.h"

/* Told now and then how much is written; false ends it with ERROR_CANCELLED. {0} = nobody. */
typedef struct image_watch {
    void *user;
    bool (*step)(void *user, double share);
} image_watch;

/* What edit.h and convert.h are told alike. */
typedef struct image_options {
    image_types *types; /* what matrices become; NULL = as they are */
    const char *done;   /* for the history, or NULL: none is kept */
    bool over;          /* a folder that is there is replaced */
    image_watch watch;
} image_options;

/* Puts the metadata of a GGUF file. */
typedef int image_describe(void *user, gguf_writer *w, error *err);

/* ERROR_RUN when the disk has not the room, refuses, or a source is shorter than it was. */
int image_write_gguf(const image *m, const checkpoint *source, image_describe *describe, void *user,
                     const char *path, const image_watch *watch, error *err);

#endif
