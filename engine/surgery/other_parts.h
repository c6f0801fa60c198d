/* other_parts.h - the two describers of convert.h: what goes with the weights in the other format.
 *
 * Each is told everything by the model's configuration and tokenizer as this program reads them, so what is
 * written means here what it meant before; what the other format has no words for is refused, by
 * other_gguf_check() and other_folder_check() before anything is begun.
 */
#ifndef ENGINE_OTHER_PARTS_H
#define ENGINE_OTHER_PARTS_H

#include "../formats/gguf_writer.h"
#include "../text/tokenizer.h"

typedef struct other_description {
    const checkpoint *c;
    const tokenizer *words; /* NULL: none is written */
    const rope_config *rope;
    dtype type;          /* of most matrices */
    const char *history; /* NULL: none */
} other_description;

/* Both formats divide logits by what they say, and logit_scale is its inverse: the f32 of which
 * that comes out. */
float other_logit_divisor(const model_config *c);

int other_gguf_check(const model_config *c, error *err);
/* An image_describe of an other_description. */
int other_gguf_describe(void *user, gguf_writer *w, error *err);

int other_folder_check(const model_config *c, error *err);
/* An image_fill of an other_description. */
int other_folder_fill(void *user, const char *place, error *err);

#endif
