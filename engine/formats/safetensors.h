/* safetensors.h - safetensors files: one, or the shards of an index.
 *
 * Layout: u64 N (little-endian), N bytes of JSON, then the data that offsets count from:
 *
 *     {"__metadata__":{"format":"pt"},
 *      "NAME":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}, ...}
 *
 * The whole header is scanned by the strict JSON scan first; a small reader of its own then takes
 * the entries, because a tree of a 100 MB header would need gigabytes. Accepted is what the
 * reference library accepts (tensors sorted by offset cover the data without hole or overlap, the
 * last ends at the end of the file), but for what hides something or cannot be used: a key that
 * comes twice, an unknown field of a tensor, more than four dimensions, a header that does not
 * begin with "{" (the format says it must).
 *
 * Source: https://github.com/huggingface/safetensors (README, "Format").
 */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "../../kernels/error.h"
#include "tensor_list.h"

enum { SAFETENSORS_MAX_HEADER = 100000000 }; /* bytes, the format's own limit */

typedef struct safetensors safetensors;

/* Opens model.safetensors of a directory, or every shard that model.safetensors.index.json names;
 * adds all tensors to *tensors, which must not outlive the result. Shards are looked up in the
 * directory itself: a name with a path in it is refused. Caller owns. Errors: ERROR_LOAD with file,
 * field and offset. */
safetensors *safetensors_open(const char *directory, tensor_list *tensors, error *err);
void safetensors_close(safetensors *s); /* NULL ok */

/* The text of the object __metadata__ of the first file, [*len], or NULL. Borrowed. */
const char *safetensors_metadata(const safetensors *s, size_t *len);

/* ERROR_RUN when a file is shorter now than when it was mapped. */
int safetensors_intact(const safetensors *s, error *err);
/* The file whose mapping holds these bytes, or NULL. Borrowed. */
const struct mapped_file *safetensors_file(const safetensors *s, const void *data);

/* One file's bytes; adds its tensors to the list. For fuzzing. */
int safetensors_read(const char *where, const uint8_t *data, size_t size, tensor_list *tensors,
                     error *err);
/* The same; *metadata is the text of the object __metadata__, borrowed from data, or NULL. */
int safetensors_read_all(const char *where, const uint8_t *data, size_t size, tensor_list *tensors,
                         const char **metadata, size_t *metadata_len, error *err);

#endif
