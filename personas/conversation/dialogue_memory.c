/* dialogue_memory.c - what a pass remembers, made from the turns.
 *
 * Nothing here is kept between two questions: the messages of each pass are made from the turns, handed
 * to the council with the question, and thrown away. The sessions still hold the tokens of the last
 * one, and read only what is new.
 */
#include <stdlib.h>
#include <string.h>

#include "dialogue_state.h"

/* What everybody remembers of a turn under this policy; nothing when each remembers its own. */
static turn_text common_words(const struct turn *t, context_policy context)
{
    turn_text w = {"", 0};
    bool picked = context == CONTEXT_PICKED && t->picked;
    if (context == CONTEXT_MERGED || (picked && strcmp(t->picked, "merge") == 0)) {
        const turn_merge *m = turn_merged(t);
        if (m)
            w = m->text;
    } else if (picked) {
        (void)turn_words(t, t->picked, &w);
    }
    return w;
}

static turn_text words_for(const struct turn *t, context_policy context, const char *name)
{
    turn_text w = common_words(t, context);
    if (!w.len)
        (void)turn_words(t, name, &w);
    return w;
}

/* Two messages for each turn that the pass has a reply to; room: for 2 * d->count. */
static size_t collect(const dialogue *d, const memory_span *span, const char *name,
                      chat_message *out)
{
    size_t n = 0;
    for (int i = 0; i < d->count; i++) {
        const struct turn *t = d->turns[i];
        if (t->undone || t->number < span->from || t->number >= span->before)
            continue;
        turn_text w = words_for(t, span->context, name);
        if (!w.len)
            continue;
        out[n++] = (chat_message){CHAT_USER, t->prompt.v, t->prompt.len};
        out[n++] = (chat_message){CHAT_ASSISTANT, w.v, w.len};
    }
    return n;
}

/* ---- requests ---------------------------------------------------------------------------------- */

int dialogue_stage(const dialogue *d, int *who, int n, stage *out, error *err)
{
    size_t seats = (size_t)n;
    *out = (stage){.who = who, .n = n, .room = 2 * (size_t)d->count + 1};
    out->part = council_part(d->council, who, n, err);
    if (!out->part)
        return -1;
    council_adjust(out->part, &d->options.council);
    out->requests = calloc(seats + 1, sizeof *out->requests);
    out->replies = calloc(seats + 1, sizeof *out->replies);
    out->messages = calloc(seats * out->room + 1, sizeof *out->messages);
    if (!out->requests || !out->replies || !out->messages)
        return error_memory(err, "a conversation");
    return 0;
}

void dialogue_stage_close(stage *s)
{
    council_close(s->part);
    free(s->who);
    free(s->requests);
    free(s->replies);
    free(s->messages);
    *s = (stage){0};
}

void dialogue_make_requests(const dialogue *d, stage *s, const memory_span *span,
                            const char *prompt, size_t len, uint64_t seed)
{
    for (int i = 0; i < s->n; i++) {
        chat_message *messages = s->messages + (size_t)i * s->room;
        size_t n = collect(d, span, roster_seat(d->roster, s->who[i])->name, messages);
        messages[n++] = (chat_message){CHAT_USER, prompt, len};
        s->requests[i] =
            (council_request){.instruction = roster_instruction(d->roster, s->who[i], prompt, len),
                              .messages = messages,
                              .count = n,
                              .seed = seed};
    }
}

/* ---- a turn as it was -------------------------------------------------------------------------- */

council_round dialogue_stage_turn(const dialogue *d, stage *s, const struct turn *t, int from,
                                  uint64_t seed)
{
    memory_span span = {t->context, from, t->number};
    dialogue_make_requests(d, s, &span, t->prompt.v, t->prompt.len, seed);
    for (int i = 0; i < s->n; i++)
        s->replies[i] = *turn_answer_of(t, roster_seat(d->roster, s->who[i])->name);
    return (council_round){s->requests, s->replies, t->shared};
}

static int add_answered(const dialogue *d, const struct turn *t, const char *name, int *who, int *n,
                        error *err)
{
    int found = dialogue_find(d, name);
    if (found < 0)
        return dialogue_unknown_name(d, name, err);
    if (found >= roster_seats(d->roster))
        return error_set(err, ERROR_USAGE, "%.64s is a group: name its members", name);
    if (!turn_answer_of(t, name))
        return error_set(err, ERROR_USAGE, "%.64s has not answered in turn %d", name, t->number);
    for (int i = 0; i < *n; i++)
        if (who[i] == found)
            return error_set(err, ERROR_USAGE, "%.64s is named twice", name);
    who[(*n)++] = found;
    return 0;
}

int dialogue_answered(const dialogue *d, const struct turn *t, const char *const *names, int count,
                      int **who, int *n, error *err)
{
    int seats = d->roster ? roster_seats(d->roster) : 0;
    *n = 0;
    *who = calloc((size_t)seats + 1, sizeof **who);
    if (!*who)
        return error_memory(err, "the answers");
    int result = 0;
    for (int i = 0; names && i < count && !result; i++)
        result = add_answered(d, t, names[i], *who, n, err);
    for (int i = 0; !names && i < seats; i++)
        if (turn_answer_of(t, roster_seat(d->roster, i)->name) &&
            !seat_is_control(roster_seat(d->roster, i)))
            (*who)[(*n)++] = i;
    if (!result)
        return 0;
    free(*who);
    *who = NULL;
    return -1;
}
