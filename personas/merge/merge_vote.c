/* merge_vote.c - peer scoring: which answer do the others find most likely?
 *
 *   score[j][a] = mean ln p_j(token of a), length-normalised by construction
 *   S(a)        = sum over j != a of w_j score[j][a] / sum of those w_j
 *   w           = softmax(-mean nll of the question under judge j)
 *
 * The diagonal is shown but never counted: every pass finds itself likely. Long answers are judged by
 * their beginnings (merge_vote_budget), and that is told. When at
 * least two answers hold the same short answer (extract.h) and no other value is as frequent, only
 * they can win. A tie is a lead too small to mean anything (TIE).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"
#include "extract.h"
#include "merge_state.h"

/* The tie rule: two scores that are nearer than this, in nats per token, are too close to call. The
 * better one wins all the same, and the tie is said. */
static const double TIE = 0.02;

/* Rows that the judges read of answers, when each answer counts for at most `most` tokens. */
static long rows_of(const int *lengths, int passes, int judges, int most)
{
    long rows = 0;
    for (int a = 0; a < passes; a++)
        rows += (long)(judges - 1) * (lengths[a] < most ? lengths[a] : most);
    return rows;
}

vote_budget merge_vote_budget(const int *lengths, int passes, int judges)
{
    enum { QUESTION_LEAST = 4, QUESTION_MOST = 64, ANSWER_LEAST = 8 };
    long written = 0;
    int longest = 0, low = ANSWER_LEAST;
    for (int a = 0; a < passes; a++) {
        written += lengths[a];
        longest = lengths[a] > longest ? lengths[a] : longest;
    }
    long question = judges ? written / (4L * judges) : 0, most = written + written / 2;
    question = question < QUESTION_LEAST ? QUESTION_LEAST : question;
    question = question > QUESTION_MOST ? QUESTION_MOST : question;
    most -= question * judges;
    for (int high = longest; low < high;) {
        int middle = high - (high - low) / 2;
        if (rows_of(lengths, passes, judges, middle) <= most)
            low = middle;
        else
            high = middle - 1;
    }
    return (vote_budget){(int)question, low, longest <= low};
}

/* All score requests of a vote: first each judge's question, then each judge's answers. */
typedef struct poll {
    council *council;
    const council_round *round;
    const merge_candidate *candidates; /* [passes] */
    int passes;
    tokens *texts; /* [passes] the answers' tokens */
    vote_budget budget;
    score_request *requests; /* [count] */
    int count;
} poll;

static void close_poll(poll *p)
{
    for (int a = 0; p->texts && a < p->passes; a++)
        tokens_release(&p->texts[a]);
    free(p->texts);
    free(p->requests);
}

/* A pass that failed judges nothing, */
static bool judges(const poll *p, int j)
{
    return p->round->replies[j].stop != STOP_ERROR;
}

/* and of an empty answer there is nothing to judge. */
static bool is_judged(const poll *p, int j, int a)
{
    return judges(p, j) && p->candidates[a].len > 0;
}

static int choose_budget(poll *p, error *err)
{
    int n = p->passes, count = 0;
    int *lengths = calloc((size_t)n, sizeof *lengths);
    if (!lengths)
        return error_memory(err, "a vote");
    for (int i = 0; i < n; i++) {
        lengths[i] = (int)p->texts[i].len;
        count += judges(p, i);
    }
    p->budget = merge_vote_budget(lengths, n, count);
    free(lengths);
    return 0;
}

static void list_requests(poll *p)
{
    int n = p->passes;
    for (int j = 0; j < n; j++)
        if (judges(p, j))
            p->requests[p->count++] = (score_request){.judge = j, .n = p->budget.question};
    for (int j = 0; j < n; j++) {
        for (int a = 0; a < n; a++) {
            int length = (int)p->texts[a].len;
            if (is_judged(p, j, a))
                p->requests[p->count++] =
                    (score_request){.judge = j,
                                    .ids = p->texts[a].v,
                                    .n = length < p->budget.answer ? length : p->budget.answer};
        }
    }
}

static int open_poll(poll *p, error *err)
{
    const tokenizer *t = engine_tokenizer(council_engine(p->council));
    size_t n = (size_t)p->passes;
    p->texts = calloc(n, sizeof *p->texts);
    p->requests = calloc(n * (n + 1), sizeof *p->requests);
    if (!p->texts || !p->requests)
        return error_memory(err, "a vote");
    for (size_t a = 0; a < n; a++) {
        const merge_candidate *b = &p->candidates[a];
        if (b->len && tokenizer_encode(t, b->text, b->len, &p->texts[a], NULL, err))
            return -1;
    }
    if (choose_budget(p, err))
        return -1;
    list_requests(p);
    return 0;
}

/* What was read, in the order of open_poll(). Where nothing was: NaN. */
static void fill_scores(const poll *p, double *scores, double *weights)
{
    int n = p->passes, at = 0;
    for (int j = 0; j < n; j++)
        weights[j] = judges(p, j) ? -p->requests[at++].mean : INFINITY;
    for (int j = 0; j < n; j++)
        for (int a = 0; a < n; a++)
            scores[j * n + a] = is_judged(p, j, a) ? p->requests[at++].mean : NAN;
    merge_weights(weights, n);
}

static void on_progress(void *user, int done, int total)
{
    council_emit_judge(user, done, total);
}

static int take_poll(poll *p, double *scores, double *weights, error *err)
{
    int result = open_poll(p, err);
    if (!result)
        result = council_score_batch(p->council, p->round, p->requests, p->count, on_progress,
                                     p->council, err);
    if (!result)
        fill_scores(p, scores, weights);
    close_poll(p);
    return result;
}

/* S(a); a pass without other judges judges itself. */
static double peer_score(const double *scores, const double *weights, int n, int a)
{
    double sum = 0, total = 0;
    for (int j = 0; j < n; j++) {
        if (j == a || isnan(scores[j * n + a]))
            continue;
        sum += weights[j] * scores[j * n + a];
        total += weights[j];
    }
    return total > 0 ? sum / total : scores[a * n + a];
}

/* Bars all answers but those of the one most frequent short answer; returns how many say it. */
static int bar_by_value(const merge_candidate *candidates, int n, bool *barred,
                        char value[EXTRACT_BYTES])
{
    int best = 1, rivals = 0;
    for (int a = 0; a < n; a++) {
        char mine[EXTRACT_BYTES], other[EXTRACT_BYTES];
        if (barred[a] || !extract_answer(candidates[a].text, candidates[a].len, mine))
            continue;
        int same = 0;
        for (int b = 0; b < n; b++)
            same += !barred[b] && extract_answer(candidates[b].text, candidates[b].len, other) &&
                    strcmp(mine, other) == 0;
        if (same > best || (same == best && best > 1 && strcmp(mine, value) != 0)) {
            rivals = same == best;
            best = same;
            memcpy(value, mine, EXTRACT_BYTES);
        }
    }
    if (best < 2 || rivals)
        return 0;
    for (int a = 0; a < n; a++) {
        char mine[EXTRACT_BYTES];
        barred[a] = barred[a] || !extract_answer(candidates[a].text, candidates[a].len, mine) ||
                    strcmp(mine, value) != 0;
    }
    return best;
}

static int best_of(const double *score, const bool *barred, int n, int but)
{
    int best = -1;
    for (int a = 0; a < n; a++)
        if (a != but && !barred[a] && (best < 0 || score[a] > score[best]))
            best = a;
    return best;
}

/* shares = softmax of the peer scores over those that can win. */
static void fill_shares(const double *score, const bool *barred, int n, int best, double *shares)
{
    double sum = 0;
    for (int a = 0; a < n; a++)
        sum += shares[a] = barred[a] ? 0 : exp(score[a] - score[best]);
    for (int a = 0; a < n; a++)
        shares[a] /= sum;
}

static int declare(const merging *m, const merge_candidate *candidates, turn_merge *out,
                   const double *score, bool *barred, error *err)
{
    const council *c = m->council;
    int n = council_passes(c);
    char value[EXTRACT_BYTES] = "";
    int agreeing = bar_by_value(candidates, n, barred, value);
    int best = best_of(score, barred, n, -1);
    if (best < 0)
        return error_set(err, ERROR_RUN, "no answer can win: each is empty, failed or loops");
    int second = best_of(score, barred, n, best);
    double *shares = region_take(m->memory, (size_t)n * sizeof *shares, err);
    if (!shares)
        return -1;
    fill_shares(score, barred, n, best, shares);
    out->shares = shares;
    out->winner = best;
    out->tie = second >= 0 && score[best] - score[second] < TIE;
    out->by = region_keep_text(m->memory, council_name(c, best), err);
    if (!out->by || merge_set_text(m, out, candidates[best].text, candidates[best].len, err))
        return -1;
    if (agreeing)
        return merge_set_note(m, out, err, "%d of %d answers say %s", agreeing, n, value);
    if (out->tie)
        return merge_set_note(m, out, err, "nearly a tie with %s", council_name(c, second));
    return 0;
}

static int note_budget(const merging *m, turn_merge *out, const vote_budget *budget, error *err)
{
    return merge_set_note(m, out, err, "%s%sjudged by the first %d tokens of each",
                          out->note ? out->note : "", out->note ? "; " : "", budget->answer);
}

int merge_vote_on(const merging *m, const merge_candidate *candidates, turn_merge *out, error *err)
{
    int n = council_passes(m->council);
    size_t passes = (size_t)n;
    poll p = {.council = m->council, .round = m->round, .candidates = candidates, .passes = n};
    double *weights = calloc(passes, sizeof *weights), *score = calloc(passes, sizeof *score);
    bool *barred = calloc(passes, sizeof *barred);
    double *scores = region_take(m->memory, passes * passes * sizeof *scores, err);
    int result = weights && score && barred && scores ? take_poll(&p, scores, weights, err)
                                                      : error_memory(err, "a vote");
    out->scores = scores;
    for (int a = 0; a < n && !result; a++) {
        score[a] = peer_score(scores, weights, n, a);
        barred[a] = candidates[a].barred;
    }
    if (!result)
        result = declare(m, candidates, out, score, barred, err);
    if (!result && !p.budget.whole)
        result = note_budget(m, out, &p.budget, err);
    free(weights);
    free(score);
    free(barred);
    return result;
}

int merge_vote(const merging *m, turn_merge *out, error *err)
{
    buf texts = {0};
    merge_candidate *candidates = merge_candidates(m->council, m->round, &texts, err);
    int result = candidates ? merge_vote_on(m, candidates, out, err) : -1;
    buf_release(&texts);
    free(candidates);
    return result;
}
