/* mode_listener.c - see mode_listener.h. */
#include "mode_listener.h"

#include <stdlib.h>
#include <string.h>

struct mode_listener {
    roster *roster;        /* NULL = there is none */
    mode_profile *profile; /* likewise */
};

/* Each that is weighed and is there, once; texts are the modes'. */
static int take_names(const mode_list *modes, const char **names, int *n, error *err)
{
    for (int i = 0; i < modes->n; i++) {
        const sign_weights *of = &modes->v[i]->signs.profile;
        for (int k = 0; k < of->n && *n < MODE_PROFILE_PERSONAS; k++) {
            bool there = false, known = false;
            for (int j = 0; j < *n; j++)
                known = known || strcmp(names[j], of->v[k].text) == 0;
            if (!known && persona_exists(of->v[k].text, &there, err))
                return -1;
            if (there)
                names[(*n)++] = of->v[k].text;
        }
    }
    return 0;
}

static int listen_to(mode_listener *l, engine *e, const mode_list *modes, error *err)
{
    const char *names[MODE_PROFILE_PERSONAS];
    roster_options o = {.personas = names, .sampling = sampling_defaults(), .prompt = ""};
    if (take_names(modes, names, &o.persona_count, err))
        return -1;
    if (o.persona_count < 2)
        return 0;
    l->roster = roster_open(e, &o, NULL, NULL, err);
    return l->roster ? mode_profile_open(e, l->roster, &l->profile, err) : -1;
}

mode_listener *mode_listener_open(engine *e, const mode_list *modes, error *err)
{
    mode_listener *l = calloc(1, sizeof *l);
    if (!l) {
        (void)error_memory(err, "a profile");
        return NULL;
    }
    if (listen_to(l, e, modes, err)) {
        mode_listener_close(l);
        return NULL;
    }
    return l;
}

void mode_listener_close(mode_listener *l)
{
    if (!l)
        return;
    mode_profile_close(l->profile);
    roster_close(l->roster);
    free(l);
}

int mode_listener_read(mode_listener *l, const char *prompt, size_t len, guess_calls *out,
                       error *err)
{
    *out = (guess_calls){0};
    return l->profile ? mode_profile_read(l->profile, prompt, len, out, err) : 0;
}
