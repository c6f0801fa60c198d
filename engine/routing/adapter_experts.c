/* adapter_experts.c - see adapter_experts.h.
 *
 * Every tensor's name is taken apart first, so that anything unknown is refused by name; then each
 * layer that has a router is walked and must find all that belongs to it. The counts of both ways
 * agree, so nothing is left over.
 */
#include "adapter_experts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dequantize.h"
#include "../base/checked.h"
#include "../base/mapped_file.h"
#include "../base/printable.h"
#include "../formats/safetensors.h"
#include "../formats/weight_names.h"

struct adapter_experts {
    char *path, *bytes;
    size_t size;
    tensor_list tensors;
    int count, width;
    uint8_t layers[MODEL_MAX_LAYERS]; /* 1 = has some */
    int place[MODEL_MAX_LAYERS];
    uint64_t hash;
};

static const weight_part PARTS[] = {[ADAPTER_ROUTER] = PART_ROUTER,
                                    [ADAPTER_GATE] = PART_EXPERT_GATE,
                                    [ADAPTER_UP] = PART_EXPERT_UP,
                                    [ADAPTER_DOWN] = PART_EXPERT_DOWN};

/* ---- messages ------------------------------------------------------------------------------------ */

static int refuse(const adapter_experts *o, const checkpoint_tensor *t, const char *why, error *err)
{
    size_t at = (size_t)((const char *)t->data - o->bytes);
    return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor %s %s", o->path, at,
                     printable_text(t->name).text, why);
}

/* "has shape [12, 31], ... asks [12, 32]" */
static int refuse_shape(const adapter_experts *o, const checkpoint_tensor *t,
                        const uint64_t want[2], const char *who, error *err)
{
    char why[160];
    (void)snprintf(why, sizeof why, "has shape [%llu, %llu], %s [%llu, %llu]",
                   (unsigned long long)t->shape[0], (unsigned long long)t->shape[1], who,
                   (unsigned long long)want[0], (unsigned long long)want[1]);
    return refuse(o, t, why, err);
}

/* ---- names --------------------------------------------------------------------------------------- */

static void write_name(char *out, size_t size, adapter_part part, int layer, int expert)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(out, size, weight_name(PARTS[part], false, 0), layer, expert);
#pragma GCC diagnostic pop
}

static const checkpoint_tensor *find(const adapter_experts *o, adapter_part part, int layer,
                                     int expert)
{
    char name[128];
    write_name(name, sizeof name, part, layer, expert);
    return tensor_list_find(&o->tensors, name, strlen(name));
}

/* The number behind `word` in a name, -1 when there is none below `limit`. */
static int number_after(const char *name, const char *word, int limit)
{
    const char *at = strstr(name, word);
    size_t digits = at ? strspn(at + strlen(word), "0123456789") : 0;
    if (digits == 0 || digits > 6)
        return -1;
    int n = (int)strtol(at + strlen(word), NULL, 10);
    return n < limit ? n : -1;
}

/* A name is known when writing it again from its numbers gives the same letters. *router: it is a
 * router of *layer. */
static bool known_name(const char *name, int *layer, bool *router)
{
    char again[128];
    int expert = number_after(name, ".experts.", MODEL_MAX_EXPERTS);
    *layer = number_after(name, "model.layers.", MODEL_MAX_LAYERS);
    *router = false;
    for (int part = ADAPTER_ROUTER; part <= ADAPTER_DOWN && *layer >= 0; part++) {
        write_name(again, sizeof again, (adapter_part)part, *layer, expert);
        *router = part == ADAPTER_ROUTER;
        if (strcmp(again, name) == 0)
            return true;
    }
    return false;
}

/* ---- checks without a model ---------------------------------------------------------------------- */

static int check_finite(const adapter_experts *o, const checkpoint_tensor *t, error *err)
{
    size_t cols = (size_t)t->shape[1], step = (size_t)dtype_describe(t->type)->bytes;
    for (size_t i = 0; i < (size_t)t->shape[0] * cols; i++) {
        const char *at = (const char *)t->data + i * step;
        float value;
        dequantize_row(t->type, at, &value, 1);
        if (!isfinite(value))
            return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor %s: [%zu, %zu] is not finite",
                             o->path, (size_t)(at - o->bytes), t->name, i / cols, i % cols);
    }
    return 0;
}

/* By itself: a matrix of a type that is read, and of finite numbers. */
static int check_tensor(adapter_experts *o, const checkpoint_tensor *t, error *err)
{
    int layer;
    bool router;
    if (!known_name(t->name, &layer, &router))
        return refuse(o, t, "is no router row and no expert's gate, up or down matrix", err);
    if (t->type == DTYPE_COUNT)
        return refuse(o, t, "is not of type F32, F16 or BF16", err);
    if (t->dims != 2 || t->shape[0] == 0 || t->shape[1] == 0)
        return refuse(o, t, "is no matrix", err);
    if (router)
        o->layers[layer] = 1;
    return check_finite(o, t, err);
}

/* Finds a part and holds it against the shape that it must have; 0 in `want` = any. */
static int check_part(const adapter_experts *o, adapter_part part, int layer, int expert,
                      uint64_t want[2], error *err)
{
    char name[128];
    const checkpoint_tensor *t = find(o, part, layer, expert);
    write_name(name, sizeof name, part, layer, expert);
    if (!t)
        return error_set(err, ERROR_LOAD, "%s: tensor %s is missing", o->path, name);
    for (int i = 0; i < 2; i++)
        want[i] = want[i] ? want[i] : t->shape[i];
    if (t->shape[0] == want[0] && t->shape[1] == want[1])
        return 0;
    return refuse_shape(o, t, want, "where the rest of the file asks", err);
}

static int check_expert(const adapter_experts *o, int layer, int expert, error *err)
{
    uint64_t tall[2] = {0, (uint64_t)o->width};
    if (check_part(o, ADAPTER_GATE, layer, expert, tall, err) ||
        check_part(o, ADAPTER_UP, layer, expert, tall, err))
        return -1;
    uint64_t flat[2] = {tall[1], tall[0]};
    return check_part(o, ADAPTER_DOWN, layer, expert, flat, err);
}

/* The first router says how many experts a layer has, and how wide the model is. */
static int check_layer(adapter_experts *o, int layer, error *err)
{
    uint64_t rows[2] = {(uint64_t)o->count, (uint64_t)o->width};
    if (check_part(o, ADAPTER_ROUTER, layer, 0, rows, err))
        return -1;
    if (rows[0] > MODEL_MAX_EXPERTS || !checked_int(rows[1], &o->width))
        return refuse(o, find(o, ADAPTER_ROUTER, layer, 0), "is larger than any model's", err);
    o->count = (int)rows[0];
    for (int e = 0; e < o->count; e++)
        if (check_expert(o, layer, e, err))
            return -1;
    return 0;
}

/* A tensor that no router's layer asked for: its name tells what is wrong. */
static int refuse_left_over(const adapter_experts *o, error *err)
{
    for (size_t i = 0; i < o->tensors.len; i++) {
        const checkpoint_tensor *t = &o->tensors.v[i];
        int layer = number_after(t->name, "model.layers.", MODEL_MAX_LAYERS);
        if (!o->layers[layer])
            return refuse(o, t, "stands in a layer without a router row", err);
        if (number_after(t->name, ".experts.", MODEL_MAX_EXPERTS) >= o->count)
            return refuse(o, t, "is an expert without a router row", err);
    }
    return 0;
}

static int check_file(adapter_experts *o, error *err)
{
    size_t asked = 0;
    if (o->tensors.len == 0)
        return error_set(err, ERROR_LOAD, "%s: holds no tensor", o->path);
    for (size_t i = 0; i < o->tensors.len; i++)
        if (check_tensor(o, &o->tensors.v[i], err))
            return -1;
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) {
        if (!o->layers[i])
            continue;
        if (check_layer(o, i, err))
            return -1;
        asked += 1 + 3 * (size_t)o->count;
    }
    return asked == o->tensors.len ? 0 : refuse_left_over(o, err);
}

/* ---- public -------------------------------------------------------------------------------------- */

/* FNV-1a: programs that differ in these bytes must not share a past. */
static uint64_t hash_of(const char *bytes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
    return hash;
}

adapter_experts *adapter_experts_open(const char *path, error *err)
{
    adapter_experts *o = calloc(1, sizeof *o);
    if (o)
        o->path = strdup(path);
    if (!o || !o->path) {
        adapter_experts_close(o);
        error_memory(err, "a persona's experts");
        return NULL;
    }
    if (file_read_all(path, ADAPTER_EXPERTS_BYTES, &o->bytes, &o->size, err) ||
        safetensors_read(path, (const uint8_t *)o->bytes, o->size, &o->tensors, err) ||
        check_file(o, err)) {
        adapter_experts_close(o);
        return NULL;
    }
    o->hash = hash_of(o->bytes, o->size);
    return o;
}

void adapter_experts_close(adapter_experts *o)
{
    if (!o)
        return;
    tensor_list_release(&o->tensors);
    free(o->bytes);
    free(o->path);
    free(o);
}

int adapter_experts_fit(const adapter_experts *o, const model_config *model, error *err)
{
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) {
        if (!o->layers[i])
            continue;
        const checkpoint_tensor *router = find(o, ADAPTER_ROUTER, i, 0);
        char why[96];
        uint64_t want[2] = {(uint64_t)o->count, (uint64_t)model->width};
        (void)snprintf(why, sizeof why, "stands in a layer that the model lacks: it has 0 to %d",
                       model->layers - 1);
        if (i >= model->layers)
            return refuse(o, router, why, err);
        if (!model->moe_layer[i])
            return refuse(o, router, "stands in a layer where the model has no experts", err);
        if (o->width != model->width)
            return refuse_shape(o, router, want, "where the model asks", err);
        if (o->count > MODEL_MAX_EXPERTS - model->experts)
            return refuse(o, router, "has more experts than a layer can hold", err);
    }
    return 0;
}

int adapter_experts_count(const adapter_experts *o)
{
    return o->count;
}

bool adapter_experts_in(const adapter_experts *o, int layer)
{
    return o->layers[layer];
}

bool adapter_experts_same(const adapter_experts *a, const adapter_experts *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

uint64_t adapter_experts_hash(const adapter_experts *o)
{
    return o->hash;
}

uint64_t adapter_experts_size(const adapter_experts *o)
{
    return o->size;
}

checkpoint_tensor adapter_experts_tensor(const adapter_experts *o, adapter_part part, int layer,
                                         int expert)
{
    return *find(o, part, layer, expert);
}

int adapter_experts_place(const adapter_experts *o, int layer)
{
    return o->place[layer];
}

void adapter_experts_set_place(adapter_experts *o, int layer, int place)
{
    o->place[layer] = place;
}
