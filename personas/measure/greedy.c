/* greedy.c - see greedy.h. */
#include "greedy.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/text/stop_tokens.h"
#include "../council/loop.h"

/* One answer on its way. */
typedef struct line {
    const greedy_prompt *prompt;
    greedy_answer *answer;
    session *session;
    loop_detector cycles;
    int next; /* the token to be read next */
    bool active;
} line;

typedef struct batch {
    engine *engine;
    int limit;
    float *logits; /* [GREEDY_TOGETHER, vocabulary] */
    line lines[GREEDY_TOGETHER];
    int count;
} batch;

static int open_line(batch *b, const greedy_prompt *prompt, greedy_answer *answer, error *err)
{
    line *l = &b->lines[b->count++];
    int context = engine_config(b->engine)->context, room = prompt->n + b->limit;
    *l = (line){.prompt = prompt, .answer = answer, .active = true};
    loop_begin(&l->cycles);
    l->session = session_open(b->engine, room < context ? room : context, DTYPE_F16, err);
    return l->session ? session_set_program(l->session, prompt->program, err) : -1;
}

/* Of the ids that the tokenizer has; ties to the lowest. */
static int likeliest(const batch *b, const float *z)
{
    int n = tokenizer_count(engine_tokenizer(b->engine)), best = 0;
    int vocabulary = engine_config(b->engine)->vocabulary;
    for (int i = 1; i < n && i < vocabulary; i++)
        if (z[i] > z[best])
            best = i;
    return best;
}

static bool is_end(const engine *e, int id)
{
    const chat_format *chat = engine_chat(e);
    return stop_tokens_have(engine_stops(e), id) || (chat && chat_is_end(chat, id));
}

static int take_token(const batch *b, line *l, const float *logits, error *err)
{
    const tokenizer *t = engine_tokenizer(b->engine);
    greedy_answer *a = l->answer;
    size_t n;
    l->next = likeliest(b, logits);
    a->ended = is_end(b->engine, l->next);
    l->active = !a->ended;
    if (a->ended)
        return 0;
    const char *piece = (a->ids.len ? tokenizer_piece : tokenizer_first_piece)(t, l->next, &n);
    if (tokens_push(&a->ids, l->next, err) || buf_add(&a->text, piece, n, err))
        return -1;
    loop_token(&l->cycles, a->ids.v, a->ids.len);
    a->looped = loop_found(&l->cycles, t, a->ids.v, a->ids.len, a->text.v ? a->text.v : "",
                           a->text.len, LOOP_TOKENS);
    l->active = !a->looped && (int)a->ids.len < b->limit &&
                session_length(l->session) < session_context(l->session);
    return 0;
}

/* All that still speak read, at first their prompts, and take a token; *left counts them. */
static int advance(batch *b, bool first, int *left, error *err)
{
    step steps[GREEDY_TOGETHER];
    line *who[GREEDY_TOGETHER];
    size_t vocabulary = (size_t)engine_config(b->engine)->vocabulary;
    int n = 0;
    for (int i = 0; i < b->count; i++) {
        line *l = &b->lines[i];
        if (!l->active)
            continue;
        steps[n] = (step){l->session, first ? l->prompt->ids : &l->next, first ? l->prompt->n : 1,
                          LOGITS_LAST, b->logits + (size_t)n * vocabulary};
        who[n++] = l;
    }
    *left = n;
    if (n && engine_advance(b->engine, steps, n, err))
        return -1;
    for (int i = 0; i < n; i++)
        if (take_token(b, who[i], steps[i].logits, err))
            return -1;
    return 0;
}

static int answer_batch(batch *b, const greedy_prompt *prompts, int n, greedy_answer *answers,
                        error *err)
{
    int result = 0, left = n;
    b->count = 0;
    for (int i = 0; i < n && !result; i++)
        result = open_line(b, &prompts[i], &answers[i], err);
    for (bool first = true; left && !result; first = false)
        result = advance(b, first, &left, err);
    for (int i = 0; i < b->count; i++)
        session_close(b->lines[i].session);
    return result;
}

int greedy_ask(engine *e, const greedy_prompt *prompts, int count, int limit,
               greedy_answer *answers, error *err)
{
    size_t vocabulary = (size_t)engine_config(e)->vocabulary;
    batch b = {.engine = e, .limit = limit};
    memset(answers, 0, (size_t)count * sizeof *answers);
    b.logits = malloc(GREEDY_TOGETHER * vocabulary * sizeof *b.logits);
    int result = b.logits ? 0 : error_memory(err, "the answers");
    for (int at = 0; at < count && !result; at += GREEDY_TOGETHER) {
        int n = count - at < GREEDY_TOGETHER ? count - at : GREEDY_TOGETHER;
        result = answer_batch(&b, prompts + at, n, answers + at, err);
    }
    free(b.logits);
    return result;
}

void greedy_release(greedy_answer *answers, int count)
{
    for (int i = 0; i < count; i++) {
        tokens_release(&answers[i].ids);
        buf_release(&answers[i].text);
    }
}
