/* compare_tally.c - see compare_tally.h. */
#include "compare_tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../transcripts/statistics.h"

enum { RESAMPLES = 1000, GRAM = 4 };

/* ---- samples ----------------------------------------------------------------------------------- */

static int compare_grams(const void *a, const void *b)
{
    return memcmp(a, b, GRAM * sizeof(int));
}

/* Sorted, equal stretches stand together: all but the first of each are repetitions. */
static double repeated(const turn_ids *ids, error *err)
{
    size_t n = ids->len >= GRAM ? ids->len - GRAM + 1 : 0, again = 0;
    int *grams = n ? malloc(n * GRAM * sizeof *grams) : NULL;
    if (n && !grams) {
        error_memory(err, "a comparison");
        return NAN;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(grams + i * GRAM, ids->v + i, GRAM * sizeof *grams);
    if (n)
        qsort(grams, n, GRAM * sizeof *grams, compare_grams);
    for (size_t i = 1; i < n; i++)
        again += compare_grams(grams + i * GRAM, grams + (i - 1) * GRAM) == 0;
    free(grams);
    return n ? (double)again / (double)n : 0;
}

int compare_sample_take(const compare_item *item, const compare_result *r, region *memory,
                        compare_sample *out, error *err)
{
    for (int i = 0; i < r->count; i++) {
        const turn_answer *a = &r->answers[i];
        const char *text = region_keep(memory, a->text.v, a->text.len, err);
        out[i] = (compare_sample){.stop = a->stop,
                                  .tokens = (int)a->ids.len,
                                  .prompt_tokens = a->prompt_tokens,
                                  .experts = r->experts[i],
                                  .seconds = a->seconds,
                                  .loss = r->loss[i * r->count + i],
                                  .foreign = compare_foreign_loss(r, i),
                                  .kl = r->kl[i],
                                  .repeated = repeated(&a->ids, err),
                                  .built = structure_of(a->text.v, a->text.len),
                                  .facts = item ? item->fact_count : 0,
                                  .bytes = r->bytes[i],
                                  .text = {text, a->text.len},
                                  .failure = region_keep_text(memory, a->failure, err)};
        if (!text || isnan(out[i].repeated) || (a->failure && !out[i].failure))
            return -1;
        if (item && compare_recall(item, a->text.v, a->text.len, &out[i].found, err))
            return -1;
    }
    return 0;
}

/* ---- figures ----------------------------------------------------------------------------------- */

static void close_share(compare_share *s)
{
    statistics_interval((statistics_rate){(size_t)s->n, (size_t)s->of}, &s->low, &s->high);
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* v [n] without those that are not known. */
static int mean_of(const double *v, int n, compare_mean *out, error *err)
{
    compare_mean m = {.value = NAN, .low = NAN, .high = NAN};
    double *means = malloc(RESAMPLES * sizeof *means), *known = malloc(((size_t)n + 1) * sizeof *v);
    double sum = 0;
    int result = means && known ? 0 : error_memory(err, "a comparison");
    for (int i = 0; !result && i < n; i++)
        if (!isnan(v[i])) {
            known[m.n++] = v[i];
            sum += v[i];
        }
    if (m.n)
        m.value = m.low = m.high = sum / m.n;
    for (int k = 0; m.n > 1 && k < RESAMPLES; k++) {
        means[k] = 0;
        for (int i = 0; i < m.n; i++)
            means[k] += known[(int)(keyed_uniform(1, "compare", (uint64_t)k, (uint32_t)i) * m.n)];
        means[k] /= m.n;
    }
    if (m.n > 1) {
        qsort(means, RESAMPLES, sizeof *means, by_size);
        m.low = means[RESAMPLES * 25 / 1000];
        m.high = means[RESAMPLES * 975 / 1000 - 1];
    }
    free(known);
    free(means);
    *out = m;
    return result;
}

typedef double value_fn(const compare_sample *s);
static double time_to_finish(const compare_sample *s)
{
    return s->stop == STOP_END ? s->seconds : NAN;
}
static double token_count(const compare_sample *s)
{
    return s->tokens;
}
static double depth_of(const compare_sample *s)
{
    return s->built.depth;
}
static double links_of(const compare_sample *s)
{
    return s->built.sentences ? (double)s->built.links / s->built.sentences : NAN;
}
static double repeated_of(const compare_sample *s)
{
    return s->repeated;
}
static double loss_of(const compare_sample *s)
{
    return s->loss;
}
static double foreign_of(const compare_sample *s)
{
    return s->foreign;
}
static double kl_of(const compare_sample *s)
{
    return s->kl;
}
static double experts_of(const compare_sample *s)
{
    return s->experts;
}

static void count_shares(const compare_sample *const *v, int n, compare_figures *f)
{
    for (int i = 0; i < n; i++) {
        const compare_sample *s = v[i];
        f->finished.n += s->stop == STOP_END;
        f->loops.n += s->stop == STOP_LOOP;
        f->cut.n += s->stop == STOP_LENGTH;
        f->failed.n += s->stop == STOP_ERROR;
        f->recall.n += s->found;
        f->recall.of += s->facts;
        f->bytes = s->bytes > f->bytes ? s->bytes : f->bytes;
    }
    f->answers = n - f->failed.n;
    f->finished.of = f->loops.of = f->cut.of = f->failed.of = n;
    close_share(&f->finished);
    close_share(&f->loops);
    close_share(&f->cut);
    close_share(&f->failed);
    close_share(&f->recall);
}

int compare_tally(const compare_set *set, const compare_sample *samples, int count, int columns,
                  int column, const char *level, compare_figures *out, error *err)
{
    compare_figures f = {0};
    const struct {
        value_fn *of;
        compare_mean *to;
    } means[] = {{time_to_finish, &f.seconds}, {token_count, &f.tokens},
                 {depth_of, &f.depth},         {links_of, &f.links},
                 {repeated_of, &f.repeated},   {loss_of, &f.loss},
                 {foreign_of, &f.foreign},     {kl_of, &f.kl},
                 {experts_of, &f.experts}};
    const compare_sample **v = malloc(((size_t)count + 1) * sizeof *v);
    double *values = malloc(((size_t)count + 1) * sizeof *values);
    int n = 0, result = v && values ? 0 : error_memory(err, "a comparison");
    for (int i = 0; !result && i < count; i++)
        if (!level || strcmp(set->v[i].level, level) == 0)
            v[n++] = &samples[i * columns + column];
    count_shares(v, n, &f);
    for (size_t k = 0; !result && k < sizeof means / sizeof *means; k++) {
        for (int i = 0; i < n; i++)
            values[i] = v[i]->stop == STOP_ERROR ? NAN : means[k].of(v[i]);
        result = mean_of(values, n, means[k].to, err);
    }
    free(values);
    free(v);
    *out = f;
    return result;
}

int compare_levels(const compare_set *set, int count, const char **out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        bool there = false;
        for (int k = 0; k < n; k++)
            there = there || strcmp(out[k], set->v[i].level) == 0;
        if (!there && n < COMPARE_LEVELS)
            out[n++] = set->v[i].level;
    }
    return n;
}
