/* image_parts.h - what writing a file and writing a folder share. */
#ifndef ENGINE_IMAGE_PARTS_H
#define ENGINE_IMAGE_PARTS_H

#include "image_file.h"

/* ERROR_RUN when the disk that `path` will lie on has less than so many bytes left. */
int image_check_room(const char *path, uint64_t bytes, error *err);

/* gguf_writer_data() or safetensors_writer_bytes(), their writer as void. */
typedef int image_put(void *writer, const void *bytes, size_t n, error *err);
/* Hands bytes on in pieces and looks at the watch between them; *done counts them, of `all`. */
int image_take_parts(const void *bytes, size_t n, const image_watch *watch, uint64_t *done,
                     uint64_t all, image_put *put, void *writer, error *err);

#endif
