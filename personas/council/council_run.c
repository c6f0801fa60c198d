/* council_run.c - the passes speak, in lockstep.
 *
 * Each step, every pass that still speaks takes a token: one that is queued (a thought that must end),
 * else one drawn, all passes' in parallel: the first from the prompt's logits, later ones by the batch that
 * made them, where they lie. The token becomes text (council_pass.h), and what is stable of it is
 * told. Who has ended leaves; the tokens of the others are read in one batch, which gives the logits of
 * the next step. When the batch fails, the pass that is to blame is found and drops out; when it is
 * cancelled, all end as interrupted. While the batch runs the engine's trace becomes routing events.
 *
 * An answer that goes on begins with its tokens taken as drawn and read as part of the sequence.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/utf8.h"
#include "council_state.h"

/* ---- routing ----------------------------------------------------------------------------------- */

static void on_route(void *user, const session *s, const route_trace *t)
{
    const council *c = user;
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->session == s)
            council_emit_routing(c, i, t);
}

/* Work during which the passes' routing is told, to the figures too. */
static int traced(council *c, int (*work)(council *c, error *err), error *err)
{
    council_events figures = council_figures(c);
    if (council_subscribe(c, &figures, err))
        return -1;
    (council_hears_wanted(c) ? engine_trace_wanted : engine_trace)(c->engine, on_route, c);
    int result = work(c, err);
    engine_trace(c->engine, NULL, NULL);
    council_unsubscribe(c, &figures);
    return result;
}

/* ---- an answer that goes on -------------------------------------------------------------------- */

/* The whole sequence of the only pass: its prompt and what it has said. */
static int sync_partial(council *c, error *err)
{
    pass *p = c->passes[0];
    tokens all = {0};
    int result = tokens_append(&all, p->prompt.v, p->prompt.len, err);
    if (!result)
        result = tokens_append(&all, p->out.v, p->out.len, err);
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

static bool says(const pass *p, const turn_answer *said, error *err)
{
    buf whole = {0};
    bool same = buf_add(&whole, said->thought.v, said->thought.len, err) == 0 &&
                buf_add(&whole, said->text.v, said->text.len, err) == 0 &&
                same_text(p->text.v, p->text.len, whole.v, whole.len);
    buf_release(&whole);
    return same;
}

/* Experts that are called on the way count for the pass, but are no step of decoding. */
int council_read_partial(council *c, const turn_answer *said, error *err)
{
    pass *p = c->passes[0];
    pass_rules r = council_rules(c);
    if (pass_accept_prefix(p, &r, said->ids.v, said->ids.len, err))
        return -1;
    if (!says(p, said, err))
        return error_set(err, ERROR_USAGE, "the answer of %s was written by another model",
                         p->name);
    if (!said->ids.len)
        return 0;
    int result = traced(c, sync_partial, err);
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
        council_emit_token(c, i, p->text.v + p->streamed, end - p->streamed, thinking);
        p->streamed = end;
    }
}

static void finish(council *c, int i, double start)
{
    pass *p = c->passes[i];
    pass_rules r = council_rules(c);
    stream_text(c, i, true);
    pass_end(p, &r, p->failed ? STOP_ERROR : p->answer.stop, council_clock() - start);
    council_emit_answer(c, i, &p->answer);
}

/* A thought that has used up its tokens is closed: the closing tokens are queued as if drawn. One
 * that nobody asked for has none to use. */
static bool thought_is_over(const council *c, const pass *p)
{
    return p->thinking && c->options.think >= 0 && p->thought_tokens >= (size_t)c->options.think &&
           !p->queued.len;
}

/* Log-probabilities are kept for a vote to come; not of what goes on from an earlier answer. */
static bool keeps_logprobs(const council *c, const pass *p)
{
    return c->options.keep_logprobs && p->logprobs.len == p->out.len * sizeof(double);
}

/* What the pass's sampler asks for the token at `position`. logits: NULL where a batch makes them. */
static sample_row row_of(const council *c, const pass *p, const float *logits, int position)
{
    sample_row row =
        sampler_row(p->sampler, logits, p->out.v, p->out.len, (uint64_t)position, NULL);
    row.vocabulary = keeps_logprobs(c, p) ? (size_t)engine_config(c->engine)->vocabulary : 0;
    return row;
}

/* The next token of every pass that none is queued for: as the last batch drew it, else from the logits. */
static void draw_rows(council *c)
{
    int n = 0;
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        p->row = NULL;
        if (!p->active || p->stopping || p->queued.len || thought_is_over(c, p))
            continue;
        p->row = p->drawn ? &p->ahead : &c->rows[n++];
        if (!p->drawn)
            *p->row = row_of(c, p, p->logits, session_length(p->session));
    }
    if (n)
        backend_sample(engine_backend(c->engine), c->rows, n);
}

/* The n-th step of the next batch: the pass reads its token, and the one behind that is drawn with it. Where a
 * queued one stands there, its likelihood may be wanted, and that is in the logits. */
static void add_step(council *c, int n, int i, int id)
{
    pass *p = c->passes[i];
    p->drawn = !p->queued.len && !thought_is_over(c, p);
    if (p->drawn)
        p->ahead = row_of(c, p, NULL, session_length(p->session) + 1);
    c->step_tokens[n] = id;
    c->step_passes[n] = i;
    c->draws[n] = p->drawn ? &p->ahead : NULL;
    bool wanted = !p->drawn || c->options.keep_logits;
    c->steps[n] = (step){p->session, &c->step_tokens[n], 1, wanted ? LOGITS_LAST : LOGITS_NONE,
                         wanted ? p->logits : NULL};
}

static int add_logprob(const council *c, pass *p, int id, error *err)
{
    size_t vocabulary = (size_t)engine_config(c->engine)->vocabulary;
    if (!keeps_logprobs(c, p))
        return 0;
    double logprob = p->row ? p->row->logprob
                            : backend_logprob(engine_backend(c->engine), p->logits, vocabulary, id);
    return buf_add(&p->logprobs, (const char *)&logprob, sizeof logprob, err);
}

/* The next token of a pass: the one drawn, or a queued one. */
static int next_token(council *c, pass *p, int *id, error *err)
{
    if (p->row)
        return sampler_result(p->row, id, err);
    if (thought_is_over(c, p) && chat_close_thought(engine_chat(c->engine), &p->queued, err))
        return -1;
    *id = p->queued.v[0];
    p->queued.len--;
    memmove(p->queued.v, p->queued.v + 1, p->queued.len * sizeof(int));
    return 0;
}

/* The next token of pass i becomes part of its answer. */
static int take_token(council *c, int i, int *id, error *err)
{
    pass *p = c->passes[i];
    pass_rules r = council_rules(c);
    if (next_token(c, p, id, err) || add_logprob(c, p, *id, err))
        return -1;
    return pass_accept(p, &r, *id, err);
}

static void stop_pass(pass *p, pass_stop stop)
{
    p->active = false;
    p->answer.stop = stop;
}

/* A token for every active pass. Those that go on are put into the next batch; the others finish. */
static int take_all(council *c, double start)
{
    int n = 0;
    draw_rows(c);
    for (int i = 0; i < c->count; i++) {
        pass *p = c->passes[i];
        error why = {0};
        int id = 0;
        if (!p->active)
            continue;
        if (p->stopping)
            stop_pass(p, STOP_INTERRUPTED);
        else if (take_token(c, i, &id, &why))
            council_fail_pass(p, &why);
        if (p->active && session_length(p->session) >= session_context(p->session))
            stop_pass(p, STOP_LENGTH);
        if (!p->active) {
            finish(c, i, start);
            continue;
        }
        stream_text(c, i, false);
        add_step(c, n++, i, id);
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

static int speak(council *c, error *err)
{
    double start = council_clock();
    for (int n; (n = take_all(c, start)) > 0;) {
        if (council_advance(c, n, err)) {
            interrupt_all(c, start);
            break;
        }
        council_count_step(c);
        for (int i = 0; i < n; i++)
            if (c->passes[c->step_passes[i]]->failed)
                finish(c, c->step_passes[i], start);
    }
    council_end_figures(c);
    return 0;
}

int council_decode(council *c, error *err)
{
    return traced(c, speak, err);
}
