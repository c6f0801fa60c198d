/* merge_vote.c - peer scoring: which answer do the others find most likely?
 *
 *   score[j][a] = mean ln p_j(token of a), length-normalised by construction
 *   S(a)        = sum over j != a of w_j score[j][a] / sum of those w_j
 *   w           = softmax(-mean nll of the question under judge j)
 *
 * The diagonal is shown but never counted: every pass finds itself likely. Long answers are judged by
 * their beginnings (merge_vote_budget), and that is told. When at
 * least two answers hold the same short answer (extract.h) and no other value is as frequent, only
 * they can win. A tie is a lead too small to mean anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "extract.h"
#include "merge_state.h"

static const double TIE = 0.02; /* nats per token */

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
    tokens *texts; /* [passes] the answers' tokens */
    vote_budget budget;
    score_request *requests; /* [count] */
    int count;
} poll;

static void close_poll(poll *p, int n)
{
    for (int a = 0; p->texts && a < n; a++)
        tokens_release(&p->texts[a]);
    free(p->texts);
    free(p->requests);
}

/* A pass that failed judges nothing, and of an empty answer there is nothing to judge. */
static bool judges(const council *c, const merge_candidate *candidates, int j, int a)
{
    return council_answer(c, j)->stop != STOP_ERROR && candidates[a].len > 0;
}

static int choose_budget(const council *c, poll *p, error *err)
{
    int n = council_passes(c), count = 0;
    int *lengths = calloc((size_t)n, sizeof *lengths);
    if (!lengths)
        return error_memory(err, "a vote");
    for (int i = 0; i < n; i++) {
        lengths[i] = (int)p->texts[i].len;
        count += council_answer(c, i)->stop != STOP_ERROR;
    }
    p->budget = merge_vote_budget(lengths, n, count);
    free(lengths);
    return 0;
}

static void list_requests(const council *c, const merge_candidate *candidates, poll *p)
{
    int n = council_passes(c);
    for (int j = 0; j < n; j++)
        if (council_answer(c, j)->stop != STOP_ERROR)
            p->requests[p->count++] = (score_request){.judge = j, .n = p->budget.question};
    for (int j = 0; j < n; j++) {
        for (int a = 0; a < n; a++) {
            int length = (int)p->texts[a].len;
            if (judges(c, candidates, j, a))
                p->requests[p->count++] =
                    (score_request){.judge = j,
                                    .ids = p->texts[a].v,
                                    .n = length < p->budget.answer ? length : p->budget.answer};
        }
    }
}

static int open_poll(council *c, const merge_candidate *candidates, poll *p, error *err)
{
    int n = council_passes(c);
    size_t cells = (size_t)n * ((size_t)n + 1);
    p->texts = calloc((size_t)n, sizeof *p->texts);
    p->requests = calloc(cells, sizeof *p->requests);
    if (!p->texts || !p->requests)
        return error_memory(err, "a vote");
    for (int a = 0; a < n; a++)
        if (candidates[a].len &&
            tokenizer_encode(engine_tokenizer(council_engine(c)), candidates[a].text,
                             candidates[a].len, &p->texts[a], NULL, err))
            return -1;
    if (choose_budget(c, p, err))
        return -1;
    list_requests(c, candidates, p);
    return 0;
}

/* What was read, in the order of open_poll(). Where nothing was: NaN. */
static void fill_scores(const council *c, const merge_candidate *candidates, const poll *p,
                        double *scores, double *weights)
{
    int n = council_passes(c), at = 0;
    for (int j = 0; j < n; j++)
        weights[j] = council_answer(c, j)->stop != STOP_ERROR ? -p->requests[at++].mean : INFINITY;
    for (int j = 0; j < n; j++)
        for (int a = 0; a < n; a++)
            scores[j * n + a] = judges(c, candidates, j, a) ? p->requests[at++].mean : NAN;
    merge_weights(weights, n);
}

static int take_poll(council *c, const merge_candidate *candidates, double *scores, double *weights,
                     vote_budget *budget, const council_events *events, error *err)
{
    poll p = {0};
    int result = open_poll(c, candidates, &p, err) ||
                         council_score_batch(c, p.requests, p.count, events, err)
                     ? -1
                     : 0;
    if (!result)
        fill_scores(c, candidates, &p, scores, weights);
    *budget = p.budget;
    close_poll(&p, council_passes(c));
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

static int declare(council *c, const merge_candidate *candidates, merge_result *out,
                   const double *score, bool *barred, error *err)
{
    int n = council_passes(c);
    char value[EXTRACT_BYTES] = "";
    int agreeing = bar_by_value(candidates, n, barred, value);
    int best = best_of(score, barred, n, -1);
    if (best < 0)
        return error_set(err, ERROR_RUN, "no answer can win: each is empty, failed or loops");
    int second = best_of(score, barred, n, best);
    fill_shares(score, barred, n, best, out->shares);
    out->winner = best;
    out->tie = second >= 0 && score[best] - score[second] < TIE;
    out->by = strdup(council_answer(c, best)->name);
    if (!out->by || merge_set_text(out, candidates[best].text, candidates[best].len, err))
        return out->by ? -1 : error_memory(err, "a vote");
    if (agreeing)
        return merge_set_note(out, err, "%d of %d answers say %s", agreeing, n, value);
    if (out->tie)
        return merge_set_note(out, err, "nearly a tie with %s", council_answer(c, second)->name);
    return 0;
}

static int note_budget(merge_result *out, const vote_budget *budget, error *err)
{
    return merge_set_note(out, err, "%s%sjudged by the first %d tokens of each",
                          out->note ? out->note : "", out->note ? "; " : "", budget->answer);
}

int merge_vote(council *c, const merge_candidate *candidates, merge_result *out,
               const council_events *events, error *err)
{
    int n = council_passes(c);
    size_t passes = (size_t)n;
    double *weights = calloc(passes, sizeof *weights), *score = calloc(passes, sizeof *score);
    bool *barred = calloc(passes, sizeof *barred);
    vote_budget budget = {.whole = true};
    out->scores = calloc(passes * passes, sizeof *out->scores);
    out->shares = calloc(passes, sizeof *out->shares);
    int result = weights && score && barred && out->scores && out->shares
                     ? take_poll(c, candidates, out->scores, weights, &budget, events, err)
                     : error_memory(err, "a vote");
    for (int a = 0; a < n && !result; a++) {
        score[a] = peer_score(out->scores, weights, n, a);
        barred[a] = candidates[a].barred;
    }
    if (!result)
        result = declare(c, candidates, out, score, barred, err);
    if (!result && !budget.whole)
        result = note_budget(out, &budget, err);
    free(weights);
    free(score);
    free(barred);
    return result;
}
