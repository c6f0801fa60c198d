/* council_run.c - one turn: prompts are built and read, then all passes speak in lockstep. */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "council_state.h"

/* ---- prompts ----------------------------------------------------------------------------------- */

static int join_raw(const council *c, const pass *p, size_t n, tokens *out, error *err)
{
    const tokenizer *t = engine_tokenizer(c->engine);
    if (tokenizer_adds_bos(t) && tokenizer_bos(t) >= 0 && tokens_push(out, tokenizer_bos(t), err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (tokenizer_encode(t, p->messages[i].text, p->messages[i].len, out, NULL, err))
            return -1;
    return 0;
}

static int build_raw(const council *c, pass *p, error *err)
{
    if (join_raw(c, p, p->message_count, &p->prompt, err))
        return -1;
    return p->prompt.len ? 0 : error_set(err, ERROR_USAGE, "the prompt is empty");
}

/* With a shared prefill the instruction follows the prompt, so that what stands before it is the
 * same for all passes and can be read once. */
static int with_instruction(const pass *p, buf *joined, chat_message *last, error *err)
{
    if (buf_add(joined, last->text, last->len, err) || buf_text(joined, "\n\n", err) ||
        buf_text(joined, p->instruction, err))
        return -1;
    last->text = joined->v;
    last->len = joined->len;
    return 0;
}

/* With the head of an answer behind it when one is to come. */
static int render(const council *c, const chat_message *messages, size_t n, bool answer_next,
                  tokens *out, error *err)
{
    const chat_format *f = engine_chat(c->engine);
    return chat_render(f, messages, n, answer_next, c->options.think, out, err);
}

static size_t same_tokens(const tokens *a, const tokens *b, size_t most)
{
    size_t n = 0;
    while (n < most && n < a->len && n < b->len && a->v[n] == b->v[n])
        n++;
    return n;
}

/* Where a pass's program starts to act on a shared conversation: at its instruction, else behind the
 * prompt. The rest of the batch has no say in it. */
static int find_program_start(const council *c, pass *p, error *err)
{
    tokens bare = {0};
    p->program_start = (int)p->prompt.len;
    if (!p->instruction)
        return 0;
    int result = render(c, p->view, p->message_count, true, &bare, err);
    p->program_start = (int)same_tokens(&bare, &p->prompt, bare.len);
    tokens_release(&bare);
    return result;
}

/* The first `count` messages, behind the instruction when that leads; caller frees. */
static chat_message *list_messages(const pass *p, size_t count, bool shared, size_t *n, error *err)
{
    size_t lead = p->instruction && !shared ? 1 : 0;
    chat_message *list = calloc(count + lead + 1, sizeof *list);
    *n = count + lead;
    if (!list) {
        error_memory(err, "a prompt");
        return NULL;
    }
    if (lead)
        list[0] = (chat_message){CHAT_SYSTEM, p->instruction, strlen(p->instruction)};
    if (count)
        memcpy(list + lead, p->view, count * sizeof *list);
    return list;
}

static int build_chat(const council *c, pass *p, bool shared, error *err)
{
    size_t n;
    chat_message *list = list_messages(p, p->message_count, shared, &n, err);
    if (!list)
        return -1;
    buf joined = {0};
    int result = 0;
    if (p->instruction && shared)
        result = with_instruction(p, &joined, &list[n - 1], err);
    if (!result)
        result = render(c, list, n, true, &p->prompt, err);
    if (!result && shared)
        result = find_program_start(c, p, err);
    buf_release(&joined);
    free(list);
    return result;
}

/* What the prompt has in common with one that asks something else, but for what opens the question,
 * which is the message behind the first `before`. */
static int before_question(const council *c, const pass *p, size_t before, size_t *start,
                           error *err)
{
    size_t n;
    tokens other = {0};
    chat_message *list = list_messages(p, before + 1, c->timings.shared_prefill, &n, err);
    if (!list)
        return -1;
    bool is_a = list[n - 1].len && *list[n - 1].text == 'a';
    list[n - 1] = (chat_message){CHAT_USER, is_a ? "1" : "a", 1};
    int result = render(c, list, n, true, &other, err);
    size_t same = same_tokens(&other, &p->prompt, other.len);
    other.len = 0;
    if (!result)
        result = chat_role_header(engine_chat(c->engine), CHAT_USER, same, &other, err);
    size_t head = other.len;
    if (!result && head && memcmp(other.v, p->prompt.v + same - head, head * sizeof *other.v) != 0)
        head = 0;
    *start = same - head;
    tokens_release(&other);
    free(list);
    return result;
}

int council_question_start(const council *c, const pass *p, int *start, error *err)
{
    size_t before = p->message_count, n = 0, same = 0;
    tokens past = {0};
    *start = 0;
    if (before == 0)
        return 0;
    while (before > 0 && p->messages[before - 1].role != CHAT_USER)
        before--;
    before -= before > 0;
    chat_message *list = list_messages(p, before, c->timings.shared_prefill, &n, err);
    if (!list)
        return -1;
    error why = {0};
    int result = c->options.raw ? join_raw(c, p, before, &past, &why)
                 : n            ? render(c, list, n, false, &past, &why)
                                : -1;
    /* There are templates that refuse a past without a question. */
    if (result && !c->options.raw)
        result = before_question(c, p, before, &same, err);
    else
        same = same_tokens(&past, &p->prompt, past.len);
    *start = (int)same;
    if (result && c->options.raw && err)
        *err = why;
    tokens_release(&past);
    free(list);
    return result;
}

int council_build_prompts(council *c, bool shared, error *err)
{
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        p->prompt.len = 0;
        p->program_start = 0;
        if (c->options.raw ? build_raw(c, p, err) : build_chat(c, p, shared, err))
            return -1;
        if (c->options.raw && shared)
            p->program_start = (int)p->prompt.len;
    }
    return 0;
}

/* ---- reading the prompts ----------------------------------------------------------------------- */

/* What all prompts begin with and all read without a program. */
static int common_prefix(const council *c)
{
    const tokens *first = &c->passes[0]->prompt;
    size_t n = first->len;
    for (int i = 0; i < c->count; i++) {
        n = same_tokens(first, &c->passes[i]->prompt, n);
        n = n < (size_t)c->passes[i]->program_start ? n : (size_t)c->passes[i]->program_start;
    }
    return (int)n;
}

/* An earlier pass that reads the very same and nothing else: its logits are this one's too. */
static const pass *find_twin(const council *c, const pass *p)
{
    for (int i = 0; c->passes[i] != p && p->program_start == (int)p->prompt.len; i++) {
        const pass *q = c->passes[i];
        if (q->program_start == p->program_start && q->prompt.len == p->prompt.len &&
            same_tokens(&q->prompt, &p->prompt, p->prompt.len) == p->prompt.len)
            return q;
    }
    return NULL;
}

/* Tokens read by now, over all passes; what one of them reads for all counts for each. */
static void report_prefill(const council *c)
{
    int first = session_length(c->passes[0]->session), done = 0, total = 0;
    for (int i = 0; i < c->count; i++) {
        const pass *p = c->passes[i];
        int have = session_length(p->session),
            given = first < p->program_start ? first : p->program_start;
        done += have > given ? have : given;
        total += (int)p->prompt.len;
    }
    if (c->events && c->events->prefill)
        c->events->prefill(c->events->user, done < total ? done : total, total);
}

static void on_chunk(void *user, int done, int total)
{
    (void)done, (void)total; /* of one session: the sessions know */
    report_prefill(user);
}

/* Reads what stands before the program start, without the program. What the first pass has read
 * already, up to `shared`, is not read again; a pass that holds it keeps its own pages. */
static int read_before_program(council *c, pass *p, int shared, error *err)
{
    const pass *twin = find_twin(c, p);
    int n = (int)p->prompt.len;
    if (twin) {
        memcpy(p->logits, twin->logits,
               (size_t)engine_config(c->engine)->vocabulary * sizeof(float));
        return session_share_prefix(p->session, twin->session, n, err);
    }
    int have = session_reuse(p->session, p->prompt.v, n, p->program_start);
    if (p != c->passes[0] && have < shared &&
        session_share_prefix(p->session, c->passes[0]->session, shared, err))
        return -1;
    if (session_length(p->session) >= p->program_start)
        return 0;
    return session_sync(p->session, p->prompt.v, p->program_start, p->program_start,
                        p->program_start == n ? p->logits : NULL, on_chunk, c, err);
}

static int read_common(council *c, error *err)
{
    int shared = common_prefix(c);
    for (int i = 0; i < c->count; i++)
        if (read_before_program(c, c->passes[i], shared, err))
            return -1;
    return 0;
}

static void fail_pass(pass *p, const error *why)
{
    p->failed = true;
    p->active = false;
    p->answer.failure = *why;
}

/* Takes as much of each prompt as gives every pass an equal part of one batch. */
static int gather_chunks(council *c)
{
    int part = engine_max_rows(c->engine) / c->count, n = 0;
    if (part < 1)
        part = 1;
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        int have = session_length(p->session), rest = (int)p->prompt.len - have;
        if (p->failed || rest <= 0)
            continue;
        int m = rest < part ? rest : part;
        bool last = m == rest;
        c->step_passes[n] = i;
        c->steps[n++] = (step){p->session, p->prompt.v + have, m, last ? LOGITS_LAST : LOGITS_NONE,
                               last ? p->logits : NULL};
    }
    return n;
}

/* Advances the gathered steps. When the batch fails, each goes alone, so that only the pass with the
 * fault drops out. -1 only when cancelled. */
static int advance(council *c, int n, error *err)
{
    error why = {0};
    if (engine_advance(c->engine, c->steps, n, &why) == 0)
        return 0;
    for (int i = 0; i < n && why.code != ERROR_CANCELLED; i++)
        if (engine_advance(c->engine, &c->steps[i], 1, &why) && why.code != ERROR_CANCELLED)
            fail_pass(c->passes[c->step_passes[i]], &why);
    if (why.code != ERROR_CANCELLED)
        return 0;
    if (err)
        *err = why;
    return -1;
}

int council_hold_prompt(pass *p, int n, error *err)
{
    if (n < 1 || session_common_prefix(p->session, p->prompt.v, n, p->program_start) == n)
        return 0;
    return session_sync(p->session, p->prompt.v, n, p->program_start, NULL, NULL, NULL, err);
}

/* Sized anew each time: personas may have brought experts since. */
static int begin_figures(council *c, error *err)
{
    size_t max_experts = (size_t)engine_max_experts(c->engine);
    size_t cells = (size_t)engine_config(c->engine)->layers * (max_experts ? max_experts : 1);
    free(c->seen);
    c->max_experts = (int)max_experts;
    c->seen = calloc(cells, sizeof *c->seen);
    c->step_number = 1; /* 0 in `seen` means never */
    c->union_sum = c->pick_sum = 0;
    c->union_count = 0;
    if (!c->seen)
        return error_memory(err, "a council");
    for (int i = 0; i < c->count; i++) {
        free(c->passes[i]->touched);
        c->passes[i]->touched = calloc(cells, 1);
        c->passes[i]->max_experts = (int)max_experts;
        if (!c->passes[i]->touched)
            return error_memory(err, "a council");
    }
    return 0;
}

int council_prefill(council *c, error *err)
{
    const chat_format *chat = c->options.raw ? NULL : engine_chat(c->engine);
    for (int i = 0; i < c->count; i++) {
        const tokens *t = &c->passes[i]->prompt;
        pass_begin(c->passes[i], chat && chat_opens_thought(chat, t->v, t->len));
    }
    report_prefill(c);
    if (begin_figures(c, err) || (c->timings.shared_prefill && read_common(c, err)))
        return -1;
    for (int i = 0; i < c->count && !c->timings.shared_prefill; i++) {
        const tokens *t = &c->passes[i]->prompt;
        (void)session_reuse(c->passes[i]->session, t->v, (int)t->len, 0);
    }
    for (int n; (n = gather_chunks(c)) > 0;) {
        if (advance(c, n, err))
            return -1;
        report_prefill(c);
    }
    return 0;
}

/* ---- the figures of the router ----------------------------------------------------------------- */

static pass *pass_of(council *c, const session *s)
{
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->session == s)
            return c->passes[i];
    return NULL;
}

static void watch(void *user, const session *s, const route_trace *t)
{
    council *c = user;
    pass *p = pass_of(c, s);
    size_t base = (size_t)t->layer * (size_t)c->max_experts;
    if (!p)
        return;
    for (int i = 0; i < t->slots; i++) {
        if (t->ids[i] < 0)
            continue;
        size_t at = base + (size_t)t->ids[i];
        p->touched[at] = 1;
        c->pick_sum++;
        if (c->seen[at] != c->step_number)
            c->union_sum++;
        c->seen[at] = c->step_number;
    }
    p->banned_sum += (double)t->banned;
    p->banned_count++;
}

static void count_step(council *c)
{
    const model_config *m = engine_config(c->engine);
    for (int i = 0; i < m->layers; i++)
        c->union_count += m->moe_layer[i];
    c->step_number++;
}

/* The whole sequence of a pass: its prompt and what it has said. */
static int sync_partial(pass *p, error *err)
{
    tokens all = {0};
    int result = tokens_append(&all, p->prompt.v, p->prompt.len, err) ||
                         tokens_append(&all, p->out.v, p->out.len, err)
                     ? -1
                     : 0;
    if (!result)
        result = session_sync(p->session, all.v, (int)all.len, p->program_start, p->logits, NULL,
                              NULL, err);
    tokens_release(&all);
    return result;
}

/* The next character; 0 for a run of what is none, or stands for such in a transcript. *at moves on. */
static size_t next_character(const char *text, size_t len, size_t *at)
{
    static const char broken[] = "\xEF\xBF\xBD";
    size_t begun = *at, n = 0;
    while (*at < len) {
        n = utf8_character(text + *at, len - *at);
        bool lost = n == 0 || (n == 3 && memcmp(text + *at, broken, 3) == 0);
        if (!lost && *at == begun) {
            *at += n;
            return n;
        }
        if (!lost)
            return 0;
        *at += n ? n : 1;
    }
    return 0;
}

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t i = 0, k = 0;
    while (i < a_len && k < b_len) {
        size_t n = next_character(a, a_len, &i);
        if (next_character(b, b_len, &k) != n || memcmp(a + i - n, b + k - n, n) != 0)
            return false;
    }
    return i == a_len && k == b_len;
}

static bool says(const pass *p, const partial_answer *said, error *err)
{
    buf whole = {0};
    bool same = buf_add(&whole, said->thought, said->thought_len, err) == 0 &&
                buf_add(&whole, said->text, said->len, err) == 0 &&
                same_text(p->text.v, p->text.len, whole.v, whole.len);
    buf_release(&whole);
    return same;
}

/* Experts that are called on the way count for the pass, but are no step of decoding. */
int council_read_partial(council *c, const partial_answer *said, error *err)
{
    pass *p = c->passes[0];
    pass_rules r = council_rules(c);
    if (pass_accept_prefix(p, &r, said->tokens, said->token_count, err))
        return -1;
    if (!says(p, said, err))
        return error_set(err, ERROR_USAGE, "the answer of %s was written by another model",
                         p->name);
    if (!said->token_count)
        return 0;
    engine_trace(c->engine, watch, c);
    int result = sync_partial(p, err);
    engine_trace(c->engine, NULL, NULL);
    c->union_sum = c->pick_sum = 0;
    c->step_number++;
    return result;
}

/* ---- decoding ---------------------------------------------------------------------------------- */

static void stream_text(council *c, int i, bool all)
{
    pass *p = c->passes[i];
    pass_rules r = council_rules(c);
    size_t stable = pass_stable_prefix(p, &r, all);
    while (p->streamed < stable) {
        bool thinking = p->streamed < p->thought;
        size_t end = thinking && p->thought < stable ? p->thought : stable;
        if (c->events && c->events->token)
            c->events->token(c->events->user, i, p->text.v + p->streamed, end - p->streamed,
                             thinking);
        p->streamed = end;
    }
}

static void finish(council *c, int i, double start)
{
    pass *p = c->passes[i];
    pass_rules r = council_rules(c);
    error why = {0};
    stream_text(c, i, true);
    if (pass_end(p, &r, p->failed ? STOP_ERROR : p->answer.stop, council_clock() - start, &why))
        p->answer.failure = why;
    if (c->events && c->events->answer)
        c->events->answer(c->events->user, i, &p->answer);
}

/* A thought that has used up its tokens is closed: the closing tokens are queued as if drawn. One
 * that nobody asked for has none to use. */
static int close_thought(council *c, int i, error *err)
{
    pass *p = c->passes[i];
    if (!p->thinking || c->options.think < 0 || p->thought_tokens < (size_t)c->options.think ||
        p->queued.len)
        return 0;
    return chat_close_thought(engine_chat(c->engine), &p->queued, err);
}

/* Its log-probability, for a vote to come; not of what goes on from an earlier answer. */
static int add_logprob(const council *c, pass *p, int id, error *err)
{
    size_t vocabulary = (size_t)engine_config(c->engine)->vocabulary;
    if (!c->options.keep_logprobs || p->logprobs.len != p->out.len * sizeof(double))
        return 0;
    double logprob = backend_logprob(engine_backend(c->engine), p->logits, vocabulary, id);
    return buf_add(&p->logprobs, (const char *)&logprob, sizeof logprob, err);
}

/* The next token of pass i: a queued one, or a draw. */
static int next_token(council *c, int i, int *id, error *err)
{
    pass *p = c->passes[i];
    if (close_thought(c, i, err))
        return -1;
    if (p->queued.len) {
        *id = p->queued.v[0];
        p->queued.len--;
        memmove(p->queued.v, p->queued.v + 1, p->queued.len * sizeof(int));
        return 0;
    }
    return sampler_pick(p->sampler, p->logits, p->out.v, p->out.len,
                        (uint64_t)session_length(p->session), NULL, id, err);
}

/* Draws for every active pass. Those that go on are put into the next batch; the others finish. */
static int draw_all(council *c, double start)
{
    pass_rules r = council_rules(c);
    int n = 0;
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        if (!p->active)
            continue;
        error why = {0};
        int id = 0;
        if (p->stopping) {
            p->active = false;
            p->answer.stop = STOP_INTERRUPTED;
        } else if (next_token(c, i, &id, &why) || add_logprob(c, p, id, &why) ||
                   pass_accept(p, &r, id, &why)) {
            fail_pass(p, &why);
        }
        if (p->active && session_length(p->session) >= session_context(p->session)) {
            p->active = false;
            p->answer.stop = STOP_LENGTH;
        }
        if (!p->active) {
            finish(c, i, start);
            continue;
        }
        stream_text(c, i, false);
        c->step_tokens[n] = id;
        c->step_passes[n] = i;
        c->steps[n] = (step){p->session, &c->step_tokens[n], 1, LOGITS_LAST, p->logits};
        n++;
    }
    return n;
}

static void interrupt_all(council *c, double start)
{
    for (int i = 0; i < c->count; i++) {
        if (!c->passes[i]->active)
            continue;
        c->passes[i]->answer.stop = STOP_INTERRUPTED;
        finish(c, i, start);
    }
}

int council_decode(council *c, error *err)
{
    double start = council_clock();
    engine_trace(c->engine, watch, c);
    for (int n; (n = draw_all(c, start)) > 0;) {
        if (advance(c, n, err)) {
            interrupt_all(c, start);
            break;
        }
        count_step(c);
        for (int i = 0; i < n; i++)
            if (c->passes[c->step_passes[i]]->failed)
                finish(c, c->step_passes[i], start);
    }
    engine_trace(c->engine, NULL, NULL);
    if (c->union_count) {
        c->timings.union_experts_per_step = c->union_sum / (double)c->union_count;
        c->timings.picks_per_step = c->pick_sum / (double)c->union_count;
    }
    return 0;
}
