/* file_check.h - what a file is that is not what it should be.
 *
 * Downloads fail in a few ways that leave a file behind: a Git LFS pointer, a login page, a server's
 * answer, the first part of the bytes. Other files are simply of another kind: a PyTorch pickle, an
 * archive, weights in the format of another program. Their first bytes tell, and a sentence that
 * says what happened and what to do helps more than "offset 0: does not begin with GGUF".
 */
#ifndef ENGINE_FILE_CHECK_H
#define ENGINE_FILE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

typedef enum file_wanted { WANTED_GGUF, WANTED_SAFETENSORS, WANTED_JSON } file_wanted;

/* ERROR_LOAD "WHERE: offset 0: ..." when the bytes are recognised as something else than what was
 * wanted: -1; else 0 and *err is left alone. */
int file_check_kind(const char *where, const uint8_t *data, size_t size, file_wanted wanted,
                    error *err);

/* The same for a download that is still under way, by what download programs leave beside it
 * (PATH.aria2) or call it (PATH itself ends in ".part"). */
int file_check_download(const char *path, error *err);
/* The name of a file beside PATH that holds a download of it: PATH.part, PATH.incomplete and so on;
 * NULL when there is none. Static. */
const char *file_partial_download(const char *path);

/* Behind the sentence of a JSON file that was refused: when it does not end as JSON does, that its
 * download probably stopped. Returns -1. */
int file_explain_truncated_text(const char *path, error *err);

/* A file of `size` bytes whose header asks for `needed`; `tensor` (or NULL) is the first that is not
 * whole. */
int file_refuse_truncated(const char *where, uint64_t offset, const char *tensor, uint64_t size,
                          uint64_t needed, error *err);

#endif
