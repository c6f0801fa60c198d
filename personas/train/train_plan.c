/* train_plan.c - what is told before it starts: how much, how long, how large; and going on from a state. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../engine/base/hash.h"
#include "train_internal.h"

enum { EPOCHS = 24, STEPS_LEAST = 100, STEPS_MOST = 480, FEW = 100 };
enum { RESULT_BYTES = 2, HEADER_ROOM = 1 << 20 }; /* of TRAIN_RESULT_TYPE; names and shapes */
enum { COMMON = 6144, DRAWN = 2048, SMALL_VOCABULARY = 16384 };
static const double REPEAT_FROM = 0.5;
static const uint64_t HIDDEN_IN_MEMORY = 256 << 20;

/* What begins as nothing, or as the copy of something that says little, may move fast. */
static double rate_of(const trainer *t)
{
    unsigned what = t->options.what;
    double rate = 2e-3;
    if (t->options.rate > 0)
        return t->options.rate;
    if (what & (TRAIN_LORA | TRAIN_ROUTER))
        rate = 1e-3;
    if (what & TRAIN_EXPERTS && t->plan.pool_layers == 0)
        rate = train_is_slim(engine_config(t->engine), t->plan.first) ? 6e-4 : 3e-4;
    return rate;
}

/* Bytes that may be used: three quarters of what the system has free. */
static uint64_t free_memory(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (f)
        (void)fclose(f);
    return kib ? (uint64_t)kib * 1024 / 4 * 3 : UINT64_C(4) << 30;
}

/* Of all that changes the bytes of the result, as it was asked for. */
static int hash_options(const trainer *t, uint64_t *out, error *err)
{
    const train_options *o = &t->options;
    buf text = {0};
    int result = buf_format(&text, err,
                            "%u %d %d %d %d %d %.17g %d %.17g %.17g %.17g %.17g %.17g %.17g %.17g "
                            "%" PRIu64,
                            o->what, o->experts, o->rank, o->first, o->last, o->steps, o->seconds,
                            o->batch, o->rate, o->end_weight, o->repeat, o->dropout, o->balance,
                            o->decay, o->near, o->seed);
    if (!result && o->own_first >= 0)
        result = buf_format(&text, err, " %d %d", o->own_first, o->own_last);
    if (!result && (o->lora_first >= 0 || o->rows_first >= 0))
        result = buf_format(&text, err, " lora %d %d rows %d %d", o->lora_first, o->lora_last,
                            o->rows_first, o->rows_last);
    if (!result && o->copied_rows)
        result = buf_text(&text, " rows", err);
    if (!result)
        *out = hash_bytes(HASH_START, text.v, text.len);
    buf_release(&text);
    return result;
}

/* ---- the order of things ----------------------------------------------------------------------- */

static int add_variants(trainer *t, error *err)
{
    size_t learned = samples_count(&t->samples, SAMPLE_LESSON, false);
    if (!t->lessons || t->options.repeat <= 0)
        return 0;
    return samples_add_again(&t->samples, t->lessons, learned > FEW ? 1 : 2, t->options.seed, err);
}

int train_open_schedule(trainer *t, error *err)
{
    schedule_close(t->schedule);
    schedule_options o = {t->options.batch, t->state.steps, t->options.repeat, REPEAT_FROM,
                          t->options.seed};
    t->schedule = schedule_open(&t->samples, &o, err);
    return t->schedule ? 0 : -1;
}

static int settle_steps(trainer *t, error *err)
{
    t->state.steps = t->options.steps ? t->options.steps : 1;
    if (train_open_schedule(t, err))
        return -1;
    if (!t->options.steps) {
        int n = EPOCHS * schedule_epoch_steps(t->schedule);
        t->state.steps = n < STEPS_LEAST ? STEPS_LEAST : n > STEPS_MOST ? STEPS_MOST : n;
    }
    return train_open_schedule(t, err);
}

/* Rows of the store: every sample's, and once more those of near samples for the last stream. */
static size_t place_samples(trainer *t)
{
    size_t row = 0;
    for (size_t i = 0; i < t->samples.len; i++) {
        sample *s = &t->samples.v[i];
        s->row = row;
        row += (size_t)s->n * (s->kind == SAMPLE_NEAR ? 2 : 1);
    }
    return row;
}

/* The most tokens that go through the net at once. */
static int batch_rows(const trainer *t)
{
    int longest = 0, near = 0;
    for (size_t i = 0; i < t->samples.len; i++) {
        const sample *s = &t->samples.v[i];
        if (s->kind == SAMPLE_NEAR)
            near = s->n > near ? s->n : near;
        else if (s->n > longest)
            longest = s->n;
    }
    int together = t->options.batch < TRAIN_TOGETHER ? t->options.batch : TRAIN_TOGETHER;
    return longest * together + near;
}

/* ---- candidates of the sampled softmax ----------------------------------------------------------- */

/* Always among them: the first ids, which are the most frequent, and all that the samples say. */
static int list_candidates(trainer *t, error *err)
{
    int vocabulary = engine_config(t->engine)->vocabulary;
    if (vocabulary <= SMALL_VOCABULARY)
        return 0;
    t->listed = calloc((size_t)vocabulary, 1);
    t->candidates = calloc((size_t)vocabulary, sizeof *t->candidates);
    t->shift = calloc((size_t)vocabulary, sizeof *t->shift);
    if (!t->listed || !t->candidates || !t->shift)
        return error_memory(err, "the candidates");
    for (int i = 0; i < COMMON; i++)
        t->listed[i] = 1;
    for (size_t i = 0; i < t->samples.len; i++)
        for (int k = 0; k < t->samples.v[i].n; k++)
            t->listed[t->samples.v[i].ids[k]] = 1;
    for (int i = 0; i < vocabulary; i++)
        t->listed_count += t->listed[i];
    if (vocabulary - t->listed_count <= DRAWN) { /* no more than would be drawn: all of them */
        free(t->listed);
        t->listed = NULL;
    }
    return 0;
}

/* One of each of DRAWN equal stretches of the others stands for all of it. */
void train_draw_candidates(trainer *t)
{
    int vocabulary = engine_config(t->engine)->vocabulary;
    int others = vocabulary - t->listed_count, seen = 0, next = 0, n = 0, drawn;
    float shift = (float)log((double)others / DRAWN);
    for (int i = 0; i < vocabulary; i++) {
        if (t->listed[i]) {
            t->shift[n] = 0;
            t->candidates[n++] = i;
            continue;
        }
        double u =
            keyed_uniform(t->options.seed, "candidates", (uint64_t)t->state.step, (uint32_t)next);
        drawn = (int)((next + u) * others / DRAWN);
        if (seen++ != drawn || next >= DRAWN)
            continue;
        t->shift[n] = shift;
        t->candidates[n++] = i;
        next++;
    }
    t->candidate_count = n;
}

/* ---- memory and figures ------------------------------------------------------------------------ */

static int too_much(const trainer *t, uint64_t needed, uint64_t most, error *err)
{
    return error_set(err, ERROR_RUN,
                     "training would take %.1f GiB and %.1f may be used; fewer --layers, a smaller "
                     "--batch, or --what lora with a smaller --rank take less (layers %d-%d)",
                     (double)needed / (1 << 30), (double)most / (1 << 30), t->options.first,
                     t->options.last);
}

/* A result that nobody would read again is not begun. */
static int check_result(const trainer *t, error *err)
{
    uint64_t most = engine_adapter_bytes(t->engine);
    uint64_t count = trainable_bytes(t->engine, &t->spec.spec) / (2 * sizeof(float));
    uint64_t bytes = count * RESULT_BYTES;
    if (bytes + HEADER_ROOM <= most)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "the adapter would be %.1f MiB and may be %.0f; fewer --experts or --layers, "
                     "or --what lora, make less of it, --max-adapter allows more (layers %d-%d)",
                     (double)bytes / (1 << 20), (double)most / (1 << 20), t->options.first,
                     t->options.last);
}

static int open_learned(trainer *t, error *err)
{
    uint64_t most = t->options.memory ? t->options.memory : free_memory();
    uint64_t learned =
        trainable_bytes(t->engine, &t->spec.spec) / 2 * 5; /* two moments, the best */
    if (check_result(t, err))
        return -1;
    if (learned > most)
        return too_much(t, learned, most, err);
    t->learned = trainable_new(t->engine, &t->spec.spec, err);
    if (!t->learned || adamw_open(&t->moments, t->learned->count, err))
        return -1;
    train_wake_empty(t);
    t->net_rows = batch_rows(t);
    t->memory = net_plan(t->engine, t->learned, t->net_rows, most);
    uint64_t best = t->learned->count * sizeof(float);
    t->plan.memory = t->memory.total + best;
    if (t->plan.memory > most)
        return too_much(t, t->plan.memory, most, err);
    t->best = malloc(best);
    return t->best ? 0 : error_memory(err, "the best so far");
}

static int open_state(trainer *t, error *err)
{
    train_state *s = &t->state;
    s->check_room = s->steps + 2;
    s->checks = calloc((size_t)s->check_room, sizeof *s->checks);
    s->losses = calloc((size_t)s->steps + 1, sizeof *s->losses);
    if (!s->checks || !s->losses)
        return error_memory(err, "the state of training");
    strcpy(s->model, t->fingerprint);
    s->samples = samples_hash(&t->samples);
    s->count = t->learned->count;
    s->values = t->learned->values;
    s->mean = t->moments.mean;
    s->square = t->moments.square;
    s->best = t->best;
    return 0;
}

static void count_samples(trainer *t)
{
    train_plan *p = &t->plan;
    for (size_t i = 0; i < t->samples.len; i++) {
        const sample *s = &t->samples.v[i];
        if (s->kind == SAMPLE_NEAR)
            p->near++;
        else if (s->held_out)
            p->held_out++, p->held_out_tokens += (size_t)s->counted;
        else if (s->kind != SAMPLE_AGAIN)
            p->learned++, p->learned_tokens += (size_t)s->counted;
    }
}

static void count_learned(trainer *t)
{
    train_plan *p = &t->plan;
    const train_options *o = &t->options;
    p->first = o->first;
    p->last = o->last;
    for (int l = o->first; l <= o->last; l++) {
        const layer_spec *s = &t->spec.layers[l];
        int lora = 0, rows = 0, whole = 0;
        for (int i = 0; i < t->survey.experts; i++) {
            lora += s->lora && s->lora[i];
            whole += s->whole && s->whole[i];
            rows += s->rows && s->rows[i];
        }
        p->pool_layers += t->survey.pool[l];
        p->experts = s->added > p->experts ? s->added : p->experts;
        p->updated = lora > p->updated ? lora : p->updated;
        p->whole = whole > p->whole ? whole : p->whole;
        p->rows = rows > p->rows ? rows : p->rows;
    }
    p->width = p->experts ? engine_config(t->engine)->expert_width : 0;
    p->rank = p->updated ? o->rank : 0;
}

static void tell_paths(trainer *t)
{
    t->plan.adapter = t->adapter_path;
    t->plan.mask = t->routing.masks ? t->mask_path : NULL;
    t->plan.state = t->state_path;
}

/* ---- going on ---------------------------------------------------------------------------------- */

static int resume_run(trainer *t, error *err)
{
    train_state found = {0};
    train_state *s = &t->state;
    const char *what = NULL;
    if (train_state_peek(t->state_path, &found, err))
        return error_prefix(err, "--resume: ");
    if (strcmp(found.model, s->model) != 0)
        what = "another model";
    else if (found.samples != s->samples)
        what = "other lessons or texts";
    else if (found.options != s->options || found.count != s->count)
        what = "other options";
    if (what)
        return error_set(err, ERROR_LOAD,
                         "--resume: %s: it is a run of %s; give those of that run, or begin anew "
                         "without --resume",
                         t->state_path, what);
    if (found.steps > s->steps) { /* a run by time had its steps planned while it ran */
        free(s->checks);
        free(s->losses);
        s->steps = found.steps;
        if (open_state(t, err))
            return -1;
    }
    if (train_state_read(t->state_path, s, err))
        return error_prefix(err, "--resume: ");
    t->moments.steps = s->step;
    t->plan.resumed = s->step;
    t->resumable = true;
    return train_open_schedule(t, err);
}

static void tell_survey(void *user, int done, int total)
{
    train_event event = {.kind = TRAIN_SURVEY, .done = done, .total = total};
    train_tell(user, &event);
}

int trainer_plan(trainer *t, bool resume, train_listener *listener, void *user, train_plan *out,
                 error *err)
{
    t->listener = listener;
    t->user = user;
    if (t->samples.len == t->samples.near)
        return error_set(err, ERROR_USAGE, "there is nothing to learn from: no lessons, no texts");
    if (hash_options(t, &t->state.options, err) || add_variants(t, err) ||
        survey_read(&t->survey, t->engine, &t->samples, tell_survey, t, err) ||
        train_settle_spec(t, err) || settle_steps(t, err) || list_candidates(t, err) ||
        open_learned(t, err) || open_state(t, err))
        return -1;
    count_samples(t);
    count_learned(t);
    tell_paths(t);
    t->options.rate = rate_of(t);
    if (resume && resume_run(t, err))
        return -1;
    size_t rows = place_samples(t);
    t->plan.hidden = rows * (uint64_t)engine_config(t->engine)->width * sizeof(float);
    t->store = hidden_store_open(rows, engine_config(t->engine)->width, HIDDEN_IN_MEMORY, err);
    if (!t->store)
        return -1;
    if (!hidden_store_in_file(t->store))
        t->plan.memory += t->plan.hidden;
    t->plan.seconds = t->options.seconds;
    t->plan.rate = t->options.rate;
    t->plan.near_weight = t->options.near;
    t->plan.trainable = t->learned->count;
    t->plan.result = t->learned->count * RESULT_BYTES;
    t->plan.steps = t->state.steps;
    int epoch = schedule_epoch_steps(t->schedule);
    t->plan.epochs = (t->state.steps + epoch - 1) / epoch;
    *out = t->plan;
    return 0;
}
