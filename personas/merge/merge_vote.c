/* merge_vote.c - which answer is the best? By marks (merge_reading.h), made by a verifier or by the plain rule.
 *
 * Every pass judges every answer, but nobody's own answer counts for it: every pass finds itself
 * likely. Long answers are judged by their beginnings (merge_vote_budget), and that is told. When at
 * least two answers hold the same short answer (extract.h) and no other value is as frequent, only
 * they can win. A tie is a lead too small to mean anything (TIE).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "extract.h"
#include "merge_reading.h"
#include "verifier.h"

/* The tie rule: two marks that are nearer than this are too close to call: a fiftieth of the others'
 * standard deviation, or of the logarithm of their odds. The better one wins all the same, and the tie is
 * said. */
static const double TIE = 0.02;

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
    int n = m->count;
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
    out->by = region_keep_text(m->memory, m->parties[best].name, err);
    if (!out->by || merge_set_text(m, out, candidates[best].text, candidates[best].len, err))
        return -1;
    if (agreeing)
        return merge_set_note(m, out, err, "%d of %d answers say %s", agreeing, n, value);
    if (out->tie)
        return merge_set_note(m, out, err, "nearly a tie with %s", m->parties[second].name);
    return 0;
}

static int note_budget(const merging *m, turn_merge *out, int read, error *err)
{
    return merge_set_note(m, out, err, "%s%sjudged by the first %d tokens of each",
                          out->note ? out->note : "", out->note ? "; " : "", read);
}

static int mark(const merging *m, const verifier *by, const merge_candidate *candidates,
                const vote_readings *r, double *marks, turn_merge *out, error *err)
{
    double *features = calloc((size_t)r->passes * VOTE_FEATURES, sizeof *features);
    int result = features ? 0 : error_memory(err, "a vote");
    if (!result && by)
        result = vote_features(m, candidates, r, features, err);
    if (!result && by)
        verifier_marks(by, features, r->passes, marks);
    else if (!result)
        vote_marks(candidates, r, marks);
    free(features);
    out->verifier = by ? verifier_hash(by) : 0;
    out->basis = region_keep_text(m->memory, by ? verifier_basis(by) : "fit to the question", err);
    return result || !out->basis ? -1 : 0;
}

static int decide(const merging *m, const verifier *by, const merge_candidate *candidates,
                  const vote_readings *r, turn_merge *out, error *err)
{
    size_t n = (size_t)r->passes;
    double *marks = calloc(n, sizeof *marks);
    bool *barred = calloc(n, sizeof *barred);
    int result = marks && barred ? 0 : error_memory(err, "a vote");
    for (size_t a = 0; a < n && !result; a++)
        barred[a] = candidates[a].barred;
    if (!result)
        result = mark(m, by, candidates, r, marks, out, err) ||
                 declare(m, candidates, out, marks, barred, err);
    free(marks);
    free(barred);
    return result ? -1 : 0;
}

static int keep_scores(const merging *m, const vote_readings *r, turn_merge *out, error *err)
{
    size_t bytes = (size_t)(r->passes * r->passes) * sizeof *r->scores;
    double *scores = region_take(m->memory, bytes, err);
    if (scores)
        memcpy(scores, r->scores, bytes);
    out->scores = scores;
    return scores ? 0 : -1;
}

static int vote_by(const merging *m, const verifier *by, const merge_candidate *candidates,
                   turn_merge *out, error *err)
{
    vote_readings r = {0};
    int result = vote_read(m, candidates, by ? VOTE_BY_FEATURES : VOTE_BY_FIT, &r, err);
    if (!result)
        result = keep_scores(m, &r, out, err) || decide(m, by, candidates, &r, out, err);
    if (!result && !r.budget.whole)
        result = note_budget(m, out, by ? r.budget.judged : r.budget.answer, err);
    vote_readings_release(&r);
    return result ? -1 : 0;
}

int merge_vote_on(const merging *m, const merge_candidate *candidates, turn_merge *out, error *err)
{
    const verifier *given = m->options ? m->options->verifier : NULL;
    verifier *found = NULL;
    int result = given ? 0 : verifier_find(council_engine(m->council), &found, NULL, err);
    if (!result)
        result = vote_by(m, given ? given : found, candidates, out, err);
    verifier_close(found);
    return result;
}

int merge_vote(const merging *m, turn_merge *out, error *err)
{
    buf texts = {0};
    merge_candidate *candidates = merge_candidates(m, &texts, err);
    int result = candidates ? merge_vote_on(m, candidates, out, err) : -1;
    buf_release(&texts);
    free(candidates);
    return result;
}
