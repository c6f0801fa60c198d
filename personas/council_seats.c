/* council_seats.c - who sits in a council, and how: parts of it, other passes, other settings. */
#include <stdlib.h>
#include <string.h>

#include "council_state.h"

/* ---- parts ------------------------------------------------------------------------------------- */

council *council_part(council *c, const int *who, int n, error *err)
{
    council *part = calloc(1, sizeof *part);
    if (!part) {
        error_memory(err, "a part of the council");
        return NULL;
    }
    part->engine = c->engine;
    part->options = c->options; /* the stop strings stay the whole's */
    part->whole = c->whole ? c->whole : c;
    if (council_grow(part, n, err)) {
        council_close(part);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        part->passes[i] = c->passes[who[i]];
    part->count = n;
    return part;
}

/* ---- other passes ------------------------------------------------------------------------------ */

static pass *find(const council *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->passes[i]->name, name) == 0)
            return c->passes[i];
    return NULL;
}

/* The sessions that stay go over to their new programs, or none does: the old programs found room
 * before, so going back cannot fail. */
static int change_programs(const council *c, pass *const *fresh, int n, error *err)
{
    for (int i = 0; i < n; i++) {
        if (!find(c, fresh[i]->name) ||
            session_set_program(fresh[i]->session, fresh[i]->program, err) == 0)
            continue;
        for (int j = 0; j <= i; j++) {
            const pass *old = find(c, fresh[j]->name);
            if (old)
                (void)session_set_program(old->session, old->program, NULL);
        }
        return -1;
    }
    return 0;
}

static void close_fresh(const council *c, pass **fresh, int n)
{
    for (int i = 0; fresh && i < n; i++) {
        if (fresh[i] && find(c, fresh[i]->name))
            fresh[i]->session = NULL; /* it stays the old one's */
        pass_close(fresh[i]);
    }
    free(fresh);
}

static int open_fresh(council *c, const pass_options *wanted, int n, pass **fresh, error *err)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++)
            if (strcmp(wanted[i].name, wanted[j].name) == 0)
                return error_set(err, ERROR_USAGE, "two passes are named %s", wanted[i].name);
        const pass *old = find(c, wanted[i].name);
        fresh[i] = pass_open(c->engine, &c->options, &wanted[i], old ? old->session : NULL, err);
        if (!fresh[i])
            return -1;
    }
    return 0;
}

int council_reseat(council *c, const pass_options *wanted, int n, error *err)
{
    pass **fresh = calloc((size_t)n + 1, sizeof(pass *));
    if (!fresh)
        return error_memory(err, "a council");
    if (council_grow(c, n, err) || open_fresh(c, wanted, n, fresh, err) ||
        change_programs(c, fresh, n, err)) {
        close_fresh(c, fresh, n);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        pass *old = find(c, fresh[i]->name);
        if (old)
            old->session = NULL;
    }
    for (int i = 0; i < c->count; i++)
        pass_close(c->passes[i]);
    memcpy(c->passes, fresh, (size_t)n * sizeof *fresh);
    c->count = n;
    free(fresh);
    return 0;
}

/* ---- other settings ---------------------------------------------------------------------------- */

void council_adjust(council *c, const council_options *options)
{
    c->options.prefill = options->prefill;
    c->options.max_tokens = options->max_tokens;
    c->options.reserve = options->reserve;
    c->options.think = options->think;
}

int council_instruct(council *c, int i, const char *instruction, uint64_t seed, error *err)
{
    pass *p = c->passes[i];
    char *copy = instruction ? strdup(instruction) : NULL;
    if (instruction && !copy)
        return error_memory(err, "an instruction");
    free(p->instruction);
    p->instruction = copy;
    p->sampling.seed = seed;
    sampler_reseed(p->sampler, seed);
    return 0;
}
