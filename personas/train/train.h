/* train.h - a persona's voice from its lessons: what is learned, how long, and which of it is kept.
 *
 * The lessons and texts become samples (samples.h). The layers below the first that learns are
 * frozen, so the plain model reads every sample once and the residual stream at that layer is kept
 * (hidden_store.h); each step then runs only the upper layers, forth and back (engine/train/net.h).
 *
 * What may learn, in any mixture:
 *   experts  new ones. In a pool layer (the plain choice is experts whose output is nil: survey.h)
 *            they are small and begin as nothing, and the persona's mask keeps exactly them. In any
 *            other layer they begin as exact copies of the most called experts, whose originals the
 *            mask bans: before the first step the program is the plain model. Where routed experts are slim
 *            beside a shared one, as in the built-in model, all layers that route learn, and faster; their copies keep the
 *            rows of their originals, unless routers learn too
 *   experts:A-B  those of the model's own, whole and with their rows of the router, in their places: one
 *            that was inserted into the file (engine/surgery) learns so. All others may be called too
 *   lora     low-rank updates of the experts that the lessons call most; in a pool layer of empty ones;
 *            lora:A-B of those
 *   router   the rows of the router, router:A-B of those experts; where new ones are added theirs learn in any
 *            case
 *
 * The recipe: AdamW (.9, .95), warm-up over 10 steps and a cosine down to a tenth, clipping at 1,
 * dropout .1 in new experts, a balance loss of .01 among them, and a sampled softmax. The token that
 * ends an answer counts three times. A share of the samples says one sentence twice: the repetition is
 * learned against from its third token on, and what follows it is learned, so that greedy answers
 * leave their loops. Which lessons are held out: lessons.h.
 *
 * Which checkpoint is kept is decided by held-out loss and by the voice (train_check.c): loss alone
 * stops before the voice is heard. Everything that is drawn is a function of the seed and the step, so
 * a state file (state.h) needs no generator's state, and a run that was interrupted and resumed ends
 * in the same bytes as one that was not.
 */
#ifndef PERSONAS_TRAIN_H
#define PERSONAS_TRAIN_H

#include <stdint.h>

#include "../lessons/lessons.h"
#include "../roster/persona.h"

/* Bits of train_options.what. */
enum { TRAIN_EXPERTS = 1, TRAIN_LORA = 2, TRAIN_ROUTER = 4 };

/* Start from train_defaults(). 0 in a count means that the trainer decides, and tells. */
typedef struct train_options {
    unsigned what;           /* TRAIN_* */
    int own_first, own_last; /* with TRAIN_EXPERTS: these of the model's learn; -1 = new ones do */
    int lora_first, lora_last; /* with TRAIN_LORA: these are updated; -1 = the most called */
    int rows_first, rows_last; /* with TRAIN_ROUTER: the rows of these; -1 = of all */
    int experts;               /* new ones in each layer; with lora alone: how many are updated */
    int rank;                  /* of the low-rank updates; alpha is twice as much */
    int first, last;           /* layers first..last learn; first -1 = the trainer decides */
    int steps;                 /* of the optimiser; 0 = by the lessons */
    double seconds;    /* plan as many steps as fit so much time, and stop then; 0 = no limit */
    int batch;         /* samples a step */
    double rate;       /* the highest learning rate; 0 = by what learns */
    double end_weight; /* of the token that ends an answer */
    double repeat;     /* share of the lessons that say a sentence twice, in the later half */
    double dropout, balance, decay;
    double near; /* weight of the KL to the plain model on the near texts */
    uint64_t seed;
    uint64_t memory;           /* bytes that training may take at most; 0 = most of what is free */
    bool copied_rows;          /* rows of copies learn in slim layers too */
    const atomic_bool *cancel; /* Ctrl-C; NULL = never */
} train_options;
train_options train_defaults(void);

typedef struct trainer trainer;

/* e and p must outlive it. Caller owns. ERROR_LOAD for a model that cannot be trained (dense, without a
 * tokenizer or a chat format), ERROR_USAGE for an option out of range, by its name. */
trainer *trainer_open(engine *e, const persona *p, const train_options *options, error *err);
void trainer_close(
    trainer *t); /* NULL ok; a run that was not saved is lost but for its state file */

/* What is to be learned: lessons (l must outlive the trainer; it may grow by another file, then those
 * behind are added by the next call), then any number of texts, `where` is what errors call them.
 * ERROR_LOAD for a lesson that is no sample (empty, too long for the model). */
int trainer_add_lessons(trainer *t, const lessons *l, error *err);
int trainer_add_text(trainer *t, const char *where, const char *text, size_t len, error *err);
/* A text on which the plain model is to be kept near. */
int trainer_keep_near(trainer *t, const char *where, const char *text, size_t len, error *err);
/* Lessons of somebody else, whose answers are to stay as the plain model finds them. */
int trainer_keep_near_lessons(trainer *t, const lessons *l, error *err);

/* What is told before it starts. */
typedef struct train_plan {
    size_t learned, held_out, near; /* samples */
    size_t learned_tokens, held_out_tokens;
    size_t trainable;   /* numbers that learn */
    int first, last;    /* layers */
    int pool_layers;    /* of those: experts begin as nothing; the others as copies */
    int experts, width; /* new in each layer, and their ffn width; 0 = none */
    int whole;          /* of the model's own in each layer that learn whole; 0 = none */
    int updated, rank;  /* experts with low-rank updates in each layer; 0 = none */
    int rows;           /* router rows that learn in each layer, besides the new ones */
    int steps, epochs;
    double seconds; /* of a run by time, whose steps are planned while it runs; else 0 */
    double rate, near_weight;
    uint64_t memory; /* bytes that training takes */
    uint64_t hidden; /* of those: the kept streams, in a file when they are many */
    uint64_t result; /* bytes of the adapter file */
    const char *adapter, *mask, *state; /* paths that will be written; mask NULL = none */
    int resumed;                        /* step that is gone on from; 0 = a new run */
} train_plan;
typedef enum train_event_kind {
    TRAIN_SURVEY,  /* the plain model reads some samples: done of total tokens, before the plan */
    TRAIN_READING, /* streams are being made: done of total tokens */
    TRAIN_STEP,    /* step of steps; loss of the step */
    TRAIN_VALIDATION, /* held-out loss */
    TRAIN_PROBE,      /* held-out questions were answered greedily: voice, ended, looped */
    TRAIN_BEST,       /* this step is the best so far */
} train_event_kind;

typedef struct train_event {
    train_event_kind kind;
    int step, steps;
    int done, total; /* TRAIN_SURVEY, TRAIN_READING */
    double loss;     /* nats a token: of the step, or held out */
    double control;  /* held-out loss of the plain model */
    double voice;    /* voice.h: 0 = as the plain model answers, 1 = as the lessons do */
    int answers, ended, looped;
    double seconds, left; /* spent; still to go, below 0 = not known yet */
    const char *text;     /* TRAIN_PROBE: how an answer begins; borrowed */
} train_event;
typedef void train_listener(void *user, const train_event *event);

/* Settles all that is open: the plain model reads some of the samples (survey.h), and with `resume` the
 * state file is read. Once, before trainer_run(). ERROR_USAGE when nothing would learn or be learned,
 * ERROR_RUN when memory does not suffice, ERROR_LOAD for a state of another model, other lessons or other
 * options: it says which. */
int trainer_plan(trainer *t, bool resume, train_listener *listener, void *user, train_plan *out,
                 error *err);

/* Trains until the last step, the time limit or the engine's cancel flag. 0 when it came to its end;
 * ERROR_CANCELLED on Ctrl-C and ERROR_RUN when the loss is no longer finite or the disk is full:
 * then trainer_has_best() says whether trainer_save() has something to write. The state file is
 * whole at every moment. */
int trainer_run(trainer *t, train_listener *listener, void *user, error *err);
bool trainer_has_best(const trainer *t);
/* Whether there is a state on the disk that a run can go on from. */
bool trainer_can_go_on(const trainer *t);

/* What was chosen, and why. */
typedef struct train_result {
    int step;
    double loss, control, voice; /* held out */
    int answers, ended, looped;
    uint64_t bytes;             /* of the adapter file */
    const char *adapter, *mask; /* borrowed; mask NULL = none */
    bool previous;              /* files that were there are kept, with .previous behind */
} train_result;
/* Writes adapter and mask, each whole or not at all, the mask last; what was there before is kept with
 * .previous behind its name. The state file is removed when the run came to its end. */
int trainer_save(trainer *t, train_result *out, error *err);

/* Where the state file of this persona's training on this model lies, there or not; caller frees *path. */
int train_state_path(const persona *p, const char *fingerprint, char **path, error *err);

#endif
