/* activations.c - see activations.h. */
#include "activations.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/buf.h"

static const char *const names[ACTIVATION_KINDS] = {
    "embed",      "attn_norm", "q",        "k",      "v",           "heads",
    "attn_out",   "attn_sum",  "ffn_norm", "router", "experts_out", "shared_out",
    "ffn_hidden", "ffn_out",   "out",      "norm"};

const char *activation_name(const activation_place *p, char *name)
{
    if (p->kind == ACT_EMBED || p->kind == ACT_NORM)
        (void)snprintf(name, ACTIVATION_NAME, "%s", names[p->kind]);
    else
        (void)snprintf(name, ACTIVATION_NAME, "blk.%d.%s", p->layer, names[p->kind]);
    return name;
}

/* Columns of a kind in a layer; 0 where there is no such thing. */
static int cols_of(const model_config *c, activation_kind kind, int layer)
{
    bool inside = kind != ACT_EMBED && kind != ACT_NORM;
    if (inside != (layer >= 0 && layer < c->layers))
        return 0;
    if (!inside)
        return (kind == ACT_EMBED) == (layer < 0) ? c->width : 0;
    bool routed = c->moe_layer[layer];
    if (c->skip_layer[layer])
        return 0;
    switch (kind) {
    case ACT_Q:
    case ACT_HEADS:
        return c->heads * c->head_dim;
    case ACT_K:
    case ACT_V:
        return c->kv_heads * c->head_dim;
    case ACT_ROUTER:
        return routed ? c->experts : 0;
    case ACT_EXPERTS_OUT:
        return routed ? c->width : 0;
    case ACT_SHARED_OUT:
        return routed && c->shared_width ? c->width : 0;
    case ACT_FFN_HIDDEN:
        return routed ? 0 : c->ffn_width;
    default:
        return c->width;
    }
}

static int add_place(activation_set *set, activation_place p, error *err)
{
    activation_place *more = realloc(set->v, (set->len + 1) * sizeof *more);
    if (!more)
        return error_memory(err, "the names of activations");
    set->v = more;
    size_t at = set->len++;
    for (; at && (more[at - 1].layer > p.layer ||
                  (more[at - 1].layer == p.layer && more[at - 1].kind > p.kind));
         at--)
        more[at] = more[at - 1];
    more[at] = p;
    set->kinds[p.layer + 1] |= 1u << p.kind;
    return 0;
}

/* Adds what one pattern means; *found: anything. */
static int add_pattern(activation_set *set, const model_config *c, const char *pattern, bool *found,
                       error *err)
{
    char name[ACTIVATION_NAME];
    *found = false;
    for (int layer = -1; layer <= c->layers; layer++)
        for (int kind = 0; kind < ACTIVATION_KINDS; kind++) {
            activation_place p = {(activation_kind)kind, layer,
                                  cols_of(c, (activation_kind)kind, layer)};
            if (!p.cols || fnmatch(pattern, activation_name(&p, name), 0) != 0)
                continue;
            *found = true;
            if (!(set->kinds[layer + 1] >> kind & 1) && add_place(set, p, err))
                return -1;
        }
    return 0;
}

/* A kind that any layer has. */
static bool has_kind(const model_config *c, activation_kind kind)
{
    for (int layer = 0; layer < c->layers; layer++)
        if (cols_of(c, kind, layer))
            return true;
    return false;
}

static int refuse(const model_config *c, const char *pattern, error *err)
{
    buf there = {0};
    int result = 0;
    for (int kind = 0; kind < ACTIVATION_KINDS && !result; kind++)
        if (has_kind(c, (activation_kind)kind))
            result = buf_format(&there, err, "%s%s", there.len ? " " : "", names[kind]);
    if (!result)
        (void)error_set(err, ERROR_USAGE,
                        "no activation is called \"%.40s\": there are embed, norm, and blk.0. to "
                        "blk.%d. with %s",
                        pattern, c->layers - 1, there.v ? there.v : "");
    buf_release(&there);
    return -1;
}

int activation_set_add(activation_set *set, const model_config *c, const char *list, error *err)
{
    char *words = strdup(list), *rest = words;
    int result = words ? 0 : error_memory(err, "the names of activations");
    for (char *word; !result && (word = strsep(&rest, ",")) != NULL;) {
        bool found;
        result = add_pattern(set, c, word, &found, err);
        if (!result && !found)
            result = refuse(c, word, err);
    }
    free(words);
    return result;
}

void activation_set_release(activation_set *set)
{
    free(set->v);
    *set = (activation_set){0};
}
