/* dialogue.c - seats and turns; asking, remembering and merging have files of their own.
 *
 * A dialogue is a list of turns and a council with a pass for each seat of the roster, in
 * its order. Seating opens the new roster first and closes the old one last, because the
 * passes borrow names and programs from it. A turn is allocated by itself: events and
 * commands hold pointers to one while the list grows. Undoing marks a turn and picking
 * names an answer; nothing is computed for either, as what passes remember is made from the
 * turns when the next question comes (dialogue_memory.c).
 */
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
    free(d->evidence);
    for (int i = 0; i < d->count; i++) {
        turn_release(d->turns[i]);
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
    int columns = d->roster ? roster_seats(d->roster) + roster_groups(d->roster) : 0;
    for (int i = 0; i < columns; i++)
        if (strcmp(roster_seat(d->roster, i)->name, name) == 0)
            return i;
    return -1;
}

int dialogue_unknown_name(const dialogue *d, const char *name, error *err)
{
    error_set(err, ERROR_USAGE, "%.64s does not sit here; there are", name);
    int columns = d->roster ? roster_seats(d->roster) + roster_groups(d->roster) : 0;
    for (int i = 0; err && i < columns; i++) {
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

council *dialogue_council(const dialogue *d)
{
    return d->council;
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

struct turn *dialogue_at(const dialogue *d, int i)
{
    return d->turns[i];
}

struct turn *dialogue_last(const dialogue *d)
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
    struct turn **grown = realloc(d->turns, (size_t)cap * sizeof *grown);
    if (!grown)
        return error_memory(err, "the turns");
    d->turns = grown;
    d->cap = cap;
    return 0;
}

static int check_restored(const dialogue *d, const struct turn *t, error *err)
{
    int least = d->count ? d->turns[d->count - 1]->number + 1 : 1;
    if (t->number < least || t->number > TURN_NUMBER_MOST)
        return error_set(err, ERROR_LOAD, "turn %d follows turn %d", t->number, least - 1);
    if (t->from < 1 || t->from > t->number)
        return error_set(err, ERROR_LOAD, "turn %d remembers from turn %d on", t->number, t->from);
    return 0;
}

int dialogue_restore(dialogue *d, struct turn *t, error *err)
{
    struct turn *own = malloc(sizeof *own);
    if (own && !check_restored(d, t, err) && !dialogue_reserve(d, err)) {
        turn_move(own, t);
        d->turns[d->count++] = own;
        return 0;
    }
    if (!own)
        error_memory(err, "a turn");
    free(own);
    turn_release(t);
    return -1;
}

void dialogue_move_turns(dialogue *to, dialogue *from)
{
    free(to->turns);
    to->turns = from->turns;
    to->count = from->count;
    to->cap = from->cap;
    from->turns = NULL;
    from->count = from->cap = 0;
}

int dialogue_undo(dialogue *d, error *err)
{
    struct turn *t = dialogue_last(d);
    if (!t)
        return error_set(err, ERROR_USAGE, "there is no turn to undo");
    t->undone = true;
    return 0;
}

int dialogue_pick(dialogue *d, const char *name, error *err)
{
    struct turn *t = dialogue_last(d);
    if (!t)
        return error_set(err, ERROR_USAGE, "there is no answer to pick yet");
    bool merge = strcmp(name, "merge") == 0;
    const turn_merge *m = turn_merged(t);
    if (merge && (!m || (m->winner < 0 && !m->text.len)))
        return error_set(err, ERROR_USAGE, "the answers of turn %d are not merged", t->number);
    if (!merge && !turn_answer_of(t, name))
        return error_set(err, ERROR_USAGE, "%.64s has not answered in turn %d", name, t->number);
    const char *copy = region_keep_text(&t->memory, name, err);
    if (!copy)
        return -1;
    t->picked = copy;
    return 0;
}

int dialogue_context_used(const dialogue *d)
{
    const struct turn *t = dialogue_last(d);
    int most = 0;
    for (int i = 0; t && i < t->answer_count; i++) {
        const turn_answer *k = &t->answers[i];
        int held = k->prompt_tokens + (int)k->ids.len;
        most = held > most ? held : most;
    }
    return most < d->options.council.context ? most : d->options.council.context;
}
