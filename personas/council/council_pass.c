/* council_pass.c - see council_pass.h.
 *
 * A token that is accepted goes through: does it open a thought, does it end the answer, what bytes does
 * it add, do these complete a stop string (which cuts the text before itself), is the answer going round
 * in circles, is it long enough. Thoughts need care: some templates open them in the prompt, some leave
 * it to the model, by one token or by text that many tokens spell. As long as the text may still turn
 * out to be such a mark nothing of it is stable. A thought's bytes stand at the beginning of the text,
 * so one length tells both apart.
 */
#include "council_pass.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "../../engine/text/stop_tokens.h"

/* ---- opening ----------------------------------------------------------------------------------- */

static int open_figures(pass *p, const model_config *model, error *err)
{
    size_t layers = p->layers = (size_t)model->layers;
    p->used = calloc(layers, sizeof(int));
    p->allowed = calloc(layers, sizeof(int));
    if (!p->used || !p->allowed)
        return error_memory(err, "a pass");
    for (int i = 0; i < model->layers; i++)
        if (model->moe_layer[i])
            p->allowed[i] = p->program ? router_program_allowed(p->program, i) : model->experts;
    return 0;
}

static int fill(pass *p, engine *e, const council_options *options, const pass_options *wanted,
                session *given, error *err)
{
    const model_config *model = engine_config(e);
    const tokenizer *t = engine_tokenizer(e);
    *p = (pass){.table = wanted->table, .program = wanted->program, .sampling = wanted->sampling};
    p->name = strdup(wanted->name);
    p->logits = malloc((size_t)model->vocabulary * sizeof(float));
    if (!p->name || !p->logits)
        return error_memory(err, "a pass");
    int candidates =
        tokenizer_count(t) < model->vocabulary ? tokenizer_count(t) : model->vocabulary;
    p->sampler = sampler_open(engine_backend(e), &wanted->sampling,
                              wanted->key ? wanted->key : wanted->name, candidates, err);
    if (!p->sampler || open_figures(p, model, err))
        return -1;
    p->session = given ? given : session_open(e, options->context, options->kv, err);
    if (given)
        return 0;
    return p->session ? session_set_program(p->session, wanted->program, err) : -1;
}

pass *pass_open(engine *e, const council_options *options, const pass_options *wanted,
                session *given, error *err)
{
    pass *p = calloc(1, sizeof *p);
    if (!p) {
        error_memory(err, "a pass");
        return NULL;
    }
    if (fill(p, e, options, wanted, given, err)) {
        if (given)
            p->session = NULL;
        pass_close(p);
        return NULL;
    }
    return p;
}

void pass_close(pass *p)
{
    if (!p)
        return;
    session_close(p->session);
    sampler_close(p->sampler);
    tokens_release(&p->prompt);
    tokens_release(&p->out);
    tokens_release(&p->queued);
    buf_release(&p->text);
    buf_release(&p->logprobs);
    free(p->name);
    free(p->logits);
    free(p->touched);
    free(p->used);
    free(p->allowed);
    free(p);
}

/* ---- tokens to text ---------------------------------------------------------------------------- */

/* FNV-1a over the ids, little-endian. */
uint64_t pass_prompt_hash(const pass *p)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < p->prompt.len; i++)
        for (int shift = 0; shift < 32; shift += 8)
            hash = hash_byte(hash, (unsigned char)((unsigned)p->prompt.v[i] >> shift));
    return hash;
}

void pass_begin(pass *p, bool open_thought)
{
    p->out.len = 0;
    loop_begin(&p->cycles);
    buf_clear(&p->text);
    buf_clear(&p->logprobs);
    p->streamed = p->thought = p->thought_tokens = 0;
    p->thinking = open_thought;
    p->maybe_thought = !open_thought;
    p->active = true;
    p->failed = p->stopping = p->drawn = false;
    p->queued.len = 0;
    p->banned_sum = 0;
    p->banned_count = 0;
    p->answer = (turn_answer){.name = p->name,
                              .prompt_tokens = (int)p->prompt.len,
                              .prompt_hash = pass_prompt_hash(p),
                              .program = p->program ? router_program_hash(p->program) : 0,
                              .seed = p->sampling.seed,
                              .allowed = {p->allowed, p->layers},
                              .used = {p->used, p->layers}};
}

/* A thought that goes round in circles is a loop too. */
static bool loops(pass *p, const pass_rules *r)
{
    loop_token(&p->cycles, p->out.v, p->out.len);
    return loop_found(&p->cycles, r->tokenizer, p->out.v, p->out.len, p->text.v, p->text.len,
                      r->options->loop);
}

static bool ends_answer(const pass_rules *r, int id)
{
    return stop_tokens_have(r->stops, id) || (r->chat && chat_is_end(r->chat, id));
}

/* Offset of the first stop string that begins at or after `from`, or the text's length. */
static size_t find_stop(const pass *p, const council_options *o, size_t from)
{
    size_t first = p->text.len;
    for (int i = 0; i < o->stop_count; i++) {
        size_t n = strlen(o->stops[i]);
        if (n == 0 || p->text.len < n)
            continue;
        char *at = memmem(p->text.v + from, p->text.len - from, o->stops[i], n);
        if (at && (size_t)(at - p->text.v) < first)
            first = (size_t)(at - p->text.v);
    }
    return first;
}

static void stop_with(pass *p, pass_stop stop)
{
    p->active = false;
    p->answer.stop = stop;
}

/* Where the mark that opens a thought is text, its tokens are a part of the thought as well. */
static void notice_mark(pass *p, const pass_rules *r)
{
    int begins =
        r->chat && !p->thinking ? chat_begins_thought(r->chat, p->text.v, p->text.len) : -1;
    p->maybe_thought = begins == 0;
    if (begins == 1) {
        p->thinking = true;
        p->thought_tokens = p->out.len - 1;
    }
}

/* Adds the token's bytes; a stop string cuts the text before itself. */
static int add_piece(pass *p, const pass_rules *r, int id, error *err)
{
    size_t n = 0;
    const char *piece = p->out.len == 1 && !r->options->raw
                            ? tokenizer_first_piece(r->tokenizer, id, &n)
                            : tokenizer_piece(r->tokenizer, id, &n);
    if (buf_add(&p->text, piece, n, err))
        return -1;
    if (p->maybe_thought)
        notice_mark(p, r);
    if (p->thinking) {
        p->thought = p->text.len;
        p->thought_tokens++;
        p->thinking = !chat_ends_thought(r->chat, id, p->text.v, p->text.len);
        return 0;
    }
    /* The blank lines behind a thought are its own: no template keeps them either. */
    while (p->thought && p->thought < p->text.len && p->text.v[p->thought] == '\n')
        p->thought++;
    size_t from = p->streamed > p->thought ? p->streamed : p->thought;
    size_t stop = find_stop(p, r->options, from);
    if (stop < p->text.len) {
        p->text.len = stop;
        p->text.v[stop] = '\0';
        stop_with(p, STOP_END);
    }
    return 0;
}

/* Some templates leave it to the model to open its thought, by the first token. */
static void notice_thought(pass *p, const pass_rules *r, int id)
{
    if (p->out.len == 1 && r->chat && chat_starts_thought(r->chat, id))
        p->thinking = true;
}

int pass_accept(pass *p, const pass_rules *r, int id, error *err)
{
    if (tokens_push(&p->out, id, err))
        return -1;
    notice_thought(p, r, id);
    if (ends_answer(r, id)) {
        stop_with(p, STOP_END);
        return 0;
    }
    if (add_piece(p, r, id, err))
        return -1;
    if (!p->active)
        return 0;
    if (loops(p, r))
        stop_with(p, STOP_LOOP);
    else if (p->out.len >= (size_t)r->options->max_tokens)
        stop_with(p, STOP_LENGTH);
    return 0;
}

int pass_accept_prefix(pass *p, const pass_rules *r, const int *ids, size_t n, error *err)
{
    council_options endless = *r->options;
    pass_rules lax = *r;
    endless.stop_count = 0;
    lax.options = &endless;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= tokenizer_count(r->tokenizer) || ends_answer(r, ids[i]))
            return error_set(err, ERROR_USAGE, "token %zu of %s, %d, is none of this model", i + 1,
                             p->name, ids[i]);
        if (tokens_push(&p->out, ids[i], err))
            return -1;
        loop_token(&p->cycles, p->out.v, p->out.len);
        notice_thought(p, r, ids[i]);
        if (add_piece(p, &lax, ids[i], err))
            return -1;
    }
    return 0;
}

/* Bytes at the end that may be the beginning of a character that is not all there. */
static size_t open_character(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)text[len - back];
        if (c < 0x80)
            return 0;
        if (c >= 0xC0) {
            size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            return back < whole ? back : 0;
        }
    }
    return 0;
}

/* Bytes at the end that may be the beginning of a stop string. */
static size_t open_stop(const char *text, size_t len, const council_options *o)
{
    size_t longest = 0;
    for (int i = 0; i < o->stop_count; i++) {
        size_t n = strlen(o->stops[i]);
        for (size_t k = n ? n - 1 : 0; k > longest; k--)
            if (k <= len && memcmp(text + len - k, o->stops[i], k) == 0)
                longest = k;
    }
    return longest;
}

size_t pass_stable_prefix(const pass *p, const pass_rules *r, bool all)
{
    size_t len = p->text.len;
    if (all || len == p->streamed)
        return len;
    if (p->maybe_thought)
        return p->streamed;
    size_t open = open_character(p->text.v, len);
    size_t stop = open_stop(p->text.v, len, r->options);
    size_t stable = len - (open > stop ? open : stop);
    return stable > p->streamed ? stable : p->streamed;
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void count_used(pass *p, const model_config *model)
{
    for (int i = 0; i < model->layers; i++) {
        p->used[i] = 0;
        for (int e = 0; p->touched && model->moe_layer[i] && e < p->max_experts; e++)
            p->used[i] += p->touched[(size_t)i * (size_t)p->max_experts + (size_t)e];
    }
}

void pass_end(pass *p, const pass_rules *r, pass_stop stop, double seconds)
{
    turn_answer *a = &p->answer;
    p->active = false;
    count_used(p, r->model);
    a->stop = stop;
    a->failure = stop == STOP_ERROR ? p->why.text : NULL;
    a->thought = (turn_text){p->text.v ? p->text.v : "", p->thought};
    a->text = (turn_text){a->thought.v + p->thought, p->text.len - p->thought};
    a->ids = (turn_ids){p->out.v, p->out.len};
    bool known = p->out.len && p->logprobs.len == p->out.len * sizeof(double);
    a->logprobs = known ? (const double *)(const void *)p->logprobs.v : NULL;
    a->seconds = seconds;
    a->tokens_per_second = seconds > 0 ? (double)p->out.len / seconds : 0;
    a->banned_mass = p->banned_count ? p->banned_sum / (double)p->banned_count : 0;
}
