/* builtin_source.c - see builtin_source.h.
 *
 * Opening the experts file reads its counts, then asks of every layer that they name the
 * five tensors of just the shapes that follow from the counts, so the recipe copies them
 * without another look. The file's hash goes into the model that is made, which is how a
 * stale one is recognised.
 */
#include "builtin_source.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/mapped_file.h"

/* ---- the experts file -------------------------------------------------------------------------- */

#define KEY(name) "consilium." name

static int take(const gguf *g, const char *key, int min, int max, int *out, error *err)
{
    int64_t value = 0;
    int found = gguf_get_integer(g, key, min, max, &value, err);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s: %s is missing: not an experts file", gguf_path(g),
                         key);
    *out = (int)value;
    return found < 0 ? -1 : 0;
}

static int take_counts(builtin_bank *b, error *err)
{
    int64_t first = 0;
    if (gguf_get_integer(b->file, KEY("first_layer"), 0, 1023, &first, err) < 0)
        return -1;
    b->first = (int)first;
    if (take(b->file, KEY("layers"), 1, 1024, &b->layers, err) ||
        take(b->file, KEY("persona_experts"), 0, 4096, &b->personas, err) ||
        take(b->file, KEY("general_experts"), 1, 4096, &b->general, err) ||
        take(b->file, KEY("experts_per_token"), 1, 4096, &b->used, err) ||
        take(b->file, KEY("expert_width"), 1, 1 << 20, &b->expert_width, err))
        return -1;
    return take(b->file, KEY("width"), 1, 1 << 20, &b->width, err);
}

const checkpoint_tensor *builtin_bank_tensor(const builtin_bank *b, int layer, const char *name)
{
    char full[64];
    int n = snprintf(full, sizeof full, "blk.%d.%s.weight", layer, name);
    return tensor_list_find(&b->tensors, full, (size_t)n);
}

static int check_tensor(const builtin_bank *b, int layer, const char *name, uint64_t a, uint64_t c,
                        uint64_t d, error *err)
{
    const uint64_t shape[3] = {a, c, d};
    const checkpoint_tensor *t = builtin_bank_tensor(b, layer, name);
    int skip = c == 0 ? 2 : 0; /* a matrix has two dimensions, the experts' stacks three */
    bool same = t && t->dims == (skip ? 2 : 3) && t->type != DTYPE_COUNT;
    for (int i = 0; same && i < t->dims; i++)
        same = t->shape[i] == (skip ? (i ? d : a) : shape[i]);
    if (same && (!skip || t->type == DTYPE_F32))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: tensor blk.%d.%s.weight is %s", b->path, layer, name,
                     t ? "not of the shape or type that the counts ask for" : "missing");
}

static int check_tensors(const builtin_bank *b, error *err)
{
    uint64_t n = (uint64_t)b->personas, f = (uint64_t)b->expert_width, d = (uint64_t)b->width;
    for (int l = b->first; l < b->first + b->layers; l++)
        if (check_tensor(b, l, "ffn_gate_inp", n + (uint64_t)b->general, 0, d, err) ||
            check_tensor(b, l, "ffn_slices", (uint64_t)b->general, 0, f, err) ||
            (n > 0 && (check_tensor(b, l, "ffn_gate_exps", n, f, d, err) ||
                       check_tensor(b, l, "ffn_up_exps", n, f, d, err) ||
                       check_tensor(b, l, "ffn_down_exps", n, d, f, err))))
            return -1;
    return 0;
}

int builtin_bank_hash(const char *path, char hex[65], error *err)
{
    mapped_file m = {0};
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (mapped_file_open(&m, path, err))
        return -1;
    int ok = EVP_Digest(m.data, m.size, digest, &len, EVP_sha256(), NULL);
    mapped_file_close(&m);
    if (!ok || len != 32)
        return error_set(err, ERROR_RUN, "%s: cannot be hashed", path);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}

int builtin_bank_open(builtin_bank *b, const char *path, error *err)
{
    *b = (builtin_bank){.path = strdup(path)};
    if (!b->path)
        return error_memory(err, "a path");
    b->file = gguf_open(path, &b->tensors, err);
    if (b->file && take_counts(b, err) == 0 && check_tensors(b, err) == 0 &&
        builtin_bank_hash(path, b->hash, err) == 0)
        return 0;
    builtin_bank_close(b);
    return -1;
}

void builtin_bank_close(builtin_bank *b)
{
    tensor_list_release(&b->tensors);
    gguf_close(b->file);
    free(b->path);
    *b = (builtin_bank){0};
}
