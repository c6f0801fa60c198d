/* eval_report.c - counting for a report, and what all its forms share. See eval_report.h. */
#include "eval_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting ---------------------------------------------------------------------------------- */

static bool in_dev(const void *user, const eval_item *item)
{
    (void)user;
    return item->development;
}

static bool in_rest(const void *user, const eval_item *item)
{
    (void)user;
    return !item->development;
}

static bool in_topic(const void *user, const eval_item *item)
{
    return strcmp(user, item->topic) == 0;
}

static void add_topic(eval_report *r, const char *topic)
{
    for (int i = 0; i < r->topic_count; i++)
        if (strcmp(r->topics[i], topic) == 0)
            return;
    if (*topic && r->topic_count < EVAL_TOPICS)
        r->topics[r->topic_count++] = topic;
}

static int find_arm(const eval_arms *arms, const char *name, error *err)
{
    for (int a = 0; a < arms->count; a++)
        if (strcmp(arms->v[a].name, name) == 0)
            return a;
    return error_set(err, ERROR_USAGE, "--against: %.64s is none of the arms", name);
}

int eval_report_count(eval_report *r, const char *against, error *err)
{
    const eval_results *found = r->results = eval_run_results(r->run);
    int best = against ? find_arm(found->arms, against, err) : -1;
    if (against && best < 0)
        return -1;
    for (size_t i = 0; i < found->done; i++)
        add_topic(r, found->set->v[found->plan[i]].topic);
    r->of_topic = calloc((size_t)r->topic_count + 1, sizeof *r->of_topic);
    if (!r->of_topic)
        return error_memory(err, "the report");
    eval_results_count(found, NULL, NULL, best, &r->all);
    eval_results_count(found, in_dev, NULL, best, &r->dev);
    eval_results_count(found, in_rest, NULL, best, &r->rest);
    for (int i = 0; i < r->topic_count; i++)
        eval_results_count(found, in_topic, r->topics[i], r->all.best, &r->of_topic[i]);
    return 0;
}

void eval_report_release(eval_report *r)
{
    free(r->of_topic);
    r->of_topic = NULL;
}

bool eval_report_has_parts(const eval_report *r)
{
    return r->dev.items && r->rest.items;
}

const char *eval_report_name(const eval_report *r, int arm, char *out)
{
    const eval_arm *a = &r->results->arms->v[arm];
    bool stands_for = a->kind == EVAL_MERGE && a->method == MERGE_AUTO;
    (void)snprintf(out, EVAL_ARM_NAME + 16, stands_for ? "%s (%s)" : "%s", a->name,
                   eval_run_method(r->run, arm));
    return out;
}

const char *eval_report_p(double p, char out[EVAL_P])
{
    (void)snprintf(out, EVAL_P, p < 0.001 ? "<0.001" : "%.3f", p);
    return out;
}

int eval_report_gap(const eval_report *r, int arm)
{
    const eval_results *found = r->results;
    int gap = 0, arms = found->arms->count;
    for (size_t i = 0; i < found->done; i++) {
        const eval_cell *cells = &found->cells[i * (size_t)arms];
        bool any = false;
        for (int a = 0; a < arms; a++)
            any = any || (found->arms->v[a].kind == EVAL_PERSONA && cells[a].state == EVAL_RIGHT);
        if (cells[arm].state != EVAL_UNDEFINED)
            gap += any - (cells[arm].state == EVAL_RIGHT);
    }
    return gap;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void put_share(json_writer *e, const char *key, const eval_share *s)
{
    json_begin_object(e, key);
    json_put_number(e, "right", s->right);
    json_put_int(e, "n", s->n);
    json_put_number(e, "share", s->n ? s->right / s->n : NAN);
    json_put_number(e, "low", s->n ? s->low : NAN);
    json_put_number(e, "high", s->n ? s->high : NAN);
    json_end(e);
}

static void put_test(json_writer *e, const char *key, const eval_test *t)
{
    if (isnan(t->p)) {
        json_put_null(e, key);
        return;
    }
    json_begin_object(e, key);
    json_put_int(e, "gained", t->gained);
    json_put_int(e, "lost", t->lost);
    json_put_number(e, "p", t->p);
    json_put_number(e, "corrected", t->corrected);
    json_end(e);
}

static void put_won(const eval_report *r, json_writer *e, const eval_figures *f, int arm)
{
    const eval_results *found = r->results;
    json_begin_object(e, "won");
    for (int k = 0; k < found->persona_count; k++)
        json_put_int(e, found->personas[k], f->won[arm][k]);
    json_end(e);
}

static void put_row(const eval_report *r, json_writer *e, const eval_figures *f, int arm)
{
    const eval_row *row = &f->rows[arm];
    const eval_arm *a = &r->results->arms->v[arm];
    static const char *const kinds[] = {"control", "persona", "merge", "consistency", "correction"};
    json_begin_object(e, NULL);
    json_put_text(e, "arm", a->name);
    json_put_text(e, "kind", kinds[a->kind]);
    put_share(e, "right", &row->share);
    put_test(e, "against_control", &row->against_control);
    put_test(e, "against_best", &row->against_best);
    json_put_number(e, "same_as_control", row->agreement);
    json_put_int(e, "tokens", row->tokens);
    json_put_int(e, "failed", row->failed);
    if (a->kind == EVAL_MERGE) {
        json_put_text(e, "method", eval_run_method(r->run, arm));
        json_put_int(e, "ties", row->ties);
        put_won(r, e, f, arm);
    }
    json_end(e);
}

static void put_figures(const eval_report *r, json_writer *e, const char *key,
                        const eval_figures *f)
{
    json_begin_object(e, key);
    json_put_int(e, "items", f->items);
    json_put_text(e, "best", f->best < 0 ? NULL : r->results->arms->v[f->best].name);
    json_put_text(e, "best_chosen_on", f->best_by_dev ? "dev" : "what is counted");
    json_begin_array(e, "arms");
    for (int a = 0; a < r->results->arms->count; a++)
        put_row(r, e, f, a);
    json_end(e);
    put_share(e, "oracle", &f->oracle);
    put_share(e, "blind", &f->blind);
    json_put_number(e, "personas_agree", f->agreement);
    json_end(e);
}

void eval_report_json(const eval_report *r, json_writer *e)
{
    const eval_results *found = r->results;
    json_begin_object(e, NULL);
    json_put_int(e, "evaluation", 1);
    json_put_text(e, "set", r->set);
    json_put_text(e, "model", r->model);
    json_put_text(e, "split", eval_split_name(r->split));
    json_put_count(e, "seed", r->seed);
    json_put_count(e, "skipped", eval_run_skipped(r->run));
    put_figures(r, e, "all", &r->all);
    if (eval_report_has_parts(r)) {
        put_figures(r, e, "dev", &r->dev);
        put_figures(r, e, "rest", &r->rest);
    }
    json_begin_object(e, "topics");
    for (int i = 0; i < r->topic_count; i++)
        put_figures(r, e, r->topics[i], &r->of_topic[i]);
    json_end(e);
    json_begin_object(e, "oracle_gap");
    for (int a = 0; a < found->arms->count; a++)
        if (found->arms->v[a].kind == EVAL_MERGE)
            json_put_int(e, found->arms->v[a].name, eval_report_gap(r, a));
    json_end(e);
    json_begin_object(e, "seconds");
    for (int a = 0; a < found->arms->count; a++)
        json_put_float(e, found->arms->v[a].name, (float)found->seconds[a]);
    json_end(e);
    json_put_text(e, "record", r->record);
    json_end(e);
}
