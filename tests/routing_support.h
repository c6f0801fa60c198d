/* routing_support.h - tiny models, programs and logits for the tests of routing.
 *
 * Everything fails the running test with the error's own sentence when it does not work.
 */
#ifndef TESTS_ROUTING_SUPPORT_H
#define TESTS_ROUTING_SUPPORT_H

#include "../engine/run/engine.h"

/* The model with a tokenizer, ChatML and 8 experts in each of 2 layers, 3 a token. */
#define COUNCIL_MODEL "tests/fixtures/council"

/* max_rows: the prefill chunk. cancel may be NULL. Caller closes. */
engine *support_engine(const char *path, int max_rows, const atomic_bool *cancel);

/* A mask from its text; caller closes. */
mask *support_mask(const char *text);
/* Rules from the text of a JSON array; caller closes. */
rule_list *support_rules(const char *text);
/* Compiled from settings and at most one mask (its text) and one list of rules; either may be NULL.
 * The engine's tokenizer and chat format serve the rules, which must outlive the program. */
router_program *support_program(const engine *e, router_settings s, const char *mask_text,
                                const rule_list *rules);

session *support_session(engine *e, const router_program *program, int context);
/* Reads ids[0..n); the logits of all of them, [n, vocabulary], freed by the caller. */
float *support_read(engine *e, session *s, const int *ids, int n);
/* The same by a session of its own under `program`. */
float *support_logits(engine *e, const router_program *program, const int *ids, int n);

/* n ids that wander through the vocabulary; another seed, another way. */
void support_ids(const engine *e, int seed, int *ids, int n);

#endif
