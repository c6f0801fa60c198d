/* trace_dump.c - see trace_dump.h. */
#include "trace_dump.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/npy.h"

/* Of an array of every activation, for a track of n tokens. */
static uint64_t bytes_of(const activation_set *wanted, int n)
{
    uint64_t cols = 0;
    for (size_t i = 0; i < wanted->len; i++)
        cols += (uint64_t)wanted->v[i].cols;
    return cols * (uint64_t)n * sizeof(float);
}

static int make_room(trace_dump *d, error *err)
{
    d->v = calloc(d->wanted->len + 1, sizeof *d->v);
    if (!d->v)
        return error_memory(err, "activations");
    for (size_t i = 0; i < d->wanted->len; i++) {
        d->v[i] = calloc(d->rows + 1, (size_t)d->wanted->v[i].cols * sizeof(float));
        if (!d->v[i])
            return error_memory(err, "activations");
    }
    return 0;
}

static void keep(void *user, const session *s, int position, size_t which, const float *x)
{
    const trace_dump *d = user;
    size_t cols = (size_t)d->wanted->v[which].cols;
    (void)s;
    memcpy(d->v[which] + (size_t)position * cols, x, cols * sizeof(float));
}

static int read_again(engine *e, const route_track *t, const router_program *program, dtype kv,
                      trace_dump *d, error *err)
{
    session *s = session_open(e, t->len, kv, err);
    if (!s)
        return -1;
    step st = {s, t->ids.v, t->len, LOGITS_NONE, NULL};
    int result = session_set_program(s, program, err);
    if (!result) {
        engine_watch_activations(e, d->wanted, keep, d);
        result = engine_advance(e, &st, 1, err);
        engine_watch_activations(e, NULL, NULL, NULL);
    }
    session_close(s);
    return result;
}

int trace_dump_read(engine *e, const route_track *t, const router_program *program, dtype kv,
                    const activation_set *wanted, trace_dump *out, error *err)
{
    uint64_t bytes = bytes_of(wanted, t->len);
    *out = (trace_dump){.wanted = wanted, .rows = (size_t)t->len};
    if (bytes > TRACE_DUMP_MOST)
        return error_set(err, ERROR_USAGE,
                         "activations of %d tokens would take %.1f GiB: name fewer (at most %.0f)",
                         t->len, (double)bytes / (1 << 30), (double)TRACE_DUMP_MOST / (1 << 30));
    if (make_room(out, err))
        return -1;
    return t->len ? read_again(e, t, program, kv, out, err) : 0;
}

void trace_dump_release(trace_dump *d)
{
    for (size_t i = 0; d->v && i < d->wanted->len; i++)
        free(d->v[i]);
    free(d->v);
    *d = (trace_dump){0};
}

int trace_dump_put(const trace_dump *d, size_t which, buf *out, error *err)
{
    size_t shape[2] = {d->rows, (size_t)d->wanted->v[which].cols};
    return npy_put(out, NPY_FLOAT32, shape, 2, d->v[which], err);
}
