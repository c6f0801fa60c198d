/* merge_vote.c - peer scoring: which answer do the others find most likely?
 *
 *   score[j][a] = mean ln p_j(token of a), length-normalised by construction
 *   S(a)        = sum over j != a of w_j score[j][a] / sum of those w_j
 *   w           = softmax(-mean nll of the question under judge j)
 *
 * The diagonal is computed and shown but never counted: every pass finds itself likely. When at
 * least two answers hold the same short answer (extract.h) and no other value is as frequent, only
 * they can win. A tie is a lead too small to mean anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "extract.h"
#include "merge_state.h"

static const double TIE = 0.02; /* nats per token */

/* A pass that failed judges nothing, and of an empty answer there is nothing to judge: NaN. */
static int fill_scores(council *c, const ballot *ballots, double *scores, double *weights,
                       error *err)
{
    int n = council_passes(c);
    for (int j = 0; j < n; j++) {
        bool judge = council_answer(c, j)->stop != STOP_ERROR;
        double nll = INFINITY, *prompt = &nll;
        for (int a = 0; a < n; a++) {
            double *score = &scores[j * n + a];
            *score = NAN;
            if (!judge || ballots[a].len == 0)
                continue;
            if (council_score(c, j, ballots[a].text, ballots[a].len, score, prompt, err))
                return -1;
            prompt = NULL; /* once is enough */
        }
        weights[j] = nll;
    }
    merge_weights(weights, n);
    return 0;
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
static int bar_by_value(const ballot *ballots, int n, bool *barred, char value[EXTRACT_BYTES])
{
    int best = 1, rivals = 0;
    for (int a = 0; a < n; a++) {
        char mine[EXTRACT_BYTES], other[EXTRACT_BYTES];
        if (barred[a] || !extract_answer(ballots[a].text, ballots[a].len, mine))
            continue;
        int same = 0;
        for (int b = 0; b < n; b++)
            same += !barred[b] && extract_answer(ballots[b].text, ballots[b].len, other) &&
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
        barred[a] = barred[a] || !extract_answer(ballots[a].text, ballots[a].len, mine) ||
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

static int declare(council *c, const ballot *ballots, merge_result *out, const double *score,
                   bool *barred, error *err)
{
    int n = council_passes(c);
    char value[EXTRACT_BYTES] = "";
    int agreeing = bar_by_value(ballots, n, barred, value);
    int best = best_of(score, barred, n, -1);
    if (best < 0)
        return error_set(err, ERROR_RUN, "no answer can win: each is empty, failed or loops");
    int second = best_of(score, barred, n, best);
    fill_shares(score, barred, n, best, out->shares);
    out->winner = best;
    out->tie = second >= 0 && score[best] - score[second] < TIE;
    out->by = strdup(council_answer(c, best)->name);
    if (!out->by || merge_set_text(out, ballots[best].text, ballots[best].len, err))
        return out->by ? -1 : error_memory(err, "a vote");
    if (agreeing)
        return merge_set_note(out, err, "%d of %d answers say %s", agreeing, n, value);
    if (out->tie)
        return merge_set_note(out, err, "nearly a tie with %s", council_answer(c, second)->name);
    return 0;
}

int merge_vote(council *c, const ballot *ballots, merge_result *out, error *err)
{
    int n = council_passes(c);
    size_t passes = (size_t)n;
    double *weights = calloc(passes, sizeof *weights), *score = calloc(passes, sizeof *score);
    bool *barred = calloc(passes, sizeof *barred);
    out->scores = calloc(passes * passes, sizeof *out->scores);
    out->shares = calloc(passes, sizeof *out->shares);
    int result = weights && score && barred && out->scores && out->shares
                     ? fill_scores(c, ballots, out->scores, weights, err)
                     : error_memory(err, "a vote");
    for (int a = 0; a < n && !result; a++) {
        score[a] = peer_score(out->scores, weights, n, a);
        barred[a] = ballots[a].barred;
    }
    if (!result)
        result = declare(c, ballots, out, score, barred, err);
    free(weights);
    free(score);
    free(barred);
    return result;
}
