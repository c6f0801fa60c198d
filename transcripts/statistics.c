/* statistics.c - see statistics.h.
 *
 * A history is gone through turn by turn. In a turn with a pick every answer that did not fail,
 * and the merge if it said something, could have won: each is counted once as that and the one
 * picked as won, in the blind or the open column. Answers are counted for their model besides,
 * picked or not: an answer that went on counts once, with what each of its versions added. Rows
 * are found by name and made when they are first met, so that the tables keep the order of the
 * transcripts.
 */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double Z = 1.959963984540054; /* 97.5 % of the normal distribution */

static const char MERGE[] = "merge";

void statistics_interval(statistics_rate r, double *low, double *high)
{
    *low = 0;
    *high = 1;
    if (!r.could)
        return;
    double n = (double)r.could, p = (double)r.won / n, z2 = Z * Z;
    double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = Z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    if (r.won) /* exactly 0 there; rounding must not say otherwise */
        *low = middle - half;
    if (r.won < r.could)
        *high = middle + half;
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* One more zeroed item at the end of *v; NULL when memory is out. */
static void *add_row(void *v, size_t *count, size_t *cap, size_t size, error *err)
{
    if (*count == *cap) {
        size_t more = *cap ? 2 * *cap : 8;
        void *out = realloc(v, more * size);
        if (!out) {
            (void)error_memory(err, "the statistics");
            return NULL;
        }
        v = out;
        *cap = more;
    }
    memset((char *)v + *count * size, 0, size);
    ++*count;
    return v;
}

static statistics_candidate *candidate_named(statistics *s, const char *name, error *err)
{
    for (size_t i = 0; i < s->candidate_count; i++)
        if (strcmp(s->candidates[i].name, name) == 0)
            return &s->candidates[i];
    char *copy = strdup(name);
    statistics_candidate *v =
        copy ? add_row(s->candidates, &s->candidate_count, &s->candidate_cap, sizeof *v, err)
             : NULL;
    if (!v) {
        if (!copy)
            (void)error_memory(err, "the statistics");
        free(copy);
        return NULL;
    }
    s->candidates = v;
    v += s->candidate_count - 1;
    v->name = copy;
    return v;
}

static const char *file_name(const history *h)
{
    const char *slash = h->model.path ? strrchr(h->model.path, '/') : NULL;
    return slash && slash[1] ? slash + 1 : h->model.path ? h->model.path : "";
}

static statistics_model *model_of(statistics *s, const history *h, error *err)
{
    const char *fingerprint = h->model.fingerprint ? h->model.fingerprint : "";
    for (size_t i = 0; i < s->model_count; i++)
        if (strcmp(s->models[i].fingerprint, fingerprint) == 0 &&
            strcmp(s->models[i].name, file_name(h)) == 0)
            return &s->models[i];
    char *name = strdup(file_name(h)), *copy = strdup(fingerprint);
    statistics_model *v =
        name && copy ? add_row(s->models, &s->model_count, &s->model_cap, sizeof *v, err) : NULL;
    if (!v) {
        if (!name || !copy)
            (void)error_memory(err, "the statistics");
        free(name);
        free(copy);
        return NULL;
    }
    s->models = v;
    v += s->model_count - 1;
    v->name = name;
    v->fingerprint = copy;
    return v;
}

/* ---- counting ---------------------------------------------------------------------------------- */

static int count_one(statistics *s, const struct turn *t, const char *name, error *err)
{
    statistics_candidate *c = candidate_named(s, name, err);
    if (!c)
        return -1;
    statistics_rate *rate = t->blind ? &c->blind : &c->open;
    rate->could++;
    rate->won += strcmp(t->picked, name) == 0;
    return 0;
}

/* Whether the pick agrees with the vote: its winner, or the merge, which is the winner's text. */
static void count_vote(statistics *s, const struct turn *t, const turn_merge *m)
{
    if (!m->scores || !m->of || m->winner < 0 || m->winner >= m->passes)
        return;
    const char *picked = t->picked;
    s->vote.could++;
    s->vote.won += strcmp(picked, m->of[m->winner]) == 0 || strcmp(picked, MERGE) == 0;
}

/* The record of the pick that holds. */
static int record_of_pick(const struct turn *t)
{
    int n = 0;
    for (int i = 0; i < t->pick_count; i++)
        n = t->picks[i].name ? t->picks[i].n : n;
    return n;
}

static int count_pick(statistics *s, const struct turn *t, error *err)
{
    const turn_merge *m = turn_last_merge(t);
    s->picks += !t->blind;
    s->blind_picks += t->blind;
    for (int i = 0; i < t->answer_count; i++) {
        const turn_answer *a = &t->answers[i];
        if (a->next == 0 && !a->failure && count_one(s, t, a->name, err))
            return -1;
    }
    if (!m || m->failure)
        return 0;
    count_vote(s, t, m);
    return m->text.len ? count_one(s, t, MERGE, err) : 0;
}

/* One that went on counts once, with what each of its versions added; a group's is its members'. */
static void count_answer(statistics_model *m, const turn_answer *a)
{
    if (a->joined)
        return;
    size_t added = a->ids.len - (size_t)a->continued;
    m->answers += !a->continued;
    m->tokens += added;
    m->loops += a->stop == STOP_LOOP;
    m->failures += a->stop == STOP_ERROR;
    if (a->tokens_per_second > 0) {
        m->timed += added;
        m->seconds += (double)added / a->tokens_per_second;
    }
}

int statistics_add(statistics *s, const history *h, error *err)
{
    statistics_model *m = model_of(s, h, err);
    if (!m)
        return -1;
    s->transcripts++;
    s->damaged += h->damaged;
    for (int i = 0; i < h->turn_count; i++) {
        const struct turn *t = &h->turns[i];
        for (int k = 0; k < t->answer_count; k++)
            if (history_own(h, t->answers[k].n))
                count_answer(m, &t->answers[k]);
        if (t->undone)
            continue;
        s->turns += history_own(h, t->n);
        if (t->picked && history_own(h, record_of_pick(t)) && count_pick(s, t, err))
            return -1;
    }
    return 0;
}

static int by_wins(const void *a, const void *b)
{
    const statistics_candidate *x = a, *y = b;
    size_t xs = x->open.won + x->blind.won, ys = y->open.won + y->blind.won;
    return xs != ys ? (xs < ys) - (xs > ys) : strcmp(x->name, y->name);
}

void statistics_sort(statistics *s)
{
    if (s->candidate_count)
        qsort(s->candidates, s->candidate_count, sizeof *s->candidates, by_wins);
}

void statistics_release(statistics *s)
{
    for (size_t i = 0; i < s->candidate_count; i++)
        free(s->candidates[i].name);
    for (size_t i = 0; i < s->model_count; i++) {
        free(s->models[i].name);
        free(s->models[i].fingerprint);
    }
    free(s->candidates);
    free(s->models);
    *s = (statistics){0};
}
