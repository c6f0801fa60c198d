/* gate_examples.c - see gate_examples.h. */
#include "gate_examples.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/hash.h"
#include "../council/council_state.h"
#include "../council/distribution.h"

void gate_examples_release(gate_examples *x)
{
    free(x->v);
    region_release(&x->memory);
    *x = (gate_examples){0};
}

gate_example *gate_examples_add(gate_examples *x, uint64_t id, int passes, error *err)
{
    size_t n = (size_t)passes;
    gate_example *v = array_room(x->v, x->len, &x->cap, sizeof *v, "examples", err);
    if (!v)
        return NULL;
    x->v = v;
    gate_example *e = &v[x->len];
    *e =
        (gate_example){.id = id,
                       .passes = passes,
                       .features = region_take(&x->memory, n * GATE_FEATURES * sizeof(double), err),
                       .prior = region_take(&x->memory, n * sizeof(double), err),
                       .p = region_take(&x->memory, n * sizeof(double), err)};
    if (!e->features || !e->prior || !e->p)
        return NULL;
    x->len++;
    return e;
}

typedef struct reading {
    const gather_options *o;
    council *council;
    int n, vocabulary;
    council_request *requests; /* [n] */
    turn_answer *none;         /* [n] nobody has replied */
    step *steps;               /* [n] */
    double *prior;             /* [n] */
    double *p;                 /* [n, vocabulary] */
    double *mean;              /* [vocabulary] */
    gate_examples *out;
} reading;

static void release(reading *r)
{
    council_close(r->council);
    free(r->requests);
    free(r->none);
    free(r->steps);
    free(r->prior);
    free(r->p);
    free(r->mean);
}

static int open_reading(reading *r, error *err)
{
    size_t n = (size_t)r->n, v = (size_t)r->vocabulary;
    r->requests = calloc(n, sizeof *r->requests);
    r->none = calloc(n, sizeof *r->none);
    r->steps = calloc(n, sizeof *r->steps);
    r->prior = calloc(n, sizeof *r->prior);
    r->p = calloc(n * v, sizeof *r->p);
    r->mean = calloc(v, sizeof *r->mean);
    if (!r->requests || !r->none || !r->steps || !r->prior || !r->p || !r->mean)
        return error_memory(err, "the examples");
    r->council = council_open(r->o->engine, &r->o->council, err);
    for (int i = 0; r->council && i < r->n; i++) {
        pass_options p = roster_pass(r->o->roster, i);
        if (council_add(r->council, &p, err) < 0)
            return -1;
    }
    return r->council ? 0 : -1;
}

static int read_prompts(reading *r, const eval_item *item, error *err)
{
    chat_message question = {CHAT_USER, item->question, strlen(item->question)};
    council_round round = {r->requests, r->none, false};
    for (int i = 0; i < r->n; i++)
        r->requests[i] = (council_request){
            .instruction = roster_instruction(r->o->roster, i, question.text, question.len),
            .messages = &question,
            .count = 1};
    merging m = {.council = r->council, .round = &round};
    int result = merge_each_pass(&m, err) || merge_foretelling(&m, r->prior, err) ||
                 council_load_round(r->council, &round, err);
    merge_release(&m);
    if (result)
        return -1;
    for (int i = 0; i < r->n; i++) {
        pass *p = r->council->passes[i];
        if (session_sync(p->session, p->prompt.v, (int)p->prompt.len, p->program_start, p->logits,
                         NULL, NULL, err))
            return -1;
    }
    return 0;
}

/* What the passes expect, and how likely each finds the token. */
static int add_example(reading *r, uint64_t id, int at, int token, error *err)
{
    size_t v = (size_t)r->vocabulary;
    gate_example *e = gate_examples_add(r->out, id, r->n, err);
    if (!e)
        return -1;
    for (int i = 0; i < r->n; i++) {
        distribution_softmax(r->council->passes[i]->logits, r->vocabulary, r->p + (size_t)i * v);
        e->p[i] = r->p[(size_t)i * v + (size_t)token];
        e->prior[i] = r->prior[i];
    }
    gate_features(r->p, r->prior, r->n, r->vocabulary, at, r->mean, e->features);
    return 0;
}

static int read_token(reading *r, const int *token, error *err)
{
    for (int i = 0; i < r->n; i++) {
        pass *p = r->council->passes[i];
        r->steps[i] = (step){p->session, token, 1, LOGITS_LAST, p->logits};
    }
    return engine_advance(r->o->engine, r->steps, r->n, err);
}

static int read_item(reading *r, const eval_item *item, error *err)
{
    const char *key = item->keys.v[0];
    uint64_t id = hash_bytes(HASH_START, item->id, strlen(item->id));
    tokens ids = {0};
    int result = read_prompts(r, item, err) || tokenizer_encode(engine_tokenizer(r->o->engine), key,
                                                                strlen(key), &ids, NULL, err)
                     ? -1
                     : 0;
    int n = ids.len < GATE_KEY_TOKENS ? (int)ids.len : GATE_KEY_TOKENS;
    for (int at = 0; at < n && !result; at++) {
        result = add_example(r, id, at, ids.v[at], err);
        if (!result && at + 1 < n)
            result = read_token(r, &ids.v[at], err);
    }
    tokens_release(&ids);
    return result;
}

static bool is_read(const eval_item *item)
{
    return item->kind == EVAL_EXACT && item->keys.len > 0;
}

int gather_gate(const gather_options *o, const eval_set *sets, int count, gate_examples *out,
                error *err)
{
    reading r = {.o = o,
                 .n = roster_seats(o->roster),
                 .vocabulary = engine_config(o->engine)->vocabulary,
                 .out = out};
    size_t all = 0, done = 0;
    for (int s = 0; s < count; s++)
        for (size_t i = 0; i < sets[s].len; i++)
            all += is_read(&sets[s].v[i]);
    int result =
        all ? open_reading(&r, err)
            : error_set(err, ERROR_USAGE, "there is nothing to learn from: no exact question");
    for (int s = 0; s < count && !result; s++) {
        for (size_t i = 0; i < sets[s].len && !result; i++) {
            if (!is_read(&sets[s].v[i]))
                continue;
            if (o->progress)
                o->progress(o->user, done++, all);
            result = read_item(&r, &sets[s].v[i], err);
        }
    }
    release(&r);
    return result;
}
