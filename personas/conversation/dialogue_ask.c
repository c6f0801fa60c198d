/* dialogue_ask.c - asking a question, or the last one again.
 *
 * The passes that are asked form a part of the council. Their requests are made from the turns; when
 * these do not fit, shorter ones are made, without the oldest turns. Nothing is added to the dialogue
 * before the part has ended.
 */
#include <stdlib.h>
#include <string.h>

#include "../roster/persona_tree.h"
#include "dialogue_state.h"

typedef struct asking {
    dialogue *d;
    const dialogue_events *events;
    stage stage;
    council_events heard; /* what the part tells while it is asked */
    const char *prompt;
    size_t len;
    uint64_t seed;
    int reach; /* the oldest turn that may be remembered: span.from is it, or later to be brief */
    region memory;             /* of what is kept; the turn's in the end */
    turn_answer *kept;         /* [stage.n] */
    const turn_answer *before; /* the version that goes on, or NULL */
    error *err;
    bool failed; /* an answer could not be kept: *err is filled */
} asking;

/* A copy that outlives the council, with what the roster knows of its seat. */
static int keep(asking *a, const turn_answer *from, const seat *s, turn_answer *out)
{
    turn_answer whole = *from;
    whole.name = s->name;
    whole.acts_by = s->acts_by;
    whole.color = s->color;
    whole.continued = a->before ? (int)a->before->ids.len : 0;
    whole.asked_experts = s->asked_experts;
    whole.least_allowed = seat_least_allowed(s, engine_config(a->d->engine));
    return turn_answer_copy(&a->memory, &whole, out, a->err);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void on_prefill(void *user, int done, int total)
{
    asking *a = user;
    if (a->events && a->events->prefill)
        a->events->prefill(a->events->user, done, total);
}

static void on_token(void *user, int i, const char *bytes, size_t n, bool thinking)
{
    asking *a = user;
    if (a->events && a->events->token)
        a->events->token(a->events->user, a->stage.who[i], bytes, n, thinking);
}

static void on_answer(void *user, int i, const turn_answer *done)
{
    asking *a = user;
    const seat *s = roster_seat(a->d->roster, a->stage.who[i]);
    turn_answer whole = *done;
    if (a->before) { /* the figures are those of all its tokens */
        whole.seconds += a->before->seconds;
        whole.tokens_per_second = whole.seconds > 0 ? (double)whole.ids.len / whole.seconds : 0;
    }
    if (keep(a, &whole, s, &a->kept[i])) {
        a->failed = true;
        return;
    }
    if (a->events && a->events->answer)
        a->events->answer(a->events->user, a->stage.who[i], &a->kept[i]);
}

static int hear(asking *a)
{
    a->heard =
        (council_events){.user = a, .prefill = on_prefill, .token = on_token, .answer = on_answer};
    return council_subscribe(a->stage.part, &a->heard, a->err);
}

/* ---- room -------------------------------------------------------------------------------------- */

/* Room for all that may be written, but not more than a quarter of the context. */
static int reserve_of(const council_options *o)
{
    int quarter = o->context / 4;
    int least = o->max_tokens < quarter ? o->max_tokens : quarter;
    return least > 0 ? least : 1;
}

static void make_requests(asking *a, const memory_span *span)
{
    dialogue_make_requests(a->d, &a->stage, span, a->prompt, a->len, a->seed);
}

/* Tokens of the longest prompt when memory begins at turn `from`. */
static int measure(asking *a, memory_span span, int from, int *longest)
{
    span.from = from;
    make_requests(a, &span);
    return council_longest(a->stage.part, a->stage.requests, longest, a->err);
}

/* The first turn from which on memory fits into `most` tokens: a search in the numbers of the turns,
 * for less memory is never longer. span->before when even no memory is too long. */
static int first_that_fits(asking *a, const memory_span *span, int most, int *from)
{
    int low = span->from + 1, high = span->before;
    while (low < high) {
        int middle = low + (high - low) / 2, longest = 0;
        if (measure(a, *span, middle, &longest))
            return -1;
        if (longest <= most)
            high = middle;
        else
            low = middle + 1;
    }
    *from = low;
    return 0;
}

int dialogue_reach(const struct turn *t)
{
    return t->reach > 0 && t->reach < t->from ? t->reach : t->from;
}

/* For this question alone, memory is no longer than the settings say. */
static int be_brief(asking *a, memory_span *span)
{
    int most = a->d->options.memory, longest = 0, from = span->from;
    if (!most || span->from >= span->before)
        return 0;
    if (measure(a, *span, span->from, &longest))
        return -1;
    if (longest > most && first_that_fits(a, span, most, &from))
        return -1;
    span->from = from;
    return 0;
}

/* Turns leave until a quarter of the context is free; when the question itself is too long for that,
 * as many as must. */
static int forget_oldest(asking *a, memory_span *span)
{
    const council_options *o = council_settings(a->stage.part);
    int alone = 0, from = 0, room = o->context - reserve_of(o), roomy = room - o->context / 4;
    if (measure(a, *span, span->before, &alone) ||
        first_that_fits(a, span, alone <= roomy ? roomy : room, &from))
        return -1;
    if (a->events && a->events->forgot && alone < o->context)
        a->events->forgot(a->events->user, span->from, from - 1);
    span->from = from;
    return 0;
}

static int try_asking(asking *a, const memory_span *span, error *err)
{
    make_requests(a, span);
    return council_ask(a->stage.part, a->stage.requests, err);
}

/* Asks; forgets when it must and may. */
static int ask_with_room(asking *a, memory_span *span, bool may_forget)
{
    error why = {0};
    int result = try_asking(a, span, &why);
    if (result && why.code == ERROR_CONTEXT && may_forget && span->from < span->before) {
        if (forget_oldest(a, span))
            return -1;
        a->reach = span->from;
        result = try_asking(a, span, &why);
    }
    if (result && why.code == ERROR_CONTEXT && span->from == span->before) {
        /* Alone it may leave less room than is usually kept free. */
        council_options tight = *council_settings(a->stage.part);
        tight.reserve = 1;
        council_adjust(a->stage.part, &tight);
        result = try_asking(a, span, &why);
    }
    if (result && a->err)
        *a->err = why;
    return result;
}

/* ---- what both ways of asking share ------------------------------------------------------------ */

/* A pass that failed or was interrupted before it could speak has had no event. */
static void keep_silent_ones(asking *a, bool interrupted)
{
    for (int i = 0; i < a->stage.n && !a->failed; i++) {
        if (a->kept[i].name)
            continue;
        turn_answer silent = *council_answer(a->stage.part, i);
        silent.used.v = NULL;
        if (interrupted) {
            silent.stop = STOP_INTERRUPTED;
            silent.failure = NULL;
        }
        on_answer(a, i, &silent);
    }
}

/* who: taken over. */
static int begin(asking *a, int *who, int n, prefill_mode prefill, int reserve, uint64_t seed)
{
    dialogue *d = a->d;
    if (dialogue_stage(d, who, n, &a->stage, a->err))
        return -1;
    council_options o = d->options.council;
    o.prefill = prefill;
    o.reserve = reserve;
    council_adjust(a->stage.part, &o);
    a->seed = seed;
    a->kept = region_take(&a->memory, ((size_t)n + 1) * sizeof *a->kept, a->err);
    return a->kept ? hear(a) : -1;
}

static void end(asking *a)
{
    region_release(&a->memory);
    dialogue_stage_close(&a->stage);
}

bool dialogue_sit(const dialogue *d, const char *names, error *err)
{
    while (names && *names) {
        char name[COLUMN_BYTES] = "";
        size_t n = strcspn(names, ",");
        if (n < sizeof name)
            memcpy(name, names, n);
        if (dialogue_find(d, name) < 0)
            return dialogue_unknown_name(d, name, err) == 0;
        names += n + (names[n] == ',');
    }
    return true;
}

/* The seats to be asked: those named, or all. Caller frees. */
static int choose(const dialogue *d, const char *only, int **who, int *n, error *err)
{
    int seats = d->roster ? roster_seats(d->roster) : 0;
    if (!seats)
        return error_set(err, ERROR_USAGE, "nobody sits here yet");
    if (!dialogue_sit(d, only, err))
        return -1;
    *who = calloc((size_t)seats, sizeof **who);
    if (!*who)
        return error_memory(err, "a question");
    *n = 0;
    for (int i = 0; i < seats; i++)
        if (turn_asked(only, roster_seat(d->roster, i)->name))
            (*who)[(*n)++] = i;
    if (*n)
        return 0;
    free(*who);
    *who = NULL;
    return dialogue_unknown_name(d, only ? only : "", err);
}

/* ---- a new turn -------------------------------------------------------------------------------- */

/* The answers are the turn's from now on. */
static int give_answers(asking *a, struct turn *t, int n)
{
    if (turn_add_answers(t, a->kept, n, a->err))
        return -1;
    region_join(&t->memory, &a->memory);
    return 0;
}

static int fill_turn(struct turn *t, asking *a, const char *only)
{
    t->prompt = (turn_text){region_keep(&a->memory, a->prompt, a->len, a->err), a->len};
    t->only = region_keep_text(&a->memory, only, a->err);
    t->seed = dialogue_seed(a->d, t->number);
    t->shared = council_shared_prefill(a->stage.part);
    t->timings = *council_times(a->stage.part);
    if (!t->prompt.v || (only && !t->only))
        return -1;
    return give_answers(a, t, a->stage.n);
}

static int add_turn(asking *a, const memory_span *span, int parent, const char *only)
{
    dialogue *d = a->d;
    struct turn *t = calloc(1, sizeof *t);
    if (!t || dialogue_reserve(d, a->err)) {
        free(t);
        return error_memory(a->err, "a turn");
    }
    *t = (struct turn){.number = span->before,
                       .parent = parent,
                       .context = span->context,
                       .from = span->from,
                       .reach = a->reach < span->from ? a->reach : 0};
    if (fill_turn(t, a, only)) {
        turn_release(t);
        free(t);
        return -1;
    }
    d->turns[d->count++] = t;
    return 0;
}

int dialogue_ask(dialogue *d, const char *prompt, size_t len, const char *only,
                 const dialogue_events *events, error *err)
{
    const struct turn *last = dialogue_last(d);
    int number = d->count ? d->turns[d->count - 1]->number + 1 : 1, n = 0, *who = NULL;
    memory_span span = {d->options.context, last ? dialogue_reach(last) : number, number};
    const council_options *o = &d->options.council;
    error why = {0};
    asking a = {
        .d = d, .events = events, .prompt = prompt, .len = len, .reach = span.from, .err = &why};
    if (number > TURN_NUMBER_MOST)
        return error_set(
            err, ERROR_USAGE,
            "this conversation is at turn %d, the last that there can be: begin a new one",
            number - 1);
    int result = choose(d, only, &who, &n, &why);
    if (!result)
        result = begin(&a, who, n, o->prefill, reserve_of(o), dialogue_seed(d, number));
    if (!result)
        result = be_brief(&a, &span);
    if (!result)
        result = ask_with_room(&a, &span, !d->options.overflow_stop);
    if (!result || (why.code == ERROR_CANCELLED && !d->options.unread_none)) {
        keep_silent_ones(&a, result != 0);
        result = a.failed ? -1 : add_turn(&a, &span, last ? last->number : 0, only);
    }
    end(&a);
    if (result && err)
        *err = why;
    return result;
}

/* ---- the last turn again ----------------------------------------------------------------------- */

/* As it was read then, so that the same seed gives the same answer. */
static int ask_again(asking *a, struct turn *t)
{
    memory_span span = {t->context, t->from, t->number};
    if (ask_with_room(a, &span, false))
        return -1;
    keep_silent_ones(a, false);
    return a->failed ? -1 : give_answers(a, t, a->stage.n);
}

int dialogue_retry(dialogue *d, const char *name, uint64_t seed, const dialogue_events *events,
                   error *err)
{
    struct turn *t = dialogue_last(d);
    int n = 0, *who = NULL;
    error why = {0};
    if (!t)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    asking a = {.d = d, .events = events, .prompt = t->prompt.v, .len = t->prompt.len, .err = &why};
    int result = choose(d, name ? name : t->only, &who, &n, &why);
    if (!result)
        result = begin(&a, who, n, t->shared ? PREFILL_SHARED : PREFILL_OWN, 1, seed);
    if (!result)
        result = ask_again(&a, t);
    end(&a);
    if (result && err)
        *err = why;
    return result;
}

/* ---- an answer that goes on -------------------------------------------------------------------- */

static int may_continue(const dialogue *d, const struct turn *t, const char *name, error *err)
{
    const turn_answer *k = turn_answer_of(t, name);
    if (!k)
        return error_set(err, ERROR_USAGE, "%.64s has not answered in turn %d", name, t->number);
    if (k->joined)
        return error_set(err, ERROR_USAGE, "%.64s is a group: its members may go on, as %.64s",
                         name, k->joined->passes ? k->joined->of[0] : "one of them");
    if (k->stop == STOP_END)
        return error_set(err, ERROR_USAGE,
                         "%.64s came to its end by itself: there is nothing to continue", name);
    if (k->stop == STOP_LOOP)
        return error_set(err, ERROR_USAGE, "%.64s was repeating itself, and would go on so", name);
    if (k->stop == STOP_ERROR)
        return error_set(err, ERROR_USAGE, "%.64s failed: there is nothing to continue", name);
    if (k->prompt_tokens + (int)k->ids.len >= d->options.council.context)
        return error_set(err, ERROR_USAGE,
                         "%.64s: the question and its %zu tokens fill the context of %d", name,
                         k->ids.len, d->options.council.context);
    return 0;
}

/* A version that gained nothing is none. */
static int go_on(asking *a, struct turn *t)
{
    const turn_answer *k = a->before;
    memory_span span = {t->context, t->from, t->number};
    make_requests(a, &span);
    if (council_continue(a->stage.part, a->stage.requests, k, a->err))
        return -1;
    keep_silent_ones(a, false);
    if (a->failed)
        return -1;
    const turn_answer *now = &a->kept[0];
    if (now->stop == STOP_ERROR)
        return error_set(a->err, ERROR_RUN, "%s", now->failure);
    if (now->stop == STOP_INTERRUPTED && now->ids.len == k->ids.len)
        return error_set(a->err, ERROR_CANCELLED, "%s was stopped before it went on", k->name);
    return give_answers(a, t, 1);
}

int dialogue_continue(dialogue *d, const char *name, int more, const dialogue_events *events,
                      error *err)
{
    struct turn *t = dialogue_last(d);
    int n = 0, *who = NULL;
    error why = {0};
    if (!t)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    if (may_continue(d, t, name, err))
        return -1;
    const turn_answer *k = turn_answer_of(t, name);
    asking a = {.d = d,
                .events = events,
                .prompt = t->prompt.v,
                .len = t->prompt.len,
                .before = k,
                .err = &why};
    int said = (int)k->ids.len, result = choose(d, name, &who, &n, &why);
    if (!result)
        result = begin(&a, who, n, t->shared ? PREFILL_SHARED : PREFILL_OWN, said + 1, k->seed);
    if (!result) {
        council_options longer = *council_settings(a.stage.part);
        longer.max_tokens = said + more;
        council_adjust(a.stage.part, &longer);
        result = go_on(&a, t);
    }
    end(&a);
    if (result && err)
        *err = why;
    return result;
}
