/* report_json.c - the answers as JSON, field for field what scripts rely on. */
#include "../../personas/conversation/record_setting.h"
#include "../../transcripts/turn_json.h"
#include "report.h"

void report_json_model(const report *r, const char *key, json_writer *e)
{
    transcript_model m;
    (void)record_model(r->engine, &m, e->err);
    records_put_model(e, key, &m);
}

void report_json_chosen(const report *r, json_writer *e)
{
    if (!r->chosen)
        return;
    json_begin_object(e, "chosen");
    json_put_text(e, "persona", r->chosen);
    json_put_text(e, "why", r->chosen_why);
    json_end(e);
}

void report_json_answer(const report *r, int i, const char *key, json_writer *e)
{
    json_begin_object(e, key);
    turn_json_answer(e, TURN_REPORT, r->answers[i]);
    json_end(e);
}

/* Scores and shares stand as the answers do; one that was not joined has null. */
void report_json_merge(const report *r, const char *key, json_writer *e)
{
    region room = {0};
    turn_merge m;
    if (!r->merge) {
        json_put_null(e, key);
        return;
    }
    if (turn_spread(r->turn, r->merge, &room, &m, e->err))
        e->failed = true;
    json_begin_object(e, key);
    turn_json_merge(e, TURN_REPORT, &m);
    json_end(e);
    region_release(&room);
}

void report_json_merge_error(const report *r, json_writer *e)
{
    if (r->merge_failure.code != ERROR_NONE)
        json_put_text(e, "merge_error", r->merge_failure.text);
}

void report_json_timings(const report *r, const char *key, json_writer *e)
{
    const turn_timings *t = &r->turn->timings;
    json_begin_object(e, key);
    json_put_number(e, "load", r->load);
    json_put_number(e, "prefill", t->prefill);
    json_put_number(e, "decode", t->decode);
    json_put_number(e, "merge", r->merge ? r->merge->seconds : 0);
    json_put_number(e, "union_experts_per_step", t->union_experts_per_step);
    json_put_number(e, "picks_per_step", t->picks_per_step);
    json_put_text(e, "prefill_mode", r->turn->shared ? "shared" : "own");
    json_end(e);
}

void report_json(const report *r, json_writer *e)
{
    json_begin_object(e, NULL);
    json_put_int(e, "consilium", 1);
    report_json_model(r, "model", e);
    json_put_bytes(e, "prompt", r->prompt, r->prompt_len);
    report_json_chosen(r, e);
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
