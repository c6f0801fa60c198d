/* adapter_open.c - an adapter's file, whatever its format: read whole, recognised, handed to its
 * reader. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../base/mapped_file.h"
#include "../base/printable.h"
#include "../formats/safetensors.h"
#include "adapter_reader.h"

enum { METADATA_BYTES = 1 << 20 };

/* ---- sentences and checks ------------------------------------------------------------------------ */

int adapter_refuse(const adapter_reader *r, const checkpoint_tensor *t, const char *why, error *err)
{
    size_t at = (size_t)((const char *)t->data - r->bytes);
    return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor %s %s", r->path, at,
                     printable_text(t->name).text, why);
}

int adapter_refuse_shape(const adapter_reader *r, const checkpoint_tensor *t,
                         const uint64_t want[2], const char *who, error *err)
{
    char why[160];
    (void)snprintf(why, sizeof why, "has shape [%llu, %llu], %s [%llu, %llu]",
                   (unsigned long long)t->shape[0], (unsigned long long)t->shape[1], who,
                   (unsigned long long)want[0], (unsigned long long)want[1]);
    return adapter_refuse(r, t, why, err);
}

adapter_tensor adapter_tensor_of(const checkpoint_tensor *t)
{
    return (adapter_tensor){t->type, (int)t->shape[0], (int)t->shape[1], t->data};
}

int adapter_check_values(const adapter_reader *r, const checkpoint_tensor *t, error *err)
{
    if (t->type > DTYPE_BF16)
        return adapter_refuse(r, t, "is not of type F32, F16 or BF16", err);
    if (t->dims != 2 || t->shape[0] == 0 || t->shape[1] == 0)
        return adapter_refuse(r, t, "is no matrix", err);
    adapter_tensor all = adapter_tensor_of(t);
    int64_t bad = adapter_not_finite(&all);
    if (bad < 0)
        return 0;
    size_t at = (size_t)((const char *)t->data - r->bytes) +
                (size_t)bad * (size_t)dtype_describe(t->type)->bytes;
    return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor %s: [%lld, %lld] is not finite",
                     r->path, at, printable_text(t->name).text, (long long)(bad / all.cols),
                     (long long)(bad % all.cols));
}

adapter *adapter_take(adapter_reader *r, int width, error *err)
{
    adapter *a = adapter_new(r->path, width, err);
    if (!a)
        return NULL;
    a->file = r->bytes;
    r->taken = true;
    return a;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static adapter *read_safetensors(adapter_reader *r, error *err)
{
    const char *metadata;
    size_t len;
    if (safetensors_read_all(r->path, (const uint8_t *)r->bytes, r->size, &r->tensors, &metadata,
                             &len, err))
        return NULL;
    if (len > METADATA_BYTES) {
        (void)error_set(err, ERROR_LOAD, "%s: __metadata__ has %zu bytes, at most %d are read",
                        r->path, len, METADATA_BYTES);
        return NULL;
    }
    if (metadata && !(r->metadata = json_parse(r->path, metadata, len, err)))
        return NULL;
    return adapter_read_own(r, err);
}

adapter *adapter_open(const char *path, error *err)
{
    adapter_reader r = {.path = path};
    adapter *a = NULL;
    if (file_read_all(path, ADAPTER_BYTES, &r.bytes, &r.size, err) == 0)
        a = read_safetensors(&r, err);
    if (a && adapter_seal(a, err)) {
        adapter_close(a);
        a = NULL;
    }
    tensor_list_release(&r.tensors);
    json_close(r.metadata);
    if (!r.taken)
        free(r.bytes);
    return a;
}
