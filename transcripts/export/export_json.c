/* export_json.c - the conversation as one JSON document. See export.h.
 *
 * {"consilium":1,"transcript":{..},"model":{..},"turns":[{..,"answers":[..],"merges":[..]}]}: every
 * version of every answer and merge, undone turns too, with the figures that they were recorded
 * with. Names are those of `ask --format json`, so that what reads one reads the other.
 */

#include "../../engine/base/json_writer.h"
#include "export.h"
#include "export_text.h"

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

static void emit_words(emitter *e, const char *key, history_text text)
{
    emit_bytes(e, key, text.v ? text.v : "", text.v ? text.len : 0);
}

static void emit_head(emitter *e, const history *h)
{
    emit_int(e, "consilium", 1);
    emit_object(e, "transcript");
    emit_text(e, "id", h->id);
    emit_text(e, "title", h->title);
    emit_text(e, "created", h->created);
    emit_text(e, "version", h->version);
    emit_text(e, "isa", h->isa);
    emit_count(e, "records", h->records);
    emit_count(e, "damaged_lines", h->damaged);
    emit_count(e, "torn_bytes", h->torn);
    emit_end(e);
    emit_object(e, "model");
    emit_text(e, "path", h->model_path);
    emit_text(e, "architecture", h->architecture);
    emit_text(e, "fingerprint", h->fingerprint);
    emit_int(e, "layers", h->layers);
    emit_int(e, "experts", h->experts);
    emit_int(e, "experts_per_token", h->experts_per_token);
    emit_end(e);
}

static void emit_routing(emitter *e, const history_answer *a)
{
    size_t layers = (size_t)a->layers;
    emit_object(e, "routing");
    emit_ints(e, "allowed", a->allowed, a->allowed ? layers : 0);
    emit_ints(e, "used", a->used, a->used ? layers : 0);
    emit_number(e, "banned_mass", a->banned_mass);
    emit_end(e);
}

static void emit_answer(emitter *e, const history_answer *a)
{
    emit_object(e, NULL);
    emit_text(e, "persona", a->persona);
    emit_bool(e, "in_force", export_in_force(a));
    emit_words(e, "text", a->text);
    if (a->thought.len)
        emit_words(e, "thought", a->thought);
    emit_ints(e, "tokens", a->tokens, a->token_count);
    emit_int(e, "prompt_tokens", a->prompt_tokens);
    emit_text(e, "stop", a->stop);
    if (a->failure)
        emit_text(e, "error", a->failure);
    emit_count(e, "seed", a->seed);
    emit_number(e, "seconds", a->seconds);
    emit_number(e, "tokens_per_second", a->tokens_per_second);
    emit_text(e, "acts_by", a->acts_by);
    emit_text(e, "color", a->color);
    emit_text(e, "program", a->program);
    emit_text(e, "prompt_hash", a->prompt_hash);
    emit_int(e, "asked_experts", a->asked_experts);
    emit_int(e, "least_allowed", a->least_allowed);
    emit_routing(e, a);
    emit_end(e);
}

static void emit_vote(emitter *e, const history_merge *m)
{
    size_t n = (size_t)m->passes;
    emit_array(e, "scores"); /* [judge][answer] */
    for (size_t j = 0; m->scores && j < n; j++)
        emit_numbers(e, NULL, m->scores + j * n, n);
    emit_end(e);
    if (m->shares) {
        emit_numbers(e, "shares", m->shares, n);
        emit_bool(e, "tie", m->tie);
    }
    if (m->revised) {
        emit_array(e, "revised");
        for (size_t i = 0; i < n; i++)
            emit_words(e, NULL, m->revised[i]);
        emit_end(e);
    }
}

static void emit_merge(emitter *e, const history_merge *m)
{
    emit_object(e, NULL);
    emit_text(e, "method", m->method);
    emit_text(e, "by", m->by);
    emit_int(e, "winner", m->winner);
    emit_words(e, "text", m->text);
    emit_ints(e, "tokens", m->tokens, m->token_count);
    emit_array(e, "of");
    for (int i = 0; m->of && i < m->passes; i++)
        emit_text(e, NULL, m->of[i]);
    emit_end(e);
    emit_vote(e, m);
    if (m->divergence)
        emit_numbers(e, "divergence", m->divergence, m->token_count);
    if (m->note)
        emit_text(e, "note", m->note);
    if (m->failure)
        emit_text(e, "error", m->failure);
    emit_count(e, "seed", m->seed);
    emit_number(e, "seconds", m->seconds);
    emit_end(e);
}

static void emit_timings(emitter *e, const history_timings *t)
{
    emit_object(e, "timings");
    emit_number(e, "prefill", t->prefill);
    emit_number(e, "decode", t->decode);
    emit_number(e, "union_experts_per_step", t->union_experts_per_step);
    emit_number(e, "picks_per_step", t->picks_per_step);
    emit_end(e);
}

static void emit_turn(emitter *e, const history_turn *t)
{
    emit_object(e, NULL);
    emit_int(e, "turn", t->turn);
    emit_int(e, "parent", t->parent);
    emit_number(e, "time", t->time);
    emit_words(e, "prompt", t->prompt);
    emit_text(e, "context", t->context);
    emit_text(e, "only", t->only);
    emit_int(e, "from", t->from);
    emit_text(e, "prefill", t->shared ? "shared" : "own");
    emit_bool(e, "blind", t->blind);
    emit_bool(e, "undone", t->undone);
    emit_text(e, "picked", t->picked);
    emit_array(e, "picks");
    for (int i = 0; i < t->pick_count; i++)
        emit_text(e, NULL, t->picks[i].name);
    emit_end(e);
    emit_count(e, "seed", t->seed);
    emit_timings(e, &t->timings);
    emit_value(e, "setting", t->setting);
    emit_array(e, "answers");
    for (int i = 0; i < t->answer_count; i++)
        emit_answer(e, &t->answers[i]);
    emit_end(e);
    emit_array(e, "merges");
    for (int i = 0; i < t->merge_count; i++)
        emit_merge(e, &t->merges[i]);
    emit_end(e);
    emit_end(e);
}

int export_json(const history *h, buf *out, error *err)
{
    emitter e = {.out = out, .err = err};
    emit_object(&e, NULL);
    emit_head(&e, h);
    emit_array(&e, "turns");
    for (int i = 0; i < h->turn_count; i++)
        emit_turn(&e, &h->turns[i]);
    emit_end(&e);
    emit_end(&e);
    return emit_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}
