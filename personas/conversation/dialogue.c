/* dialogue.c - seats and turns; asking, remembering and merging have files of their own. */
#include "dialogue.h"

#include <stdlib.h>
#include <string.h>

#include "dialogue_state.h"

/* ---- opening and seating ----------------------------------------------------------------------- */

dialogue *dialogue_open(engine *e, const dialogue_options *options, error *err)
{
    dialogue *d = calloc(1, sizeof *d);
    if (!d) {
        error_memory(err, "a dialogue");
        return NULL;
    }
    d->engine = e;
    d->options = *options;
    d->council = council_open(e, &options->council, err);
    if (!d->council) {
        dialogue_close(d);
        return NULL;
    }
    d->options.council.stops = council_settings(d->council)->stops;
    return d;
}

void dialogue_close(dialogue *d)
{
    if (!d)
        return;
    council_close(d->council);
    roster_close(d->roster);
    for (int i = 0; i < d->count; i++) {
        dialogue_turn_release(d->turns[i]);
        free(d->turns[i]);
    }
    free(d->turns);
    free(d);
}

static int take_seats(dialogue *d, const roster *r, error *err)
{
    int n = roster_seats(r);
    pass_options *passes = calloc((size_t)n + 1, sizeof *passes);
    if (!passes)
        return error_memory(err, "the personas");
    for (int i = 0; i < n; i++)
        passes[i] = roster_pass(r, i);
    int result = council_reseat(d->council, passes, n, err);
    free(passes);
    return result;
}

int dialogue_seat(dialogue *d, const roster_options *options, roster_note *note, void *user,
                  error *err)
{
    roster *r = roster_open(d->engine, options, note, user, err);
    if (!r || take_seats(d, r, err)) {
        roster_close(r);
        return -1;
    }
    roster_close(d->roster); /* no pass borrows from it any more */
    d->roster = r;
    return 0;
}

const roster *dialogue_roster(const dialogue *d)
{
    return d->roster;
}

int dialogue_find(const dialogue *d, const char *name)
{
    for (int i = 0; d->roster && i < roster_seats(d->roster); i++)
        if (strcmp(roster_seat(d->roster, i)->name, name) == 0)
            return i;
    return -1;
}

int dialogue_unknown_name(const dialogue *d, const char *name, error *err)
{
    error_set(err, ERROR_USAGE, "%.64s does not sit here; there are", name);
    for (int i = 0; err && d->roster && i < roster_seats(d->roster); i++) {
        size_t len = strlen(err->text);
        const char *other = roster_seat(d->roster, i)->name;
        if (len + strlen(other) + 3 > sizeof err->text)
            break;
        strcat(err->text, i ? ", " : " ");
        strcat(err->text, other);
    }
    return -1;
}

engine *dialogue_engine(const dialogue *d)
{
    return d->engine;
}

dialogue_options *dialogue_settings(dialogue *d)
{
    return &d->options;
}

void dialogue_stop(dialogue *d, int pass)
{
    for (int i = 0; i < council_passes(d->council); i++)
        if (pass < 0 || pass == i)
            council_stop(d->council, i);
}

uint64_t dialogue_seed(const dialogue *d, int number)
{
    static const uint64_t STEP = 1000003, SEEDS = (uint64_t)1 << 53;
    return (d->options.seed + STEP * (uint64_t)(number - 1)) % SEEDS;
}

/* ---- turns ------------------------------------------------------------------------------------- */

int dialogue_turns(const dialogue *d)
{
    return d->count;
}

dialogue_turn *dialogue_at(const dialogue *d, int i)
{
    return d->turns[i];
}

dialogue_turn *dialogue_last(const dialogue *d)
{
    for (int i = d->count; i > 0; i--)
        if (!d->turns[i - 1]->undone)
            return d->turns[i - 1];
    return NULL;
}

int dialogue_reserve(dialogue *d, error *err)
{
    if (d->count < d->cap)
        return 0;
    int cap = d->cap ? 2 * d->cap : 16;
    dialogue_turn **grown = realloc(d->turns, (size_t)cap * sizeof *grown);
    if (!grown)
        return error_memory(err, "the turns");
    d->turns = grown;
    d->cap = cap;
    return 0;
}

void dialogue_turn_release(dialogue_turn *t)
{
    for (int i = 0; i < t->answer_count; i++)
        kept_answer_release(&t->answers[i]);
    for (int i = 0; i < t->merge_count; i++)
        kept_merge_release(&t->merges[i]);
    free(t->answers);
    free(t->merges);
    free(t->prompt);
    free(t->only);
    free(t->picked);
    *t = (dialogue_turn){0};
}

static int check_restored(const dialogue *d, const dialogue_turn *t, error *err)
{
    int least = d->count ? d->turns[d->count - 1]->number + 1 : 1;
    if (t->number < least || t->number > DIALOGUE_TURNS_MOST)
        return error_set(err, ERROR_LOAD, "turn %d follows turn %d", t->number, least - 1);
    if (t->from < 1 || t->from > t->number || !t->prompt)
        return error_set(err, ERROR_LOAD, "turn %d remembers from turn %d on", t->number, t->from);
    return 0;
}

int dialogue_restore(dialogue *d, dialogue_turn *t, error *err)
{
    dialogue_turn *own = malloc(sizeof *own);
    if (own && !check_restored(d, t, err) && !dialogue_reserve(d, err)) {
        *own = *t;
        *t = (dialogue_turn){0};
        d->turns[d->count++] = own;
        return 0;
    }
    if (!own)
        error_memory(err, "a turn");
    free(own);
    dialogue_turn_release(t);
    return -1;
}

int dialogue_undo(dialogue *d, error *err)
{
    dialogue_turn *t = dialogue_last(d);
    if (!t)
        return error_set(err, ERROR_USAGE, "there is no turn to undo");
    t->undone = true;
    return 0;
}

int dialogue_pick(dialogue *d, const char *name, error *err)
{
    dialogue_turn *t = dialogue_last(d);
    if (!t)
        return error_set(err, ERROR_USAGE, "there is no answer to pick yet");
    bool merge = strcmp(name, "merge") == 0;
    const kept_merge *m = dialogue_merged(t);
    if (merge && (!m || (m->result.winner < 0 && !m->result.len)))
        return error_set(err, ERROR_USAGE, "the answers of turn %d are not merged", t->number);
    if (!merge && !dialogue_answer(t, name))
        return error_set(err, ERROR_USAGE, "%.64s has not answered in turn %d", name, t->number);
    char *copy = strdup(name);
    if (!copy)
        return error_memory(err, "a pick");
    free(t->picked);
    t->picked = copy;
    return 0;
}

/* What is given anew was not picked, nor was the merge that joined what it was before. */
static void take_off_pick(dialogue_turn *t, const kept_answer *kept, int n)
{
    bool off = false;
    for (int i = 0; t->picked && i < n; i++)
        off = off || strcmp(t->picked, "merge") == 0 ||
              (strcmp(t->picked, kept[i].name) == 0 && !kept[i].continued);
    if (!off)
        return;
    free(t->picked);
    t->picked = NULL;
}

int dialogue_add_answers(dialogue_turn *t, kept_answer *kept, int n, error *err)
{
    size_t count = (size_t)t->answer_count + (size_t)n;
    kept_answer *grown = realloc(t->answers, (count ? count : 1) * sizeof *grown);
    if (!grown)
        return error_memory(err, "the answers");
    t->answers = grown;
    take_off_pick(t, kept, n);
    for (int i = 0; i < n; i++) {
        grown[t->answer_count++] = kept[i];
        kept[i] = (kept_answer){0};
    }
    return 0;
}

int dialogue_add_merge(dialogue_turn *t, kept_merge *m, error *err)
{
    kept_merge *grown = realloc(t->merges, ((size_t)t->merge_count + 1) * sizeof *grown);
    if (!grown)
        return error_memory(err, "a merge");
    t->merges = grown;
    grown[t->merge_count++] = *m;
    *m = (kept_merge){.result.winner = -1};
    return 0;
}

/* ---- current versions -------------------------------------------------------------------------- */

bool dialogue_asked(const char *only, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = only; at && *at;) {
        size_t len = strcspn(at, ",");
        if (len == n && memcmp(at, name, n) == 0)
            return true;
        at += len + (at[len] == ',');
    }
    return !only;
}

const kept_answer *dialogue_answer(const dialogue_turn *t, const char *name)
{
    for (int i = t->answer_count; i > 0; i--)
        if (strcmp(t->answers[i - 1].name, name) == 0)
            return &t->answers[i - 1];
    return NULL;
}

static bool is_current(const dialogue_turn *t, const kept_merge *m)
{
    return !m->failure && (m->answers == 0 || m->answers == t->answer_count);
}

const kept_merge *dialogue_merged(const dialogue_turn *t)
{
    for (int i = t->merge_count; i > 0; i--)
        if (is_current(t, &t->merges[i - 1]))
            return &t->merges[i - 1];
    return NULL;
}

/* What the last current debate made of the answer, or NULL. */
static const buf *revised(const dialogue_turn *t, const char *name)
{
    for (int i = t->merge_count; i > 0; i--) {
        const kept_merge *m = &t->merges[i - 1];
        if (!is_current(t, m) || !m->result.revised)
            continue;
        for (int k = 0; k < m->result.passes; k++)
            if (strcmp(m->of[k], name) == 0)
                return &m->result.revised[k];
    }
    return NULL;
}

bool dialogue_words(const dialogue_turn *t, const char *name, const char **text, size_t *len)
{
    const kept_answer *k = dialogue_answer(t, name);
    const buf *better = revised(t, name);
    *text = better && better->len ? better->v : k ? k->text : "";
    *len = better && better->len ? better->len : k ? k->len : 0;
    return *len > 0;
}

int dialogue_context_used(const dialogue *d)
{
    const dialogue_turn *t = dialogue_last(d);
    int most = 0;
    for (int i = 0; t && i < t->answer_count; i++) {
        const kept_answer *k = &t->answers[i];
        int held = k->prompt_tokens + (int)k->ids.len;
        most = held > most ? held : most;
    }
    return most < d->options.council.context ? most : d->options.council.context;
}
