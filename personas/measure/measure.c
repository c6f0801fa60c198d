/* measure.c - samples: see measure.h.
 *
 * A text is cut where windows end; an answer is what the chat format makes of its question, then
 * the answer as plain text, then the token that the format ends an answer with. That token is found
 * by rendering a reply, because no template names it.
 */
#include "measure.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/text/stop_tokens.h"

enum { TURNS = 64 }; /* messages before a question, at most */

void measure_samples_release(measure_samples *s)
{
    for (size_t i = 0; i < s->len; i++)
        tokens_release(&s->v[i].ids);
    free(s->v);
    *s = (measure_samples){0};
}

static bool is_full(const measure_samples *s, size_t most)
{
    return most && s->tokens >= most;
}

/* Takes *ids; cuts what is beyond the model's context and beyond `most` predicted tokens. */
static int add_sample(measure_samples *s, const engine *e, tokens *ids, size_t from, size_t most,
                      error *err)
{
    size_t context = (size_t)engine_config(e)->context;
    if (ids->len > context)
        ids->len = context;
    if (ids->len > from && most && ids->len - from > most - s->tokens)
        ids->len = from + (most - s->tokens);
    measure_sample *v = NULL;
    if (ids->len > from) {
        v = array_room(s->v, s->len, &s->cap, sizeof *v, "samples", err);
        if (v) {
            s->v = v;
            s->v[s->len++] = (measure_sample){*ids, from};
            s->tokens += ids->len - from;
            *ids = (tokens){0};
            return 0;
        }
    }
    bool nothing = ids->len <= from;
    tokens_release(ids);
    return nothing ? 0 : -1;
}

static int check_tokenizer(const engine *e, error *err)
{
    if (engine_tokenizer(e))
        return 0;
    return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer",
                     checkpoint_path(engine_checkpoint(e)));
}

int measure_add_text(measure_samples *s, const engine *e, const char *text, size_t len, size_t most,
                     error *err)
{
    tokens all = {0};
    int result = check_tokenizer(e, err);
    if (!result)
        result = tokenizer_encode(engine_tokenizer(e), text, len, &all, NULL, err);
    for (size_t at = 0; at + 1 < all.len && !is_full(s, most) && !result; at += MEASURE_WINDOW) {
        tokens part = {0};
        size_t n = all.len - at < MEASURE_WINDOW ? all.len - at : MEASURE_WINDOW;
        result = tokens_append(&part, all.v + at, n, err);
        if (!result)
            result = add_sample(s, e, &part, 1, most, err);
        tokens_release(&part);
    }
    tokens_release(&all);
    return result ? -1 : 0;
}

/* Appends the token that ends an answer in this format; nothing when there is none. */
static int add_end(const engine *e, tokens *ids, error *err)
{
    static const chat_message talk[2] = {{CHAT_USER, "Hi", 2}, {CHAT_ASSISTANT, "Hello", 5}};
    tokens whole = {0};
    int result = chat_render(engine_chat(e), talk, 2, false, 0, &whole, err);
    for (size_t i = whole.len; i > 0 && !result; i--)
        if (stop_tokens_have(engine_stops(e), whole.v[i - 1]) ||
            chat_is_end(engine_chat(e), whole.v[i - 1])) {
            result = tokens_push(ids, whole.v[i - 1], err);
            break;
        }
    tokens_release(&whole);
    return result;
}

static int render(const engine *e, const measure_answer *a, tokens *ids, size_t *from, error *err)
{
    chat_message turns[TURNS + 2];
    size_t n = 0;
    if (a->before_count > TURNS)
        return error_set(err, ERROR_USAGE, "%zu turns before a question: at most %d",
                         a->before_count, TURNS);
    if (a->instruction)
        turns[n++] = (chat_message){CHAT_SYSTEM, a->instruction, strlen(a->instruction)};
    for (size_t i = 0; i < a->before_count; i++)
        turns[n++] = a->before[i];
    turns[n++] = (chat_message){CHAT_USER, a->question, strlen(a->question)};
    if (chat_render(engine_chat(e), turns, n, true, 0, ids, err))
        return -1;
    *from = ids->len;
    if (tokenizer_encode(engine_tokenizer(e), a->answer, strlen(a->answer), ids, NULL, err))
        return -1;
    return add_end(e, ids, err);
}

int measure_add_answer(measure_samples *s, const engine *e, const measure_answer *a, size_t most,
                       error *err)
{
    if (is_full(s, most))
        return 0;
    if (!engine_chat(e)) {
        const char *why = engine_chat_problem(e);
        return error_set(err, ERROR_LOAD, "lessons need a chat format: %s",
                         why[0] ? why : "the model has none (--chat-format names one)");
    }
    tokens ids = {0};
    size_t from = 0;
    if (render(e, a, &ids, &from, err)) {
        tokens_release(&ids);
        return -1;
    }
    return add_sample(s, e, &ids, from, most, err);
}
