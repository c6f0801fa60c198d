/* mode_guess.c - see mode_guess.h. */
#include "mode_guess.h"

#include <stdlib.h>

int mode_guess_make(const mode_list *l, int fixed, const char *prompt, size_t len,
                    const guess_calls *calls, guessed *out, error *err)
{
    guess_candidate *v = calloc((size_t)l->n + 1, sizeof *v);
    if (!v)
        return error_memory(err, "the modes");
    for (int i = 0; i < l->n; i++)
        v[i] = (guess_candidate){l->v[i]->name, &l->v[i]->signs};
    guess_among among = {v, l->n, fixed, true};
    int result = guess_make(&among, prompt, len, calls, out, err);
    free(v);
    return result;
}
