/* adapter_names.c - see adapter_names.h. A name is eaten from the left; a take_* that does not find
 * its words leaves the cursor where it was. */
#include "adapter_names.h"

#include <stdio.h>
#include <string.h>

#include "../formats/model_config.h"

static bool take(const char **at, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

/* Digits without a leading zero, below limit, then a point. */
static bool take_number(const char **at, int limit, int *out)
{
    const char *p = *at;
    int value = 0, digits = 0;
    while (*p >= '0' && *p <= '9' && digits < 6) {
        value = value * 10 + (*p++ - '0');
        digits++;
    }
    if (!digits || *p != '.' || value >= limit || (digits > 1 && **at == '0'))
        return false;
    *at = p + 1;
    *out = value;
    return true;
}

static bool take_matrix(const char **at, expert_matrix *out)
{
    static const char *const words[][2] = {[EXPERT_GATE] = {"gate_proj.", "w1."},
                                           [EXPERT_UP] = {"up_proj.", "w3."},
                                           [EXPERT_DOWN] = {"down_proj.", "w2."}};
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        if (take(at, words[m][0]) || take(at, words[m][1])) {
            *out = (expert_matrix)m;
            return true;
        }
    }
    return false;
}

/* What follows a matrix or the fused experts, to the end of the name. */
static bool take_side(const char *at, name_kind a, name_kind b, name_kind *out)
{
    *out = strcmp(at, "lora_A.weight") == 0 ? a : b;
    return strcmp(at, "lora_A.weight") == 0 || strcmp(at, "lora_B.weight") == 0;
}

static bool read_expert(const char *at, adapter_name *n)
{
    if (!take_matrix(&at, &n->matrix))
        return false;
    if (take_side(at, NAME_LORA_A, NAME_LORA_B, &n->kind))
        return true;
    n->kind = strcmp(at, "weight") == 0 ? NAME_WHOLE : NAME_SCALE;
    return n->kind == NAME_WHOLE || strcmp(at, "lora_scale") == 0;
}

static bool read_fused(const char *at, adapter_name *n)
{
    n->part = take(&at, "base_layer.") ? FUSED_INNER : FUSED_OUTER;
    return take_side(at, NAME_FUSED_A, NAME_FUSED_B, &n->kind);
}

/* replaced.layers.L.mlp. */
static bool read_replaced(const char *at, adapter_name *n)
{
    if (!take_number(&at, MODEL_MAX_LAYERS, &n->layer) || !take(&at, "mlp."))
        return false;
    if (take(&at, "gate.")) {
        n->kind = NAME_ROW;
        return take_number(&at, MODEL_MAX_EXPERTS, &n->expert) && strcmp(at, "weight") == 0;
    }
    n->kind = NAME_REPLACED;
    return take(&at, "experts.") && take_number(&at, MODEL_MAX_EXPERTS, &n->expert) &&
           take_matrix(&at, &n->matrix) && strcmp(at, "weight") == 0;
}

bool adapter_name_read(const char *text, adapter_name *n)
{
    const char *at = text;
    *n = (adapter_name){0};
    if (take(&at, "replaced.layers."))
        return read_replaced(at, n);
    n->prefix = take(&at, "base_model.model.");
    (void)take(&at, "model.");
    if (!take(&at, "layers.") || !take_number(&at, MODEL_MAX_LAYERS, &n->layer))
        return false;
    n->sparse = take(&at, "block_sparse_moe.");
    if (!n->sparse && !take(&at, "mlp."))
        return false;
    if (strcmp(at, "gate.weight") == 0 || strcmp(at, "router.weight") == 0) {
        n->kind = NAME_ROUTER;
        return true;
    }
    n->part = take(&at, "input_linear.") ? FUSED_GATE_UP : FUSED_DOWN;
    if (n->part == FUSED_GATE_UP || take(&at, "output_linear."))
        return take_side(at, NAME_FUSED_A, NAME_FUSED_B, &n->kind);
    if (!take(&at, "experts."))
        return false;
    return take_number(&at, MODEL_MAX_EXPERTS, &n->expert) ? read_expert(at, n) : read_fused(at, n);
}

void adapter_name_write(const adapter_name *n, char out[ADAPTER_NAME_SIZE])
{
    static const char *const ends[] = {[NAME_WHOLE] = "weight",
                                       [NAME_REPLACED] = "weight",
                                       [NAME_LORA_A] = "lora_A.weight",
                                       [NAME_LORA_B] = "lora_B.weight",
                                       [NAME_SCALE] = "lora_scale"};
    static const char *const matrices[] = {"gate_proj", "up_proj", "down_proj"};
    const char *root = n->kind == NAME_REPLACED || n->kind == NAME_ROW ? "replaced" : "model";
    if (n->kind == NAME_ROUTER)
        (void)snprintf(out, ADAPTER_NAME_SIZE, "model.layers.%d.mlp.gate.weight", n->layer);
    else if (n->kind == NAME_ROW)
        (void)snprintf(out, ADAPTER_NAME_SIZE, "replaced.layers.%d.mlp.gate.%d.weight", n->layer,
                       n->expert);
    else
        (void)snprintf(out, ADAPTER_NAME_SIZE, "%s.layers.%d.mlp.experts.%d.%s.%s", root, n->layer,
                       n->expert, matrices[n->matrix], ends[n->kind]);
}
