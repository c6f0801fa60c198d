/* program_plan.h - a router program as a model of its own: only the experts that it may call are kept.
 *
 * A keep or ban mask is exactly a smaller model: gates are a softmax over the experts that are allowed, in
 * both. So are another number of experts a token, and a strength (a factor of what those experts put
 * out). What a checkpoint cannot say is refused by its name: a bias on the choice, a penalty instead of a
 * ban, rules, forced experts, a gain on further ranks, an adaptive cut, a wider norm; adapters,
 * unless they have been merged into the plan.
 *
 * A file has one number of experts for all layers. Layers in which every allowed expert is nil (its down
 * projection all zero) compute nothing whatever their number, so they are cut to the number of the
 * others; other differences are refused, by layer.
 */
#ifndef ENGINE_PROGRAM_PLAN_H
#define ENGINE_PROGRAM_PLAN_H

#include "../routing/router.h"
#include "bank_plan.h"

/* Merges the program's adapters into a plan in which every expert is itself (bank_bake.h). The program must
 * outlive the plan. */
int program_plan_bake(bank_plan *plan, const router_program *p, error *err);

/* plan: every expert itself (bank_plan_open()), or baked, of the model that p was compiled against.
 * *used: experts a token from now on. who: for sentences. ERROR_USAGE, naming what a checkpoint
 * cannot say. */
int program_plan(bank_plan *plan, const router_program *p, const char *who, int *used, error *err);

#endif
