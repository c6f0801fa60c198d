/* adapter_fit.c - whether an adapter suits a model. Its tensors suit each other already
 * (adapter_seal.c), so what is left is the model's side of every number. */
#include <string.h>

#include "../base/printable.h"
#include "adapter_internal.h"

static int refuse(const adapter *a, int layer, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: layer %d: %s", a->path, layer, what);
}

static int check_number(const adapter *a, const model_config *model, int layer, int expert,
                        error *err)
{
    if (expert < model->experts)
        return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: layer %d: expert %d: the model has experts 0 to %d in each layer",
                     a->path, layer, expert, model->experts - 1);
}

/* Rows and columns of the model's own matrix. */
static void model_shape(const model_config *model, expert_matrix m, int shape[2])
{
    shape[0] = m == EXPERT_DOWN ? model->width : model->expert_width;
    shape[1] = m == EXPERT_DOWN ? model->expert_width : model->width;
}

static int refuse_shape(const adapter *a, int layer, int expert, expert_matrix m, int rows,
                        int cols, const int want[2], error *err)
{
    return error_set(
        err, ERROR_LOAD,
        "%s: layer %d: expert %d: %s is for a matrix [%d, %d], the model's is [%d, %d]", a->path,
        layer, expert, expert_matrix_name(m), rows, cols, want[0], want[1]);
}

static int fit_replaced(const adapter *a, const model_config *model, const adapter_layer *l,
                        error *err)
{
    for (int i = 0; i < l->replaced_count; i++) {
        const adapter_expert *e = &l->replaced[i];
        if (check_number(a, model, l->layer, e->expert, err))
            return -1;
        for (int m = 0; m < EXPERT_MATRICES; m++) {
            const adapter_tensor *t = &e->matrix[m];
            int want[2];
            model_shape(model, (expert_matrix)m, want);
            if (t->data && (t->rows != want[0] || t->cols != want[1]))
                return refuse_shape(a, l->layer, e->expert, (expert_matrix)m, t->rows, t->cols,
                                    want, err);
        }
    }
    return 0;
}

static int fit_loras(const adapter *a, const model_config *model, const adapter_layer *l,
                     error *err)
{
    for (int i = 0; i < l->lora_count; i++) {
        const adapter_lora *o = &l->loras[i];
        int want[2];
        model_shape(model, o->matrix, want);
        if (check_number(a, model, l->layer, o->expert, err))
            return -1;
        if (o->b.rows != want[0] || o->a.cols != want[1])
            return refuse_shape(a, l->layer, o->expert, o->matrix, o->b.rows, o->a.cols, want, err);
    }
    return 0;
}

static int fit_layer(const adapter *a, const model_config *model, const adapter_layer *l,
                     error *err)
{
    if (l->layer >= model->layers)
        return error_set(err, ERROR_LOAD, "%s: layer %d: the model has layers 0 to %d", a->path,
                         l->layer, model->layers - 1);
    if (!model->moe_layer[l->layer])
        return refuse(a, l->layer, "in it the model has no experts", err);
    if (l->added_count > MODEL_MAX_EXPERTS - model->experts)
        return refuse(a, l->layer, "more experts than a layer can hold", err);
    for (int i = 0; i < l->row_count; i++)
        if (check_number(a, model, l->layer, l->rows[i].expert, err))
            return -1;
    return fit_replaced(a, model, l, err) || fit_loras(a, model, l, err) ? -1 : 0;
}

int adapter_fit(const adapter *a, const model_config *model, const char *fingerprint, error *err)
{
    if (!model->experts)
        return error_set(err, ERROR_LOAD, "%s: this model is dense: it has no experts to adapt",
                         a->path);
    if (fingerprint && a->fingerprint[0] && strcmp(a->fingerprint, fingerprint) != 0)
        return error_set(err, ERROR_LOAD,
                         "%s: made for another model: its fingerprint is %s, this model's is %s",
                         a->path, a->fingerprint, fingerprint);
    if (a->architecture && strcmp(a->architecture, architecture_gguf_name(model->arch)) != 0)
        return error_set(
            err, ERROR_LOAD,
            "%s: for a model of architecture %s (general.architecture), this one is %s", a->path,
            printable_text(a->architecture).text, architecture_gguf_name(model->arch));
    if (a->width != model->width)
        return error_set(err, ERROR_LOAD, "%s: for a model %d wide, this one is %d wide", a->path,
                         a->width, model->width);
    for (int i = 0; i < a->layer_count; i++)
        if (fit_layer(a, model, &a->layers[i], err))
            return -1;
    return 0;
}
