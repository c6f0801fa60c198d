/* adapter_own.c - one's own safetensors files of adapters.
 *
 * __metadata__ says "adapter": "1" and, as far as it is known, "model" (the fingerprint), "what",
 * "lessons", "steps", "rank", "seed". The tensors, F32, F16 or BF16, in the names of
 * adapter_names.h:
 *
 *     model.layers.L.mlp.gate.weight                     [n, width]    router rows of n added experts
 *     model.layers.L.mlp.experts.E.gate_proj.weight      [ffn, width]  E = 0 .. n-1; up_proj alike
 *     model.layers.L.mlp.experts.E.down_proj.weight      [width, ffn]
 *     replaced.layers.L.mlp.experts.E.gate_proj.weight   [ffn, width]  in place of the model's E
 *     replaced.layers.L.mlp.gate.E.weight                [1, width]    its router row
 *     model.layers.L.mlp.experts.E.gate_proj.lora_A.weight  [rank, in]   an update of the model's E
 *     model.layers.L.mlp.experts.E.gate_proj.lora_B.weight  [out, rank]
 *     model.layers.L.mlp.experts.E.gate_proj.lora_scale     [1, 1] F32
 *
 * Nothing else may be in the file. A file without metadata that holds added experts alone is of this
 * layout too. Every tensor is looked at by its name; what belongs to another must find it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../base/checked.h"
#include "../base/printable.h"
#include "adapter_reader.h"

typedef struct own_file {
    adapter_reader *r;
    adapter_name *names;         /* [tensors] */
    int added[MODEL_MAX_LAYERS]; /* router rows of a layer; 0 = none */
    int width;
} own_file;

static const checkpoint_tensor *find(const own_file *f, adapter_name name,
                                     char text[ADAPTER_NAME_SIZE])
{
    adapter_name_write(&name, text);
    return tensor_list_find(&f->r->tensors, text, strlen(text));
}

/* ---- each tensor by itself ----------------------------------------------------------------------- */

/* A name is known when writing it again gives the same letters. */
static bool known_name(const char *text, adapter_name *name)
{
    char again[ADAPTER_NAME_SIZE];
    if (!adapter_name_read(text, name) || name->kind == NAME_FUSED_A || name->kind == NAME_FUSED_B)
        return false;
    adapter_name_write(name, again);
    return strcmp(again, text) == 0;
}

/* The width that a tensor speaks of; 0 = none. */
static uint64_t width_of(const adapter_name *n, const checkpoint_tensor *t)
{
    bool down = n->matrix == EXPERT_DOWN;
    switch (n->kind) {
    case NAME_ROUTER:
    case NAME_ROW:
        return t->shape[1];
    case NAME_WHOLE:
    case NAME_REPLACED:
        return t->shape[down ? 0 : 1];
    case NAME_LORA_A:
        return down ? 0 : t->shape[1];
    case NAME_LORA_B:
        return down ? t->shape[0] : 0;
    default:
        return 0;
    }
}

static int look_at(own_file *f, const checkpoint_tensor *t, adapter_name *name, error *err)
{
    if (!known_name(t->name, name))
        return adapter_refuse(f->r, t,
                              "is no router row, no expert's gate, up or down matrix and no update "
                              "of one",
                              err);
    if (adapter_check_values(f->r, t, 2, err))
        return -1;
    int rows, cols;
    if (!checked_int(t->shape[0], &rows) || !checked_int(t->shape[1], &cols))
        return adapter_refuse(f->r, t, "is larger than any model's", err);
    if (name->kind == NAME_ROUTER) {
        if (rows > MODEL_MAX_EXPERTS)
            return adapter_refuse(f->r, t, "has more experts than a layer can hold", err);
        f->added[name->layer] = rows;
    }
    return 0;
}

/* The routers say how wide the model is; without one, the first tensor that can. */
static int find_width(own_file *f, error *err)
{
    uint64_t width = 0;
    for (size_t i = 0; i < f->r->tensors.len; i++) {
        uint64_t w = width_of(&f->names[i], &f->r->tensors.v[i]);
        if (w && (!width || f->names[i].kind == NAME_ROUTER))
            width = w;
        if (w && f->names[i].kind == NAME_ROUTER)
            break;
    }
    if (width && checked_int(width, &f->width))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: no tensor says how wide the model is", f->r->path);
}

/* ---- what belongs together ----------------------------------------------------------------------- */

/* Finds a part and holds it against the shape that it must have; 0 in `want` = any. */
static int take_part(const own_file *f, adapter_name name, uint64_t want[2], adapter_tensor *out,
                     error *err)
{
    char text[ADAPTER_NAME_SIZE];
    const checkpoint_tensor *t = find(f, name, text);
    if (!t)
        return error_set(err, ERROR_LOAD, "%s: tensor %s is missing", f->r->path, text);
    for (int i = 0; i < 2; i++)
        want[i] = want[i] ? want[i] : t->shape[i];
    *out = adapter_tensor_of(t);
    if (t->shape[0] == want[0] && t->shape[1] == want[1])
        return 0;
    return adapter_refuse_shape(f->r, t, want, "where the rest of the file asks", err);
}

static int take_added(const own_file *f, adapter *a, int layer, int expert, error *err)
{
    adapter_tensor matrix[EXPERT_MATRICES];
    uint64_t tall[2] = {0, (uint64_t)f->width};
    adapter_name name = {.kind = NAME_WHOLE, .layer = layer, .expert = expert};
    for (int m = EXPERT_GATE; m <= EXPERT_UP; m++) {
        name.matrix = (expert_matrix)m;
        if (take_part(f, name, tall, &matrix[m], err))
            return -1;
    }
    uint64_t flat[2] = {tall[1], tall[0]};
    name.matrix = EXPERT_DOWN;
    if (take_part(f, name, flat, &matrix[EXPERT_DOWN], err))
        return -1;
    return adapter_add_expert(a, layer, matrix, err);
}

static int take_router(const own_file *f, adapter *a, int layer, error *err)
{
    adapter_tensor rows;
    uint64_t want[2] = {(uint64_t)f->added[layer], (uint64_t)f->width};
    if (take_part(f, (adapter_name){.kind = NAME_ROUTER, .layer = layer}, want, &rows, err) ||
        adapter_add_rows(a, layer, &rows, err))
        return -1;
    for (int e = 0; e < f->added[layer]; e++)
        if (take_added(f, a, layer, e, err))
            return -1;
    return 0;
}

static int take_lora(const own_file *f, adapter *a, adapter_name name, error *err)
{
    adapter_lora l = {.expert = name.expert, .matrix = name.matrix};
    adapter_tensor scale;
    bool down = name.matrix == EXPERT_DOWN;
    uint64_t width = (uint64_t)f->width, wanted_a[2] = {0, down ? 0 : width}, one[2] = {1, 1};
    name.kind = NAME_LORA_A;
    if (take_part(f, name, wanted_a, &l.a, err))
        return -1;
    uint64_t wanted_b[2] = {down ? width : 0, wanted_a[0]};
    name.kind = NAME_LORA_B;
    if (take_part(f, name, wanted_b, &l.b, err))
        return -1;
    name.kind = NAME_SCALE;
    if (take_part(f, name, one, &scale, err))
        return -1;
    dequantize_row(scale.type, scale.data, &l.scale, 1);
    return adapter_add_lora(a, name.layer, &l, err);
}

static int take_row(const own_file *f, adapter *a, const adapter_name *name,
                    const checkpoint_tensor *t, error *err)
{
    uint64_t want[2] = {1, (uint64_t)f->width};
    if (t->shape[0] != want[0] || t->shape[1] != want[1])
        return adapter_refuse_shape(f->r, t, want, "where the rest of the file asks", err);
    adapter_row row = {name->expert, t->type, t->data};
    return adapter_add_row(a, name->layer, &row, err);
}

static int take_replaced(const own_file *f, adapter *a, const adapter_name *name,
                         const checkpoint_tensor *t, error *err)
{
    adapter_tensor matrix = adapter_tensor_of(t);
    bool down = name->matrix == EXPERT_DOWN;
    uint64_t width = (uint64_t)f->width;
    uint64_t want[2] = {down ? width : t->shape[0], down ? t->shape[1] : width};
    if (t->shape[0] != want[0] || t->shape[1] != want[1])
        return adapter_refuse_shape(f->r, t, want, "where the rest of the file asks", err);
    return adapter_add_replaced(a, name->layer, name->expert, name->matrix, &matrix, err);
}

/* The A of an update is there, or the name of what lacks it is told. */
static int check_update(const own_file *f, adapter_name name, error *err)
{
    char text[ADAPTER_NAME_SIZE];
    name.kind = NAME_LORA_A;
    if (find(f, name, text))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: tensor %s is missing", f->r->path, text);
}

static int check_whole(const own_file *f, const adapter_name *name, const checkpoint_tensor *t,
                       error *err)
{
    if (!f->added[name->layer])
        return adapter_refuse(f->r, t, "stands in a layer without a router row", err);
    if (name->expert >= f->added[name->layer])
        return adapter_refuse(f->r, t, "is an expert without a router row", err);
    return 0;
}

static int take_tensor(const own_file *f, adapter *a, size_t i, error *err)
{
    const adapter_name *name = &f->names[i];
    const checkpoint_tensor *t = &f->r->tensors.v[i];
    switch (name->kind) {
    case NAME_ROUTER:
        return take_router(f, a, name->layer, err);
    case NAME_WHOLE:
        return check_whole(f, name, t, err);
    case NAME_ROW:
        return take_row(f, a, name, t, err);
    case NAME_REPLACED:
        return take_replaced(f, a, name, t, err);
    case NAME_LORA_A:
        return take_lora(f, a, *name, err);
    default:
        return check_update(f, *name, err);
    }
}

/* ---- metadata ------------------------------------------------------------------------------------ */

static int take_number(const json *root, const char *key, int64_t *out, const char *path,
                       error *err)
{
    const char *text = json_text_at(root, key);
    char *end = NULL;
    if (!text)
        return 0;
    *out = strtoll(text, &end, 10);
    if (*text && !*end && *out >= 0)
        return 1;
    return error_set(err, ERROR_LOAD, "%s: __metadata__: %s: \"%s\" is no whole number", path, key,
                     printable_text(text).text);
}

int adapter_set_fingerprint(adapter *a, const char *text, error *err)
{
    if (strlen(text) != ADAPTER_FINGERPRINT - 1 ||
        strspn(text, "0123456789abcdef") != ADAPTER_FINGERPRINT - 1)
        return error_set(err, ERROR_LOAD, "%s: model: not a fingerprint of 64 hex digits", a->path);
    memcpy(a->fingerprint, text, ADAPTER_FINGERPRINT);
    return 0;
}

static int keep_text(adapter *a, const json *root, const char *key, const char **out, error *err)
{
    const char *text = json_text_at(root, key);
    *out = region_keep_text(&a->memory, text, err);
    return text && !*out ? -1 : 0;
}

int adapter_read_metadata(adapter *a, const adapter_reader *r, error *err)
{
    const json *root = r->metadata ? json_root(r->metadata) : NULL;
    const char *version = json_text_at(root, "adapter"), *model = json_text_at(root, "model");
    adapter_provenance *p = &a->provenance;
    int64_t seed = 0;
    if (version && strcmp(version, "1") != 0)
        return error_set(err, ERROR_LOAD, "%s: __metadata__: adapter: version \"%s\", 1 is read",
                         r->path, printable_text(version).text);
    if ((model && adapter_set_fingerprint(a, model, err)) ||
        keep_text(a, root, "what", &p->what, err) ||
        keep_text(a, root, "lessons", &p->lessons, err) ||
        take_number(root, "steps", &p->steps, r->path, err) < 0 ||
        take_number(root, "rank", &p->rank, r->path, err) < 0)
        return -1;
    int seeded = take_number(root, "seed", &seed, r->path, err);
    p->seed = (uint64_t)seed;
    p->seeded = seeded == 1;
    return seeded < 0 ? -1 : 0;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static adapter *take_all(own_file *f, error *err)
{
    size_t n = f->r->tensors.len;
    for (size_t i = 0; i < n; i++)
        if (look_at(f, &f->r->tensors.v[i], &f->names[i], err))
            return NULL;
    if (find_width(f, err))
        return NULL;
    adapter *a = adapter_take(f->r, f->width, err);
    if (!a)
        return NULL;
    int failed = adapter_read_metadata(a, f->r, err);
    for (size_t i = 0; i < n && !failed; i++)
        failed = take_tensor(f, a, i, err);
    if (!failed)
        return a;
    adapter_close(a);
    return NULL;
}

adapter *adapter_read_own(adapter_reader *r, error *err)
{
    if (r->tensors.len == 0) {
        (void)error_set(err, ERROR_LOAD, "%s: holds no tensor", r->path);
        return NULL;
    }
    own_file f = {.r = r, .names = calloc(r->tensors.len, sizeof *f.names)};
    if (!f.names) {
        (void)error_memory(err, "an adapter");
        return NULL;
    }
    adapter *a = take_all(&f, err);
    free(f.names);
    return a;
}
