/* eval_run_choose.c - choices: judged by single passes, joined by merges. See eval_run.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_run_state.h"

/* All scores of a group: by slot, pass and choice, in the order of their requests. */
typedef struct judging {
    eval_run *run;
    council_round round;     /* of all passes of the part */
    council_request *asked;  /* [passes of the part] */
    turn_answer *none;       /* the same: nobody has replied */
    int *who;                /* the same: passes of the whole */
    score_request *requests; /* [count] */
    tokens *ids;             /* [count], those of one slot's first pass; else empty */
    int passes, count;
} judging;

static int judged_passes(const eval_run *r)
{
    return r->draws >= 0 ? r->draws : r->passes; /* draws come last, and judge nothing */
}

static void release(judging *j)
{
    for (int i = 0; j->ids && i < j->count; i++)
        tokens_release(&j->ids[i]);
    free(j->asked);
    free(j->none);
    free(j->who);
    free(j->requests);
    free(j->ids);
}

static int open_judging(judging *j, eval_run *r, int slots, error *err)
{
    size_t passes = (size_t)slots * (size_t)r->passes + 1, count = passes * EVAL_CHOICES;
    *j = (judging){.run = r,
                   .asked = calloc(passes, sizeof *j->asked),
                   .none = calloc(passes, sizeof *j->none),
                   .who = calloc(passes, sizeof *j->who),
                   .requests = calloc(count, sizeof *j->requests),
                   .ids = calloc(count, sizeof *j->ids)};
    return j->asked && j->none && j->who && j->requests && j->ids
               ? 0
               : error_memory(err, "the choices");
}

/* The passes of a slot judge each of its choices. Where text is continued, a blank stands between. */
static int add_slot(judging *j, const eval_slot *s, error *err)
{
    const eval_run *r = j->run;
    const tokenizer *t = engine_tokenizer(r->o.engine);
    tokens *ids = &j->ids[j->count];
    for (int c = 0; c < s->item->choices.len; c++) {
        const char *text = s->item->choices.v[c];
        if (r->o.council.raw && tokenizer_encode(t, " ", 1, &ids[c], NULL, err))
            return -1;
        if (tokenizer_encode(t, text, strlen(text), &ids[c], NULL, err))
            return -1;
    }
    for (int p = 0; p < judged_passes(r); p++) {
        j->who[j->passes] = s->first + p;
        j->asked[j->passes] = s->requests[p];
        for (int c = 0; c < s->item->choices.len; c++)
            j->requests[j->count++] =
                (score_request){.judge = j->passes, .ids = ids[c].v, .n = (int)ids[c].len};
        j->passes++;
    }
    return 0;
}

static int best_of(const double *score, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (score[i] > score[best])
            best = i;
    return best;
}

/* scores [passes of the slot, choices] of sums; each arm's own by byte. */
static int take_slot(const eval_run *r, eval_slot *s, const score_request *scores, error *err)
{
    int n = s->item->choices.len;
    for (int a = 0; a < r->arms->count; a++) {
        const eval_arm *arm = &r->arms->v[a];
        int pass = arm->kind == EVAL_CONTROL   ? r->control
                   : arm->kind == EVAL_PERSONA ? r->of_persona[arm->persona]
                                               : -1;
        if (pass < 0)
            continue;
        double *score = region_take(&s->memory, (size_t)n * sizeof *score, err);
        if (!score)
            return -1;
        s->said[a] = (eval_said){.defined = true, .won = -1, .score = score};
        for (int c = 0; c < n; c++) {
            const score_request *q = &scores[pass * n + c];
            score[c] = q->mean * q->n / (double)strlen(s->item->choices.v[c]);
            s->said[a].tokens += q->n;
        }
        s->said[a].chose = best_of(score, n);
    }
    return 0;
}

/* ---- merges ------------------------------------------------------------------------------------ */

/* Of all personas, their arms asked for or not: sums of log-likelihoods [choices], by persona. */
static void keep_sums(const eval_run *r, eval_slot *s, const score_request *scores, double *sums)
{
    int n = s->item->choices.len;
    for (int k = 0; k < r->persona_count; k++)
        for (int c = 0; c < n; c++) {
            const score_request *q = &scores[r->of_persona[k] * n + c];
            sums[k * n + c] = q->mean * q->n;
        }
}

static double bytes_of(const eval_slot *s, int choice)
{
    return (double)strlen(s->item->choices.v[choice]);
}

/* ln of the mean likelihood over the personas, by byte. */
static void blend(const eval_slot *s, const double *sums, int personas, double *score)
{
    int n = s->item->choices.len;
    for (int c = 0; c < n; c++) {
        double most = -INFINITY, sum = 0;
        for (int k = 0; k < personas; k++)
            most = fmax(most, sums[k * n + c]);
        for (int k = 0; k < personas; k++)
            sum += exp(sums[k * n + c] - most);
        score[c] = (most + log(sum / personas)) / bytes_of(s, c);
    }
}

/* Whose answer `best` takes, or -1. */
static int best_persona(const eval_run *r)
{
    const char *name = r->evidence ? evidence_best_persona(r->evidence) : NULL;
    for (int k = 0; name && k < r->persona_count; k++)
        if (strcmp(r->personas[k], name) == 0)
            return k;
    return -1;
}

static void by_byte(const eval_slot *s, const double *sums, double *score)
{
    for (int c = 0; c < s->item->choices.len; c++)
        score[c] = sums[c] / bytes_of(s, c);
}

/* The choice that most personas make; of several, and where none has two, that with the best mean. */
static void vote(const eval_slot *s, const double *sums, int personas, double *score,
                 eval_said *out)
{
    int n = s->item->choices.len, most = 0, picks[EVAL_CHOICES] = {0};
    for (int k = 0; k < personas; k++) {
        double own[EVAL_CHOICES];
        by_byte(s, sums + (size_t)k * (size_t)n, own);
        picks[best_of(own, n)]++;
        for (int c = 0; c < n; c++)
            score[c] += own[c] / personas;
    }
    for (int c = 0; c < n; c++)
        most = picks[c] > most ? picks[c] : most;
    out->chose = -1;
    for (int c = 0; c < n; c++)
        if (picks[c] == most && (out->chose < 0 || score[c] > score[out->chose]))
            out->chose = c;
}

static int join(const eval_run *r, eval_slot *s, const score_request *scores, error *err)
{
    size_t n = (size_t)s->item->choices.len;
    double *sums = region_take(&s->memory, n * (size_t)r->persona_count * sizeof *sums, err);
    if (!sums)
        return -1;
    keep_sums(r, s, scores, sums);
    for (int a = 0; a < r->arms->count; a++) {
        const char *method = eval_run_method(r, a);
        bool votes = strcmp(method, "vote") == 0, best = strcmp(method, "best") == 0;
        if (r->arms->v[a].kind != EVAL_MERGE || !(votes || best || strcmp(method, "blend") == 0))
            continue;
        double *score = region_take(&s->memory, n * sizeof *score, err);
        if (!score)
            return -1;
        s->said[a] = (eval_said){.defined = true, .won = -1, .score = score};
        if (best && best_persona(r) >= 0) {
            by_byte(s, sums + (size_t)best_persona(r) * n, score);
            s->said[a].chose = best_of(score, (int)n);
        } else if (votes) {
            vote(s, sums, r->persona_count, score, &s->said[a]);
        } else {
            blend(s, sums, r->persona_count, score);
            s->said[a].chose = best_of(score, (int)n);
        }
        for (int i = 0; i < r->persona_count * (int)n; i++)
            s->said[a].tokens += scores[i].n;
    }
    return 0;
}

/* ---- public ------------------------------------------------------------------------------------ */

static int judge_all(judging *j, error *err)
{
    council *part = council_part(j->run->council, j->who, j->passes, err);
    j->round = (council_round){.requests = j->asked, .replies = j->none};
    int result =
        part ? council_score_batch(part, &j->round, j->requests, j->count, NULL, NULL, err) : -1;
    council_close(part);
    return result;
}

int eval_run_choose(eval_run *r, eval_slot *slots, int n, error *err)
{
    judging j;
    double start = council_clock();
    int result = open_judging(&j, r, n, err), at = 0;
    for (int i = 0; i < n && !result; i++)
        if (slots[i].item->kind == EVAL_CHOICE)
            result = add_slot(&j, &slots[i], err);
    if (!result && j.passes)
        result = judge_all(&j, err);
    for (int i = 0; i < n && !result && j.passes; i++) {
        if (slots[i].item->kind != EVAL_CHOICE)
            continue;
        result = take_slot(r, &slots[i], &j.requests[at], err);
        if (!result && eval_run_joins(r))
            result = join(r, &slots[i], &j.requests[at], err);
        at += judged_passes(r) * slots[i].item->choices.len;
    }
    double each = j.passes ? (council_clock() - start) / judged_passes(r) : 0;
    for (int a = 0; a < r->arms->count && !result; a++) {
        eval_arm_kind kind = r->arms->v[a].kind;
        r->seconds[a] += kind == EVAL_MERGE                             ? each * r->persona_count
                         : kind == EVAL_CONTROL || kind == EVAL_PERSONA ? each
                                                                        : 0;
    }
    release(&j);
    return result;
}
