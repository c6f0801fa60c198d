/* derive.c - see derive.h.
 *
 * Texts are queued as samples: the tokens, and from which one on they count. Running reads
 * them one after another in one session, which is rewound for each, and no logits are made;
 * a routing trace adds the gates of counted positions to `mass`, a table of layers by
 * experts for each side and half. A side's samples go to its two halves by turns, so both
 * halves see its beginning and its end alike. The mask is then the formula over each
 * layer's row of the four tables.
 */
#include "derive.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/base/array.h"
#include "../../engine/base/atomic_file.h"
#include "../../engine/base/json_writer.h"

enum { WINDOW = 256, LAST_LAYERS = 2 };
static const double EPSILON = 0.1, LEAST = 0.05, LIMIT = 2.0;

/* Tokens to be read in one go; those from `from` on are counted. */
typedef struct sample {
    tokens ids;
    int from;
    derive_side side;
    int half;
} sample;

struct derivation {
    engine *engine;
    sample *samples;
    size_t len, cap;
    double *mass[DERIVE_SIDES][2]; /* [layers * experts] gates, by half */
    size_t counted[DERIVE_SIDES];  /* tokens queued; after the run: read */
    const sample *now;             /* being read */
};

/* ---- opening ----------------------------------------------------------------------------------- */

static bool may_change(const model_config *m, int layer)
{
    int first = (m->layers + 9) / 10;
    return m->moe_layer[layer] && layer >= first && layer < m->layers - LAST_LAYERS;
}

static int check_model(const engine *e, error *err)
{
    const model_config *m = engine_config(e);
    const char *path = checkpoint_path(engine_checkpoint(e));
    if (!m->experts)
        return error_set(err, ERROR_LOAD, "%s: a dense model has no experts to prefer", path);
    if (!engine_tokenizer(e))
        return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer", path);
    for (int i = 0; i < m->layers; i++)
        if (may_change(m, i))
            return 0;
    return error_set(err, ERROR_LOAD,
                     "%s: none of its %d layers may be changed: the first tenth and the last two "
                     "are left alone",
                     path, m->layers);
}

derivation *derive_open(engine *e, error *err)
{
    if (check_model(e, err))
        return NULL;
    const model_config *m = engine_config(e);
    derivation *d = calloc(1, sizeof *d);
    bool whole = d != NULL;
    for (int s = 0; s < DERIVE_SIDES && whole; s++)
        for (int h = 0; h < 2 && whole; h++) {
            d->mass[s][h] = calloc((size_t)m->layers * (size_t)m->experts, sizeof(double));
            whole = d->mass[s][h] != NULL;
        }
    if (!whole) {
        derive_close(d);
        error_memory(err, "a derivation");
        return NULL;
    }
    d->engine = e;
    return d;
}

void derive_close(derivation *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->len; i++)
        tokens_release(&d->samples[i].ids);
    free(d->samples);
    for (int s = 0; s < DERIVE_SIDES; s++)
        for (int h = 0; h < 2; h++)
            free(d->mass[s][h]);
    free(d);
}

/* ---- what is to be read ------------------------------------------------------------------------ */

/* Takes *ids. A sample beyond the model's context is cut: the statistics lose nothing by it. */
static int add_sample(derivation *d, derive_side side, tokens *ids, size_t from, error *err)
{
    size_t context = (size_t)engine_config(d->engine)->context;
    if (ids->len > context)
        ids->len = context;
    if (ids->len <= from) {
        tokens_release(ids);
        return 0;
    }
    sample *v = array_room(d->samples, d->len, &d->cap, sizeof *v, "a derivation", err);
    if (!v) {
        tokens_release(ids);
        return -1;
    }
    d->samples = v;
    int half = 0; /* halves take turns */
    for (size_t i = 0; i < d->len; i++)
        half ^= d->samples[i].side == side;
    d->samples[d->len++] = (sample){*ids, (int)from, side, half};
    d->counted[side] += ids->len - from;
    *ids = (tokens){0};
    return 0;
}

/* Renders one lesson; *from is where its answer begins. */
static int render(const derivation *d, const lesson *l, tokens *ids, size_t *from, error *err)
{
    chat_message turns[LESSON_TURNS + 1];
    memcpy(turns, l->before, l->before_count * sizeof *turns);
    turns[l->before_count] = (chat_message){CHAT_USER, l->question, strlen(l->question)};
    if (chat_render(engine_chat(d->engine), turns, l->before_count + 1, true, 0, ids, err))
        return -1;
    *from = ids->len;
    return tokenizer_encode(engine_tokenizer(d->engine), l->answer, strlen(l->answer), ids, NULL,
                            err);
}

int derive_add_lessons(derivation *d, derive_side side, const lessons *l, error *err)
{
    if (!engine_chat(d->engine)) {
        const char *why = engine_chat_problem(d->engine);
        return error_set(err, ERROR_LOAD, "lessons need a chat format: %s",
                         why[0] ? why
                                : "the model has none (--chat-format names one, --text needs "
                                  "none)");
    }
    size_t taken = 0;
    for (size_t i = 0; i < l->len && taken < DERIVE_TOKENS; i++) {
        const lesson *one = &l->v[i];
        tokens ids = {0};
        size_t from = 0;
        if (render(d, one, &ids, &from, err)) {
            tokens_release(&ids);
            return error_prefix(err, "lesson %.40s: ", one->id);
        }
        if (ids.len - from > DERIVE_TOKENS - taken)
            ids.len = from + DERIVE_TOKENS - taken;
        taken += ids.len - from;
        if (add_sample(d, side, &ids, from, err))
            return -1;
    }
    return 0;
}

int derive_add_text(derivation *d, derive_side side, const char *text, size_t len, error *err)
{
    tokens all = {0};
    if (tokenizer_encode(engine_tokenizer(d->engine), text, len, &all, NULL, err)) {
        tokens_release(&all);
        return -1;
    }
    int result = 0;
    for (size_t at = 0; at < all.len && d->counted[side] < DERIVE_TOKENS && !result; at += WINDOW) {
        tokens part = {0};
        size_t n = all.len - at < WINDOW ? all.len - at : WINDOW;
        if (n > DERIVE_TOKENS - d->counted[side])
            n = DERIVE_TOKENS - d->counted[side];
        result = tokens_append(&part, all.v + at, n, err) || add_sample(d, side, &part, 0, err);
        tokens_release(&part);
    }
    tokens_release(&all);
    return result ? -1 : 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void count_gates(void *user, const session *s, const route_trace *t)
{
    derivation *d = user;
    (void)s;
    if (t->position < d->now->from)
        return;
    double *mass = d->mass[d->now->side][d->now->half] +
                   (size_t)t->layer * (size_t)engine_config(d->engine)->experts;
    for (int i = 0; i < t->slots; i++)
        if (t->ids[i] >= 0)
            mass[t->ids[i]] += (double)t->gates[i];
}

static size_t longest_sample(const derivation *d, size_t *total)
{
    size_t longest = 1;
    *total = 0;
    for (size_t i = 0; i < d->len; i++) {
        *total += d->samples[i].ids.len;
        if (d->samples[i].ids.len > longest)
            longest = d->samples[i].ids.len;
    }
    return longest;
}

static int read_sample(derivation *d, session *s, const sample *one, error *err)
{
    session_rewind(s, 0);
    d->now = one;
    step go = {s, one->ids.v, (int)one->ids.len, LOGITS_NONE, NULL};
    return engine_advance(d->engine, &go, 1, err);
}

int derive_run(derivation *d, progress_fn *progress, void *user, error *err)
{
    size_t total, done = 0;
    int context = (int)longest_sample(d, &total);
    session *s = session_open(d->engine, context, DTYPE_F16, err);
    if (!s)
        return -1;
    int result = 0;
    engine_trace(d->engine, count_gates, d);
    for (size_t i = 0; i < d->len && !result; i++) {
        if (progress)
            progress(user, (int)done, (int)total);
        result = read_sample(d, s, &d->samples[i], err);
        done += d->samples[i].ids.len;
    }
    engine_trace(d->engine, NULL, NULL);
    session_close(s);
    return result;
}

/* ---- the formula ------------------------------------------------------------------------------- */

static double sum_of(const double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

/* v[e] as a share of what the layer's experts got; 0 when nothing was counted. */
static double share(const double *v, double total, int e)
{
    return total > 0 ? v[e] / total : 0;
}

int derive_bias(const double *const own[2], const double *const other[2], int experts, float *out)
{
    double fair = 1.0 / experts, own_sum[2], other_sum[2];
    int count = 0;
    for (int h = 0; h < 2; h++) {
        own_sum[h] = sum_of(own[h], experts);
        other_sum[h] = sum_of(other[h], experts);
    }
    for (int e = 0; e < experts; e++) {
        double difference[2]; /* a half that nothing was counted in has no say */
        for (int h = 0; h < 2; h++)
            difference[h] = share(own[h], own_sum[h], e) - share(other[h], other_sum[h], e);
        double a = own_sum[0] + own_sum[1], b = other_sum[0] + other_sum[1];
        double p = a > 0 ? (own[0][e] + own[1][e]) / a : 0;
        double q = b > 0 ? (other[0][e] + other[1][e]) / b : 0;
        bool halves = own_sum[0] > 0 && own_sum[1] > 0 && other_sum[0] > 0 && other_sum[1] > 0;
        bool steady = !halves || difference[0] * difference[1] > 0;
        bool large = fabs(p - q) >= LEAST * fmax(fmax(p, q), fair);
        double bias = log((p + EPSILON * fair) / (q + EPSILON * fair));
        out[e] = steady && large ? (float)fmax(-LIMIT, fmin(LIMIT, bias)) : 0.0f;
        count += out[e] != 0.0f;
    }
    return count;
}

/* ---- the mask ---------------------------------------------------------------------------------- */

static void put_layer(json_writer *e, int layer, const float *bias, int experts)
{
    char key[16];
    (void)snprintf(key, sizeof key, "%d", layer);
    json_begin_object(e, key);
    for (int i = 0; i < experts; i++) {
        if (bias[i] == 0.0f)
            continue;
        (void)snprintf(key, sizeof key, "%d", i);
        json_put_number(e, key,
                        round((double)bias[i] * 1000) / 1000); /* a mask is read by people too */
    }
    json_end(e);
}

static void add_layers(const derivation *d, float *bias, json_writer *e, derive_figures *f)
{
    const model_config *m = engine_config(d->engine);
    for (int i = 0; i < m->layers; i++) {
        size_t at = (size_t)i * (size_t)m->experts;
        const double *own[2] = {d->mass[DERIVE_OWN][0] + at, d->mass[DERIVE_OWN][1] + at};
        const double *other[2] = {d->mass[DERIVE_OTHER][0] + at, d->mass[DERIVE_OTHER][1] + at};
        int n = may_change(m, i) ? derive_bias(own, other, m->experts, bias) : 0;
        if (n == 0)
            continue;
        f->layers++;
        f->biases += n;
        put_layer(e, i, bias, m->experts);
    }
}

int derive_mask(derivation *d, buf *out, derive_figures *f, error *err)
{
    const model_config *m = engine_config(d->engine);
    const char *fingerprint = engine_fingerprint(d->engine, err);
    float *bias = calloc((size_t)m->experts, sizeof *bias);
    *f = (derive_figures){.tokens = {d->counted[DERIVE_OWN], d->counted[DERIVE_OTHER]}};
    size_t least = f->tokens[0] < f->tokens[1] ? f->tokens[0] : f->tokens[1];
    f->calls_per_expert = (double)least * m->experts_per_token / m->experts;
    if (!fingerprint || !bias) {
        free(bias);
        return fingerprint ? error_memory(err, "a mask") : -1;
    }
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_put_int(&e, "mask", 1);
    json_put_text(&e, "model", fingerprint);
    json_put_text(&e, "mode", "bias");
    json_begin_object(&e, "layers");
    add_layers(d, bias, &e, f);
    json_end(&e);
    json_end(&e);
    free(bias);
    if (json_writer_finish(&e) || buf_text(out, "\n", err))
        return -1;
    if (f->biases == 0)
        return error_set(err, ERROR_RUN, "the texts do not differ in the experts that they call");
    return 0;
}

/* ---- saving ------------------------------------------------------------------------------------ */

int derive_save(const char *path, const buf *text, error *err)
{
    buf name = {0};
    if (buf_format(&name, err, "%s.XXXXXX", path))
        return -1;
    int fd = mkostemp(name.v, O_CLOEXEC); /* mode 0600 */
    int failed = fd < 0;
    if (fd >= 0) {
        failed = file_write_all(fd, text->v, text->len) || fsync(fd);
        failed = close(fd) || failed || rename(name.v, path);
        int why = errno;
        if (failed)
            (void)unlink(name.v);
        errno = why;
    }
    if (failed)
        (void)error_set(err, ERROR_RUN, "cannot write %s: %s", path, strerror(errno));
    else
        file_flush_name(path);
    buf_release(&name);
    return failed ? -1 : 0;
}
