/* trainable.c - see trainable.h.
 *
 * trainable_new() goes over the parameters three times in their one order: shapes are set and summed,
 * pointers are laid into the two blocks, initial values are written.
 */
#include "trainable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../run/philox.h"
#include "frozen.h"

enum { PARAMETERS = EXPERT_MATRICES + 2 * EXPERT_MATRICES + 1 }; /* of one expert */

/* The standard deviation of random gate and up matrices and router rows. */
static const float RANDOM_SPREAD = 0.02f;

/* The i-th parameter of an expert, in the order of the blocks. */
static parameter *parameter_of(expert_trainable *x, int i)
{
    if (i < EXPERT_MATRICES)
        return &x->whole[i];
    if (i == PARAMETERS - 1)
        return &x->row;
    lora_pair *pair = &x->lora[(i - EXPERT_MATRICES) / 2];
    return (i - EXPERT_MATRICES) % 2 ? &pair->b : &pair->a;
}

/* ---- checking a spec ------------------------------------------------------------------------- */

static bool asks(const uint8_t *list, int expert)
{
    return list && list[expert];
}

static bool asks_any(const layer_spec *s, int experts)
{
    for (int x = 0; x < experts; x++)
        if (asks(s->whole, x) || asks(s->lora, x) || asks(s->rows, x))
            return true;
    return s->added != 0;
}

static int check_layer(const model_config *c, const train_spec *spec, int layer, error *err)
{
    const layer_spec *s = &spec->layers[layer - spec->first];
    if (s->added < 0 || s->added > MODEL_MAX_EXPERTS - c->experts)
        return error_set(err, ERROR_USAGE, "layer %d: %d experts cannot be added", layer, s->added);
    for (int i = 0; s->copies && i < s->added; i++)
        if (s->copies[i] < 0 || s->copies[i] >= c->experts)
            return error_set(err, ERROR_USAGE, "layer %d: there is no expert %d to copy: 0 to %d",
                             layer, s->copies[i], c->experts - 1);
    for (int x = 0; x < c->experts; x++) {
        if (asks(s->whole, x) && asks(s->lora, x))
            return error_set(err, ERROR_USAGE,
                             "layer %d: expert %d is to be learned whole and by LoRA: choose one",
                             layer, x);
        if (asks(s->lora, x) && (spec->rank < 1 || spec->rank > c->width))
            return error_set(err, ERROR_USAGE, "a LoRA rank of %d: it can be 1 to %d", spec->rank,
                             c->width);
    }
    return 0;
}

static int check_spec(const model_config *c, const train_spec *spec, error *err)
{
    bool any = false;
    if (spec->first < 0 || spec->first >= spec->last || spec->last > c->layers)
        return error_set(err, ERROR_USAGE, "layers %d to %d cannot learn: the model has 0 to %d",
                         spec->first, spec->last - 1, c->layers - 1);
    for (int layer = spec->first; layer < spec->last; layer++) {
        if (!asks_any(&spec->layers[layer - spec->first], c->experts))
            continue;
        any = true;
        if (!c->moe_layer[layer])
            return error_set(err, ERROR_USAGE, "layer %d has no routed experts", layer);
        if (check_layer(c, spec, layer, err))
            return -1;
    }
    return any ? 0 : error_set(err, ERROR_USAGE, "nothing is to be learned");
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void shape_matrices(parameter whole[EXPERT_MATRICES], size_t ffn, size_t width)
{
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        whole[m].rows = m == EXPERT_DOWN ? width : ffn;
        whole[m].cols = m == EXPERT_DOWN ? ffn : width;
    }
}

static size_t added_width(const model_config *c, const train_spec *spec, const layer_spec *s)
{
    return (size_t)(s->copies || spec->added_width < 1 ? c->expert_width : spec->added_width);
}

/* Sets the shapes of one expert's parameters; those that are not learned keep 0 x 0. */
static void shape_expert(const model_config *c, const train_spec *spec, const layer_spec *s,
                         int expert, expert_trainable *x)
{
    size_t width = (size_t)c->width, ffn = (size_t)c->expert_width, rank = (size_t)spec->rank;
    bool added = expert >= c->experts;
    if (added || asks(s->whole, expert))
        shape_matrices(x->whole, added ? added_width(c, spec, s) : ffn, width);
    for (int m = 0; !added && asks(s->lora, expert) && m < EXPERT_MATRICES; m++) {
        if (!(s->lora[expert] & 1 << m))
            continue;
        x->lora[m].a = (parameter){.rows = rank, .cols = m == EXPERT_DOWN ? ffn : width};
        x->lora[m].b = (parameter){.rows = m == EXPERT_DOWN ? width : ffn, .cols = rank};
        x->lora[m].scale = (float)((spec->alpha > 0 ? spec->alpha : spec->rank) / spec->rank);
    }
    if (added || asks(s->rows, expert))
        x->row = (parameter){.rows = 1, .cols = width};
}

/* Floats of one layer; x (NULL or [experts of the layer]) receives the shapes. */
static size_t shape_layer(const model_config *c, const train_spec *spec, const layer_spec *s,
                          expert_trainable *x)
{
    size_t floats = 0;
    for (int e = 0; e < c->experts + s->added; e++) {
        expert_trainable one = {0};
        shape_expert(c, spec, s, e, &one);
        for (int i = 0; i < PARAMETERS; i++)
            floats += parameter_of(&one, i)->rows * parameter_of(&one, i)->cols;
        if (x)
            x[e] = one;
    }
    return floats;
}

uint64_t trainable_bytes(const engine *e, const train_spec *spec)
{
    const model_config *c = engine_config(e);
    uint64_t floats = 0;
    for (int i = 0; i < spec->last - spec->first; i++)
        if (asks_any(&spec->layers[i], c->experts))
            floats += shape_layer(c, spec, &spec->layers[i], NULL);
    return 2 * floats * sizeof(float);
}

static int shape_all(trainable *t, const model_config *c, const train_spec *spec, error *err)
{
    t->layers = calloc((size_t)(t->last - t->first), sizeof *t->layers);
    if (!t->layers)
        return error_memory(err, "what is learned");
    for (int i = 0; i < t->last - t->first; i++) {
        const layer_spec *s = &spec->layers[i];
        layer_trainable *l = &t->layers[i];
        if (!asks_any(s, c->experts))
            continue;
        l->added = s->added;
        l->experts = c->experts + s->added;
        l->of = calloc((size_t)l->experts, sizeof *l->of);
        if (!l->of)
            return error_memory(err, "what is learned");
        t->count += shape_layer(c, spec, s, l->of);
    }
    t->values = calloc(t->count, sizeof(float));
    t->grads = calloc(t->count, sizeof(float));
    return t->values && t->grads ? 0 : error_memory(err, "what is learned");
}

static void place_all(trainable *t)
{
    size_t at = 0;
    for (int i = 0; i < t->last - t->first; i++)
        for (int e = 0; e < t->layers[i].experts; e++)
            for (int p = 0; p < PARAMETERS; p++) {
                parameter *one = parameter_of(&t->layers[i].of[e], p);
                if (!one->rows)
                    continue;
                one->value = t->values + at;
                one->grad = t->grads + at;
                at += one->rows * one->cols;
            }
}

/* ---- initial values -------------------------------------------------------------------------- */

/* Which numbers are drawn: all that a draw depends on but its place. */
typedef struct draw {
    uint64_t seed;
    int layer, expert, parameter;
} draw;

static void draw_bits(const draw *d, size_t place, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)place, (uint32_t)((uint64_t)place >> 32),
                                 (uint32_t)d->layer << 8 | (uint32_t)d->parameter,
                                 (uint32_t)d->expert};
    const uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
    philox4x32(counter, key, out);
}

/* Uniform within +-limit. */
static void fill_uniform(const draw *d, parameter *p, float limit)
{
    for (size_t i = 0; i < p->rows * p->cols; i++) {
        uint32_t bits[4];
        draw_bits(d, i, bits);
        p->value[i] = ((float)(bits[0] >> 8) * 0x1p-23f - 1.0f) * limit;
    }
}

/* Near enough to normal: the sum of eight uniform numbers of 16 bits, which needs no library function
 * and so is the same everywhere. */
static void fill_normal(const draw *d, parameter *p, float spread)
{
    const float unit = 0x1.3988e2p+0f / 65536; /* sqrt(12 / 8): a variance of 1 */
    for (size_t i = 0; i < p->rows * p->cols; i++) {
        uint32_t bits[4], sum = 0;
        draw_bits(d, i, bits);
        for (int j = 0; j < 4; j++)
            sum += (bits[j] & 0xffff) + (bits[j] >> 16);
        p->value[i] = ((float)sum - 4 * 65535.0f) * unit * spread;
    }
}

static const tensor *expert_tensor(const layer_weights *w, int expert, int matrix)
{
    return matrix == EXPERT_GATE ? w->expert_gate[expert]
           : matrix == EXPERT_UP ? w->expert_up[expert]
                                 : w->expert_down[expert];
}

static void copy_matrices(const layer_weights *w, int expert, expert_trainable *x)
{
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        frozen f = frozen_of(expert_tensor(w, expert, m));
        const float *values = frozen_open(&f, x->whole[m].value);
        if (values != x->whole[m].value)
            memcpy(x->whole[m].value, values, f.rows * f.cols * sizeof *values);
    }
}

/* The router lies in f32: weights.h. */
static void copy_row(const layer_weights *w, int expert, parameter *row)
{
    const float *values = tensor_host(w->router);
    memcpy(row->value, values + (size_t)expert * row->cols, row->cols * sizeof *values);
}

static void begin_random(const draw *name, expert_trainable *x)
{
    draw d = *name;
    for (d.parameter = EXPERT_GATE; d.parameter <= EXPERT_UP; d.parameter++)
        fill_normal(&d, &x->whole[d.parameter], RANDOM_SPREAD);
    d.parameter = PARAMETERS - 1;
    fill_normal(&d, &x->row, RANDOM_SPREAD);
}

static void begin_loras(const draw *name, expert_trainable *x)
{
    draw d = *name;
    for (int m = 0; m < EXPERT_MATRICES; m++) {
        parameter *a = &x->lora[m].a;
        d.parameter = EXPERT_MATRICES + 2 * m;
        if (a->value) /* kaiming_uniform(a = sqrt 5), as PEFT begins */
            fill_uniform(&d, a, 1.0f / sqrtf((float)a->cols));
    }
}

static void begin_expert(const layer_weights *w, const layer_spec *s, int experts, const draw *name,
                         expert_trainable *x)
{
    int e = name->expert, source = e < experts ? e : s->copies ? s->copies[e - experts] : -1;
    if (source < 0) {
        begin_random(name, x);
        return;
    }
    if (x->whole[EXPERT_GATE].value)
        copy_matrices(w, source, x);
    if (x->row.value)
        copy_row(w, source, &x->row);
    begin_loras(name, x);
}

static void begin_all(trainable *t, const engine *e, const train_spec *spec)
{
    for (int i = 0; i < t->last - t->first; i++)
        for (int x = 0; x < t->layers[i].experts; x++) {
            draw name = {spec->seed, t->first + i, x, 0};
            begin_expert(&engine_weights(e)->layers[t->first + i], &spec->layers[i],
                         engine_config(e)->experts, &name, &t->layers[i].of[x]);
        }
}

/* The rows that no step may change. */
static int note_still(trainable *t, const train_spec *spec, int experts, error *err)
{
    size_t most = 1;
    for (int i = 0; i < t->last - t->first; i++)
        most += (size_t)t->layers[i].added;
    t->still = calloc(most, sizeof *t->still);
    if (!t->still)
        return error_memory(err, "what is learned");
    for (int i = 0; i < t->last - t->first; i++)
        for (int x = experts; spec->layers[i].keep_rows && x < t->layers[i].experts; x++) {
            const parameter *row = &t->layers[i].of[x].row;
            size_t from = (size_t)(row->value - t->values);
            t->still[t->still_count++] = (value_span){from, from + row->cols};
        }
    return 0;
}

trainable *trainable_new(engine *e, const train_spec *spec, error *err)
{
    const model_config *c = engine_config(e);
    if (check_spec(c, spec, err))
        return NULL;
    trainable *t = calloc(1, sizeof *t);
    if (!t) {
        (void)error_memory(err, "what is learned");
        return NULL;
    }
    t->first = spec->first;
    t->last = spec->last;
    if (shape_all(t, c, spec, err)) {
        trainable_free(t);
        return NULL;
    }
    place_all(t);
    begin_all(t, e, spec);
    if (note_still(t, spec, c->experts, err)) {
        trainable_free(t);
        return NULL;
    }
    return t;
}

void trainable_free(trainable *t)
{
    if (!t)
        return;
    for (int i = 0; t->layers && i < t->last - t->first; i++)
        free(t->layers[i].of);
    free(t->layers);
    free(t->values);
    free(t->grads);
    free(t->still);
    free(t);
}
