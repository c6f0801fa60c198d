/* diverge.c - see diverge.h.
 *
 * The turn is staged once more, so that each pass has its prompt, and the tokens that are
 * followed are chosen. The position behind the prompts comes from the passes' own logits;
 * the text is then read DIVERGE_ROWS tokens at a time by all passes in one batch, and each
 * token's logits are the position behind it. At every position the softmaxes of all passes
 * stand beside each other in `p`, which gives the divergence and each pass's best tokens.
 * In small chunks, because a row of logits is as long as the vocabulary, for every pass.
 * Sessions are used as they are: what they read behind their prompts is taken back by the
 * next question.
 */
#include "diverge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"
#include "../council/distribution.h"
#include "dialogue_state.h"

enum { DIVERGE_ROWS = 8 };

typedef struct comparison {
    council *c;
    diverge_report *out;
    int n, vocabulary;
    double *p;       /* [n][vocabulary] at one position */
    double *weights; /* [n] equal */
    double *mixed;   /* [vocabulary] */
    float *z;        /* [n][DIVERGE_ROWS][vocabulary] */
    step *steps;     /* [n] */
} comparison;

/* ---- answers as they are ----------------------------------------------------------------------- */

int diverge_shared(const turn_answer *const *answers, int count)
{
    const turn_ids *first = NULL;
    size_t shared = 0;
    int compared = 0;
    for (int i = 0; i < count; i++) {
        const turn_ids *t = &answers[i]->ids;
        if (!t->len)
            continue;
        if (!first) {
            first = t;
            shared = t->len;
        }
        size_t same = 0;
        while (same < shared && same < t->len && t->v[same] == first->v[same])
            same++;
        shared = same;
        compared++;
    }
    return compared < 2 ? -1 : (int)shared;
}

/* ---- which text -------------------------------------------------------------------------------- */

/* The pass whose answer the current merge chose, else "merge" itself. */
static const char *merged_by(const turn_merge *m)
{
    return merge_took_one(m->method) && m->winner >= 0 ? m->of[m->winner] : "merge";
}

static const char *choose(const struct turn *t, const diverge_report *r, const char *follow)
{
    const turn_merge *m = turn_merged(t);
    if (!follow)
        follow = t->picked ? t->picked : m ? "merge" : r->names[0];
    return strcmp(follow, "merge") == 0 && m ? merged_by(m) : follow;
}

/* The tokens of the text that is followed. */
static int text_of(const dialogue *d, const struct turn *t, const char *name, tokens *out,
                   error *err)
{
    const turn_merge *m = strcmp(name, "merge") == 0 ? turn_merged(t) : NULL;
    const turn_answer *a = turn_answer_of(t, name);
    if (m && m->ids.len)
        return tokens_append(out, m->ids.v, m->ids.len, err);
    if (m)
        return tokenizer_encode(engine_tokenizer(d->engine), m->text.v, m->text.len, out, NULL,
                                err);
    if (!a)
        return error_set(err, ERROR_USAGE, "%.64s has not answered in turn %d", name, t->number);
    return tokens_append(out, a->ids.v, a->ids.len, err);
}

/* ---- one position ------------------------------------------------------------------------------ */

static void choose_best(const double *p, int n, diverge_choice *out)
{
    for (int k = 0; k < DIVERGE_TOP; k++) {
        int best = -1;
        for (int t = 0; t < n; t++) {
            bool taken = false;
            for (int j = 0; j < k; j++)
                taken = taken || out->id[j] == t;
            if (!taken && (best < 0 || p[t] > p[best]))
                best = t;
        }
        out->id[k] = best;
        out->p[k] = best < 0 ? 0 : p[best];
    }
}

/* b->p holds every pass's distribution. */
static void compare(comparison *b, int at)
{
    diverge_report *r = b->out;
    diverge_choice *choices = r->choices + (size_t)at * (size_t)b->n;
    r->divergence[at] = distribution_divergence(b->p, b->weights, b->n, b->vocabulary, b->mixed);
    bool apart = false;
    for (int i = 0; i < b->n; i++) {
        choose_best(b->p + (size_t)i * (size_t)b->vocabulary, b->vocabulary, &choices[i]);
        apart = apart || choices[i].id[0] != choices[0].id[0];
    }
    if (apart && r->first < 0)
        r->first = at;
}

static void take_row(comparison *b, int i, const float *z)
{
    distribution_softmax(z, b->vocabulary, b->p + (size_t)i * (size_t)b->vocabulary);
}

/* ---- along the text ---------------------------------------------------------------------------- */

/* Position 0: what follows the prompt. */
static int read_prompts(comparison *b, error *err)
{
    for (int i = 0; i < b->n; i++) {
        pass *p = b->c->passes[i];
        if (session_sync(p->session, p->prompt.v, (int)p->prompt.len, p->program_start, p->logits,
                         NULL, NULL, err))
            return -1;
        take_row(b, i, p->logits);
    }
    compare(b, 0);
    return 0;
}

/* Reads tokens [from, from + rows) in all passes; each gives the position behind it. */
static int read_rows(comparison *b, int from, int rows, error *err)
{
    size_t row = (size_t)b->vocabulary;
    for (int i = 0; i < b->n; i++)
        b->steps[i] = (step){b->c->passes[i]->session, b->out->tokens + from, rows, LOGITS_ALL,
                             b->z + (size_t)i * DIVERGE_ROWS * row};
    if (engine_advance(b->c->engine, b->steps, b->n, err))
        return -1;
    for (int k = 0; k < rows; k++) {
        for (int i = 0; i < b->n; i++)
            take_row(b, i, b->steps[i].logits + (size_t)k * row);
        compare(b, from + k + 1);
    }
    return 0;
}

static int walk(comparison *b, error *err)
{
    int last = b->out->positions - 1;
    if (last < 0)
        return 0;
    int result = read_prompts(b, err);
    for (int at = 0; at < last && !result; at += DIVERGE_ROWS)
        result = read_rows(b, at, last - at < DIVERGE_ROWS ? last - at : DIVERGE_ROWS, err);
    return result;
}

/* ---- public ------------------------------------------------------------------------------------ */

static int open_comparison(comparison *b, error *err)
{
    size_t n = (size_t)b->n, v = (size_t)b->vocabulary;
    b->p = calloc(n * v, sizeof *b->p);
    b->weights = calloc(n, sizeof *b->weights);
    b->mixed = calloc(v, sizeof *b->mixed);
    b->z = calloc(n * DIVERGE_ROWS * v, sizeof *b->z);
    b->steps = calloc(n, sizeof *b->steps);
    if (!b->p || !b->weights || !b->mixed || !b->z || !b->steps)
        return error_memory(err, "a comparison");
    for (int i = 0; i < b->n; i++)
        b->weights[i] = 1.0 / b->n;
    return 0;
}

static void close_comparison(comparison *b)
{
    free(b->p);
    free(b->weights);
    free(b->mixed);
    free(b->z);
    free(b->steps);
}

static int name_passes(const dialogue *d, const stage *s, diverge_report *r, error *err)
{
    assert(s->n > 0);
    r->names = calloc((size_t)s->n, sizeof *r->names);
    if (!r->names)
        return error_memory(err, "a comparison");
    for (r->passes = 0; r->passes < s->n; r->passes++)
        if (!(r->names[r->passes] = strdup(roster_seat(d->roster, s->who[r->passes])->name)))
            return error_memory(err, "a comparison");
    return 0;
}

/* How far the text is followed: as far as it goes, as wanted, and as the longest prompt leaves room. */
static int positions_of(const council *c, size_t text, int most)
{
    size_t room = text;
    if (most > 0 && (size_t)most < room)
        room = (size_t)most;
    for (int i = 0; i < c->count; i++) {
        size_t left = (size_t)c->options.context - c->passes[i]->prompt.len + 1;
        room = left < room ? left : room;
    }
    return (int)room;
}

static int shared_by(const struct turn *t, const diverge_report *r, error *err)
{
    const turn_answer **list = calloc((size_t)r->passes, sizeof *list);
    if (!list)
        return error_memory(err, "a comparison");
    for (int i = 0; i < r->passes; i++)
        list[i] = turn_answer_of(t, r->names[i]);
    int shared = diverge_shared(list, r->passes);
    free(list);
    return shared < 0 ? 0 : shared;
}

static int prepare(const dialogue *d, const struct turn *t, const stage *s, const char *follow,
                   int most, diverge_report *r, error *err)
{
    tokens text = {0};
    if (name_passes(d, s, r, err) || (r->shared = shared_by(t, r, err)) < 0)
        return -1;
    const char *name = choose(t, r, follow);
    r->follows = strdup(name);
    int result = r->follows ? text_of(d, t, name, &text, err) : error_memory(err, "a comparison");
    r->positions = result ? 0 : positions_of(s->part, text.len, most);
    size_t n = (size_t)r->positions;
    r->tokens = text.v; /* taken over; only the first `positions` count */
    r->divergence = calloc(n + 1, sizeof *r->divergence);
    r->choices = calloc(n * (size_t)r->passes + 1, sizeof *r->choices);
    if (!result && (!r->divergence || !r->choices))
        result = error_memory(err, "a comparison");
    return result;
}

static int compute(dialogue *d, const struct turn *t, stage *s, const char *follow, int most,
                   diverge_report *out, error *err)
{
    comparison b = {
        .c = s->part, .out = out, .n = s->n, .vocabulary = engine_config(d->engine)->vocabulary};
    council_round round = dialogue_stage_turn(d, s, t, t->from, dialogue_seed(d, t->number));
    int result = council_load_round(s->part, &round, err);
    if (!result)
        result = prepare(d, t, s, follow, most, out, err);
    if (!result)
        result = open_comparison(&b, err);
    if (!result)
        result = walk(&b, err);
    close_comparison(&b);
    return result;
}

int diverge_compute(dialogue *d, const char *const *of, int count, const char *follow, int most,
                    diverge_report *out, error *err)
{
    const struct turn *t = dialogue_last(d);
    int n = 0, *who = NULL;
    *out = (diverge_report){.first = -1};
    if (!t)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    if (dialogue_answered(d, t, of, count, &who, &n, err))
        return -1;
    if (n < 2) {
        free(who);
        return error_set(err, ERROR_USAGE, "two passes are needed; turn %d has %d of those here",
                         t->number, n);
    }
    stage s;
    int result = dialogue_stage(d, who, n, &s, err) || compute(d, t, &s, follow, most, out, err);
    dialogue_stage_close(&s);
    if (!result)
        return 0;
    diverge_release(out);
    return -1;
}

void diverge_release(diverge_report *r)
{
    for (int i = 0; r->names && i < r->passes; i++)
        free(r->names[i]);
    free(r->names);
    free(r->follows);
    free(r->tokens);
    free(r->divergence);
    free(r->choices);
    *r = (diverge_report){.first = -1};
}
