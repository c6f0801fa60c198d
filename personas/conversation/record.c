/* record.c - what happened, as records. See record.h; transcripts/records.h has the fields.
 *
 * A record that cannot be written waits inside the transcript, so each function here writes all that
 * belongs to its phase and asks only at the end, with one sync, whether it is saved.
 */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/version.h"
#include "../../transcripts/turn_json.h"
#include "record_state.h"

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
        if (remember(k, (*h)->turns[i].number, (*h)->turns[i].n, err)) {
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
                         const struct turn *t, error *err)
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

static int write_prompt(keeper *k, const struct turn *t, error *err)
{
    turn_json_prompt(transcript_begin(k->t, "prompt", t->number, place_of(k, t->parent)),
                     TURN_RECORD, t);
    end_record(k);
    return remember(k, t->number, transcript_last(k->t), err);
}

static void write_answer(keeper *k, const struct turn *t, const turn_answer *a)
{
    turn_json_answer(transcript_begin(k->t, "answer", t->number, place_of(k, t->number)),
                     TURN_RECORD, a);
    end_record(k);
}

static int begin_phase(keeper *k, const dialogue *d, const roster_options *seats,
                       const struct turn *t, error *err)
{
    if (!k->t && open_transcript(k, d, err))
        return -1;
    if (write_setting(k, d, seats, t, err))
        return -1;
    write_notes(k);
    return 0;
}

int keeper_turn(keeper *k, const dialogue *d, const roster_options *seats, const struct turn *t,
                error *err)
{
    if (begin_phase(k, d, seats, t, err) || write_prompt(k, t, err))
        return -1;
    for (int i = 0; i < t->answer_count; i++)
        write_answer(k, t, &t->answers[i]);
    return transcript_sync(k->t, err);
}

int keeper_retry(keeper *k, const dialogue *d, const roster_options *seats, const struct turn *t,
                 const turn_answer *a, error *err)
{
    if (begin_phase(k, d, seats, t, err))
        return -1;
    write_answer(k, t, a);
    return transcript_sync(k->t, err);
}

/* ---- what follows a turn ----------------------------------------------------------------------- */

int keeper_merge(keeper *k, const struct turn *t, const turn_merge *m, error *err)
{
    if (!k->t)
        return 0; /* of a turn that could not be told: see keeper_turn */
    turn_json_merge(transcript_begin(k->t, "merge", t->number, place_of(k, t->number)), TURN_RECORD,
                    m);
    end_record(k);
    return transcript_sync(k->t, err);
}

int keeper_pick(keeper *k, const struct turn *t, error *err)
{
    if (!k->t)
        return 0;
    json_put_text(transcript_begin(k->t, "pick", t->number, place_of(k, t->number)), "name",
                  t->picked);
    end_record(k);
    return transcript_sync(k->t, err);
}

int keeper_undo(keeper *k, const struct turn *t, error *err)
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

/* ---- back again -------------------------------------------------------------------------------- */

static void fit_ids(turn_ids *ids, const engine *e)
{
    const tokenizer *words = engine_tokenizer(e);
    int known = words ? tokenizer_count(words) : 0;
    if (known > engine_config(e)->vocabulary)
        known = engine_config(e)->vocabulary;
    for (size_t i = 0; i < ids->len; i++)
        if (ids->v[i] >= known) {
            *ids = (turn_ids){NULL, 0};
            return;
        }
}

void keeper_fit(struct turn *t, engine *e)
{
    merge_method method;
    int rounds;
    for (int i = 0; i < t->answer_count; i++)
        fit_ids(&t->answers[i].ids, e);
    for (int i = 0; i < t->merge_count; i++) {
        turn_merge *m = &t->merges[i];
        fit_ids(&m->ids, e);
        if (!m->failure && merge_parse(m->method, &method, &rounds, NULL))
            m->failure = "its method is unknown";
    }
}

int keeper_restore(history *h, dialogue *d, error *err)
{
    const struct turn **path;
    size_t count, at = 0;
    int number = 0;
    if (history_path(h, &path, &count, err))
        return -1;
    int result = 0;
    for (int i = 0; i < h->turn_count && !result; i++) {
        struct turn *t = &h->turns[i];
        bool leads = at < count && path[at] == t;
        at += leads;
        if (t->number <= number)
            continue; /* a number that was used twice: damage */
        number = t->number;
        t->undone = !leads;
        keeper_fit(t, dialogue_engine(d));
        result = dialogue_restore(d, t, err);
    }
    free(path);
    return result;
}
