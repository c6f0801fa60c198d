/* hooks.c - see hooks.h. */
#include "hooks.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/digest.h"
#include "../base/folder.h"
#include "../base/hash.h"

struct router_hook {
    const consilium_router *router;
    const tokenizer *tokenizer;
    const model_config *model;
    void *state, *library; /* library: NULL when compiled in */
    char digest[DIGEST_TEXT];
};

static const char *piece_of(const void *model, int token, unsigned long *length)
{
    const router_hook *h = model;
    size_t n = 0;
    bool known = h->tokenizer && token >= 0 && token < tokenizer_count(h->tokenizer);
    const char *piece = known ? tokenizer_piece(h->tokenizer, token, &n) : "";
    *length = n;
    return piece;
}

static int check(const consilium_router *r, error *err)
{
    if (r->abi != CONSILIUM_ROUTER_ABI)
        return error_set(err, ERROR_LOAD, "written against version %d of the interface, this is %d",
                         r->abi, CONSILIUM_ROUTER_ABI);
    if (!r->name || !r->expert_selection)
        return error_set(err, ERROR_LOAD, "has no name or no expert_selection()");
    if (r->most_experts < 0 || r->most_experts > MODEL_MAX_EXPERTS)
        return error_set(err, ERROR_LOAD, "most_experts: %d must lie from 0 to %d", r->most_experts,
                         MODEL_MAX_EXPERTS);
    return 0;
}

static int open_state(router_hook *h, const char *fingerprint, error *err)
{
    char why[128] = "";
    const model_config *m = h->model;
    consilium_model told = {.layers = m->layers,
                            .experts = m->experts,
                            .experts_per_token = m->experts_per_token,
                            .width = m->width,
                            .vocabulary = m->vocabulary,
                            .fingerprint = fingerprint ? fingerprint : "",
                            .piece = piece_of,
                            .model = h};
    if (!h->router->open || h->router->open(&told, &h->state, why, sizeof why) == 0)
        return 0;
    why[sizeof why - 1] = '\0';
    return error_set(err, ERROR_LOAD, "%s", *why ? why : "open() failed");
}

router_hook *router_hook_open(const consilium_router *r, void *state, const model_config *model,
                              const tokenizer *t, const char *fingerprint, const char *digest,
                              error *err)
{
    if (!model->experts) {
        error_set(err, ERROR_LOAD, "this model is dense: it has no experts to route");
        return NULL;
    }
    if (check(r, err))
        return NULL;
    router_hook *h = calloc(1, sizeof *h);
    if (!h) {
        error_memory(err, "a router");
        return NULL;
    }
    *h = (router_hook){.router = r, .tokenizer = t, .model = model, .state = state};
    strncpy(h->digest, digest, sizeof h->digest - 1);
    if (open_state(h, fingerprint, err) == 0)
        return h;
    free(h);
    return NULL;
}

router_hook *router_hook_load(const char *path, const model_config *model, const tokenizer *t,
                              const char *fingerprint, error *err)
{
    char digest[DIGEST_TEXT];
    /* A name without a slash would be looked for in the system's folders. */
    char *file = string_format(err, "%s%s", strchr(path, '/') ? "" : "./", path);
    if (!file)
        return NULL;
    digest_files(&path, 1, digest);
    void *library = *digest ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    const consilium_router *r = library ? dlsym(library, "consilium_router_plugin") : NULL;
    router_hook *h = NULL;
    if (!*digest)
        error_set(err, ERROR_LOAD, "cannot read it");
    else if (!library)
        error_set(err, ERROR_LOAD, "no shared object that can be loaded: %s", dlerror());
    else if (!r)
        error_set(err, ERROR_LOAD, "exports no consilium_router_plugin");
    else
        h = router_hook_open(r, NULL, model, t, fingerprint, digest, err);
    free(file);
    if (h) {
        h->library = library;
        return h;
    }
    if (library)
        (void)dlclose(library);
    error_prefix(err, "%s: ", path);
    return NULL;
}

void router_hook_close(router_hook *h)
{
    if (!h)
        return;
    if (h->router->close)
        h->router->close(h->state);
    if (h->library)
        (void)dlclose(h->library);
    free(h);
}

const char *router_hook_digest(const router_hook *h)
{
    return h->digest;
}

uint64_t router_hook_hash(const router_hook *h)
{
    uint64_t hash = hash_bytes(HASH_START, h->digest, strlen(h->digest) + 1);
    return hash_bytes(hash, h->router->name, strlen(h->router->name) + 1) | 1;
}

int router_hook_most_experts(const router_hook *h)
{
    return h->router->most_experts;
}

/* ---- one token --------------------------------------------------------------------------------- */

static void prepare(const layer_routing *base, int experts, const hook_room *room)
{
    size_t n = (size_t)experts;
    if (base->bias)
        memcpy(room->bias, base->bias, n * sizeof *room->bias);
    else
        memset(room->bias, 0, n * sizeof *room->bias);
    if (base->allowed)
        memcpy(room->allowed, base->allowed, n);
    else
        memset(room->allowed, 1, n);
}

/* What the program forbids stays forbidden, and what is left must be a routing. */
static int check_answer(const router_hook *h, const consilium_selection *s, int layer, int most,
                        const layer_routing *base, const hook_room *room, error *err)
{
    int allowed = 0;
    const char *name = h->router->name;
    for (int e = 0; e < s->experts; e++) {
        room->allowed[e] = room->allowed[e] && (!base->allowed || base->allowed[e]);
        allowed += room->allowed[e];
        if (!isfinite(room->bias[e]))
            return error_set(err, ERROR_RUN,
                             "router %.40s: layer %d: the bias of expert %d is no "
                             "finite number",
                             name, layer, e);
        if (base->forced && base->forced[e] && !room->allowed[e])
            return error_set(err, ERROR_RUN, "router %.40s: layer %d: expert %d is forced and out",
                             name, layer, e);
    }
    if (s->k < 1 || s->k > most)
        return error_set(err, ERROR_RUN,
                         "router %.40s: layer %d: %d experts called; 1 to %d can be", name, layer,
                         s->k, most);
    if (allowed < s->k)
        return error_set(err, ERROR_RUN,
                         "router %.40s: layer %d is left with %d expert%s and %d are "
                         "called",
                         name, layer, allowed, allowed == 1 ? "" : "s", s->k);
    return 0;
}

int router_hook_select(const router_hook *h, const consilium_token *token, int experts, int most,
                       const layer_routing *base, const hook_room *room, layer_routing *out,
                       error *err)
{
    consilium_selection s = {experts, room->bias, room->allowed, base->k};
    prepare(base, experts, room);
    int asked = h->router->expert_selection(h->state, token, &s);
    if (asked == 0)
        return 0;
    if (asked < 0)
        return error_set(err, ERROR_RUN, "router %.40s gave up in layer %d at position %d",
                         h->router->name, token->layer, token->position);
    s.experts = experts;
    int limit = h->router->most_experts > base->k ? h->router->most_experts : base->k;
    if (check_answer(h, &s, token->layer, limit < most ? limit : most, base, room, err))
        return -1;
    *out = *base;
    out->bias = room->bias;
    out->allowed = room->allowed;
    out->k = s.k;
    /* A denominator that was as wide as the program's k stays as wide as k. */
    if (base->norm_width == base->k || out->norm_width < s.k)
        out->norm_width = s.k;
    return 1;
}
