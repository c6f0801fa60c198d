/* council_prompt.c - a request becomes the tokens of a prompt.
 *
 * With a program of its own from the first token on, a pass reads its instruction, the conversation and
 * the head of the answer. With a shared prefill all passes are to begin alike, so the instruction
 * follows the question, and where the pass's own words begin (program_start) its program takes over: that
 * place is found by rendering the conversation without the instruction and comparing. Raw text has
 * neither: its messages are joined.
 *
 * Where a question begins, for scores that weigh judges by it, is found in the same way: by rendering
 * what came before it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "council_state.h"

/* ---- messages ---------------------------------------------------------------------------------- */

/* What is rendered: a request's messages, the replies as text again. */
typedef struct message_list {
    chat_message *v;
    size_t n;
    char **mended; /* [n] copies of broken replies, else NULL */
} message_list;

static void release_messages(message_list *l)
{
    for (size_t i = 0; l->mended && i < l->n; i++)
        free(l->mended[i]);
    free(l->mended);
    free(l->v);
}

static int mend_reply(message_list *l, size_t i, error *err)
{
    chat_message *m = &l->v[i];
    buf whole = {0};
    if (m->role != CHAT_ASSISTANT || utf8_check(m->text, m->len, NULL))
        return 0;
    int result = buf_mend(&whole, m->text, m->len, err);
    m->text = whole.v;
    m->len = whole.len;
    l->mended[i] = buf_detach(&whole);
    return result;
}

/* The first `count` messages, behind the instruction when that leads. */
static int list_messages(const council_request *r, size_t count, bool leads, message_list *l,
                         error *err)
{
    size_t lead = r->instruction && leads ? 1 : 0;
    int result = 0;
    l->n = count + lead;
    l->v = calloc(l->n + 1, sizeof *l->v);
    l->mended = calloc(l->n + 1, sizeof *l->mended);
    if (!l->v || !l->mended)
        return error_memory(err, "a prompt");
    if (lead)
        l->v[0] = (chat_message){CHAT_SYSTEM, r->instruction, strlen(r->instruction)};
    if (count)
        memcpy(l->v + lead, r->messages, count * sizeof *l->v);
    for (size_t i = 0; i < l->n && !result; i++)
        result = mend_reply(l, i, err);
    return result;
}

/* With the head of an answer behind it when one is to come. */
static int render(const council *c, const message_list *l, bool answer_next, tokens *out,
                  error *err)
{
    return chat_render(engine_chat(c->engine), l->v, l->n, answer_next, c->options.think, out, err);
}

static size_t same_tokens(const tokens *a, const tokens *b)
{
    size_t n = 0;
    while (n < a->len && n < b->len && a->v[n] == b->v[n])
        n++;
    return n;
}

/* ---- prompts ----------------------------------------------------------------------------------- */

static int join_raw(const council *c, const message_list *l, tokens *out, error *err)
{
    const tokenizer *t = engine_tokenizer(c->engine);
    if (tokenizer_adds_bos(t) && tokenizer_bos(t) >= 0 && tokens_push(out, tokenizer_bos(t), err))
        return -1;
    for (size_t i = 0; i < l->n; i++)
        if (tokenizer_encode(t, l->v[i].text, l->v[i].len, out, NULL, err))
            return -1;
    return 0;
}

static int build_raw(const council *c, const message_list *l, tokens *ids, error *err)
{
    if (join_raw(c, l, ids, err))
        return -1;
    return ids->len ? 0 : error_set(err, ERROR_USAGE, "the prompt is empty");
}

/* Renders with the instruction behind the question. */
static int render_behind(const council *c, message_list *l, const char *instruction, tokens *ids,
                         error *err)
{
    buf joined = {0};
    chat_message *last = &l->v[l->n - 1], question = *last;
    int result = buf_add(&joined, last->text, last->len, err);
    if (!result)
        result = buf_text(&joined, "\n\n", err);
    if (!result)
        result = buf_text(&joined, instruction, err);
    last->text = joined.v;
    last->len = joined.len;
    if (!result)
        result = render(c, l, true, ids, err);
    *last = question;
    buf_release(&joined);
    return result;
}

/* The pass's own words begin where a prompt without its instruction would go on otherwise; whoever else
 * is asked has no say in it. */
static int build_shared(const council *c, const council_request *r, message_list *l, tokens *ids,
                        int *program_start, error *err)
{
    tokens bare = {0};
    if (!r->instruction) {
        int result = render(c, l, true, ids, err);
        *program_start = (int)ids->len;
        return result;
    }
    int result = render_behind(c, l, r->instruction, ids, err);
    if (!result)
        result = render(c, l, true, &bare, err);
    *program_start = (int)same_tokens(&bare, ids);
    tokens_release(&bare);
    return result;
}

int council_build_prompt(const council *c, const council_request *r, bool shared, tokens *ids,
                         int *program_start, error *err)
{
    bool raw = c->options.raw;
    message_list l = {0};
    ids->len = 0;
    *program_start = 0;
    if (!r->count)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    int result = list_messages(r, r->count, !raw && !shared, &l, err);
    if (!result && raw)
        result = build_raw(c, &l, ids, err);
    else if (!result && shared)
        result = build_shared(c, r, &l, ids, program_start, err);
    else if (!result)
        result = render(c, &l, true, ids, err);
    if (raw && shared)
        *program_start = (int)ids->len;
    release_messages(&l);
    return result;
}

/* ---- where the question begins ----------------------------------------------------------------- */

/* What the prompt has in common with one that asks something else, but for what opens the question. */
static int before_question(const council *c, const council_request *r, bool shared,
                           const tokens *prompt, size_t *start, error *err)
{
    tokens other = {0};
    message_list l = {0};
    int result = list_messages(r, r->count, !shared, &l, err);
    if (!result) {
        bool is_a = l.v[l.n - 1].len && *l.v[l.n - 1].text == 'a';
        l.v[l.n - 1] = (chat_message){CHAT_USER, is_a ? "1" : "a", 1};
        result = render(c, &l, true, &other, err);
    }
    size_t same = same_tokens(&other, prompt);
    other.len = 0;
    if (!result)
        result = chat_role_header(engine_chat(c->engine), CHAT_USER, same, &other, err);
    size_t head = other.len;
    if (!result && head && memcmp(other.v, prompt->v + same - head, head * sizeof *other.v) != 0)
        head = 0;
    *start = same - head;
    tokens_release(&other);
    release_messages(&l);
    return result;
}

/* The past alone. There are templates that refuse one without a question. */
static int render_past(const council *c, const message_list *l, tokens *past, error *err)
{
    if (c->options.raw)
        return join_raw(c, l, past, err);
    return l->n ? render(c, l, false, past, err) : -1;
}

int council_question_start(const council *c, const council_request *r, bool shared,
                           const tokens *prompt, int *start, error *err)
{
    bool raw = c->options.raw;
    size_t same = 0;
    tokens past = {0};
    message_list l = {0};
    error why = {0};
    int result = list_messages(r, r->count - 1, !raw && !shared, &l, err);
    if (!result) {
        result = render_past(c, &l, &past, &why);
        same = same_tokens(&past, prompt);
        if (result && raw && err)
            *err = why;
        else if (result)
            result = before_question(c, r, shared, prompt, &same, err);
    }
    *start = (int)same;
    tokens_release(&past);
    release_messages(&l);
    return result;
}
