/* fuzz_config.c - any text as config.json and, behind a NUL, generation_config.json.
 *
 * What config_from_json() accepts must keep the promises that the rest of the engine builds on
 * without looking again.
 */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/formats/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void warn(void *user, checkpoint_note note, const char *sentence)
{
    *(size_t *)user += strlen(sentence) + (size_t)note;
}

static void check(const model_config *c)
{
    bool good = c->layers >= 1 && c->layers <= MODEL_MAX_LAYERS && c->width >= 1 && c->heads >= 1 &&
                c->kv_heads >= 1 && c->heads % c->kv_heads == 0 && c->head_dim >= 2 &&
                c->head_dim % 2 == 0 && c->vocabulary >= 1 && c->context >= 1 && c->norm_eps > 0 &&
                c->experts_per_token <= c->experts && c->experts <= MODEL_MAX_EXPERTS &&
                c->eos_count <= MODEL_MAX_EOS && c->bos < c->vocabulary &&
                (int64_t)c->heads * c->head_dim <= INT_MAX && c->rope.dim >= 2 &&
                c->rope.dim <= c->head_dim && isfinite(c->rope.attention_factor) &&
                isfinite(c->attention_scale) && isfinite(c->logit_scale) && c->rope.theta > 1;
    for (int i = 0; i < c->eos_count; i++)
        good = good && c->eos[i] >= 0 && c->eos[i] < c->vocabulary;
    for (int i = 0; i < c->layers; i++)
        good = good && (c->moe_layer[i] ? c->experts > 0 && c->expert_width > 0 : c->ffn_width > 0);
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *middle = size ? memchr(text, '\0', size) : NULL;
    size_t len = middle ? (size_t)(middle - text) : size, warned = 0;
    error err = {0};
    model_config config;
    json_document *d = json_parse("config.json", text, len, &err), *generation = NULL;
    if (d && middle)
        generation = json_parse("generation_config.json", middle + 1, size - len - 1, &err);
    if (d && config_from_json("config.json", json_root(d), "generation_config.json",
                              generation ? json_root(generation) : NULL, warn, &warned, &config,
                              &err) == 0)
        check(&config);
    json_close(generation);
    json_close(d);
    return 0;
}
