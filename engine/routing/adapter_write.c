/* adapter_write.c - adapters as files: one's own safetensors (adapter_own.c says what is in them), and
 * GGUF (adapter_gguf.c). PEFT's folder is adapter_write_peft.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/quantize.h"
#include "../base/version.h"
#include "../formats/gguf_writer.h"
#include "../formats/safetensors_writer.h"
#include "adapter_names.h"
#include "adapter_stack.h"
#include "adapter_writer.h"

/* ---- provenance ---------------------------------------------------------------------------------- */

static void put_number(safetensors_writer *w, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    safetensors_writer_text(w, key, text);
}

void adapter_write_metadata(safetensors_writer *w, const adapter *a)
{
    const adapter_provenance *p = &a->provenance;
    safetensors_writer_text(w, "consilium", CONSILIUM_VERSION);
    if (a->fingerprint[0])
        safetensors_writer_text(w, "model", a->fingerprint);
    if (p->what)
        safetensors_writer_text(w, "what", p->what);
    if (p->lessons)
        safetensors_writer_text(w, "lessons", p->lessons);
    if (p->steps)
        put_number(w, "steps", (uint64_t)p->steps);
    if (p->rank)
        put_number(w, "rank", (uint64_t)p->rank);
    if (p->seeded)
        put_number(w, "seed", p->seed);
}

/* ---- one's own layout ---------------------------------------------------------------------------- */

/* Walked twice in the same order: the first time tensors are declared, the second time written. */
typedef struct own_writer {
    safetensors_writer *w;
    bool data;
    error *err;
} own_writer;

static int put(const own_writer *o, const adapter_name *name, const adapter_tensor *t)
{
    char text[ADAPTER_NAME_SIZE];
    uint64_t shape[2] = {(uint64_t)t->rows, (uint64_t)t->cols};
    if (o->data)
        return safetensors_writer_bytes(
            o->w, t->data, (size_t)t->rows * dtype_row_bytes(t->type, (size_t)t->cols), o->err);
    adapter_name_write(name, text);
    return safetensors_writer_typed(o->w, text, t->type, 2, shape, o->err);
}

static int put_experts(const own_writer *o, int layer, const adapter_expert *list, int n,
                       name_kind kind)
{
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < EXPERT_MATRICES; m++) {
            adapter_name name = {
                .kind = kind, .layer = layer, .expert = list[i].expert, .matrix = (expert_matrix)m};
            if (list[i].matrix[m].data && put(o, &name, &list[i].matrix[m]))
                return -1;
        }
    }
    return 0;
}

static int put_rows(const own_writer *o, const adapter *a, const adapter_layer *l)
{
    for (int i = 0; i < l->row_count; i++) {
        adapter_name name = {.kind = NAME_ROW, .layer = l->layer, .expert = l->rows[i].expert};
        adapter_tensor row = {l->rows[i].type, 1, a->width, l->rows[i].values};
        if (put(o, &name, &row))
            return -1;
    }
    return 0;
}

static int put_loras(const own_writer *o, const adapter_layer *l)
{
    for (int i = 0; i < l->lora_count; i++) {
        const adapter_lora *u = &l->loras[i];
        adapter_name name = {
            .kind = NAME_LORA_A, .layer = l->layer, .expert = u->expert, .matrix = u->matrix};
        adapter_tensor scale = {DTYPE_F32, 1, 1, &u->scale};
        if (put(o, &name, &u->a))
            return -1;
        name.kind = NAME_LORA_B;
        if (put(o, &name, &u->b))
            return -1;
        name.kind = NAME_SCALE;
        if (put(o, &name, &scale))
            return -1;
    }
    return 0;
}

static int put_layers(const own_writer *o, const adapter *a)
{
    for (int i = 0; i < a->layer_count; i++) {
        const adapter_layer *l = &a->layers[i];
        adapter_name router = {.kind = NAME_ROUTER, .layer = l->layer};
        if ((l->added_count && put(o, &router, &l->added_rows)) ||
            put_experts(o, l->layer, l->added, l->added_count, NAME_WHOLE) ||
            put_experts(o, l->layer, l->replaced, l->replaced_count, NAME_REPLACED) ||
            put_rows(o, a, l) || put_loras(o, l))
            return -1;
    }
    return 0;
}

static int write_own(const adapter *a, safetensors_writer *w, error *err)
{
    own_writer o = {.w = w, .err = err};
    if (!w)
        return -1;
    safetensors_writer_text(o.w, "adapter", "1");
    adapter_write_metadata(o.w, a);
    int result = put_layers(&o, a);
    o.data = true;
    if (result == 0)
        result = safetensors_writer_begin(o.w, err) || put_layers(&o, a) ||
                         safetensors_writer_finish(o.w, err)
                     ? -1
                     : 0;
    safetensors_writer_close(o.w);
    return result;
}

/* ---- GGUF ---------------------------------------------------------------------------------------- */

static const char *const stacked_names[] = {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"};

/* One alpha divides by the rank of each tensor: so all are filled up to the largest. */
static int largest_rank(const adapter *a)
{
    int most = 0;
    for (int i = 0; i < a->layer_count; i++) {
        for (int m = 0; m < EXPERT_MATRICES; m++) {
            int r = adapter_stack_rank(&a->layers[i], (expert_matrix)m, (expert_matrix)m);
            most = r > most ? r : most;
        }
    }
    return most;
}

static int declare_gguf(gguf_writer *w, int layer, int m, const adapter_stack *s, error *err)
{
    char name[64];
    uint64_t experts = (uint64_t)s->experts, rank = (uint64_t)s->rank;
    uint64_t a[3] = {experts, rank, (uint64_t)s->in}, b[3] = {experts, (uint64_t)s->out, rank};
    (void)snprintf(name, sizeof name, "blk.%d.%s.weight.lora_a", layer, stacked_names[m]);
    if (gguf_writer_tensor(w, name, s->type, 3, a, err))
        return -1;
    name[strlen(name) - 1] = 'b';
    return gguf_writer_tensor(w, name, s->type, 3, b, err);
}

static int put_values(gguf_writer *w, dtype type, float *values, size_t n, error *err)
{
    if (type != DTYPE_F32)
        quantize_row(type, values, values, n); /* in place: halves are shorter */
    return gguf_writer_data(w, values, dtype_row_bytes(type, n), err);
}

static int put_gguf(gguf_writer *w, adapter_stack *s, error *err)
{
    size_t ranks = (size_t)s->experts * (size_t)s->rank;
    return put_values(w, s->type, s->a, ranks * (size_t)s->in, err) ||
                   put_values(w, s->type, s->b, ranks * (size_t)s->out, err)
               ? -1
               : 0;
}

/* All tensors, declared or written. */
static int gguf_tensors(gguf_writer *w, const adapter *a, const model_config *model, int rank,
                        bool data, error *err)
{
    int result = 0;
    float scale = a->layers[0].loras[0].scale;
    for (int i = 0; i < a->layer_count && result == 0; i++) {
        for (int m = 0; m < EXPERT_MATRICES && result == 0; m++) {
            const adapter_layer *l = &a->layers[i];
            adapter_stack s;
            result = adapter_stack_make(&s, a, l, (expert_matrix)m, (expert_matrix)m,
                                        model->experts, rank, err);
            if (result == 0 && s.rank && s.scale != scale)
                result =
                    error_set(err, ERROR_USAGE,
                              "%s: layer %d: updates of the scales %g and %g: a GGUF adapter has "
                              "one for all",
                              a->path, l->layer, scale, s.scale);
            if (result == 0 && s.rank)
                result = data ? put_gguf(w, &s, err) : declare_gguf(w, l->layer, m, &s, err);
            adapter_stack_release(&s);
        }
    }
    return result;
}

static int write_gguf(const adapter *a, const char *path, const model_config *model, error *err)
{
    int rank = largest_rank(a);
    float scale = a->layers[0].loras[0].scale;
    for (int most = 2 * rank; rank < most;
         rank++) /* so that alpha gives the scale back to the bit */
        if ((float)((double)(scale * (float)rank) / rank) == scale)
            break;
    float alpha = scale * (float)rank;
    if (!(alpha >= -1e6f && alpha <= 1e6f))
        return error_set(err, ERROR_USAGE, "%s: a scale of %g is too large for a GGUF adapter",
                         a->path, scale);
    gguf_writer *w = gguf_writer_open(path, err);
    if (!w)
        return -1;
    bool good =
        !gguf_writer_text(w, "general.type", "adapter", err) &&
        !gguf_writer_text(w, "general.architecture", architecture_gguf_name(model->arch), err) &&
        !gguf_writer_text(w, "adapter.type", "lora", err) &&
        !gguf_writer_f32(w, "adapter.lora.alpha", alpha, err);
    if (good && a->fingerprint[0])
        good = !gguf_writer_text(w, "consilium.model", a->fingerprint, err);
    good = good && !gguf_tensors(w, a, model, rank, false, err) && !gguf_writer_begin(w, err) &&
           !gguf_tensors(w, a, model, rank, true, err) && !gguf_writer_finish(w, err);
    gguf_writer_close(w);
    return good ? 0 : -1;
}

/* ---- public -------------------------------------------------------------------------------------- */

static int check_content(const adapter *a, error *err)
{
    return a->layer_count
               ? 0
               : error_set(err, ERROR_USAGE, "%s: every update is zero: there is nothing to write",
                           a->path);
}

int adapter_write_into(const adapter *a, buf *out, error *err)
{
    return check_content(a, err) ? -1
                                 : write_own(a, safetensors_writer_into(out, a->path, err), err);
}

int adapter_write(const adapter *a, adapter_format format, const char *path,
                  const model_config *model, error *err)
{
    if (check_content(a, err))
        return -1;
    if (format == ADAPTER_OWN)
        return write_own(a, safetensors_writer_open(path, err), err);
    if (adapter_updates_alone(a, format == ADAPTER_PEFT ? "PEFT" : "a GGUF adapter", err) ||
        adapter_fit(a, model, NULL, err))
        return -1;
    return format == ADAPTER_PEFT ? adapter_write_peft(a, path, model, err)
                                  : write_gguf(a, path, model, err);
}
