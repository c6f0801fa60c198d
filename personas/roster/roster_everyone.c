/* roster_everyone.c - the seat in which all personas speak at once. See roster.h.
 *
 * Its program is the union of theirs; its instruction is theirs, one behind the other, in the prompt's
 * language as far as each has it; its sampling and random numbers are its own, unless there is only
 * one persona, whose very answer it then gives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "../../engine/routing/router_union.h"
#include "roster_state.h"

static int join_programs(roster *r, error *err)
{
    const router_program **list = calloc((size_t)r->member_count + 1, sizeof *list);
    bool rules = false;
    if (!list)
        return error_memory(err, "everyone");
    for (int i = 0; i < r->member_count; i++) {
        list[i] = r->members[i].program;
        rules = rules || (list[i] && router_program_has_rules(list[i]));
    }
    if (rules && r->member_count > 1)
        roster_say(r, "everyone speaks without the personas' rules");
    r->everyone = router_program_union(engine_config(r->engine), list, r->member_count, err);
    free(list);
    return r->everyone ? 0 : -1;
}

/* In the language of the first's text, else the first that there is. */
static const char *text_of(const persona *p, const char *language)
{
    for (int i = 0; i < p->instruction_count; i++)
        if (strcmp(p->instructions[i].language, language) == 0)
            return p->instructions[i].text;
    return p->instruction_count ? p->instructions[0].text : NULL;
}

static int compose(const roster *r, const char *language, buf *out, error *err)
{
    const char *system = r->options->system;
    if (system && *system && buf_text(out, system, err))
        return -1;
    for (int i = 0; i < r->member_count; i++) {
        const member *m = &r->members[i];
        const char *text = m->instructed ? text_of(m->persona, language) : NULL;
        if (text && buf_format(out, err, "%s%s", out->len ? "\n\n" : "", text))
            return -1;
    }
    return 0;
}

/* A joined text for each of the first persona's, by which the language is chosen. */
static int compose_all(const roster *r, owned_seat *own, error *err)
{
    const persona *p = NULL;
    for (int i = 0; i < r->member_count && !p; i++)
        if (r->members[i].instructed && r->members[i].persona->instruction_count)
            p = r->members[i].persona;
    int n = p ? p->instruction_count : 0;
    bool told = r->options->system && *r->options->system;
    own->instructor = p;
    if (!p && !told)
        return 0;
    own->composed = calloc((size_t)n + 2, sizeof *own->composed);
    if (!own->composed)
        return error_memory(err, "an instruction");
    for (int i = 0; i < (n ? n : 1); i++) {
        buf text = {0};
        if (compose(r, n ? p->instructions[i].language : "", &text, err)) {
            buf_release(&text);
            return -1;
        }
        own->composed[i] = buf_detach(&text);
    }
    return 0;
}

static void take_record(const roster *r, owned_seat *own)
{
    const roster_options *o = r->options;
    for (int i = 0; i < o->recorded_count; i++)
        if (strcmp(o->recorded[i].name, own->name) == 0)
            own->recorded = &o->recorded[i];
    if (!own->recorded)
        return;
    own->seat.sampling = own->recorded->sampling;
    own->seat.sampling.seed = o->sampling.seed;
}

int roster_seat_everyone(roster *r, error *err)
{
    const roster_options *o = r->options;
    const persona *only = r->member_count == 1 ? r->members[0].persona : NULL;
    owned_seat *own = &r->seats[r->seat_count++];
    bool acts = false;
    if (!o->persona_count)
        return error_set(err, ERROR_USAGE, "everyone: there is no persona");
    for (int i = 0; i < o->persona_count; i++)
        if (strcmp(o->personas[i], "everyone") == 0)
            return error_set(err, ERROR_USAGE, "everyone: a persona has that name");
    if (join_programs(r, err) || roster_program_acts(r->engine, r->everyone, &acts, err))
        return -1;
    (void)snprintf(own->name, sizeof own->name, "everyone");
    own->key = only ? only->name : own->name;
    own->seat = (seat){.name = own->name,
                       .program = r->everyone,
                       .sampling = roster_sampling(r, only),
                       .strength = 1,
                       .group = -1};
    take_record(r, own);
    if (compose_all(r, own, err))
        return -1;
    own->seat.instruction = roster_seat_instruction(own, o->prompt, o->prompt_len);
    roster_acts_by(acts ? r->everyone : NULL, own->seat.instruction != NULL, own->acts_by);
    own->seat.acts_by = own->acts_by;
    own->fallback = own->recorded ? NULL : o->fallback;
    if (!own->seat.instruction)
        own->seat.instruction = own->fallback;
    return 0;
}
