/* forward_taps.c - see forward_taps.h. */
#include "forward_taps.h"

#include <stdlib.h>

int forward_taps_set(forward_taps *t, const activation_set *wanted, int max_rows,
                     forward_tap_fn *fn, void *user, error *err)
{
    t->wanted = NULL;
    t->fn = fn;
    t->user = user;
    for (size_t i = 0; wanted && i < wanted->len; i++) {
        activation_kind kind = wanted->v[i].kind;
        size_t room = (size_t)max_rows * (size_t)wanted->v[i].cols;
        if (t->room[kind] >= room)
            continue;
        free(t->host[kind]);
        t->host[kind] = malloc(room * sizeof(float));
        t->room[kind] = t->host[kind] ? room : 0;
        if (!t->host[kind])
            return error_memory(err, "the activations of a batch");
    }
    t->wanted = wanted;
    return 0;
}

void forward_taps_release(forward_taps *t)
{
    for (int i = 0; i < ACTIVATION_KINDS; i++)
        free(t->host[i]);
    *t = (forward_taps){0};
}

void forward_taps_copy(forward_taps *t, backend *b, activation_kind kind, const tensor *x, int n)
{
    if (t->wanted->kinds[t->layer + 1] >> kind & 1)
        tensor_read(b, x, 0, (size_t)n, t->host[kind]);
}

int forward_taps_tell(forward_taps *t, backend *b, int n, error *err)
{
    const activation_set *w = t->wanted;
    if (!w->kinds[t->layer + 1])
        return 0;
    if (backend_sync(b, err))
        return -1;
    for (; t->told < w->len && w->v[t->told].layer == t->layer; t->told++)
        t->fn(t->user, t->told, n, t->host[w->v[t->told].kind]);
    return 0;
}
