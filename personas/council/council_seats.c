/* council_seats.c - who sits in a council, and how: parts of it, other passes, other settings.
 *
 * Reading is what costs, so sessions outlive seats. When others sit down, new passes are opened beside
 * the old ones, each with the session of its namesake or of one who leaves; the sessions get their new
 * programs, all or none; only then do the old passes go, without what was taken over. Until that step
 * everything can be given up and the council is as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "council_state.h"

/* ---- parts ------------------------------------------------------------------------------------- */

static int fill_part(council *part, const council *c, const int *who, int n, error *err)
{
    part->engine = c->engine;
    part->options = c->options; /* the stop strings stay the whole's */
    part->whole = calloc((size_t)n + 1, sizeof *part->whole);
    if (!part->whole)
        return error_memory(err, "a part of the council");
    if (council_grow(part, n, err))
        return -1;
    for (int i = 0; i < n; i++) {
        part->whole[i] = who[i];
        part->passes[i] = c->passes[who[i]];
    }
    part->count = n;
    return council_share_subscribers(part, c, part->whole, err);
}

council *council_part(council *c, const int *who, int n, error *err)
{
    council *part = calloc(1, sizeof *part);
    if (!part)
        error_memory(err, "a part of the council");
    else if (fill_part(part, c, who, n, err)) {
        council_close(part);
        part = NULL;
    }
    return part;
}

/* ---- other passes ------------------------------------------------------------------------------ */

/* Passes that are to come, and whose session each takes over. */
typedef struct reseating {
    council *c;
    pass **fresh; /* [n] */
    int *from;    /* [n] an old pass, or -1: a session of its own */
    int n;
} reseating;

static int find(const council *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->passes[i]->name, name) == 0)
            return i;
    return -1;
}

static bool is_taken(const reseating *r, int old)
{
    for (int i = 0; i < r->n; i++)
        if (r->from[i] == old)
            return true;
    return false;
}

/* Who stays keeps what it has read; a newcomer gets the session of one who leaves, so that changing
 * seats needs no more memory than sitting. */
static void hand_over(reseating *r, const pass_options *wanted)
{
    for (int i = 0; i < r->n; i++)
        r->from[i] = find(r->c, wanted[i].name);
    for (int i = 0, old = 0; i < r->n; i++) {
        while (old < r->c->count && is_taken(r, old))
            old++;
        if (r->from[i] < 0 && old < r->c->count)
            r->from[i] = old;
    }
}

static pass *old_of(const reseating *r, int i)
{
    return r->from[i] < 0 ? NULL : r->c->passes[r->from[i]];
}

static int open_fresh(reseating *r, const pass_options *wanted, error *err)
{
    for (int i = 0; i < r->n; i++) {
        for (int j = 0; j < i; j++)
            if (strcmp(wanted[i].name, wanted[j].name) == 0)
                return error_set(err, ERROR_USAGE, "two passes are named %s", wanted[i].name);
    }
    hand_over(r, wanted);
    int more = 0;
    for (int i = 0; i < r->n; i++)
        more += !old_of(r, i);
    if (engine_admit(r->c->engine, more, r->c->options.context, r->c->options.kv, err))
        return -1;
    for (int i = 0; i < r->n; i++) {
        const pass *old = old_of(r, i);
        r->fresh[i] =
            pass_open(r->c->engine, &r->c->options, &wanted[i], old ? old->session : NULL, err);
        if (!r->fresh[i])
            return -1;
    }
    return 0;
}

/* The sessions that are handed over get their new programs, or none does: the old programs found room
 * before, so going back cannot fail. */
static int change_programs(const reseating *r, error *err)
{
    for (int i = 0; i < r->n; i++) {
        if (!old_of(r, i) ||
            session_set_program(r->fresh[i]->session, r->fresh[i]->program, err) == 0)
            continue;
        for (int j = 0; j <= i; j++) {
            const pass *old = old_of(r, j);
            if (old)
                (void)session_set_program(old->session, old->program, NULL);
        }
        return -1;
    }
    return 0;
}

/* The sessions stay with the old passes. */
static void give_up(reseating *r)
{
    for (int i = 0; i < r->n; i++) {
        if (r->fresh[i] && old_of(r, i))
            r->fresh[i]->session = NULL;
        pass_close(r->fresh[i]);
    }
}

static void settle(reseating *r)
{
    council *c = r->c;
    for (int i = 0; i < r->n; i++)
        if (old_of(r, i))
            old_of(r, i)->session = NULL;
    for (int i = 0; i < c->count; i++)
        pass_close(c->passes[i]);
    memcpy(c->passes, r->fresh, (size_t)r->n * sizeof *r->fresh);
    c->count = r->n;
}

int council_reseat(council *c, const pass_options *wanted, int n, error *err)
{
    size_t room = (size_t)n + 1;
    reseating r = {c, calloc(room, sizeof(pass *)), calloc(room, sizeof(int)), n};
    int result = r.fresh && r.from ? council_grow(c, n, err) : error_memory(err, "a council");
    if (!result && (open_fresh(&r, wanted, err) || change_programs(&r, err))) {
        give_up(&r);
        result = -1;
    }
    if (!result)
        settle(&r);
    free(r.fresh);
    free(r.from);
    return result;
}

/* ---- other settings ---------------------------------------------------------------------------- */

void council_adjust(council *c, const council_options *options)
{
    c->options.prefill = options->prefill;
    c->options.max_tokens = options->max_tokens;
    c->options.reserve = options->reserve;
    c->options.loop = options->loop;
    c->options.think = options->think;
    c->options.keep_logprobs = options->keep_logprobs;
}
