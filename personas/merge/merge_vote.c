/* merge_vote.c - peer scoring: which answer do the others find most likely?
 *
 *   score[j][a] = mean ln p_j(token of a), length-normalised by construction
 *   S(a)        = sum over j != a of w_j score[j][a] / sum of those w_j
 *   w           = softmax(-mean nll of the question under judge j)
 *
 * The diagonal is shown but never counted: every pass finds itself likely. Long answers are judged by
 * their beginnings (merge_vote_share), and that is told. When at
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

vote_share merge_vote_share(const int *lengths, int passes, int judges)
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
    return (vote_share){(int)question, low, longest <= low};
}

/* All readings of a vote: first each judge's question, then each judge's answers. */
typedef struct poll {
    tokens *texts; /* [passes] the answers' tokens */
    vote_share share;
    council_reading *readings; /* [count] */
    int count;
} poll;

static void close_poll(poll *p, int n)
{
    for (int a = 0; p->texts && a < n; a++)
        tokens_release(&p->texts[a]);
    free(p->texts);
    free(p->readings);
}

/* A pass that failed judges nothing, and of an empty answer there is nothing to judge. */
static bool judges(const council *c, const ballot *ballots, int j, int a)
{
    return council_answer(c, j)->stop != STOP_ERROR && ballots[a].len > 0;
}

static int choose_share(const council *c, poll *p, error *err)
{
    int n = council_passes(c), count = 0;
    int *lengths = calloc((size_t)n, sizeof *lengths);
    if (!lengths)
        return error_memory(err, "a vote");
    for (int i = 0; i < n; i++) {
        lengths[i] = (int)p->texts[i].len;
        count += council_answer(c, i)->stop != STOP_ERROR;
    }
    p->share = merge_vote_share(lengths, n, count);
    free(lengths);
    return 0;
}

static void list_readings(const council *c, const ballot *ballots, poll *p)
{
    int n = council_passes(c);
    for (int j = 0; j < n; j++)
        if (council_answer(c, j)->stop != STOP_ERROR)
            p->readings[p->count++] = (council_reading){.judge = j, .n = p->share.question};
    for (int j = 0; j < n; j++) {
        for (int a = 0; a < n; a++) {
            int length = (int)p->texts[a].len;
            if (judges(c, ballots, j, a))
                p->readings[p->count++] =
                    (council_reading){.judge = j,
                                      .ids = p->texts[a].v,
                                      .n = length < p->share.answer ? length : p->share.answer};
        }
    }
}

static int open_poll(council *c, const ballot *ballots, poll *p, error *err)
{
    int n = council_passes(c);
    size_t cells = (size_t)n * ((size_t)n + 1);
    p->texts = calloc((size_t)n, sizeof *p->texts);
    p->readings = calloc(cells, sizeof *p->readings);
    if (!p->texts || !p->readings)
        return error_memory(err, "a vote");
    for (int a = 0; a < n; a++)
        if (ballots[a].len && tokenizer_encode(engine_tokenizer(council_engine(c)), ballots[a].text,
                                               ballots[a].len, &p->texts[a], NULL, err))
            return -1;
    if (choose_share(c, p, err))
        return -1;
    list_readings(c, ballots, p);
    return 0;
}

/* What was read, in the order of open_poll(). Where nothing was: NaN. */
static void fill_scores(const council *c, const ballot *ballots, const poll *p, double *scores,
                        double *weights)
{
    int n = council_passes(c), at = 0;
    for (int j = 0; j < n; j++)
        weights[j] = council_answer(c, j)->stop != STOP_ERROR ? -p->readings[at++].mean : INFINITY;
    for (int j = 0; j < n; j++)
        for (int a = 0; a < n; a++)
            scores[j * n + a] = judges(c, ballots, j, a) ? p->readings[at++].mean : NAN;
    merge_weights(weights, n);
}

static int take_poll(council *c, const ballot *ballots, double *scores, double *weights,
                     vote_share *share, const council_events *events, error *err)
{
    poll p = {0};
    int result =
        open_poll(c, ballots, &p, err) || council_judge(c, p.readings, p.count, events, err) ? -1
                                                                                             : 0;
    if (!result)
        fill_scores(c, ballots, &p, scores, weights);
    *share = p.share;
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

static int note_share(merge_result *out, const vote_share *share, error *err)
{
    return merge_set_note(out, err, "%s%sjudged by the first %d tokens of each",
                          out->note ? out->note : "", out->note ? "; " : "", share->answer);
}

int merge_vote(council *c, const ballot *ballots, merge_result *out, const council_events *events,
               error *err)
{
    int n = council_passes(c);
    size_t passes = (size_t)n;
    double *weights = calloc(passes, sizeof *weights), *score = calloc(passes, sizeof *score);
    bool *barred = calloc(passes, sizeof *barred);
    vote_share share = {.whole = true};
    out->scores = calloc(passes * passes, sizeof *out->scores);
    out->shares = calloc(passes, sizeof *out->shares);
    int result = weights && score && barred && out->scores && out->shares
                     ? take_poll(c, ballots, out->scores, weights, &share, events, err)
                     : error_memory(err, "a vote");
    for (int a = 0; a < n && !result; a++) {
        score[a] = peer_score(out->scores, weights, n, a);
        barred[a] = ballots[a].barred;
    }
    if (!result)
        result = declare(c, ballots, out, score, barred, err);
    if (!result && !share.whole)
        result = note_share(out, &share, err);
    free(weights);
    free(score);
    free(barred);
    return result;
}
