/* council.c - passes come together, are asked, and remember; council.h has the contract. */
#include "council.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "council_state.h"

double council_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

pass_rules council_rules(const council *c)
{
    return (pass_rules){.tokenizer = engine_tokenizer(c->engine),
                        .stops = engine_stops(c->engine),
                        .chat = c->options.raw ? NULL : engine_chat(c->engine),
                        .model = engine_config(c->engine),
                        .options = &c->options};
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int copy_stops(council *c, const council_options *o, error *err)
{
    c->stops = calloc((size_t)o->stop_count + 1, sizeof *c->stops);
    if (!c->stops)
        return error_memory(err, "the stop strings");
    for (int i = 0; i < o->stop_count; i++)
        if (!(c->stops[i] = strdup(o->stops[i])))
            return error_memory(err, "the stop strings");
    c->options.stops = (const char *const *)c->stops;
    return 0;
}

/* Text needs a tokenizer, and turns need a chat format unless the text is merely continued. */
static int check_text(engine *e, const council_options *o, error *err)
{
    const char *path = checkpoint_path(engine_checkpoint(e));
    if (!engine_tokenizer(e))
        return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer", path);
    if (o->raw || engine_chat(e))
        return 0;
    const char *why = engine_chat_problem(e);
    if (why[0])
        return error_set(err, ERROR_LOAD, "%s", why);
    return error_set(err, ERROR_LOAD,
                     "%s: no chat template; continue text with --raw, or name a format with "
                     "--chat-format (%s)",
                     path, chat_names());
}

council *council_open(engine *e, const council_options *options, error *err)
{
    if (check_text(e, options, err))
        return NULL;
    council *c = calloc(1, sizeof *c);
    if (!c) {
        error_memory(err, "a council");
        return NULL;
    }
    c->engine = e;
    c->options = *options;
    if (copy_stops(c, options, err)) {
        council_close(c);
        return NULL;
    }
    return c;
}

void council_close(council *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->count && !c->whole; i++)
        pass_close(c->passes[i]);
    for (int i = 0; c->stops && c->stops[i]; i++)
        free(c->stops[i]);
    free(c->stops);
    free(c->passes);
    free(c->steps);
    free(c->step_tokens);
    free(c->step_passes);
    free(c->seen);
    free(c);
}

/* One growing array; NULL leaves the old one. */
static void *grown(void *old, int cap, size_t each, error *err)
{
    void *v = realloc(old, (size_t)cap * each);
    if (!v)
        error_memory(err, "a council");
    return v;
}

int council_grow(council *c, int count, error *err)
{
    if (count <= c->cap)
        return 0;
    int cap = c->cap ? c->cap : 4;
    while (cap < count)
        cap *= 2;
    void *v;
    if (!(v = grown(c->passes, cap, sizeof *c->passes, err)))
        return -1;
    c->passes = v;
    if (!(v = grown(c->steps, cap, sizeof *c->steps, err)))
        return -1;
    c->steps = v;
    if (!(v = grown(c->step_tokens, cap, sizeof *c->step_tokens, err)))
        return -1;
    c->step_tokens = v;
    if (!(v = grown(c->step_passes, cap, sizeof *c->step_passes, err)))
        return -1;
    c->step_passes = v;
    c->cap = cap;
    return 0;
}

int council_add(council *c, const pass_options *wanted, error *err)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->passes[i]->name, wanted->name) == 0)
            return error_set(err, ERROR_USAGE, "two passes are named %s", wanted->name);
    if (council_grow(c, c->count + 1, err))
        return -1;
    pass *p = pass_open(c->engine, &c->options, wanted, NULL, err);
    if (!p)
        return -1;
    c->passes[c->count] = p;
    return c->count++;
}

/* ---- asking ------------------------------------------------------------------------------------ */

int council_pose(council *c, const chat_message *prompts, error *err)
{
    for (int i = 0; i < c->count; i++) {
        if (pass_remember(c->passes[i], CHAT_USER, prompts[i].text, prompts[i].len, err)) {
            while (i-- > 0)
                pass_forget(c->passes[i], c->passes[i]->message_count - 1);
            return -1;
        }
    }
    return 0;
}

void council_take_back(council *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->message_count)
            pass_forget(c->passes[i], c->passes[i]->message_count - 1);
}

int council_check_room(const council *c, int least, error *err)
{
    for (int i = 0; i < c->count; i++) {
        size_t n = c->passes[i]->prompt.len;
        if (n + (size_t)least > (size_t)c->options.context)
            return error_set(err, ERROR_CONTEXT,
                             "%s: the prompt has %zu tokens and an answer needs at least %d more; "
                             "the context holds %d",
                             c->passes[i]->name, n, least, c->options.context);
    }
    return 0;
}

/* auto: exact while it costs little. */
static bool choose_shared(const council *c)
{
    enum { LONG_PROMPT = 256 };
    if (c->options.prefill != PREFILL_AUTO)
        return c->options.prefill == PREFILL_SHARED;
    size_t longest = 0;
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->prompt.len > longest)
            longest = c->passes[i]->prompt.len;
    return c->count > 1 && longest >= LONG_PROMPT;
}

int council_prepare(council *c, error *err)
{
    if (council_build_prompts(c, c->options.prefill == PREFILL_SHARED, err))
        return -1;
    bool shared = choose_shared(c);
    if (shared && c->options.prefill == PREFILL_AUTO && council_build_prompts(c, true, err))
        return -1;
    c->timings = (council_timings){.shared_prefill = shared};
    return 0;
}

/* Those that failed before they could speak; the others have ended. */
static void end_failed(council *c)
{
    pass_rules r = council_rules(c);
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->failed && c->passes[i]->answer.stop != STOP_ERROR)
            (void)pass_end(c->passes[i], &r, STOP_ERROR, 0, NULL);
}

static bool all_failed(const council *c)
{
    for (int i = 0; i < c->count; i++)
        if (!c->passes[i]->failed)
            return false;
    return true;
}

/* The prompts that were answered last. A question that comes to nothing must leave them: a vote
 * judges answers behind them. */
typedef struct former_prompt {
    tokens ids;
    int program_start;
} former_prompt;

typedef struct former {
    council_timings timings;
    former_prompt prompts[]; /* [count], moved out of the passes */
} former;

static former *set_aside(council *c, error *err)
{
    former *f = calloc(1, sizeof *f + (size_t)c->count * sizeof(former_prompt));
    if (!f) {
        error_memory(err, "a prompt");
        return NULL;
    }
    f->timings = c->timings;
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        f->prompts[i] = (former_prompt){p->prompt, p->program_start};
        p->prompt = (tokens){0};
    }
    return f;
}

static void put_back(council *c, former *f)
{
    c->timings = f->timings;
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        tokens_release(&p->prompt);
        p->prompt = f->prompts[i].ids;
        p->program_start = f->prompts[i].program_start;
    }
    free(f);
}

static void let_go(const council *c, former *f)
{
    for (int i = 0; i < c->count; i++)
        tokens_release(&f->prompts[i].ids);
    free(f);
}

/* The prompts are in the conversations: reads them. */
static int read_posed(council *c, error *err)
{
    int least = c->options.reserve > 0 ? c->options.reserve : 1;
    if (council_prepare(c, err) || council_check_room(c, least, err))
        return -1;
    double start = council_clock();
    if (council_prefill(c, err))
        return -1;
    c->timings.prefill = council_clock() - start;
    if (all_failed(c)) {
        *err = c->passes[0]->answer.failure;
        return -1;
    }
    return 0;
}

/* said: what the only pass has said already, or NULL. */
static int ask_each(council *c, const chat_message *prompts, const partial_answer *said,
                    const council_events *events, error *err)
{
    if (c->count == 0)
        return error_set(err, ERROR_USAGE, "a council without passes");
    former *f = set_aside(c, err);
    if (!f)
        return -1;
    if (council_pose(c, prompts, err)) {
        put_back(c, f);
        return -1;
    }
    c->events = events;
    if (read_posed(c, err) || (said && council_read_partial(c, said, err))) {
        council_take_back(c);
        put_back(c, f);
        return -1;
    }
    let_go(c, f);
    double start = council_clock();
    int result = council_decode(c, err);
    c->timings.decode = council_clock() - start;
    end_failed(c);
    return result;
}

int council_ask_each(council *c, const chat_message *prompts, const council_events *events,
                     error *err)
{
    return ask_each(c, prompts, NULL, events, err);
}

int council_continue(council *c, const char *prompt, size_t len, const partial_answer *said,
                     const council_events *events, error *err)
{
    chat_message one = {CHAT_USER, prompt, len};
    if (c->count != 1)
        return error_set(err, ERROR_USAGE, "one pass goes on at a time, not %d", c->count);
    return ask_each(c, &one, said, events, err);
}

/* The same prompt for each pass; caller frees. */
static chat_message *for_all(const council *c, const char *prompt, size_t len, error *err)
{
    size_t n = (size_t)(c->count ? c->count : 1);
    chat_message *prompts = calloc(n, sizeof *prompts);
    if (!prompts) {
        error_memory(err, "a prompt");
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        prompts[i] = (chat_message){CHAT_USER, prompt, len};
    return prompts;
}

int council_ask(council *c, const char *prompt, size_t len, const council_events *events,
                error *err)
{
    chat_message *prompts = for_all(c, prompt, len, err);
    int result = prompts ? council_ask_each(c, prompts, events, err) : -1;
    free(prompts);
    return result;
}

int council_longest(council *c, const char *prompt, size_t len, int *longest, error *err)
{
    chat_message *prompts = for_all(c, prompt, len, err);
    former *f = prompts ? set_aside(c, err) : NULL;
    int result = f ? council_pose(c, prompts, err) : -1;
    free(prompts);
    *longest = 0;
    if (!result) {
        result = council_prepare(c, err);
        council_take_back(c);
    }
    for (int i = 0; i < c->count; i++)
        if ((int)c->passes[i]->prompt.len > *longest)
            *longest = (int)c->passes[i]->prompt.len;
    if (f)
        put_back(c, f);
    return result;
}

void council_stop(council *c, int i)
{
    c->passes[i]->stopping = true;
}

/* ---- looking and remembering ------------------------------------------------------------------- */

int council_passes(const council *c)
{
    return c->count;
}

engine *council_engine(const council *c)
{
    return c->engine;
}

const council_options *council_settings(const council *c)
{
    return &c->options;
}

const answer *council_answer(const council *c, int i)
{
    return &c->passes[i]->answer;
}

const council_timings *council_times(const council *c)
{
    return &c->timings;
}

size_t council_turns(const council *c, int i)
{
    return c->passes[i]->message_count;
}

const chat_message *council_turn(const council *c, int i, size_t at)
{
    return &c->passes[i]->view[at];
}

int council_remember(council *c, int i, const char *text, size_t len, error *err)
{
    pass *p = c->passes[i];
    if (p->message_count == 0 || p->messages[p->message_count - 1].role != CHAT_ASSISTANT)
        return error_set(err, ERROR_USAGE, "%s has not answered yet", p->name);
    pass_forget(p, p->message_count - 1);
    return pass_remember(p, CHAT_ASSISTANT, text, len, err);
}

void council_forget_turn(council *c)
{
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        size_t keep = p->message_count;
        while (keep > 0 && p->messages[keep - 1].role == CHAT_ASSISTANT)
            keep--;
        pass_forget(p, keep ? keep - 1 : 0);
    }
}

int council_recall(council *c, int i, const chat_message *messages, size_t n, error *err)
{
    pass *p = c->passes[i];
    pass_forget(p, 0);
    for (size_t at = 0; at < n; at++) {
        const chat_message *m = &messages[at];
        int result = m->role == CHAT_ASSISTANT ? pass_reply(p, m->text, m->len, err)
                                               : pass_remember(p, m->role, m->text, m->len, err);
        if (result) {
            pass_forget(p, 0);
            return -1;
        }
    }
    return 0;
}

int council_adopt(council *c, const char *prompt, size_t len, bool shared,
                  const adopted_answer *answers, error *err)
{
    chat_message *prompts = for_all(c, prompt, len, err);
    int result = prompts ? council_pose(c, prompts, err) : -1;
    free(prompts);
    if (result)
        return -1;
    if (council_build_prompts(c, shared, err) || council_check_room(c, 1, err)) {
        council_take_back(c);
        return -1;
    }
    c->timings = (council_timings){.shared_prefill = shared};
    for (int i = 0; i < c->count && !result; i++)
        result = pass_adopt(c->passes[i], &answers[i], err);
    return result;
}

void council_forget(council *c)
{
    for (int i = 0; i < c->count; i++)
        pass_forget(c->passes[i], 0);
}
