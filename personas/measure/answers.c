/* answers.c - see answers.h. */
#include "answers.h"

#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "../../engine/run/sampler.h"
#include "../../engine/text/stop_tokens.h"
#include "../council/loop.h"

/* One answer on its way. */
typedef struct line {
    session *session;
    float *logits; /* [vocabulary] */
    int last;      /* the token to be read next */
    tokens out;
    buf text;
    loop_detector cycles;
    bool active, finished, looped;
} line;

typedef struct speakers {
    engine *engine;
    sampler *greedy;
    line lines[ANSWERS_TOGETHER];
    int count;
} speakers;

/* Share of the n-token stretches of ids[0..len) that stood there before. */
static double repeated_share(const int *ids, size_t len, size_t n)
{
    size_t again = 0, all = len >= n ? len - n + 1 : 0;
    for (size_t i = 0; i < all; i++) {
        bool before = false;
        for (size_t j = 0; j < i && !before; j++)
            before = memcmp(ids + i, ids + j, n * sizeof *ids) == 0;
        again += before;
    }
    return all ? (double)again / (double)all : 0;
}

static size_t prompt_of(const measure_sample *s)
{
    size_t start = s->ids.len < ANSWERS_START ? s->ids.len : ANSWERS_START;
    return s->from > 1 ? s->from : start;
}

/* ---- one answer -------------------------------------------------------------------------------- */

static int open_line(speakers *v, const measure_sample *s, const router_program *program,
                     error *err)
{
    line *l = &v->lines[v->count++];
    const model_config *m = engine_config(v->engine);
    *l = (line){.active = true};
    loop_begin(&l->cycles);
    int room = (int)prompt_of(s) + ANSWERS_TOKENS;
    l->session = session_open(v->engine, room < m->context ? room : m->context, DTYPE_F16, err);
    if (!l->session || session_set_program(l->session, program, err))
        return -1;
    l->logits = malloc((size_t)m->vocabulary * sizeof *l->logits);
    return l->logits ? 0 : error_memory(err, "an answer");
}

static void close_lines(speakers *v)
{
    for (int i = 0; i < v->count; i++) {
        session_close(v->lines[i].session);
        free(v->lines[i].logits);
        tokens_release(&v->lines[i].out);
        buf_release(&v->lines[i].text);
    }
    v->count = 0;
}

static int take_token(speakers *v, line *l, error *err)
{
    const tokenizer *t = engine_tokenizer(v->engine);
    const chat_format *chat = engine_chat(v->engine);
    if (sampler_pick(v->greedy, l->logits, NULL, 0, 0, NULL, &l->last, err))
        return -1;
    if (stop_tokens_have(engine_stops(v->engine), l->last) ||
        (chat && chat_is_end(chat, l->last))) {
        l->finished = true;
        l->active = false;
        return 0;
    }
    size_t n;
    const char *piece = tokenizer_piece(t, l->last, &n);
    if (tokens_push(&l->out, l->last, err) || buf_add(&l->text, piece, n, err))
        return -1;
    loop_token(&l->cycles, l->out.v, l->out.len);
    l->looped = loop_found(&l->cycles, t, l->out.v, l->out.len, l->text.v ? l->text.v : "",
                           l->text.len, LOOP_TOKENS);
    l->active = !l->looped && l->out.len < ANSWERS_TOKENS &&
                session_length(l->session) < session_context(l->session);
    return 0;
}

/* ---- one group --------------------------------------------------------------------------------- */

/* Every line that still speaks reads its last token and takes the next one. */
static int speak(speakers *v, error *err)
{
    for (;;) {
        step steps[ANSWERS_TOGETHER];
        int n = 0;
        for (int i = 0; i < v->count; i++)
            if (v->lines[i].active)
                steps[n++] = (step){v->lines[i].session, &v->lines[i].last, 1, LOGITS_LAST,
                                    v->lines[i].logits};
        if (!n)
            return 0;
        if (engine_advance(v->engine, steps, n, err))
            return -1;
        for (int i = 0; i < v->count; i++)
            if (v->lines[i].active && take_token(v, &v->lines[i], err))
                return -1;
    }
}

/* The j-th of n samples to be answered. */
static const measure_sample *chosen(const measure_samples *s, int n, int j)
{
    return &s->v[(size_t)j * s->len / (size_t)n];
}

/* Answers samples [from, to) of n under each program: prompts are read in one go. */
static int answer_group(speakers *v, const measure_samples *s, int n, int from, int to,
                        const router_program *const *programs, int count, error *err)
{
    step steps[ANSWERS_TOGETHER];
    for (int j = from; j < to; j++)
        for (int i = 0; i < count; i++) {
            const measure_sample *one = chosen(s, n, j);
            line *l = &v->lines[v->count];
            if (open_line(v, one, programs[i], err))
                return -1;
            steps[v->count - 1] =
                (step){l->session, one->ids.v, (int)prompt_of(one), LOGITS_LAST, l->logits};
        }
    if (engine_advance(v->engine, steps, v->count, err))
        return -1;
    for (int i = 0; i < v->count; i++)
        if (take_token(v, &v->lines[i], err))
            return -1;
    return speak(v, err);
}

static void count_line(const line *l, answers_figures *f)
{
    f->answers++;
    f->finished += l->finished;
    f->looped += l->looped;
    f->repeated += repeated_share(l->out.v, l->out.len, ANSWERS_GRAM);
}

static sampler *open_greedy(const engine *e, error *err)
{
    sampling greedy = sampling_defaults();
    int n = tokenizer_count(engine_tokenizer(e)), vocabulary = engine_config(e)->vocabulary;
    greedy.temperature = 0;
    return sampler_open(&greedy, "control", n < vocabulary ? n : vocabulary, err);
}

int answers_measure(engine *e, const measure_samples *s, int most,
                    const router_program *const *programs, int count, answers_figures *out,
                    progress_fn *progress, void *user, error *err)
{
    int n = s->len < (size_t)most ? (int)s->len : most;
    int each = count < ANSWERS_TOGETHER ? ANSWERS_TOGETHER / count : 1, result = 0;
    memset(out, 0, (size_t)count * sizeof *out);
    if (count > ANSWERS_TOGETHER)
        return error_set(err, ERROR_USAGE, "%d programs cannot answer side by side: at most %d",
                         count, ANSWERS_TOGETHER);
    speakers *v = calloc(1, sizeof *v);
    if (!v)
        return error_memory(err, "the answers");
    v->engine = e;
    v->greedy = open_greedy(e, err);
    result = v->greedy ? 0 : -1;
    for (int from = 0; from < n && !result; from += each) {
        int to = from + each < n ? from + each : n;
        if (progress)
            progress(user, from * count, n * count);
        result = answer_group(v, s, n, from, to, programs, count, err);
        for (int i = 0; i < v->count && !result; i++)
            count_line(&v->lines[i], &out[i % count]);
        close_lines(v);
    }
    for (int i = 0; i < count; i++)
        out[i].repeated /= out[i].answers ? out[i].answers : 1;
    sampler_close(v->greedy);
    free(v);
    return result;
}
