/* adapter_gguf.c - GGUF files of adapters, as llama.cpp loads them.
 *
 *     general.type "adapter", general.architecture as the model's, adapter.type "lora",
 *     adapter.lora.alpha (0 = the scale is 1), or else scale = alpha / rank
 *
 *     blk.L.ffn_gate_exps.weight.lora_a   [experts, rank, in]   (also ffn_up_exps, ffn_down_exps,
 *     blk.L.ffn_gate_exps.weight.lora_b   [experts, out, rank]   and ffn_gate_up_exps: gate, then up)
 *
 * F32, F16, BF16, or Q8_0, which becomes F32. "consilium.model" is the fingerprint, when it is there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../base/printable.h"
#include "../formats/gguf.h"
#include "adapter_reader.h"

/* The parts of an expert that a tensor of this name holds, one behind the other. */
typedef struct stacked {
    const char *name;
    expert_matrix first, last;
} stacked;

static const stacked parts[] = {{"ffn_gate_exps", EXPERT_GATE, EXPERT_GATE},
                                {"ffn_up_exps", EXPERT_UP, EXPERT_UP},
                                {"ffn_down_exps", EXPERT_DOWN, EXPERT_DOWN},
                                {"ffn_gate_up_exps", EXPERT_GATE, EXPERT_UP}};

/* blk.L.PART.weight.lora_a or lora_b. */
static const stacked *read_name(const char *name, int *layer, bool *b)
{
    char again[128];
    if (sscanf(name, "blk.%6d.", layer) != 1 || *layer < 0 || *layer >= MODEL_MAX_LAYERS)
        return NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (int side = 0; side < 2; side++) {
            (void)snprintf(again, sizeof again, "blk.%d.%s.weight.lora_%c", *layer, parts[i].name,
                           side ? 'b' : 'a');
            *b = side;
            if (strcmp(again, name) == 0)
                return &parts[i];
        }
    }
    return NULL;
}

/* ---- metadata ------------------------------------------------------------------------------------ */

static int check_text(const gguf *g, const char *key, const char *want, error *err)
{
    const char *text = "";
    size_t len = 0;
    int found = gguf_get_string(g, key, &text, &len, err);
    if (found < 0 || (found && len == strlen(want) && memcmp(text, want, len) == 0))
        return found < 0 ? -1 : 0;
    return error_set(err, ERROR_LOAD, "%s: %s is \"%s\", an adapter's is \"%s\"", gguf_path(g), key,
                     printable_of(text, len).text, want);
}

static int keep_text(adapter *a, const gguf *g, const char *key, const char **out, error *err)
{
    const char *text;
    size_t len;
    int found = gguf_get_string(g, key, &text, &len, err);
    if (found > 0)
        *out = region_keep(&a->memory, text, len, err);
    return found < 0 || (found && !*out) ? -1 : 0;
}

static int read_metadata(adapter *a, const gguf *g, double *alpha, error *err)
{
    const char *model = NULL;
    if (check_text(g, "general.type", "adapter", err) || check_text(g, "adapter.type", "lora", err))
        return -1;
    if (gguf_find(g, "adapter.alora.invocation_tokens"))
        return error_set(err, ERROR_LOAD,
                         "%s: adapter.alora.invocation_tokens: an activated LoRA (aLoRA) is not "
                         "computed here",
                         gguf_path(g));
    int found = gguf_get_number(g, "adapter.lora.alpha", -1e6, 1e6, alpha, err);
    if (found == 0)
        return error_set(err, ERROR_LOAD, "%s: adapter.lora.alpha is missing", gguf_path(g));
    if (found < 0 || keep_text(a, g, "general.architecture", &a->architecture, err) ||
        keep_text(a, g, "consilium.model", &model, err))
        return -1;
    return model ? adapter_set_fingerprint(a, model, err) : 0;
}

/* ---- tensors ------------------------------------------------------------------------------------- */

/* Without experts in front when there is one alone: GGUF drops a last dimension of 1. */
static int check_tensor(const adapter_reader *r, checkpoint_tensor *t, error *err)
{
    if (t->dims == 2) {
        memmove(t->shape + 1, t->shape, 2 * sizeof *t->shape);
        t->shape[0] = 1;
        t->dims = 3;
    }
    if (t->type != DTYPE_Q8_0)
        return adapter_check_values(r, t, 3, err);
    if (t->dims != 3 || !t->shape[0] || !t->shape[1] || !t->shape[2])
        return adapter_refuse(r, t, "does not have three dimensions", err);
    return 0;
}

/* Q8_0 as F32 in the adapter's memory; its scales may be infinite. */
static int plain(adapter *a, const adapter_reader *r, checkpoint_tensor *t, error *err)
{
    if (t->type != DTYPE_Q8_0)
        return 0;
    size_t n = (size_t)(t->shape[0] * t->shape[1] * t->shape[2]);
    float *values = region_take(&a->memory, n * sizeof *values, err);
    if (!values)
        return -1;
    dequantize_row(DTYPE_Q8_0, t->data, values, n);
    adapter_tensor all = {DTYPE_F32, 1, (int)n, values};
    float value;
    char why[ADAPTER_WILD_TEXT + 32], what[ADAPTER_WILD_TEXT];
    if (adapter_wild(&all, &value) >= 0) {
        (void)snprintf(why, sizeof why, "has a value that is %s", adapter_wild_text(value, what));
        return adapter_refuse(r, t, why, err);
    }
    t->type = DTYPE_F32;
    t->data = values;
    return 0;
}

typedef struct update {
    int layer;
    const stacked *part;
    checkpoint_tensor a, b; /* [experts, rank, in], [experts, out, rank] */
} update;

static int check_update(const adapter_reader *r, const update *u, error *err)
{
    uint64_t stacks = (uint64_t)(u->part->last - u->part->first) + 1;
    const char *wrong = NULL;
    if (u->a.shape[0] != u->b.shape[0])
        wrong = "is not of as many experts as its lora_a";
    else if (u->a.shape[1] != u->b.shape[2])
        wrong = "does not have the rank of its lora_a";
    else if (u->a.shape[0] > MODEL_MAX_EXPERTS)
        wrong = "has more experts than a layer can hold";
    else if (u->b.shape[1] % stacks)
        wrong = "has an odd number of rows for gate and up";
    return wrong ? adapter_refuse(r, &u->b, wrong, err) : 0;
}

static int add_update(adapter *a, const adapter_reader *r, update *u, double alpha, error *err)
{
    size_t rank = (size_t)u->a.shape[1], in = (size_t)u->a.shape[2];
    size_t stacks = (size_t)(u->part->last - u->part->first) + 1;
    size_t tall = (size_t)u->b.shape[1], out = tall / stacks;
    float scale = (float)(alpha != 0 ? alpha / (double)rank : 1);
    if (plain(a, r, &u->a, err) || plain(a, r, &u->b, err))
        return -1;
    for (size_t i = 0; i < (size_t)u->a.shape[0] * stacks; i++) {
        size_t e = i / stacks, m = i % stacks;
        matrix_view va = {u->a.data, u->a.type, e * rank * in, in, 1};
        matrix_view vb = {u->b.data, u->b.type, (e * tall + m * out) * rank, rank, 1};
        adapter_lora shape = {.expert = (int)e,
                              .matrix = (expert_matrix)((size_t)u->part->first + m),
                              .a = {.rows = (int)rank, .cols = (int)in},
                              .b = {.rows = (int)out, .cols = (int)rank},
                              .scale = scale};
        if (adapter_add_update(a, u->layer, &shape, va, vb, err))
            return -1;
    }
    return 0;
}

/* The b of an a; 0, or -1 when it is missing or either is not as it must be. */
static int find_update(const adapter_reader *r, const checkpoint_tensor *t, update *u, bool *is_b,
                       error *err)
{
    char other[GGUF_MAX_NAME + 1];
    u->part = read_name(t->name, &u->layer, is_b);
    if (!u->part)
        return adapter_refuse(r, t,
                              "is for other weights than a layer's routed experts (ffn_gate_exps, "
                              "ffn_up_exps, ffn_down_exps), and only those can be adapted",
                              err);
    (void)snprintf(other, sizeof other, "blk.%d.%s.weight.lora_%c", u->layer, u->part->name,
                   *is_b ? 'a' : 'b');
    const checkpoint_tensor *o = tensor_list_find(&r->tensors, other, strlen(other));
    if (!o)
        return error_set(err, ERROR_LOAD, "%s: tensor %s is missing", r->path, other);
    u->a = *is_b ? *o : *t;
    u->b = *is_b ? *t : *o;
    return 0;
}

static uint64_t width_of(const update *u)
{
    return u->part->first == EXPERT_DOWN ? u->b.shape[u->b.dims - 2] : u->a.shape[u->a.dims - 1];
}

static int add_all(adapter *a, const adapter_reader *r, double alpha, error *err)
{
    for (size_t i = 0; i < r->tensors.len; i++) {
        update u;
        bool is_b = false;
        if (find_update(r, &r->tensors.v[i], &u, &is_b, err))
            return -1;
        if (is_b)
            continue;
        if (check_tensor(r, &u.a, err) || check_tensor(r, &u.b, err) || check_update(r, &u, err) ||
            add_update(a, r, &u, alpha, err))
            return -1;
    }
    return 0;
}

static adapter *read_gguf(adapter_reader *r, const gguf *g, error *err)
{
    update first;
    bool is_b = false;
    double alpha = 0;
    if (r->tensors.len == 0) {
        (void)error_set(err, ERROR_LOAD, "%s: holds no tensor", r->path);
        return NULL;
    }
    if (check_text(g, "general.type", "adapter", err) ||
        find_update(r, &r->tensors.v[0], &first, &is_b, err))
        return NULL;
    if (first.a.dims < 2 || first.b.dims < 2) {
        (void)adapter_refuse(r, &r->tensors.v[0], "does not have three dimensions", err);
        return NULL;
    }
    adapter *a = adapter_take(r, (int)width_of(&first), err);
    if (a && (read_metadata(a, g, &alpha, err) || add_all(a, r, alpha, err))) {
        adapter_close(a);
        return NULL;
    }
    return a;
}

adapter *adapter_read_gguf(adapter_reader *r, error *err)
{
    gguf *g = gguf_open_memory(r->path, r->bytes, r->size, &r->tensors, err);
    adapter *a = g ? read_gguf(r, g, err) : NULL;
    gguf_close(g);
    return a;
}
