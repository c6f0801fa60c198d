/* council_support.h - a council of four passes with four different programs, for tests. */
#ifndef TESTS_COUNCIL_SUPPORT_H
#define TESTS_COUNCIL_SUPPORT_H

#include "../personas/council/council_state.h"
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

/* Default options: own prefill, 60 tokens, a context of 400. */
council_options cast_options(void);

/* Pass i of the cast (names "a" to "d", instructions for two of them), at a temperature. */
pass_options cast_pass(const cast *k, int i, double temperature);

/* A council of the passes whose bit is set in `who`. */
council *cast_council(const cast *k, const council_options *o, unsigned who, double temperature);

/* Asks; fails the test when nobody can begin. */
void cast_ask(council *c, const char *prompt, const council_events *events);

#endif
