/* config_hf.h - between config_hf.c, config_hf_rope.c and config_hf_off.c: the record that
 * config.json fills. */
#ifndef ENGINE_CONFIG_HF_H
#define ENGINE_CONFIG_HF_H

#include "config.h"

/* The common fields, and those that are only needed to work out others. */
typedef struct hf_config {
    config_fields f;
    bool attention_bias, use_window;
    int64_t sparse_step, window, max_window_layers, original_context;
    double partial;
} hf_config;

/* rope_scaling (older files), rope_parameters (transformers 5) and rope_theta into h->f.rope. */
int hf_rope(const json *config, hf_config *h, checkpoint_warn *warn, void *user, const char *where,
            error *err);

/* The value of a "fixed" key must be one that switches nothing on. */
int hf_off(const json *v, const char *key, error *err);
/* Weights in a quantisation of the safetensors world are not read (GGUF has its own): refused by the
 * name of the method. */
int hf_quantisation(const json *config, error *err);

#endif
