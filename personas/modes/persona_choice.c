/* persona_choice.c - see persona_choice.h. */
#include "persona_choice.h"

#include <stdlib.h>

struct persona_choice {
    persona **personas;             /* [n] */
    guess_candidate *all, *experts; /* [n] with all of their signs; with their experts alone */
    signs *bare;                    /* [n] of the latter, borrowing */
    int n;
    roster *roster;
    mode_profile *profile; /* NULL = there is none */
};

static int load(persona_choice *c, const char *const *names, int n, error *err)
{
    size_t room = (size_t)n + 1;
    c->personas = calloc(room, sizeof(persona *));
    c->all = calloc(room, sizeof *c->all);
    c->experts = calloc(room, sizeof *c->experts);
    c->bare = calloc(room, sizeof *c->bare);
    if (!c->personas || !c->all || !c->experts || !c->bare)
        return error_memory(err, "the personas");
    for (; c->n < n; c->n++) {
        persona *p = c->personas[c->n] = persona_find(names[c->n], err);
        if (!p)
            return -1;
        c->bare[c->n] = (signs){.profile = p->asks.profile, .given = true};
        c->all[c->n] = (guess_candidate){p->name, &p->asks};
        c->experts[c->n] = (guess_candidate){p->name, &c->bare[c->n]};
    }
    return 0;
}

static int listen_to(persona_choice *c, engine *e, const char *const *names, error *err)
{
    roster_options o = {
        .personas = names, .persona_count = c->n, .sampling = sampling_defaults(), .prompt = ""};
    c->roster = roster_open(e, &o, NULL, NULL, err);
    return c->roster ? mode_profile_open(e, c->roster, &c->profile, err) : -1;
}

persona_choice *persona_choice_open(engine *e, const char *const *names, int n, error *err)
{
    persona_choice *c = calloc(1, sizeof *c);
    if (!c) {
        (void)error_memory(err, "the personas");
        return NULL;
    }
    if (load(c, names, n, err) || (e && listen_to(c, e, names, err))) {
        persona_choice_close(c);
        return NULL;
    }
    return c;
}

void persona_choice_close(persona_choice *c)
{
    if (!c)
        return;
    mode_profile_close(c->profile);
    roster_close(c->roster);
    for (int i = 0; c->personas && i < c->n; i++)
        persona_close(c->personas[i]);
    free(c->personas);
    free(c->all);
    free(c->experts);
    free(c->bare);
    free(c);
}

bool persona_choice_is_blind(const persona_choice *c)
{
    return !c->profile;
}

int persona_choice_make(persona_choice *c, choice_by by, const char *prompt, size_t len,
                        guessed *out, error *err)
{
    guess_calls calls = {0};
    guess_among among = {by == CHOICE_BY_EXPERTS ? c->experts : c->all, c->n, -1, false};
    if (guess_make(&among, prompt, len, NULL, out, err))
        return -1;
    if (out->tagged || by == CHOICE_BY_SIGNS || !c->profile)
        return 0;
    if (mode_profile_read(c->profile, prompt, len, &calls, err))
        return -1;
    return guess_make(&among, prompt, len, &calls, out, err);
}

int persona_choice_line(const persona_choice *c, const guessed *g, buf *out, error *err)
{
    return buf_format(out, err, "persona %s: %s", c->personas[g->choice]->name,
                      g->why[0] ? g->why : "nothing in the prompt asks for another");
}
