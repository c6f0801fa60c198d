/* merge_blend.c - one text written by all passes at once, token by token.
 *
 * At each step every pass gives a distribution over the next token, on the same text so far:
 *
 *   mixture    p = sum_i w_i p_i, w from the options or from how well each predicts the prompt
 *              (PackLLM, Mavromatis et al. 2024), which a learned gate shifts at each step (gate.h)
 *   contrast   on the plausible tokens (p >= 0.1 max p): (1 + beta) ln p - beta ln q, where q is
 *              the plain model called with a single expert a token (SCMoE, Shi et al. 2024)
 *
 * The drawn token is read by all. For each token the Jensen-Shannon divergence of the passes is
 * recorded: where it is high, they part.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"
#include "../council/distribution.h"
#include "gate.h"
#include "merge_state.h"

static const double PLAUSIBLE = 0.1;

typedef struct blend {
    council *c;
    const merging *merge;
    const council_round *round;
    const merge_options *options;
    int n, vocabulary;
    double *weights;       /* [n] */
    const gate *gate;      /* NULL = the weights hold for all of it */
    gate *found;           /* the model's, owned */
    double *features;      /* [n, GATE_FEATURES] */
    double *now;           /* [n] weights of the step, by the gate */
    double *p;             /* [n][vocabulary] each pass's distribution */
    double *mixed;         /* [vocabulary] */
    float *z;              /* [vocabulary] what the sampler sees */
    session *weak;         /* contrast only */
    router_program *route; /* the weak pass's single expert */
    float *weak_logits;    /* [vocabulary] */
    step *steps;           /* [n + 1] */
    sampler *sampler;
    uint64_t prompt;    /* tokens of the longest prompt that is read */
    pass written;       /* text and stop rules of what is written; has no session of its own */
    int *ids;           /* [id_count] drawn */
    double *divergence; /* [divergence_count] how far the passes lay apart there */
    int id_count, divergence_count;
} blend;

/* A pass of weight 0 says nothing and reads nothing: one that failed, or was given no say. */
static bool speaks(const blend *b, int i)
{
    return b->weights[i] > 0;
}

/* Fills mixed; returns how far the passes lie apart. */
static double mix(blend *b)
{
    for (int i = 0; i < b->n; i++)
        if (speaks(b, i))
            distribution_softmax(b->c->passes[i]->logits, b->vocabulary,
                                 b->p + (size_t)i * (size_t)b->vocabulary);
    if (!b->gate)
        return distribution_divergence(b->p, b->weights, b->n, b->vocabulary, b->mixed);
    gate_features(b->p, b->weights, b->n, b->vocabulary, (int)b->written.out.len, b->mixed,
                  b->features);
    gate_mix(b->gate->weights, b->features, b->weights, b->n, b->now);
    return distribution_divergence(b->p, b->now, b->n, b->vocabulary, b->mixed);
}

/* ln of the mixture, or its contrast with the weak route, for the sampler. */
static void fill_logits(blend *b)
{
    double *q = b->p; /* the passes' distributions are used up */
    double most = 0, beta = b->options->contrast;
    if (b->weak)
        distribution_softmax(b->weak_logits, b->vocabulary, q);
    for (int t = 0; t < b->vocabulary; t++)
        most = fmax(most, b->mixed[t]);
    for (int t = 0; t < b->vocabulary; t++) {
        double p = b->mixed[t];
        if (!(p > 0) || (b->weak && p < PLAUSIBLE * most))
            b->z[t] = -INFINITY;
        else
            b->z[t] =
                (float)(b->weak ? (1 + beta) * log(p) - beta * log(fmax(q[t], 1e-30)) : log(p));
    }
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int open_weak(blend *b, error *err)
{
    council *c = b->c;
    if (!engine_config(c->engine)->experts)
        return error_set(err, ERROR_LOAD, "a contrast needs a model with experts");
    b->route = router_program_plain(engine_config(c->engine), 1, err);
    b->weak = b->route ? session_open(c->engine, c->options.context, c->options.kv, err) : NULL;
    if (!b->weak || session_set_program(b->weak, b->route, err))
        return -1;
    const tokens *prompt = &c->passes[0]->prompt;
    return session_sync(b->weak, prompt->v, (int)prompt->len, 0, b->weak_logits, NULL, NULL, err);
}

/* nll [passes] of the question; NaN of a pass that failed. */
static int read_questions(const merging *m, double *nll, error *err)
{
    council *c = m->council;
    int n = council_passes(c), count = 0;
    score_request *questions = calloc((size_t)n, sizeof *questions);
    if (!questions)
        return error_memory(err, "a blend");
    for (int i = 0; i < n; i++)
        if (m->round->replies[i].stop != STOP_ERROR)
            questions[count++] = (score_request){.judge = i, .n = c->options.context};
    int result = council_score_batch(c, m->round, questions, count, NULL, NULL, err);
    for (int i = 0; i < n; i++)
        nll[i] = NAN;
    for (int i = 0; i < count; i++)
        nll[questions[i].judge] = -questions[i].mean;
    free(questions);
    return result;
}

int merge_foretelling(const merging *m, double *weights, error *err)
{
    size_t n = (size_t)council_passes(m->council), parties = (size_t)m->count;
    double *nll = calloc(n + parties, sizeof *nll), *by_party = nll + n;
    if (!nll)
        return error_memory(err, "a blend");
    int result = read_questions(m, nll, err);
    merge_by_party(m, nll, by_party);
    for (size_t i = 0; i < parties; i++)
        by_party[i] = isnan(by_party[i]) ? INFINITY : by_party[i];
    merge_weights(by_party, m->count);
    merge_weigh_passes(m, by_party, nll, weights);
    free(nll);
    return result;
}

/* Weights that were given hold as they are; else the gate that was given, or the model's. */
static int find_gate(blend *b, error *err)
{
    b->gate = b->options->gate;
    if (b->options->weights)
        b->gate = NULL;
    else if (!b->gate && gate_find(b->c->engine, &b->found, err))
        return -1;
    else if (!b->gate)
        b->gate = b->found;
    return 0;
}

static int open_weights(blend *b, error *err)
{
    if (!b->options->weights)
        return merge_foretelling(b->merge, b->weights, err);
    double *able = calloc((size_t)b->n, sizeof *able);
    if (!able)
        return error_memory(err, "a blend");
    for (int i = 0; i < b->n; i++)
        able[i] = b->round->replies[i].stop == STOP_ERROR ? NAN : 0;
    merge_weigh_passes(b->merge, b->options->weights, able, b->weights);
    free(able);
    double sum = 0;
    for (int i = 0; i < b->n; i++)
        sum += b->weights[i];
    if (!(sum > 0))
        return error_set(err, ERROR_USAGE, "the blend's weights are all zero");
    for (int i = 0; i < b->n; i++)
        b->weights[i] /= sum;
    return 0;
}

static int open_blend(blend *b, error *err)
{
    size_t v = (size_t)b->vocabulary, n = (size_t)b->n;
    b->weights = calloc(n, sizeof *b->weights);
    b->p = calloc(n * v, sizeof *b->p);
    b->mixed = calloc(v, sizeof *b->mixed);
    b->z = calloc(v, sizeof *b->z);
    b->weak_logits = calloc(v, sizeof *b->weak_logits);
    b->steps = calloc(n + 1, sizeof *b->steps);
    b->features = calloc(n * GATE_FEATURES, sizeof *b->features);
    b->now = calloc(n, sizeof *b->now);
    if (!b->features || !b->now || !b->weights || !b->p || !b->mixed || !b->z || !b->weak_logits ||
        !b->steps)
        return error_memory(err, "a blend");
    sampling s = b->c->passes[0]->sampling;
    s.seed = b->options->seed;
    int ids = tokenizer_count(engine_tokenizer(b->c->engine));
    b->sampler = sampler_open(engine_backend(b->c->engine), &s, "merge",
                              ids < b->vocabulary ? ids : b->vocabulary, err);
    if (!b->sampler || find_gate(b, err) || open_weights(b, err) ||
        (b->options->contrast > 0 && open_weak(b, err)))
        return -1;
    for (int i = 0; i < b->n; i++) {
        pass *p = b->c->passes[i];
        if (speaks(b, i) && session_sync(p->session, p->prompt.v, (int)p->prompt.len,
                                         p->program_start, p->logits, NULL, NULL, err))
            return -1;
        if (speaks(b, i) && p->prompt.len > b->prompt)
            b->prompt = p->prompt.len;
    }
    return 0;
}

static void close_blend(blend *b)
{
    session_close(b->weak);
    router_program_close(b->route);
    sampler_close(b->sampler);
    free(b->found);
    free(b->features);
    free(b->now);
    free(b->weights);
    free(b->p);
    free(b->mixed);
    free(b->z);
    free(b->weak_logits);
    free(b->steps);
    tokens_release(&b->written.prompt);
    tokens_release(&b->written.out);
    buf_release(&b->written.text);
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* All sequences read the token that was drawn. */
static int read_token(blend *b, const int *id, error *err)
{
    int n = 0;
    for (int i = 0; i < b->n; i++) {
        pass *p = b->c->passes[i];
        if (speaks(b, i))
            b->steps[n++] = (step){p->session, id, 1, LOGITS_LAST, p->logits};
    }
    if (b->weak)
        b->steps[n++] = (step){b->weak, id, 1, LOGITS_LAST, b->weak_logits};
    return engine_advance(b->c->engine, b->steps, n, err);
}

static bool has_room(const blend *b)
{
    for (int i = 0; i < b->n; i++)
        if (speaks(b, i) && session_length(b->c->passes[i]->session) >= b->c->options.context)
            return false;
    return !b->weak || session_length(b->weak) < b->c->options.context;
}

static int add_token(blend *b, int id, double divergence, error *err)
{
    region *memory = b->merge->memory;
    int *last = region_add(memory, &b->ids, &b->id_count, 1, sizeof *b->ids, err);
    double *apart =
        region_add(memory, &b->divergence, &b->divergence_count, 1, sizeof *b->divergence, err);
    if (!last || !apart)
        return -1;
    *last = id;
    *apart = divergence;
    return 0;
}

static int write_blend(blend *b, turn_merge *out, error *err)
{
    pass *w = &b->written;
    pass_rules rules = council_rules(b->c);
    pass_begin(w, false);
    while (w->active) {
        int id = 0;
        double divergence = mix(b);
        fill_logits(b);
        /* As for a pass: the position of the token in the longest sequence. */
        uint64_t position = b->prompt + w->out.len;
        if (sampler_pick(b->sampler, b->z, w->out.v, w->out.len, position, NULL, &id, err) ||
            add_token(b, id, divergence, err) || pass_accept(w, &rules, id, err))
            return -1;
        size_t stable = pass_stable_prefix(w, &rules, !w->active);
        if (stable > w->streamed) {
            council_emit_token(b->c, -1, w->text.v + w->streamed, stable - w->streamed, false);
            w->streamed = stable;
        }
        if (!w->active)
            break;
        error why = {0};
        if (!has_room(b)) {
            w->answer.stop = STOP_LENGTH;
            break;
        }
        if (read_token(b, &id, &why)) {
            if (why.code != ERROR_CANCELLED) {
                *err = why;
                return -1;
            }
            w->answer.stop = STOP_INTERRUPTED;
            break;
        }
    }
    out->stop = w->answer.stop;
    out->ids = (turn_ids){b->ids, (size_t)b->id_count};
    out->divergence = b->divergence;
    if (b->gate && merge_set_note(b->merge, out, err, "weighed by the learned gate %08llx",
                                  (unsigned long long)(b->gate->hash >> 32)))
        return -1;
    return merge_set_text(b->merge, out, w->text.v ? w->text.v : "", w->text.len, err);
}

int merge_blend(const merging *m, turn_merge *out, error *err)
{
    council *c = m->council;
    blend b = {.c = c,
               .merge = m,
               .round = m->round,
               .options = m->options,
               .n = council_passes(c),
               .vocabulary = engine_config(c->engine)->vocabulary};
    b.written.name = c->passes[0]->name;
    int result = council_load_round(c, m->round, err);
    if (!result)
        result = open_blend(&b, err);
    if (!result)
        result = write_blend(&b, out, err);
    close_blend(&b);
    return result;
}
