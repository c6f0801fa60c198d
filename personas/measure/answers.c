/* answers.c - see answers.h. */
#include "answers.h"

#include <string.h>

#include "greedy.h"

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

/* The j-th of n samples to be answered. */
static const measure_sample *chosen(const measure_samples *s, int n, int j)
{
    return &s->v[(size_t)j * s->len / (size_t)n];
}

static void count_answer(const greedy_answer *a, answers_figures *f)
{
    f->answers++;
    f->finished += a->ended;
    f->looped += a->looped;
    f->repeated += repeated_share(a->ids.v, a->ids.len, ANSWERS_GRAM);
}

/* Samples [from, to) of n under each program, in one batch. */
static int answer_group(engine *e, const measure_samples *s, int n, int from, int to,
                        const router_program *const *programs, int count, answers_figures *out,
                        error *err)
{
    greedy_prompt prompts[GREEDY_TOGETHER] = {{0}};
    greedy_answer answers[GREEDY_TOGETHER];
    int m = 0;
    for (int j = from; j < to; j++)
        for (int i = 0; i < count; i++) {
            const measure_sample *one = chosen(s, n, j);
            prompts[m++] = (greedy_prompt){one->ids.v, (int)prompt_of(one), programs[i]};
        }
    int result = greedy_ask(e, prompts, m, ANSWERS_TOKENS, answers, err);
    for (int i = 0; i < m && !result; i++)
        count_answer(&answers[i], &out[i % count]);
    greedy_release(answers, m);
    return result;
}

int answers_measure(engine *e, const measure_samples *s, int most,
                    const router_program *const *programs, int count, answers_figures *out,
                    progress_fn *progress, void *user, error *err)
{
    int n = s->len < (size_t)most ? (int)s->len : most;
    int each = count < GREEDY_TOGETHER ? GREEDY_TOGETHER / count : 1, result = 0;
    memset(out, 0, (size_t)count * sizeof *out);
    if (count > GREEDY_TOGETHER)
        return error_set(err, ERROR_USAGE, "%d programs cannot answer side by side: at most %d",
                         count, GREEDY_TOGETHER);
    for (int from = 0; from < n && !result; from += each) {
        int to = from + each < n ? from + each : n;
        if (progress)
            progress(user, from * count, n * count);
        result = answer_group(e, s, n, from, to, programs, count, out, err);
    }
    for (int i = 0; i < count; i++)
        out[i].repeated /= out[i].answers ? out[i].answers : 1;
    return result;
}
