/* test_train_grad.c - the net's losses are the engine's, and its gradients are those of its losses:
 * engine/train on tiny models of all architectures, by finite differences. tests/reference_train.py
 * compares with torch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "routing_support.h"
#include "train_support.h"

#define MODELS "tests/fixtures/models/"

/* ---- losses ---------------------------------------------------------------------------------- */

static trainable *one_row(engine *e, int first)
{
    static const uint8_t rows[64] = {1};
    const model_config *c = engine_config(e);
    layer_spec layers[8] = {{0}};
    for (int i = first; i < c->layers; i++)
        layers[i - first].rows = c->moe_layer[i] ? rows : NULL;
    train_spec spec = {.first = first, .last = c->layers, .layers = layers};
    error err = {0};
    trainable *t = trainable_new(e, &spec, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static void loss_is_the_engines(const char *path, int first)
{
    engine *e = train_engine(path, 2);
    train_batch b = train_texts(e, first);
    trainable *t = one_row(e, first);
    net *n = train_net(e, t, 0);
    const net_options plain = {0};
    double expected = 0, weight = 0;
    b.texts[2].plain = NULL;
    for (int i = 0; i < TRAIN_TEXTS; i++) {
        expected += train_engine_loss(e, NULL, &b.texts[i]);
        for (int j = 0; j < b.texts[i].n - 1; j++)
            weight += b.texts[i].weight[j] > 0 ? (double)b.texts[i].weight[j] : 0;
    }
    net_losses l = train_evaluate(n, &b, &plain);
    if (!(fabs(l.cross_entropy - expected) < 2e-4 * expected) || !(fabs(l.weight - weight) < 1e-9))
        fail_msg("%s from layer %d: loss %.9g, the engine's %.9g", path, first, l.cross_entropy,
                 expected);
    net_losses again = train_backward(n, b.texts, TRAIN_TEXTS, &plain);
    assert_true(again.cross_entropy == l.cross_entropy);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

static void losses_are_the_engines(void **state)
{
    static const char *const paths[] = {
        MODELS "qwen2_moe",         MODELS "qwen3_moe",
        MODELS "mixtral",           MODELS "olmoe",
        MODELS "granitemoe",        MODELS "qwen3_moe-bias",
        MODELS "olmoe-gqa",         MODELS "olmoe-bias",
        MODELS "granitemoe-bias",   MODELS "qwen2_moe-no-bias",
        MODELS "qwen3_moe-tied",    MODELS "granitemoe-untied",
        MODELS "qwen3_moe-yarn",    MODELS "qwen3_moe-raw-gates",
        MODELS "qwen2_moe-norm",    MODELS "mixtral-fused",
        MODELS "mixtral.gguf",      MODELS "granitemoe.gguf",
        MODELS "qwen3_moe-sharded", MODELS "qwen2_moe.gguf",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        loss_is_the_engines(paths[i], 0);
    loss_is_the_engines(MODELS "qwen3_moe-mlp-only", 0);
    loss_is_the_engines(MODELS "qwen3_moe-mlp-only", 1);
    loss_is_the_engines(MODELS "qwen2_moe-sparse-step", 1);
    loss_is_the_engines(MODELS "qwen2_moe", 1);
}

/* ---- gradients ------------------------------------------------------------------------------- */

static double norm(const float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

typedef struct difference {
    net *n;
    const train_batch *b;
    const net_options *o;
    const trainable *t;
    const float *grads; /* [t->count] at the values as they were */
    float *value;
    const float *from, *along;
    size_t count;
} difference;

static double loss_at(const difference *d, double step_size)
{
    for (size_t i = 0; i < d->count; i++)
        d->value[i] = (float)((double)d->from[i] + step_size * (double)d->along[i]);
    /* Dropout is a part of the loss that is learned from, and of no other. */
    if (d->o->dropout > 0)
        return train_backward(d->n, d->b->texts, TRAIN_TEXTS, d->o).total;
    return train_evaluate(d->n, d->b, d->o).total;
}

/* The derivative of the loss along a direction, by five points. */
static double slope(const difference *d, double h)
{
    double near = loss_at(d, h) - loss_at(d, -h), far = loss_at(d, 2 * h) - loss_at(d, -2 * h);
    (void)loss_at(d, 0);
    return (8 * near - far) / (12 * h);
}

/* Along half the gradient and half a random direction. Returns the relative error. */
static double slope_error(difference d, const float *grad, uint32_t seed)
{
    float *along = malloc(d.count * sizeof *along), *from = malloc(d.count * sizeof *from);
    assert_true(along && from);
    memcpy(from, d.value, d.count * sizeof *from);
    double size = norm(grad, d.count), expected = 0, best = INFINITY;
    for (size_t i = 0; i < d.count; i++) {
        seed = seed * 1664525u + 1013904223u;
        double noise = ((double)(seed >> 8) * 0x1p-24 - 0.5) * 3.46 / sqrt((double)d.count);
        along[i] = (float)((double)grad[i] / size + 0.5 * noise);
        expected += (double)grad[i] * (double)along[i];
    }
    d.from = from;
    d.along = along;
    /* Whichever step is large enough for the rounding of f32 and small enough for the curve. */
    for (double h = 0.3; best > 1e-3 && h > 0.0005; h /= 2.5)
        best = fmin(best, fabs(slope(&d, h) - expected) / fabs(expected));
    free(along);
    free(from);
    return best;
}

static void check_parameter(const difference *d, parameter p, const char *path, int layer,
                            int expert, const char *name)
{
    if (!p.value)
        return;
    difference mine = *d;
    mine.value = p.value;
    mine.count = p.rows * p.cols;
    const float *grad = d->grads + (p.value - d->t->values);
    if (!(norm(grad, mine.count) > 1e-6))
        fail_msg("%s: layer %d expert %d %s has no gradient", path, layer, expert, name);
    double off = slope_error(mine, grad, (uint32_t)(layer * 64 + expert));
    if (!(off < 5e-3))
        fail_msg("%s: layer %d expert %d %s: the slope is off by %.2g of itself", path, layer,
                 expert, name, off);
}

static void check_everything(const difference *d, trainable *t, const char *path)
{
    static const char *const names[] = {"gate", "up", "down"};
    for (int i = 0; i < t->last - t->first; i++)
        for (int e = 0; e < t->layers[i].experts; e++) {
            expert_trainable *x = &t->layers[i].of[e];
            for (int m = 0; m < EXPERT_MATRICES; m++) {
                check_parameter(d, x->whole[m], path, t->first + i, e, names[m]);
                check_parameter(d, x->lora[m].a, path, t->first + i, e, "A");
                check_parameter(d, x->lora[m].b, path, t->first + i, e, "B");
            }
            check_parameter(d, x->row, path, t->first + i, e, "row");
        }
}

/* A bias that makes all tokens choose experts 0 to 2 and the added one, so that no small step changes a
 * choice: there the loss has no slope. What is left free, reference_train.py looks at. */
static layer_routing *fixed_choice(const model_config *c, float *bias)
{
    layer_routing *r = calloc((size_t)c->layers, sizeof *r);
    assert_non_null(r);
    for (int e = 0; e < 3; e++)
        bias[e] = 100;
    bias[c->experts] = 100;
    for (int i = 0; i < c->layers; i++)
        r[i] = (layer_routing){.k = 4, .norm_width = 4, .strength = 1, .bias = bias};
    return r;
}

static void gradients_of(const char *path, int first, bool copies, net_options options)
{
    const net_options *o = &options;
    engine *e = train_engine(path, 2);
    train_batch b = train_texts(e, first);
    trainable *t = train_everything(e, first, copies);
    net *n = train_net(e, t, 0);
    float bias[64] = {0};
    layer_routing *routing = fixed_choice(engine_config(e), bias);
    options.routing = routing;
    (void)train_backward(n, b.texts, TRAIN_TEXTS, o);
    float *grads = malloc(t->count * sizeof *grads);
    assert_non_null(grads);
    memcpy(grads, t->grads, t->count * sizeof *grads);
    difference d = {.n = n, .b = &b, .o = o, .t = t, .grads = grads};
    check_everything(&d, t, path);
    free(grads);
    free(routing);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

static void gradients_are_those_of_the_loss(void **state)
{
    static const char *const paths[] = {MODELS "qwen2_moe", MODELS "qwen3_moe", MODELS "mixtral",
                                        MODELS "olmoe", MODELS "granitemoe"};
    const net_options o = {.balance = 0.3f};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        gradients_of(paths[i], (int)(i % 2), i % 2 == 1, o);
    gradients_of(MODELS "qwen3_moe-mlp-only", 0, true, o);
    gradients_of(MODELS "qwen2_moe", 1, true, (net_options){.dropout = 0.3f, .seed = 4});
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static const net_options ALL_KINDS = {.balance = 0.1f, .dropout = 0.25f, .seed = 3};

/* All gradients of a case. Caller frees. */
static float *gradients(const char *path, int threads, uint64_t limit, const net_options *o,
                        size_t *count)
{
    engine *e = train_engine(path, threads);
    train_batch b = train_texts(e, 0);
    trainable *t = train_everything(e, 0, false);
    net *n = train_net(e, t, limit);
    (void)train_backward(n, b.texts, TRAIN_TEXTS, o);
    float *copy = malloc(t->count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, t->grads, t->count * sizeof *copy);
    *count = t->count;
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
    return copy;
}

static void same_bytes(const char *path, int threads, uint64_t limit)
{
    size_t n, m;
    float *a = gradients(path, 1, 0, &ALL_KINDS, &n);
    float *b = gradients(path, threads, limit, &ALL_KINDS, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
}

static void threads_change_no_byte(void **state)
{
    (void)state;
    same_bytes(MODELS "qwen2_moe", 2, 0);
    same_bytes(MODELS "qwen3_moe", 3, 0);
}

/* Weights that are dequantised each time give what their copies give. */
static void room_changes_no_byte(void **state)
{
    (void)state;
    same_bytes(MODELS "granitemoe-bf16", 1, 1);
    same_bytes(MODELS "qwen2_moe-bf16", 2, 1);
    same_bytes("tests/fixtures/quantised.gguf", 2, 1); /* ten types of blocks */
}

/* ---- batches --------------------------------------------------------------------------------- */

static void assert_close(const float *a, const float *b, size_t n, double relative)
{
    double apart = 0, size = norm(a, n);
    for (size_t i = 0; i < n; i++)
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    if (!(sqrt(apart) <= relative * size))
        fail_msg("%.3g apart, of %.3g", sqrt(apart), size);
}

/* Before near_from a text has no part in the loss: the KL of all of it is that of both its parts. */
static void nearness_begins_where_it_is_told_to(void **state)
{
    engine *e = train_engine(MODELS "olmoe", 2);
    train_batch b = train_texts(e, 0);
    trainable *t = train_everything(e, 0, false);
    net *n = train_net(e, t, 0);
    train_sequence whole = b.texts[2], tail = whole, head = whole;
    tail.near_from = 9;
    head.n = 9;
    const net_options o = {.normaliser = 1};
    double all = train_backward(n, &whole, 1, &o).near,
           behind = train_backward(n, &tail, 1, &o).near;
    double before = train_backward(n, &head, 1, &o).near;
    assert_true(before > 0 && behind > 0);
    assert_true(fabs(all - before - behind) < 1e-5 * all);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
    (void)state;
}

/* Four texts together, with their common beginning computed once, are four texts one by one; and the
 * candidates of a sampled softmax that are all tokens are the whole vocabulary. */
static void a_batch_is_the_sum_of_its_texts(void **state)
{
    engine *e = train_engine(MODELS "olmoe", 2);
    train_batch b = train_texts(e, 0);
    trainable *t = train_everything(e, 0, false);
    net *n = train_net(e, t, 0);
    int *all = malloc((size_t)engine_config(e)->vocabulary * sizeof *all);
    float *packed = malloc(t->count * sizeof *packed);
    assert_true(all && packed);
    (void)state;
    for (int i = 0; i < engine_config(e)->vocabulary; i++)
        all[i] = i;
    const net_options o = {.normaliser = 40};
    const net_options listed = {
        .normaliser = 40, .candidates = all, .candidate_count = engine_config(e)->vocabulary};
    net_losses together = train_backward(n, b.texts, TRAIN_TEXTS, &o);
    memcpy(packed, t->grads, t->count * sizeof *packed);
    memset(t->grads, 0, t->count * sizeof *packed);
    double sum = 0;
    int rows = 0;
    for (int i = 0; i < TRAIN_TEXTS; i++) {
        net_losses one = train_backward(n, &b.texts[i], 1, i % 2 ? &listed : &o);
        sum += one.total;
        rows += one.rows;
    }
    assert_int_equal(rows, together.rows + 5);
    assert_true(fabs(sum - together.total) < 1e-6 * sum);
    assert_close(packed, t->grads, t->count, 1e-5);
    free(all);
    free(packed);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void refused(net *n, const train_sequence *texts, int count, const net_options *o,
                    error_code code, const char *says)
{
    net_losses losses;
    error err = {0};
    assert_int_equal(net_forward_backward(n, texts, count, o, &losses, &err), -1);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void faults_are_told(void **state)
{
    engine *e = train_engine(MODELS "mixtral-bf16", 1);
    train_batch b = train_texts(e, 0);
    trainable *t = train_everything(e, 0, false);
    net *n = train_net(e, t, 0);
    static const int few[] = {1, 2};
    const atomic_bool stop = true;
    layer_routing none[2] = {{.k = 9}, {.k = 9}};
    train_sequence empty = b.texts[0], wild = b.texts[0];
    int ids[3] = {1, 2, 9999};
    (void)state;
    empty.n = 0;
    wild.ids = ids;
    wild.n = 3;
    refused(n, &empty, 1, &(net_options){0}, ERROR_USAGE, "text 0 of the batch is empty");
    refused(n, &wild, 1, &(net_options){0}, ERROR_USAGE, "token 9999: the vocabulary has ids 0 to");
    refused(n, b.texts, 1, &(net_options){.candidates = few, .candidate_count = 2}, ERROR_USAGE,
            "is to be learned and is no candidate");
    refused(n, b.texts, 1, &(net_options){.routing = none}, ERROR_USAGE,
            "layer 0: 9 experts of 6 cannot be called");
    refused(n, b.texts, 1, &(net_options){.cancel = &stop}, ERROR_CANCELLED, "interrupted");
    t->layers[0].of[0].whole[EXPERT_UP].value[3] = NAN;
    refused(n, b.texts, 2, &(net_options){0}, ERROR_RUN, "not a number");
    net_memory copies = net_plan(e, t, 64, 0), opened = net_plan(e, t, 64, 1);
    assert_true(copies.copied && !opened.copied && opened.weights < copies.weights);
    assert_true(copies.learned == 16 * (uint64_t)t->count);
    assert_true(copies.total == copies.weights + copies.activations + copies.learned);
    net_close(n);
    trainable_free(t);
    train_texts_free(&b);
    engine_close(e);
}

/* ---- hidden states --------------------------------------------------------------------------- */

static void hidden_states_are_those_between_the_layers(void **state)
{
    engine *e = train_engine(MODELS "qwen3_moe-mlp-only", 2); /* reads 16 tokens at a time */
    size_t d = (size_t)engine_config(e)->width, n = TRAIN_LENGTH;
    int ids[TRAIN_LENGTH], layers = engine_config(e)->layers;
    float *all = calloc(4 * n * d, sizeof *all), *one = calloc(n * d, sizeof *one);
    error err = {0};
    (void)state;
    assert_true(all && one && layers == 3);
    support_ids(e, 3, ids, TRAIN_LENGTH);
    assert_int_equal(engine_hidden(e, NULL, ids, TRAIN_LENGTH, 0, 3, all, &err), 0);
    for (int layer = 0; layer <= 3; layer++) {
        assert_int_equal(engine_hidden(e, NULL, ids, TRAIN_LENGTH, layer, layer, one, &err), 0);
        assert_memory_equal(one, all + (size_t)layer * n * d, n * d * sizeof *one);
    }
    /* What a token becomes does not depend on those behind it. */
    assert_int_equal(engine_hidden(e, NULL, ids, 5, 3, 3, one, &err), 0);
    assert_memory_equal(one, all + 3 * n * d, 5 * d * sizeof *one);
    assert_int_equal(engine_hidden(e, NULL, ids, 5, 2, 4, one, &err), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    assert_int_equal(engine_hidden(e, NULL, ids, 0, 2, 2, one, &err), -1);
    router_settings settings = router_settings_plain();
    settings.experts_per_token = 1;
    router_program *program = support_program(e, settings, NULL, NULL);
    assert_int_equal(engine_hidden(e, program, ids, TRAIN_LENGTH, 1, 1, one, &err), 0);
    assert_memory_equal(one, all + n * d, n * d * sizeof *one); /* layer 0 is dense */
    assert_int_equal(engine_hidden(e, program, ids, TRAIN_LENGTH, 2, 2, one, &err), 0);
    assert_memory_not_equal(one, all + 2 * n * d, n * d * sizeof *one);
    router_program_close(program);
    free(all);
    free(one);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_the_engines),
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(threads_change_no_byte),
        cmocka_unit_test(room_changes_no_byte),
        cmocka_unit_test(a_batch_is_the_sum_of_its_texts),
        cmocka_unit_test(nearness_begins_where_it_is_told_to),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(hidden_states_are_those_between_the_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
