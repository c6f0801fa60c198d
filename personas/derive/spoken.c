/* spoken.c - see spoken.h. */
#include "spoken.h"

#include <stdlib.h>

#include "../measure/greedy.h"

/* Behind a chat's question; a window of a text is predicted from its second token on. */
static bool is_answer(const measure_sample *s)
{
    return s->from > 1;
}

static int prompt_length(const measure_sample *s)
{
    size_t half = (s->ids.len - s->from) / 2;
    return (int)(s->from + (half < SPOKEN_FIRST ? half : SPOKEN_FIRST));
}

/* Takes the prompt's tokens and what was written behind them. */
static int keep(spoken *s, size_t of, const greedy_prompt *prompt, const greedy_answer *answer,
                error *err)
{
    measure_sample *one = &s->samples.v[s->samples.len];
    if (answer->ids.len == 0)
        return 0;
    s->of[s->samples.len++] = of; /* counted first: what is half made is released, too */
    one->from = (size_t)prompt->n;
    s->samples.tokens += answer->ids.len;
    return tokens_append(&one->ids, prompt->ids, (size_t)prompt->n, err) ||
                   tokens_append(&one->ids, answer->ids.v, answer->ids.len, err)
               ? -1
               : 0;
}

/* The answers that are begun; returns how many. */
static int choose(const measure_samples *from, size_t of[SPOKEN_ANSWERS],
                  greedy_prompt prompts[SPOKEN_ANSWERS])
{
    size_t answers = 0, seen = 0;
    int n = 0;
    for (size_t i = 0; i < from->len; i++)
        answers += is_answer(&from->v[i]);
    for (size_t i = 0; i < from->len; i++) {
        const measure_sample *one = &from->v[i];
        size_t most = answers < SPOKEN_ANSWERS ? answers : SPOKEN_ANSWERS;
        if (!is_answer(one) || (size_t)n == most || (size_t)n * answers / most != seen++)
            continue;
        of[n] = i;
        prompts[n++] = (greedy_prompt){.ids = one->ids.v, .n = prompt_length(one)};
    }
    return n;
}

int spoken_make(spoken *s, engine *e, const measure_samples *from, error *err)
{
    size_t of[SPOKEN_ANSWERS];
    greedy_prompt prompts[SPOKEN_ANSWERS];
    greedy_answer answers[SPOKEN_ANSWERS];
    int n = choose(from, of, prompts);
    if (n == 0)
        return 0;
    s->samples.v = calloc((size_t)n, sizeof *s->samples.v);
    s->of = calloc((size_t)n, sizeof *s->of);
    if (!s->samples.v || !s->of)
        return error_memory(err, "what the model writes");
    s->samples.cap = (size_t)n;
    int result = greedy_ask(e, prompts, n, SPOKEN_TOKENS, answers, err);
    for (int i = 0; i < n && !result; i++)
        result = keep(s, of[i], &prompts[i], &answers[i], err);
    greedy_release(answers, n);
    return result;
}

void spoken_release(spoken *s)
{
    measure_samples_release(&s->samples);
    free(s->of);
    *s = (spoken){0};
}
