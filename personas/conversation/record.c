/* record.c - what happened, as records. See record.h; transcripts/records.h has the fields.
 *
 * A record that cannot be written waits inside the transcript, so each function here writes all
 * that belongs to its phase and asks only at the end, with one sync, whether it is saved.
 */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/version.h"
#include "../../transcripts/turn_json.h"

typedef struct note {
    char *key, *value;
} note;

struct record {
    char *folder, *id; /* id: the name asked for, or NULL */
    transcript *t;     /* NULL before the first record */
    buf setting;       /* members of the setting that was written last */
    int turn;          /* the last that was written */
    note *notes;       /* before the first record */
    size_t note_count;
};

/* ---- opening and closing ----------------------------------------------------------------------- */

record *record_new(const char *folder, const char *id, error *err)
{
    if (id && !transcript_name_ok(id)) {
        (void)error_set(err, ERROR_USAGE,
                        "\"%.80s\" cannot name a session: 1 to 64 of A-Z a-z 0-9 _ -", id);
        return NULL;
    }
    record *k = calloc(1, sizeof *k);
    if (k) {
        k->folder = strdup(folder);
        k->id = id ? strdup(id) : NULL;
    }
    if (k && k->folder && (!id || k->id))
        return k;
    record_close(k);
    (void)error_memory(err, "a transcript");
    return NULL;
}

static int resume(record *k, const char *id, history **h, transcript_repair *repair, error *err)
{
    k->t = transcript_open(k->folder, id, repair, err);
    *h = k->t ? history_load(transcript_path(k->t), err) : NULL;
    if (*h) { /* it looks at every field */
        repair->damaged = (*h)->damaged;
        repair->first_damaged = (*h)->first_damaged;
    }
    k->turn = *h && (*h)->turn_count ? (*h)->turns[(*h)->turn_count - 1].number : 0;
    return *h ? 0 : -1;
}

record *record_resume(const char *folder, const char *prefix, history **h,
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
    record *k = record_new(folder, NULL, err);
    if (k && resume(k, id, h, repair ? repair : &own, err)) {
        record_close(k);
        k = NULL;
    }
    transcript_repair_release(&own);
    free(id);
    return k;
}

record *record_fork(record *k, error *err)
{
    record *f = record_new(k->folder, NULL, err);
    int result = f ? 0 : -1;
    if (f)
        f->turn = k->turn;
    if (!result && k->setting.v)
        result = buf_add(&f->setting, k->setting.v, k->setting.len, err);
    if (!result && k->t)
        result = (f->t = transcript_fork(k->t, NULL, err)) ? 0 : -1;
    if (!result && k->t)
        result = record_note(f, "forked", record_id(k), err);
    if (!result)
        return f;
    record_close(f);
    return NULL;
}

void record_close(record *k)
{
    if (!k)
        return;
    transcript_close(k->t);
    for (size_t i = 0; i < k->note_count; i++) {
        free(k->notes[i].key);
        free(k->notes[i].value);
    }
    free(k->notes);
    buf_release(&k->setting);
    free(k->folder);
    free(k->id);
    free(k);
}

const char *record_id(const record *k)
{
    return k->t ? transcript_id(k->t) : NULL;
}

void record_short_name(const record *k, char out[RECORD_NAME])
{
    const char *id = record_id(k);
    size_t n = id ? strlen(id) : 0;
    if (id && n == 8 && strspn(id, "0123456789abcdef") == n && (!k->id || strcmp(k->id, id) != 0))
        n = transcript_prefix_length(k->folder, id);
    (void)snprintf(out, RECORD_NAME, "%.*s", (int)n, id ? id : "");
}

/* ---- settings and notes ------------------------------------------------------------------------ */

static int open_transcript(record *k, const dialogue *d, error *err)
{
    engine *e = dialogue_engine(d);
    transcript_model model;
    if (record_model(e, &model, err))
        return -1;
    k->t = transcript_prepare(k->folder, k->id, &model, CONSILIUM_VERSION,
                              backend_isa(engine_backend(e)), err);
    return k->t ? 0 : -1;
}

/* A record that fails waits: only the sync at the end of a phase tells. */
static void end_record(record *k)
{
    (void)transcript_end(k->t, NULL);
}

/* The setting, when it is not the one that was written last. */
static int write_setting(record *k, const dialogue *d, const roster_options *seats,
                         const struct turn *t, error *err)
{
    buf now = {0};
    json_writer e = {.out = &now, .err = err};
    json_begin_object(&e, NULL);
    record_setting_write(&e, d, seats, t);
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
    record_setting_write(transcript_begin(k->t, "setting", t->number, 0), d, seats, t);
    end_record(k);
    return 0;
}

static void write_note(record *k, const char *key, const char *value)
{
    json_put_text(transcript_begin(k->t, "setting", k->turn, 0), key, value);
    end_record(k);
}

int record_note(record *k, const char *key, const char *value, error *err)
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

static void write_notes(record *k)
{
    for (size_t i = 0; i < k->note_count; i++) {
        write_note(k, k->notes[i].key, k->notes[i].value);
        free(k->notes[i].key);
        free(k->notes[i].value);
    }
    k->note_count = 0;
}

/* ---- turns ------------------------------------------------------------------------------------- */

/* The number of the record. */
static int end_numbered(record *k)
{
    end_record(k);
    return transcript_last(k->t);
}

static void write_answers(record *k, struct turn *t, int from)
{
    for (int i = from; i < t->answer_count; i++) {
        turn_json_answer(transcript_begin(k->t, "answer", t->number, t->n), TURN_RECORD,
                         &t->answers[i]);
        t->answers[i].n = end_numbered(k);
    }
}

static int begin_phase(record *k, const dialogue *d, const roster_options *seats,
                       const struct turn *t, error *err)
{
    if (!k->t && open_transcript(k, d, err))
        return -1;
    if (write_setting(k, d, seats, t, err))
        return -1;
    write_notes(k);
    return 0;
}

int record_turn(record *k, const dialogue *d, const roster_options *seats, struct turn *t,
                int parent, error *err)
{
    if (begin_phase(k, d, seats, t, err))
        return -1;
    turn_json_prompt(transcript_begin(k->t, "prompt", t->number, parent), TURN_RECORD, t);
    t->n = end_numbered(k);
    k->turn = t->number;
    write_answers(k, t, 0);
    return transcript_sync(k->t, err);
}

int record_answers(record *k, const dialogue *d, const roster_options *seats, struct turn *t,
                   int from, error *err)
{
    if (begin_phase(k, d, seats, t, err))
        return -1;
    write_answers(k, t, from);
    return transcript_sync(k->t, err);
}

/* ---- what follows a turn ----------------------------------------------------------------------- */

int record_merge(record *k, struct turn *t, int i, error *err)
{
    turn_json_merge(transcript_begin(k->t, "merge", t->number, t->n), TURN_RECORD, &t->merges[i]);
    t->merges[i].n = end_numbered(k);
    return transcript_sync(k->t, err);
}

int record_pick(record *k, const struct turn *t, error *err)
{
    json_put_text(transcript_begin(k->t, "pick", t->number, t->n), "name", t->picked);
    end_record(k);
    return transcript_sync(k->t, err);
}

int record_undo(record *k, const struct turn *t, error *err)
{
    (void)transcript_begin(k->t, "undo", t->number, t->n);
    end_record(k);
    return transcript_sync(k->t, err);
}

int record_title(record *k, const char *title, error *err)
{
    if (!k->t)
        return error_set(err, ERROR_USAGE, "nothing is saved yet that could have a title");
    return transcript_rename(k->t, k->turn, title, err);
}
