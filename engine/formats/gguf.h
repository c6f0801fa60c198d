/* gguf.h - GGUF files, versions 2 and 3: typed metadata and a table of tensors, all in a mapping.
 *
 * Layout (all integers little-endian; a string is a u64 length and that many bytes, without NUL):
 *
 *     "GGUF"  u32 version  u64 tensor_count  u64 kv_count
 *     kv_count times:      string key, u32 type, value
 *     tensor_count times:  string name, u32 n_dims, u64 ne[n_dims], u32 ggml type, u64 offset
 *     padding to general.alignment (32), then the data section that offsets count from
 *
 * ne[0] is the contiguous dimension. Opening walks every field once and checks it (limits below),
 * so that later each value and each tensor handed out lies inside its mapping. Nothing is copied
 * but names: strings are pointers into the file with a length.
 *
 * Deliberate choices where the format leaves room. Tensor offsets must equal the running sum of
 * padded sizes, as in llama.cpp: no gaps, no overlap. Behind the last tensor fewer bytes than the
 * alignment may follow (padding); more are refused. Arrays of arrays, keys that are not printable
 * ASCII and byte-swapped files are refused. v1 is refused by name.
 *
 * A type's number, name and size come from kernels/quant.c: a new weight type begins in
 * kernels/quant.h and is then read here without a change (one that gguf_read.c listed as known but
 * not computed with leaves that list).
 *
 * A split model is several files NAME-00001-of-00003.gguf; gguf_open() takes the first and opens
 * the others beside it. Metadata is that of the first file.
 *
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "tensor_list.h"

/* Generous multiples of what real files hold; they bound time and memory, not models. */
enum {
    GGUF_MAX_KEYS = 1 << 16,
    GGUF_MAX_TENSORS = 1 << 17,
    GGUF_MAX_KEY = 65535,       /* bytes, the specification's limit */
    GGUF_MAX_NAME = 64,         /* bytes of a tensor name, the specification's limit */
    GGUF_MAX_STRING = 16 << 20, /* bytes; the longest real ones are chat templates of 100 KB */
    GGUF_MAX_ARRAY = 64 << 20,  /* elements */
    GGUF_MAX_ALIGNMENT = 1 << 20,
    GGUF_MAX_PARTS = 4096,
};

typedef enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
} gguf_type;

typedef struct gguf gguf;
typedef struct gguf_value gguf_value; /* one metadata value, borrowed until gguf_close */

/* Opens a file (links allowed) with its further parts; adds all tensors to *tensors, which must
 * not outlive the gguf. Caller owns. Errors (ERROR_LOAD): "FILE: offset N: field ...". */
gguf *gguf_open(const char *path, tensor_list *tensors, error *err);
/* The same over bytes in memory, for fuzzing; a split file is refused. `bytes` is borrowed. */
gguf *gguf_open_memory(const char *where, const void *bytes, size_t len, tensor_list *tensors,
                       error *err);
void gguf_close(gguf *g); /* NULL ok */

const char *gguf_path(const gguf *g); /* of the first file; for error sentences */
/* ERROR_RUN when a file is shorter now than when it was mapped. */
int gguf_intact(const gguf *g, error *err);
/* The file whose mapping holds these bytes, or NULL. Borrowed. */
const struct mapped_file *gguf_file(const gguf *g, const void *data);

/* ---- metadata, untyped ---------------------------------------------------------------------- */

/* NULL when the key is absent. One hash lookup. */
const gguf_value *gguf_find(const gguf *g, const char *key);
/* The i-th key in file order, for listings; i < gguf_count(). */
size_t gguf_count(const gguf *g);
const gguf_value *gguf_at(const gguf *g, size_t i);
const char *gguf_key(const gguf_value *v); /* NUL-terminated, printable ASCII */

gguf_type gguf_value_type(const gguf_value *v); /* GGUF_ARRAY for arrays */
size_t gguf_elements(const gguf_value *v);      /* of an array; 1 otherwise */

/* Element i < gguf_elements(v); i = 0 for a plain value. O(1), strings too. Each returns false and
 * leaves *out when the element type does not suit: integers convert exactly (u64 above INT64_MAX
 * does not), numbers take f32, f64 and integers. Strings are borrowed and not NUL-terminated. */
bool gguf_integer(const gguf_value *v, size_t i, int64_t *out);
bool gguf_number(const gguf_value *v, size_t i, double *out);
bool gguf_bool(const gguf_value *v, size_t i, bool *out);
bool gguf_string(const gguf_value *v, size_t i, const char **text, size_t *len);

/* ---- metadata, typed: the same manners as json.h -------------------------------------------- */

/* 1 = present and *out set; 0 = absent (*out left as it was); -1 = wrong type or out of range,
 * ERROR_LOAD naming file, key, value and range. An array is a wrong type for all but the last. */
int gguf_get_integer(const gguf *g, const char *key, int64_t min, int64_t max, int64_t *out,
                     error *err);
int gguf_get_number(const gguf *g, const char *key, double min, double max, double *out,
                    error *err); /* finite; f32, f64 or an integer */
int gguf_get_bool(const gguf *g, const char *key, bool *out, error *err);
int gguf_get_string(const gguf *g, const char *key, const char **text, size_t *len, error *err);
/* An array whose elements have type `element`. */
int gguf_get_array(const gguf *g, const char *key, gguf_type element, const gguf_value **out,
                   error *err);

#endif
