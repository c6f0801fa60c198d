/* council_support.h - a council of four passes with four different programs, for tests. */
#ifndef TESTS_COUNCIL_SUPPORT_H
#define TESTS_COUNCIL_SUPPORT_H

#include "../personas/council/council_state.h"
#include "../personas/merge/merge.h"
#include "routing_support.h"

enum { CAST = 4 };

/* The engine and what its passes borrow. */
typedef struct cast {
    engine *e;
    atomic_bool cancel;
    rule_list *rules, *bad_rules;
    router_program *programs[CAST]; /* none, a mask, fewer experts and a bias, rules */
    router_program *failing;        /* a pattern that gives up after some twenty x */
} cast;

cast *cast_open(void);
void cast_close(cast *k);
/* The same for a group of tests, as *state. */
int cast_setup(void **state);
int cast_teardown(void **state);

/* Default options: own prefill, 60 tokens, a context of 400. */
council_options cast_options(void);

/* Pass i of the cast (names "a" to "d"), at a temperature. */
pass_options cast_pass(const cast *k, int i, double temperature);

/* What the pass of this name is told, or NULL. */
const char *cast_instruction(const char *name);

/* A council of the passes whose bit is set in `who`. */
council *cast_council(const cast *k, const council_options *o, unsigned who, double temperature);

/* One question without a past, heard by events (NULL = nobody); fails the test when nobody can begin. */
void cast_ask(council *c, const char *prompt, const council_events *events);
/* The same; returns what council_ask does. */
int cast_try(council *c, const char *prompt, size_t len, error *err);

/* A conversation with a council, kept as a caller keeps it: each pass remembers the questions and what
 * it replied itself. Instructions are the cast's, seeds those that the passes were added with. */
typedef struct cast_talk {
    council *c;
    chat_message messages[CAST][16];
    size_t count; /* of messages; the last is the question */
    council_request requests[CAST];
    turn_answer replies[CAST]; /* copies */
    council_round round;
    region merges; /* what merges of it hold */
} cast_talk;

cast_talk cast_talk_of(council *c);
/* Asks; fails the test when nobody can begin. Afterwards t->round is what was asked and replied. */
void cast_talk_ask(cast_talk *t, const char *prompt);
/* As if replies [passes] had just been given to this prompt, without a past. */
void cast_talk_adopt(cast_talk *t, const char *prompt, const turn_answer *replies);
void cast_talk_close(cast_talk *t); /* the council too */

/* Mean log-likelihood of a text as pass i's reply to the round's request, and (may be NULL) the mean
 * negative one of the question. */
void cast_talk_score(cast_talk *t, int i, const char *text, size_t len, double *loglik,
                     double *prompt_nll);

/* The method with one round, 30 tokens and a seed. */
merge_options cast_merge_options(merge_method method);
/* Joins the answers of the talk; fails the test when that fails. */
void cast_merge(cast_talk *t, const merge_options *o, turn_merge *out);

#endif
