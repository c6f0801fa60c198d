/* export_json.c - the conversation as one JSON document. See export.h.
 *
 * {"consilium":1,"transcript":{..},"model":{..},"turns":[{..,"answers":[..],"merges":[..]}]}: every
 * version of every answer and merge, undone turns too, with the figures that they were recorded
 * with. Names are those of `ask --format json`, so that what reads one reads the other.
 */

#include "../../engine/base/json_writer.h"
#include "export.h"
#include "export_text.h"

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

static void put_words(json_writer *e, const char *key, history_text text)
{
    json_put_bytes(e, key, text.v ? text.v : "", text.v ? text.len : 0);
}

static void put_head(json_writer *e, const history *h)
{
    json_put_int(e, "consilium", 1);
    json_begin_object(e, "transcript");
    json_put_text(e, "id", h->id);
    json_put_text(e, "title", h->title);
    json_put_text(e, "created", h->created);
    json_put_text(e, "version", h->version);
    json_put_text(e, "isa", h->isa);
    json_put_count(e, "records", h->records);
    json_put_count(e, "damaged_lines", h->damaged);
    json_put_count(e, "torn_bytes", h->torn);
    json_end(e);
    json_begin_object(e, "model");
    json_put_text(e, "path", h->model_path);
    json_put_text(e, "architecture", h->architecture);
    json_put_text(e, "fingerprint", h->fingerprint);
    json_put_int(e, "layers", h->layers);
    json_put_int(e, "experts", h->experts);
    json_put_int(e, "experts_per_token", h->experts_per_token);
    json_end(e);
}

static void put_routing(json_writer *e, const history_answer *a)
{
    size_t layers = (size_t)a->layers;
    json_begin_object(e, "routing");
    put_ints(e, "allowed", a->allowed, a->allowed ? layers : 0);
    put_ints(e, "used", a->used, a->used ? layers : 0);
    json_put_number(e, "banned_mass", a->banned_mass);
    json_end(e);
}

static void put_answer(json_writer *e, const history_answer *a)
{
    json_begin_object(e, NULL);
    json_put_text(e, "persona", a->persona);
    json_put_bool(e, "in_force", export_is_current(a));
    put_words(e, "text", a->text);
    if (a->thought.len)
        put_words(e, "thought", a->thought);
    put_ints(e, "tokens", a->tokens, a->token_count);
    json_put_int(e, "prompt_tokens", a->prompt_tokens);
    json_put_text(e, "stop", a->stop);
    if (a->failure)
        json_put_text(e, "error", a->failure);
    json_put_count(e, "seed", a->seed);
    json_put_number(e, "seconds", a->seconds);
    json_put_number(e, "tokens_per_second", a->tokens_per_second);
    json_put_text(e, "acts_by", a->acts_by);
    json_put_text(e, "color", a->color);
    json_put_text(e, "program", a->program);
    json_put_text(e, "prompt_hash", a->prompt_hash);
    json_put_int(e, "asked_experts", a->asked_experts);
    json_put_int(e, "least_allowed", a->least_allowed);
    put_routing(e, a);
    json_end(e);
}

static void put_vote(json_writer *e, const history_merge *m)
{
    size_t n = (size_t)m->passes;
    json_begin_array(e, "scores"); /* [judge][answer] */
    for (size_t j = 0; m->scores && j < n; j++)
        put_numbers(e, NULL, m->scores + j * n, n);
    json_end(e);
    if (m->shares) {
        put_numbers(e, "shares", m->shares, n);
        json_put_bool(e, "tie", m->tie);
    }
    if (m->revised) {
        json_begin_array(e, "revised");
        for (size_t i = 0; i < n; i++)
            put_words(e, NULL, m->revised[i]);
        json_end(e);
    }
}

static void put_merge(json_writer *e, const history_merge *m)
{
    json_begin_object(e, NULL);
    json_put_text(e, "method", m->method);
    json_put_text(e, "by", m->by);
    json_put_int(e, "winner", m->winner);
    put_words(e, "text", m->text);
    put_ints(e, "tokens", m->tokens, m->token_count);
    json_begin_array(e, "of");
    for (int i = 0; m->of && i < m->passes; i++)
        json_put_text(e, NULL, m->of[i]);
    json_end(e);
    put_vote(e, m);
    if (m->divergence)
        put_numbers(e, "divergence", m->divergence, m->token_count);
    if (m->note)
        json_put_text(e, "note", m->note);
    if (m->failure)
        json_put_text(e, "error", m->failure);
    json_put_count(e, "seed", m->seed);
    json_put_number(e, "seconds", m->seconds);
    json_end(e);
}

static void put_timings(json_writer *e, const history_timings *t)
{
    json_begin_object(e, "timings");
    json_put_number(e, "prefill", t->prefill);
    json_put_number(e, "decode", t->decode);
    json_put_number(e, "union_experts_per_step", t->union_experts_per_step);
    json_put_number(e, "picks_per_step", t->picks_per_step);
    json_end(e);
}

static void put_turn(json_writer *e, const history_turn *t)
{
    json_begin_object(e, NULL);
    json_put_int(e, "turn", t->turn);
    json_put_int(e, "parent", t->parent);
    json_put_number(e, "time", t->time);
    put_words(e, "prompt", t->prompt);
    json_put_text(e, "context", t->context);
    json_put_text(e, "only", t->only);
    json_put_int(e, "from", t->from);
    json_put_text(e, "prefill", t->shared ? "shared" : "own");
    json_put_bool(e, "blind", t->blind);
    json_put_bool(e, "undone", t->undone);
    json_put_text(e, "picked", t->picked);
    json_begin_array(e, "picks");
    for (int i = 0; i < t->pick_count; i++)
        json_put_text(e, NULL, t->picks[i].name);
    json_end(e);
    json_put_count(e, "seed", t->seed);
    put_timings(e, &t->timings);
    json_put_value(e, "setting", t->setting);
    json_begin_array(e, "answers");
    for (int i = 0; i < t->answer_count; i++)
        put_answer(e, &t->answers[i]);
    json_end(e);
    json_begin_array(e, "merges");
    for (int i = 0; i < t->merge_count; i++)
        put_merge(e, &t->merges[i]);
    json_end(e);
    json_end(e);
}

int export_json(const history *h, buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    put_head(&e, h);
    json_begin_array(&e, "turns");
    for (int i = 0; i < h->turn_count; i++)
        put_turn(&e, &h->turns[i]);
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}
