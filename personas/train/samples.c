/* samples.c - see samples.h. Where a repetition begins among the tokens is found by adding up the bytes
 * that each of them stands for. */
#include "samples.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/buf.h"
#include "../../engine/base/hash.h"
#include "../../engine/run/sampler.h"

enum { FREE_TOKENS = 2, NEAR_FREE = 4, TEXT_LEAST = 16, UNITS_MOST = 256 };

void samples_release(samples *s)
{
    for (size_t i = 0; i < s->len; i++) {
        free(s->v[i].ids);
        free(s->v[i].weight);
    }
    free(s->v);
    s->v = NULL;
    s->len = s->cap = 0;
}

/* Room for one more of n tokens, zeroed; not counted yet. */
static sample *room(samples *s, size_t n, error *err)
{
    sample *v = array_room(s->v, s->len, &s->cap, sizeof *v, "the samples", err);
    if (!v)
        return NULL;
    s->v = v;
    v += s->len;
    *v = (sample){.n = (int)n, .of = -1};
    v->ids = calloc(n, sizeof *v->ids);
    v->weight = calloc(n, sizeof *v->weight);
    if (v->ids && v->weight)
        return v;
    free(v->ids);
    free(v->weight);
    (void)error_memory(err, "the samples");
    return NULL;
}

static void count_weights(sample *v)
{
    v->counted = 0;
    for (int i = 0; i + 1 < v->n; i++)
        v->counted += v->weight[i] > 0;
}

/* ---- lessons ----------------------------------------------------------------------------------- */

static int render(const samples *s, const lesson *l, bool answered, tokens *ids, error *err)
{
    chat_message turns[LESSON_TURNS + 2];
    size_t n = l->before_count;
    memcpy(turns, l->before, n * sizeof *turns);
    turns[n++] = (chat_message){CHAT_USER, l->question, strlen(l->question)};
    if (answered)
        turns[n++] = (chat_message){CHAT_ASSISTANT, l->answer, strlen(l->answer)};
    return chat_render(engine_chat(s->engine), turns, n, !answered, 0, ids, err);
}

/* The token that ends an answer: what the format writes behind one; else the model's end of text. */
static int find_end(samples *s, const lesson *l, size_t prompt, error *err)
{
    tokens ids = {0};
    if (s->end >= 0)
        return 0;
    int result = render(s, l, true, &ids, err);
    for (size_t i = prompt; i < ids.len && s->end < 0 && !result; i++)
        if (chat_is_end(engine_chat(s->engine), ids.v[i]))
            s->end = ids.v[i];
    tokens_release(&ids);
    const tokens *stops = engine_stops(s->engine);
    if (!result && s->end < 0 && stops->len)
        s->end = stops->v[0];
    if (!result && s->end < 0)
        result = error_set(err, ERROR_LOAD, "the model has no token that ends an answer");
    return result;
}

/* ids: prompt and answer; the end follows. */
static int add_answer(samples *s, const tokens *ids, size_t prompt, sample **out, error *err)
{
    size_t most = (size_t)engine_config(s->engine)->context;
    if (most > SAMPLES_LONGEST)
        most = SAMPLES_LONGEST;
    if (ids->len == prompt)
        return error_set(err, ERROR_LOAD, "the answer is empty");
    if (ids->len + 1 > most)
        return error_set(err, ERROR_LOAD, "%zu tokens with its question; at most %zu are learned",
                         ids->len + 1, most);
    sample *v = *out = room(s, ids->len + 1, err);
    if (!v)
        return -1;
    memcpy(v->ids, ids->v, ids->len * sizeof *v->ids);
    v->ids[ids->len] = s->end;
    v->answer = (int)prompt;
    for (size_t i = prompt - 1; i < ids->len; i++)
        v->weight[i] = 1;
    v->weight[ids->len - 1] = (float)s->end_weight;
    return 0;
}

/* A lesson's tokens and weights; it is counted by who says what it is for. */
static int add_lesson(samples *s, const lesson *l, sample **out, error *err)
{
    tokens ids = {0};
    sample *v;
    int result = render(s, l, false, &ids, err);
    size_t prompt = ids.len;
    if (!result && prompt == 0)
        result = error_set(err, ERROR_LOAD, "the chat format makes no tokens of the question");
    if (!result)
        result = find_end(s, l, prompt, err) ||
                 tokenizer_encode(engine_tokenizer(s->engine), l->answer, strlen(l->answer), &ids,
                                  NULL, err) ||
                 add_answer(s, &ids, prompt, &v, err);
    tokens_release(&ids);
    if (result)
        return -1;
    *out = v;
    return 0;
}

static int learn_lesson(samples *s, const lesson *l, error *err)
{
    sample *v;
    if (add_lesson(s, l, &v, err))
        return -1;
    v->kind = SAMPLE_LESSON;
    v->held_out = l->held_out;
    s->lessons++;
    if (v->held_out)
        v->weight[v->n - 2] = 1; /* measured, not learned: every token counts once */
    count_weights(v);
    s->len++;
    return 0;
}

static int near_lesson(samples *s, const lesson *l, error *err)
{
    sample *v;
    if (add_lesson(s, l, &v, err))
        return -1;
    v->kind = SAMPLE_NEAR;
    v->near_from = v->answer + NEAR_FREE < v->n ? v->answer + NEAR_FREE : v->n - 1;
    memset(v->weight, 0, (size_t)v->n * sizeof *v->weight);
    s->near++;
    s->len++;
    return 0;
}

static int needs_chat(const samples *s, error *err)
{
    if (!engine_chat(s->engine)) {
        const char *why = engine_chat_problem(s->engine);
        return error_set(err, ERROR_LOAD, "lessons need a chat format: %s",
                         why[0] ? why : "the model has none (--chat-format names one)");
    }
    return 0;
}

int samples_add_lessons(samples *s, const lessons *l, error *err)
{
    if (needs_chat(s, err))
        return -1;
    for (size_t i = s->lessons, from = i; i < l->len; i++)
        if (learn_lesson(s, &l->v[i], err))
            return error_prefix(err, "lesson %zu: ", i - from + 1);
    return 0;
}

int samples_add_near_lessons(samples *s, const lessons *l, error *err)
{
    if (needs_chat(s, err))
        return -1;
    /* Not a multiple of five: it would meet the same forms of question again and again. */
    size_t every = (l->len + SAMPLES_NEAR_LESSONS - 1) / SAMPLES_NEAR_LESSONS;
    every += every % LESSONS_HOLD == 0;
    for (size_t i = 0; i < l->len; i += every)
        if (!l->v[i].held_out && near_lesson(s, &l->v[i], err))
            return error_prefix(err, "lesson %zu: ", i + 1);
    return 0;
}

/* ---- texts ------------------------------------------------------------------------------------- */

static int add_window(samples *s, sample_kind kind, const int *ids, size_t n, error *err)
{
    sample *v = room(s, n, err);
    if (!v)
        return -1;
    memcpy(v->ids, ids, n * sizeof *ids);
    v->kind = kind;
    if (kind == SAMPLE_NEAR) {
        s->near++;
    } else {
        v->held_out = ++s->windows % SAMPLES_HOLD == 0;
        for (size_t i = 0; i + 1 < n; i++)
            v->weight[i] = 1;
    }
    count_weights(v);
    s->len++;
    return 0;
}

int samples_add_text(samples *s, sample_kind kind, const char *where, const char *text, size_t len,
                     error *err)
{
    tokens ids = {0};
    size_t window = kind == SAMPLE_NEAR ? SAMPLES_NEAR : SAMPLES_WINDOW;
    size_t context = (size_t)engine_config(s->engine)->context;
    if (window > context)
        window = context;
    int result = tokenizer_encode(engine_tokenizer(s->engine), text, len, &ids, NULL, err);
    if (!result && ids.len < TEXT_LEAST)
        result = error_set(err, ERROR_LOAD, "%zu tokens are too few to learn from", ids.len);
    size_t windows = (ids.len + window - 1) / window, every = 1;
    if (kind == SAMPLE_NEAR)
        every = (windows + SAMPLES_NEAR_MOST - 1) / SAMPLES_NEAR_MOST;
    for (size_t at = 0; at < ids.len && !result; at += window * every) {
        size_t n = ids.len - at < window ? ids.len - at : window;
        if (at == 0 || n >= window / 2)
            result = add_window(s, kind, ids.v + at, n, err);
    }
    tokens_release(&ids);
    return result ? error_prefix(err, "%s: ", where) : 0;
}

/* ---- saying it twice --------------------------------------------------------------------------- */

static bool is_stop(const char *at, bool clause)
{
    return strchr(clause ? ",;:.?!" : ".?!", *at) != NULL && *at;
}

/* Full stops of Chinese and Japanese are three bytes long. */
static size_t wide_stop(const char *at)
{
    static const char *const stops[] = {"\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f"};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        if (strncmp(at, stops[i], 3) == 0)
            return 3;
    return 0;
}

/* The end of the unit that begins at text: behind its stops, or before a new line. */
static const char *unit_end(const char *text, bool line, bool clause)
{
    const char *at = text;
    while (*at && *at != '\n' && (line || (!is_stop(at, clause) && !wide_stop(at))))
        at++;
    while (!line && *at && (is_stop(at, clause) || wide_stop(at)))
        at += wide_stop(at) ? wide_stop(at) : 1;
    return at;
}

/* Four words or so; a script without spaces counts by its bytes. */
static bool is_long(const char *from, const char *to)
{
    int spaces = 0, wide = 0;
    for (const char *at = from; at < to; at++) {
        spaces += *at == ' ';
        wide += (*at & 0x80) != 0;
    }
    return spaces > 2 || wide >= 24;
}

bool samples_say_twice(const char *answer, const double u[2], buf *out, size_t *from, size_t *to,
                       error *err)
{
    bool line = strstr(answer, "```") != NULL, clause = u[0] < 0.5;
    const char *begin[UNITS_MOST], *end[UNITS_MOST];
    int n = 0;
    for (const char *at = answer; *at && n < UNITS_MOST;) {
        at += strspn(at, " \t\r\n");
        const char *stop = unit_end(at, line, clause);
        if (is_long(at, stop) && !memchr(at, '`', (size_t)(stop - at))) {
            begin[n] = at;
            end[n++] = stop;
        }
        at = stop > at ? stop : at + (*at != '\0');
    }
    if (n == 0)
        return false;
    int chosen = (int)(u[1] * n);
    const char *gap = line ? "\n" : " ";
    size_t unit = (size_t)(end[chosen] - begin[chosen]);
    *from = out->len + (size_t)(end[chosen] - answer);
    *to = *from + 1 + unit;
    return !buf_add(out, answer, (size_t)(end[chosen] - answer), err) && !buf_text(out, gap, err) &&
           !buf_add(out, begin[chosen], unit, err) && !buf_text(out, end[chosen], err);
}

/* Weights of the tokens that begin in bytes [from, to) of the answer. */
static void turn_against(const samples *s, sample *v, size_t from, size_t to)
{
    const tokenizer *t = engine_tokenizer(s->engine);
    size_t at = 0;
    int seen = 0;
    for (int i = v->answer; i + 1 < v->n; i++) {
        size_t bytes;
        (void)(i == v->answer ? tokenizer_first_piece : tokenizer_piece)(t, v->ids[i], &bytes);
        if (at >= from && at < to)
            v->weight[i - 1] = seen++ < FREE_TOKENS ? 0 : -1;
        at += bytes;
    }
}

static int add_again(samples *s, size_t of, const lesson *l, const double u[2], error *err)
{
    buf text = {0};
    tokens ids = {0};
    size_t from, to;
    sample *v = NULL;
    int result = 0;
    size_t prompt = (size_t)s->v[of].answer;
    if (samples_say_twice(l->answer, u, &text, &from, &to, err)) {
        result = tokens_append(&ids, s->v[of].ids, prompt, err) ||
                 tokenizer_encode(engine_tokenizer(s->engine), text.v, text.len, &ids, NULL, err);
        if (!result && ids.len + 1 <= SAMPLES_LONGEST &&
            ids.len + 1 <= (size_t)engine_config(s->engine)->context)
            result = add_answer(s, &ids, prompt, &v, err);
    }
    if (v) {
        v->kind = SAMPLE_AGAIN;
        v->of = (int)of;
        turn_against(s, v, from, to);
        count_weights(v);
        s->len++;
    }
    buf_release(&text);
    tokens_release(&ids);
    return result ? -1 : 0;
}

int samples_add_again(samples *s, const lessons *l, int times, uint64_t seed, error *err)
{
    size_t number = 0;
    for (size_t i = 0, n = s->len; i < n; i++) {
        if (s->v[i].kind != SAMPLE_LESSON)
            continue;
        size_t at = number++;
        for (int k = 0; k < times && !s->v[i].held_out && at < l->len; k++) {
            uint32_t draw = 2 * (uint32_t)k;
            double u[2] = {keyed_uniform(seed, "say twice", at, draw),
                           keyed_uniform(seed, "say twice", at, draw + 1)};
            if (add_again(s, i, &l->v[at], u, err))
                return -1;
        }
    }
    return 0;
}

/* ---- counting ---------------------------------------------------------------------------------- */

size_t samples_count(const samples *s, sample_kind kind, bool held_out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->len; i++)
        n += s->v[i].kind == kind && s->v[i].held_out == held_out;
    return n;
}

size_t samples_tokens(const samples *s, int *longest)
{
    size_t n = 0;
    *longest = 0;
    for (size_t i = 0; i < s->len; i++) {
        n += (size_t)s->v[i].n;
        if (s->v[i].n > *longest)
            *longest = s->v[i].n;
    }
    return n;
}

uint64_t samples_hash(const samples *s)
{
    uint64_t h = HASH_START;
    for (size_t i = 0; i < s->len; i++) {
        const sample *v = &s->v[i];
        int head[4] = {(int)v->kind, v->held_out, v->n, v->answer};
        h = hash_bytes(h, head, sizeof head);
        h = hash_bytes(h, v->ids, (size_t)v->n * sizeof *v->ids);
        h = hash_bytes(h, v->weight, (size_t)v->n * sizeof *v->weight);
    }
    return h;
}
