/* sample.c - see sample.h: from a list of candidates to the one.
 *
 * First those near the best are listed, against a total that is known to five digits; if that leaves the
 * choice open, all in reach against the exact total. Either way the list's buckets are the
 * order, coarsely: buckets never overlap in logit (subtraction, division and truncation are monotone).
 * A walk steps over whole buckets by the sum of their weights, and sorts one only where its own
 * candidates decide.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "sample.h"

enum { ALIGNMENT = 64 };

/* Where a row's memory is. */
typedef struct candidates {
    double *logit;    /* [listed] penalised */
    uint64_t *weight; /* [listed] */
    int *id;          /* [listed] */
    int *order;       /* [listed] of one bucket, sorted: places in the list */
    float *allowed;   /* [candidates] the row's logits, -inf where penalised or banned */
    uint16_t *bucket; /* [listed] */
    uint64_t *sums;   /* [SAMPLE_BUCKETS + 1] weight in each bucket */
    uint32_t *counts; /* [SAMPLE_BUCKETS + 1] members of each bucket */
    size_t listed;
    double best;    /* the largest logit */
    int limit;      /* buckets from here on are not, or not wholly, listed */
    int sorted;     /* the bucket in `order`; -1 = none */
    size_t members; /* in it */
} candidates;

/* A weight between two. */
typedef struct interval {
    uint64_t low, high;
} interval;

static const interval UNSURE = {1, 0};

static bool unsure(interval x)
{
    return x.low > x.high;
}

/* ---- memory -------------------------------------------------------------------------------- */

static size_t padded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The next part of the memory at *at; NULL memory only counts. */
static void *part(char *memory, size_t *at, size_t count, size_t size)
{
    void *p = memory ? memory + *at : NULL;
    *at += padded(count * size);
    return p;
}

static size_t lay_out(candidates *c, char *memory, size_t n)
{
    size_t at = 0;
    c->logit = part(memory, &at, n, sizeof *c->logit);
    c->weight = part(memory, &at, n, sizeof *c->weight);
    c->id = part(memory, &at, n, sizeof *c->id);
    c->order = part(memory, &at, n, sizeof *c->order);
    c->allowed = part(memory, &at, n, sizeof *c->allowed);
    c->bucket = part(memory, &at, n, sizeof *c->bucket);
    c->sums = part(memory, &at, SAMPLE_BUCKETS + 1, sizeof *c->sums);
    c->counts = part(memory, &at, SAMPLE_BUCKETS + 1, sizeof *c->counts);
    return at;
}

size_t sample_memory_bytes(size_t n)
{
    candidates c;
    return lay_out(&c, NULL, n);
}

/* ---- logits -------------------------------------------------------------------------------- */

/* Repetition as in CTRL (Keskar et al., 2019): towards less likely on either side of zero; then
 * presence and frequency as in the OpenAI API. */
static double penalised(const sample_row *row, const sample_repeat *r)
{
    double logit = (double)row->logits[r->id];
    if (row->banned && row->banned[r->id])
        logit = -INFINITY;
    logit = logit > 0 ? logit / row->repeat_penalty : logit * row->repeat_penalty;
    return logit - row->presence_penalty - row->frequency_penalty * (double)r->times;
}

/* The row's logits without what is banned or penalised: the row's own where nothing is. */
static const float *allowed_logits(const sample_row *row, candidates *c)
{
    if (!row->banned && !row->repeat_count)
        return row->logits;
    memcpy(c->allowed, row->logits, row->candidates * sizeof *c->allowed);
    for (size_t i = 0; row->banned && i < row->candidates; i++)
        if (row->banned[i])
            c->allowed[i] = -INFINITY;
    for (size_t i = 0; i < row->repeat_count; i++)
        c->allowed[row->repeats[i].id] = -INFINITY;
    return c->allowed;
}

static double best_logit(const sample_row *row, float most)
{
    double best = (double)most;
    for (size_t i = 0; i < row->repeat_count; i++) {
        double logit = penalised(row, &row->repeats[i]);
        best = logit > best ? logit : best;
    }
    return best;
}

static size_t not_finite(const sample_row *row)
{
    size_t i = 0;
    while (i < row->candidates && row->logits[i] < INFINITY)
        i++;
    return i;
}

/* ---- the list ------------------------------------------------------------------------------ */

/* Lists what is at `cut` or above, among it the penalised. */
static void list_from(const sample_kernels *k, const sample_row *row, candidates *c, const float *z,
                      double cut)
{
    float low = cut < -(double)FLT_MAX ? -INFINITY : nextafterf((float)cut, -INFINITY);
    c->listed = k->list(z, row->candidates, low, c->logit, c->id);
    size_t n = 0; /* those at -inf may have been listed: in their place stand the penalised */
    for (size_t i = 0; i < c->listed && low == -INFINITY; i++)
        if (c->logit[i] > -INFINITY) {
            c->logit[n] = c->logit[i];
            c->id[n++] = c->id[i];
        }
    if (low == -INFINITY)
        c->listed = n;
    for (size_t i = 0; i < row->repeat_count; i++) {
        double logit = penalised(row, &row->repeats[i]);
        if (!(logit >= cut) || logit == -INFINITY)
            continue;
        c->logit[c->listed] = logit;
        c->id[c->listed++] = row->repeats[i].id;
    }
}

/* The lowest id of those with the best logit. */
static int first_of_best(const sample_kernels *k, const sample_row *row, candidates *c,
                         const float *z)
{
    int id = -1;
    list_from(k, row, c, z, c->best);
    for (size_t i = 0; i < c->listed; i++)
        if (c->logit[i] == c->best && (id < 0 || c->id[i] < id))
            id = c->id[i];
    return id;
}

/* Lists what lies less than `nats` below the best. The cut errs on the side of listing too much: from
 * bucket `limit` on nothing is looked at. */
static void list_near(const sample_kernels *k, const sample_row *row, candidates *c, const float *z,
                      int nats)
{
    double below = nats * row->temperature;
    list_from(k, row, c, z, c->best - below - 1e-9 * (below + fabs(c->best)));
    c->limit = nats * SAMPLE_BUCKETS_PER_NAT;
    c->sorted = -1;
}

static void weigh_listed(const sample_kernels *k, const sample_row *row, candidates *c)
{
    k->weigh(c->logit, c->listed, c->best, row->temperature, c->weight, c->bucket);
    memset(c->sums, 0, (SAMPLE_BUCKETS + 1) * sizeof *c->sums);
    memset(c->counts, 0, (SAMPLE_BUCKETS + 1) * sizeof *c->counts);
    for (size_t i = 0; i < c->listed; i++) {
        c->sums[c->bucket[i]] += c->weight[i];
        c->counts[c->bucket[i]]++;
    }
}

/* ---- the order inside a bucket --------------------------------------------------------------- */

static bool before(const candidates *c, int a, int b)
{
    if (c->logit[a] != c->logit[b])
        return c->logit[a] > c->logit[b];
    return c->id[a] < c->id[b];
}

/* Heap with the last in order on top: moves v[i] down to its place. */
static void sift(const candidates *c, int *v, size_t n, size_t i)
{
    int moved = v[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(c, v[child], v[child + 1]))
            child++;
        if (!before(c, moved, v[child]))
            break;
        v[i] = v[child];
    }
    v[i] = moved;
}

/* Heapsort: in place, no worst case. (qsort may allocate.) Ties, listed by id, are sorted already. */
static void sort(const candidates *c, int *v, size_t n)
{
    size_t in_order = 1;
    while (in_order < n && before(c, v[in_order - 1], v[in_order]))
        in_order++;
    if (in_order >= n)
        return;
    for (size_t i = n / 2; i-- > 0;)
        sift(c, v, n, i);
    while (n > 1) {
        n--;
        int last = v[0];
        v[0] = v[n];
        v[n] = last;
        sift(c, v, n, 0);
    }
}

static void sort_bucket(candidates *c, int b)
{
    if (c->sorted == b)
        return;
    size_t n = 0, want = c->counts[b];
    for (size_t i = 0; i < c->listed && n < want; i++) {
        c->order[n] = (int)i;
        n += c->bucket[i] == b;
    }
    sort(c, c->order, n);
    c->sorted = b;
    c->members = n;
}

/* ---- filters --------------------------------------------------------------------------------- */

/* What ends the kept front part of the order. */
typedef struct filters {
    size_t k;              /* candidates, at most */
    double low, high;      /* the weight that reaches top-p lies between these */
    double least;          /* weights below it end it */
    int first_below_least; /* bucket of the first of these */
} filters;

/* The kept weight when the order is walked into bucket b; done is false when it goes on behind it. */
static interval walk_bucket(candidates *c, const filters *f, int b, uint64_t kept, size_t rank,
                            bool *done)
{
    sort_bucket(c, b);
    *done = true;
    for (size_t i = 0; i < c->members; i++, rank++) {
        uint64_t weight = c->weight[c->order[i]];
        if (rank == f->k || (double)weight < f->least)
            return (interval){kept, kept};
        kept += weight;
        if ((double)kept >= f->high)
            return (interval){kept, kept};
        if ((double)kept >= f->low)
            return UNSURE;
    }
    *done = false;
    return (interval){kept, kept};
}

/* The weight of the front part that the filters leave. */
static interval front_weight(candidates *c, const filters *f)
{
    interval kept = {0, 0};
    size_t rank = 0;
    bool done = false;
    for (int b = 0; b < c->limit && !done; b++) {
        if (!c->counts[b])
            continue;
        uint64_t with = kept.low + c->sums[b];
        if (rank + c->counts[b] <= f->k && (double)with < f->low && b < f->first_below_least)
            kept = (interval){with, with};
        else
            kept = walk_bucket(c, f, b, kept.low, rank, &done);
        rank += c->counts[b];
        done = done || rank == f->k;
    }
    return done || c->limit == SAMPLE_BUCKETS ? kept : UNSURE;
}

/* The least bucket that holds a weight below `least`. */
static int first_bucket_below(const candidates *c, double least)
{
    int first = SAMPLE_BUCKETS;
    for (size_t i = 0; least > 0 && i < c->listed; i++)
        if ((double)c->weight[i] < least && c->bucket[i] < first)
            first = c->bucket[i];
    return first;
}

/* The nucleus ends with the candidate that reaches top-p (Holtzman et al., 2020). The best one weighs
 * 2^SAMPLE_WEIGHT_BITS, so min-p relative to it is min-p of that. */
static interval kept_weight(candidates *c, const sample_row *row, interval total)
{
    filters f = {
        .k = SIZE_MAX, .low = INFINITY, .high = INFINITY, .first_below_least = SAMPLE_BUCKETS};
    if (row->top_k > 0) {
        f.k = (size_t)row->top_k;
        total = front_weight(c, &f);
    }
    if (unsure(total) || (row->top_p == 1 && row->min_p == 0))
        return total;
    f.low = row->top_p * (double)total.low;
    f.high = row->top_p * (double)total.high;
    f.least = row->min_p * (double)(1ull << SAMPLE_WEIGHT_BITS);
    f.first_below_least = first_bucket_below(c, f.least);
    return front_weight(c, &f);
}

/* ---- the draw ---------------------------------------------------------------------------------- */

static uint64_t share_of(uint64_t kept, uint64_t bits53)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)bits53 * kept) >> 53);
}

/* The candidate whose share of [0, kept) holds random * kept; -1 when that depends on which weight in
 * the interval it is, or it is not listed. */
static int draw(candidates *c, interval kept, uint64_t random)
{
    interval target = {share_of(kept.low, random), share_of(kept.high, random)};
    uint64_t sum = 0;
    for (int b = 0; b < c->limit; b++) {
        if (sum + c->sums[b] <= target.low) {
            sum += c->sums[b];
            continue;
        }
        sort_bucket(c, b);
        for (size_t i = 0; i < c->members; i++) {
            sum += c->weight[c->order[i]];
            if (sum > target.high)
                return c->id[c->order[i]];
            if (sum > target.low)
                return -1;
        }
    }
    return -1;
}

/* ---- a row ------------------------------------------------------------------------------------- */

/* The weight of all candidates, from the estimate of mass(). Its argument is off by the rounding of
 * best and rate and of two operations, that is by 2^-21 of (|best| / temperature + REACH), which as a
 * share of a term is at most twice that; the rest is what sample.h promises, and a unit for each
 * candidate that is rounded or beyond reach. Unsure where that is no help. */
static interval estimate_total(const sample_kernels *k, const sample_row *row, const candidates *c,
                               const float *z)
{
    double scaled = fabs(c->best) / row->temperature + SAMPLE_REACH;
    if (!k->mass || !(scaled < 10000) || !(row->temperature > 1e-3))
        return UNSURE;
    double unit = (double)(1ull << SAMPLE_WEIGHT_BITS), error = scaled * 0x1p-20 + 0x1p-18;
    double mass = k->mass(z, row->candidates, (float)c->best, (float)(1 / row->temperature)) * unit;
    for (size_t i = 0; i < row->repeat_count; i++)
        mass += exp((penalised(row, &row->repeats[i]) - c->best) / row->temperature) * unit;
    double slack = mass * error + 2 * (double)row->candidates;
    return (interval){(uint64_t)(mass - slack), (uint64_t)(mass + slack)};
}

static interval exact_total(const candidates *c)
{
    uint64_t total = 0;
    for (int b = 0; b < SAMPLE_BUCKETS; b++)
        total += c->sums[b];
    return (interval){total, total};
}

/* From what is less than `nats` away; -1 when that is too much or too little to be sure. */
static int pick_near(const sample_kernels *k, const sample_row *row, candidates *c, const float *z,
                     int nats)
{
    size_t some = row->top_k > 0 ? (size_t)row->top_k : 1;
    list_near(k, row, c, z, nats);
    if (c->listed < some || c->listed > row->candidates / 8 + some)
        return -1;
    interval total = row->top_k > 0 ? (interval){0, 0} : estimate_total(k, row, c, z);
    if (unsure(total))
        return -1;
    weigh_listed(k, row, c);
    interval kept = kept_weight(c, row, total);
    return unsure(kept) ? -1 : draw(c, kept, row->random);
}

static int pick_all(const sample_kernels *k, const sample_row *row, candidates *c, const float *z)
{
    list_near(k, row, c, z, SAMPLE_REACH);
    weigh_listed(k, row, c);
    return draw(c, kept_weight(c, row, exact_total(c)), row->random);
}

/* What is 8 nats away weighs less than 2^-11 of the best; but top-k of a sharp distribution reaches
 * farther, and of a flat one is near. */
static int pick(const sample_kernels *k, const sample_row *row, candidates *c, const float *z)
{
    static const int near[] = {8}, near_k[] = {2, 5, 14};
    const int *nats = row->top_k > 0 ? near_k : near;
    int id = -1, tries = row->top_k > 0 ? 3 : k->mass ? 1 : 0;
    for (int i = 0; i < tries && id < 0; i++)
        id = pick_near(k, row, c, z, nats[i]);
    return id < 0 ? pick_all(k, row, c, z) : id;
}

void sample_pick(const sample_kernels *k, sample_row *row)
{
    candidates c = {0};
    float most;
    assert(row->candidates > 0 && row->candidates <= SAMPLE_MAX_CANDIDATES);
    lay_out(&c, row->memory, row->candidates);
    row->fault = SAMPLE_OK;
    row->id = -1;
    if (!k->scan(row->logits, row->candidates, &most)) {
        row->fault = SAMPLE_NOT_FINITE;
        row->at = not_finite(row);
        row->bad = row->logits[row->at];
        return;
    }
    const float *z = allowed_logits(row, &c);
    if (z != row->logits)
        k->scan(z, row->candidates, &most);
    c.best = best_logit(row, most);
    if (c.best == -INFINITY) {
        row->fault = SAMPLE_NONE_LEFT;
        return;
    }
    if (row->temperature == 0)
        row->id = first_of_best(k, row, &c, z);
    else
        row->id = pick(k, row, &c, z);
}
