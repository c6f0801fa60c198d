/* convert.h - a model in the other format: a GGUF file of a Hugging Face directory, or a directory of a
 * GGUF file.
 *
 * No number changes but by `retype`: tensors get their other names and order (other_image.h), and
 * configuration, tokenizer, chat template and defaults are written anew from what they are here
 * (other_parts.h). What the other format cannot say is refused before anything is begun. What was done is
 * added to the history (history.h). Whole or not at all: image_file.h, image_folder.h.
 */
#ifndef ENGINE_CONVERT_H
#define ENGINE_CONVERT_H

#include "image_file.h"

typedef struct convert_options {
    image_options image;
    bool no_words; /* no tokenizer, no chat template */
    int *spaces; /* counts added tokens of whose white space GGUF says nothing: tokenizer_write.h */
} convert_options;

/* Writes c, which has passed weights_check(), to `path`. ERROR_USAGE for what the other format cannot say. */
int convert_write(const checkpoint *c, const convert_options *o, const char *path, error *err);

#endif
