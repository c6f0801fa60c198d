/* image_folder.h - an image becomes a folder of safetensors: shards, their index, and what the
 * describer puts beside them. image_file.h says how it appears.
 *
 * The new folder is filled as PATH.part and takes the place of PATH in one step: by a rename, or where a
 * folder is to be replaced, by exchanging the two names (renameat2(2)) and then removing the old one.
 * Folders hold plain files only; one that holds more is not replaced.
 */
#ifndef ENGINE_IMAGE_FOLDER_H
#define ENGINE_IMAGE_FOLDER_H

#include "image_file.h"

/* Puts the other files into the folder. */
typedef int image_fill(void *user, const char *place, error *err);

typedef struct image_folder {
    const checkpoint *source;
    const char *history; /* a text for the metadata, or NULL: as the source has it */
    image_fill *fill;
    void *user;
    bool over; /* a folder that is there is replaced */
} image_folder;

/* Errors as image_write_gguf(); ERROR_USAGE for a folder that is there. */
int image_write_folder(const image *m, const image_folder *f, const char *path,
                       const image_watch *watch, error *err);

#endif
