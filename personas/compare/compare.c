/* compare.c - see compare.h: batches of columns, one question to all of them. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/run/engine_tokenizer.h"
#include "compare_state.h"

/* ---- opening ----------------------------------------------------------------------------------- */

static bool one_council(const column *a, const column *b)
{
    const council_options *x = &a->council, *y = &b->council;
    return a->place == b->place && x->context == y->context && x->kv == y->kv &&
           x->max_tokens == y->max_tokens && x->think == y->think && x->loop == y->loop;
}

/* Random numbers are those of `ask`: of the persona, or of its control. */
static int sit(batch *b, column *k, error *err)
{
    const seat *s = k->shown.seat;
    pass_options p = roster_pass(k->roster, k->at);
    p.name = k->shown.setup->name;
    p.key = p.key ? p.key : s->persona ? s->persona : "control";
    k->seat = council_add(b->council, &p, err);
    return k->seat < 0 ? -1 : 0;
}

static int join_batches(compare *c, bool apart, error *err)
{
    for (int i = 0; i < c->count; i++) {
        column *k = &c->columns[i];
        int at = 0;
        while (at < c->batch_count &&
               (apart || !one_council(&c->columns[c->batches[at].columns[0]], k)))
            at++;
        batch *b = &c->batches[at];
        if (at == c->batch_count) {
            b->council = council_open(k->place->engine, &k->council, err);
            if (!b->council)
                return -1;
            c->batch_count++;
        }
        k->shown.batch = at;
        b->columns[b->count++] = i;
        if (sit(b, k, err))
            return error_prefix(err, "%s: ", k->shown.setup->name);
    }
    return 0;
}

/* Ids mean the same tokens. */
static bool same_vocabulary(const engine *a, const engine *b)
{
    const tokenizer *x = engine_tokenizer(a), *y = engine_tokenizer(b);
    size_t n, m;
    bool own = !engine_tokenizer_path(a) && !engine_tokenizer_path(b);
    if (a == b || (own && strcmp(checkpoint_path(engine_checkpoint(a)),
                                 checkpoint_path(engine_checkpoint(b))) == 0))
        return true;
    bool same = x && y && tokenizer_count(x) == tokenizer_count(y);
    for (int id = 0; same && id < tokenizer_count(x); id++) {
        const char *s = tokenizer_content(x, id, &n), *t = tokenizer_content(y, id, &m);
        same = n == m && memcmp(s, t, n) == 0;
    }
    return same;
}

static int check_names(const compare_setup *setups, int count, error *err)
{
    if (count < 1 || count > COMPARE_COLUMNS)
        return error_set(err, ERROR_USAGE, "%d columns: there are 1 to %d", count, COMPARE_COLUMNS);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(setups[i].name, setups[j].name) == 0)
                return error_set(err, ERROR_USAGE, "two columns are called %s", setups[i].name);
    return 0;
}

compare *compare_open(engine *e, const compare_setup *setups, int count, bool apart,
                      const compare_source *source, error *err)
{
    compare *c = check_names(setups, count, err) ? NULL : calloc(1, sizeof *c);
    if (!c) {
        if (err && !err->code)
            error_memory(err, "a comparison");
        return NULL;
    }
    c->source = source;
    c->places[0] = (place){.engine = e};
    c->place_count = 1;
    c->count = count;
    c->one_vocabulary = true;
    for (int i = 0; i < count; i++)
        c->columns[i].shown.setup = &setups[i];
    if (compare_seat_all(c, err) || join_batches(c, apart, err)) {
        compare_close(c);
        return NULL;
    }
    for (int i = 1; i < count && c->one_vocabulary; i++)
        c->one_vocabulary =
            same_vocabulary(c->columns[0].place->engine, c->columns[i].place->engine);
    return c;
}

void compare_close(compare *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->batch_count; i++)
        council_close(c->batches[i].council);
    compare_unseat_all(c);
    free(c);
}

int compare_columns(const compare *c)
{
    return c->count;
}

const compare_column *compare_column_at(const compare *c, int i)
{
    return &c->columns[i].shown;
}

bool compare_one_vocabulary(const compare *c)
{
    return c->one_vocabulary;
}

/* ---- asking ------------------------------------------------------------------------------------ */

council_request compare_request(const column *k, const compare_question *q)
{
    const chat_message *last = &q->messages[q->count - 1];
    return (council_request){.instruction =
                                 roster_instruction(k->roster, k->at, last->text, last->len),
                             .messages = q->messages,
                             .count = q->count,
                             .seed = k->shown.seat->sampling.seed};
}

/* What a council tells of its passes is told of columns. */
typedef struct teller {
    const compare_events *events;
    const batch *batch;
} teller;

static void on_prefill(void *user, int done, int total)
{
    const teller *t = user;
    if (t->events->prefill)
        t->events->prefill(t->events->user, done, total);
}

static void on_token(void *user, int i, const char *bytes, size_t len, bool thinking)
{
    const teller *t = user;
    if (t->events->token && i >= 0)
        t->events->token(t->events->user, t->batch->columns[i], bytes, len, thinking);
}

static void on_answer(void *user, int i, const turn_answer *a)
{
    const teller *t = user;
    if (t->events->answer && i >= 0)
        t->events->answer(t->events->user, t->batch->columns[i], a);
}

/* An answer that never began. */
static int note_failure(compare_result *out, int i, const column *k, const error *why, error *err)
{
    turn_answer *a = &out->answers[i];
    *a = (turn_answer){.name = k->shown.setup->name,
                       .stop = why->code == ERROR_CANCELLED ? STOP_INTERRUPTED : STOP_ERROR,
                       .seed = k->shown.seat->sampling.seed,
                       .text = {"", 0},
                       .failure = region_keep_text(&out->memory, why->text, err)};
    return a->failure ? 0 : -1;
}

static int take_answers(compare *c, batch *b, const error *why, compare_result *out, error *err)
{
    for (int i = 0; i < b->count; i++) {
        int at = b->columns[i];
        const column *k = &c->columns[at];
        if (!b->asked && note_failure(out, at, k, why, err))
            return -1;
        if (b->asked &&
            turn_answer_copy(&out->memory, council_answer(b->council, i), &out->answers[at], err))
            return -1;
        out->answers[at].acts_by = k->shown.seat->acts_by;
    }
    return 0;
}

static int ask_batch(compare *c, batch *b, const compare_question *q, const compare_events *events,
                     compare_result *out, error *err)
{
    council_request requests[COMPARE_COLUMNS];
    teller t = {events, b};
    council_events heard = {
        .user = &t, .prefill = on_prefill, .token = on_token, .answer = on_answer};
    error why = {0};
    for (int i = 0; i < b->count; i++)
        requests[i] = compare_request(&c->columns[b->columns[i]], q);
    if (council_subscribe(b->council, &heard, err))
        return -1;
    b->asked = council_ask(b->council, requests, &why) == 0;
    council_unsubscribe(b->council, &heard);
    if (take_answers(c, b, &why, out, err))
        return -1;
    for (int i = 0; i < b->count && !b->asked; i++)
        on_answer(&t, i, &out->answers[b->columns[i]]);
    return 0;
}

/* ---- figures ----------------------------------------------------------------------------------- */

/* Weights that its tokens read, each once, and the keys and values of all its positions. */
static void count_memory(const column *k, compare_result *out, int i)
{
    const turn_answer *a = &out->answers[i];
    const engine *e = k->place->engine;
    const model_config *m = engine_config(e);
    uint64_t experts = 0, called = 0;
    for (size_t layer = 0; layer < a->used.len; layer++)
        experts += (uint64_t)a->used.v[layer];
    for (int layer = 0; layer < m->layers; layer++)
        called += m->moe_layer[layer] ? (uint64_t)m->experts_per_token : 0;
    uint64_t each = engine_expert_bytes(e), dense = engine_bytes_per_token(e) - called * each;
    int positions = a->prompt_tokens + (int)a->ids.len;
    out->experts[i] = (int)experts;
    out->bytes[i] = a->stop == STOP_ERROR
                        ? 0
                        : dense + experts * each + engine_kv_bytes(e, positions, k->council.kv);
}

static int open_result(const compare *c, compare_result *out, error *err)
{
    size_t n = (size_t)c->count;
    *out = (compare_result){.count = c->count};
    out->answers = calloc(n, sizeof *out->answers);
    out->loss = calloc(n * n, sizeof *out->loss);
    out->kl = calloc(n, sizeof *out->kl);
    out->experts = calloc(n, sizeof *out->experts);
    out->bytes = calloc(n, sizeof *out->bytes);
    out->text_tokens = calloc(n, sizeof *out->text_tokens);
    if (!out->answers || !out->loss || !out->kl || !out->experts || !out->bytes ||
        !out->text_tokens)
        return error_memory(err, "a comparison");
    for (size_t i = 0; i < n * n; i++)
        out->loss[i] = NAN;
    for (size_t i = 0; i < n; i++)
        out->kl[i] = NAN;
    return 0;
}

void compare_result_release(compare_result *r)
{
    free(r->answers);
    free(r->loss);
    free(r->kl);
    free(r->experts);
    free(r->bytes);
    free(r->text_tokens);
    region_release(&r->memory);
    *r = (compare_result){0};
}

double compare_foreign_loss(const compare_result *r, int i)
{
    double sum = 0;
    int n = 0;
    for (int judge = 0; judge < r->count; judge++) {
        double loss = r->loss[judge * r->count + i];
        if (judge == i || isnan(loss))
            continue;
        sum += loss;
        n++;
    }
    return n ? sum / n : NAN;
}

static bool any_interrupted(const compare_result *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->answers[i].stop == STOP_INTERRUPTED)
            return true;
    return false;
}

int compare_ask(compare *c, const compare_question *q, bool measure, const compare_events *events,
                compare_result *out, error *err)
{
    bool answered = false;
    if (open_result(c, out, err))
        return -1;
    for (int i = 0; i < c->batch_count; i++) {
        if (ask_batch(c, &c->batches[i], q, events, out, err))
            return -1;
        answered = answered || c->batches[i].asked;
    }
    for (int i = 0; i < c->count; i++)
        count_memory(&c->columns[i], out, i);
    if (any_interrupted(out))
        return error_set(err, ERROR_CANCELLED, "interrupted");
    if (!answered)
        return error_set(err, ERROR_RUN, "%s: %s", c->columns[0].shown.setup->name,
                         out->answers[0].failure);
    return measure ? compare_measure(c, q, events, out, err) : 0;
}
