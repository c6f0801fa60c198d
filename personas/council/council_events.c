/* council_events.c - who hears of what happens in a council.
 *
 * Subscribers are told in the order in which they came. A part of a council begins with those of the
 * whole, to whom a pass keeps the index that it has there.
 */
#include <stdlib.h>

#include "../../engine/base/array.h"
#include "council_state.h"

static int add(council *c, const council_events *events, const int *indices, error *err)
{
    subscriber *grown = array_room(c->subscribers, c->subscriber_count, &c->subscriber_cap,
                                   sizeof *grown, "a subscriber", err);
    if (!grown)
        return -1;
    c->subscribers = grown;
    c->subscribers[c->subscriber_count++] = (subscriber){events, indices};
    return 0;
}

int council_subscribe(council *c, const council_events *events, error *err)
{
    return add(c, events, NULL, err);
}

void council_unsubscribe(council *c, const council_events *events)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->subscriber_count; i++)
        if (c->subscribers[i].events != events)
            c->subscribers[kept++] = c->subscribers[i];
    c->subscriber_count = kept;
}

/* A part of a part: what its passes are called for those who have subscribed further out. */
static int *composed(council *to, const int *inner, const int *outer, error *err)
{
    int *out = region_take(&to->indices, ((size_t)to->count + 1) * sizeof *out, err);
    for (int i = 0; out && i < to->count; i++)
        out[i] = inner[i] < 0 ? inner[i] : outer[inner[i]];
    return out;
}

int council_share_subscribers(council *to, const council *from, const int *indices, error *err)
{
    for (size_t i = 0; i < from->subscriber_count; i++) {
        const subscriber *s = &from->subscribers[i];
        const int *mapped =
            s->indices && indices ? composed(to, indices, s->indices, err) : indices;
        if (!mapped || add(to, s->events, mapped, err))
            return -1;
    }
    return 0;
}

static int index_for(const subscriber *s, int i)
{
    return i >= 0 && s->indices ? s->indices[i] : i;
}

void council_emit_prefill(const council *c, int done, int total)
{
    for (size_t i = 0; i < c->subscriber_count; i++) {
        const council_events *e = c->subscribers[i].events;
        if (e->prefill)
            e->prefill(e->user, done, total);
    }
}

void council_emit_token(const council *c, int p, const char *bytes, size_t len, bool thinking)
{
    for (size_t i = 0; i < c->subscriber_count; i++) {
        const council_events *e = c->subscribers[i].events;
        if (e->token)
            e->token(e->user, index_for(&c->subscribers[i], p), bytes, len, thinking);
    }
}

void council_emit_answer(const council *c, int p, const turn_answer *a)
{
    for (size_t i = 0; i < c->subscriber_count; i++) {
        const council_events *e = c->subscribers[i].events;
        if (e->answer)
            e->answer(e->user, index_for(&c->subscribers[i], p), a);
    }
}

void council_emit_judge(const council *c, int done, int total)
{
    for (size_t i = 0; i < c->subscriber_count; i++) {
        const council_events *e = c->subscribers[i].events;
        if (e->judge)
            e->judge(e->user, done, total);
    }
}

void council_emit_routing(const council *c, int p, const route_trace *trace)
{
    for (size_t i = 0; i < c->subscriber_count; i++) {
        const council_events *e = c->subscribers[i].events;
        if (e->routing)
            e->routing(e->user, index_for(&c->subscribers[i], p), trace);
    }
}

void council_emit_reading(const council *c, int p, const route_trace *trace)
{
    for (size_t i = 0; i < c->subscriber_count; i++) {
        const council_events *e = c->subscribers[i].events;
        if (e->reading)
            e->reading(e->user, index_for(&c->subscribers[i], p), trace);
    }
}

bool council_hears_reading(const council *c)
{
    bool any = false;
    for (size_t i = 0; i < c->subscriber_count; i++)
        any = any || c->subscribers[i].events->reading;
    return any;
}

bool council_hears_wanted(const council *c)
{
    bool any = false;
    for (size_t i = 0; i < c->subscriber_count; i++)
        any = any || c->subscribers[i].events->wanted;
    return any;
}
