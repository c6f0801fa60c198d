/* builtin.h - the recipe of the built-in model.
 *
 * SmolLM2-135M-Instruct is a dense model. The recipe makes a real mixture of experts of it, of the
 * standard qwen2_moe architecture, that starts from exactly the same function:
 *
 *   - in the layers that route, the dense feed-forward block becomes the shared expert. Its gate is
 *     sigmoid(0) = 1/2 for every token, so its down projection is doubled, in the scales of the
 *     quantised blocks, which is exact; types that cannot be doubled exactly are refused;
 *   - beside it come the routed experts that were trained from the personas' lessons
 *     (built-in.experts.gguf), a few for each persona and, last, general ones whose output is zero.
 *     The general ones win wherever nothing is masked, so the plain model is still SmolLM2;
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

enum { BUILTIN_RECIPE = 2 };

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
