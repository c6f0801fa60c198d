/* dialogue_parties.c - see dialogue_parties.h. */
#include "dialogue_parties.h"

#include <stdlib.h>
#include <string.h>

static const seat *column_of(const dialogue *d, int i)
{
    return roster_seat(d->roster, i);
}

static int columns_of(const dialogue *d)
{
    return d->roster ? roster_seats(d->roster) + roster_groups(d->roster) : 0;
}

static bool is_group(const dialogue *d, int column)
{
    return column >= roster_seats(d->roster);
}

/* ---- who --------------------------------------------------------------------------------------- */

static int add_named(const dialogue *d, const struct turn *t, const char *name, parties *p,
                     error *err)
{
    int found = dialogue_find(d, name);
    if (found < 0)
        return dialogue_unknown_name(d, name, err);
    if (!turn_answer_of(t, name))
        return error_set(err, ERROR_USAGE, "%.64s has not answered in turn %d", name, t->number);
    for (int i = 0; i < p->count; i++)
        if (p->columns[i] == found)
            return error_set(err, ERROR_USAGE, "%.64s is named twice", name);
    p->columns[p->count++] = found;
    return 0;
}

static void add_all(const dialogue *d, const struct turn *t, int group, parties *p)
{
    for (int i = 0; i < columns_of(d); i++) {
        const seat *s = column_of(d, i);
        if (s->group == group && !seat_is_control(s) && turn_answer_of(t, s->name))
            p->columns[p->count++] = i;
    }
}

/* ---- behind them ------------------------------------------------------------------------------- */

static bool is_in(const dialogue *d, const struct turn *t, int column, int group)
{
    const seat *s = column_of(d, column);
    return s->group == group && !seat_is_control(s) && turn_answer_of(t, s->name);
}

static int add_backing(const dialogue *d, const struct turn *t, int column, double weight,
                       parties *p, error *err)
{
    if (is_group(d, column)) {
        int group = column - roster_seats(d->roster), members = 0;
        for (int i = 0; i < columns_of(d); i++)
            members += is_in(d, t, i, group);
        for (int i = 0; i < columns_of(d); i++)
            if (is_in(d, t, i, group) && add_backing(d, t, i, weight / members, p, err))
                return -1;
        return 0;
    }
    for (int i = 0; i < p->n; i++)
        if (p->who[i] == column)
            return error_set(err, ERROR_USAGE, "%.64s is within a group that is named, too",
                             column_of(d, column)->name);
    p->behind[p->n] = (merge_backing){p->n, weight};
    p->who[p->n++] = column;
    return 0;
}

static int fill(const dialogue *d, const struct turn *t, parties *p, error *err)
{
    for (int i = 0; i < p->count; i++) {
        int first = p->n;
        if (add_backing(d, t, p->columns[i], 1, p, err))
            return -1;
        p->list[i] = (merge_party){.name = column_of(d, p->columns[i])->name,
                                   .behind = &p->behind[first],
                                   .count = p->n - first};
    }
    return 0;
}

/* ---- public ------------------------------------------------------------------------------------ */

int parties_open(const dialogue *d, const struct turn *t, const char *const *names, int count,
                 int group, parties *out, error *err)
{
    size_t room = (size_t)columns_of(d) + 1;
    *out = (parties){.columns = calloc(room, sizeof *out->columns),
                     .who = calloc(room, sizeof *out->who),
                     .list = calloc(room, sizeof *out->list),
                     .behind = calloc(room, sizeof *out->behind),
                     .groups = calloc(room, sizeof *out->groups)};
    if (!out->columns || !out->who || !out->list || !out->behind || !out->groups)
        return error_memory(err, "the answers");
    for (int i = 0; names && i < count; i++)
        if (add_named(d, t, names[i], out, err))
            return -1;
    if (!names)
        add_all(d, t, group, out);
    return fill(d, t, out, err);
}

void parties_reply(parties *p, const dialogue *d, const struct turn *t, const turn_answer *replies)
{
    for (int i = 0; i < p->count; i++) {
        if (is_group(d, p->columns[i])) {
            p->groups[i] = *turn_answer_of(t, p->list[i].name);
            p->list[i].reply = &p->groups[i];
        } else {
            p->list[i].reply = &replies[p->list[i].behind->pass];
        }
    }
}

void parties_release(parties *p)
{
    free(p->columns);
    free(p->who);
    free(p->list);
    free(p->behind);
    free(p->groups);
    *p = (parties){0};
}
