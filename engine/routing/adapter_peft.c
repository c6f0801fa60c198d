/* adapter_peft.c - LoRA adapters of PEFT and vLLM: safetensors with adapter_config.json beside it.
 *
 * All experts of a layer in two tensors (PEFT, for a parameter [experts, out, in]):
 *
 *     lora_A  [experts * rank, in]   expert e's A is rows e * rank .. (e + 1) * rank
 *     lora_B  [out, rank * experts]  expert e's B is columns e, experts + e, 2 * experts + e ...
 *
 * A module with two such parameters is wrapped twice, so "experts.base_layer." is its first,
 * gate_up_proj [experts, 2 * ffn, width], and "experts." its second, down_proj; with one wrapper
 * target_parameters says which it is. The rows of gate_up are the gate's, then the up's; both have
 * the same A. Or each expert has tensors of its own (vLLM): experts.E.gate_proj.lora_A [rank, in].
 *
 * Before 0.19.1 PEFT took out for in. With both parameters the shapes tell: A of one is as wide as B
 * of the other is tall, and gate_up has twice the ffn. With one, the version in the file tells, or
 * else its shape must not be square.
 *
 * A whole router, [experts, width] (modules_to_save), is taken row by row. Updates of anything else
 * are refused by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"
#include "adapter_reader.h"
#include "peft_config.h"

enum { KEY_SIZE = 160 };

/* One parameter of one layer. */
typedef struct fused {
    const checkpoint_tensor *a, *b;
    bool swapped;
    uint64_t in, out; /* of the parameter: a matrix is [out, in] */
} fused;

typedef struct peft_layer {
    fused part[FUSED_PARTS];
    bool sparse;
} peft_layer;

typedef struct peft_file {
    adapter_reader *r;
    const peft_config *config;
    adapter_name *names; /* [tensors] */
    peft_layer *layers;  /* [MODEL_MAX_LAYERS] */
    uint64_t width;
} peft_file;

/* ---- names --------------------------------------------------------------------------------------- */

/* "self_attn.q_proj" of "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight". */
static printable module_of(const char *name)
{
    const char *at = strstr(name, "layers."), *end = strstr(name, ".lora_");
    if (at)
        at = strchr(at + strlen("layers."), '.');
    at = at && (!end || at < end) ? at + 1 : name;
    return printable_of(at, end ? (size_t)(end - at) : strlen(at));
}

/* Everything that is no expert's, each module once, as far as a sentence holds. */
static int refuse_others(const peft_file *f, const bool *known, error *err)
{
    char list[240] = "";
    size_t count = 0, len = 0;
    for (size_t i = 0; i < f->r->tensors.len; i++) {
        if (known[i])
            continue;
        printable name = module_of(f->r->tensors.v[i].name);
        count++;
        if (strstr(list, name.text) || len + strlen(name.text) + 3 > sizeof list)
            continue;
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "", name.text);
    }
    return error_set(
        err, ERROR_LOAD,
        "%s: %zu tensors are for other weights than routed experts, and only those can "
        "be adapted: %s",
        f->r->path, count, list);
}

static int put_fused(peft_file *f, const adapter_name *n, const checkpoint_tensor *t, error *err)
{
    peft_layer *l = &f->layers[n->layer];
    fused *p = &l->part[n->part];
    const checkpoint_tensor **slot = n->kind == NAME_FUSED_A ? &p->a : &p->b;
    if (*slot)
        return adapter_refuse(f->r, t, "comes twice, under another name", err);
    *slot = t;
    l->sparse = n->sparse;
    return 0;
}

static int look_at_all(peft_file *f, bool *known, error *err)
{
    bool all = true;
    for (size_t i = 0; i < f->r->tensors.len; i++) {
        const checkpoint_tensor *t = &f->r->tensors.v[i];
        adapter_name *n = &f->names[i];
        known[i] = adapter_name_read(t->name, n) && n->kind != NAME_ROW &&
                   n->kind != NAME_REPLACED && n->kind != NAME_WHOLE && n->kind != NAME_SCALE;
        all = all && known[i];
        if (!known[i])
            continue;
        if (adapter_check_values(f->r, t, 2, err))
            return -1;
        if ((n->kind == NAME_FUSED_A || n->kind == NAME_FUSED_B) && put_fused(f, n, t, err))
            return -1;
    }
    return all ? 0 : refuse_others(f, known, err);
}

/* ---- which parameter, and which way round -------------------------------------------------------- */

static void key_of(const peft_layer *l, int layer, bool down, char out[KEY_SIZE])
{
    (void)snprintf(out, KEY_SIZE, "model.layers.%d.%s.experts.%s", layer,
                   l->sparse ? "block_sparse_moe" : "mlp", down ? "down_proj" : "gate_up_proj");
}

static int refuse_layer(const peft_file *f, int layer, const char *why, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: layer %d: %s", f->r->path, layer, why);
}

static bool is_there(const fused *p)
{
    return p->a || p->b;
}

static int check_pairs(const peft_file *f, int layer, error *err)
{
    const peft_layer *l = &f->layers[layer];
    for (int i = 0; i < FUSED_PARTS; i++)
        if (!l->part[i].a != !l->part[i].b)
            return refuse_layer(f, layer,
                                l->part[i].a ? "the experts have lora_A without lora_B"
                                             : "the experts have lora_B without lora_A",
                                err);
    return 0;
}

/* INNER and OUTER become GATE_UP and DOWN. */
static int name_parts(const peft_file *f, int layer, error *err)
{
    peft_layer *l = &f->layers[layer];
    char up[KEY_SIZE], down[KEY_SIZE];
    key_of(l, layer, false, up);
    key_of(l, layer, true, down);
    if (!is_there(&l->part[FUSED_INNER]) && !is_there(&l->part[FUSED_OUTER]))
        return 0;
    if (is_there(&l->part[FUSED_GATE_UP]) || is_there(&l->part[FUSED_DOWN]))
        return refuse_layer(f, layer, "the experts come under two names", err);
    if (is_there(&l->part[FUSED_INNER])) {
        if (!is_there(&l->part[FUSED_OUTER]))
            return refuse_layer(f, layer, "experts.base_layer is there without experts.lora_A",
                                err);
        l->part[FUSED_GATE_UP] = l->part[FUSED_INNER];
        l->part[FUSED_DOWN] = l->part[FUSED_OUTER];
        return 0;
    }
    bool is_up = peft_config_targets(f->config, up), is_down = peft_config_targets(f->config, down);
    if (is_up == is_down)
        return refuse_layer(f, layer,
                            "target_parameters does not say whether experts.lora_A is for gate_up_"
                            "proj or for down_proj",
                            err);
    l->part[is_up ? FUSED_GATE_UP : FUSED_DOWN] = l->part[FUSED_OUTER];
    return 0;
}

/* A as wide as in, B as tall as out; or the other way round. */
static void set_sides(fused *p, bool swapped)
{
    p->swapped = swapped;
    p->in = swapped ? p->b->shape[0] : p->a->shape[1];
    p->out = swapped ? p->a->shape[1] : p->b->shape[0];
}

/* With both parameters: gate_up is [2 * ffn, width], down [width, ffn]. */
static int turn_both(const peft_file *f, int layer, error *err)
{
    peft_layer *l = &f->layers[layer];
    fused *up = &l->part[FUSED_GATE_UP], *down = &l->part[FUSED_DOWN];
    for (int swapped = 0; swapped < 2; swapped++) {
        set_sides(up, swapped);
        set_sides(down, swapped);
        if (up->in == down->out && up->out == 2 * down->in)
            return 0;
    }
    return refuse_layer(
        f, layer, "the shapes of gate_up_proj's and down_proj's updates do not suit each other",
        err);
}

static int turn_one(const peft_file *f, int layer, fused *p, error *err)
{
    bool square = p->a->shape[1] == p->b->shape[0];
    if (square && f->config->layout == PEFT_LAYOUT_UNKNOWN)
        return refuse_layer(
            f, layer,
            "an update of a square matrix, and adapter_config.json does not say which "
            "version of PEFT wrote it: before 0.19.1 rows and columns were swapped. "
            "Add \"peft_version\"",
            err);
    set_sides(p, f->config->layout == PEFT_LAYOUT_SWAPPED);
    return 0;
}

static int resolve_layer(const peft_file *f, int layer, error *err)
{
    peft_layer *l = &f->layers[layer];
    fused *up = &l->part[FUSED_GATE_UP], *down = &l->part[FUSED_DOWN];
    if (check_pairs(f, layer, err) || name_parts(f, layer, err))
        return -1;
    if (up->a && down->a)
        return turn_both(f, layer, err);
    if (up->a)
        return turn_one(f, layer, up, err);
    return down->a ? turn_one(f, layer, down, err) : 0;
}

/* The first tensor that tells. */
static int find_width(peft_file *f, error *err)
{
    for (int i = 0; i < MODEL_MAX_LAYERS && !f->width; i++) {
        const peft_layer *l = &f->layers[i];
        f->width = l->part[FUSED_GATE_UP].in ? l->part[FUSED_GATE_UP].in : l->part[FUSED_DOWN].out;
    }
    for (size_t i = 0; i < f->r->tensors.len && !f->width; i++) {
        const adapter_name *n = &f->names[i];
        const checkpoint_tensor *t = &f->r->tensors.v[i];
        bool down = n->matrix == EXPERT_DOWN;
        if (n->kind == NAME_ROUTER || (n->kind == NAME_LORA_A && !down))
            f->width = t->shape[1];
        else if (n->kind == NAME_LORA_B && down)
            f->width = t->shape[0];
    }
    if (f->width)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: no tensor says how wide the model is", f->r->path);
}

/* ---- all experts in two tensors ------------------------------------------------------------------ */

/* Expert e's A [rank, in] and B [out, rank] in tensors of `experts`. */
static void views_of(const fused *p, size_t experts, size_t rank, size_t e, matrix_view *a,
                     matrix_view *b)
{
    size_t wide = (size_t)p->a->shape[1];
    matrix_view rows = {p->a->data, p->a->type, e * rank * wide, wide, 1};
    matrix_view columns = {p->b->data, p->b->type, e, rank * experts, experts};
    *a = rows;
    *b = columns;
    if (p->swapped) {
        *a = (matrix_view){columns.data, columns.type, columns.at, columns.col, columns.row};
        *b = (matrix_view){rows.data, rows.type, rows.at, rows.col, rows.row};
    }
}

static int check_fused(const peft_file *f, const fused *p, int rank, error *err)
{
    uint64_t r = (uint64_t)rank, experts = p->a->shape[0] / r;
    char why[160];
    (void)snprintf(why, sizeof why,
                   "has %llu rows, no multiple of the rank %d in adapter_config.json",
                   (unsigned long long)p->a->shape[0], rank);
    if (p->a->shape[0] % r)
        return adapter_refuse(f->r, p->a, why, err);
    if (experts > MODEL_MAX_EXPERTS)
        return adapter_refuse(f->r, p->a, "has more experts than a layer can hold", err);
    uint64_t want[2] = {p->b->shape[0], p->a->shape[0]};
    if (p->b->shape[1] != want[1])
        return adapter_refuse_shape(f->r, p->b, want, "where lora_A asks", err);
    return 0;
}

/* One part of all experts: rows `first` .. first + out of the parameter. */
static int add_matrix(adapter *a, int layer, const fused *p, expert_matrix m, size_t out,
                      size_t first, int rank, float scale, error *err)
{
    size_t experts = (size_t)p->a->shape[0] / (size_t)rank;
    for (size_t e = 0; e < experts; e++) {
        matrix_view va, vb;
        views_of(p, experts, (size_t)rank, e, &va, &vb);
        vb.at += first * vb.row;
        adapter_lora shape = {.expert = (int)e,
                              .matrix = m,
                              .a = {.rows = rank, .cols = (int)p->in},
                              .b = {.rows = (int)out, .cols = rank},
                              .scale = scale};
        if (adapter_add_update(a, layer, &shape, va, vb, err))
            return -1;
    }
    return 0;
}

static int add_fused(const peft_file *f, adapter *a, int layer, bool down, error *err)
{
    const peft_layer *l = &f->layers[layer];
    const fused *p = &l->part[down ? FUSED_DOWN : FUSED_GATE_UP];
    char key[KEY_SIZE];
    int rank;
    float scale;
    if (!p->a)
        return 0;
    key_of(l, layer, down, key);
    if (peft_config_of(f->config, key, &rank, &scale, err) || check_fused(f, p, rank, err))
        return -1;
    size_t out = (size_t)p->out;
    if (down)
        return add_matrix(a, layer, p, EXPERT_DOWN, out, 0, rank, scale, err);
    if (out % 2)
        return adapter_refuse(f->r, p->b, "has an odd number of rows for gate and up", err);
    if (add_matrix(a, layer, p, EXPERT_GATE, out / 2, 0, rank, scale, err))
        return -1;
    return add_matrix(a, layer, p, EXPERT_UP, out / 2, out / 2, rank, scale, err);
}

/* ---- tensors of one expert, and routers ---------------------------------------------------------- */

/* The other side of an update, or NULL with an error. */
static const checkpoint_tensor *partner(const peft_file *f, const checkpoint_tensor *t, error *err)
{
    size_t n = strlen(t->name);
    char *name = strdup(t->name);
    const checkpoint_tensor *other = NULL;
    if (!name) {
        (void)error_memory(err, "an adapter");
        return NULL;
    }
    char *side = name + n - strlen("A.weight");
    *side = *side == 'A' ? 'B' : 'A';
    other = tensor_list_find(&f->r->tensors, name, n);
    if (!other)
        (void)error_set(err, ERROR_LOAD, "%s: tensor %s is missing", f->r->path,
                        printable_text(name).text);
    free(name);
    return other;
}

static int add_single(const peft_file *f, adapter *a, const adapter_name *n,
                      const checkpoint_tensor *t, error *err)
{
    static const char *const words[] = {"gate_proj", "up_proj", "down_proj"};
    const checkpoint_tensor *b = partner(f, t, err);
    char key[KEY_SIZE], why[96];
    int rank;
    adapter_lora l = {.expert = n->expert, .matrix = n->matrix};
    if (!b || n->kind == NAME_LORA_B)
        return b ? 0 : -1;
    (void)snprintf(key, sizeof key, "model.layers.%d.%s.experts.%d.%s", n->layer,
                   n->sparse ? "block_sparse_moe" : "mlp", n->expert, words[n->matrix]);
    if (peft_config_of(f->config, key, &rank, &l.scale, err))
        return -1;
    (void)snprintf(why, sizeof why, "has rank %llu, adapter_config.json says %d",
                   (unsigned long long)t->shape[0], rank);
    if (t->shape[0] != (uint64_t)rank)
        return adapter_refuse(f->r, t, why, err);
    l.a = adapter_tensor_of(t);
    l.b = adapter_tensor_of(b);
    return adapter_add_lora(a, n->layer, &l, err);
}

static int add_router(const peft_file *f, adapter *a, int layer, const checkpoint_tensor *t,
                      error *err)
{
    uint64_t want[2] = {t->shape[0], f->width};
    if (t->shape[1] != want[1])
        return adapter_refuse_shape(f->r, t, want, "where the rest of the file asks", err);
    size_t bytes = dtype_row_bytes(t->type, (size_t)t->shape[1]);
    for (uint64_t e = 0; e < t->shape[0]; e++) {
        adapter_row row = {(int)e, t->type, (const char *)t->data + bytes * e};
        if (adapter_add_row(a, layer, &row, err))
            return -1;
    }
    return 0;
}

static int add_all(const peft_file *f, adapter *a, error *err)
{
    if (adapter_read_metadata(a, f->r, err))
        return -1;
    for (int i = 0; i < MODEL_MAX_LAYERS; i++)
        if (add_fused(f, a, i, false, err) || add_fused(f, a, i, true, err))
            return -1;
    for (size_t i = 0; i < f->r->tensors.len; i++) {
        const adapter_name *n = &f->names[i];
        const checkpoint_tensor *t = &f->r->tensors.v[i];
        if ((n->kind == NAME_LORA_A || n->kind == NAME_LORA_B) && add_single(f, a, n, t, err))
            return -1;
        if (n->kind == NAME_ROUTER && add_router(f, a, n->layer, t, err))
            return -1;
    }
    return 0;
}

static adapter *read_all(peft_file *f, bool *known, error *err)
{
    if (look_at_all(f, known, err))
        return NULL;
    for (int i = 0; i < MODEL_MAX_LAYERS; i++)
        if (resolve_layer(f, i, err))
            return NULL;
    if (find_width(f, err))
        return NULL;
    adapter *a = adapter_take(f->r, (int)f->width, err);
    if (a && add_all(f, a, err)) {
        adapter_close(a);
        return NULL;
    }
    return a;
}

adapter *adapter_read_peft(adapter_reader *r, const peft_config *config, error *err)
{
    size_t n = r->tensors.len;
    peft_file f = {.r = r, .config = config};
    bool *known = calloc(n + 1, sizeof *known);
    adapter *a = NULL;
    f.names = calloc(n + 1, sizeof *f.names);
    f.layers = calloc(MODEL_MAX_LAYERS, sizeof *f.layers);
    if (known && f.names && f.layers)
        a = read_all(&f, known, err);
    else
        (void)error_memory(err, "an adapter");
    free(known);
    free(f.names);
    free(f.layers);
    return a;
}
