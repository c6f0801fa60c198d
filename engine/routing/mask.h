/* mask.h - mask files: which experts a pass may call, or a bias on its router's logits.
 *
 * A mask is a separate file because expert 77 means something else in every model. Three modes:
 * keep (the listed experts of a layer, no others), ban (all but the listed) and bias (a number
 * added to an expert's selection score). A layer that is not named is untouched. The file may name
 * the fingerprint of the model it was made for, and is refused by any other.
 *
 *     {"mask":1,"model":"FINGERPRINT" or null,"mode":"keep","layers":{"0-3":"0-63","4":"1,5,80-100"}}
 *     {"mask":1,"model":null,"mode":"bias","layers":{"12":{"77":1.5,"3":-2}}}
 *
 * Loading checks all that can be known without a model; mask_apply() the rest.
 */
#ifndef ENGINE_MASK_H
#define ENGINE_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"
#include "../formats/model_config.h"

typedef enum mask_mode { MASK_KEEP, MASK_BAN, MASK_BIAS } mask_mode;

typedef struct mask mask;

/* Caller owns. ERROR_LOAD naming the file and the field. */
mask *mask_load(const char *path, error *err);
/* The same from text in memory; `where` stands for the file's name in messages. */
mask *mask_read(const char *where, const char *text, size_t len, error *err);
void mask_close(mask *m); /* NULL ok */

mask_mode mask_kind(const mask *m);
const char *mask_path(const mask *m);

/* What several masks together say about a model; all arrays are [layers * experts], the caller's.
 * Bans unite, biases add. With experts that adapters add, every layer's row is longer by most_added:
 * masks may name them by the numbers behind the model's, and a keep mask that names none of them in a
 * layer leaves them as they are. */
typedef struct mask_tables {
    uint8_t *allowed; /* starts as all 1, but 0 where a layer has fewer than most_added */
    uint8_t *named;   /* starts as all 0: experts a keep or bias mask lists */
    float *bias;      /* starts as all 0 */
    const int *added; /* [layers] experts behind the model's; NULL = none */
    int most_added;   /* of any layer */
} mask_tables;

/* Adds m to the tables. Layers without experts inside a range are skipped. ERROR_LOAD by name for a
 * layer or expert beyond the model, a layer named twice, another model's fingerprint (checked when
 * `fingerprint` is not NULL). */
int mask_apply(const mask *m, const model_config *model, const char *fingerprint,
               mask_tables *tables, error *err);

#endif
