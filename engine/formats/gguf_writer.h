/* gguf_writer.h - GGUF files, written in one pass.
 *
 * Order of calls: metadata and tensor declarations in any order, begin, then the bytes of every
 * tensor in the order of declaration, finish. Only the metadata is held in memory; tensors stream
 * through. The file appears at its path when it is whole (atomic_file.h).
 *
 * What comes out is version 3 with an alignment of 32: what gguf.h reads, and llama.cpp.
 */
#ifndef ENGINE_GGUF_WRITER_H
#define ENGINE_GGUF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "../../kernels/quant.h"
#include "gguf.h"

typedef struct gguf_writer gguf_writer;

/* Caller owns. */
gguf_writer *gguf_writer_open(const char *path, error *err);
/* Unfinished, the file is dropped. NULL ok. */
void gguf_writer_close(gguf_writer *w);

/* Metadata. Keys are the caller's and distinct. */
int gguf_writer_text(gguf_writer *w, const char *key, const char *text, error *err);
int gguf_writer_u32(gguf_writer *w, const char *key, uint32_t value, error *err);
int gguf_writer_f32(gguf_writer *w, const char *key, float value, error *err);
int gguf_writer_bool(gguf_writer *w, const char *key, bool value, error *err);
/* An array of n numbers of `element`: U32, I32 or F32, as they lie. */
int gguf_writer_array(gguf_writer *w, const char *key, gguf_type element, const void *values,
                      size_t n, error *err);
/* An array of n texts, which follow by gguf_writer_element(). */
int gguf_writer_texts(gguf_writer *w, const char *key, size_t n, error *err);
int gguf_writer_element(gguf_writer *w, const char *text, size_t len, error *err);
/* The value of general.file_type where most matrices are of this type (GGUF specification). */
uint32_t gguf_file_type(const dtype_info *type);
/* A value of another file, arrays too, byte for byte, under its own key. */
int gguf_writer_copy(gguf_writer *w, const gguf_value *v, error *err);

/* shape: row-major, shape[dims-1] contiguous and a multiple of the type's block; dims 1..4. The name
 * is copied, at most GGUF_MAX_NAME bytes. */
int gguf_writer_tensor(gguf_writer *w, const char *name, dtype type, int dims,
                       const uint64_t *shape, error *err);

/* Writes the header. Afterwards gguf_writer_data() takes the tensors' bytes, in pieces of any size
 * that may not cross from one tensor to the next. */
int gguf_writer_begin(gguf_writer *w, error *err);
int gguf_writer_data(gguf_writer *w, const void *bytes, size_t n, error *err);
/* ERROR_RUN when bytes are missing or the disk refuses. */
int gguf_writer_finish(gguf_writer *w, error *err);

#endif
