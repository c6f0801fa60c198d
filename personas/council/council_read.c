/* council_read.c - the prompts of all passes are read, in common batches.
 *
 * Own prefill: each session keeps what it holds of its prompt's beginning, and the rest of all prompts
 * is read in chunks of equal size, so many of each as fill one batch. Shared prefill: what all prompts
 * begin with is read once, by the first pass and without a program; the others share its pages. Each
 * then reads what stands before its own words, and from there on the chunks go as above. Two passes
 * with the same prompt and no words of their own share everything, logits included.
 */
#include <string.h>

#include "council_state.h"

/* ---- shared ------------------------------------------------------------------------------------ */

static size_t same_tokens(const tokens *a, const tokens *b, size_t most)
{
    size_t n = 0;
    while (n < most && n < a->len && n < b->len && a->v[n] == b->v[n])
        n++;
    return n;
}

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
    council_emit_prefill(c, done < total ? done : total, total);
}

static void on_chunk(void *user, int done, int total)
{
    (void)done, (void)total; /* of one session: the sessions know */
    report_prefill(user);
}

/* Reads what stands before the pass's own words, without its program. What the first pass has read
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
    int given = shared < n ? shared : n - 1; /* the last token is read for its logits */
    if (p != c->passes[0] && have < given &&
        session_share_prefix(p->session, c->passes[0]->session, given, err))
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

/* ---- chunks ------------------------------------------------------------------------------------ */

void council_fail_pass(pass *p, const error *why)
{
    p->failed = true;
    p->active = false;
    p->why = *why;
    p->answer.failure = p->why.text;
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
        c->draws[n] = NULL;
        c->steps[n++] = (step){p->session, p->prompt.v + have, m, last ? LOGITS_LAST : LOGITS_NONE,
                               last ? p->logits : NULL};
    }
    return n;
}

int council_advance(council *c, int n, error *err)
{
    error why = {0};
    if (engine_draw(c->engine, c->steps, c->draws, n, &why) == 0)
        return 0;
    for (int i = 0; i < n && why.code != ERROR_CANCELLED; i++)
        if (engine_draw(c->engine, &c->steps[i], &c->draws[i], 1, &why) &&
            why.code != ERROR_CANCELLED)
            council_fail_pass(c->passes[c->step_passes[i]], &why);
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

/* ---- who wants to know --------------------------------------------------------------------------- */

static void on_reading(void *user, const session *s, const route_trace *t)
{
    const council *c = user;
    for (int i = 0; i < c->count; i++)
        if (c->passes[i]->session == s)
            council_emit_reading(c, i, t);
}

static int read_all(council *c, error *err)
{
    const chat_format *chat = c->options.raw ? NULL : engine_chat(c->engine);
    for (int i = 0; i < c->count; i++) {
        const tokens *t = &c->passes[i]->prompt;
        pass_begin(c->passes[i], chat && chat_opens_thought(chat, t->v, t->len));
    }
    report_prefill(c);
    if (council_begin_figures(c, err) || (c->shared_prefill && read_common(c, err)))
        return -1;
    for (int i = 0; i < c->count && !c->shared_prefill; i++) {
        const tokens *t = &c->passes[i]->prompt;
        (void)session_reuse(c->passes[i]->session, t->v, (int)t->len, 0);
    }
    for (int n; (n = gather_chunks(c)) > 0;) {
        if (council_advance(c, n, err))
            return -1;
        report_prefill(c);
    }
    return 0;
}

int council_prefill(council *c, error *err)
{
    if (!council_hears_reading(c))
        return read_all(c, err);
    (council_hears_wanted(c) ? engine_trace_wanted : engine_trace)(c->engine, on_reading, c);
    int result = read_all(c, err);
    engine_trace(c->engine, NULL, NULL);
    return result;
}
