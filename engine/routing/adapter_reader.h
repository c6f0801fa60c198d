/* adapter_reader.h - one adapter's file while it is read: its bytes, its tensors, and sentences.
 *
 * Each format has a function that makes an adapter of it (adapter_own.c, adapter_peft.c,
 * adapter_gguf.c); adapter_open.c chooses. The adapter takes the bytes over.
 */
#ifndef ENGINE_ADAPTER_READER_H
#define ENGINE_ADAPTER_READER_H

#include "../base/json.h"
#include "../formats/tensor_list.h"
#include "adapter_internal.h"
#include "adapter_names.h"

typedef struct adapter_reader {
    const char *path;  /* of the file with the tensors */
    char *owned;       /* the same bytes until an adapter takes them; then NULL */
    const char *bytes; /* of the file */
    size_t size;
    tensor_list tensors;
    json_document *metadata; /* of a safetensors file: an object of strings; or NULL */
    const char *config;      /* text of adapter_config.json; NULL = the file beside `path` */
    size_t config_len;
} adapter_reader;

/* "PATH: offset N: tensor NAME WHY", ERROR_LOAD. */
int adapter_refuse(const adapter_reader *r, const checkpoint_tensor *t, const char *why,
                   error *err);
/* "... has shape [12, 31], WHO [12, 32]" */
int adapter_refuse_shape(const adapter_reader *r, const checkpoint_tensor *t,
                         const uint64_t want[2], const char *who, error *err);
/* A tensor that is read must have `dims` dimensions (1 .. 3) of F32, F16 or BF16, at least one value, all
 * finite. */
int adapter_check_values(const adapter_reader *r, const checkpoint_tensor *t, int dims, error *err);
/* The same tensor for adapter.h. Checked before. */
adapter_tensor adapter_tensor_of(const checkpoint_tensor *t);
/* An adapter that owns the reader's bytes from now on. */
adapter *adapter_take(adapter_reader *r, int width, error *err);

/* Fingerprint and provenance out of __metadata__, where it has them. */
int adapter_read_metadata(adapter *a, const adapter_reader *r, error *err);
/* ERROR_LOAD when it is not 64 lower-case hex digits. */
int adapter_set_fingerprint(adapter *a, const char *hex, error *err);

/* adapter_open() of bytes in memory, which are copied; config: text of adapter_config.json, NULL =
 * there is none. For fuzzing. */
adapter *adapter_read_memory(const char *where, const void *bytes, size_t size, const char *config,
                             size_t config_len, error *err);

/* The formats. NULL with ERROR_LOAD; what is returned is not yet sealed. */
struct peft_config;
adapter *adapter_read_own(adapter_reader *r, error *err);
adapter *adapter_read_peft(adapter_reader *r, const struct peft_config *config, error *err);
adapter *adapter_read_gguf(adapter_reader *r, error *err);
#endif
