/* eval_run_record.c - what is right, and how it is put down. See eval_run.h, eval_record.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/version.h"
#include "eval_run_state.h"

/* ---- verdicts ---------------------------------------------------------------------------------- */

/* The answer's code, then the check; without code nothing is run. */
static int run_code(const eval_run *r, const eval_slot *s, eval_said *said, error *err)
{
    const char *code;
    size_t n;
    buf program = {0};
    if (!eval_match_code(said->text.v, said->text.len, &code, &n))
        return 0;
    int result = buf_add(&program, code, n, err) ||
                 buf_format(&program, err, "\n\n%s\n", s->item->check) ||
                 r->o.code(r->o.code_user, program.v, program.len, &said->right, err);
    buf_release(&program);
    return result ? -1 : 0;
}

static int judge(const eval_run *r, const eval_slot *s, eval_said *said, error *err)
{
    eval_verdict v = {0};
    if (s->item->kind == EVAL_CHOICE) {
        said->right = said->chose == s->item->right;
        (void)snprintf(said->value, sizeof said->value, "choice %d", said->chose);
        return 0;
    }
    if (s->item->kind == EVAL_PROGRAM) {
        int result = run_code(r, s, said, err);
        (void)snprintf(said->value, sizeof said->value, said->right ? "right" : "wrong");
        return result;
    }
    if (eval_match(s->item, said->text.v, said->text.len, &v, err))
        return -1;
    said->right = v.right;
    memcpy(said->value, v.value, sizeof said->value);
    return 0;
}

int eval_run_judge(eval_run *r, eval_slot *s, error *err)
{
    for (int a = 0; a < r->arms->count; a++)
        if (s->said[a].defined && judge(r, s, &s->said[a], err))
            return -1;
    return 0;
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* A winner's text stands with the persona already; after a debate it is another one. */
static bool quotes_winner(const eval_run *r, const eval_slot *s, const eval_said *said)
{
    int arm = said->won < 0 ? -1 : eval_arms_persona(r->arms, said->won);
    if (arm < 0)
        return false;
    const turn_text *own = &s->replies[r->of_persona[said->won]].text;
    return own->len == said->text.len && memcmp(own->v, said->text.v, own->len) == 0;
}

/* U+0000, which no reader of JSON here takes, is put down as U+FFFD, as broken bytes are. */
static void put_text(json_writer *e, const turn_text *text)
{
    buf plain = {0};
    for (size_t at = 0, n; at < text->len; at += n + 1) {
        n = strnlen(text->v + at, text->len - at);
        bool nul = at + n < text->len;
        if (buf_add(&plain, text->v + at, n, e->err) ||
            (nul && buf_text(&plain, "\xEF\xBF\xBD", e->err)))
            e->failed = true;
    }
    json_put_bytes(e, "text", plain.v ? plain.v : "", plain.len);
    buf_release(&plain);
}

static void put_said(const eval_run *r, const eval_slot *s, const eval_said *said, const char *name,
                     json_writer *e)
{
    if (!said->defined) {
        json_put_null(e, name);
        return;
    }
    json_begin_object(e, name);
    json_put_bool(e, "right", said->right);
    json_put_text(e, "value", said->value);
    json_put_int(e, "tokens", said->tokens);
    if (said->won >= 0)
        json_put_text(e, "won", r->personas[said->won]);
    if (said->tie)
        json_put_bool(e, "tie", true);
    if (said->failure)
        json_put_text(e, "failed", said->failure);
    if (said->score) {
        json_begin_array(e, "scores");
        for (int c = 0; c < s->item->choices.len; c++)
            json_put_number(e, NULL, said->score[c]);
        json_end(e);
    } else if (!quotes_winner(r, s, said)) {
        json_put_text(e, "stop", pass_stop_name(said->stop));
        put_text(e, &said->text);
    }
    json_end(e);
}

static int put_item(const eval_run *r, const eval_slot *s, buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_put_text(&e, "item", s->item->id);
    json_begin_object(&e, "arms");
    for (int a = 0; a < r->arms->count; a++)
        put_said(r, s, &s->said[a], r->arms->v[a].name, &e);
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}

static int put_seconds(const eval_run *r, buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    json_begin_object(&e, NULL);
    json_begin_object(&e, "seconds");
    for (int a = 0; a < r->arms->count; a++)
        json_put_float(&e, r->arms->v[a].name, (float)r->seconds[a]);
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e) || buf_text(out, "\n", err) ? -1 : 0;
}

static int take_line(void *user, const json *line, error *err)
{
    eval_run *r = user;
    return eval_results_take(&r->results, line, err);
}

/* What was written is read again, so that it is what a later run will read. */
static int take_lines(eval_run *r, const buf *lines, error *err)
{
    for (const char *at = lines->v, *end; at < lines->v + lines->len; at = end + 1) {
        end = memchr(at, '\n', (size_t)(lines->v + lines->len - at));
        json_document *d = json_parse("the record", at, (size_t)(end - at), err);
        int result = d ? take_line(r, json_root(d), err) : -1;
        json_close(d);
        if (result)
            return -1;
    }
    return 0;
}

int eval_run_write(eval_run *r, const eval_slot *slots, int n, error *err)
{
    buf lines = {0};
    int result = 0;
    for (int i = 0; i < n && !result; i++)
        result = put_item(r, &slots[i], &lines, err);
    if (!result)
        result = put_seconds(r, &lines, err) ||
                 (r->record && eval_record_add(r->record, &lines, err)) ||
                 take_lines(r, &lines, err);
    buf_release(&lines);
    return result ? -1 : 0;
}

/* ---- the first line ---------------------------------------------------------------------------- */

static void put_hash(json_writer *e, const char *key, uint64_t hash)
{
    char text[20];
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    json_put_text(e, key, text);
}

static void put_sampling(json_writer *e, const char *key, const sampling *s)
{
    json_begin_object(e, key);
    for (int i = 0; i < SAMPLING_FIELDS; i++)
        json_put_number(e, sampling_fields[i].name, sampling_get(s, &sampling_fields[i]));
    json_end(e);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash_byte(hash, text != NULL), text ? text : "", text ? strlen(text) + 1 : 0);
}

/* Over the instructions that it gives for all questions. */
static uint64_t hash_instructions(const eval_run *r, int i)
{
    uint64_t hash = HASH_START;
    for (size_t k = 0; k < r->results.planned; k++) {
        const char *question = r->set->v[r->plan[k]].question;
        hash = hash_text(hash, roster_instruction(r->o.roster, i, question, strlen(question)));
    }
    return hash;
}

static uint64_t hash_chair(const eval_run *r)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; r->o.chair && i < r->results.planned; i++) {
        const char *question = r->set->v[r->plan[i]].question;
        hash = hash_text(hash, persona_instruction(r->o.chair, question, strlen(question)));
    }
    return hash;
}

static void put_seat(const eval_run *r, json_writer *e, int i)
{
    const seat *s = roster_seat(r->o.roster, i);
    json_begin_object(e, NULL);
    json_put_text(e, "name", s->name);
    json_put_text(e, "acts_by", s->acts_by);
    put_hash(e, "program", s->program ? router_program_hash(s->program) : 0);
    put_hash(e, "instruction", hash_instructions(r, i));
    put_sampling(e, "sampling", &s->sampling);
    json_end(e);
}

static void put_council(const eval_run *r, json_writer *e)
{
    const council_options *o = &r->o.council;
    uint64_t stops = HASH_START;
    for (int i = 0; i < o->stop_count; i++)
        stops = hash_text(stops, o->stops[i]);
    json_begin_object(e, "council");
    json_put_int(e, "context", o->context);
    json_put_int(e, "kv", (int)o->kv);
    json_put_int(e, "prefill", (int)o->prefill);
    json_put_int(e, "max_tokens", o->max_tokens);
    json_put_int(e, "loop", o->loop);
    json_put_int(e, "think", o->think);
    json_put_bool(e, "raw", o->raw);
    put_hash(e, "stops", stops);
    put_hash(e, "chair", hash_chair(r));
    put_sampling(e, "drawn", &r->o.drawn);
    json_end(e);
}

static void put_model(const eval_run *r, const char *fingerprint, json_writer *e)
{
    json_begin_object(e, "model");
    json_put_text(e, "fingerprint", fingerprint);
    json_put_count(e, "weights", engine_weight_bytes(r->o.engine));
    json_put_text(e, "isa", backend_isa(engine_backend(r->o.engine)));
    json_end(e);
}

/* What votes and blends go by here; 0 = nothing that was learned, or no merge. A broken file is told at
 * once. */
static int hash_learned(const eval_run *r, evidence_basis *by, error *err)
{
    *by = (evidence_basis){0};
    return eval_run_joins(r) ? evidence_made_with(r->o.engine, by, err) : 0;
}

/* What auto and best go by; 0 = nothing. */
static int hash_evidence(const eval_run *r, uint64_t *hash, error *err)
{
    buf text = {0};
    int result = r->evidence ? evidence_table_write(r->evidence, &text, err) : 0;
    *hash = text.len ? hash_bytes(HASH_START, text.v, text.len) : 0;
    buf_release(&text);
    return result;
}

int eval_run_header(eval_run *r, const char *name, buf *out, error *err)
{
    json_writer e = {.out = out, .err = err};
    const char *fingerprint = engine_fingerprint(r->o.engine, err);
    evidence_basis by;
    uint64_t evidence;
    if (!fingerprint || hash_learned(r, &by, err) || hash_evidence(r, &evidence, err))
        return -1;
    json_begin_object(&e, NULL);
    json_put_int(&e, "evaluation", 1);
    json_put_text(&e, "version", CONSILIUM_VERSION);
    json_put_text(&e, "set", name);
    put_hash(&e, "items", r->set->hash);
    json_put_int(&e, "reading", EVAL_READING);
    json_put_text(&e, "split", eval_split_name(r->o.split));
    json_put_bool(&e, "run_code", r->o.code != NULL);
    json_put_count(&e, "seed", r->o.seed);
    put_model(r, fingerprint, &e);
    put_hash(&e, "verifier", by.verifier);
    if (by.gate)
        put_hash(&e, "gate", by.gate);
    if (evidence)
        put_hash(&e, "evidence", evidence);
    put_council(r, &e);
    json_begin_array(&e, "seats");
    for (int i = 0; i < roster_seats(r->o.roster); i++)
        put_seat(r, &e, i);
    json_end(&e);
    json_begin_array(&e, "arms");
    for (int a = 0; a < r->arms->count; a++)
        json_put_text(&e, NULL, r->arms->v[a].name);
    json_end(&e);
    json_end(&e);
    return json_writer_finish(&e);
}

int eval_run_resume(eval_run *r, const char *path, const buf *header, error *err)
{
    r->record = eval_record_open(path, header, take_line, r, err);
    return r->record ? 0 : -1;
}
