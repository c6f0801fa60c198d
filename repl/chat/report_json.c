/* report_json.c - the answers as JSON, field for field what scripts rely on. */
#include <string.h>

#include "report.h"

static void put_ints(json_writer *e, const char *key, const int *v, size_t n)
{
    json_begin_array(e, key);
    for (size_t i = 0; i < n; i++)
        json_put_int(e, NULL, v[i]);
    json_end(e);
}

static void put_numbers(json_writer *e, const char *key, const double *v, size_t n)
{
    json_begin_array(e, key);
    for (size_t i = 0; i < n; i++)
        json_put_number(e, NULL, v[i]);
    json_end(e);
}

void report_json_model(const report *r, const char *key, json_writer *e)
{
    const model_config *m = engine_config(r->engine);
    json_begin_object(e, key);
    json_put_text(e, "path", checkpoint_path(engine_checkpoint(r->engine)));
    json_put_text(e, "architecture", architecture_name(m->arch));
    json_put_text(e, "fingerprint", engine_fingerprint(r->engine, e->err));
    json_put_int(e, "layers", m->layers);
    json_put_int(e, "experts", m->experts);
    json_put_int(e, "experts_per_token", m->experts_per_token);
    json_end(e);
}

static void put_routing(const report *r, const kept_answer *k, json_writer *e)
{
    size_t layers = (size_t)engine_config(r->engine)->layers;
    json_begin_object(e, "routing");
    put_ints(e, "allowed", k->allowed, layers);
    put_ints(e, "used", k->used, layers);
    json_put_number(e, "banned_mass", k->banned_mass);
    json_end(e);
}

void report_json_answer(const report *r, int i, const char *key, json_writer *e)
{
    const kept_answer *k = &r->answers[i];
    json_begin_object(e, key);
    json_put_text(e, "persona", k->name);
    json_put_bytes(e, "text", k->text, k->len);
    put_ints(e, "tokens", k->ids.v, k->ids.len);
    json_put_int(e, "prompt_tokens", k->prompt_tokens);
    json_put_text(e, "stop", pass_stop_name(k->stop));
    json_put_count(e, "seed", k->seed);
    json_put_number(e, "seconds", k->seconds);
    json_put_number(e, "tokens_per_second", k->tokens_per_second);
    json_put_text(e, "acts_by", k->acts_by);
    put_routing(r, k, e);
    if (k->thought[0])
        json_put_text(e, "thought", k->thought);
    if (k->stop == STOP_ERROR)
        json_put_text(e, "error", k->failure.text);
    json_end(e);
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
static void put_by_answer(const report *r, const char *key, const double *v, json_writer *e)
{
    json_begin_array(e, key);
    for (int i = 0; i < r->count; i++) {
        int at = joined_as(r, i);
        if (v && at >= 0)
            json_put_number(e, NULL, v[at]);
        else
            json_put_null(e, NULL);
    }
    json_end(e);
}

/* [judge][answer], both as the answers stand; an empty array where nobody voted. */
static void put_scores(const report *r, json_writer *e)
{
    const merge_result *m = &r->merge;
    json_begin_array(e, "scores");
    for (int i = 0; m->scores && i < r->count; i++) {
        int judge = joined_as(r, i);
        put_by_answer(r, NULL, judge < 0 ? NULL : m->scores + (size_t)judge * (size_t)m->passes, e);
    }
    json_end(e);
}

static void put_revised(const report *r, json_writer *e)
{
    json_begin_array(e, "revised");
    for (int i = 0; i < r->count; i++) {
        int at = joined_as(r, i);
        if (at >= 0)
            json_put_bytes(e, NULL, r->merge.revised[at].v, r->merge.revised[at].len);
        else
            json_put_null(e, NULL);
    }
    json_end(e);
}

void report_json_merge(const report *r, const char *key, json_writer *e)
{
    const merge_result *m = &r->merge;
    if (!r->merged || m->method == MERGE_NONE) {
        json_put_null(e, key);
        return;
    }
    json_begin_object(e, key);
    json_put_text(e, "method", merge_name(m->method));
    json_put_text(e, "by", m->by);
    json_put_bytes(e, "text", m->text, m->len);
    put_scores(r, e);
    if (m->shares) {
        put_by_answer(r, "shares", m->shares, e);
        json_put_bool(e, "tie", m->tie);
    }
    if (m->revised)
        put_revised(r, e);
    if (m->divergence)
        put_numbers(e, "divergence", m->divergence, m->ids.len);
    if (m->stop == STOP_INTERRUPTED)
        json_put_text(e, "stop", pass_stop_name(m->stop));
    if (m->note)
        json_put_text(e, "note", m->note);
    json_end(e);
}

void report_json_merge_error(const report *r, json_writer *e)
{
    if (r->merge_failure.code != ERROR_NONE)
        json_put_text(e, "merge_error", r->merge_failure.text);
}

void report_json_timings(const report *r, const char *key, json_writer *e)
{
    json_begin_object(e, key);
    json_put_number(e, "load", r->load);
    json_put_number(e, "prefill", r->timings.prefill);
    json_put_number(e, "decode", r->timings.decode);
    json_put_number(e, "merge", r->merged ? r->merge.seconds : 0);
    json_put_number(e, "union_experts_per_step", r->timings.union_experts_per_step);
    json_put_number(e, "picks_per_step", r->timings.picks_per_step);
    json_put_text(e, "prefill_mode", r->timings.shared_prefill ? "shared" : "own");
    json_end(e);
}

void report_json(const report *r, json_writer *e)
{
    json_begin_object(e, NULL);
    json_put_int(e, "consilium", 1);
    report_json_model(r, "model", e);
    json_put_bytes(e, "prompt", r->prompt, r->prompt_len);
    json_begin_array(e, "answers");
    for (int i = 0; i < r->count; i++)
        report_json_answer(r, i, NULL, e);
    json_end(e);
    report_json_merge(r, "merge", e);
    report_json_merge_error(r, e);
    report_json_timings(r, "timings", e);
    json_put_text(e, "session", r->session);
    json_end(e);
}
