/* voices.h - how the experts of the built-in model are made.
 *
 *   voices_base   a base of SmolLM2 that routes, but to experts whose output is nil: the recipe
 *                 (builtin.h) with a bank of general experts alone. Its function is SmolLM2's and its
 *                 router, hence its fingerprint, is fixed.
 *   voices_train  one persona's experts from its lessons, by the trainer that anybody uses
 *                 (personas/train), on that base: eight new experts in each layer, which its mask keeps
 *   voices_join   three such adapters in one router (voices_rows.h), quantised into
 *                 built-in.experts.gguf (voices_file.h), with the personas' masks
 *
 * The same lessons give the same bytes on the same ISA level, whatever the number of threads.
 */
#ifndef PERSONAS_VOICES_H
#define PERSONAS_VOICES_H

#include <stdatomic.h>

#include "../../kernels/error.h"
#include "voices_rows.h"

enum {
    VOICES = 3,         /* personas with experts of their own */
    VOICES_EXPERTS = 8, /* of each, in every layer that routes */
    VOICES_GENERAL = 8, /* nil ones */
    VOICES_USED = 4,    /* experts a token */
    VOICES_FIRST = 10,  /* the first layer that routes; all above do */
    VOICES_LAYERS = 20, /* so many */
    VOICES_WIDTH = 576, /* of SmolLM2-135M's residual stream */
    VOICES_NARROW = 32, /* ffn width of an expert */
    VOICES_READ = 24,   /* lessons of each persona that the joined router is fitted on */
    VOICES_MOST_READ = 512
};

const char *voices_name(int i); /* 0 .. VOICES - 1, in the order of their experts */

/* Makes WHERE/base.gguf of smollm2, a GGUF of SmolLM2-135M-Instruct, and WHERE/base.experts.gguf on
 * the way. *model: its path, the caller's to free. */
int voices_base(const char *smollm2, const char *where, char **model, error *err);

#endif
