/* keeper_restore.c - from records back to turns of a dialogue. See keeper.h. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "keeper.h"

static char *copy(const char *bytes, size_t n)
{
    char *out = malloc(n + 1);
    if (!out)
        return NULL;
    if (n)
        memcpy(out, bytes, n);
    out[n] = '\0';
    return out;
}

static char *copy_text(const char *text)
{
    return text ? copy(text, strlen(text)) : NULL;
}

static pass_stop stop_of(const char *name)
{
    for (int s = STOP_END; s <= STOP_ERROR; s++)
        if (name && strcmp(name, pass_stop_name((pass_stop)s)) == 0)
            return (pass_stop)s;
    return STOP_END;
}

/* [layers]; what a record of another model says too much or too little of is left out. */
static int *copy_counts(const int *from, int have, int layers)
{
    int *out = calloc((size_t)layers + 1, sizeof *out);
    for (int i = 0; out && from && have == layers && i < layers; i++)
        out[i] = from[i];
    return out;
}

/* Ids that the model does not know are no ids at all. */
static int copy_ids(const int *ids, size_t n, engine *e, tokens *out, error *err)
{
    const tokenizer *words = engine_tokenizer(e);
    int known = words ? tokenizer_count(words) : 0;
    if (known > engine_config(e)->vocabulary)
        known = engine_config(e)->vocabulary;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= known)
            return 0;
    return tokens_append(out, ids, n, err);
}

static int restore_answer(const history_answer *a, engine *e, kept_answer *out, error *err)
{
    int layers = engine_config(e)->layers;
    *out = (kept_answer){
        .name = copy_text(a->persona),
        .acts_by = copy_text(a->acts_by),
        .color = copy_text(a->color),
        .text = copy(a->text.v, a->text.len),
        .len = a->text.len,
        .thought = copy(a->thought.v, a->thought.len),
        .thought_len = a->thought.len,
        .continued = a->continued,
        .prompt_tokens = a->prompt_tokens,
        .prompt_hash = a->prompt_hash ? strtoull(a->prompt_hash, NULL, 16) : 0,
        .stop = stop_of(a->stop),
        .seed = a->seed,
        .program = strtoull(a->program, NULL, 16),
        .seconds = a->seconds,
        .tokens_per_second = a->tokens_per_second,
        .banned_mass = a->banned_mass,
        .allowed = copy_counts(a->allowed, a->layers, layers),
        .used = copy_counts(a->used, a->layers, layers),
        .asked_experts = a->asked_experts,
        .least_allowed = a->least_allowed,
    };
    if (a->failure)
        (void)error_set(&out->failure, ERROR_RUN, "%s", a->failure);
    if (!out->name || !out->acts_by || !out->text || !out->thought || !out->allowed || !out->used)
        return error_memory(err, "an answer");
    return copy_ids(a->tokens, a->token_count, e, &out->ids, err);
}

static double *copy_numbers(const double *from, size_t n)
{
    double *out = from ? calloc(n + 1, sizeof *out) : NULL;
    if (out && n)
        memcpy(out, from, n * sizeof *out);
    return out;
}

static int restore_result(const history_merge *m, engine *e, merge_result *r, error *err)
{
    size_t n = (size_t)m->passes;
    int rounds;
    *r = (merge_result){.winner = m->winner, .passes = m->passes, .tie = m->tie};
    r->seconds = m->seconds;
    r->stop = stop_of(m->stop);
    if (merge_parse(m->method, &r->method, &rounds, NULL) || m->failure) {
        r->winner = -1;
        return 0;
    }
    r->by = copy_text(m->by);
    r->note = copy_text(m->note);
    r->text = copy(m->text.v, m->text.len);
    r->len = m->text.len;
    r->scores = copy_numbers(m->scores, n * n);
    r->shares = copy_numbers(m->shares, n);
    r->divergence = copy_numbers(m->divergence, m->token_count);
    r->revised = m->revised ? calloc(n + 1, sizeof *r->revised) : NULL;
    bool whole = r->text && (!m->by || r->by) && (!m->note || r->note) &&
                 (!m->scores || r->scores) && (!m->shares || r->shares) &&
                 (!m->divergence || r->divergence) && (!m->revised || r->revised);
    for (size_t i = 0; whole && m->revised && i < n; i++)
        whole = buf_add(&r->revised[i], m->revised[i].v, m->revised[i].len, err) == 0;
    if (!whole)
        return error_memory(err, "a merge");
    return copy_ids(m->tokens, m->token_count, e, &r->ids, err);
}

static int restore_merge(const history_turn *t, const history_merge *m, engine *e, kept_merge *out,
                         error *err)
{
    merge_method method;
    int rounds;
    const char *failure = m->failure                                       ? m->failure
                          : merge_parse(m->method, &method, &rounds, NULL) ? "its method is unknown"
                                                                           : NULL;
    *out = (kept_merge){.seed = m->seed, .failure = copy_text(failure)};
    if (restore_result(m, e, &out->result, err))
        return -1;
    for (int i = 0; i < t->answer_count; i++)
        out->answers += t->answers[i].n < m->n;
    out->of = calloc((size_t)m->passes + 1, sizeof *out->of);
    bool whole = out->of && (!failure || out->failure);
    for (int i = 0; whole && i < m->passes; i++)
        whole = (out->of[i] = copy_text(m->of[i])) != NULL;
    return whole ? 0 : error_memory(err, "a merge");
}

static context_policy policy_of(const char *name)
{
    return strcmp(name, "merged") == 0   ? CONTEXT_MERGED
           : strcmp(name, "picked") == 0 ? CONTEXT_PICKED
                                         : CONTEXT_OWN;
}

static int restore_parts(const history_turn *t, int n, engine *e, dialogue_turn *out, error *err)
{
    out->answers = calloc((size_t)t->answer_count + 1, sizeof *out->answers);
    out->merges = calloc((size_t)t->merge_count + 1, sizeof *out->merges);
    if (!out->answers || !out->merges || !out->prompt || (t->only && !out->only))
        return error_memory(err, "a turn");
    for (int i = 0; i < t->answer_count; i++)
        if (t->answers[i].n < n &&
            restore_answer(&t->answers[i], e, &out->answers[out->answer_count++], err))
            return -1;
    for (int i = 0; i < t->merge_count; i++)
        if (t->merges[i].n < n &&
            restore_merge(t, &t->merges[i], e, &out->merges[out->merge_count++], err))
            return -1;
    const char *picked = NULL;
    for (int i = 0; i < t->pick_count; i++)
        if (t->picks[i].n < n)
            picked = !t->picks[i].name ? NULL : t->picks[i].name[0] ? t->picks[i].name : picked;
    out->picked = copy_text(picked);
    return picked && !out->picked ? error_memory(err, "a turn") : 0;
}

int keeper_restore_turn(const history_turn *t, int n, engine *e, dialogue_turn *out, error *err)
{
    *out = (dialogue_turn){
        .number = t->turn,
        .parent = t->parent,
        .prompt = copy(t->prompt.v, t->prompt.len),
        .prompt_len = t->prompt.len,
        .only = copy_text(t->only),
        .context = policy_of(t->context),
        .from = t->from >= 1 && t->from <= t->turn ? t->from : t->turn,
        .shared = t->shared,
        .timings = {t->timings.prefill, t->timings.decode, t->timings.union_experts_per_step,
                    t->timings.picks_per_step, t->shared},
        .undone = t->undone && t->undone_n < n,
    };
    if (restore_parts(t, n, e, out, err) == 0)
        return 0;
    dialogue_turn_release(out);
    return -1;
}

int keeper_restore(const history *h, dialogue *d, error *err)
{
    const history_turn **path;
    size_t count, at = 0;
    int number = 0;
    if (history_path(h, &path, &count, err))
        return -1;
    int result = 0;
    for (int i = 0; i < h->turn_count && !result; i++) {
        dialogue_turn t;
        bool leads = at < count && path[at] == &h->turns[i];
        at += leads;
        if (h->turns[i].turn <= number)
            continue; /* a number that was used twice: damage */
        number = h->turns[i].turn;
        result = keeper_restore_turn(&h->turns[i], INT_MAX, dialogue_engine(d), &t, err);
        if (!result) {
            t.undone = !leads;
            result = dialogue_restore(d, &t, err);
        }
    }
    free(path);
    return result;
}
