/* adapter_write_peft.c - a LoRA of experts as PEFT 0.19.1 and later load it (adapter_peft.c says how
 * it lies in the file).
 *
 * Each layer's gate_up and down are parameters of their own, named in full in target_parameters
 * unless all layers with experts have them; where rank or alpha is not the common one, rank_pattern and
 * alpha_pattern say so. The folder is written under another name and then renamed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../kernels/quantize.h"
#include "../base/atomic_file.h"
#include "../base/json_writer.h"
#include "adapter_stack.h"
#include "adapter_writer.h"

enum { NAME_SIZE = 128 };

typedef struct peft_writer {
    const adapter *a;
    const model_config *model;
    safetensors_writer *w;
    int rank;    /* the common one: that of the first parameter */
    float scale; /* likewise */
    bool data;   /* tensors are written, not declared */
} peft_writer;

static int stack_of(const peft_writer *p, const adapter_layer *l, bool down, adapter_stack *s,
                    error *err)
{
    return adapter_stack_make(s, p->a, l, down ? EXPERT_DOWN : EXPERT_GATE,
                              down ? EXPERT_DOWN : EXPERT_UP, p->model->experts, 0, err);
}

static bool has(const adapter_layer *l, bool down)
{
    return adapter_stack_rank(l, down ? EXPERT_DOWN : EXPERT_GATE, down ? EXPERT_DOWN : EXPERT_UP) >
           0;
}

/* ---- tensors ------------------------------------------------------------------------------------- */

static const char *block(const peft_writer *p)
{
    return p->model->arch == ARCH_GRANITE_MOE ? "block_sparse_moe" : "mlp";
}

/* Wrapped in another when the layer has both: gate_up is the inner one. */
static int declare(const peft_writer *p, const adapter_layer *l, bool down, const adapter_stack *s,
                   error *err)
{
    char name[NAME_SIZE];
    bool inner = !down && has(l, true);
    uint64_t ranks = (uint64_t)s->experts * (uint64_t)s->rank;
    uint64_t a[2] = {ranks, (uint64_t)s->in}, b[2] = {(uint64_t)s->out, ranks};
    for (int side = 0; side < 2; side++) {
        (void)snprintf(name, sizeof name,
                       "base_model.model.model.layers.%d.%s.experts.%slora_%c.weight", l->layer,
                       block(p), inner ? "base_layer." : "", side ? 'B' : 'A');
        if (safetensors_writer_typed(p->w, name, s->type, 2, side ? b : a, err))
            return -1;
    }
    return 0;
}

static int put_values(const peft_writer *p, dtype type, float *values, size_t n, error *err)
{
    if (type != DTYPE_F32)
        quantize_row(type, values, values, n); /* in place: halves are shorter */
    return safetensors_writer_bytes(p->w, values, dtype_row_bytes(type, n), err);
}

/* B [experts, out, rank] as [out, rank, experts]. */
static int put_b(const peft_writer *p, const adapter_stack *s, error *err)
{
    size_t experts = (size_t)s->experts, out = (size_t)s->out, rank = (size_t)s->rank;
    float *row = malloc(rank * experts * sizeof *row);
    int result = row ? 0 : error_memory(err, "an adapter");
    for (size_t o = 0; o < out && result == 0; o++) {
        for (size_t k = 0; k < rank; k++)
            for (size_t e = 0; e < experts; e++)
                row[k * experts + e] = s->b[(e * out + o) * rank + k];
        result = put_values(p, s->type, row, rank * experts, err);
    }
    free(row);
    return result;
}

static int put_tensors(const peft_writer *p, error *err)
{
    int result = 0;
    for (int i = 0; i < p->a->layer_count && result == 0; i++) {
        for (int down = 0; down < 2 && result == 0; down++) {
            const adapter_layer *l = &p->a->layers[i];
            adapter_stack s;
            result = stack_of(p, l, down, &s, err);
            size_t n = (size_t)s.experts * (size_t)s.rank * (size_t)s.in;
            if (result == 0 && s.rank && !p->data)
                result = declare(p, l, down, &s, err);
            else if (result == 0 && s.rank)
                result = put_values(p, s.type, s.a, n, err) || put_b(p, &s, err) ? -1 : 0;
            adapter_stack_release(&s);
        }
    }
    return result;
}

static int write_tensors(peft_writer *p, const char *path, error *err)
{
    p->w = safetensors_writer_open(path, err);
    if (!p->w)
        return -1;
    adapter_write_metadata(p->w, p->a);
    int result = put_tensors(p, err);
    p->data = true;
    if (result == 0)
        result = safetensors_writer_begin(p->w, err) || put_tensors(p, err) ||
                         safetensors_writer_finish(p->w, err)
                     ? -1
                     : 0;
    safetensors_writer_close(p->w);
    return result;
}

/* ---- adapter_config.json ------------------------------------------------------------------------- */

/* "layers.3.mlp.experts.down_proj" */
static void parameter_name(const peft_writer *p, int layer, bool down, char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, "layers.%d.%s.experts.%s", layer, block(p),
                   down ? "down_proj" : "gate_up_proj");
}

static bool in_every_layer(const peft_writer *p, bool down)
{
    for (int i = 0; i < p->model->layers; i++) {
        const adapter_layer *l = adapter_at(p->a, i);
        if (p->model->moe_layer[i] && (!l || !has(l, down)))
            return false;
    }
    return true;
}

static void put_targets(const peft_writer *p, json_writer *e)
{
    char name[NAME_SIZE];
    json_begin_array(e, "target_parameters");
    for (int down = 0; down < 2; down++) {
        bool everywhere = in_every_layer(p, down);
        (void)snprintf(name, sizeof name, "%s.experts.%s", block(p),
                       down ? "down_proj" : "gate_up_proj");
        if (everywhere)
            json_put_text(e, NULL, name);
        for (int i = 0; i < p->a->layer_count && !everywhere; i++) {
            if (!has(&p->a->layers[i], down))
                continue;
            parameter_name(p, p->a->layers[i].layer, down, name);
            json_put_text(e, NULL, name);
        }
    }
    json_end(e);
}

static float scale_of(const adapter_layer *l, bool down)
{
    for (int i = 0; i < l->lora_count; i++)
        if ((l->loras[i].matrix == EXPERT_DOWN) == down)
            return l->loras[i].scale;
    return 0;
}

static int rank_of(const adapter_layer *l, bool down)
{
    return adapter_stack_rank(l, down ? EXPERT_DOWN : EXPERT_GATE, down ? EXPERT_DOWN : EXPERT_UP);
}

/* What differs from the common rank and alpha. */
static void put_pattern(const peft_writer *p, json_writer *e, bool alpha)
{
    char name[NAME_SIZE];
    double common = (double)p->scale * p->rank;
    json_begin_object(e, alpha ? "alpha_pattern" : "rank_pattern");
    for (int i = 0; i < p->a->layer_count; i++) {
        for (int down = 0; down < 2; down++) {
            const adapter_layer *l = &p->a->layers[i];
            int rank = rank_of(l, down);
            double value = (double)scale_of(l, down) * rank;
            if (rank == 0 || (alpha ? value == common : rank == p->rank))
                continue;
            parameter_name(p, l->layer, down, name);
            if (alpha)
                json_put_number(e, name, value);
            else
                json_put_int(e, name, rank);
        }
    }
    json_end(e);
}

static int write_config(const peft_writer *p, const char *path, error *err)
{
    buf text = {0};
    json_writer e = {.out = &text, .err = err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "peft_type", "LORA");
    json_put_text(&e, "task_type", "CAUSAL_LM");
    json_put_null(&e, "base_model_name_or_path");
    json_put_bool(&e, "inference_mode", true);
    json_put_int(&e, "r", p->rank);
    json_put_number(&e, "lora_alpha", (double)p->scale * p->rank);
    json_put_number(&e, "lora_dropout", 0);
    json_put_text(&e, "bias", "none");
    json_put_bool(&e, "fan_in_fan_out", false);
    json_put_bool(&e, "use_rslora", false);
    json_begin_array(&e, "target_modules");
    json_end(&e);
    put_targets(p, &e);
    put_pattern(p, &e, false);
    put_pattern(p, &e, true);
    json_put_text(&e, "peft_version", "0.19.1"); /* the first with this layout */
    json_end(&e);
    int result = json_writer_finish(&e) || buf_text(&text, "\n", err) ||
                         atomic_file_put(path, text.v, text.len, err)
                     ? -1
                     : 0;
    buf_release(&text);
    return result;
}

/* ---- the folder ---------------------------------------------------------------------------------- */

static char *join(const char *folder, const char *name, error *err)
{
    buf b = {0};
    if (buf_format(&b, err, "%s%s", folder, name) == 0)
        return buf_detach(&b);
    buf_release(&b);
    return NULL;
}

static void set_common(peft_writer *p)
{
    const adapter_layer *l = &p->a->layers[0];
    bool down = !has(l, false);
    p->rank = rank_of(l, down);
    p->scale = scale_of(l, down);
}

/* part: the folder while it is written; it is gone after a failure. */
static int fill(peft_writer *p, const char *part, const char *path, error *err)
{
    char *tensors = join(part, "/adapter_model.safetensors", err);
    char *config = join(part, "/adapter_config.json", err);
    int result = tensors && config ? 0 : -1;
    if (result == 0 && mkdir(part, 0755))
        result = error_set(err, ERROR_RUN, "%s: cannot make the folder: %s", part, strerror(errno));
    else if (result == 0) {
        if (write_tensors(p, tensors, err) || write_config(p, config, err))
            result = -1;
        else if (rename(part, path))
            result = error_set(err, ERROR_RUN, "%s: cannot rename to %s: %s", part, path,
                               strerror(errno));
        if (result) {
            (void)unlink(tensors);
            (void)unlink(config);
            (void)rmdir(part);
        }
    }
    if (result == 0)
        file_flush_name(path);
    free(tensors);
    free(config);
    return result;
}

int adapter_write_peft(const adapter *a, const char *path, const model_config *model, error *err)
{
    peft_writer p = {.a = a, .model = model};
    struct stat st;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    buf b = {0};
    if (buf_add(&b, path, len, err)) {
        buf_release(&b);
        return -1;
    }
    char *part = join(b.v, ".part", err);
    int result = part ? 0 : -1;
    if (part && lstat(b.v, &st) == 0)
        result = error_set(err, ERROR_USAGE, "%s: exists already; name a new folder", b.v);
    set_common(&p);
    if (result == 0)
        result = fill(&p, part, b.v, err);
    free(part);
    buf_release(&b);
    return result;
}
