/* keeper.c - what happened, as records. See keeper.h; transcripts/records.h has the fields.
 *
 * A record that cannot be written waits inside the transcript, so each function here writes all that
 * belongs to its phase and asks only at the end, with one sync, whether it is saved.
 */
#include "keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/version.h"
#include "../../transcripts/records.h"
#include "keeper_state.h"

/* Where the prompt of a turn stands. */
typedef struct place {
    int turn, n;
} place;

typedef struct note {
    char *key, *value;
} note;

struct keeper {
    char *folder, *id; /* id: the name asked for, or NULL */
    transcript *t;     /* NULL before the first record */
    buf setting;       /* members of the setting that was written last */
    place *places;
    size_t place_count, place_cap;
    note *notes; /* before the first record */
    size_t note_count;
};

/* ---- opening and closing ----------------------------------------------------------------------- */

keeper *keeper_new(const char *folder, const char *id, error *err)
{
    if (id && !transcript_name_ok(id)) {
        (void)error_set(err, ERROR_USAGE,
                        "\"%.80s\" cannot name a session: 1 to 64 of A-Z a-z 0-9 _ -", id);
        return NULL;
    }
    keeper *k = calloc(1, sizeof *k);
    if (k) {
        k->folder = strdup(folder);
        k->id = id ? strdup(id) : NULL;
    }
    if (k && k->folder && (!id || k->id))
        return k;
    keeper_close(k);
    (void)error_memory(err, "a transcript");
    return NULL;
}

static int remember(keeper *k, int turn, int n, error *err)
{
    if (k->place_count == k->place_cap) {
        size_t cap = k->place_cap ? 2 * k->place_cap : 16;
        place *grown = realloc(k->places, cap * sizeof *grown);
        if (!grown)
            return error_memory(err, "a transcript");
        k->places = grown;
        k->place_cap = cap;
    }
    k->places[k->place_count++] = (place){turn, n};
    return 0;
}

static int resume(keeper *k, const char *id, history **h, transcript_repair *repair, error *err)
{
    k->t = transcript_open(k->folder, id, repair, err);
    *h = k->t ? history_load(transcript_path(k->t), err) : NULL;
    if (*h) { /* it looks at every field */
        repair->damaged = (*h)->damaged;
        repair->first_damaged = (*h)->first_damaged;
    }
    for (int i = 0; *h && i < (*h)->turn_count; i++)
        if (remember(k, (*h)->turns[i].turn, (*h)->turns[i].n, err)) {
            history_close(*h);
            *h = NULL;
        }
    return *h ? 0 : -1;
}

keeper *keeper_resume(const char *folder, const char *prefix, history **h,
                      transcript_repair *repair, error *err)
{
    char *id = NULL;
    transcript_repair own = {0};
    *h = NULL;
    if (transcript_exists(folder, prefix)) {
        if (!(id = strdup(prefix)))
            (void)error_memory(err, "a name");
    } else {
        (void)transcript_find(folder, prefix, &id, err);
    }
    if (!id)
        return NULL;
    keeper *k = keeper_new(folder, NULL, err);
    if (k && resume(k, id, h, repair ? repair : &own, err)) {
        keeper_close(k);
        k = NULL;
    }
    transcript_repair_release(&own);
    free(id);
    return k;
}

keeper *keeper_fork(keeper *k, error *err)
{
    keeper *f = keeper_new(k->folder, NULL, err);
    int result = f ? 0 : -1;
    for (size_t i = 0; i < k->place_count && !result; i++)
        result = remember(f, k->places[i].turn, k->places[i].n, err);
    if (!result && k->setting.v)
        result = buf_add(&f->setting, k->setting.v, k->setting.len, err);
    if (!result && k->t)
        result = (f->t = transcript_fork(k->t, NULL, err)) ? 0 : -1;
    if (!result && k->t)
        result = keeper_note(f, "forked", keeper_id(k), err);
    if (!result)
        return f;
    keeper_close(f);
    return NULL;
}

void keeper_close(keeper *k)
{
    if (!k)
        return;
    transcript_close(k->t);
    for (size_t i = 0; i < k->note_count; i++) {
        free(k->notes[i].key);
        free(k->notes[i].value);
    }
    free(k->notes);
    free(k->places);
    buf_release(&k->setting);
    free(k->folder);
    free(k->id);
    free(k);
}

const char *keeper_id(const keeper *k)
{
    return k->t ? transcript_id(k->t) : NULL;
}

void keeper_short(const keeper *k, char out[KEEPER_NAME])
{
    const char *id = keeper_id(k);
    size_t n = id ? strlen(id) : 0;
    if (id && n == 8 && strspn(id, "0123456789abcdef") == n && (!k->id || strcmp(k->id, id) != 0))
        n = transcript_prefix_length(k->folder, id);
    (void)snprintf(out, KEEPER_NAME, "%.*s", (int)n, id ? id : "");
}

/* ---- settings and notes ------------------------------------------------------------------------ */

static int open_transcript(keeper *k, const dialogue *d, error *err)
{
    engine *e = dialogue_engine(d);
    const model_config *m = engine_config(e);
    const char *fingerprint = engine_fingerprint(e, err);
    if (!fingerprint)
        return -1;
    transcript_model model = {checkpoint_path(engine_checkpoint(e)),
                              architecture_name(m->arch),
                              fingerprint,
                              m->layers,
                              m->experts,
                              m->experts_per_token};
    k->t = transcript_prepare(k->folder, k->id, &model, CONSILIUM_VERSION,
                              backend_isa(engine_backend(e)), err);
    return k->t ? 0 : -1;
}

/* A record that fails waits: only the sync at the end of a phase tells. */
static void end_record(keeper *k)
{
    (void)transcript_end(k->t, NULL);
}

static int place_of(const keeper *k, int turn)
{
    for (size_t i = k->place_count; i-- > 0;)
        if (k->places[i].turn == turn)
            return k->places[i].n;
    return 0;
}

/* The setting, when it is not the one that was written last. */
static int write_setting(keeper *k, const dialogue *d, const roster_options *seats,
                         const dialogue_turn *t, error *err)
{
    buf now = {0};
    json_writer e = {.out = &now, .err = err};
    json_begin_object(&e, NULL);
    keeper_setting_emit(&e, d, seats, t);
    json_end(&e);
    if (json_writer_finish(&e)) {
        buf_release(&now);
        return -1;
    }
    if (k->setting.v && strcmp(k->setting.v, now.v) == 0) {
        buf_release(&now);
        return 0;
    }
    buf_release(&k->setting);
    k->setting = now;
    keeper_setting_emit(transcript_begin(k->t, "setting", t->number, 0), d, seats, t);
    end_record(k);
    return 0;
}

static void write_note(keeper *k, const char *key, const char *value)
{
    int turn = k->place_count ? k->places[k->place_count - 1].turn : 0;
    json_put_text(transcript_begin(k->t, "setting", turn, 0), key, value);
    end_record(k);
}

int keeper_note(keeper *k, const char *key, const char *value, error *err)
{
    if (k->t) {
        write_note(k, key, value);
        return transcript_sync(k->t, err);
    }
    note *grown = realloc(k->notes, (k->note_count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(err, "a transcript");
    k->notes = grown;
    note *n = &grown[k->note_count++];
    *n = (note){strdup(key), strdup(value)};
    return n->key && n->value ? 0 : error_memory(err, "a transcript");
}

static void write_notes(keeper *k)
{
    for (size_t i = 0; i < k->note_count; i++) {
        write_note(k, k->notes[i].key, k->notes[i].value);
        free(k->notes[i].key);
        free(k->notes[i].value);
    }
    k->note_count = 0;
}

/* ---- turns ------------------------------------------------------------------------------------- */

static void put_ids(json_writer *e, const char *key, const int *v, size_t n)
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

static void put_hash(json_writer *e, const char *key, uint64_t hash)
{
    char digits[17];
    (void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
    json_put_text(e, key, digits);
}

static int write_prompt(keeper *k, const dialogue *d, const dialogue_turn *t, error *err)
{
    static const char *const contexts[] = {"own", "merged", "picked"};
    json_writer *e = transcript_begin(k->t, "prompt", t->number, place_of(k, t->parent));
    records_text(e, "text", t->prompt, t->prompt_len);
    json_put_text(e, "context", contexts[t->context]);
    json_put_int(e, "from", t->from);
    json_put_bool(e, "shared", t->shared);
    if (t->only)
        json_put_text(e, "only", t->only);
    json_put_count(e, "seed", dialogue_seed(d, t->number));
    json_begin_object(e, "timings");
    json_put_number(e, "prefill", t->timings.prefill);
    json_put_number(e, "decode", t->timings.decode);
    json_put_number(e, "union_experts_per_step", t->timings.union_experts_per_step);
    json_put_number(e, "picks_per_step", t->timings.picks_per_step);
    json_end(e);
    end_record(k);
    return remember(k, t->number, transcript_last(k->t), err);
}

static void put_routing(json_writer *e, const kept_answer *a, size_t layers)
{
    json_begin_object(e, "routing");
    put_ids(e, "allowed", a->allowed, layers);
    put_ids(e, "used", a->used, layers);
    json_put_number(e, "banned_mass", a->banned_mass);
    json_end(e);
}

static void write_answer(keeper *k, const dialogue *d, const dialogue_turn *t, const kept_answer *a)
{
    json_writer *e = transcript_begin(k->t, "answer", t->number, place_of(k, t->number));
    json_put_text(e, "persona", a->name);
    json_put_text(e, "acts_by", a->acts_by);
    if (a->color)
        json_put_text(e, "color", a->color);
    records_text(e, "text", a->text, a->len);
    if (a->thought_len)
        records_text(e, "thought", a->thought, a->thought_len);
    put_ids(e, "tokens", a->ids.v, a->ids.len);
    if (a->continued)
        json_put_int(e, "continued", a->continued);
    json_put_int(e, "prompt_tokens", a->prompt_tokens);
    put_hash(e, "prompt_hash", a->prompt_hash);
    json_put_text(e, "stop", pass_stop_name(a->stop));
    if (a->stop == STOP_ERROR)
        json_put_text(e, "failure", a->failure.text);
    json_put_count(e, "seed", a->seed);
    put_hash(e, "program", a->program);
    json_put_number(e, "seconds", a->seconds);
    json_put_number(e, "tokens_per_second", a->tokens_per_second);
    if (a->asked_experts) {
        json_put_int(e, "asked_experts", a->asked_experts);
        json_put_int(e, "least_allowed", a->least_allowed);
    }
    put_routing(e, a, (size_t)engine_config(dialogue_engine(d))->layers);
    end_record(k);
}

static int begin_phase(keeper *k, const dialogue *d, const roster_options *seats,
                       const dialogue_turn *t, error *err)
{
    if (!k->t && open_transcript(k, d, err))
        return -1;
    if (write_setting(k, d, seats, t, err))
        return -1;
    write_notes(k);
    return 0;
}

int keeper_turn(keeper *k, const dialogue *d, const roster_options *seats, const dialogue_turn *t,
                error *err)
{
    if (begin_phase(k, d, seats, t, err) || write_prompt(k, d, t, err))
        return -1;
    for (int i = 0; i < t->answer_count; i++)
        write_answer(k, d, t, &t->answers[i]);
    return transcript_sync(k->t, err);
}

int keeper_retry(keeper *k, const dialogue *d, const roster_options *seats, const dialogue_turn *t,
                 const kept_answer *a, error *err)
{
    if (begin_phase(k, d, seats, t, err))
        return -1;
    write_answer(k, d, t, a);
    return transcript_sync(k->t, err);
}

/* ---- what follows a turn ----------------------------------------------------------------------- */

static void put_vote(json_writer *e, const merge_result *r)
{
    size_t n = (size_t)r->passes;
    if (r->scores) {
        json_begin_array(e, "scores");
        for (size_t j = 0; j < n; j++)
            put_numbers(e, NULL, r->scores + j * n, n);
        json_end(e);
    }
    if (r->shares) {
        put_numbers(e, "shares", r->shares, n);
        json_put_bool(e, "tie", r->tie);
    }
    if (r->divergence)
        put_numbers(e, "divergence", r->divergence, r->ids.len);
    if (!r->revised)
        return;
    json_begin_array(e, "revised");
    for (size_t i = 0; i < n; i++) {
        json_begin_object(e, NULL);
        records_text(e, "text", r->revised[i].v ? r->revised[i].v : "", r->revised[i].len);
        json_end(e);
    }
    json_end(e);
}

int keeper_merge(keeper *k, const dialogue_turn *t, const kept_merge *m, error *err)
{
    const merge_result *r = &m->result;
    if (!k->t)
        return 0; /* of a turn that could not be told: see keeper_turn */
    json_writer *e = transcript_begin(k->t, "merge", t->number, place_of(k, t->number));
    json_put_text(e, "method", merge_name(r->method));
    json_begin_array(e, "of");
    for (int i = 0; m->of && i < r->passes; i++)
        json_put_text(e, NULL, m->of[i]);
    json_end(e);
    json_put_count(e, "seed", m->seed);
    if (m->failure) {
        json_put_text(e, "failure", m->failure);
    } else {
        json_put_text(e, "by", r->by);
        json_put_int(e, "winner", r->winner);
        json_put_text(e, "note", r->note);
        records_text(e, "text", r->text, r->len);
        put_ids(e, "tokens", r->ids.v, r->ids.len);
        put_vote(e, r);
        json_put_text(e, "stop", pass_stop_name(r->stop));
        json_put_number(e, "seconds", r->seconds);
    }
    end_record(k);
    return transcript_sync(k->t, err);
}

int keeper_pick(keeper *k, const dialogue_turn *t, error *err)
{
    if (!k->t)
        return 0;
    json_put_text(transcript_begin(k->t, "pick", t->number, place_of(k, t->number)), "name",
                  t->picked);
    end_record(k);
    return transcript_sync(k->t, err);
}

int keeper_undo(keeper *k, const dialogue_turn *t, error *err)
{
    if (!k->t)
        return 0;
    (void)transcript_begin(k->t, "undo", t->number, place_of(k, t->number));
    end_record(k);
    return transcript_sync(k->t, err);
}

int keeper_title(keeper *k, const char *title, error *err)
{
    if (!k->t)
        return error_set(err, ERROR_USAGE, "nothing is saved yet that could have a title");
    int turn = k->place_count ? k->places[k->place_count - 1].turn : 0;
    return transcript_rename(k->t, turn, title, err);
}
