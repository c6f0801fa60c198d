/* builtin.h - the recipe of the built-in model.
 *
 * SmolLM2-135M-Instruct is a dense model. The recipe makes a real mixture of experts of it, of the
 * standard qwen2_moe architecture:
 *
 *   - in the layers that route, the neurons of the dense feed-forward block that say least are cut out
 *     and tied into slices (voices_slices.h): the general experts. What is left is the shared expert.
 *     Its gate is sigmoid(0) = 1/2 for every token, so its down projection is doubled. The
 *     softmax over the general experts is even but for a few per cent, and gates are not
 *     renormalised, so their down projections are multiplied by their number: all of them together
 *     with the shared expert are the dense block, fewer of them are a narrower one;
 *   - beside them come the experts that were trained from the personas' lessons
 *     (built-in.experts.gguf), as many for each persona. The general ones win wherever nothing is
 *     masked, so the plain model is SmolLM2, a little narrower at the number of experts that it calls;
 *   - the layers below stay dense; rows of Q and K are put into the order that rotates halves.
 *
 * The same base and the same experts give the same bytes, so the router's fingerprint, and with it
 * the personas' masks, are known beforehand. Recipe number and a hash of the experts are written into
 * the file: that is how a model of an older recipe is told from today's.
 */
#ifndef PERSONAS_BUILTIN_H
#define PERSONAS_BUILTIN_H

#include <stdbool.h>

#include "../../engine/formats/gguf.h"
#include "../../kernels/error.h"

enum { BUILTIN_RECIPE = 3 };

/* The text in the model's metadata that says whose its experts are, by number. */
#define BUILTIN_WHOSE "consilium.whose"

/* Told every few MiB; returning false ends the work with ERROR_CANCELLED. */
typedef struct builtin_progress {
    void *user;
    bool (*step)(void *user, double share); /* 0..1; the pointer may be NULL */
} builtin_progress;

/* The experts that ship with the program: built-in.experts.gguf in share/consilium/personas beside
 * the program's folder, or in personas/ beside the build's. Caller frees; ERROR_LOAD when it is in
 * neither. */
int builtin_experts(char **path, error *err);

/* True when `path` holds a model that this recipe made from these experts. */
bool builtin_is_current(const char *path, const char *experts);

/* The same of a model that is open already. */
bool builtin_is_from(const gguf *model, const char *experts);

/* Makes the model `out` (whole or not at all) from `base`, a GGUF of SmolLM2-135M-Instruct.
 * ERROR_LOAD when base or experts are not what the recipe needs. */
int builtin_make(const char *base, const char *experts, const char *out,
                 const builtin_progress *watch, error *err);

/* Writes the built-in model as a Hugging Face directory in f32: config.json,
 * generation_config.json, tokenizer.json, tokenizer_config.json, model.safetensors. The directory is
 * made when missing; files of these names are replaced. */
int builtin_export(const char *model, const char *directory, const builtin_progress *watch,
                   error *err);

#endif
