/* config_hf_rope.c - how config.json describes rotary position embedding.
 *
 * transformers (modeling_rope_utils.py, 5.23): `rope_scaling`, when it is there and not empty,
 * takes the place of `rope_parameters`; the type is `rope_type` or the older `type`; rope_theta
 * inside wins over the one outside. The number of trained positions is
 * original_max_position_embeddings outside, else inside, else max_position_embeddings.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/printable.h"
#include "config_hf.h"

static const double MAX_FACTOR = 1e6;

/* Keys of the object that are read below or that say nothing. */
static bool known(const char *key)
{
    static const char *const keys[] = {"rope_type",        "type",
                                       "rope_theta",       "factor",
                                       "attention_factor", "beta_fast",
                                       "beta_slow",        "low_freq_factor",
                                       "high_freq_factor", "mscale",
                                       "mscale_all_dim",   "original_max_position_embeddings",
                                       "truncate",         "partial_rotary_factor",
                                       "finetuned"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static int needed(const json *o, const char *key, double min, double *out, error *err)
{
    int found = json_get_number(o, key, min, MAX_FACTOR, out, err);
    return found ? (found < 0 ? -1 : 0)
                 : error_set(err, ERROR_LOAD, "%s is missing from the RoPE parameters", key);
}

/* 0.1 m ln s + 1: the temperature of YaRN (Peng et al., 2023, section 3.4). */
static double mscale_of(double scale, double m)
{
    return scale <= 1 ? 1 : 0.1 * m * log(scale) + 1;
}

static int take_yarn(const json *o, hf_config *h, error *err)
{
    rope_config *r = &h->f.rope;
    double mscale = 0, all = 0, given = -1;
    r->factor = (double)h->f.context / r->original_context;
    if (json_get_number(o, "factor", 1e-3, MAX_FACTOR, &r->factor, err) < 0 ||
        json_get_number(o, "mscale", 0, MAX_FACTOR, &mscale, err) < 0 ||
        json_get_number(o, "mscale_all_dim", 0, MAX_FACTOR, &all, err) < 0 ||
        json_get_number(o, "attention_factor", 1e-6, MAX_FACTOR, &given, err) < 0 ||
        json_get_number(o, "beta_fast", 0, MAX_FACTOR, &r->beta_fast, err) < 0 ||
        json_get_number(o, "beta_slow", 0, MAX_FACTOR, &r->beta_slow, err) < 0 ||
        json_get_bool(o, "truncate", &r->truncate, err) < 0)
        return -1;
    r->beta_fast = r->beta_fast != 0 ? r->beta_fast : 32;
    r->beta_slow = r->beta_slow != 0 ? r->beta_slow : 1;
    if (given > 0)
        r->attention_factor = given;
    else if (mscale != 0 && all != 0)
        r->attention_factor = mscale_of(r->factor, mscale) / mscale_of(r->factor, all);
    else
        r->attention_factor = mscale_of(r->factor, 1);
    h->f.context_factor = r->factor;
    h->f.trained_context = r->original_context;
    return 0;
}

static int take_kind(const json *o, const char *type, hf_config *h, error *err)
{
    rope_config *r = &h->f.rope;
    if (strcmp(type, "default") == 0)
        return 0;
    if (strcmp(type, "linear") == 0) {
        r->kind = ROPE_LINEAR;
        h->f.trained_context = (double)h->f.context;
        if (needed(o, "factor", 1e-3, &r->factor, err))
            return -1;
        h->f.context_factor = r->factor;
        return 0;
    }
    if (strcmp(type, "llama3") == 0) {
        r->kind = ROPE_LLAMA3;
        if (needed(o, "factor", 1e-3, &r->factor, err) ||
            needed(o, "low_freq_factor", 1e-6, &r->low_freq, err) ||
            needed(o, "high_freq_factor", 1e-6, &r->high_freq, err))
            return -1;
        return 0;
    }
    if (strcmp(type, "yarn") == 0) {
        r->kind = ROPE_YARN;
        return take_yarn(o, h, err);
    }
    return error_set(err, ERROR_LOAD,
                     "rope_type is \"%s\"; implemented are default, linear, llama3 and yarn",
                     printable_text(type).text);
}

static int take_original(const json *o, hf_config *h, error *err)
{
    int64_t original = h->f.context;
    if (json_get_int(o, "original_max_position_embeddings", 1, 1 << 30, &original, err) < 0)
        return -1;
    h->f.rope.original_context = (double)(h->original_context ? h->original_context : original);
    return 0;
}

/* The object that describes RoPE; *object = NULL when there is none. */
static int find_object(const json *config, const json **object, error *err)
{
    *object = NULL;
    if (json_get_object(config, "rope_scaling", object, err) < 0)
        return -1;
    if (*object && json_first(*object))
        return 0;
    return json_get_object(config, "rope_parameters", object, err) < 0 ? -1 : 0;
}

/* An unknown number is passed over with a warning; an unknown object is a set of parameters for one
 * kind of layer, which would change numbers. */
static int check_unknown(const json *o, checkpoint_warn *warn, void *user, const char *where,
                         error *err)
{
    for (const json *v = json_first(o); v; v = json_next(v)) {
        char sentence[512];
        if (known(json_key(v)))
            continue;
        if (json_type(v) == JSON_OBJECT)
            return error_set(err, ERROR_LOAD,
                             "the RoPE parameters hold \"%s\"; parameters by kind of layer are not "
                             "implemented",
                             printable_text(json_key(v)).text);
        (void)snprintf(sentence, sizeof sentence,
                       "%s: the RoPE parameter \"%s\" is not known and was passed over", where,
                       printable_text(json_key(v)).text);
        if (warn)
            warn(user, CHECKPOINT_DETAIL, sentence);
    }
    return 0;
}

int hf_rope(const json *config, hf_config *h, checkpoint_warn *warn, void *user, const char *where,
            error *err)
{
    const json *o;
    const char *type = "default";
    if (find_object(config, &o, err) || check_unknown(o, warn, user, where, err))
        return -1;
    if (json_get_string(o, "type", &type, err) < 0 ||
        json_get_string(o, "rope_type", &type, err) < 0 ||
        json_get_number(o, "rope_theta", 1.001, 1e18, &h->f.rope.theta, err) < 0 ||
        json_get_number(o, "partial_rotary_factor", 0, 1, &h->partial, err) < 0)
        return -1;
    /* The reference classes of these models rotate whole heads: with plain RoPE they ignore the
     * factor, with the others they fail. So there is no right answer but 1. */
    if (h->partial != 1)
        return error_set(err, ERROR_LOAD,
                         "partial_rotary_factor is %.9g, only 1 has a meaning for %s", h->partial,
                         architecture_name(h->f.arch));
    return take_original(o, h, err) || take_kind(o, type, h, err) ? -1 : 0;
}
