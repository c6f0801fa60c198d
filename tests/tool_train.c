/* tool_train.c - one case of training, for comparison with another implementation.
 *
 * usage: tool_train CASE.json        prints a JSON object
 *
 * CASE.json; all but model, sequences and layers may be left out:
 *   {"model": "tests/fixtures/models/olmoe", "threads": 2, "limit": 0,
 *    "sequences": [{"ids": [5, 9, 2], "weight": [0, 1, 0], "near": 0.5}, ...],
 *    "first": 0, "last": 2,
 *    "layers": {"1": {"added": 1, "copies": [3], "whole": [0], "rows": [0, 2],
 *                     "lora": {"1": "gate up down", "2": "down"}}},
 *    "added_width": 16, "rank": 4, "alpha": 8, "seed": 1, "values": "start.f32",
 *    "k": 2, "keep": [0, 1, 7], "bias": [0, 1.5],
 *    "balance": 0.01, "dropout": 0, "normaliser": 0, "candidates": [1, 2], "shift": [0, 0.7],
 *    "steps": 50, "rate": 0.001, "beta1": 0.9, "beta2": 0.95, "decay": 0.01, "clip": 1,
 *    "gradients": "grads.f32", "out": "end.f32"}
 *
 * near > 0 keeps each token of that text near to the plain model, whose states the tool computes, as it
 * does the residual streams that enter layer `first`. weight[i] is that of predicting ids[i + 1]; < 0:
 * against. layers: by number; experts are the model's numbers, added ones follow them in keep and bias
 * (of all layers alike). Files of f32, little-endian, in the order of trainable.h, which `order` lists:
 * values (read: initial ones, instead of trainable_new()'s), gradients (of the first loss), out (the
 * values at the end). steps 0, the default: one loss and its gradients. The rate is constant.
 *
 * Printed: {"count", "rows", "seconds", "memory", "order": [{"layer", "expert", "name": "gate" or
 * "gate.a", "rows", "cols", "at"}], "losses": [{"total", "cross_entropy", "against", "near", "balance",
 * "weight", "norm"}]}: sums as in net.h; total is what is differentiated; norm is the gradient's. One
 * more loss than steps: the last is that of the values in the end, without a step and without dropout.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../engine/base/json.h"
#include "../engine/train/adamw.h"
#include "../engine/train/net.h"

typedef struct training {
    const json *root;
    engine *engine;
    const model_config *config;
    train_spec spec;
    layer_spec *layers;
    trainable *t;
    net *net;
    train_sequence *texts;
    int count;
    net_options options;
    layer_routing *routing;
    error err;
} training;

static void fail(const char *text)
{
    (void)fprintf(stderr, "tool_train: %s\n", text);
    exit(1);
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    if (!p)
        fail("out of memory");
    return p;
}

static double number(const json *object, const char *key, double otherwise)
{
    const json *v = json_member(object, key);
    return v && json_type(v) == JSON_NUMBER ? json_number(v) : otherwise;
}

static int whole(const json *object, const char *key, int otherwise)
{
    return (int)number(object, key, otherwise);
}

/* The numbers of an array, or NULL when there is none. */
static float *floats(const json *object, const char *key, int *n)
{
    const json *list = json_member(object, key);
    float *v = list ? room(json_count(list), sizeof *v) : NULL;
    *n = 0;
    for (const json *x = json_first(list); x; x = json_next(x))
        v[(*n)++] = (float)json_number(x);
    return v;
}

static int *integers(const json *object, const char *key, int *n)
{
    const json *list = json_member(object, key);
    int *v = list ? room(json_count(list), sizeof *v) : NULL;
    *n = 0;
    for (const json *x = json_first(list); x; x = json_next(x))
        v[(*n)++] = (int)json_number(x);
    return v;
}

/* ---- the case -------------------------------------------------------------------------------- */

static float *hidden(training *r, const int *ids, int n, int layer)
{
    float *v = room((size_t)n * (size_t)r->config->width, sizeof *v);
    if (engine_hidden(r->engine, NULL, ids, n, layer, layer, v, &r->err))
        fail(r->err.text);
    return v;
}

static void read_texts(training *r)
{
    const json *list = json_member(r->root, "sequences");
    r->texts = room(json_count(list), sizeof *r->texts);
    for (const json *x = json_first(list); x; x = json_next(x)) {
        train_sequence *s = &r->texts[r->count++];
        int n;
        s->ids = integers(x, "ids", &s->n);
        s->weight = floats(x, "weight", &n);
        if (s->weight && n != s->n)
            fail("a text has another number of weights than tokens");
        s->hidden = hidden(r, s->ids, s->n, r->spec.first);
        s->near = (float)number(x, "near", 0);
        if (s->near > 0)
            s->plain = hidden(r, s->ids, s->n, r->config->layers);
    }
}

static uint8_t *marks(const training *r, const json *object, const char *key)
{
    int n;
    int *list = integers(object, key, &n);
    uint8_t *v = list ? room((size_t)r->config->experts, 1) : NULL;
    for (int i = 0; i < n; i++)
        if (list[i] < r->config->experts)
            v[list[i]] = 1;
    free(list);
    return v;
}

static uint8_t *lora_marks(const training *r, const json *object)
{
    static const char *const names[] = {"gate", "up", "down"};
    uint8_t *v = object ? room((size_t)r->config->experts, 1) : NULL;
    for (const json *x = json_first(object); x; x = json_next(x))
        for (int m = 0; m < EXPERT_MATRICES; m++)
            if (strstr(json_string(x), names[m]))
                v[atoi(json_key(x)) % r->config->experts] |= (uint8_t)(1 << m);
    return v;
}

static void read_spec(training *r)
{
    const json *list = json_member(r->root, "layers");
    r->spec = (train_spec){.first = whole(r->root, "first", 0),
                           .last = whole(r->root, "last", r->config->layers),
                           .added_width = whole(r->root, "added_width", 0),
                           .rank = whole(r->root, "rank", 8),
                           .alpha = number(r->root, "alpha", 0),
                           .seed = (uint64_t)number(r->root, "seed", 0)};
    r->layers = room((size_t)r->config->layers, sizeof *r->layers);
    r->spec.layers = r->layers;
    for (const json *x = json_first(list); x; x = json_next(x)) {
        int n, at = atoi(json_key(x)) - r->spec.first;
        if (at < 0 || at >= r->spec.last - r->spec.first)
            fail("a layer outside first..last-1");
        r->layers[at] = (layer_spec){.added = whole(x, "added", 0),
                                     .copies = integers(x, "copies", &n),
                                     .whole = marks(r, x, "whole"),
                                     .lora = lora_marks(r, json_member(x, "lora")),
                                     .rows = marks(r, x, "rows")};
    }
}

static void read_routing(training *r)
{
    int n, k = whole(r->root, "k", r->config->experts_per_token);
    int *keep = integers(r->root, "keep", &n);
    uint8_t *allowed = keep ? room(MODEL_MAX_EXPERTS, 1) : NULL;
    for (int i = 0; i < n; i++)
        allowed[keep[i] % MODEL_MAX_EXPERTS] = 1;
    free(keep);
    float *bias = floats(r->root, "bias", &n), *padded = room(MODEL_MAX_EXPERTS, sizeof *padded);
    if (bias)
        memcpy(padded, bias, (size_t)n * sizeof *bias);
    free(bias);
    r->routing = room((size_t)r->config->layers, sizeof *r->routing);
    for (int i = 0; i < r->config->layers; i++)
        r->routing[i] = (layer_routing){.k = k,
                                        .norm_width = k,
                                        .strength = 1,
                                        .tail_gain = 1,
                                        .allowed = allowed,
                                        .bias = padded};
}

static void read_options(training *r)
{
    int n;
    read_routing(r);
    r->options = (net_options){.routing = r->routing,
                               .normaliser = number(r->root, "normaliser", 0),
                               .balance = (float)number(r->root, "balance", 0),
                               .dropout = (float)number(r->root, "dropout", 0)};
    r->options.candidates = integers(r->root, "candidates", &r->options.candidate_count);
    r->options.shift = floats(r->root, "shift", &n);
    if (r->options.shift && n != r->options.candidate_count)
        fail("another number of shifts than candidates");
}

/* ---- files of f32 ---------------------------------------------------------------------------- */

static void read_values(training *r)
{
    const char *path = json_text_at(r->root, "values");
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (!path)
        return;
    if (!f || fread(r->t->values, sizeof(float), r->t->count, f) != r->t->count)
        fail("the file of values cannot be read, or is too short");
    (void)fclose(f);
}

static void write_floats(const training *r, const char *key, const float *v)
{
    const char *path = json_text_at(r->root, key);
    if (!path)
        return;
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(v, sizeof *v, r->t->count, f) != r->t->count || fclose(f))
        fail("a file cannot be written");
}

/* ---- running --------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_parameter(const training *r, parameter p, int layer, int expert, const char *name,
                            const char *part)
{
    if (p.value)
        printf(
            "%s{\"layer\": %d, \"expert\": %d, \"name\": \"%s%s\", \"rows\": %zu, \"cols\": %zu, "
            "\"at\": %td}",
            p.value == r->t->values ? "" : ", ", layer, expert, name, part, p.rows, p.cols,
            p.value - r->t->values);
}

static void print_order(const training *r)
{
    static const char *const names[] = {"gate", "up", "down"};
    for (int i = 0; i < r->t->last - r->t->first; i++)
        for (int e = 0; e < r->t->layers[i].experts; e++) {
            const expert_trainable *x = &r->t->layers[i].of[e];
            for (int m = 0; m < EXPERT_MATRICES; m++)
                print_parameter(r, x->whole[m], r->t->first + i, e, names[m], "");
            for (int m = 0; m < EXPERT_MATRICES; m++) {
                print_parameter(r, x->lora[m].a, r->t->first + i, e, names[m], ".a");
                print_parameter(r, x->lora[m].b, r->t->first + i, e, names[m], ".b");
            }
            print_parameter(r, x->row, r->t->first + i, e, "row", "");
        }
}

static void print_loss(const net_losses *l, double norm, bool first)
{
    printf("%s{\"total\": %.9g, \"cross_entropy\": %.9g, \"against\": %.9g, \"near\": %.9g, "
           "\"balance\": %.9g, \"weight\": %.9g, \"norm\": %.9g}",
           first ? "" : ", ", l->total, l->cross_entropy, l->against, l->near, l->balance,
           l->weight, norm);
}

static void run_steps(training *r, int steps)
{
    adamw optimiser;
    adamw_options o = {.rate = number(r->root, "rate", 1e-3),
                       .beta1 = number(r->root, "beta1", 0),
                       .beta2 = number(r->root, "beta2", 0),
                       .decay = number(r->root, "decay", 0),
                       .clip = number(r->root, "clip", 0)};
    net_losses l;
    if (adamw_open(&optimiser, r->t->count, &r->err))
        fail(r->err.text);
    for (int i = 0; i < (steps > 0 ? steps : 1); i++) {
        r->options.seed = (uint64_t)i + 1;
        if (net_forward_backward(r->net, r->texts, r->count, &r->options, &l, &r->err))
            fail(r->err.text);
        if (i == 0)
            write_floats(r, "gradients", r->t->grads);
        print_loss(&l, steps > 0 ? adamw_step(&optimiser, r->t, &o) : 0, i == 0);
    }
    if (steps > 0) {
        if (net_evaluate(r->net, r->texts, r->count, &r->options, &l, &r->err))
            fail(r->err.text);
        print_loss(&l, 0, false);
    }
    adamw_release(&optimiser);
}

static void release(training *r)
{
    net_close(r->net);
    trainable_free(r->t);
    for (int i = 0; i < r->count; i++) {
        free((void *)r->texts[i].ids);
        free((void *)r->texts[i].hidden);
        free((void *)r->texts[i].weight);
        free((void *)r->texts[i].plain);
    }
    free(r->texts);
    for (int i = 0; i < r->config->layers; i++) {
        free((void *)r->layers[i].copies);
        free((void *)r->layers[i].whole);
        free((void *)r->layers[i].lora);
        free((void *)r->layers[i].rows);
    }
    free(r->layers);
    free((void *)r->routing[0].allowed);
    free((void *)r->routing[0].bias);
    free(r->routing);
    free((void *)r->options.candidates);
    free((void *)r->options.shift);
    engine_close(r->engine);
}

int main(int argc, char **argv)
{
    training r = {0};
    json_document *document = argc == 2 ? json_load(argv[1], 1u << 30, &r.err) : NULL;
    if (!document)
        fail(argc == 2 ? r.err.text : "usage: tool_train CASE.json");
    r.root = json_root(document);
    engine_options options = {.path = json_text_at(r.root, "model"),
                              .backend = {.threads = whole(r.root, "threads", 2)}};
    r.engine = options.path ? engine_open(&options, &r.err) : NULL;
    if (!r.engine)
        fail(options.path ? r.err.text : "the case has no \"model\"");
    r.config = engine_config(r.engine);
    read_spec(&r);
    read_texts(&r);
    read_options(&r);
    uint64_t limit = (uint64_t)number(r.root, "limit", 0);
    r.t = trainable_new(r.engine, &r.spec, &r.err);
    int rows = 0;
    for (int i = 0; i < r.count; i++)
        rows += r.texts[i].n;
    r.net = r.t ? net_open(r.engine, r.t, rows, limit, &r.err) : NULL;
    if (!r.net)
        fail(r.err.text);
    read_values(&r);
    printf("{\"count\": %zu, \"rows\": %d, \"memory\": %llu, \"order\": [", r.t->count, rows,
           (unsigned long long)net_plan(r.engine, r.t, rows, limit).total);
    print_order(&r);
    printf("], \"losses\": [");
    double begun = seconds();
    run_steps(&r, whole(r.root, "steps", 0));
    printf("], \"seconds\": %.3f}\n", seconds() - begun);
    write_floats(&r, "out", r.t->values);
    release(&r);
    json_close(document);
    return 0;
}
