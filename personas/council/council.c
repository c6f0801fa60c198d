/* council.c - passes come together and are asked; council.h has the contract.
 *
 * A question goes through four files. Here the requests become prompts (council_prompt.c), it is
 * decided whether they are read once for all, and they are refused when they are too long; up to then
 * nothing has changed. The prompts move into the passes and are read (council_read.c); then the passes
 * speak (council_run.c). What they said stays in their answers until the next question.
 */
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
    free(c->whole);
    free(c->subscribers);
    region_release(&c->indices);
    for (int i = 0; c->stops && c->stops[i]; i++)
        free(c->stops[i]);
    free(c->stops);
    free(c->passes);
    free(c->steps);
    free(c->step_tokens);
    free(c->step_passes);
    free(c->rows);
    free(c->draws);
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
    if (!(v = grown(c->rows, cap, sizeof *c->rows, err)))
        return -1;
    c->rows = v;
    if (!(v = grown(c->draws, cap, sizeof *c->draws, err)))
        return -1;
    c->draws = v;
    c->cap = cap;
    return 0;
}

int council_add(council *c, const pass_options *wanted, error *err)
{
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->table == wanted->table && strcmp(c->passes[i]->name, wanted->name) == 0)
            return error_set(err, ERROR_USAGE, "two passes are named %s", wanted->name);
    if (council_grow(c, c->count + 1, err))
        return -1;
    pass *p = pass_open(c->engine, &c->options, wanted, NULL, err);
    if (!p)
        return -1;
    c->passes[c->count] = p;
    return c->count++;
}

/* ---- prompts ----------------------------------------------------------------------------------- */

/* Prompts that are built but not yet the passes' own. */
typedef struct prompt {
    tokens ids;
    int program_start;
} prompt;

static void release_prompts(const council *c, prompt *prompts)
{
    for (int i = 0; prompts && i < c->count; i++)
        tokens_release(&prompts[i].ids);
    free(prompts);
}

static int build(const council *c, const council_request *requests, bool shared, prompt *prompts,
                 error *err)
{
    for (int i = 0; i < c->count; i++)
        if (council_build_prompt(c, &requests[i], shared, &prompts[i].ids,
                                 &prompts[i].program_start, err))
            return -1;
    return 0;
}

static size_t longest_of(const council *c, const prompt *prompts)
{
    size_t longest = 0;
    for (int i = 0; i < c->count; i++)
        if (prompts[i].ids.len > longest)
            longest = prompts[i].ids.len;
    return longest;
}

/* auto: exact while it costs little. */
static bool choose_shared(const council *c, const prompt *prompts)
{
    enum { LONG_PROMPT = 256 };
    if (c->options.prefill != PREFILL_AUTO)
        return c->options.prefill == PREFILL_SHARED;
    return c->count > 1 && longest_of(c, prompts) >= LONG_PROMPT;
}

static prompt *new_prompts(const council *c, error *err)
{
    prompt *prompts = calloc((size_t)c->count + 1, sizeof *prompts);
    if (!prompts)
        error_memory(err, "a prompt");
    return prompts;
}

/* The prompts [count] in the way they are to be read; caller releases. */
static prompt *prepare(const council *c, const council_request *requests, bool *shared, error *err)
{
    prompt *prompts = new_prompts(c, err);
    bool told = c->options.prefill == PREFILL_SHARED;
    int result = prompts ? build(c, requests, told, prompts, err) : -1;
    if (!result) {
        *shared = choose_shared(c, prompts);
        if (*shared && !told)
            result = build(c, requests, true, prompts, err);
    }
    if (!result)
        return prompts;
    release_prompts(c, prompts);
    return NULL;
}

/* ERROR_CONTEXT unless each prompt leaves `least` tokens for an answer. */
static int check_room(const council *c, const prompt *prompts, int least, error *err)
{
    for (int i = 0; i < c->count; i++) {
        size_t n = prompts[i].ids.len;
        if (n + (size_t)least > (size_t)c->options.context)
            return error_set(err, ERROR_CONTEXT,
                             "%s: the prompt has %zu tokens and an answer needs at least %d more; "
                             "the context holds %d",
                             c->passes[i]->name, n, least, c->options.context);
    }
    return 0;
}

/* The passes take over the prompts. */
static void move_in(council *c, prompt *prompts)
{
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        tokens_release(&p->prompt);
        p->prompt = prompts[i].ids;
        p->program_start = prompts[i].program_start;
        prompts[i].ids = (tokens){0};
    }
}

int council_longest(const council *c, const council_request *requests, int *longest, error *err)
{
    bool shared = false;
    prompt *prompts = prepare(c, requests, &shared, err);
    *longest = prompts ? (int)longest_of(c, prompts) : 0;
    release_prompts(c, prompts);
    return prompts ? 0 : -1;
}

/* The prompts of a round, when they leave room; caller releases. */
static prompt *round_prompts(const council *c, const council_round *round, error *err)
{
    prompt *prompts = new_prompts(c, err);
    if (prompts && build(c, round->requests, round->shared, prompts, err) == 0 &&
        check_room(c, prompts, 1, err) == 0)
        return prompts;
    release_prompts(c, prompts);
    return NULL;
}

int council_check_round(const council *c, const council_round *round, error *err)
{
    prompt *prompts = round_prompts(c, round, err);
    release_prompts(c, prompts);
    return prompts ? 0 : -1;
}

int council_load_round(council *c, const council_round *round, error *err)
{
    prompt *prompts = round_prompts(c, round, err);
    if (prompts)
        move_in(c, prompts);
    release_prompts(c, prompts);
    return prompts ? 0 : -1;
}

/* ---- asking ------------------------------------------------------------------------------------ */

/* Those that failed before they could speak; the others have ended. */
static void end_failed(council *c)
{
    pass_rules r = council_rules(c);
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->failed && c->passes[i]->answer.stop != STOP_ERROR)
            pass_end(c->passes[i], &r, STOP_ERROR, 0);
}

static bool all_failed(const council *c)
{
    for (int i = 0; i < c->count; i++)
        if (!c->passes[i]->failed)
            return false;
    return true;
}

/* Each pass gets its prompt and its seed. */
static int begin(council *c, const council_request *requests, error *err)
{
    bool shared = false;
    prompt *prompts = prepare(c, requests, &shared, err);
    int least = c->options.reserve > 0 ? c->options.reserve : 1;
    int result = prompts ? check_room(c, prompts, least, err) : -1;
    if (!result) {
        move_in(c, prompts);
        c->timings = (turn_timings){0};
        c->shared_prefill = shared;
    }
    for (int i = 0; i < c->count && !result; i++) {
        c->passes[i]->sampling.seed = requests[i].seed;
        sampler_reseed(c->passes[i]->sampler, requests[i].seed);
    }
    release_prompts(c, prompts);
    return result;
}

static int read_prompts(council *c, error *err)
{
    double start = council_clock();
    if (council_prefill(c, err))
        return -1;
    c->timings.prefill = council_clock() - start;
    if (!all_failed(c))
        return 0;
    *err = c->passes[0]->why;
    return -1;
}

static int speak(council *c, error *err)
{
    double start = council_clock();
    int result = council_decode(c, err);
    c->timings.decode = council_clock() - start;
    end_failed(c);
    return result;
}

int council_ask(council *c, const council_request *requests, error *err)
{
    if (c->count == 0)
        return error_set(err, ERROR_USAGE, "a council without passes");
    if (begin(c, requests, err) || read_prompts(c, err))
        return -1;
    return speak(c, err);
}

int council_continue(council *c, const council_request *request, const turn_answer *said,
                     error *err)
{
    if (c->count != 1)
        return error_set(err, ERROR_USAGE, "one pass goes on at a time, not %d", c->count);
    if (begin(c, request, err) || read_prompts(c, err) || council_read_partial(c, said, err))
        return -1;
    return speak(c, err);
}

void council_stop(council *c, int i)
{
    c->passes[i]->stopping = true;
}

/* ---- looking ----------------------------------------------------------------------------------- */

int council_passes(const council *c)
{
    return c->count;
}

const char *council_name(const council *c, int i)
{
    return c->passes[i]->name;
}

engine *council_engine(const council *c)
{
    return c->engine;
}

const council_options *council_settings(const council *c)
{
    return &c->options;
}

const turn_answer *council_answer(const council *c, int i)
{
    return &c->passes[i]->answer;
}

const turn_timings *council_times(const council *c)
{
    return &c->timings;
}

bool council_shared_prefill(const council *c)
{
    return c->shared_prefill;
}
