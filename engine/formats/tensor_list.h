/* tensor_list.h - the table of named tensors that both file formats fill.
 *
 * One list serves a whole model: all parts of a split GGUF, or all shards of a safetensors model,
 * add to it, so a name that comes twice is found no matter where. Names are copied (file bytes
 * are not NUL-terminated) and looked up by a keyed hash (name_index.h): opening stays linear even
 * for a file made to collide.
 */
#ifndef ENGINE_TENSOR_LIST_H
#define ENGINE_TENSOR_LIST_H

#include <stddef.h>

#include "../../kernels/error.h"
#include "../base/name_index.h"
#include "../base/region.h"
#include "tensor_entry.h"

/* {0} is valid and empty. Entries keep the order in which they were added. */
typedef struct tensor_list {
    checkpoint_tensor *v;
    size_t len, cap;
    name_index index;
    region text;
} tensor_list;

/* Room for `more` further entries, allocated exactly. */
int tensor_list_reserve(tensor_list *l, size_t more, error *err);
/* Adds a copy of *t under name[0..len), which must not hold NUL; t->name is ignored. ERROR_LOAD
 * "WHERE: tensor NAME appears twice" when the name is taken. */
int tensor_list_add(tensor_list *l, const char *where, const char *name, size_t len,
                    const checkpoint_tensor *t, error *err);
/* NULL when absent. Borrowed until the next add. */
const checkpoint_tensor *tensor_list_find(const tensor_list *l, const char *name, size_t len);
void tensor_list_release(tensor_list *l); /* frees and empties */

#endif
