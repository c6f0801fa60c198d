/* conversation.c - see conversation.h.
 *
 * The dialogue changes first; what it has added since is then written. So a call that fails has
 * written nothing, and one that succeeds says so whatever becomes of the record: that is told by
 * `unsaved`, which holds the fate of the last phase.
 */
#include "conversation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

struct conversation {
    record *record; /* NULL = nothing is kept */
    history *past;  /* NULL = a new one */
    transcript_repair repair;
    dialogue *dialogue;   /* NULL before it is loaded */
    roster_options seats; /* as they were seated; lists are borrowed */
    error unsaved;        /* of the last phase; ERROR_NONE = saved */
};

/* ---- opening and closing ----------------------------------------------------------------------- */

static conversation *open_empty(error *err)
{
    conversation *c = calloc(1, sizeof *c);
    if (!c)
        (void)error_memory(err, "a conversation");
    return c;
}

conversation *conversation_new(const char *folder, const char *id, error *err)
{
    conversation *c = open_empty(err);
    if (!c || !folder || (c->record = record_new(folder, id, err)))
        return c;
    conversation_close(c);
    return NULL;
}

static int read_past(conversation *c, const char *folder, const char *prefix, error *err)
{
    char *id = NULL, *path = NULL;
    if (transcript_find(folder, prefix, &id, err) == 0)
        path = transcript_file(folder, id, err);
    if (path)
        c->past = history_load(path, err);
    free(id);
    free(path);
    return c->past ? 0 : -1;
}

conversation *conversation_resume(const char *folder, const char *prefix, bool keep, error *err)
{
    conversation *c = open_empty(err);
    if (!c)
        return NULL;
    int result = 0;
    if (keep)
        result = (c->record = record_resume(folder, prefix, &c->past, &c->repair, err)) ? 0 : -1;
    else
        result = read_past(c, folder, prefix, err);
    if (!result)
        return c;
    conversation_close(c);
    return NULL;
}

void conversation_close(conversation *c)
{
    if (!c)
        return;
    record_close(c->record);
    dialogue_close(c->dialogue);
    history_close(c->past);
    transcript_repair_release(&c->repair);
    free(c);
}

const history *conversation_past(const conversation *c)
{
    return c->past;
}

const transcript_repair *conversation_repair(const conversation *c)
{
    return &c->repair;
}

int conversation_setting(const conversation *c, record_setting *out, error *err)
{
    const json *last = c->past ? history_setting(c->past, c->past->setting_count) : NULL;
    *out = (record_setting){0};
    if (!last)
        return 0;
    return record_setting_read(last, out, err) ? -1 : 1;
}

/* ---- model and seats --------------------------------------------------------------------------- */

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

void conversation_fit(struct turn *t, engine *e)
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

/* The turns that lead to the end of the past, the others as undone. A number that was used
 * twice is damage: the first counts. */
static int take_past(history *h, dialogue *d, error *err)
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
            continue;
        number = t->number;
        t->undone = !leads;
        conversation_fit(t, dialogue_engine(d));
        result = dialogue_restore(d, t, err);
    }
    free(path);
    return result;
}

int conversation_load(conversation *c, engine *e, const dialogue_options *o,
                      const roster_options *seats, roster_note *note, void *user, error *err)
{
    dialogue *d = dialogue_open(e, o, err);
    int result = d ? dialogue_seat(d, seats, note, user, err) : -1;
    if (!result && !c->dialogue && c->past)
        result = take_past(c->past, d, err);
    if (result) {
        dialogue_close(d);
        return -1;
    }
    if (c->dialogue)
        dialogue_move_turns(d, c->dialogue);
    dialogue_close(c->dialogue);
    c->dialogue = d;
    c->seats = *seats;
    return 0;
}

int conversation_seat(conversation *c, const roster_options *seats, roster_note *note, void *user,
                      error *err)
{
    if (dialogue_seat(c->dialogue, seats, note, user, err))
        return -1;
    c->seats = *seats;
    return 0;
}

dialogue *conversation_dialogue(const conversation *c)
{
    return c->dialogue;
}

/* ---- what is said ------------------------------------------------------------------------------ */

/* How the writing of a phase went. A turn whose record could not even begin is not saved, and
 * what follows it neither. */
static void settle(conversation *c, int result, const error *why)
{
    c->unsaved = result ? *why : (error){0};
}

/* The record of the prompt that a turn follows. */
static int record_before(const dialogue *d, const struct turn *t)
{
    for (int i = dialogue_turns(d); i > 0; i--)
        if (dialogue_at(d, i - 1)->number == t->parent)
            return dialogue_at(d, i - 1)->n;
    return 0;
}

static bool anybody_spoke(const struct turn *t)
{
    for (int i = 0; i < t->answer_count; i++)
        if (t->answers[i].stop != STOP_INTERRUPTED || t->answers[i].ids.len)
            return true;
    return false;
}

/* first: the oldest turn that was remembered before; those from there on that are not any more
 * are noted. What fails waits, and the last sync tells. */
static int record_question(conversation *c, const struct turn *replaced, int first, error *err)
{
    struct turn *t = dialogue_last(c->dialogue);
    int now = dialogue_reach(t);
    char range[32];
    if (replaced && replaced->n)
        (void)record_undo(c->record, replaced, err);
    int result =
        record_turn(c->record, c->dialogue, &c->seats, t, record_before(c->dialogue, t), err);
    if (result || now <= first)
        return result;
    (void)snprintf(range, sizeof range, "%d-%d", first, now - 1);
    return record_note(c->record, "forgot", range, err);
}

/* What a turn has gained since it had `before` answers. */
static void record_gain(conversation *c, struct turn *t, int before, bool was_picked)
{
    error why = {0};
    int result = record_answers(c->record, c->dialogue, &c->seats, t, before, &why);
    if (!result && was_picked && !t->picked)
        result = record_pick(c->record, t, &why);
    settle(c, result, &why);
}

/* The groups speak, and what they say is recorded. cut_too: as dialogue_join(). */
static int join(conversation *c, bool cut_too, const dialogue_events *events, error *err)
{
    struct turn *t = dialogue_last(c->dialogue);
    int before = t ? t->answer_count : 0;
    bool picked = t && t->picked;
    if (dialogue_join(c->dialogue, cut_too, events, err))
        return -1;
    if (c->record && t && t->n && t->answer_count > before)
        record_gain(c, t, before, picked);
    return 0;
}

int conversation_ask(conversation *c, const char *prompt, size_t len, const char *only,
                     bool instead, const dialogue_events *events, error *err)
{
    struct turn *replaced = instead ? dialogue_last(c->dialogue) : NULL;
    error why = {0};
    if (replaced)
        replaced->undone = true;
    const struct turn *before = dialogue_last(c->dialogue);
    if (dialogue_ask(c->dialogue, prompt, len, only, events, err)) {
        if (replaced)
            replaced->undone = false; /* nothing took its place */
        return -1;
    }
    if (c->record && anybody_spoke(dialogue_last(c->dialogue)))
        settle(c, record_question(c, replaced, before ? dialogue_reach(before) : INT_MAX, &why),
               &why);
    return join(c, false, events, err);
}

/* more: tokens by which the answer of `name` goes on; 0 = anew, drawn with `seed`. */
static int again(conversation *c, const char *name, uint64_t seed, int more,
                 const dialogue_events *events, error *err)
{
    struct turn *t = dialogue_last(c->dialogue);
    int before = t ? t->answer_count : 0;
    bool picked = t && t->picked;
    int result = more ? dialogue_continue(c->dialogue, name, more, events, err)
                      : dialogue_retry(c->dialogue, name, seed, events, err);
    if (!result && c->record)
        record_gain(c, t, before, picked);
    return result ? result : join(c, false, events, err);
}

int conversation_retry(conversation *c, const char *name, uint64_t seed,
                       const dialogue_events *events, error *err)
{
    return again(c, name, seed, 0, events, err);
}

int conversation_continue(conversation *c, const char *name, int more,
                          const dialogue_events *events, error *err)
{
    return again(c, name, 0, more > 0 ? more : 1, events, err);
}

/* One that fails may be kept as failed. */
int conversation_merge(conversation *c, const merge_options *options, const char *const *of,
                       int count, const char *by, const dialogue_events *events, error *err)
{
    struct turn *t = dialogue_last(c->dialogue);
    int before = t ? t->merge_count : 0;
    if (join(c, true, events, err))
        return -1;
    int result = dialogue_merge(c->dialogue, options, of, count, by, events, err);
    error why = {0};
    if (t && t->merge_count > before && c->record && t->n)
        settle(c, record_merge(c->record, t, t->merge_count - 1, &why), &why);
    return result;
}

int conversation_pick(conversation *c, const char *name, error *err)
{
    error why = {0};
    if (dialogue_pick(c->dialogue, name, err))
        return -1;
    const struct turn *t = dialogue_last(c->dialogue);
    if (c->record && t->n)
        settle(c, record_pick(c->record, t, &why), &why);
    return 0;
}

int conversation_undo(conversation *c, error *err)
{
    const struct turn *t = dialogue_last(c->dialogue);
    error why = {0};
    if (dialogue_undo(c->dialogue, err))
        return -1;
    if (c->record && t->n)
        settle(c, record_undo(c->record, t, &why), &why);
    return 0;
}

/* ---- the record -------------------------------------------------------------------------------- */

bool conversation_keeps(const conversation *c)
{
    return c->record != NULL;
}

const error *conversation_unsaved(const conversation *c)
{
    return c->unsaved.code == ERROR_NONE ? NULL : &c->unsaved;
}

const char *conversation_id(const conversation *c)
{
    return c->record ? record_id(c->record) : NULL;
}

void conversation_short_name(const conversation *c, char out[CONVERSATION_NAME])
{
    out[0] = '\0';
    if (c->record)
        record_short_name(c->record, out);
}

int conversation_title(conversation *c, const char *title, error *err)
{
    if (!c->record)
        return error_set(err, ERROR_USAGE, "this conversation is not kept");
    return record_title(c->record, title, err);
}

void conversation_note(conversation *c, const char *key, const char *value)
{
    error why = {0};
    if (c->record)
        settle(c, record_note(c->record, key, value, &why), &why);
}

int conversation_fork(conversation *c, error *err)
{
    record *forked = c->record ? record_fork(c->record, err) : NULL;
    if (!forked)
        return c->record ? -1 : error_set(err, ERROR_USAGE, "this conversation is not kept");
    record_close(c->record);
    c->record = forked;
    c->unsaved = (error){0};
    return 0;
}

/* Numbers of records in a copy are its own, so they go into a copy of the turn. */
static int copy_turn(const conversation *c, record *to, struct turn *t, int parent, error *err)
{
    if (record_turn(to, c->dialogue, &c->seats, t, parent, err))
        return -1;
    for (int i = 0; i < t->merge_count; i++)
        if (record_merge(to, t, i, err))
            return -1;
    return t->picked ? record_pick(to, t, err) : 0;
}

static int copy_turns(const conversation *c, record *to, error *err)
{
    int result = 0, before = 0; /* undone ones aside, each follows the one before */
    for (int i = 0; i < dialogue_turns(c->dialogue) && !result; i++) {
        struct turn copy;
        if (dialogue_at(c->dialogue, i)->undone)
            continue;
        if (turn_before(dialogue_at(c->dialogue, i), INT_MAX, &copy, err))
            return -1;
        result = copy_turn(c, to, &copy, before, err);
        before = copy.n;
        turn_release(&copy);
    }
    return result;
}

int conversation_copy(const conversation *c, const char *folder, const char *id, error *err)
{
    record *to = record_new(folder, id, err);
    int result = to ? copy_turns(c, to, err) : -1;
    record_close(to);
    return result;
}
