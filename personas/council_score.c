/* council_score.c - how likely is this answer, for that pass?
 *
 * The text is read as the pass's answer to the last prompt, teacher-forced, by a session of its own
 * that shares the pages of the pass's prompt. Logits come in small chunks, so memory does not grow
 * with the answer.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "council_state.h"

enum { SCORE_ROWS = 64 };

/* ln softmax(z)[id], in double. */
static double log_probability(const float *z, int n, int id)
{
    float most = z[0];
    for (int i = 1; i < n; i++)
        most = z[i] > most ? z[i] : most;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp((double)z[i] - (double)most);
    return (double)z[id] - (double)most - log(sum);
}

/* Reads ids[0..n) and adds ln p of each token that follows one of them: ids[1..n) and, when it is
 * not negative, `next`. *count grows by the terms added. */
static int add_likelihood(council *c, session *s, const int *ids, int n, int next, double *sum,
                          int *count, error *err)
{
    int vocabulary = engine_config(c->engine)->vocabulary;
    float *z = malloc((size_t)SCORE_ROWS * (size_t)vocabulary * sizeof *z);
    if (!z)
        return error_memory(err, "a vote");
    int result = 0;
    for (int at = 0; at < n && !result; at += SCORE_ROWS) {
        int m = n - at < SCORE_ROWS ? n - at : SCORE_ROWS;
        step st = {s, ids + at, m, LOGITS_ALL, z};
        result = engine_advance(c->engine, &st, 1, err);
        for (int i = 0; i < m && !result; i++) {
            int target = at + i + 1 < n ? ids[at + i + 1] : next;
            if (target < 0)
                continue;
            *sum += log_probability(z + (size_t)i * (size_t)vocabulary, vocabulary, target);
            ++*count;
        }
    }
    free(z);
    return result;
}

/* One for all passes, also of the parts. */
static session *open_scorer(council *c, pass *p, error *err)
{
    council *owner = c->whole ? c->whole : c;
    if (!owner->scorer)
        owner->scorer = session_open(c->engine, c->options.context, c->options.kv, err);
    if (!owner->scorer || session_set_program(owner->scorer, p->program, err))
        return NULL;
    return owner->scorer;
}

/* The question alone: what came before it is read already, and is not the same for all judges. */
static int score_prompt(council *c, session *s, pass *p, double *nll, error *err)
{
    double sum = 0;
    int count = 0, n = (int)p->prompt.len, start = 0;
    if (council_question_start(c, p, &start, err))
        return -1;
    start = start > 0 ? start - 1 : 0; /* the token that the first one of the question follows */
    if (council_hold_prompt(p, start, err) || session_share(s, p->session, start, err) ||
        add_likelihood(c, s, p->prompt.v + start, n - start, -1, &sum, &count, err))
        return -1;
    *nll = count ? -sum / count : 0;
    return 0;
}

/* The scorer holds all of the prompt but its last token; that one is read with the answer. */
static int score_answer(council *c, session *s, pass *p, const tokens *text, double *loglik,
                        error *err)
{
    int last = (int)p->prompt.len - 1;
    size_t room = (size_t)(c->options.context - last - 1);
    size_t n = text->len < room ? text->len : room;
    if (council_hold_prompt(p, last, err) || session_share(s, p->session, last, err))
        return -1;
    tokens all = {0};
    double sum = 0;
    int count = 0;
    int result = tokens_push(&all, p->prompt.v[last], err) ||
                         tokens_append(&all, text->v, n, err) ||
                         add_likelihood(c, s, all.v, (int)all.len, -1, &sum, &count, err)
                     ? -1
                     : 0;
    tokens_release(&all);
    *loglik = count ? sum / count : 0;
    return result;
}

int council_score(council *c, int i, const char *text, size_t len, double *loglik,
                  double *prompt_nll, error *err)
{
    pass *p = c->passes[i];
    tokens ids = {0};
    session *s = open_scorer(c, p, err);
    if (!s || tokenizer_encode(engine_tokenizer(c->engine), text, len, &ids, NULL, err)) {
        tokens_release(&ids);
        return -1;
    }
    int result = prompt_nll ? score_prompt(c, s, p, prompt_nll, err) : 0;
    if (!result)
        result = score_answer(c, s, p, &ids, loglik, err);
    tokens_release(&ids);
    return result;
}
