/* adapter_open.c - an adapter's file, whatever its format: read whole, recognised, handed to its
 * reader. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../kernels/dequantize.h"
#include "../base/buf.h"
#include "../base/digest.h"
#include "../base/mapped_file.h"
#include "../base/printable.h"
#include "../formats/safetensors.h"
#include "adapter_reader.h"
#include "peft_config.h"

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

/* "[3, 5]" of the i-th value of a tensor. */
static void place_text(const checkpoint_tensor *t, uint64_t i, char *out, size_t size)
{
    uint64_t index[4] = {0};
    size_t at = 0;
    for (int d = t->dims - 1; d >= 0; d--) {
        index[d] = i % t->shape[d];
        i /= t->shape[d];
    }
    for (int d = 0; d < t->dims && at < size; d++)
        at += (size_t)snprintf(out + at, size - at, d ? ", %llu" : "%llu",
                               (unsigned long long)index[d]);
}

int adapter_check_values(const adapter_reader *r, const checkpoint_tensor *t, int dims, error *err)
{
    uint64_t n = 1;
    for (int i = 0; i < t->dims; i++)
        n *= t->shape[i]; /* the file's own size bounds it: it was read whole */
    if (t->type > DTYPE_BF16)
        return adapter_refuse(r, t, "is not of type F32, F16 or BF16", err);
    if (t->dims != dims || n == 0)
        return adapter_refuse(r, t, dims == 2 ? "is no matrix" : "does not have three dimensions",
                              err);
    adapter_tensor all = {t->type, 1, (int)n, t->data};
    float value;
    int64_t bad = adapter_wild(&all, &value);
    if (bad < 0)
        return 0;
    char place[100], what[ADAPTER_WILD_TEXT];
    size_t at = (size_t)((const char *)t->data - r->bytes) +
                (size_t)bad * (size_t)dtype_describe(t->type)->bytes;
    place_text(t, (uint64_t)bad, place, sizeof place);
    return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor %s: [%s] is %s", r->path, at,
                     printable_text(t->name).text, place, adapter_wild_text(value, what));
}

adapter *adapter_take(adapter_reader *r, int width, error *err)
{
    adapter *a = adapter_new(r->path, width, err);
    if (!a)
        return NULL;
    a->file = r->owned;
    r->owned = NULL;
    return a;
}

/* ---- opening ------------------------------------------------------------------------------------- */

/* Both behind each other; caller frees. */
static char *join(const char *path, const char *name, error *err)
{
    buf b = {0};
    if (buf_format(&b, err, "%s%s", path, name) == 0)
        return buf_detach(&b);
    buf_release(&b);
    return NULL;
}

/* The name of a file in the folder of `path`; caller frees. */
static char *beside(const char *path, const char *name, error *err)
{
    const char *slash = strrchr(path, '/');
    buf folder = {0};
    char *out = NULL;
    if (buf_add(&folder, path, slash ? (size_t)(slash - path) + 1 : 0, err) == 0)
        out = join(folder.v ? folder.v : "", name, err);
    buf_release(&folder);
    return out;
}

static int load_config(const adapter_reader *r, peft_config *config, error *err)
{
    if (r->config)
        return peft_config_read(config, "adapter_config.json", r->config, r->config_len, err);
    char *path = beside(r->path, "adapter_config.json", err);
    int result = path ? 0 : -1;
    if (path && access(path, F_OK) != 0)
        result = error_set(err, ERROR_LOAD,
                           "%s: low-rank updates without their scale: adapter_config.json, which "
                           "names r and lora_alpha, is not beside it",
                           r->path);
    if (!result)
        result = peft_config_load(config, path, err);
    free(path);
    return result;
}

/* A file with low-rank updates that is not of one's own layout needs its alpha. */
static adapter *read_with_config(adapter_reader *r, error *err)
{
    peft_config config = {0};
    adapter *a = load_config(r, &config, err) ? NULL : adapter_read_peft(r, &config, err);
    peft_config_release(&config);
    return a;
}

static bool has_updates(const adapter_reader *r)
{
    for (size_t i = 0; i < r->tensors.len; i++)
        if (strstr(r->tensors.v[i].name, ".lora_"))
            return true;
    return false;
}

static adapter *read_safetensors(adapter_reader *r, error *err)
{
    const char *metadata;
    size_t len;
    if (safetensors_read_all(r->path, (const uint8_t *)r->bytes, r->size, &r->tensors, &metadata,
                             &len, err))
        return NULL;
    if (len > METADATA_BYTES) { /* NOLINT(clang-analyzer-unix.Malloc): read_bytes() frees */
        (void)error_set(err, ERROR_LOAD, "%s: __metadata__ has %zu bytes, at most %d are read",
                        r->path, len, METADATA_BYTES);
        return NULL;
    }
    if (metadata && !(r->metadata = json_parse(r->path, metadata, len, err)))
        return NULL;
    bool own = r->metadata && json_text_at(json_root(r->metadata), "adapter");
    return own || !has_updates(r) ? adapter_read_own(r, err) : read_with_config(r, err);
}

/* Frees all that the reader holds, but what an adapter took. */
static adapter *read_bytes(adapter_reader *r, error *err)
{
    r->bytes = r->owned;
    bool is_gguf = r->size >= 4 && memcmp(r->bytes, "GGUF", 4) == 0;
    adapter *a = is_gguf ? adapter_read_gguf(r, err) : read_safetensors(r, err);
    if (a && adapter_seal(a, err)) {
        adapter_close(a);
        a = NULL;
    }
    tensor_list_release(&r->tensors);
    json_close(r->metadata);
    free(r->owned);
    return a;
}

/* A larger one names the option that lets it in. */
static int too_large(const char *path, uint64_t most, error *err)
{
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= most)
        return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: %llu bytes, and an adapter has at most %llu MiB; --max-adapter allows "
                     "more",
                     path, (unsigned long long)st.st_size, (unsigned long long)(most >> 20));
}

static adapter *read_file(const char *path, uint64_t most, error *err)
{
    adapter_reader r = {.path = path};
    if (too_large(path, most, err) || file_read_all(path, (size_t)most, &r.owned, &r.size, err))
        return NULL;
    return read_bytes(&r, err);
}

adapter *adapter_read_memory(const char *where, const void *bytes, size_t size, const char *config,
                             size_t config_len, error *err)
{
    adapter_reader r = {.path = where,
                        .owned = malloc(size + 1),
                        .size = size,
                        .config = config ? config : "",
                        .config_len = config_len};
    if (!r.owned) {
        (void)error_memory(err, "an adapter");
        return NULL;
    }
    memcpy(r.owned, bytes, size);
    return read_bytes(&r, err);
}

/* PEFT's folder. */
static adapter *read_folder(const char *path, uint64_t most, error *err)
{
    char *pickle = join(path, "/adapter_model.bin", err);
    char *file = pickle ? join(path, "/adapter_model.safetensors", err) : NULL;
    adapter *a = NULL;
    if (file && access(file, F_OK) != 0 && access(pickle, F_OK) == 0)
        (void)error_set(
            err, ERROR_LOAD,
            "%s: holds adapter_model.bin, a PyTorch checkpoint, which can run code and is "
            "never read; save it as safetensors",
            path);
    else if (file)
        a = read_file(file, most, err);
    free(file);
    free(pickle);
    return a;
}

adapter *adapter_open_within(const char *path, uint64_t most, error *err)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? read_folder(path, most, err)
                                                       : read_file(path, most, err);
}

adapter *adapter_open(const char *path, error *err)
{
    return adapter_open_within(path, ADAPTER_BYTES, err);
}

void adapter_digest(const char *path, char out[DIGEST_TEXT])
{
    struct stat st;
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    char *config = folder ? join(path, "/adapter_config.json", NULL) : NULL;
    char *file = folder ? join(path, "/adapter_model.safetensors", NULL) : NULL;
    const char *const both[] = {config, file};
    out[0] = '\0';
    if (!folder)
        digest_files(&path, 1, out);
    else if (config && file)
        digest_files(both, 2, out);
    free(config);
    free(file);
}
