/* evidence_choice.c - what a table of evidence comes to. See evidence_table.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../council/council_state.h"
#include "evidence_table.h"

/* A pass of a council that the table knows by this name and program. */
static bool knows(const evidence_table *t, const pass *p)
{
    uint64_t program = p->program ? router_program_hash(p->program) : 0;
    for (int i = 0; i < t->persona_count; i++)
        if (strcmp(t->personas[i].name, p->name) == 0)
            return t->personas[i].program == program;
    return false;
}

bool evidence_holds(const evidence_table *t, const council *c)
{
    if (!t || c->count != t->persona_count)
        return false;
    for (int i = 0; i < c->count; i++)
        if (!knows(t, c->passes[i]))
            return false;
    return true;
}

int evidence_arm_of(const evidence_table *t, const char *name)
{
    for (int a = 0; a < t->arm_count; a++)
        if (strcmp(t->arms[a].name, name) == 0)
            return a;
    return -1;
}

evidence_part evidence_sum(const evidence_table *t, bool development)
{
    evidence_part sum = {0};
    for (int i = 0; i < t->set_count; i++) {
        const evidence_part *p = development ? &t->sets[i].development : &t->sets[i].rest;
        sum.questions += p->questions;
        sum.any += p->any;
        sum.blind += p->blind;
        for (int a = 0; a < t->arm_count; a++) {
            sum.right[a] += p->right[a];
            sum.squares[a] += p->squares[a];
        }
    }
    return sum;
}

void evidence_gain(const evidence_part *p, int arm, double *low, double *high)
{
    double n = p->questions, gain = (p->right[arm] - p->blind) / n;
    double spread = sqrt(fmax(0, p->squares[arm] / n - gain * gain) / (n - 1));
    *low = n > 1 ? gain - 1.96 * spread : -1;
    *high = n > 1 ? gain + 1.96 * spread : 1;
}

/* The first of those with the most right answers; -1 = no arm of this kind. */
static int best_of(const evidence_table *t, const evidence_part *p, evidence_arm_kind kind)
{
    int best = -1;
    for (int a = 0; a < t->arm_count; a++) {
        if (t->arms[a].kind != kind || (kind == EVIDENCE_MERGE && evidence_loses(t, a)))
            continue;
        if (best < 0 || p->right[a] > p->right[best])
            best = a;
    }
    return best;
}

bool evidence_loses(const evidence_table *t, int arm)
{
    if (strncmp(t->arms[arm].name, "debate", 6) != 0)
        return false;
    for (int development = 0; development < 2; development++) {
        evidence_part p = evidence_sum(t, development);
        int best = best_of(t, &p, EVIDENCE_PERSONA);
        if (best >= 0 && p.right[arm] < p.right[best])
            return true;
    }
    return false;
}

const char *evidence_best_persona(const evidence_table *t)
{
    evidence_part p = evidence_sum(t, true);
    int best = best_of(t, &p, EVIDENCE_PERSONA);
    return best < 0 ? NULL : t->arms[best].name;
}

static bool beats_chance(const evidence_part *p, int arm)
{
    double low, high;
    evidence_gain(p, arm, &low, &high);
    return low > 0;
}

/* The variance is had from the interval that the verifier's file states. */
static void add_learned(const evidence_table *t, int vote, evidence_part *p)
{
    const verifier_figures *f = &t->by.learned;
    double n = f->questions, gain = f->right - f->blind, off = (f->high - f->low) / (2 * 1.96);
    p->questions += f->questions;
    p->blind += f->blind * n;
    p->any += (int)lround(f->any * n);
    for (int a = 0; a < t->arm_count; a++)
        if (t->arms[a].kind == EVIDENCE_PERSONA)
            p->right[a] += (int)lround(f->best * n);
    p->right[vote] += (int)lround(f->right * n);
    p->squares[vote] += n * (gain * gain + off * off * (n - 1));
}

evidence_part evidence_known(const evidence_table *t, int arm)
{
    evidence_part p = evidence_sum(t, true);
    if (t->by.learned.questions && strcmp(t->arms[arm].name, "vote") == 0)
        add_learned(t, arm, &p);
    return p;
}

static bool is_worth_it(const evidence_table *t, int merge)
{
    evidence_part p = evidence_known(t, merge);
    int persona = best_of(t, &p, EVIDENCE_PERSONA);
    return (persona < 0 || p.right[merge] >= p.right[persona]) && beats_chance(&p, merge);
}

int evidence_choose(const evidence_table *t)
{
    evidence_part p = evidence_sum(t, true);
    int merge = best_of(t, &p, EVIDENCE_MERGE), persona = best_of(t, &p, EVIDENCE_PERSONA);
    int vote = t->by.learned.questions ? evidence_arm_of(t, "vote") : -1;
    if (merge >= 0 && is_worth_it(t, merge))
        return merge;
    if (vote >= 0 && is_worth_it(t, vote))
        return vote;
    return persona >= 0 && beats_chance(&p, persona) ? persona : -1;
}

const char *evidence_figure(const evidence_table *t, int arm, char out[EVIDENCE_WORDS_MOST])
{
    evidence_part p = evidence_sum(t, false);
    out[0] = '\0';
    if (p.questions)
        (void)snprintf(
            out, EVIDENCE_WORDS_MOST, "%.0f %% of the time on %d questions (by chance %.0f %%)",
            100.0 * p.right[arm] / p.questions, p.questions, 100.0 * p.blind / p.questions);
    return out;
}

const char *evidence_refusal(const evidence_table *t, char out[EVIDENCE_WORDS_MOST])
{
    int vote = evidence_arm_of(t, "vote");
    evidence_part p = vote < 0 ? evidence_sum(t, true) : evidence_known(t, vote);
    (void)snprintf(out, EVIDENCE_WORDS_MOST,
                   "no merge and no persona is right more often than by chance on %d questions",
                   p.questions);
    return out;
}
