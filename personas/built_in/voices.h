/* voices.h - how the experts of the built-in model are made.
 *
 *   voices_base   a base of SmolLM2 that routes: the recipe (builtin.h) with a bank of general experts
 *                 alone, slices of the dense feed-forward blocks (voices_slices.h), cut by what the
 *                 blocks read of neutral texts and some lessons
 *   voices_train  one persona's experts from its lessons, by the trainer that anybody uses
 *                 (personas/train), on that base: eight new experts in each layer, which begin as
 *                 copies of the slices; its mask keeps them instead. The lessons of the other two
 *                 are what it is not to learn
 *   voices_join   three such adapters in one router (voices_rows.h), quantised into
 *                 built-in.experts.gguf (voices_file.h), with the personas' masks
 *
 * The same lessons give the same bytes on the same ISA level, whatever the number of threads.
 */
#ifndef PERSONAS_VOICES_H
#define PERSONAS_VOICES_H

#include <stdbool.h>

#include "../../engine/routing/fingerprint.h"
#include "../../engine/run/engine.h"
#include "../lessons/lessons.h"
#include "../roster/persona.h"
#include "../train/train.h"
#include "voices_rows.h"

enum {
    VOICES = 3,         /* personas with experts of their own */
    VOICES_EXPERTS = 8, /* of each, in every layer that routes */
    VOICES_GENERAL = 8, /* slices of the dense block */
    VOICES_USED = 7,    /* experts a token */
    VOICES_FIRST = 10,  /* the first layer that routes; all above do */
    VOICES_LAYERS = 20, /* so many */
    VOICES_WIDTH = 576, /* of SmolLM2-135M's residual stream */
    VOICES_NARROW = 32, /* ffn width of an expert */
    VOICES_READ = 24,   /* lessons of each persona that the joined router is fitted on */
};

const char *voices_name(int i); /* 0 .. VOICES - 1, in the order of their experts */

/* The persona as it ships, and its lessons in English; persona_close(), lessons_release(). */
int voices_persona(int i, persona **p, lessons *l, error *err);

/* Told as the work goes on: `done` of `total` tokens of what is read now. */
typedef void voices_listener(void *user, int done, int total);

/* ---- the base ---------------------------------------------------------------------------------- */

typedef struct voices_base_files {
    char *model; /* WHERE/base.gguf */
    char *bank;  /* WHERE/base.experts.gguf, which it was made from */
} voices_base_files;

/* smollm2: a GGUF of SmolLM2-135M-Instruct; neutral: a file of texts with "--------" lines between;
 * threads: 0 = physical cores. Release with voices_base_release(), on failure too. */
int voices_base(const char *smollm2, const char *neutral, const char *where, int threads,
                voices_listener *listener, void *user, voices_base_files *out, error *err);
void voices_base_release(voices_base_files *f);

/* ---- training ---------------------------------------------------------------------------------- */

/* How the shipped experts of persona i were made. */
train_options voices_options(int i);
/* Trains them on the base, goes on from its state file when there is one and `resume`, and writes the
 * adapter; *path is where, the caller's to free. ERROR_CANCELLED as trainer_run(): nothing is
 * written but the state file. */
int voices_train(engine *base, int i, const train_options *o, bool resume, train_listener *listener,
                 void *user, char **path, error *err);

/* ---- joining ----------------------------------------------------------------------------------- */

typedef struct voices_sources {
    const char *adapters[VOICES]; /* of the personas, trained on the base */
    const char *bank;             /* of the base */
    const char *neutral;       /* a file of texts that must stay plain, "--------" lines between */
    int lessons;               /* of each persona that are read; 0 = VOICES_READ */
    voices_listener *listener; /* NULL = nobody */
    void *user;
} voices_sources;

typedef struct voices_result {
    char fingerprint[FINGERPRINT_TEXT]; /* of the model that the recipe will make */
    voices_lead lead[VOICES_LAYERS];
    int spoken, plain; /* tokens that the rows were fitted on */
} voices_result;

/* Writes WHERE/built-in.experts.gguf and the masks; masks of other models there are removed. The engine
 * is the base's; the adapters stay in it no longer than this takes. ERROR_LOAD for an adapter that is
 * not of VOICES_EXPERTS experts in every layer that routes. */
int voices_join(engine *base, const voices_sources *s, const char *where, voices_result *out,
                error *err);

#endif
