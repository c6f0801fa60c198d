/* council_score.c - how likely is this answer, for that pass?
 *
 * A text is read as the pass's answer to its request, teacher-forced, on a branch of the pass's
 * session: the prompt's pages are shared, the session itself is left alone. Requests of all judges
 * go into the same batches, as many rows at a time as take a few tenths of a second, so that the
 * weights are read once for all of them, progress is told and Ctrl-C is heard. A row's numbers do
 * not depend on the rest of its batch, so neither do the scores.
 *
 * A text that the plain model reads on its own has a session of its own, from its first token on.
 *
 * What a pass has written itself it need not read: how likely each token was stands in its reply
 * (council_options.keep_logprobs), bit for bit what reading it would give, as long as prompt and
 * program are those under which it was said.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "council_state.h"

enum {
    ROWS_FIRST = 64, /* of the first batch; later ones by the clock */
    ROWS_LEAST = 16,
};
static const double BATCH_SHORT = 0.15, BATCH_LONG = 0.6; /* seconds */

/* One request on its way: rows of ids [rows + 1], each followed by the next. */
typedef struct job {
    score_request *request;
    const int *ids; /* the first is at `from` */
    int *own;       /* where ids lie when they are put together here */
    int from, rows, done;
    session *branch; /* from its first row to its last; the plain model's own session */
    double sum;
} job;

typedef struct scoring {
    council *council;
    const council_round *round;
    progress_fn *progress; /* may be NULL */
    void *user;
    job *jobs;         /* [count] */
    step *steps;       /* [count] of a batch, */
    step_score *asked; /* [count] and what is asked of each */
    int *working;      /* [count] whose steps they are */
    double *logprob;   /* [max_rows] */
    int count;
    int rows; /* of the next batch */
    int done, total;
} scoring;

/* ---- what is read ------------------------------------------------------------------------------ */

/* The end of the question alone: what came before it is not the same for all judges. */
static int open_question(const scoring *g, job *j, const pass *p, error *err)
{
    const council_request *r = &g->round->requests[j->request->judge];
    int n = (int)p->prompt.len, start = 0;
    if (council_question_start(g->council, r, g->round->shared, &p->prompt, &start, err))
        return -1;
    start = start > 0 ? start - 1 : 0; /* the token that the first one of the question follows */
    start = n - 1 - start > j->request->n ? n - 1 - j->request->n : start;
    j->from = start;
    j->rows = n - 1 - start;
    j->ids = p->prompt.v + start;
    return 0;
}

/* Behind all of the prompt but its last token; that one is read with the answer. */
static int open_answer(const council *c, job *j, const pass *p, error *err)
{
    int last = (int)p->prompt.len - 1, room = c->options.context - last - 1;
    j->from = last;
    j->rows = j->request->n < room ? j->request->n : room;
    j->own = malloc(((size_t)j->rows + 1) * sizeof *j->own);
    if (!j->own)
        return error_memory(err, "a vote");
    j->own[0] = p->prompt.v[last];
    for (int i = 0; i < j->rows; i++)
        j->own[i + 1] = j->request->ids[i];
    j->ids = j->own;
    return 0;
}

/* A text and nothing else. */
static void open_plain(const council *c, job *j)
{
    int most = j->request->n < c->options.context ? j->request->n : c->options.context;
    j->ids = j->request->ids;
    j->rows = most > 0 ? most - 1 : 0;
}

/* Its own words under its own program, as it wrote them: their log-probabilities are known. */
static bool knows_logprobs(const scoring *g, const job *j, const pass *p)
{
    const turn_answer *r = &g->round->replies[j->request->judge];
    size_t n = (size_t)j->rows;
    bool known = j->own && r->logprobs && !r->thought.len && r->ids.len >= n &&
                 g->council->options.keep_logprobs;
    if (!known || p->program_start >= (int)p->prompt.len)
        return false;
    uint64_t program = p->program ? router_program_hash(p->program) : 0;
    return r->program == program && r->prompt_hash == pass_prompt_hash(p) &&
           memcmp(r->ids.v, j->own + 1, n * sizeof(int)) == 0;
}

/* What the next n rows of a job came to. */
static void add_logprobs(job *j, const double *logprobs, int n)
{
    for (int i = 0; i < n; i++)
        j->sum += logprobs[i];
    if (j->request->each)
        memcpy(j->request->each + j->done, logprobs, (size_t)n * sizeof *logprobs);
    j->done += n;
}

static int open_jobs(scoring *g, score_request *requests, error *err)
{
    council *c = g->council;
    for (int i = 0; i < g->count; i++) {
        job *j = &g->jobs[i];
        j->request = &requests[i];
        if (requests[i].judge == SCORE_PLAIN) {
            open_plain(c, j);
            g->total += j->rows;
            continue;
        }
        pass *p = c->passes[requests[i].judge];
        /* Branches of a session forbid that it is changed: it holds its prompt before any is made. */
        if (council_hold_prompt(p, (int)p->prompt.len - 1, err) ||
            (requests[i].ids ? open_answer(c, j, p, err) : open_question(g, j, p, err)))
            return -1;
        if (knows_logprobs(g, j, p))
            add_logprobs(j, g->round->replies[requests[i].judge].logprobs, j->rows);
        g->total += j->rows - j->done;
    }
    return 0;
}

/* ---- batches ----------------------------------------------------------------------------------- */

static session *open_branch(const council *c, const job *j, error *err)
{
    if (j->request->judge == SCORE_PLAIN)
        return session_open(c->engine, j->rows, c->options.kv, err);
    const pass *p = c->passes[j->request->judge];
    return session_branch(p->session, j->from, j->rows, p->program, err);
}

/* Takes rows of one job into the batch, at most `room`; returns how many, or -1. */
static int take(scoring *g, job *j, int step_number, int used, int room, error *err)
{
    int rest = j->rows - j->done, n = rest < room ? rest : room;
    if (!j->branch && !(j->branch = open_branch(g->council, j, err)))
        return -1;
    g->steps[step_number] = (step){j->branch, j->ids + j->done, n, LOGITS_NONE, NULL};
    g->asked[step_number] = (step_score){j->ids + j->done + 1, g->logprob + used};
    return n;
}

static void account(scoring *g, int steps)
{
    for (int i = 0; i < steps; i++) {
        const step *s = &g->steps[i];
        job *j = &g->jobs[g->working[i]];
        add_logprobs(j, g->asked[i].logprob, s->n);
        if (j->done < j->rows)
            continue;
        session_close(j->branch);
        j->branch = NULL;
    }
}

/* Reads one batch of what is left; how long it took says how large the next one may be. */
static int run_batch(scoring *g, int first, error *err)
{
    engine *e = g->council->engine;
    int used = 0, steps = 0;
    double start = council_clock();
    for (int i = first; i < g->count && used < g->rows; i++) {
        if (g->jobs[i].done == g->jobs[i].rows)
            continue;
        int n = take(g, &g->jobs[i], steps, used, g->rows - used, err);
        if (n < 0)
            return -1;
        g->working[steps++] = i;
        used += n;
    }
    if (engine_score(e, g->steps, g->asked, steps, err))
        return -1;
    account(g, steps);
    g->done += used;
    double took = council_clock() - start;
    if (took < BATCH_SHORT && 2 * g->rows <= engine_max_rows(e))
        g->rows *= 2;
    else if (took > BATCH_LONG && g->rows / 2 >= ROWS_LEAST)
        g->rows /= 2;
    return 0;
}

static void emit_progress(const scoring *g)
{
    if (g->progress)
        g->progress(g->user, g->done, g->total);
}

static int run(scoring *g, error *err)
{
    for (int first = 0; first < g->count;) {
        emit_progress(g);
        if (g->done < g->total && run_batch(g, first, err))
            return -1;
        while (first < g->count && g->jobs[first].done == g->jobs[first].rows)
            first++;
    }
    emit_progress(g);
    return 0;
}

/* ---- public ------------------------------------------------------------------------------------ */

static int open_scoring(scoring *g, error *err)
{
    size_t count = (size_t)g->count, rows = (size_t)engine_max_rows(g->council->engine);
    g->rows = ROWS_FIRST < (int)rows ? ROWS_FIRST : (int)rows;
    g->jobs = calloc(count + 1, sizeof *g->jobs);
    g->steps = calloc(count + 1, sizeof *g->steps);
    g->asked = calloc(count + 1, sizeof *g->asked);
    g->working = calloc(count + 1, sizeof *g->working);
    g->logprob = calloc(rows, sizeof *g->logprob);
    return g->jobs && g->steps && g->asked && g->working && g->logprob
               ? 0
               : error_memory(err, "a vote");
}

static void close_scoring(scoring *g)
{
    for (int i = 0; g->jobs && i < g->count; i++) {
        session_close(g->jobs[i].branch);
        free(g->jobs[i].own);
    }
    free(g->jobs);
    free(g->steps);
    free(g->asked);
    free(g->working);
    free(g->logprob);
}

int council_score_batch(council *c, const council_round *round, score_request *requests, int n,
                        progress_fn *progress, void *user, error *err)
{
    scoring g = {.council = c, .round = round, .progress = progress, .user = user, .count = n};
    int result = open_scoring(&g, err);
    if (!result)
        result = council_load_round(c, round, err);
    if (!result)
        result = open_jobs(&g, requests, err);
    if (!result)
        result = run(&g, err);
    for (int i = 0; i < n && !result; i++) {
        requests[i].read = g.jobs[i].rows;
        requests[i].mean = g.jobs[i].rows ? g.jobs[i].sum / g.jobs[i].rows : 0;
    }
    close_scoring(&g);
    return result;
}
