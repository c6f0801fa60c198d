/* kept.h - answers and merges kept: copies that own everything, so that they outlive the council and
 * the roster they came from. A conversation is made of them, and so is what is printed and saved.
 */
#ifndef PERSONAS_KEPT_H
#define PERSONAS_KEPT_H

#include "../merge/merge.h"
#include "../roster/roster.h"

/* An answer as it was given. */
typedef struct kept_answer {
    char *name, *acts_by, *color; /* color may be NULL */
    char *text;                   /* without its thought; NUL-terminated, may hold broken UTF-8 */
    size_t len;
    char *thought; /* "" when there is none */
    size_t thought_len;
    tokens ids;       /* thought included */
    double *logprobs; /* [ids.len] ln p of each, or NULL: answer.logprobs */
    int continued;    /* how many of them an earlier version of this answer had; 0 = it is none */
    int prompt_tokens;
    uint64_t prompt_hash; /* as answer */
    pass_stop stop;
    error failure;
    uint64_t seed, program; /* router_program_hash */
    double seconds, tokens_per_second, banned_mass;
    int *allowed, *used;              /* [layers] */
    int asked_experts, least_allowed; /* "4 of 8"; 0 = not asked */
} kept_answer;

/* Copies an answer that is complete. On error *out is empty. */
int kept_answer_copy(kept_answer *out, const answer *a, const seat *s, const model_config *m,
                     error *err);
void kept_answer_release(kept_answer *k); /* {0} ok */

typedef struct kept_merge {
    merge_result result;
    char **of; /* [result.passes] names of the answers that were joined */
    uint64_t seed;
    int answers;   /* versions of answers that the turn held then; it joined the last ones */
    char *failure; /* NULL unless it failed; then result is empty but for method and passes */
} kept_merge;

void kept_merge_release(kept_merge *m); /* {0} ok */

#endif
