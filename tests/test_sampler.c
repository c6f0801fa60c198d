/* test_sampler.c - the sampler against an oracle that sorts everything, uses libm's exp and adds
 * doubles; against its own plain form (sorting_sampler.h), which it must equal on every ISA level, to
 * the last case; known answers for the random numbers; the shape of many draws.
 *
 * The oracle's weights differ from the sampler's by 2^-43 of the largest, so the two could only
 * disagree if a random number fell that close to a border; all seeds are fixed, none does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/run/philox.h"
#include "../engine/run/sampler.h"
#include "op_support.h"
#include "sorting_sampler.h"

/* ---- helpers ------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static double next_normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(next_random(state) >> 11) * 0x1p-53;
    return sum;
}

/* The fastest there is. */
static backend *fastest(void **state)
{
    const lab *l = *state;
    int level = LAB_LEVELS - 1;
    while (!l->backends[level][0])
        level--;
    return l->backends[level][0];
}

static int pick(backend *b, const sampling *s, const float *logits, int n, uint64_t position)
{
    error err = {0};
    sampler *p = sampler_open(b, s, "coder", n, &err);
    assert_non_null(p);
    int id = -1;
    assert_int_equal(sampler_pick(p, logits, NULL, 0, position, NULL, &id, &err), 0);
    sampler_close(p);
    return id;
}

/* ---- the oracle ---------------------------------------------------------------------------- */

typedef struct ranked {
    double logit;
    int id;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static double penalty_of(const sampling *s, double logit, const int *history, size_t n, int id)
{
    int times = 0;
    for (size_t i = 0; i < n; i++)
        times += history[i] == id;
    if (times == 0)
        return logit;
    logit = logit > 0 ? logit / s->repeat_penalty : logit * s->repeat_penalty;
    return logit - s->presence_penalty - s->frequency_penalty * times;
}

static int oracle(const sampling *s, const float *logits, int n, const int *history,
                  size_t history_len, uint64_t position, const uint8_t *banned)
{
    ranked *v = calloc((size_t)n, sizeof *v);
    double *weight = calloc((size_t)n, sizeof *weight);
    assert_true(v && weight);
    for (int i = 0; i < n; i++) {
        double l = penalty_of(s, (double)logits[i], history, history_len, i);
        v[i] = (ranked){banned && banned[i] ? -INFINITY : l, i};
    }
    qsort(v, (size_t)n, sizeof *v, by_rank);
    int kept = s->top_k && s->top_k < n ? s->top_k : n;
    double total = 0;
    for (int i = 0; i < kept; i++)
        total += weight[i] = exp((v[i].logit - v[0].logit) / s->temperature);
    double nucleus = 0;
    for (int i = 0; i < kept; i++) {
        nucleus += weight[i];
        if (s->top_p < 1 && nucleus >= s->top_p * total)
            kept = i + 1;
    }
    while (kept > 1 && weight[kept - 1] < s->min_p)
        kept--;
    total = 0;
    for (int i = 0; i < kept; i++)
        total += weight[i];
    double left = keyed_uniform(s->seed, "coder", position, 0) * total;
    int at = 0;
    for (; at < kept - 1 && left >= weight[at]; at++)
        left -= weight[at];
    int id = v[at].id;
    free(v);
    free(weight);
    return id;
}

/* Logits with the habits of real ones and of bad days: spread out, tied, or mostly impossible. */
static void make_logits(float *logits, int n, int kind, uint64_t *random)
{
    for (int i = 0; i < n; i++) {
        double x = 3 * next_normal(random);
        if (kind == 1)
            x = floor(x); /* many ties */
        if (kind == 2 && next_random(random) % 3)
            x = -INFINITY;
        if (kind == 3)
            x *= 40; /* a few take all */
        logits[i] = (float)x;
    }
    logits[next_random(random) % (uint64_t)n] = 5.0f;
}

static void agree(backend *b, const sampling *s, int n, int kind, uint64_t *random, int steps)
{
    float *logits = malloc((size_t)n * sizeof *logits);
    uint8_t *banned = calloc((size_t)n, 1);
    int history[40];
    assert_true(logits && banned);
    error err = {0};
    sampler *p = sampler_open(b, s, "coder", n, &err);
    assert_non_null(p);
    for (int step = 0; step < steps; step++) {
        make_logits(logits, n, kind, random);
        for (size_t i = 0; i < 40; i++)
            history[i] = (int)(next_random(random) % (uint64_t)n);
        memset(banned, 0, (size_t)n);
        for (int i = 0; i < n / 4; i++)
            banned[next_random(random) % (uint64_t)n] = 1;
        int id = -1;
        uint64_t position = (uint64_t)step + ((uint64_t)step << 33);
        if (sampler_pick(p, logits, history, 40, position, banned, &id, &err)) {
            for (int i = 0; i < n; i++)
                assert_true(banned[i] || logits[i] == -INFINITY);
            continue;
        }
        assert_int_equal(id, oracle(s, logits, n, history, 40, position, banned));
    }
    sampler_close(p);
    free(logits);
    free(banned);
}

static void equals_the_oracle(void **state)
{
    const int sizes[] = {1, 2, 3, 17, 64, 65, 300, 3000};
    uint64_t random = 1;
    for (int round = 0; round < 400; round++) {
        sampling s = sampling_defaults();
        const double temperatures[] = {0.05, 0.7, 1, 3, 100}, top_ps[] = {1, 0.95, 0.5, 0.01};
        const double min_ps[] = {0, 0.05, 0.5, 1};
        const int top_ks[] = {0, 0, 1, 2, 40, 1000000};
        s.temperature = temperatures[next_random(&random) % 5];
        s.top_p = top_ps[next_random(&random) % 4];
        s.min_p = min_ps[next_random(&random) % 4];
        s.top_k = top_ks[next_random(&random) % 6];
        if (next_random(&random) % 2) {
            s.repeat_penalty = 1.3;
            s.presence_penalty = 0.4;
            s.frequency_penalty = -0.2;
        }
        s.seed = next_random(&random) >> 11;
        agree(fastest(state), &s, sizes[round % 8], (round / 8) % 4, &random, 5);
    }
}

static void equals_the_oracle_on_a_large_vocabulary(void **state)
{
    uint64_t random = 2;
    sampling s = sampling_defaults();
    agree(fastest(state), &s, 151936, 0, &random, 3);
    s.top_k = 20;
    agree(fastest(state), &s, 151936, 1, &random, 3);
    s = (sampling){.temperature = 50, .top_p = 1, .repeat_penalty = 1, .seed = 9};
    agree(fastest(state), &s, 151936, 1, &random, 1);
}

/* ---- the plain form ------------------------------------------------------------------------ */

enum { HISTORY = 24 };

/* What one choice is made from. */
typedef struct choice {
    sampling s;
    float *logits;   /* [n] */
    uint8_t *banned; /* [n] or NULL */
    int history[HISTORY];
    int n;
    uint64_t position;
} choice;

static void same_choice(const lab *l, const choice *c)
{
    error want = {0}, got = {0};
    int wanted = -1, id = -1;
    uint64_t bits = (uint64_t)(keyed_uniform(c->s.seed, "coder", c->position, 0) * 0x1p53);
    int expected = sorting_sampler(&c->s, c->n, c->logits, c->history, HISTORY, bits, c->banned,
                                   &wanted, &want);
    for (int level = 0; level < LAB_LEVELS; level++) {
        backend *b = l->backends[level][0];
        if (!b)
            continue;
        sampler *p = sampler_open(b, &c->s, "coder", c->n, &got);
        assert_non_null(p);
        assert_int_equal(
            sampler_pick(p, c->logits, c->history, HISTORY, c->position, c->banned, &id, &got),
            expected);
        if (expected)
            assert_string_equal(got.text, want.text);
        else
            assert_int_equal(id, wanted);
        sampler_close(p);
    }
}

static double one_of(const double *v, size_t n, uint64_t *random)
{
    return v[next_random(random) % n];
}

static sampling random_sampling(uint64_t *random)
{
    const double temperatures[] = {0, 1e-300, 1e-3, 0.05, 0.6, 0.7, 1, 3, 100};
    const double top_ps[] = {1, 1, 0.999999, 0.95, 0.95, 0.5, 0.01, 1e-18};
    const double min_ps[] = {0, 0, 0, 1e-12, 1e-6, 0.05, 0.5, 1};
    const int top_ks[] = {0, 0, 0, 1, 2, 20, 40, 100, 1000, 1000000};
    sampling s = sampling_defaults();
    s.temperature = one_of(temperatures, 9, random);
    s.top_p = one_of(top_ps, 8, random);
    s.min_p = one_of(min_ps, 8, random);
    s.top_k = top_ks[next_random(random) % 10];
    s.seed = next_random(random) >> 11;
    if (next_random(random) % 3 == 0) {
        s.repeat_penalty = next_random(random) % 2 ? 1.3 : 0.01;
        s.presence_penalty = next_random(random) % 2 ? 0.4 : -100;
        s.frequency_penalty = next_random(random) % 2 ? -0.2 : 100;
    }
    return s;
}

/* Every habit of make_logits(), and more: all equal; far from zero; a flat row whose order is decided
 * by last bits; huge; nothing but -infinity; now and then NaN or +infinity. */
static void random_choice(choice *c, int kind, uint64_t *random)
{
    c->s = random_sampling(random);
    c->position = next_random(random) >> 20;
    make_logits(c->logits, c->n, kind, random);
    const double offset[] = {0, 1e4, -3e4}, scale[] = {0, 1e-5, 0.1};
    for (int i = 0; i < c->n && kind > 3; i++) {
        double x = (double)c->logits[i];
        if (kind < 7)
            x = scale[kind - 4] * x + offset[next_random(random) % 1000 ? 0 : kind - 4];
        else
            x = kind == 7 ? x * 1e37 : x + offset[kind % 3];
        c->logits[i] = kind == 10 ? -INFINITY : (float)x;
    }
    size_t at = next_random(random) % (uint64_t)c->n;
    if (next_random(random) % 40 == 0)
        c->logits[at] = next_random(random) % 2 ? NAN : INFINITY;
    for (int i = 0; i < HISTORY; i++)
        c->history[i] = (int)(next_random(random) % (uint64_t)(c->n + 2)) - 1;
    if (next_random(random) % 2) /* it has said the best */
        for (int i = 0; i < c->n; i++)
            if (c->logits[i] > c->logits[c->history[0] < 0 ? 0 : c->history[0] % c->n])
                c->history[0] = c->history[3] = i;
    for (int i = 0; c->banned && i < c->n; i++)
        c->banned[i] = next_random(random) % 3 == 0;
}

static void equals_its_plain_form(void **state)
{
    const int sizes[] = {1, 2, 3, 17, 64, 65, 300, 3000};
    uint64_t random = 3;
    for (int round = 0; round < 6000; round++) {
        choice c = {.n = sizes[round % 8]};
        uint8_t banned[3000];
        float logits[3000];
        c.logits = logits;
        c.banned = next_random(&random) % 4 ? NULL : banned;
        random_choice(&c, round / 8 % 11, &random);
        same_choice(*state, &c);
    }
}

static void equals_its_plain_form_on_a_large_vocabulary(void **state)
{
    uint64_t random = 4;
    choice c = {.n = 151936};
    c.logits = malloc((size_t)c.n * sizeof *c.logits);
    assert_non_null(c.logits);
    for (int round = 0; round < (getenv("SANITIZED") ? 8 : 44); round++) {
        random_choice(&c, round % 11, &random);
        same_choice(*state, &c);
    }
    free(c.logits);
}

/* Several rows at once: each as it would be alone. */
static void rows_do_not_touch_each_other(void **state)
{
    enum { ROWS = 5, N = 20000 };
    const lab *l = *state;
    uint64_t random = 5;
    float *logits = malloc(ROWS * N * sizeof *logits);
    assert_non_null(logits);
    for (int level = 0; level < LAB_LEVELS; level++)
        for (int t = 0; t < LAB_THREADS; t++) {
            backend *b = l->backends[level][t];
            if (!b)
                continue;
            sampler *s[ROWS];
            sample_row rows[ROWS];
            int alone[ROWS];
            error err = {0};
            for (int i = 0; i < ROWS; i++) {
                sampling wanted = sampling_defaults();
                wanted.top_k = i == 2 ? 40 : 0;
                wanted.frequency_penalty = i == 3 ? 0.5 : 0;
                wanted.temperature = i == 4 ? 0 : 0.9;
                s[i] = sampler_open(b, &wanted, "coder", N, &err);
                assert_non_null(s[i]);
                const int history[2] = {i, 7};
                make_logits(logits + i * N, N, i == 1 ? 1 : 0, &random);
                assert_int_equal(
                    sampler_pick(s[i], logits + i * N, history, 2, 9, NULL, &alone[i], &err), 0);
                rows[i] = sampler_row(s[i], logits + i * N, history, 2, 9, NULL);
                rows[i].vocabulary = i % 2 ? N : 0;
            }
            backend_sample(b, rows, ROWS);
            for (int i = 0; i < ROWS; i++) {
                int id = -1;
                assert_int_equal(sampler_result(&rows[i], &id, &err), 0);
                assert_int_equal(id, alone[i]);
                if (i % 2)
                    assert_true(rows[i].logprob == backend_logprob(b, logits + i * N, N, id));
                sampler_close(s[i]);
            }
        }
    free(logits);
}

/* ---- random numbers ------------------------------------------------------------------------ */

/* The known answers for philox4x32-10 published with Random123. */
static void philox_known_answers(void **state)
{
    (void)state;
    const uint32_t known[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        philox4x32(known[i], known[i] + 4, out);
        assert_memory_equal(out, known[i] + 6, sizeof out);
    }
}

static void every_part_of_the_key_counts(void **state)
{
    (void)state;
    const double u[] = {
        keyed_uniform(1, "coder", 7, 0),
        keyed_uniform(2, "coder", 7, 0),
        keyed_uniform(1ull << 40, "coder", 7, 0),
        keyed_uniform(1, "critic", 7, 0),
        keyed_uniform(1, "", 7, 0),
        keyed_uniform(1, "coder", 8, 0),
        keyed_uniform(1, "coder", 7 + (1ull << 32), 0),
        keyed_uniform(1, "coder", 7, 1),
    };
    for (size_t i = 0; i < sizeof u / sizeof *u; i++) {
        assert_true(u[i] >= 0 && u[i] < 1);
        for (size_t j = 0; j < i; j++)
            assert_true(u[i] != u[j]);
    }
    assert_true(keyed_uniform(1, "coder", 7, 0) == u[0]);
}

/* chi^2 with 4 degrees of freedom stays under 18.5 with probability 0.999. */
static void draws_have_the_right_shape(void **state)
{
    enum { N = 5, DRAWS = 20000 };
    const double p[N] = {0.5, 0.25, 0.15, 0.07, 0.03};
    float logits[N];
    int seen[N] = {0};
    for (int i = 0; i < N; i++)
        logits[i] = (float)log(p[i]);
    sampling s = {.temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 77};
    for (int i = 0; i < DRAWS; i++)
        seen[pick(fastest(state), &s, logits, N, (uint64_t)i)]++;
    double chi2 = 0;
    for (int i = 0; i < N; i++)
        chi2 += (seen[i] - p[i] * DRAWS) * (seen[i] - p[i] * DRAWS) / (p[i] * DRAWS);
    assert_true(chi2 < 18.5);
}

/* ---- single rules -------------------------------------------------------------------------- */

static void greedy_takes_the_lowest_of_equals(void **state)
{
    const float logits[] = {-1, 4, 3, 4, -INFINITY};
    sampling s = sampling_defaults();
    s.temperature = 0;
    assert_int_equal(pick(fastest(state), &s, logits, 5, 0), 1);
    s.temperature = 1e-300; /* as good as greedy, but the two equals share */
    int seen[5] = {0};
    for (uint64_t i = 0; i < 64; i++)
        seen[pick(fastest(state), &s, logits, 5, i)]++;
    assert_true(seen[1] > 10 && seen[3] > 10);
    assert_int_equal(seen[1] + seen[3], 64);
}

static void nucleus_includes_the_token_that_reaches_it(void **state)
{
    const float logits[] = {0, 0, 0, 0}; /* a quarter each */
    sampling s = {.temperature = 1, .top_p = 0.5, .repeat_penalty = 1};
    int seen[4] = {0};
    for (uint64_t i = 0; i < 200; i++)
        seen[pick(fastest(state), &s, logits, 4, i)]++;
    assert_true(seen[0] && seen[1] && !seen[2] && !seen[3]);
    s.top_p = 0.51;
    for (uint64_t i = 0; i < 200; i++)
        seen[pick(fastest(state), &s, logits, 4, i)]++;
    assert_true(seen[2] && !seen[3]);
}

/* With the other numbers equal, the penalised order decides. */
static void penalties_act_on_the_history(void **state)
{
    const float logits[] = {2.0f, 1.9f, -1.0f, 1.8f};
    const int history[] = {0, 1, 1, 99, -3}; /* ids outside are ignored */
    float before[4];
    memcpy(before, logits, sizeof before);
    sampling s = sampling_defaults();
    s.temperature = 0;
    error err;
    const struct {
        double repeat, presence, frequency;
        int want;
    } cases[] = {
        {1, 0, 0, 0},    {1.3, 0, 0, 3},  {1, 0.15, 0, 0},
        {1, 0.25, 0, 3}, {1, 0, 0.15, 0}, {1, 0, -1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s.repeat_penalty = cases[i].repeat;
        s.presence_penalty = cases[i].presence;
        s.frequency_penalty = cases[i].frequency;
        sampler *p = sampler_open(fastest(state), &s, "x", 4, &err);
        int id = -1;
        for (int again = 0; again < 2; again++) { /* nothing is left over from the first call */
            assert_int_equal(sampler_pick(p, logits, history, 5, 0, NULL, &id, &err), 0);
            assert_int_equal(id, cases[i].want);
        }
        sampler_close(p);
    }
    assert_memory_equal(logits, before, sizeof before);
}

static void broken_logits_are_errors(void **state)
{
    const uint8_t all[] = {1, 1, 1}, last[] = {0, 0, 1};
    const struct {
        float logits[4];
        const uint8_t *banned;
        const char *want;
    } cases[] = {
        {{0, NAN, 0, 0}, NULL, "token 1 is not a number"},
        {{0, 0, INFINITY, 0}, last, "token 2 is infinite"},
        {{0, 0, 0, 0}, all, "every one is banned"},
        {{-INFINITY, -INFINITY, 1, 0}, last, "every one is banned"},
        {{0, 0, 0, NAN}, NULL, NULL}, /* padding: not looked at */
    };
    sampling s = sampling_defaults();
    for (int greedy = 0; greedy < 2; greedy++) {
        s.temperature = greedy ? 0 : 1;
        error err = {0};
        sampler *p = sampler_open(fastest(state), &s, "x", 3, &err);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            int id = -1;
            int rc = sampler_pick(p, cases[i].logits, NULL, 0, 0, cases[i].banned, &id, &err);
            assert_int_equal(rc, cases[i].want ? -1 : 0);
            if (cases[i].want) {
                assert_int_equal(err.code, ERROR_RUN);
                assert_non_null(strstr(err.text, cases[i].want));
            } else {
                assert_in_range(id, 0, 2);
            }
        }
        sampler_close(p);
    }
}

static void settings_out_of_range_are_named(void **state)
{
    error err = {0};
    const sampling good = sampling_defaults();
    assert_int_equal(sampling_check(&good, &err), 0);
    struct {
        sampling s;
        const char *field;
    } cases[12];
    size_t n = 0;
#define BAD(member, value, text)                                                                   \
    do {                                                                                           \
        cases[n].s = good;                                                                         \
        cases[n].s.member = value;                                                                 \
        cases[n++].field = text;                                                                   \
    } while (0)
    BAD(temperature, -0.1, "temperature");
    BAD(temperature, NAN, "temperature");
    BAD(temperature, INFINITY, "temperature");
    BAD(top_p, 0, "top-p");
    BAD(top_p, 1.01, "top-p");
    BAD(min_p, -1, "min-p");
    BAD(min_p, 1.5, "min-p");
    BAD(top_k, -1, "top-k");
    BAD(repeat_penalty, 0, "repeat-penalty");
    BAD(presence_penalty, NAN, "presence-penalty");
    BAD(frequency_penalty, 1000, "frequency-penalty");
    BAD(seed, 1ull << 53, "seed");
#undef BAD
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sampling_check(&cases[i].s, &err), -1);
        assert_int_equal(err.code, ERROR_USAGE);
        assert_memory_equal(err.text, cases[i].field, strlen(cases[i].field));
        assert_null(sampler_open(fastest(state), &cases[i].s, "x", 3, &err));
    }
    assert_null(sampler_open(fastest(state), &good, "x", 0, &err));
    sampler_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(every_part_of_the_key_counts),
        cmocka_unit_test(draws_have_the_right_shape),
        cmocka_unit_test(greedy_takes_the_lowest_of_equals),
        cmocka_unit_test(nucleus_includes_the_token_that_reaches_it),
        cmocka_unit_test(penalties_act_on_the_history),
        cmocka_unit_test(broken_logits_are_errors),
        cmocka_unit_test(settings_out_of_range_are_named),
        cmocka_unit_test(equals_the_oracle),
        cmocka_unit_test(equals_the_oracle_on_a_large_vocabulary),
        cmocka_unit_test(equals_its_plain_form),
        cmocka_unit_test(equals_its_plain_form_on_a_large_vocabulary),
        cmocka_unit_test(rows_do_not_touch_each_other),
    };
    return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
