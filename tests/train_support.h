/* train_support.h - a small batch of texts for the tests of training, and what is learned from it. */
#ifndef TESTS_TRAIN_SUPPORT_H
#define TESTS_TRAIN_SUPPORT_H

#include "../engine/train/net.h"

enum { TRAIN_TEXTS = 4, TRAIN_LENGTH = 23 };

/* Texts 0 and 1 begin alike; text 1 has likely tokens to be learned against, text 2 stays near to the plain
 * model, text 3 has three tokens. */
typedef struct train_batch {
    train_sequence texts[TRAIN_TEXTS];
    int *ids;
    float *hidden, *plain, *weight;
} train_batch;

engine *train_engine(const char *path, int threads);
train_batch train_texts(engine *e, int first);
void train_texts_free(train_batch *b);

/* All kinds of parameters in all routed layers from `first` on: one added expert (random, or a copy of
 * expert 1), expert 0 whole, LoRA on 1 (all matrices) and 2 (down), rows of 1 and 3; then noise is
 * added to all of it. */
trainable *train_everything(engine *e, int first, bool copies);

/* These fail the running test with the error's own sentence. */
net *train_net(engine *e, trainable *t, uint64_t limit);
net_losses train_evaluate(net *n, const train_batch *b, const net_options *o);
net_losses train_backward(net *n, const train_sequence *texts, int count, const net_options *o);
/* Weighted -ln p(next) of a text by the engine under a program (NULL: plain), weights > 0 only. */
double train_engine_loss(engine *e, const router_program *program, const train_sequence *s);

#endif
