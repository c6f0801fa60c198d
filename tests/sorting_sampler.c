/* sorting_sampler.c - see sorting_sampler.h.
 *
 * Sorting is lazy. One pass puts each candidate into a bucket by its distance from the best one;
 * nth() then collects and sorts whole buckets from the front, as far as the filters look. Buckets
 * never overlap in logit (subtraction, division and truncation are monotone), so sorted blocks
 * follow each other.
 */
#include "sorting_sampler.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WEIGHT_BITS = 42,
    REACH = 30, /* nats below the best: exp(-30) * 2^42 rounds to 0 */
    BUCKETS_PER_NAT = 8,
    BUCKETS = REACH * BUCKETS_PER_NAT,
    OUT_OF_REACH = 255,
    FIRST_BLOCK = 64, /* candidates sorted at first, at least */
};
static_assert(BUCKETS < OUT_OF_REACH, "a bucket number must fit a byte");

typedef struct candidate {
    double logit;
    uint64_t weight;
    int id;
} candidate;

typedef struct sampler_state {
    sampling s;
    size_t candidates;
    double *logit;                    /* [candidates] penalised; -inf = never */
    uint32_t *count;                  /* [candidates] times in the history; all 0 between calls */
    uint8_t *bucket;                  /* [candidates] */
    candidate *order;                 /* [candidates] the first `sorted` are in order */
    size_t members[OUT_OF_REACH + 1]; /* candidates in each bucket */
    size_t live;                      /* candidates in reach */
    size_t sorted;
    int next_bucket; /* the first that is not yet in order */
    double best;     /* the largest penalised logit */
} sampler_state;

/* ---- logits -------------------------------------------------------------------------------- */

/* s->logit = logits of what may be said. A number that is not finite means that the forward pass
 * went wrong, banned or not; -inf alone is a way to say "never". */
static int load_logits(sampler_state *s, const float *logits, const uint8_t *banned, error *err)
{
    for (size_t i = 0; i < s->candidates; i++) {
        if (!(logits[i] < INFINITY))
            return error_set(err, ERROR_RUN, "the logit of token %zu is %s", i,
                             isnan(logits[i]) ? "not a number" : "infinite");
        s->logit[i] = banned && banned[i] ? -INFINITY : (double)logits[i];
    }
    return 0;
}

/* Repetition as in CTRL (Keskar et al., 2019): towards less likely on either side of zero; then
 * presence and frequency as in the OpenAI API. */
static double penalised(const sampling *p, double logit, uint32_t times)
{
    logit = logit > 0 ? logit / p->repeat_penalty : logit * p->repeat_penalty;
    return logit - p->presence_penalty - p->frequency_penalty * (double)times;
}

static bool in_vocabulary(const sampler_state *s, int id)
{
    return id >= 0 && (size_t)id < s->candidates;
}

static void penalise(sampler_state *s, const int *history, size_t n)
{
    const sampling *p = &s->s;
    if (p->repeat_penalty == 1 && p->presence_penalty == 0 && p->frequency_penalty == 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (in_vocabulary(s, history[i]))
            s->count[history[i]]++;
    for (size_t i = 0; i < n; i++) {
        int id = history[i];
        if (!in_vocabulary(s, id) || s->count[id] == 0)
            continue; /* the second time that we meet it */
        s->logit[id] = penalised(p, s->logit[id], s->count[id]);
        s->count[id] = 0;
    }
}

/* The most likely; the lowest id of equals. */
static size_t best_of(const sampler_state *s)
{
    size_t best = 0;
    for (size_t i = 1; i < s->candidates; i++)
        if (s->logit[i] > s->logit[best])
            best = i;
    return best;
}

/* ---- weights and order --------------------------------------------------------------------- */

typedef union bits {
    double number;
    uint64_t pattern;
} bits;

/* exp(-d) for 0 <= d <= REACH in units of 2^-WEIGHT_BITS. Not libm's exp, whose last bit depends on
 * its version and on the processor: 2^-n times the Taylor series on |r| <= ln(2)/2, good to 2e-16.
 * Adding 2^52 rounds a double to an integer that can be read from its low bits. */
static uint64_t weight_of(double d)
{
    static const double log2_e = 0x1.71547652b82fep+0, two52 = 0x1p52;
    static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    double shifted = d * log2_e + two52;
    double n = shifted - two52;
    double r = (n * ln2_high - d) + n * ln2_low;
    double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    double low = (1 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    double high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800)) +
                  r4 * (1.0 / 479001600 + r * (1.0 / 6227020800));
    double sum = low + r4 * middle + r8 * high;
    bits power = {.number = shifted}; /* becomes 2^(WEIGHT_BITS - n) */
    power.pattern = (1023 + WEIGHT_BITS - (power.pattern & 0xFF)) << 52;
    bits weight = {.number = sum * power.number + two52};
    return weight.pattern & ((1ull << 52) - 1);
}

/* How far below the best, in nats after the temperature; >= 0, infinite for "never". */
static double distance(const sampler_state *s, size_t id)
{
    return (s->best - s->logit[id]) / s->s.temperature;
}

/* Puts every candidate into its bucket. */
static void fill_buckets(sampler_state *s)
{
    memset(s->members, 0, sizeof s->members);
    s->live = s->sorted = 0;
    s->next_bucket = 0;
    for (size_t i = 0; i < s->candidates; i++) {
        double d = distance(s, i);
        int b = d < REACH ? (int)(d * BUCKETS_PER_NAT) : OUT_OF_REACH;
        s->bucket[i] = (uint8_t)b;
        s->members[b]++;
    }
    s->live = s->candidates - s->members[OUT_OF_REACH];
}

/* The weight of all candidates in reach. */
static uint64_t total_weight(const sampler_state *s)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->candidates; i++) {
        double d = distance(s, i);
        d = d < REACH ? d : REACH; /* weighs 0 */
        total += weight_of(d);
    }
    return total;
}

static bool before(const candidate *a, const candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

/* Heap with the last in order on top: moves v[i] down to its place. */
static void sift(candidate *v, size_t n, size_t i)
{
    candidate moved = v[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&v[child], &v[child + 1]))
            child++;
        if (!before(&moved, &v[child]))
            break;
        v[i] = v[child];
    }
    v[i] = moved;
}

/* Heapsort: in place, no worst case. (qsort may allocate.) */
static void sort(candidate *v, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(v, n, i);
    while (n > 1) {
        n--;
        candidate last = v[0];
        v[0] = v[n];
        v[n] = last;
        sift(v, n, 0);
    }
}

/* Sorts the next few buckets behind what is sorted; blocks grow, so that the scans stay few. */
static void sort_more(sampler_state *s)
{
    size_t want = s->sorted > FIRST_BLOCK ? 3 * s->sorted : FIRST_BLOCK;
    int first = s->next_bucket, end = first;
    for (size_t found = 0; end < BUCKETS && found < want; end++)
        found += s->members[end];
    candidate *block = s->order + s->sorted;
    size_t n = 0;
    for (size_t i = 0; i < s->candidates; i++)
        if (s->bucket[i] >= first && s->bucket[i] < end)
            block[n++] = (candidate){s->logit[i], weight_of(distance(s, i)), (int)i};
    sort(block, n);
    s->sorted += n;
    s->next_bucket = end;
}

/* The candidate of rank i, i < s->live. */
static const candidate *nth(sampler_state *s, size_t i)
{
    while (s->sorted <= i)
        sort_more(s);
    return &s->order[i];
}

/* ---- filters and the draw ------------------------------------------------------------------ */

/* The filters leave a front part of the order: returns its weight. */
static uint64_t kept_weight(sampler_state *s)
{
    size_t n = s->live;
    uint64_t total = 0;
    if (s->s.top_k > 0 && (size_t)s->s.top_k < n) {
        n = (size_t)s->s.top_k;
        for (size_t i = 0; i < n; i++)
            total += nth(s, i)->weight;
    } else {
        total = total_weight(s);
    }
    if (s->s.top_p == 1 && s->s.min_p == 0)
        return total;
    /* The nucleus ends with the candidate that reaches top-p (Holtzman et al., 2020). The best one
     * weighs 2^WEIGHT_BITS, so min-p relative to it is min-p of that. */
    double nucleus = s->s.top_p * (double)total;
    double least = s->s.min_p * (double)(1ull << WEIGHT_BITS);
    uint64_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t weight = nth(s, i)->weight;
        if ((double)weight < least)
            break;
        kept += weight;
        if ((double)kept >= nucleus)
            break;
    }
    return kept;
}

/* The candidate whose share of [0, kept) holds u * kept. */
static int draw(sampler_state *s, uint64_t kept, uint64_t bits53)
{
    __extension__ typedef unsigned __int128 wide;
    uint64_t target = (uint64_t)(((wide)bits53 * kept) >> 53);
    uint64_t sum = 0;
    for (size_t i = 0;; i++) {
        const candidate *c = nth(s, i);
        sum += c->weight;
        if (sum > target)
            return c->id;
    }
}

static int choose(sampler_state *s, const float *logits, const int *history, size_t n,
                  uint64_t bits53, const uint8_t *banned, int *id, error *err)
{
    if (load_logits(s, logits, banned, err))
        return -1;
    penalise(s, history, n);
    size_t best = best_of(s);
    s->best = s->logit[best];
    if (s->best == -INFINITY)
        return error_set(err, ERROR_RUN, "no token may follow: every one is banned or impossible");
    if (s->s.temperature == 0) {
        *id = (int)best;
        return 0;
    }
    fill_buckets(s);
    *id = draw(s, kept_weight(s), bits53);
    return 0;
}

int sorting_sampler(const sampling *s, int candidates, const float *logits, const int *history,
                    size_t n, uint64_t bits53, const uint8_t *banned, int *id, error *err)
{
    size_t count = (size_t)candidates;
    sampler_state state = {.s = *s, .candidates = count};
    state.logit = calloc(count, sizeof *state.logit);
    state.count = calloc(count, sizeof *state.count);
    state.bucket = malloc(count * sizeof *state.bucket);
    state.order = malloc(count * sizeof *state.order);
    if (!state.logit || !state.count || !state.bucket || !state.order)
        abort();
    int result = choose(&state, logits, history, n, bits53, banned, id, err);
    free(state.logit);
    free(state.count);
    free(state.bucket);
    free(state.order);
    return result;
}
