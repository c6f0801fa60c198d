/* sampler.c - see sampler.h: settings, random numbers and the history; kernels/sample.h does the rest.
 */
#include "sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/sample.h"
#include "philox.h"

static const double MAX_SEED = 9007199254740991.0; /* 2^53 - 1, exact in JSON numbers */

enum { ALIGNMENT = 64 };

struct sampler {
    backend *backend; /* not owned */
    sampling s;
    char *name;
    size_t candidates;
    void *memory;           /* of the row: sample_memory_bytes() */
    uint32_t *count;        /* [candidates] times in the history; all 0 between calls. NULL: */
    sample_repeat *repeats; /* [candidates]                        no penalties */
};

/* ---- settings ------------------------------------------------------------------------------ */

const sampling_field sampling_fields[SAMPLING_FIELDS] = {
    {"temperature", offsetof(sampling, temperature), false},
    {"top_p", offsetof(sampling, top_p), false},
    {"top_k", offsetof(sampling, top_k), true},
    {"min_p", offsetof(sampling, min_p), false},
    {"repeat_penalty", offsetof(sampling, repeat_penalty), false},
    {"presence_penalty", offsetof(sampling, presence_penalty), false},
    {"frequency_penalty", offsetof(sampling, frequency_penalty), false},
};

double sampling_get(const sampling *s, const sampling_field *f)
{
    const void *at = (const char *)s + f->at;
    return f->whole ? *(const int *)at : *(const double *)at;
}

void sampling_put(sampling *s, const sampling_field *f, double value)
{
    void *at = (char *)s + f->at;
    if (f->whole)
        *(int *)at = (int)value;
    else
        *(double *)at = value;
}

sampling sampling_defaults(void)
{
    return (sampling){.temperature = 0.7, .top_p = 0.95, .repeat_penalty = 1.0};
}

static int out_of_range(error *err, const char *field, double value, const char *range)
{
    return error_set(err, ERROR_USAGE, "%s is %g; it must be %s", field, value, range);
}

/* Written so that NaN fails. */
static bool within(double value, double low, double high)
{
    return value >= low && value <= high;
}

int sampling_check(const sampling *s, error *err)
{
    if (!within(s->temperature, 0, 100))
        return out_of_range(err, "temperature", s->temperature, "0 to 100");
    if (!within(s->top_p, 0, 1) || s->top_p == 0)
        return out_of_range(err, "top-p", s->top_p, "above 0 and at most 1");
    if (!within(s->min_p, 0, 1))
        return out_of_range(err, "min-p", s->min_p, "0 to 1");
    if (s->top_k < 0)
        return out_of_range(err, "top-k", s->top_k, "0 (off) or more");
    if (!within(s->repeat_penalty, 0.01, 100))
        return out_of_range(err, "repeat-penalty", s->repeat_penalty, "0.01 to 100");
    if (!within(s->presence_penalty, -100, 100))
        return out_of_range(err, "presence-penalty", s->presence_penalty, "-100 to 100");
    if (!within(s->frequency_penalty, -100, 100))
        return out_of_range(err, "frequency-penalty", s->frequency_penalty, "-100 to 100");
    if ((double)s->seed > MAX_SEED)
        return out_of_range(err, "seed", (double)s->seed, "0 to 9007199254740991");
    return 0;
}

static bool has_penalties(const sampling *p)
{
    return p->repeat_penalty != 1 || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

sampler *sampler_open(backend *b, const sampling *s, const char *name, int candidates, error *err)
{
    if (sampling_check(s, err))
        return NULL;
    if (candidates < 1 || candidates > SAMPLE_MAX_CANDIDATES) {
        error_set(err, ERROR_LOAD, "a vocabulary of %d tokens cannot be sampled from; 1 to %d can",
                  candidates, SAMPLE_MAX_CANDIDATES);
        return NULL;
    }
    size_t n = (size_t)candidates;
    sampler *p = calloc(1, sizeof *p);
    if (p) {
        *p = (sampler){.backend = b, .s = *s, .candidates = n};
        p->name = strdup(name);
        p->memory = aligned_alloc(ALIGNMENT, sample_memory_bytes(n));
        if (has_penalties(s)) {
            p->count = calloc(n, sizeof *p->count);
            p->repeats = malloc(n * sizeof *p->repeats);
        }
    }
    if (!p || !p->name || !p->memory || (has_penalties(s) && (!p->count || !p->repeats))) {
        error_memory(err, "the sampler");
        sampler_close(p);
        return NULL;
    }
    return p;
}

void sampler_close(sampler *s)
{
    if (!s)
        return;
    free(s->name);
    free(s->memory);
    free(s->count);
    free(s->repeats);
    free(s);
}

void sampler_reseed(sampler *p, uint64_t seed)
{
    p->s.seed = seed;
}

/* ---- random numbers ------------------------------------------------------------------------ */

/* FNV-1a, 64 bits. */
static uint64_t name_hash(const char *name)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001B3u;
    return h;
}

/* 53 random bits. Seed and name together exceed Philox's key of 64 bits, so a first round makes
 * the key out of both. */
static uint64_t keyed_bits(uint64_t seed, const char *name, uint64_t position, uint32_t draw)
{
    uint64_t hash = name_hash(name);
    const uint32_t outer[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t who[4] = {(uint32_t)hash, (uint32_t)(hash >> 32), 0, 0};
    uint32_t key[4];
    philox4x32(who, outer, key);
    const uint32_t where[4] = {(uint32_t)position, (uint32_t)(position >> 32), draw, 0};
    uint32_t out[4];
    philox4x32(where, key, out);
    return (((uint64_t)out[1] << 32) | out[0]) >> 11;
}

double keyed_uniform(uint64_t seed, const char *name, uint64_t position, uint32_t draw)
{
    return (double)keyed_bits(seed, name, position, draw) * 0x1p-53;
}

/* ---- the choice ---------------------------------------------------------------------------- */

static bool in_vocabulary(const sampler *s, int id)
{
    return id >= 0 && (size_t)id < s->candidates;
}

/* Lists each id of the history once, with how often it is there. */
static size_t list_repeats(sampler *s, const int *history, size_t n)
{
    size_t listed = 0;
    for (size_t i = 0; i < n; i++)
        if (in_vocabulary(s, history[i]))
            s->count[history[i]]++;
    for (size_t i = 0; i < n; i++) {
        int id = history[i];
        if (!in_vocabulary(s, id) || s->count[id] == 0)
            continue; /* the second time that we meet it */
        s->repeats[listed++] = (sample_repeat){id, s->count[id]};
        s->count[id] = 0;
    }
    return listed;
}

sample_row sampler_row(sampler *s, const float *logits, const int *history, size_t n,
                       uint64_t position, const uint8_t *banned)
{
    const sampling *p = &s->s;
    return (sample_row){.logits = logits,
                        .candidates = s->candidates,
                        .banned = banned,
                        .repeats = s->repeats,
                        .repeat_count = s->count ? list_repeats(s, history, n) : 0,
                        .repeat_penalty = p->repeat_penalty,
                        .presence_penalty = p->presence_penalty,
                        .frequency_penalty = p->frequency_penalty,
                        .temperature = p->temperature,
                        .top_p = p->top_p,
                        .min_p = p->min_p,
                        .top_k = p->top_k,
                        .random = keyed_bits(p->seed, s->name, position, 0),
                        .memory = s->memory};
}

int sampler_result(const sample_row *row, int *id, error *err)
{
    if (row->fault == SAMPLE_NOT_FINITE)
        return error_set(err, ERROR_RUN, "the logit of token %zu is %s", row->at,
                         isnan(row->bad) ? "not a number" : "infinite");
    if (row->fault == SAMPLE_NONE_LEFT)
        return error_set(err, ERROR_RUN, "no token may follow: every one is banned or impossible");
    *id = row->id;
    return 0;
}

int sampler_pick(sampler *s, const float *logits, const int *history, size_t n, uint64_t position,
                 const uint8_t *banned, int *id, error *err)
{
    sample_row row = sampler_row(s, logits, history, n, position, banned);
    backend_sample(s->backend, &row, 1);
    return sampler_result(&row, id, err);
}
