/* train_support.c - see train_support.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routing_support.h"
#include "train_support.h"

engine *train_engine(const char *path, int threads)
{
    error err = {0};
    engine_options options = {.path = path, .backend = {.threads = threads}, .max_rows = 16};
    engine *e = engine_open(&options, &err);
    if (!e)
        fail_msg("%s", err.text);
    return e;
}

static void *room(size_t bytes)
{
    void *p = calloc(1, bytes);
    assert_non_null(p);
    return p;
}

/* The model's own next token behind ids[0..n). */
static int likeliest(engine *e, const int *ids, int n)
{
    size_t vocabulary = (size_t)engine_config(e)->vocabulary, best = 0;
    float *all = support_logits(e, NULL, ids, n), *z = all + (size_t)(n - 1) * vocabulary;
    for (size_t i = 1; i < vocabulary; i++)
        best = z[i] > z[best] ? i : best;
    free(all);
    return (int)best;
}

train_batch train_texts(engine *e, int first)
{
    static const int lengths[TRAIN_TEXTS] = {TRAIN_LENGTH, 17, 12, 3};
    size_t d = (size_t)engine_config(e)->width, n = TRAIN_LENGTH, all = TRAIN_TEXTS * n;
    int layers = engine_config(e)->layers;
    train_batch b = {.ids = room(all * sizeof(int)),
                     .hidden = room(all * d * sizeof(float)),
                     .plain = room(all * d * sizeof(float)),
                     .weight = room(all * sizeof(float))};
    error err = {0};
    for (int i = 0; i < TRAIN_TEXTS; i++) {
        size_t at = (size_t)i * n;
        support_ids(e, i, b.ids + at, lengths[i]);
        if (i == 1)
            memcpy(b.ids + at, b.ids, 7 * sizeof(int));
        for (int t = 12; i == 1 && t < 15; t++)
            b.ids[at + (size_t)t] = likeliest(e, b.ids + at, t);
        if (engine_hidden(e, NULL, b.ids + at, lengths[i], first, first, b.hidden + at * d, &err) ||
            engine_hidden(e, NULL, b.ids + at, lengths[i], layers, layers, b.plain + at * d, &err))
            fail_msg("%s", err.text);
        for (int t = i < 2 ? 5 + i : 1; t < lengths[i]; t++)
            b.weight[at + (size_t)t] =
                i == 1 && t > 10 && t < 14 ? -0.7f : 1.0f + 0.5f * (float)(t % 2);
        b.texts[i] = (train_sequence){.ids = b.ids + at,
                                      .n = lengths[i],
                                      .hidden = b.hidden + at * d,
                                      .weight = b.weight + at,
                                      .plain = i == 2 ? b.plain + at * d : NULL,
                                      .near = 0.4f};
    }
    return b;
}

void train_texts_free(train_batch *b)
{
    free(b->ids);
    free(b->hidden);
    free(b->plain);
    free(b->weight);
}

trainable *train_everything(engine *e, int first, bool copies)
{
    static const uint8_t whole[64] = {1}, rows[64] = {0, 1, 0, 1}, lora[64] = {0, 7, 4};
    static const int source = 1;
    const model_config *c = engine_config(e);
    layer_spec *layers = room((size_t)c->layers * sizeof *layers);
    for (int i = first; i < c->layers; i++)
        if (c->moe_layer[i])
            layers[i - first] = (layer_spec){.added = 1,
                                             .copies = copies ? &source : NULL,
                                             .whole = whole,
                                             .lora = lora,
                                             .rows = rows};
    train_spec spec = {.first = first,
                       .last = c->layers,
                       .layers = layers,
                       .added_width = 14,
                       .rank = 3,
                       .alpha = 6,
                       .seed = 7};
    error err = {0};
    trainable *t = trainable_new(e, &spec, &err);
    if (!t)
        fail_msg("%s", err.text);
    uint32_t state = 12345;
    for (size_t i = 0; i < t->count; i++) {
        state = state * 1664525u + 1013904223u;
        t->values[i] += ((float)(state >> 8) * 0x1p-24f - 0.5f) * 0.2f;
    }
    free(layers);
    return t;
}

net *train_net(engine *e, trainable *t, uint64_t limit)
{
    error err = {0};
    net *n = net_open(e, t, 64, limit, &err);
    if (!n)
        fail_msg("%s", err.text);
    return n;
}

net_losses train_evaluate(net *n, const train_batch *b, const net_options *o)
{
    net_losses losses;
    error err = {0};
    if (net_evaluate(n, b->texts, TRAIN_TEXTS, o, &losses, &err))
        fail_msg("%s", err.text);
    return losses;
}

net_losses train_backward(net *n, const train_sequence *texts, int count, const net_options *o)
{
    net_losses losses;
    error err = {0};
    if (net_forward_backward(n, texts, count, o, &losses, &err))
        fail_msg("%s", err.text);
    return losses;
}

double train_engine_loss(engine *e, const router_program *program, const train_sequence *s)
{
    error err = {0};
    double logprob[TRAIN_LENGTH], sum = 0;
    session *one = support_session(e, program, s->n);
    step reading = {.session = one, .tokens = s->ids, .n = s->n - 1};
    step_score asked = {s->ids + 1, logprob};
    if (engine_score(e, &reading, &asked, 1, &err))
        fail_msg("%s", err.text);
    session_close(one);
    for (int i = 0; i < s->n - 1; i++)
        if (s->weight[i] > 0)
            sum -= (double)s->weight[i] * logprob[i];
    return sum;
}
