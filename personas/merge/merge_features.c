/* merge_features.c - what the readings and the words say of each answer. See merge_reading.h.
 *
 * Words (words.h) count when they have four letters or more or are numbers: the small words are everybody's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "extract.h"
#include "merge_reading.h"
#include "words.h"

enum { WORD_LEAST = 4, WORDS_MOST = 512 };

/* ---- words ------------------------------------------------------------------------------------- */

/* Hashes of a text's words, in order. */
typedef struct word_list {
    uint64_t v[WORDS_MOST];
    int len;
} word_list;

static int list_word(void *user, const text_word *w, error *err)
{
    word_list *out = user;
    (void)err;
    bool counts = w->v ? w->number || w->letters >= WORD_LEAST : w->before != 0;
    if (counts && out->len < WORDS_MOST)
        out->v[out->len++] = words_hash(w);
    return 0;
}

static void list_words(const char *text, size_t len, word_list *out)
{
    out->len = 0;
    (void)words_read(text, len, list_word, out, NULL);
}

/* Its bytes may be anything. */
static int list_question(const chat_message *question, word_list *out, error *err)
{
    buf mended = {0};
    int result = buf_mend(&mended, question->text, question->len, err);
    if (!result)
        list_words(mended.v ? mended.v : "", mended.len, out);
    buf_release(&mended);
    return result;
}

static bool has(const word_list *w, uint64_t word, int most)
{
    for (int i = 0; i < w->len && i < most; i++)
        if (w->v[i] == word)
            return true;
    return false;
}

/* Share of the words of `of` that stand in `in`, of those that do not stand in `but`. */
static double share_in(const word_list *of, const word_list *in, const word_list *but)
{
    int found = 0, all = 0;
    for (int i = 0; i < of->len; i++) {
        if (has(of, of->v[i], i) || (but && has(but, of->v[i], WORDS_MOST)))
            continue;
        all++;
        found += has(in, of->v[i], WORDS_MOST);
    }
    return all ? (double)found / all : 0;
}

static double repeats_of(const word_list *w)
{
    int again = 0;
    for (int i = 0; i < w->len; i++)
        again += has(w, w->v[i], i);
    return w->len ? (double)again / w->len : 0;
}

/* ---- features ---------------------------------------------------------------------------------- */

typedef struct describing {
    const merging *merge;
    const merge_candidate *candidates;
    const vote_readings *readings;
    const word_list *words; /* [passes], and behind them the question's */
    int n;
} describing;

/* Mean over the other judges. */
static double peers(const vote_readings *r, const double *table, int a)
{
    double sum = 0;
    int n = 0;
    for (int j = 0; j < r->passes; j++) {
        double v = table[j * r->passes + a];
        if (j == a || isnan(v))
            continue;
        sum += v;
        n++;
    }
    return n ? sum / n : table[a * r->passes + a];
}

double vote_peers(const vote_readings *r, int answer)
{
    return peers(r, r->scores, answer);
}

static double skeptic(const vote_readings *r, int a)
{
    double least = NAN;
    for (int j = 0; j < r->passes; j++)
        if (j != a)
            least = fmin(least, r->scores[j * r->passes + a]);
    return isnan(least) ? r->scores[a * r->passes + a] : least;
}

static void describe_readings(const vote_readings *r, int a, double *f)
{
    f[VOTE_PEERS] = vote_peers(r, a);
    f[VOTE_SKEPTIC] = skeptic(r, a);
    f[VOTE_WORST] = peers(r, r->worst, a);
    f[VOTE_SPREAD] = peers(r, r->spread, a);
    f[VOTE_PLAIN] = r->plain[a];
    f[VOTE_GAIN] = f[VOTE_PEERS] - f[VOTE_PLAIN];
    f[VOTE_QUESTION] = r->question[a];
    f[VOTE_LENGTH] = log(1.0 + r->lengths[a]);
}

static void describe_words(const describing *d, int a, double *f)
{
    const word_list *question = &d->words[d->n];
    int others = 0;
    for (int b = 0; b < d->n; b++) {
        if (b == a || d->candidates[b].barred)
            continue;
        others++;
        f[VOTE_SHARED] += share_in(&d->words[a], &d->words[b], question);
    }
    f[VOTE_SHARED] /= others ? others : 1;
    f[VOTE_ASKED] = share_in(question, &d->words[a], NULL);
    f[VOTE_REPEATS] = repeats_of(&d->words[a]);
}

static void describe_short(const describing *d, int a, double *f)
{
    char mine[EXTRACT_BYTES], other[EXTRACT_BYTES];
    int others = 0, equal = 0;
    if (!extract_answer(d->candidates[a].text, d->candidates[a].len, mine))
        return;
    f[VOTE_SHORT] = 1;
    for (int b = 0; b < d->n; b++) {
        if (b == a || d->candidates[b].barred)
            continue;
        others++;
        equal += extract_answer(d->candidates[b].text, d->candidates[b].len, other) &&
                 strcmp(mine, other) == 0;
    }
    f[VOTE_EQUAL] = others ? (double)equal / others : 0;
}

/* Less their mean over the answers that can win; what is not known says nothing. */
static void centre(const merge_candidate *candidates, int n, double *all)
{
    for (int f = 0; f < VOTE_FEATURES; f++) {
        double sum = 0;
        int known = 0;
        for (int a = 0; a < n; a++) {
            double v = all[a * VOTE_FEATURES + f];
            if (candidates[a].barred || !isfinite(v))
                continue;
            sum += v;
            known++;
        }
        for (int a = 0; a < n; a++) {
            double *v = &all[a * VOTE_FEATURES + f];
            *v = candidates[a].barred || !isfinite(*v) ? 0 : *v - sum / known;
        }
    }
}

int vote_features(const merging *m, const merge_candidate *candidates, const vote_readings *r,
                  double *out, error *err)
{
    int n = r->passes;
    word_list *words = calloc((size_t)n + 1, sizeof *words);
    describing d = {m, candidates, r, words, n};
    if (!words)
        return error_memory(err, "a vote");
    for (int a = 0; a < n; a++)
        list_words(candidates[a].text, candidates[a].len, &words[a]);
    if (m->question && list_question(m->question, &words[n], err)) {
        free(words);
        return -1;
    }
    memset(out, 0, (size_t)n * VOTE_FEATURES * sizeof *out);
    for (int a = 0; a < n; a++) {
        double *f = out + (size_t)a * VOTE_FEATURES;
        if (candidates[a].barred)
            continue;
        describe_readings(r, a, f);
        describe_words(&d, a, f);
        describe_short(&d, a, f);
        f[VOTE_ENDED] = m->parties[a].reply->stop == STOP_END;
    }
    centre(candidates, n, out);
    free(words);
    return 0;
}

/* ---- the rule without a verifier --------------------------------------------------------------- */

/* Differences of mean log-likelihoods below this are noise, not to be blown up. */
static const double NOISE = 0.05;

void vote_marks(const merge_candidate *candidates, const vote_readings *r, double *marks)
{
    double sum = 0, squares = 0;
    int known = 0;
    for (int a = 0; a < r->passes; a++) {
        marks[a] = 0;
        if (candidates[a].barred || isnan(r->question[a]))
            continue;
        sum += r->question[a];
        known++;
    }
    double mean = known ? sum / known : 0;
    for (int a = 0; a < r->passes; a++) {
        if (candidates[a].barred || isnan(r->question[a]))
            continue;
        marks[a] = r->question[a] - mean;
        squares += marks[a] * marks[a];
    }
    double spread = known ? fmax(sqrt(squares / known), NOISE) : NOISE;
    for (int a = 0; a < r->passes; a++)
        marks[a] /= spread;
}

int vote_describe(council *c, const council_round *round, double *out, bool *barred, error *err)
{
    const council_request *first = &round->requests[0];
    merging m = {.council = c, .round = round, .question = &first->messages[first->count - 1]};
    buf texts = {0};
    vote_readings readings = {0};
    merge_candidate *candidates =
        merge_each_pass(&m, err) ? NULL : merge_candidates(&m, &texts, err);
    int result = candidates ? vote_read(&m, candidates, VOTE_BY_FEATURES, &readings, err) : -1;
    if (!result)
        result = vote_features(&m, candidates, &readings, out, err);
    for (int a = 0; a < readings.passes && !result; a++)
        barred[a] = candidates[a].barred;
    vote_readings_release(&readings);
    buf_release(&texts);
    free(candidates);
    merge_release(&m);
    return result;
}
