/* router.h - a router program: everything that changes how one pass is routed.
 *
 * The model's router gives each expert a logit; a program decides what becomes of it. The pipeline
 * has one fixed order, so that knobs compose and each has an exact off state:
 *
 *   1. z = W_r h in f32                      6. gates p = softmax of unbiased z over allowed experts
 *   2. rules: force, keep, ban, bias, k       7. ranks beyond the trained k: p *= tail_gain
 *   3. mask -> banned set                    8. adaptive cut: drop ranks > min with p_i < ratio p_0
 *   4. c = z + bias; banned = -inf           9. renormalise over the gates left (norm_width wide)
 *   5. top-k of c, ties to the lowest id    10. gates of named experts *= strength
 *
 * Experts that adapters add (adapter.h) count as the model's next ones, in the order of the list:
 * allowed unless a mask says otherwise, and named by the program, so that its strength reaches them.
 * One that an adapter replaces keeps its number, and so do its mask and bias (router_adapters.h).
 *
 * A gate of 0 means the expert is not run. A program is compiled once against a model into one
 * layer_routing (kernels/backend.h) a layer; without a program the plain routing applies, and an
 * empty program compiles to exactly those, bit for bit. Step 2 is in rules_step.c, the tables of
 * step 3 are made in router.c and mask.c; steps 3 to 10 of a token run on the device,
 * kernels/cpu/route.c, where is_allowed() is the test that no banned expert passes.
 */
#ifndef ENGINE_ROUTER_H
#define ENGINE_ROUTER_H

#include <stdint.h>

#include "../../kernels/backend.h"
#include "../../kernels/error.h"
#include "../formats/model_config.h"
#include "adapter_place.h"
#include "hooks.h"
#include "mask.h"
#include "rules.h"

typedef struct router_program router_program;

/* What masks, persona files and options say before they meet a model. {0} except for the three
 * factors is the plain model; start from router_settings_plain(). */
typedef struct router_settings {
    int experts_per_token; /* 0 = the trained k */
    const int
        *experts_by_layer; /* [layers] 0 = as above; NULL = all so. Must outlive the program */
    bool cap_experts;      /* a k above what the masks allow is lowered to it, else refused */
    int norm_width;        /* 0 = k */
    double tail_gain;      /* [0, 1] */
    double strength;       /* [0, 4] */
    int adaptive_min;      /* 0 = off */
    double adaptive_ratio; /* (0, 1] when adaptive_min > 0 */
    const mask *const *masks;
    int mask_count;
    double mask_penalty; /* 0 = off; else banned experts are allowed at so many nats less */
    const placed_adapter *const *adapters; /* [adapter_count] from engine_add_adapter(), which must
                                              outlive the program; the list itself need not */
    int adapter_count;
    const char *const
        *adapter_files;         /* [adapter_count] what rules know them by (files of one content
                                         share a place); NULL when there are none. As the rules */
    const router_hook *hook;    /* code that is asked last; NULL = none; must outlive the program */
    const rule_list *rules;     /* NULL = none; must outlive the program */
    const tokenizer *tokenizer; /* for rules */
    const chat_format *chat;    /* for rules by role; may be NULL */
} router_settings;

router_settings router_settings_plain(void);

/* Compiles the settings against a model. fingerprint: the model's, for masks that name theirs; NULL
 * skips that check. Caller owns. Errors, naming mask file, layer and numbers: ERROR_USAGE for a
 * number out of range, ERROR_LOAD for a dense model, for a mask that does not fit, and for a layer
 * left with fewer experts than its k. */
router_program *router_program_compile(const model_config *model, const char *fingerprint,
                                       const router_settings *settings, error *err);
/* The plain model with k experts a token (0 = trained). */
router_program *router_program_plain(const model_config *model, int experts_per_token, error *err);
/* The same program with its experts dealt out anew: what it says of expert order[layer][e] (allowed,
 * named, bias) is said of e. order: [layers * experts], a permutation of the model's experts in each
 * layer; adapter experts, k, knobs and rules stay. Caller owns; p's rules and adapters must
 * outlive it. */
router_program *router_program_permuted(const router_program *p, const int *order, error *err);
void router_program_close(router_program *p); /* NULL ok */
const model_config *router_program_model(const router_program *p);

const layer_routing *router_program_routing(const router_program *p); /* [layers] */
/* 64-bit hash of everything that can change numbers; 0 = equal to the plain model. */
uint64_t router_program_hash(const router_program *p);
/* What a program can change, as bits; 0 when it can change nothing. Only what is certain is left out: a
 * strength without experts that it would reach, a k whose further ranks have no gain. */
enum {
    ROUTER_CHANGES_CHOICE = 1,  /* which experts may be called, are preferred, how loud they are */
    ROUTER_CHANGES_COUNT = 2,   /* how many experts are called: k */
    ROUTER_CHANGES_GATES = 4,   /* norm_width, the adaptive cut */
    ROUTER_CHANGES_CODE = 16,   /* a hook may change any of it */
    ROUTER_CHANGES_EXPERTS = 8, /* adapters bring or change experts or rows of the router */
};
unsigned router_program_changes(const router_program *p);
/* What is asked for each of its tokens besides; NULL = nothing. */
const router_hook *router_program_hook(const router_program *p);
/* The largest k of any layer. */
int router_program_slots(const router_program *p);
/* True when the program has rules: then each token is routed by router_program_step(). */
bool router_program_has_rules(const router_program *p);
/* The routing [layers] of the next token of a sequence that stands at *state. Borrowed until
 * router_program_close(); a set of rules seen for the first time is compiled then. ERROR_RUN when a
 * pattern hits a limit. One thread at a time. */
const layer_routing *router_program_step(const router_program *p, rule_state *state, int token,
                                         error *err);

/* Experts that layer may call; 0 for a layer without experts. */
int router_program_allowed(const router_program *p, int layer);
/* Experts that the tables of a layer speak of: the model's, then those that adapters add. */
int router_program_experts(const router_program *p, int layer);

#endif
