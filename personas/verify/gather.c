/* gather.c - see gather.h. */
#include "gather.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/json_writer.h"
#include "../eval/eval_match.h"

static const uint64_t SEED_MASK = ((uint64_t)1 << 53) - 1;

void verify_examples_release(verify_examples *x)
{
    free(x->v);
    region_release(&x->memory);
    *x = (verify_examples){0};
}

static bool is_asked(const eval_item *item)
{
    return item->kind == EVAL_EXACT || item->kind == EVAL_RUBRIC;
}

static size_t gather_count(const eval_set *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->len; i++)
        n += is_asked(&s->v[i]);
    return n;
}

/* ---- examples ---------------------------------------------------------------------------------- */

static verify_example *add_example(verify_examples *x, int passes, error *err)
{
    if (x->len == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 256;
        verify_example *v = realloc(x->v, cap * sizeof *v);
        if (!v) {
            (void)error_memory(err, "the examples");
            return NULL;
        }
        x->v = v;
        x->cap = cap;
    }
    size_t n = (size_t)passes;
    verify_example *e = &x->v[x->len];
    *e = (verify_example){.passes = passes,
                          .features =
                              region_take(&x->memory, n * VOTE_FEATURES * sizeof(double), err),
                          .right = region_take(&x->memory, n * sizeof(bool), err),
                          .barred = region_take(&x->memory, n * sizeof(bool), err)};
    if (!e->features || !e->right || !e->barred)
        return NULL;
    x->len++;
    return e;
}

static void end_example(verify_example *e, const char *id)
{
    int right = 0, wrong = 0;
    for (int a = 0; a < e->passes; a++) {
        right += e->right[a] && !e->barred[a];
        wrong += !e->right[a] && !e->barred[a];
    }
    e->told = right && wrong;
    e->id = hash_bytes(HASH_START, id, strlen(id));
}

/* ---- lines ------------------------------------------------------------------------------------- */

int gather_header(const gather_options *o, uint64_t sets, buf *out, error *err)
{
    const char *print = engine_fingerprint(o->engine, err);
    char hash[17];
    if (!print)
        return -1;
    json_writer w = {.out = out, .err = err};
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)sets);
    json_begin_object(&w, NULL);
    json_put_text(&w, "model", print);
    json_put_text(&w, "set", hash);
    json_put_count(&w, "seed", o->seed);
    json_put_int(&w, "max_tokens", o->council.max_tokens);
    json_put_int(&w, "keys_and_values", o->council.kv);
    json_begin_array(&w, "personas");
    for (int i = 0; i < roster_seats(o->roster); i++) {
        const seat *s = roster_seat(o->roster, i);
        json_begin_object(&w, NULL);
        json_put_text(&w, "name", s->name);
        json_put_text(&w, "instruction", s->instruction);
        json_put_number(&w, "temperature", s->sampling.temperature);
        (void)snprintf(hash, sizeof hash, "%016llx",
                       (unsigned long long)(s->program ? router_program_hash(s->program) : 0));
        json_put_text(&w, "program", hash);
        json_end(&w);
    }
    json_end(&w);
    json_begin_array(&w, "features");
    for (int f = 0; f < VOTE_FEATURES; f++)
        json_put_text(&w, NULL, vote_feature_name(f));
    json_end(&w);
    json_end(&w);
    return json_writer_finish(&w);
}

static int put_line(const verify_example *e, const char *id, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    json_begin_object(&w, NULL);
    json_put_text(&w, "item", id);
    json_begin_array(&w, "answers");
    for (int a = 0; a < e->passes; a++) {
        json_begin_object(&w, NULL);
        json_put_bool(&w, "right", e->right[a]);
        json_put_bool(&w, "barred", e->barred[a]);
        json_begin_array(&w, "features");
        for (int f = 0; f < VOTE_FEATURES; f++)
            json_put_number(&w, NULL, e->features[a * VOTE_FEATURES + f]);
        json_end(&w);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    return json_writer_finish(&w) || buf_text(out, "\n", err) ? -1 : 0;
}

/* ---- the run ----------------------------------------------------------------------------------- */

typedef struct gathering {
    const gather_options *o;
    const eval_set *sets;
    int count, passes;
    const eval_item **plan; /* [planned] */
    size_t planned;
    verify_examples *out;
    eval_record *record;
    council *council;
} gathering;

static int read_answer(const json *v, verify_example *e, int a, error *err)
{
    const json *list = NULL;
    if (json_get_bool(v, "right", &e->right[a], err) < 0 ||
        json_get_bool(v, "barred", &e->barred[a], err) < 0 ||
        json_get_array(v, "features", &list, err) < 0)
        return -1;
    if (!list || json_count(list) != VOTE_FEATURES)
        return error_set(err, ERROR_LOAD, "features: must be %d numbers", VOTE_FEATURES);
    double *at = e->features + (size_t)a * VOTE_FEATURES;
    for (const json *i = json_first(list); i; i = json_next(i), at++) {
        if (json_type(i) != JSON_NUMBER || !isfinite(json_number(i)))
            return error_set(err, ERROR_LOAD, "features: must be numbers");
        *at = json_number(i);
    }
    return 0;
}

/* The next item of the plan, as an earlier run recorded it. */
static int take_line(void *user, const json *line, error *err)
{
    gathering *g = user;
    const char *id = json_text_at(line, "item");
    const json *answers = NULL;
    if (g->out->len >= g->planned || !id || strcmp(id, g->plan[g->out->len]->id) != 0)
        return error_set(err, ERROR_RUN, "is not the next item");
    if (json_get_array(line, "answers", &answers, err) < 0)
        return -1;
    if (!answers || json_count(answers) != (size_t)g->passes)
        return error_set(err, ERROR_LOAD, "answers: must be %d", g->passes);
    verify_example *e = add_example(g->out, g->passes, err);
    int a = 0;
    for (const json *i = json_first(answers); e && i; i = json_next(i))
        if (read_answer(i, e, a++, err))
            return -1;
    if (!e)
        return -1;
    end_example(e, id);
    return 0;
}

static int make_plan(gathering *g, error *err)
{
    size_t n = 0;
    for (int s = 0; s < g->count; s++)
        n += gather_count(&g->sets[s]);
    if (!n)
        return error_set(err, ERROR_USAGE,
                         "there is nothing to learn from: no exact question and no rubric");
    g->plan = calloc(n, sizeof *g->plan);
    if (!g->plan)
        return error_memory(err, "the plan");
    for (int s = 0; s < g->count; s++)
        for (size_t i = 0; i < g->sets[s].len; i++)
            if (is_asked(&g->sets[s].v[i]))
                g->plan[g->planned++] = &g->sets[s].v[i];
    return 0;
}

static int open_council(gathering *g, error *err)
{
    council_options o = g->o->council;
    o.keep_logprobs = true;
    g->council = council_open(g->o->engine, &o, err);
    for (int i = 0; g->council && i < g->passes; i++) {
        pass_options p = roster_pass(g->o->roster, i);
        if (council_add(g->council, &p, err) < 0)
            return -1;
    }
    return g->council ? 0 : -1;
}

/* Which answers are right, and what a vote knows of them. */
static int describe(gathering *g, const eval_item *item, const council_request *requests,
                    turn_answer *replies, verify_example *e, error *err)
{
    council_round round = {requests, replies, council_shared_prefill(g->council)};
    for (int i = 0; i < g->passes; i++) {
        replies[i] = *council_answer(g->council, i);
        if (replies[i].stop == STOP_INTERRUPTED)
            return error_set(err, ERROR_CANCELLED, "interrupted");
        eval_verdict v = {0};
        if (eval_match(item, replies[i].text.v, replies[i].text.len, &v, err))
            return -1;
        e->right[i] = v.right;
    }
    return vote_describe(g->council, &round, e->features, e->barred, err);
}

static int ask_item(gathering *g, const eval_item *item, error *err)
{
    size_t n = (size_t)g->passes;
    chat_message question = {CHAT_USER, item->question, strlen(item->question)};
    uint64_t seed = hash_bytes(hash_bytes(HASH_START, &g->o->seed, sizeof g->o->seed), item->id,
                               strlen(item->id));
    council_request *requests = calloc(n, sizeof *requests);
    turn_answer *replies = calloc(n, sizeof *replies);
    verify_example *e = add_example(g->out, g->passes, err);
    buf line = {0};
    int result = e ? 0 : -1;
    if (!requests || !replies)
        result = error_memory(err, "the answers");
    for (int i = 0; i < g->passes && !result; i++)
        requests[i] = (council_request){
            .instruction = roster_instruction(g->o->roster, i, question.text, question.len),
            .messages = &question,
            .count = 1,
            .seed = seed & SEED_MASK};
    if (!result)
        result =
            council_ask(g->council, requests, err) || describe(g, item, requests, replies, e, err);
    if (!result) {
        end_example(e, item->id);
        result = put_line(e, item->id, &line, err) || eval_record_add(g->record, &line, err);
    }
    buf_release(&line);
    free(requests);
    free(replies);
    return result ? -1 : 0;
}

int gather_run(const gather_options *o, const eval_set *sets, int count, const char *path,
               const buf *header, verify_examples *out, error *err)
{
    gathering g = {.o = o, .sets = sets, .count = count, .out = out};
    g.passes = roster_seats(o->roster);
    int result = make_plan(&g, err);
    if (!result) {
        g.record = eval_record_open(path, header, take_line, &g, err);
        result = !g.record || open_council(&g, err) ? -1 : 0;
    }
    while (!result && out->len < g.planned) {
        if (o->progress)
            o->progress(o->user, out->len, g.planned);
        result = ask_item(&g, g.plan[out->len], err);
    }
    council_close(g.council);
    eval_record_close(g.record);
    free(g.plan);
    return result;
}
