/* turn_json.c - writing. See turn_json.h; turn_fields.c has the tables that this walks along.
 *
 * A document's list of keys is gone through; each key's row says of what kind the value is and
 * where it stands in the struct, and one switch over kinds writes it. Fields that one document
 * has in another shape than the others (a text with its exact bytes in a record, null for what
 * was never known in an export) are the only places that look at the form.
 */
#include "turn_json.h"

#include <stdio.h>
#include <string.h>

#include "records.h"
#include "turn_fields.h"

static const void *place(const void *object, const field *f)
{
    return (const char *)object + f->at;
}

static void write_members(json_writer *e, turn_form form, const field_table *t, const void *object);

static void write_text(json_writer *e, turn_form form, const char *key, turn_text text)
{
    const char *bytes = text.v ? text.v : "";
    if (form == TURN_RECORD)
        records_text(e, key, bytes, text.len);
    else
        json_put_bytes(e, key, bytes, text.len);
}

static void write_ids(json_writer *e, const char *key, const turn_ids *ids)
{
    json_begin_array(e, key);
    for (size_t i = 0; i < ids->len; i++)
        json_put_int(e, NULL, ids->v[i]);
    json_end(e);
}

static void write_numbers(json_writer *e, const char *key, const double *v, size_t n)
{
    json_begin_array(e, key);
    for (size_t i = 0; v && i < n; i++)
        json_put_number(e, NULL, v[i]);
    json_end(e);
}

static void write_hash(json_writer *e, turn_form form, const field *f, uint64_t hash)
{
    char digits[17];
    (void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
    bool unknown = form == TURN_EXPORT && !hash && f->at == offsetof(turn_answer, prompt_hash);
    json_put_text(e, f->key, unknown ? NULL : digits);
}

static void write_scores(json_writer *e, const turn_merge *m)
{
    size_t n = (size_t)m->passes;
    json_begin_array(e, "scores"); /* [judge][answer] */
    for (size_t j = 0; m->scores && j < n; j++)
        write_numbers(e, NULL, m->scores + j * n, n);
    json_end(e);
}

/* In a record each has room for its exact bytes. */
static void write_revised(json_writer *e, turn_form form, const turn_merge *m)
{
    json_begin_array(e, "revised");
    for (int i = 0; i < m->passes; i++) {
        if (form == TURN_RECORD) {
            json_begin_object(e, NULL);
            write_text(e, form, "text", m->revised[i]);
            json_end(e);
        } else if (m->revised[i].v) {
            json_put_bytes(e, NULL, m->revised[i].v, m->revised[i].len);
        } else {
            json_put_null(e, NULL);
        }
    }
    json_end(e);
}

static void write_merge_field(json_writer *e, turn_form form, const field *f, const turn_merge *m)
{
    if (f->kind == NAMES) {
        json_begin_array(e, f->key);
        for (int i = 0; m->of && i < m->passes; i++)
            json_put_text(e, NULL, m->of[i]);
        json_end(e);
    } else if (f->kind == SCORES) {
        write_scores(e, m);
    } else if (f->kind == SHARES) {
        write_numbers(e, f->key, m->shares, (size_t)m->passes);
    } else if (f->kind == DIVERGENCE) {
        write_numbers(e, f->key, m->divergence, m->ids.len);
    } else if (f->kind == REVISED) {
        write_revised(e, form, m);
    }
}

static void write_picks(json_writer *e, const struct turn *t)
{
    json_begin_array(e, "picks");
    for (int i = 0; i < t->pick_count; i++)
        json_put_text(e, NULL, t->picks[i].name);
    json_end(e);
}

static void write_object(json_writer *e, turn_form form, const char *key, const field_table *t,
                         const void *object)
{
    json_begin_object(e, key);
    write_members(e, form, t, object);
    json_end(e);
}

static void write_field(json_writer *e, turn_form form, const field *f, const void *object)
{
    const void *v = place(object, f);
    switch (f->kind) {
    case WORD:
        json_put_text(e, f->key, *(const char *const *)v);
        break;
    case BYTES:
        write_text(e, form, f->key, *(const turn_text *)v);
        break;
    case NUMBER:
    case FROM:
    case WINNER:
        json_put_int(e, f->key, *(const int *)v);
        break;
    case SEED:
        json_put_count(e, f->key, *(const uint64_t *)v);
        break;
    case HASH:
        write_hash(e, form, f, *(const uint64_t *)v);
        break;
    case FIGURE:
        json_put_number(e, f->key, *(const double *)v);
        break;
    case FLAG:
        json_put_bool(e, f->key, *(const bool *)v);
        break;
    case PREFILL:
        json_put_text(e, f->key, *(const bool *)v ? "shared" : "own");
        break;
    case STOP:
        json_put_text(e, f->key, pass_stop_name(*(const pass_stop *)v));
        break;
    case CONTEXT:
        json_put_text(e, f->key, context_policy_name(*(const context_policy *)v));
        break;
    case IDS:
        write_ids(e, f->key, v);
        break;
    case ROUTING:
        write_object(e, form, f->key, turn_fields(PART_ROUTING), object);
        break;
    case TIMINGS:
        write_object(e, form, f->key, turn_fields(PART_TIMINGS), v);
        break;
    case PICKS:
        write_picks(e, object);
        break;
    case JOINED:
        write_object(e, form, f->key, turn_fields(PART_JOINED), *(const turn_merge *const *)v);
        break;
    case CURRENT:
        json_put_bool(e, f->key, ((const turn_answer *)object)->next == 0);
        break;
    default:
        write_merge_field(e, form, f, object);
        break;
    }
}

/* Of a field that may be left out: whether it says anything. */
static bool says(const field *f, const void *object)
{
    const void *v = place(object, f);
    switch (f->kind) {
    case BYTES:
        return ((const turn_text *)v)->len > 0;
    case NUMBER:
        return *(const int *)v != 0;
    case STOP:
        return *(const pass_stop *)v == STOP_INTERRUPTED;
    case HASH:
        return *(const uint64_t *)v != 0;
    case FLAG: /* a tie belongs to a vote */
        return ((const turn_merge *)object)->shares != NULL;
    default: /* pointers */
        return *(const void *const *)v != NULL;
    }
}

static const field *row_of(const field_table *t, const char *key, size_t n)
{
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->rows[i].key) == n && memcmp(t->rows[i].key, key, n) == 0)
            return &t->rows[i];
    return NULL; /* the lists name nothing else */
}

static void write_members(json_writer *e, turn_form form, const field_table *t, const void *object)
{
    for (const char *at = t->forms[form]; *at;) {
        size_t n = strcspn(at, " ?");
        const field *f = row_of(t, at, n);
        if (f && (at[n] != '?' || says(f, object)))
            write_field(e, form, f, object);
        at += n + strspn(at + n, "? ");
    }
}

void turn_json_prompt(json_writer *e, turn_form form, const struct turn *t)
{
    write_members(e, form, turn_fields(PART_PROMPT), t);
}

void turn_json_answer(json_writer *e, turn_form form, const turn_answer *a)
{
    write_members(e, form, turn_fields(PART_ANSWER), a);
}

void turn_json_merge(json_writer *e, turn_form form, const turn_merge *m)
{
    bool failed = form == TURN_RECORD && m->failure;
    write_members(e, form, turn_fields(failed ? PART_FAILED_MERGE : PART_MERGE), m);
}
