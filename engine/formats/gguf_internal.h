/* gguf_internal.h - the shape of metadata in memory, shared by gguf.c, gguf_read.c, gguf_values.c.
 *
 * A value is a pointer to its bytes in the mapping and what they are. Only an array of strings
 * needs more: `starts`, made once while the array is checked, so that its i-th string is found
 * at once.
 */
#ifndef ENGINE_GGUF_INTERNAL_H
#define ENGINE_GGUF_INTERNAL_H

#include "../base/mapped_file.h"
#include "../base/name_index.h"
#include "../base/region.h"
#include "gguf.h"

struct gguf_value {
    const char *key;
    uint8_t array;       /* 1 = an array */
    uint8_t element;     /* gguf_type of the elements, or of the value itself */
    size_t count;        /* elements; 1 for a plain value */
    const uint8_t *data; /* the first element; of a string: its length field */
    size_t *starts;      /* [count] where each string's length field is, from data; else NULL */
};

typedef struct metadata {
    gguf_value *v;
    size_t len;
    name_index index;
    region keys;
} metadata;

/* Walks one file: header, metadata, tensor table; *meta and *tensors are filled (and must be
 * released even after a failure). */
int gguf_read(const char *where, const uint8_t *data, size_t size, metadata *meta,
              tensor_list *tensors, error *err);
void metadata_release(metadata *m);
const gguf_value *metadata_find(const metadata *m, const char *key);

struct gguf {
    metadata meta;      /* of the first file */
    mapped_file *files; /* [parts]; none when the bytes came from memory */
    size_t parts;
    char *path;
};

#endif
