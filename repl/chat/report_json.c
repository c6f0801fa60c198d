/* report_json.c - the answers as JSON, field for field what scripts rely on. */
#include <string.h>

#include "report.h"

static void emit_ints(emitter *e, const char *key, const int *v, size_t n)
{
    emit_array(e, key);
    for (size_t i = 0; i < n; i++)
        emit_int(e, NULL, v[i]);
    emit_end(e);
}

static void emit_numbers(emitter *e, const char *key, const double *v, size_t n)
{
    emit_array(e, key);
    for (size_t i = 0; i < n; i++)
        emit_number(e, NULL, v[i]);
    emit_end(e);
}

void report_json_model(const report *r, const char *key, emitter *e)
{
    const model_config *m = engine_config(r->engine);
    emit_object(e, key);
    emit_text(e, "path", checkpoint_path(engine_checkpoint(r->engine)));
    emit_text(e, "architecture", architecture_name(m->arch));
    emit_text(e, "fingerprint", engine_fingerprint(r->engine, e->err));
    emit_int(e, "layers", m->layers);
    emit_int(e, "experts", m->experts);
    emit_int(e, "experts_per_token", m->experts_per_token);
    emit_end(e);
}

static void emit_routing(const report *r, const kept_answer *k, emitter *e)
{
    size_t layers = (size_t)engine_config(r->engine)->layers;
    emit_object(e, "routing");
    emit_ints(e, "allowed", k->allowed, layers);
    emit_ints(e, "used", k->used, layers);
    emit_number(e, "banned_mass", k->banned_mass);
    emit_end(e);
}

void report_json_answer(const report *r, int i, const char *key, emitter *e)
{
    const kept_answer *k = &r->answers[i];
    emit_object(e, key);
    emit_text(e, "persona", k->name);
    emit_bytes(e, "text", k->text, k->len);
    emit_ints(e, "tokens", k->ids.v, k->ids.len);
    emit_int(e, "prompt_tokens", k->prompt_tokens);
    emit_text(e, "stop", pass_stop_name(k->stop));
    emit_count(e, "seed", k->seed);
    emit_number(e, "seconds", k->seconds);
    emit_number(e, "tokens_per_second", k->tokens_per_second);
    emit_text(e, "acts_by", k->acts_by);
    emit_routing(r, k, e);
    if (k->thought[0])
        emit_text(e, "thought", k->thought);
    if (k->stop == STOP_ERROR)
        emit_text(e, "error", k->failure.text);
    emit_end(e);
}

/* Where the answer at `place` stands among those that were joined, or -1: a control stands aside. */
static int joined_as(const report *r, int place)
{
    for (int i = 0; i < r->merge.passes; i++)
        if (strcmp(r->merge_of[i], r->answers[place].name) == 0)
            return i;
    return -1;
}

/* One number for each answer, null for those that stand aside; v NULL: null for all. */
static void emit_by_answer(const report *r, const char *key, const double *v, emitter *e)
{
    emit_array(e, key);
    for (int i = 0; i < r->count; i++) {
        int at = joined_as(r, i);
        if (v && at >= 0)
            emit_number(e, NULL, v[at]);
        else
            emit_null(e, NULL);
    }
    emit_end(e);
}

/* [judge][answer], both as the answers stand; an empty array where nobody voted. */
static void emit_scores(const report *r, emitter *e)
{
    const merge_result *m = &r->merge;
    emit_array(e, "scores");
    for (int i = 0; m->scores && i < r->count; i++) {
        int judge = joined_as(r, i);
        emit_by_answer(r, NULL, judge < 0 ? NULL : m->scores + (size_t)judge * (size_t)m->passes,
                       e);
    }
    emit_end(e);
}

static void emit_revised(const report *r, emitter *e)
{
    emit_array(e, "revised");
    for (int i = 0; i < r->count; i++) {
        int at = joined_as(r, i);
        if (at >= 0)
            emit_bytes(e, NULL, r->merge.revised[at].v, r->merge.revised[at].len);
        else
            emit_null(e, NULL);
    }
    emit_end(e);
}

void report_json_merge(const report *r, const char *key, emitter *e)
{
    const merge_result *m = &r->merge;
    if (!r->merged || m->method == MERGE_NONE) {
        emit_null(e, key);
        return;
    }
    emit_object(e, key);
    emit_text(e, "method", merge_name(m->method));
    emit_text(e, "by", m->by);
    emit_bytes(e, "text", m->text, m->len);
    emit_scores(r, e);
    if (m->shares) {
        emit_by_answer(r, "shares", m->shares, e);
        emit_bool(e, "tie", m->tie);
    }
    if (m->revised)
        emit_revised(r, e);
    if (m->divergence)
        emit_numbers(e, "divergence", m->divergence, m->ids.len);
    if (m->stop == STOP_INTERRUPTED)
        emit_text(e, "stop", pass_stop_name(m->stop));
    if (m->note)
        emit_text(e, "note", m->note);
    emit_end(e);
}

void report_json_merge_error(const report *r, emitter *e)
{
    if (r->merge_failure.code != ERROR_NONE)
        emit_text(e, "merge_error", r->merge_failure.text);
}

void report_json_timings(const report *r, const char *key, emitter *e)
{
    emit_object(e, key);
    emit_number(e, "load", r->load);
    emit_number(e, "prefill", r->timings.prefill);
    emit_number(e, "decode", r->timings.decode);
    emit_number(e, "merge", r->merged ? r->merge.seconds : 0);
    emit_number(e, "union_experts_per_step", r->timings.union_experts_per_step);
    emit_number(e, "picks_per_step", r->timings.picks_per_step);
    emit_text(e, "prefill_mode", r->timings.shared_prefill ? "shared" : "own");
    emit_end(e);
}

void report_json(const report *r, emitter *e)
{
    emit_object(e, NULL);
    emit_int(e, "consilium", 1);
    report_json_model(r, "model", e);
    emit_bytes(e, "prompt", r->prompt, r->prompt_len);
    emit_array(e, "answers");
    for (int i = 0; i < r->count; i++)
        report_json_answer(r, i, NULL, e);
    emit_end(e);
    report_json_merge(r, "merge", e);
    report_json_merge_error(r, e);
    report_json_timings(r, "timings", e);
    emit_text(e, "session", r->session);
    emit_end(e);
}
