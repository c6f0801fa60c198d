/* safetensors_writer.h - one safetensors file, written in one pass.
 *
 * As gguf_writer.h: declare all, begin, stream the values in the same order, finish. The format's
 * own name for where a tensor lies (data_offsets) follows from the order; the header is padded with
 * spaces to a multiple of 8 so that the data is aligned.
 *
 * Source: https://github.com/huggingface/safetensors (README, "Format").
 */
#ifndef ENGINE_SAFETENSORS_WRITER_H
#define ENGINE_SAFETENSORS_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "../../kernels/quant.h"
#include "../base/buf.h"

typedef struct safetensors_writer safetensors_writer;

/* Caller owns. */
safetensors_writer *safetensors_writer_open(const char *path, error *err);
/* The file's bytes are appended to *out, which must outlive it; unfinished, some may stand there. `where` is
 * what errors call it. */
safetensors_writer *safetensors_writer_into(buf *out, const char *where, error *err);
void safetensors_writer_close(safetensors_writer *w); /* NULL ok; unfinished = dropped */

/* A text of __metadata__, before the first tensor; keys are the caller's and distinct. */
void safetensors_writer_text(safetensors_writer *w, const char *key, const char *text);
/* Declares a tensor of dims 1..4, F32 or, by safetensors_writer_typed(), F16 or BF16 too. */
int safetensors_writer_tensor(safetensors_writer *w, const char *name, int dims,
                              const uint64_t *shape, error *err);
int safetensors_writer_typed(safetensors_writer *w, const char *name, dtype type, int dims,
                             const uint64_t *shape, error *err);
int safetensors_writer_begin(safetensors_writer *w, error *err);
/* The next n values of the declared sequence, or n bytes of it. */
int safetensors_writer_data(safetensors_writer *w, const float *values, size_t n, error *err);
int safetensors_writer_bytes(safetensors_writer *w, const void *bytes, size_t n, error *err);
int safetensors_writer_finish(safetensors_writer *w, error *err);

#endif
