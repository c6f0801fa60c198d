/* peft_config.c - see peft_config.h. */
#include "peft_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"

enum { CONFIG_BYTES = 4 << 20 };

/* ---- what is not computed ------------------------------------------------------------------------ */

typedef struct unread {
    const char *field, *what;
} unread;

/* Fields that may be false, null, or empty. */
static const unread off[] = {
    {"use_dora", "DoRA"},
    {"use_qalora", "QALoRA"},
    {"use_bdlora", "BD-LoRA"},
    {"fan_in_fan_out", "a matrix that is kept transposed"},
    {"lora_bias", "an update of a bias"},
    {"layer_replication", "repeated layers"},
    {"alora_invocation_tokens", "an activated LoRA (aLoRA)"},
    {"arrow_config", "Arrow routing"},
    {"velora_config", "VeLoRA"},
    {"kasa_config", "KaSA"},
    {"monteclora_config", "MonteCLoRA"},
    {"trainable_token_indices", "changed token embeddings"},
};

static bool is_off(const json *v)
{
    switch (v ? json_type(v) : JSON_NULL) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !json_true(v);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return !json_first(v);
    default:
        return false;
    }
}

static int check_off(const json *root, error *err)
{
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (!is_off(json_member(root, off[i].field)))
            return error_set(err, ERROR_LOAD, "%s: %s is not computed here", off[i].field,
                             off[i].what);
    return 0;
}

/* Initial values that are taken out of the base model's weights leave those changed. */
static int check_start(const json *root, error *err)
{
    static const char *const changing[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};
    const char *start = json_text_at(root, "init_lora_weights");
    for (size_t i = 0; start && i < sizeof changing / sizeof *changing; i++)
        if (strncmp(start, changing[i], strlen(changing[i])) == 0)
            return error_set(
                err, ERROR_LOAD,
                "init_lora_weights: \"%s\" changed the base model's weights; convert it "
                "to a plain LoRA when it is saved (path_initial_model_for_weight_"
                "conversion)",
                printable_text(start).text);
    return 0;
}

static int check_kind(const json *root, error *err)
{
    const char *type = NULL, *bias = NULL;
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "not an object");
    if (json_get_string(root, "peft_type", &type, err) < 0 ||
        json_get_string(root, "bias", &bias, err) < 0)
        return -1;
    if (!type || strcmp(type, "LORA") != 0)
        return error_set(err, ERROR_LOAD, "peft_type: \"%s\"; LORA is read",
                         printable_text(type ? type : "").text);
    if (bias && strcmp(bias, "none") != 0)
        return error_set(err, ERROR_LOAD, "bias: \"%s\"; trained biases are not read",
                         printable_text(bias).text);
    return check_off(root, err) || check_start(root, err) ? -1 : 0;
}

/* ---- numbers ------------------------------------------------------------------------------------- */

/* 0.19.1 is the first with the layout of now. */
static peft_layout layout_of(const json *root)
{
    const char *text = json_text_at(root, "peft_version");
    int v[3] = {0};
    if (!text || sscanf(text, "%4d.%4d.%4d", &v[0], &v[1], &v[2]) < 2)
        return PEFT_LAYOUT_UNKNOWN;
    bool now = v[0] > 0 || v[1] > 19 || (v[1] == 19 && v[2] >= 1);
    return now ? PEFT_LAYOUT_NOW : PEFT_LAYOUT_SWAPPED;
}

static int check_rank(const char *field, const json *v, error *err)
{
    double r = json_type(v) == JSON_NUMBER ? json_number(v) : 0;
    if (r >= 1 && r <= PEFT_MAX_RANK && r == floor(r))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: \"%s\": a rank is a whole number from 1 to %d", field,
                     printable_text(json_key(v)).text, PEFT_MAX_RANK);
}

static int check_alpha(const char *field, const json *v, error *err)
{
    if (json_type(v) == JSON_NUMBER && fabs(json_number(v)) <= 1e6)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: \"%s\": an alpha is a number up to 1e6", field,
                     printable_text(json_key(v)).text);
}

/* Keys are regular expressions to PEFT; those that are only names are read. */
static int check_patterns(const json *list, const char *field,
                          int (*check)(const char *, const json *, error *), error *err)
{
    for (const json *v = list ? json_first(list) : NULL; v; v = json_next(v)) {
        if (strpbrk(json_key(v), "*+?[](){}|$\\") || strrchr(json_key(v), '^') > json_key(v))
            return error_set(err, ERROR_LOAD,
                             "%s: \"%s\": names of modules are read, not regular expressions",
                             field, printable_text(json_key(v)).text);
        if (check(field, v, err))
            return -1;
    }
    return 0;
}

static int read_numbers(peft_config *c, const json *root, error *err)
{
    int64_t rank = 8;
    c->alpha = 8;
    if (json_get_int(root, "r", 1, PEFT_MAX_RANK, &rank, err) < 0 ||
        json_get_number(root, "lora_alpha", -1e6, 1e6, &c->alpha, err) < 0 ||
        json_get_bool(root, "use_rslora", &c->rslora, err) < 0 ||
        json_get_object(root, "rank_pattern", &c->ranks, err) < 0 ||
        json_get_object(root, "alpha_pattern", &c->alphas, err) < 0 ||
        json_get_array(root, "target_parameters", &c->targets, err) < 0)
        return -1;
    c->rank = (int)rank;
    c->layout = layout_of(root);
    return check_patterns(c->ranks, "rank_pattern", check_rank, err) ||
                   check_patterns(c->alphas, "alpha_pattern", check_alpha, err)
               ? -1
               : 0;
}

/* Takes the document. */
static int take(peft_config *c, const char *where, json_document *document, error *err)
{
    *c = (peft_config){.document = document};
    if (!document)
        return -1;
    c->path = strdup(where);
    if (!c->path)
        return error_memory(err, "an adapter");
    const json *root = json_root(document);
    if (check_kind(root, err) || read_numbers(c, root, err))
        return error_prefix(err, "%s: ", where);
    return 0;
}

int peft_config_load(peft_config *c, const char *path, error *err)
{
    return take(c, path, json_load(path, CONFIG_BYTES, err), err);
}

int peft_config_read(peft_config *c, const char *where, const char *text, size_t len, error *err)
{
    return take(c, where, json_parse(where, text, len, err), err);
}

void peft_config_release(peft_config *c)
{
    json_close(c->document);
    free(c->path);
    *c = (peft_config){0};
}

/* ---- questions ----------------------------------------------------------------------------------- */

/* The name is the key, or its end behind a point; "^" in front: the whole key. */
static bool names(const char *name, const char *key)
{
    size_t n, k = strlen(key);
    if (*name == '^')
        return strcmp(name + 1, key) == 0;
    n = strlen(name);
    return n <= k && strcmp(key + k - n, name) == 0 && (n == k || key[k - n - 1] == '.');
}

static const json *pattern_for(const json *list, const char *key)
{
    for (const json *v = list ? json_first(list) : NULL; v; v = json_next(v))
        if (names(json_key(v), key))
            return v;
    return NULL;
}

int peft_config_of(const peft_config *c, const char *key, int *rank, float *scale, error *err)
{
    const json *r = pattern_for(c->ranks, key), *a = pattern_for(c->alphas, key);
    *rank = r ? (int)json_number(r) : c->rank;
    double alpha = a ? json_number(a) : c->alpha;
    *scale = (float)(alpha / (c->rslora ? sqrt(*rank) : *rank));
    if (isfinite(*scale))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: lora_alpha: %g is not usable", c->path, alpha);
}

bool peft_config_targets(const peft_config *c, const char *key)
{
    for (const json *v = c->targets ? json_first(c->targets) : NULL; v; v = json_next(v))
        if (json_type(v) == JSON_STRING && names(json_string(v), key))
            return true;
    return false;
}
