/* rules.h - rules: changes of routing for some of the tokens of a pass.
 *
 *   {"when": {"token": [1234]}, "layers": "20-29", "do": {"force": "77"}, "for": "token"}
 *
 *   when   token    ids, special ones included
 *          tag      a text; acts once the text so far ends with it. A tag is text: it never becomes
 *                   a special token, but a special token of that very content counts too
 *          pattern  PCRE2, matched against the last 256 bytes of text, anchored nowhere
 *          role     system, user or assistant: while tokens of that role are read
 *          prompt   a number from 1 on, "2-5" or "2-": while that prompt of the sequence, the user's
 *                   messages counted, and its answer are read; what stands before the first has none
 *          adapter  the LoRA flag: true where the pass has an adapter (adapter.h), false where it has
 *                   none, or the name of the adapter's file or folder, up to a dot ("math")
 *          Where several are named, all must hold.
 *   do     force, keep, ban: lists of experts; bias: expert to number; k: experts called
 *   for    "token" (default), a number N (this token and the N - 1 after it), or "turn"
 *   layers all routed layers unless given
 *
 * What a rule does to a token depends only on the tokens up to it, so a replayed, forked or
 * prefilled sequence routes the same way. The state is small and can always be made again. Only an
 * adapter is no matter of tokens: a rule that asks for one is left out of a program that lacks it,
 * and may so speak of the experts that it would bring.
 */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include <stdint.h>

#include "../../kernels/error.h"
#include "../formats/model_config.h"
#include "../text/chat.h"

typedef struct rule_list rule_list;
struct cJSON; /* json.h */

enum { RULES_MAX = 32, RULE_TEXT_BYTES = 256, RULE_TRIGGER_TOKENS = 16 };

/* Reads the "rules" array of a persona file; patterns are compiled here (JIT, with match, depth and
 * heap limits). Caller owns. ERROR_LOAD naming the rule and field. */
rule_list *rules_read(const struct cJSON *array, error *err);
void rules_close(rule_list *r); /* NULL ok */
int rules_count(const rule_list *r);
/* Hash of all that the rules say. */
uint64_t rules_hash(const rule_list *r);

/* What rules of one model look for: the token sequences that open a role, the ids of tags. */
typedef struct rule_triggers rule_triggers;
/* unmet: rules that never act (rules_unmet). chat may be NULL: then no token has a role or a prompt.
 * Caller owns; t and r must outlive it. */
rule_triggers *rule_triggers_open(const rule_list *r, uint32_t unmet, const tokenizer *t,
                                  const chat_format *chat, error *err);
void rule_triggers_close(rule_triggers *m); /* NULL ok */

/* Where a sequence stands. {0} is the beginning. */
typedef struct rule_state {
    int length;                 /* tokens seen */
    char text[RULE_TEXT_BYTES]; /* the last text_len bytes of text */
    size_t text_len;
    int last[RULE_TRIGGER_TOKENS]; /* ring of the last tokens, at length % RULE_TRIGGER_TOKENS */
    int role;                      /* chat_role + 1, 0 = none yet */
    int prompt;                    /* the user's messages begun so far */
    int left[RULES_MAX];           /* tokens a rule still acts; -1 = to the end of the turn */
} rule_state;

/* Reads the next token: bit i of *active = rule i acts on it. ERROR_RUN when a pattern hits a
 * limit: that is never taken for "no match". */
int rules_step(const rule_list *r, const rule_triggers *m, rule_state *s, int token,
               uint32_t *active, error *err);

/* One layer's routing while rules act; arrays are [experts], the caller's. */
typedef struct rule_effect {
    uint8_t *allowed, *forced, *named;
    float *bias;
    int k;       /* in: the program's; out: the last active rule's, when one sets it */
    int adapter; /* so many at the end are adapter experts: a keep that names none leaves them */
} rule_effect;

/* Adds what the active rules do to `layer`. */
void rules_apply(const rule_list *r, uint32_t active, int layer, int experts, rule_effect *effect);
/* Widens *least and *most (in: the program's k) to the k that the rules `of` may give `layer`. */
void rules_k_range(const rule_list *r, uint32_t of, int layer, int *least, int *most);
/* Bit i = rule i asks for an adapter (when.adapter) that is not among these files [count]. */
uint32_t rules_unmet(const rule_list *r, const char *const *adapters, int count);
/* Tokens, layers and experts named must exist, but for experts of unmet rules; added: adapter
 * experts behind the model's. ERROR_LOAD by rule. */
int rules_check(const rule_list *r, uint32_t unmet, const model_config *model, int added,
                error *err);

#endif
