/* edit.h - a model with another bank of experts, written in the same format: a GGUF file, or a folder of
 * safetensors with all that goes with them.
 *
 * All that is not experts, routers or their number stays as it is, byte for byte: tensors,
 * tokenizer, metadata, config.json. What was done is added to the history (history.h). A plan that
 * changes nothing gives the same bytes as the file that it began with.
 */
#ifndef ENGINE_EDIT_H
#define ENGINE_EDIT_H

#include "image_file.h"

/* Writes plan->c with the plan's experts to `path`, a file or a folder. used: experts a token from
 * now on, 0 = as before. ERROR_USAGE when layers would differ in their number, or a sum of experts
 * is of a type that is not written; nothing is begun then. */
int edit_write(const bank_plan *plan, int used, const image_options *o, const char *path,
               error *err);

#endif
