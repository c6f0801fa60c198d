/* hooks.h - a router as code: a C function that is asked before each layer chooses its experts.
 *
 * A hook is compiled in (router_hook_open()) or comes from a shared object (router_hook_load());
 * consilium_router.h is what such a file is written against. It belongs to a router program
 * (router_settings.hook) and is asked for that program's tokens alone. Its answer is checked before the
 * device sees it: an expert that the program forbids stays forbidden, enough must be left for k, no
 * bias is NaN. A token for which it says nothing keeps the program's own tables, so a hook that never
 * says anything gives the plain model's bytes; nobody who has no hook pays for it.
 *
 * Code of a stranger can do what the process can: it is loaded only for who asks by --router, never
 * because of a file.
 */
#ifndef ENGINE_HOOKS_H
#define ENGINE_HOOKS_H

#include <stdint.h>

#include "../../kernels/backend.h"
#include "../../kernels/error.h"
#include "../formats/model_config.h"
#include "../text/tokenizer.h"
#include "consilium_router.h"

typedef struct router_hook router_hook;

/* state: what r's functions are handed, unless its open() makes another. r, state, the model and
 * the tokenizer (may be NULL: pieces are empty) must outlive it. digest: what stands for the
 * function's code in hashes. Caller owns. ERROR_LOAD. */
router_hook *router_hook_open(const consilium_router *r, void *state, const model_config *model,
                              const tokenizer *t, const char *fingerprint, const char *digest,
                              error *err);
/* The same from a shared object. ERROR_LOAD: no such file, no such symbol, another ABI. */
router_hook *router_hook_load(const char *path, const model_config *model, const tokenizer *t,
                              const char *fingerprint, error *err);
void router_hook_close(router_hook *h); /* NULL ok; after the programs that have it */

const char *router_hook_digest(const router_hook *h); /* SHA-256 of the file */
uint64_t router_hook_hash(const router_hook *h);
int router_hook_most_experts(const router_hook *h); /* 0 = never more than there were */

/* Room for one row's answer in one layer; both [experts]. */
typedef struct hook_room {
    float *bias;
    uint8_t *allowed;
} hook_room;

/* Asks for one token. base: the layer's routing under the program, with `experts` that it sees;
 * most: the largest k that the device has room for. 1 = *out is another routing, which borrows from
 * room; 0 = the program's own holds; -1 = ERROR_RUN. */
int router_hook_select(const router_hook *h, const consilium_token *token, int experts, int most,
                       const layer_routing *base, const hook_room *room, layer_routing *out,
                       error *err);

#endif
