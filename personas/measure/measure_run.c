/* measure_run.c - the reading: several programs side by side over the same samples.
 *
 * A sample's first part is only read; from the position before the first predicted token on either
 * the engine scores what follows (MEASURE_LOSS), or logits of a few positions of all programs lie
 * in one block and are compared, position by position, with the first program's. Programs that do
 * not fit into one batch take turns; the first reads again with each of them, since its logits are
 * not kept.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { LOGIT_BYTES = 64 << 20 }; /* of all blocks together */

typedef struct reading {
    engine *engine;
    const measure_samples *samples;
    const router_program *const *programs; /* [count] */
    int count;
    measure_figures *figures; /* [count] */
    session *sessions[MEASURE_TOGETHER];
    step steps[MEASURE_TOGETHER];
    step_score scores[MEASURE_TOGETHER];
    double *logprobs; /* [count, longest] of one sample */
    float *logits;    /* [count, rows, vocabulary] */
    float *shares;    /* [vocabulary] p of the first program */
    int rows;
    double *kl;                      /* [count, tokens] */
    size_t *agreed;                  /* [count] */
    double banned[MEASURE_TOGETHER]; /* sums over layers and predicted tokens */
    size_t routed[MEASURE_TOGETHER];
    size_t from; /* of the sample at hand: the position before the first predicted */
    size_t at;   /* predicted tokens compared so far */
    progress_fn *progress;
    void *user;
    size_t read, total; /* tokens, over all turns */
} reading;

/* ---- setting up -------------------------------------------------------------------------------- */

static size_t longest(const measure_samples *s)
{
    size_t most = 1;
    for (size_t i = 0; i < s->len; i++)
        most = s->v[i].ids.len > most ? s->v[i].ids.len : most;
    return most;
}

/* Positions at once: what the logits' bytes and the engine's batch allow. */
static int block_rows(const reading *r)
{
    size_t row = (size_t)engine_config(r->engine)->vocabulary * sizeof(float) * (size_t)r->count;
    size_t rows = LOGIT_BYTES / row;
    return rows < 1 ? 1 : rows > MEASURE_ROWS ? MEASURE_ROWS : (int)rows;
}

static int open_sessions(reading *r, error *err)
{
    for (int i = 0; i < r->count; i++) {
        r->sessions[i] = session_open(r->engine, (int)longest(r->samples), DTYPE_F32, err);
        if (!r->sessions[i] || session_set_program(r->sessions[i], r->programs[i], err))
            return -1;
        r->steps[i].session = r->sessions[i];
    }
    return 0;
}

static int open_reading(reading *r, measure_depth depth, error *err)
{
    size_t count = (size_t)r->count, vocabulary = (size_t)engine_config(r->engine)->vocabulary;
    bool whole;
    if (depth == MEASURE_LOSS) {
        r->logprobs = calloc(count * longest(r->samples), sizeof *r->logprobs);
        whole = r->logprobs != NULL;
    } else {
        r->rows = block_rows(r);
        r->logits = malloc(count * (size_t)r->rows * vocabulary * sizeof *r->logits);
        r->shares = malloc(vocabulary * sizeof *r->shares);
        r->kl = calloc(count * r->samples->tokens, sizeof *r->kl);
        r->agreed = calloc(count, sizeof *r->agreed);
        whole = r->logits && r->shares && r->kl && r->agreed;
    }
    for (int i = 0; i < r->count && whole; i++) {
        r->figures[i].sums = calloc(r->samples->len, sizeof *r->figures[i].sums);
        whole = r->figures[i].sums != NULL;
    }
    if (!whole)
        return error_memory(err, "the figures");
    return open_sessions(r, err);
}

static void close_reading(reading *r)
{
    for (int i = 0; i < r->count; i++)
        session_close(r->sessions[i]);
    free(r->logprobs);
    free(r->logits);
    free(r->shares);
    free(r->kl);
    free(r->agreed);
}

/* ---- comparing --------------------------------------------------------------------------------- */

static int best_of(const float *z, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (z[i] > z[best])
            best = i;
    return best;
}

/* shares = softmax(z), given ln p of any one id. */
static void take_shares(float *shares, const float *z, int n, int id, double logprob)
{
    double lift = logprob - (double)z[id]; /* - ln sum exp z */
    for (int i = 0; i < n; i++)
        shares[i] = expf((float)((double)z[i] + lift));
}

/* sum p (ln p - ln q), where a and b are the logits behind p and q, and `lift` is what ln p - ln q
 * has beyond a - b. Sums of sixteen keep the rounding low and the loop short. */
static double divergence(const float *shares, const float *a, const float *b, int n, double lift)
{
    double sum = 0, mass = 0;
    for (int at = 0; at < n; at += 16) {
        int end = n - at < 16 ? n : at + 16;
        double part = 0, share = 0;
        for (int i = at; i < end; i++) {
            part += (double)shares[i] * ((double)a[i] - (double)b[i]);
            share += (double)shares[i];
        }
        sum += part;
        mass += share;
    }
    double kl = sum / mass + lift;
    return kl > 0 ? kl : 0;
}

/* One position: `next` is the token that follows it. */
static void compare(reading *r, int row, size_t sample, int next)
{
    int n = engine_config(r->engine)->vocabulary, reference = 0;
    const float *first = r->logits + (size_t)row * (size_t)n;
    double first_logprob = 0;
    for (int i = 0; i < r->count; i++) {
        const float *z = r->logits + ((size_t)i * (size_t)r->rows + (size_t)row) * (size_t)n;
        double logprob = backend_logprob(engine_backend(r->engine), z, (size_t)n, next);
        r->figures[i].sums[sample] -= logprob;
        if (i == 0) {
            first_logprob = logprob;
            reference = best_of(first, n);
            r->agreed[0]++;
            if (r->count > 1)
                take_shares(r->shares, first, n, next, logprob);
            continue;
        }
        double lift = first_logprob - logprob - ((double)first[next] - (double)z[next]);
        r->kl[(size_t)i * r->samples->tokens + r->at] = divergence(r->shares, first, z, n, lift);
        r->agreed[i] += best_of(z, n) == reference;
    }
    r->at++;
}

static void count_banned(void *user, const session *s, const route_trace *t)
{
    reading *r = user;
    if ((size_t)t->position < r->from)
        return;
    for (int i = 0; i < r->count; i++)
        if (r->sessions[i] == s) {
            r->banned[i] += (double)t->banned;
            r->routed[i]++;
        }
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void begin_step(reading *r, const int *ids, size_t n, want_logits want)
{
    for (int i = 0; i < r->count; i++) {
        r->steps[i].tokens = ids;
        r->steps[i].n = (int)n;
        r->steps[i].want = want;
    }
}

static int read_blocks(reading *r, const measure_sample *s, size_t sample, error *err)
{
    size_t vocabulary = (size_t)engine_config(r->engine)->vocabulary;
    for (size_t at = r->from; at + 1 < s->ids.len; at += (size_t)r->rows) {
        size_t left = s->ids.len - 1 - at, n = left < (size_t)r->rows ? left : (size_t)r->rows;
        begin_step(r, s->ids.v + at, n, LOGITS_ALL);
        for (int i = 0; i < r->count; i++)
            r->steps[i].logits = r->logits + (size_t)i * (size_t)r->rows * vocabulary;
        if (engine_advance(r->engine, r->steps, r->count, err))
            return -1;
        for (size_t j = 0; j < n; j++)
            compare(r, (int)j, sample, s->ids.v[at + j + 1]);
    }
    return 0;
}

static int read_scores(reading *r, const measure_sample *s, size_t sample, error *err)
{
    size_t n = s->ids.len - 1 - r->from, row = longest(r->samples);
    begin_step(r, s->ids.v + r->from, n, LOGITS_NONE);
    for (int i = 0; i < r->count; i++)
        r->scores[i] = (step_score){s->ids.v + r->from + 1, r->logprobs + (size_t)i * row};
    if (engine_score(r->engine, r->steps, r->scores, r->count, err))
        return -1;
    for (int i = 0; i < r->count; i++)
        for (size_t j = 0; j < n; j++)
            r->figures[i].sums[sample] -= r->scores[i].logprob[j];
    return 0;
}

/* Tokens that the sessions hold of this sample already: chats begin alike. */
static size_t shared_prefix(const reading *r, size_t sample)
{
    size_t n = 0;
    if (sample == 0)
        return 0;
    const measure_sample *s = &r->samples->v[sample], *last = s - 1;
    while (n + 1 < s->from && n + 1 < last->ids.len && s->ids.v[n] == last->ids.v[n])
        n++;
    return n;
}

static int read_sample(reading *r, size_t sample, error *err)
{
    const measure_sample *s = &r->samples->v[sample];
    size_t held = shared_prefix(r, sample);
    for (int i = 0; i < r->count; i++)
        session_rewind(r->sessions[i], (int)held);
    r->from = s->from - 1;
    if (r->progress)
        r->progress(r->user, (int)r->read, (int)r->total);
    begin_step(r, s->ids.v + held, r->from - held, LOGITS_NONE);
    if (r->from > held && engine_advance(r->engine, r->steps, r->count, err))
        return -1;
    if (r->logits ? read_blocks(r, s, sample, err) : read_scores(r, s, sample, err))
        return -1;
    r->read += s->ids.len * (size_t)r->count;
    return 0;
}

/* ---- figures ----------------------------------------------------------------------------------- */

static int finish(reading *r, error *err)
{
    size_t n = r->samples->tokens;
    for (int i = 0; i < r->count; i++) {
        measure_figures *f = &r->figures[i];
        double sum = 0, kl = 0;
        for (size_t j = 0; j < r->samples->len; j++)
            sum += f->sums[j];
        f->loss = sum / (double)n;
        if (!isfinite(f->loss))
            return error_set(err, ERROR_RUN, "the model gives a token no finite probability");
        if (!r->logits)
            continue;
        double *each = r->kl + (size_t)i * n;
        for (size_t j = 0; j < n; j++)
            kl += each[j];
        f->kl = kl / (double)n;
        f->kl_p99 = measure_quantile(each, n, 0.99);
        f->agreement = (double)r->agreed[i] / (double)n;
        f->banned = r->routed[i] ? r->banned[i] / (double)r->routed[i] : 0;
    }
    return 0;
}

/* One turn: programs that read in the same batches. */
static int read_together(reading *r, measure_depth depth, error *err)
{
    int result = open_reading(r, depth, err);
    if (!result && depth == MEASURE_ALL)
        engine_trace(r->engine, count_banned, r);
    for (size_t i = 0; i < r->samples->len && !result; i++)
        result = read_sample(r, i, err);
    engine_trace(r->engine, NULL, NULL);
    if (!result)
        result = finish(r, err);
    close_reading(r);
    return result ? -1 : 0;
}

/* Programs in the turn that begins with `first` (0: the reference itself, and what reads with it). */
static int turn_size(int count, int first, measure_depth depth)
{
    int room = depth == MEASURE_ALL && first ? MEASURE_TOGETHER - 1 : MEASURE_TOGETHER;
    return count - first < room ? count - first : room;
}

static size_t tokens_in_all(const measure_samples *s, int count, measure_depth depth)
{
    size_t each = 0, readings = 0;
    for (size_t i = 0; i < s->len; i++)
        each += s->v[i].ids.len;
    for (int at = 0; at < count; at += turn_size(count, at, depth))
        readings += (size_t)turn_size(count, at, depth) + (at && depth == MEASURE_ALL);
    return each * readings;
}

int measure_programs(engine *e, const measure_samples *s, const router_program *const *programs,
                     int count, measure_depth depth, measure_figures *out, progress_fn *progress,
                     void *user, error *err)
{
    size_t read = 0, total = tokens_in_all(s, count, depth);
    memset(out, 0, (size_t)count * sizeof *out);
    if (!s->len)
        return error_set(err, ERROR_USAGE, "there is no text to measure on");
    for (int at = 0, n; at < count; at += n) {
        const router_program *own[MEASURE_TOGETHER] = {programs[0]};
        measure_figures figures[MEASURE_TOGETHER] = {{0}};
        int lead = at && depth == MEASURE_ALL;
        n = turn_size(count, at, depth);
        for (int i = 0; i < n; i++)
            own[lead + i] = programs[at + i];
        reading r = {.engine = e,
                     .samples = s,
                     .programs = own,
                     .count = lead + n,
                     .figures = figures,
                     .progress = progress,
                     .user = user,
                     .read = read,
                     .total = total};
        int result = read_together(&r, depth, err);
        if (lead)
            measure_figures_release(&figures[0]);
        for (int i = 0; i < n; i++)
            out[at + i] = figures[lead + i];
        if (result)
            return -1;
        read = r.read;
    }
    if (progress)
        progress(user, (int)total, (int)total);
    return 0;
}

void measure_figures_release(measure_figures *f)
{
    free(f->sums);
    *f = (measure_figures){0};
}
