/* peft_config.h - adapter_config.json, as far as a LoRA of experts asks for it.
 *
 * What would change numbers in a way that is not computed here is refused by field and value: other
 * types than LORA, DoRA and its kind, biases, initial values that changed the base model's weights.
 */
#ifndef ENGINE_PEFT_CONFIG_H
#define ENGINE_PEFT_CONFIG_H

#include <stdbool.h>

#include "../../kernels/error.h"
#include "../base/json.h"

enum { PEFT_MAX_RANK = 4096 };

/* How a version of PEFT lays out the update of a parameter [experts, out, in]. */
typedef enum peft_layout {
    PEFT_LAYOUT_UNKNOWN, /* the file does not name its version */
    PEFT_LAYOUT_SWAPPED, /* before 0.19.1: A is [experts * rank, out], B [in, rank * experts] */
    PEFT_LAYOUT_NOW,     /* A is [experts * rank, in], B [out, rank * experts] */
} peft_layout;

typedef struct peft_config {
    json_document *document;
    char *path;
    int rank;
    double alpha;
    bool rslora;
    peft_layout layout;
    const json *ranks, *alphas; /* rank_pattern and alpha_pattern, or NULL */
    const json *targets;        /* target_parameters, or NULL */
} peft_config;

/* Caller releases, after a failure too. ERROR_LOAD "PATH: field: ...". */
int peft_config_load(peft_config *c, const char *path, error *err);
/* The same from text in memory; `where` stands for the file's name. */
int peft_config_read(peft_config *c, const char *where, const char *text, size_t len, error *err);
void peft_config_release(peft_config *c); /* {0} ok */

/* Rank and scale (alpha / rank, or alpha / sqrt rank) of the module or parameter `key`:
 * "model.layers.3.mlp.experts.down_proj". */
int peft_config_of(const peft_config *c, const char *key, int *rank, float *scale, error *err);

/* Whether target_parameters names `key`. */
bool peft_config_targets(const peft_config *c, const char *key);

#endif
