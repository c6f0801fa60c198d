/* checkpoint.h - a model on disk: configuration and named tensors behind one interface.
 *
 * Two formats hide here: GGUF (gguf.h, one or several split files) and a Hugging Face directory
 * (config.h, safetensors.h). Files are mapped, never copied. Opening validates every header field,
 * so that a tensor handed out lies inside its mapping and has the size its shape says.
 *
 * Tensor names are the file's own; weights.c knows both naming schemes.
 */
#ifndef ENGINE_CHECKPOINT_H
#define ENGINE_CHECKPOINT_H

#include <stdint.h>

#include "../../kernels/error.h"
#include "load_notes.h"
#include "model_config.h"
#include "model_tweaks.h"
#include "tensor_entry.h"

typedef struct checkpoint checkpoint;
struct gguf; /* gguf.h */

/* path: a .gguf file (the first of a split model) or a directory with config.json. Caller owns.
 * Errors: ERROR_LOAD naming file, field and offset. */
checkpoint *checkpoint_open(const char *path, checkpoint_warn *warn, void *user, error *err);
void checkpoint_close(checkpoint *c); /* NULL ok */
/* Changes its configuration, before anything is made of it. Errors as model_tweaks_apply(). */
int checkpoint_tweak(checkpoint *c, const model_tweaks *t, error *err);

const char *checkpoint_path(const checkpoint *c);
/* What to call it: its file or folder without the folders before it; of a snapshot in the Hugging Face
 * cache (models--ORG--NAME/snapshots/HASH) NAME. Caller frees; NULL without memory. */
char *checkpoint_name(const checkpoint *c, error *err);
const model_config *checkpoint_config(const checkpoint *c); /* borrowed */
/* Its place in file order, or -1. */
int checkpoint_index(const checkpoint *c, const char *name);
/* The i-th tensor in file order, for listings; i < checkpoint_count(). */
int checkpoint_count(const checkpoint *c);
void checkpoint_at(const checkpoint *c, int i, checkpoint_tensor *out);

/* The GGUF metadata, or NULL for a Hugging Face directory. Borrowed. */
const struct gguf *checkpoint_gguf(const checkpoint *c);
/* The directory of a Hugging Face model, or NULL for GGUF. Borrowed. */
const char *checkpoint_directory(const checkpoint *c);
/* The text of __metadata__ of the first safetensors file, [*len]; NULL when there is none. Borrowed. */
const char *checkpoint_metadata(const checkpoint *c, size_t *len);
/* Text of chat_template (jinja), NUL-terminated, or NULL when the model has none. Borrowed. */
const char *checkpoint_chat_template(const checkpoint *c);

/* The file whose mapping holds these bytes of a tensor, or NULL. Borrowed. */
const struct mapped_file *checkpoint_file(const checkpoint *c, const void *data);

/* An error (ERROR_RUN) when a mapped file has shrunk since it was opened; 0 otherwise. */
int checkpoint_intact(const checkpoint *c, error *err);

#endif
