/* merge_read.c - all that a vote reads, in common batches. See merge_reading.h.
 *
 * A text of the plain model is one sequence: a line end, the answer's beginning, two line ends, the
 * question. So the same rows say how likely the answer is without the question, and the question is with
 * the answer. A framed one has two other questions before the question, each on a line: behind code or
 * verse a question is a surprise, behind questions it is none, and what is left is what the answer says.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"
#include "merge_reading.h"

static const char FRAME_QUESTIONS[] =
    "What is the best way to do it?\nWho was the first to see the sea?\n";

enum { QUESTION_MOST = 16, JUDGED_LEAST = 4, FORETELLS_LEAST = 8 };

/* ---- how much is read -------------------------------------------------------------------------- */

/* Rows of answers that are read once by `readers`, each answer for at most `most` tokens. */
static long rows_of(const int *lengths, int passes, int readers, int most)
{
    long rows = 0;
    for (int a = 0; a < passes; a++)
        rows += (long)readers * (lengths[a] < most ? lengths[a] : most);
    return rows;
}

/* The most tokens of each, from `low` on, with which no more than `rows` are read. */
static int most_within(const int *lengths, int passes, int readers, int low, int high, long rows)
{
    while (low < high) {
        int middle = high - (high - low) / 2;
        if (rows_of(lengths, passes, readers, middle) <= rows)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

vote_budget merge_vote_budget(const vote_sizes *v)
{
    long written = 0, texts = 0;
    int longest = 0, others = v->judges - 1;
    for (int a = 0; a < v->passes; a++) {
        written += v->lengths[a];
        texts += v->lengths[a] > 0;
        longest = v->lengths[a] > longest ? v->lengths[a] : longest;
    }
    long rows = (12 * written) / 20 + (6 * (long)v->prompts) / 20;
    long least = rows_of(v->lengths, v->passes, others, JUDGED_LEAST);
    vote_budget b = {0};
    if (v->use != VOTE_BY_PEERS) {
        b.question = v->question < QUESTION_MOST ? v->question : QUESTION_MOST;
        long frames = texts * (b.question + v->frame);
        b.answer = most_within(v->lengths, v->passes, 1, FORETELLS_LEAST, longest,
                               (v->use == VOTE_BY_FIT ? rows - least : rows / 2) - frames);
        rows -= frames + rows_of(v->lengths, v->passes, 1, b.answer);
    }
    int most = v->use == VOTE_BY_PEERS || b.answer > longest ? longest : b.answer;
    b.judged = most_within(v->lengths, v->passes, others, JUDGED_LEAST, most, rows);
    b.whole = longest <= (v->use == VOTE_BY_FIT ? b.answer : b.judged);
    return b;
}

/* ---- requests ---------------------------------------------------------------------------------- */

/* All score requests of a vote: first the plain model's, then each judge's of each answer. */
typedef struct poll {
    const merging *merge;
    const merge_candidate *candidates; /* [passes] */
    vote_use use;
    int passes;      /* answers, one a party */
    int judge_count; /* passes of the council */
    tokens *texts;   /* [passes] the answers' tokens */
    tokens *plain;   /* [passes] what the plain model reads */
    tokens question;
    tokens frame; /* two line ends, and the questions of a framed text */
    vote_budget budget;
    score_request *requests; /* [count] */
    double *each;            /* of all of them */
    int count;
} poll;

static void close_poll(poll *p)
{
    for (int a = 0; a < p->passes; a++) {
        if (p->texts)
            tokens_release(&p->texts[a]);
        if (p->plain)
            tokens_release(&p->plain[a]);
    }
    tokens_release(&p->question);
    tokens_release(&p->frame);
    free(p->texts);
    free(p->plain);
    free(p->requests);
    free(p->each);
}

/* A pass that failed judges nothing, */
static bool judges(const poll *p, int j)
{
    return p->merge->round->replies[j].stop != STOP_ERROR;
}

/* Whether it is one of several behind an answer, which none of them gave. */
static bool is_of_group(const merge_party *a, int j)
{
    for (int k = 0; k < a->count && a->count > 1; k++)
        if (a->behind[k].pass == j)
            return true;
    return false;
}

/* and of an empty answer there is nothing to judge. */
static bool is_judged(const poll *p, int j, int a)
{
    return judges(p, j) && p->candidates[a].len > 0 && !is_of_group(&p->merge->parties[a], j);
}

static int choose_budget(poll *p, error *err)
{
    int n = p->passes, count = 0, prompts = 0;
    int *lengths = calloc((size_t)n, sizeof *lengths);
    if (!lengths)
        return error_memory(err, "a vote");
    int result = council_load_round(p->merge->council, p->merge->round, err);
    for (int i = 0; i < n && !result; i++)
        lengths[i] = (int)p->texts[i].len;
    for (int j = 0; j < p->judge_count && !result; j++) {
        prompts += (int)p->merge->council->passes[j]->prompt.len;
        count += judges(p, j);
    }
    p->budget = merge_vote_budget(&(vote_sizes){.lengths = lengths,
                                                .passes = n,
                                                .judges = count,
                                                .prompts = prompts,
                                                .question = (int)p->question.len,
                                                .frame = (int)p->frame.len + 1,
                                                .use = p->use});
    free(lengths);
    return result;
}

/* The end of the question, as everywhere: what is asked stands there. */
static int build_plain(poll *p, int a, error *err)
{
    const tokenizer *t = engine_tokenizer(council_engine(p->merge->council));
    tokens *out = &p->plain[a];
    size_t most = (size_t)p->budget.answer, asked = (size_t)p->budget.question;
    size_t n = p->texts[a].len < most ? p->texts[a].len : most;
    if (tokenizer_encode(t, "\n", 1, out, NULL, err))
        return -1;
    if (!out->len && tokens_append(out, p->texts[a].v, n > 0, err)) /* no line ends there */
        return -1;
    return tokens_append(out, p->texts[a].v, n, err) ||
                   tokens_append(out, p->frame.v, p->frame.len, err) ||
                   tokens_append(out, p->question.v + (p->question.len - asked), asked, err)
               ? -1
               : 0;
}

static void list_requests(poll *p)
{
    int n = p->passes;
    size_t used = 0;
    for (int a = 0; a < n; a++) {
        if (!p->plain[a].len)
            continue;
        p->requests[p->count++] = (score_request){.judge = SCORE_PLAIN,
                                                  .ids = p->plain[a].v,
                                                  .n = (int)p->plain[a].len,
                                                  .each = p->each + used};
        used += p->plain[a].len;
    }
    for (int j = 0; j < p->judge_count; j++) {
        for (int a = 0; a < n; a++) {
            int length = (int)p->texts[a].len;
            int most = length < p->budget.judged ? length : p->budget.judged;
            if (!is_judged(p, j, a))
                continue;
            p->requests[p->count++] = (score_request){
                .judge = j, .ids = p->texts[a].v, .n = most, .each = p->each + used};
            used += (size_t)most;
        }
    }
}

static int encode_texts(poll *p, error *err)
{
    const tokenizer *t = engine_tokenizer(council_engine(p->merge->council));
    const chat_message *q = p->merge->question;
    buf words = {0};
    int result = 0;
    for (int a = 0; a < p->passes && !result; a++)
        if (p->candidates[a].len)
            result = tokenizer_encode(t, p->candidates[a].text, p->candidates[a].len, &p->texts[a],
                                      NULL, err);
    if (!result && q)
        result = buf_mend(&words, q->text, q->len, err) ||
                 (words.len && tokenizer_encode(t, words.v, words.len, &p->question, NULL, err));
    if (!result)
        result = tokenizer_encode(t, "\n\n", 2, &p->frame, NULL, err);
    if (!result && p->use == VOTE_BY_FIT)
        result =
            tokenizer_encode(t, FRAME_QUESTIONS, strlen(FRAME_QUESTIONS), &p->frame, NULL, err);
    buf_release(&words);
    return result ? -1 : 0;
}

static int open_poll(poll *p, error *err)
{
    size_t n = (size_t)p->passes, judges = (size_t)p->judge_count, rows = 0;
    p->texts = calloc(n, sizeof *p->texts);
    p->plain = calloc(n, sizeof *p->plain);
    p->requests = calloc(n * (judges + 1), sizeof *p->requests);
    if (!p->texts || !p->plain || !p->requests)
        return error_memory(err, "a vote");
    if (encode_texts(p, err) || choose_budget(p, err))
        return -1;
    for (size_t a = 0; a < n; a++) {
        if (p->use != VOTE_BY_PEERS && p->candidates[a].len && build_plain(p, (int)a, err))
            return -1;
        rows += p->plain[a].len + judges * (size_t)p->budget.judged;
    }
    p->each = calloc(rows + 1, sizeof *p->each);
    if (!p->each)
        return error_memory(err, "a vote");
    list_requests(p);
    return 0;
}

/* ---- readings ---------------------------------------------------------------------------------- */

static double mean_of(const double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    return n > 0 ? sum / n : NAN;
}

static double spread_of(const double *v, int n, double mean)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return n > 0 ? sqrt(sum / n) : NAN;
}

static double least_of(const double *v, int n)
{
    double least = n > 0 ? v[0] : NAN;
    for (int i = 1; i < n; i++)
        least = fmin(least, v[i]);
    return least;
}

static void take_plain(const poll *p, const score_request *r, int a, vote_readings *out)
{
    int judged = out->lengths[a] < p->budget.judged ? out->lengths[a] : p->budget.judged;
    int read = r->read, asked = p->budget.question;
    out->plain[a] = judged <= read ? mean_of(r->each, judged) : NAN;
    out->question[a] = asked <= read ? mean_of(r->each + (read - asked), asked) : NAN;
}

/* What one pass found of each answer, by kind of figure. */
typedef struct findings {
    double *v; /* [3][answers][judges] */
    int answers, judges;
} findings;

static double *finding(const findings *f, int kind, int a)
{
    return f->v + (size_t)(kind * f->answers + a) * (size_t)f->judges;
}

static void take_judged(const poll *p, int at, const findings *f)
{
    for (int j = 0; j < f->judges; j++)
        for (int a = 0; a < f->answers; a++) {
            const score_request *r = is_judged(p, j, a) ? &p->requests[at++] : NULL;
            finding(f, 0, a)[j] = r ? r->mean : NAN;
            finding(f, 1, a)[j] = r ? least_of(r->each, r->read) : NAN;
            finding(f, 2, a)[j] = r ? spread_of(r->each, r->read, r->mean) : NAN;
        }
}

/* Each party's row of the table: the means of what those behind it found. */
static int take_rows(const poll *p, const findings *f, vote_readings *out, error *err)
{
    size_t n = (size_t)f->answers;
    double *column = calloc(n + 1, sizeof *column);
    double *tables[] = {out->scores, out->worst, out->spread};
    if (!column)
        return error_memory(err, "a vote");
    for (int kind = 0; kind < 3; kind++)
        for (int a = 0; a < f->answers; a++) {
            merge_by_party(p->merge, finding(f, kind, a), column);
            for (size_t j = 0; j < n; j++)
                tables[kind][j * n + (size_t)a] = column[j];
        }
    free(column);
    return 0;
}

/* What was read, in the order of list_requests(). Where nothing was: NaN. */
static int take_all(const poll *p, vote_readings *out, error *err)
{
    findings f = {.answers = p->passes, .judges = p->judge_count};
    int at = 0;
    for (int a = 0; a < f.answers; a++) {
        out->plain[a] = out->question[a] = NAN;
        if (p->plain[a].len)
            take_plain(p, &p->requests[at++], a, out);
    }
    f.v = calloc(3 * (size_t)f.answers * (size_t)f.judges + 1, sizeof *f.v);
    if (!f.v)
        return error_memory(err, "a vote");
    take_judged(p, at, &f);
    int result = take_rows(p, &f, out, err);
    free(f.v);
    return result;
}

static int open_readings(vote_readings *out, int passes, error *err)
{
    size_t n = (size_t)passes;
    *out = (vote_readings){.passes = passes};
    out->scores = calloc(n * n, sizeof *out->scores);
    out->worst = calloc(n * n, sizeof *out->worst);
    out->spread = calloc(n * n, sizeof *out->spread);
    out->plain = calloc(n, sizeof *out->plain);
    out->question = calloc(n, sizeof *out->question);
    out->lengths = calloc(n, sizeof *out->lengths);
    return out->scores && out->worst && out->spread && out->plain && out->question && out->lengths
               ? 0
               : error_memory(err, "a vote");
}

void vote_readings_release(vote_readings *r)
{
    free(r->scores);
    free(r->worst);
    free(r->spread);
    free(r->plain);
    free(r->question);
    free(r->lengths);
    *r = (vote_readings){0};
}

static void on_progress(void *user, int done, int total)
{
    council_emit_judge(user, done, total);
}

int vote_read(const merging *m, const merge_candidate *candidates, vote_use use, vote_readings *out,
              error *err)
{
    poll p = {.merge = m,
              .candidates = candidates,
              .use = use,
              .passes = m->count,
              .judge_count = council_passes(m->council)};
    int result = open_readings(out, p.passes, err) || open_poll(&p, err);
    if (!result)
        result = council_score_batch(m->council, m->round, p.requests, p.count, on_progress,
                                     m->council, err);
    out->budget = p.budget;
    for (int a = 0; a < p.passes && !result; a++)
        out->lengths[a] = (int)p.texts[a].len;
    if (!result)
        result = take_all(&p, out, err);
    close_poll(&p);
    return result ? -1 : 0;
}
