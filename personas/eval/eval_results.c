/* eval_results.c - see eval_results.h. */
#include "eval_results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "../../transcripts/statistics.h"
#include "eval_figures.h"

int eval_results_open(eval_results *r, error *err)
{
    r->done = 0;
    r->cells = calloc(r->planned * (size_t)r->arms->count + 1, sizeof *r->cells);
    memset(r->seconds, 0, sizeof r->seconds);
    return r->cells ? 0 : error_memory(err, "the results");
}

void eval_results_release(eval_results *r)
{
    free(r->cells);
    r->cells = NULL;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static int persona_of(const eval_results *r, const char *name)
{
    for (int i = 0; name && i < r->persona_count; i++)
        if (strcmp(r->personas[i], name) == 0)
            return i;
    return -1;
}

static int take_cell(const eval_results *r, const json *c, eval_cell *out, error *err)
{
    const char *value = "", *won = NULL;
    bool right = false;
    int64_t written = 0;
    *out = (eval_cell){.won = -1};
    if (json_type(c) == JSON_NULL)
        return 0;
    if (json_get_bool(c, "right", &right, err) < 0 ||
        json_get_string(c, "value", &value, err) < 0 ||
        json_get_int(c, "tokens", 0, INT32_MAX, &written, err) < 0 ||
        json_get_string(c, "won", &won, err) < 0 || json_get_bool(c, "tie", &out->tie, err) < 0)
        return -1;
    out->state = right ? EVAL_RIGHT : EVAL_WRONG;
    out->value = hash_bytes(HASH_START, value, strlen(value));
    out->tokens = (int)written;
    out->won = persona_of(r, won);
    out->failed = json_member(c, "failed") != NULL;
    return 0;
}

static int take_item(eval_results *r, const char *id, const json *line, error *err)
{
    if (r->done >= r->planned || strcmp(r->set->v[r->plan[r->done]].id, id) != 0)
        return error_set(err, ERROR_RUN, "item %.60s is not the one that comes next", id);
    const json *arms = json_member(line, "arms");
    for (int i = 0; i < r->arms->count; i++) {
        const json *c = json_member(arms, r->arms->v[i].name);
        eval_cell *cell = &r->cells[r->done * (size_t)r->arms->count + (size_t)i];
        if (!c)
            return error_set(err, ERROR_RUN, "item %.60s has no arm %s", id, r->arms->v[i].name);
        if (take_cell(r, c, cell, err))
            return -1;
    }
    r->done++;
    return 0;
}

int eval_results_take(eval_results *r, const json *line, error *err)
{
    const char *id = NULL;
    int found = json_get_string(line, "item", &id, err);
    if (found)
        return found < 0 ? -1 : take_item(r, id, line, err);
    const json *times = json_member(line, "seconds");
    for (int i = 0; i < r->arms->count; i++) {
        double seconds = 0;
        if (json_get_number(times, r->arms->v[i].name, 0, 1e9, &seconds, err) < 0)
            return -1;
        r->seconds[i] += seconds;
    }
    return 0;
}

/* ---- counting ---------------------------------------------------------------------------------- */

typedef struct count {
    const eval_results *r;
    eval_wanted *wanted;
    const void *user;
    eval_figures *out;
} count;

static const eval_cell *cell_of(const eval_results *r, size_t item, int arm)
{
    return &r->cells[item * (size_t)r->arms->count + (size_t)arm];
}

static bool counts(const count *c, size_t item)
{
    const eval_results *r = c->r;
    return !c->wanted || c->wanted(c->user, &r->set->v[r->plan[item]]);
}

static void settle_share(eval_share *s)
{
    statistics_rate rate = {(size_t)(s->right + 0.5), (size_t)s->n};
    statistics_interval(rate, &s->low, &s->high);
}

static void count_row(const count *c, int arm)
{
    const eval_results *r = c->r;
    eval_row *row = &c->out->rows[arm];
    for (size_t i = 0; i < r->done; i++) {
        const eval_cell *cell = cell_of(r, i, arm);
        if (!counts(c, i) || cell->state == EVAL_UNDEFINED)
            continue;
        row->share.n++;
        row->share.right += cell->state == EVAL_RIGHT;
        row->tokens += cell->tokens;
        row->failed += cell->failed;
        row->ties += cell->tie;
        if (cell->won >= 0)
            c->out->won[arm][cell->won]++;
    }
    row->seconds = r->seconds[arm];
    settle_share(&row->share);
}

/* Any persona right, and the mean of all of them, of the items that all of them answered. */
static void count_bounds(const count *c)
{
    const eval_results *r = c->r;
    for (size_t i = 0; i < r->done; i++) {
        int asked = 0, right = 0;
        for (int a = 0; a < r->arms->count; a++) {
            eval_state state = cell_of(r, i, a)->state;
            if (r->arms->v[a].kind != EVAL_PERSONA || state == EVAL_UNDEFINED)
                continue;
            asked++;
            right += state == EVAL_RIGHT;
        }
        if (!counts(c, i))
            continue;
        c->out->items++;
        if (!asked)
            continue;
        c->out->oracle.n++;
        c->out->blind.n++;
        c->out->oracle.right += right > 0;
        c->out->blind.right += (double)right / asked;
    }
    settle_share(&c->out->oracle);
    settle_share(&c->out->blind);
}

static int control_arm(const eval_results *r)
{
    for (int a = 0; a < r->arms->count; a++)
        if (r->arms->v[a].kind == EVAL_CONTROL)
            return a;
    return -1;
}

static eval_test compare(const count *c, int arm, int other)
{
    eval_test t = {.p = NAN, .corrected = NAN};
    int pairs = 0;
    for (size_t i = 0; other >= 0 && arm != other && i < c->r->done; i++) {
        eval_state a = cell_of(c->r, i, arm)->state, b = cell_of(c->r, i, other)->state;
        if (!counts(c, i) || a == EVAL_UNDEFINED || b == EVAL_UNDEFINED)
            continue;
        pairs++;
        t.gained += a == EVAL_RIGHT && b == EVAL_WRONG;
        t.lost += a == EVAL_WRONG && b == EVAL_RIGHT;
    }
    if (pairs)
        t.p = t.corrected = eval_mcnemar(t.gained, t.lost);
    return t;
}

/* Share of items on which two arms say the same. */
static double agreement(const count *c, int arm, int other)
{
    int pairs = 0, same = 0;
    for (size_t i = 0; other >= 0 && i < c->r->done; i++) {
        const eval_cell *a = cell_of(c->r, i, arm), *b = cell_of(c->r, i, other);
        if (!counts(c, i) || a->state == EVAL_UNDEFINED || b->state == EVAL_UNDEFINED)
            continue;
        pairs++;
        same += a->value == b->value;
    }
    return pairs ? (double)same / pairs : NAN;
}

static double personas_agree(const count *c)
{
    const eval_arms *arms = c->r->arms;
    double sum = 0;
    int pairs = 0;
    for (int a = 0; a < arms->count; a++) {
        for (int b = 0; b < a; b++) {
            double one = arms->v[a].kind == EVAL_PERSONA && arms->v[b].kind == EVAL_PERSONA
                             ? agreement(c, a, b)
                             : NAN;
            if (!isnan(one)) {
                sum += one;
                pairs++;
            }
        }
    }
    return pairs ? sum / pairs : NAN;
}

static int right_of(const eval_results *r, int arm, bool dev_only, const count *c)
{
    int right = 0;
    for (size_t i = 0; i < r->done; i++)
        if ((dev_only ? r->set->v[r->plan[i]].development : counts(c, i)) &&
            cell_of(r, i, arm)->state == EVAL_RIGHT)
            right++;
    return right;
}

/* The persona with the most right answers; the first of equals. */
static int best_persona(const count *c, bool dev_only)
{
    int best = -1, most = -1;
    for (int a = 0; a < c->r->arms->count; a++) {
        int right = c->r->arms->v[a].kind == EVAL_PERSONA ? right_of(c->r, a, dev_only, c) : -1;
        if (right > most) {
            most = right;
            best = a;
        }
    }
    return best;
}

static bool has_development(const count *c, bool counted)
{
    for (size_t i = 0; i < c->r->done; i++)
        if (c->r->set->v[c->r->plan[i]].development && counts(c, i) == counted)
            return true;
    return false;
}

/* Holm over all tests of the table. */
static void correct(eval_figures *f, int arms)
{
    double p[2 * EVAL_ARMS];
    for (int a = 0; a < arms; a++) {
        p[2 * a] = f->rows[a].against_control.p;
        p[2 * a + 1] = f->rows[a].against_best.p;
    }
    eval_holm(p, 2 * arms);
    for (int a = 0; a < arms; a++) {
        f->rows[a].against_control.corrected = p[2 * a];
        f->rows[a].against_best.corrected = p[2 * a + 1];
    }
}

void eval_results_count(const eval_results *r, eval_wanted *wanted, const void *user, int best,
                        eval_figures *out)
{
    count c = {r, wanted, user, out};
    int control = control_arm(r);
    *out = (eval_figures){.best = best};
    out->best_by_dev = best < 0 && has_development(&c, false) && !has_development(&c, true);
    if (best < 0)
        out->best = best_persona(&c, out->best_by_dev);
    for (int a = 0; a < r->arms->count; a++) {
        count_row(&c, a);
        out->rows[a].against_control = compare(&c, a, control);
        out->rows[a].against_best = compare(&c, a, out->best);
        out->rows[a].agreement = agreement(&c, a, control);
    }
    count_bounds(&c);
    out->agreement = personas_agree(&c);
    correct(out, r->arms->count);
}
