/* eval_learn.c - see eval_learn.h. */
#include "eval_learn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval_run_state.h"

typedef struct learning {
    const eval_run *r;
    evidence_table *out;
    int arm_of[EVIDENCE_ARMS]; /* [arms of the table] those of the run */
} learning;

/* ---- the arms ---------------------------------------------------------------------------------- */

static int add_arm(learning *l, int arm, evidence_arm_kind kind, error *err)
{
    evidence_table *t = l->out;
    if (t->arm_count == EVIDENCE_ARMS)
        return error_set(err, ERROR_USAGE, "--learn: more than %d arms", EVIDENCE_ARMS);
    evidence_arm *a = &t->arms[t->arm_count];
    (void)snprintf(a->name, sizeof a->name, "%s", l->r->arms->v[arm].name);
    a->kind = kind;
    l->arm_of[t->arm_count++] = arm;
    return 0;
}

static int add_merges(learning *l, merge_method method, error *err)
{
    const eval_arms *arms = l->r->arms;
    for (int a = 0; a < arms->count; a++)
        if (arms->v[a].kind == EVAL_MERGE && arms->v[a].method == method &&
            add_arm(l, a, EVIDENCE_MERGE, err))
            return -1;
    return 0;
}

/* What costs least stands first: of equals the first is chosen. */
static int add_arms(learning *l, error *err)
{
    static const merge_method by_cost[] = {MERGE_VOTE, MERGE_BLEND, MERGE_SYNTH, MERGE_DEBATE};
    const eval_run *r = l->r;
    for (int a = 0; a < r->arms->count; a++)
        if (r->arms->v[a].kind == EVAL_CONTROL && add_arm(l, a, EVIDENCE_CONTROL, err))
            return -1;
    for (int k = 0; k < r->persona_count; k++) {
        int arm = eval_arms_persona(r->arms, k);
        if (arm < 0)
            return error_set(err, ERROR_USAGE, "--learn: needs %s among the arms, as all personas",
                             r->personas[k]);
        if (add_arm(l, arm, EVIDENCE_PERSONA, err))
            return -1;
    }
    for (size_t i = 0; i < sizeof by_cost / sizeof *by_cost; i++)
        if (add_merges(l, by_cost[i], err))
            return -1;
    return 0;
}

/* ---- the figures ------------------------------------------------------------------------------- */

static eval_state state_of(const learning *l, size_t item, int arm)
{
    const eval_results *x = &l->r->results;
    return x->cells[item * (size_t)x->arms->count + (size_t)l->arm_of[arm]].state;
}

static void count_item(const learning *l, size_t item, evidence_part *p)
{
    const evidence_table *t = l->out;
    int right = 0;
    for (int a = 0; a < t->arm_count; a++) {
        if (state_of(l, item, a) == EVAL_UNDEFINED)
            return;
        right += t->arms[a].kind == EVIDENCE_PERSONA && state_of(l, item, a) == EVAL_RIGHT;
    }
    double blind = (double)right / t->persona_count;
    p->questions++;
    p->any += right > 0;
    p->blind += blind;
    for (int a = 0; a < t->arm_count; a++) {
        double gain = (state_of(l, item, a) == EVAL_RIGHT) - blind;
        p->right[a] += state_of(l, item, a) == EVAL_RIGHT;
        p->squares[a] += gain * gain;
    }
}

static int count(learning *l, const char *name, error *err)
{
    const eval_results *x = &l->r->results;
    evidence_set *s = &l->out->sets[l->out->set_count++];
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    s->items = x->set->hash;
    for (size_t i = 0; i < x->done; i++)
        count_item(l, i, x->set->v[x->plan[i]].development ? &s->development : &s->rest);
    if (s->development.questions > 1 && s->rest.questions > 1)
        return 0;
    return error_set(
        err, ERROR_USAGE,
        "--learn: %d questions of the development part and %d of the rest were answered "
        "by all arms: two of each are needed (synth and debate answer no choices)",
        s->development.questions, s->rest.questions);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static int describe(learning *l, error *err)
{
    const eval_run *r = l->r;
    evidence_table *t = l->out;
    if (model_identity_of(r->o.engine, &t->model, err) ||
        evidence_made_with(r->o.engine, &t->by, err))
        return -1;
    for (int k = 0; k < r->persona_count; k++) {
        const seat *s = roster_seat(r->o.roster, k);
        (void)snprintf(t->personas[k].name, sizeof t->personas[k].name, "%s", s->name);
        t->personas[k].program = s->program ? router_program_hash(s->program) : 0;
    }
    t->persona_count = r->persona_count;
    return 0;
}

int eval_learn(const eval_run *r, const char *set, evidence_table **out, error *err)
{
    learning l = {.r = r};
    *out = NULL;
    if (r->o.split != EVAL_ALL || r->results.done < r->results.planned)
        return error_set(err, ERROR_USAGE, "--learn: needs all of the set, not one part of it");
    if (r->o.council.raw || r->persona_count < 2)
        return error_set(err, ERROR_USAGE, "--learn: needs two personas and a chat format");
    l.out = calloc(1, sizeof *l.out);
    if (!l.out)
        return error_memory(err, "the evidence");
    if (add_arms(&l, err) || describe(&l, err) || count(&l, set, err)) {
        free(l.out);
        return -1;
    }
    *out = l.out;
    return 0;
}
