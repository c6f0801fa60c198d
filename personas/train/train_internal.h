/* train_internal.h - what the files of the trainer share: train.c (opening, samples), train_spec.c (what
 * learns, and under which routing), train_plan.c (figures, memory, resuming), train_run.c (the loop),
 * train_check.c (validation, probes, choice), train_save.c (result files), train_router.c
 * (where rows begin). */
#ifndef PERSONAS_TRAIN_INTERNAL_H
#define PERSONAS_TRAIN_INTERNAL_H

#include "../../engine/train/adamw.h"
#include "../../engine/train/net.h"
#include "hidden_store.h"
#include "probe.h"
#include "schedule.h"
#include "state.h"
#include "survey.h"
#include "train.h"

/* Samples that go through the net at once; gradients of a larger batch are added up, so that memory does not grow
 * with it. */
enum { TRAIN_TOGETHER = 4 };

/* Of the tensors of a result, and of a candidate while it is asked: what is kept is what was heard. */
#define TRAIN_RESULT_TYPE DTYPE_F16

/* What learns, in the words of trainable.h; arrays of all layers, {0} where nothing does. */
typedef struct learned_spec {
    layer_spec *layers; /* [layers of the model] */
    int *copies;        /* [layers, experts] */
    uint8_t *flags;     /* lora, then rows: [2, layers, the model's experts] */
    train_spec spec;
} learned_spec;

/* The routing that learns and that the mask file will say. */
typedef struct learned_routing {
    layer_routing *v; /* [layers] */
    uint8_t *allowed; /* [layers, the model's experts + added] */
    int experts;      /* of a row of allowed */
    bool masks;       /* some layer does not allow everything */
} learned_routing;

struct trainer {
    engine *engine;
    const persona *persona;
    train_options options;
    char *fingerprint;
    samples samples;
    const lessons *lessons;
    survey survey;
    learned_spec spec;
    learned_routing routing;
    trainable *learned;
    adamw moments;
    net *net;
    int net_rows; /* tokens of a batch */
    net_memory memory;
    hidden_store *store;
    schedule *schedule;
    probe *probe; /* NULL: nothing is held out */
    int *candidates, candidate_count;
    float *shift;
    uint8_t *listed; /* [vocabulary] always among the candidates; NULL = all are */
    int listed_count;
    train_state state; /* its blocks: those of `learned`, `moments`, and best */
    float *best;
    train_plan plan;
    char *adapter_path, *mask_path, *state_path;
    int lock;               /* of the state; -1 = none */
    double began;           /* seconds of the clock, less what was spent before a resume */
    double resumed_seconds; /* of those */
    double reading_seconds; /* before the first step */
    double saved;           /* when the state was last written */
    bool whole_run;         /* it came to its end */
    bool resumable;         /* its state is on the disk */
    train_listener *listener;
    void *user;
};

/* train_spec.c: settles t->options' open counts, t->spec and t->routing from t->survey. */
int train_settle_spec(trainer *t, error *err);
/* Whether a layer's routed experts say little beside its shared one, as in the built-in model. */
bool train_is_slim(const model_config *m, int layer);
/* Updates of empty experts begin so that they can learn. */
void train_wake_empty(trainer *t);
void train_spec_release(learned_spec *s);
void train_routing_release(learned_routing *r);
/* Appends the mask file for t->routing. */
int train_mask_text(const trainer *t, buf *out, error *err);

/* train_check.c: whether the state's step is one that is looked at, and looking. */
bool train_check_due(const trainer *t);
int train_check_now(trainer *t, bool last, error *err);
/* Nats a token of what is held out (when nothing is, of some that is learned). */
int train_held_out_loss(trainer *t, const layer_routing *routing, double *loss, error *err);
/* The plain model's; only before anything was learned. Into state.control. */
int train_evaluate_plain(trainer *t, error *err);

/* train_plan.c: the schedule for state.steps, anew; the candidates of state.step. */
int train_open_schedule(trainer *t, error *err);
void train_draw_candidates(trainer *t);

/* train_router.c: sets the rows of t->learned; net, store and probe are open. *scale is what was chosen. */
int train_router_start(trainer *t, double *scale, error *err);

/* train_run.c */
void train_tell(const trainer *t, train_event *event);
/* A sequence of the net for a sample; near: weight of its KL a token. */
train_sequence train_sequence_of(const trainer *t, int sample_at, double near);

#endif
