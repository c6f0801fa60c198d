/* eval_run_ask.c - the passes answer; the control corrects itself; draws are counted. See eval_run.h. */
#include <stdlib.h>
#include <string.h>

#include "eval_run_state.h"

static const char CHECK[] =
    "Check your answer for mistakes. If it is right, say it again; if it is "
    "wrong, give the right one.";

/* ERROR_CANCELLED when a reply was interrupted. */
static int check_reply(const turn_answer *a, error *err)
{
    if (a->stop != STOP_INTERRUPTED)
        return 0;
    return error_set(err, ERROR_CANCELLED, "interrupted");
}

/* A reply as what an arm says. */
static void take_reply(const turn_answer *a, eval_said *out)
{
    *out = (eval_said){.defined = true,
                       .chose = -1,
                       .won = -1,
                       .text = a->text,
                       .tokens = (int)a->ids.len,
                       .stop = a->stop,
                       .failure = a->failure};
}

/* ---- first answers ----------------------------------------------------------------------------- */

/* Passes of several slots that are asked together. */
typedef struct party {
    int *who; /* [n] passes of the council */
    council_request *requests;
    turn_answer **replies; /* [n] where their answers go */
    region **memory;
    int n;
} party;

static void release_party(party *p)
{
    free(p->who);
    free(p->requests);
    free(p->replies);
    free(p->memory);
}

static int open_party(party *p, size_t most, error *err)
{
    *p = (party){.who = calloc(most + 1, sizeof *p->who),
                 .requests = calloc(most + 1, sizeof *p->requests),
                 .replies = calloc(most + 1, sizeof(turn_answer *)),
                 .memory = calloc(most + 1, sizeof(region *))};
    return p->who && p->requests && p->replies && p->memory ? 0 : error_memory(err, "the answers");
}

static void join(party *p, int pass, const council_request *request, turn_answer *reply,
                 region *memory)
{
    p->who[p->n] = pass;
    p->requests[p->n] = *request;
    p->replies[p->n] = reply;
    p->memory[p->n++] = memory;
}

/* *seconds and *written (tokens): what it took, over all. */
static int ask_party(eval_run *r, party *p, double *seconds, size_t *written, error *err)
{
    *seconds = 0;
    *written = 0;
    if (!p->n)
        return 0;
    council *part = council_part(r->council, p->who, p->n, err);
    double start = council_clock();
    int result = part ? council_ask(part, p->requests, err) : -1;
    for (int i = 0; i < p->n && !result; i++) {
        const turn_answer *a = council_answer(part, i);
        result = check_reply(a, err) || turn_answer_copy(p->memory[i], a, p->replies[i], err);
        *written += a->ids.len;
    }
    *seconds = council_clock() - start;
    council_close(part);
    return result ? -1 : 0;
}

static void report_tokens(eval_run *r, const eval_slot *slots, int n, double seconds, size_t all)
{
    double each = seconds / (double)(all ? all : 1);
    for (int i = 0; i < n; i++) {
        const eval_slot *s = &slots[i];
        if (s->item->kind == EVAL_CHOICE)
            continue;
        double personas = 0, draws = 0;
        for (int k = 0; k < r->persona_count; k++) {
            int arm = eval_arms_persona(r->arms, k), pass = r->of_persona[k];
            double took = pass < 0 ? 0 : each * (double)s->replies[pass].ids.len;
            personas += took;
            if (arm >= 0)
                r->seconds[arm] += took;
            if (r->draws >= 0)
                draws += each * (double)s->replies[r->draws + k].ids.len;
        }
        double control = r->control < 0 ? 0 : each * (double)s->replies[r->control].ids.len;
        for (int a = 0; a < r->arms->count; a++) {
            eval_arm_kind kind = r->arms->v[a].kind;
            r->seconds[a] += kind == EVAL_MERGE                                ? personas
                             : kind == EVAL_CONSISTENCY                        ? draws
                             : kind == EVAL_CONTROL || kind == EVAL_CORRECTION ? control
                                                                               : 0;
        }
    }
}

/* What single passes have said is what their arms say. */
static void take_singles(const eval_run *r, eval_slot *s)
{
    for (int a = 0; a < r->arms->count; a++) {
        const eval_arm *arm = &r->arms->v[a];
        int pass = arm->kind == EVAL_CONTROL   ? r->control
                   : arm->kind == EVAL_PERSONA ? r->of_persona[arm->persona]
                                               : -1;
        if (pass >= 0)
            take_reply(&s->replies[pass], &s->said[a]);
    }
}

int eval_run_ask(eval_run *r, eval_slot *slots, int n, error *err)
{
    party p;
    double seconds = 0;
    size_t written = 0;
    int result = open_party(&p, (size_t)n * (size_t)r->passes, err);
    for (int i = 0; i < n && !result; i++)
        for (int k = 0; k < r->passes && slots[i].item->kind != EVAL_CHOICE; k++)
            join(&p, slots[i].first + k, &slots[i].requests[k], &slots[i].replies[k],
                 &slots[i].memory);
    if (!result)
        result = ask_party(r, &p, &seconds, &written, err);
    if (!result)
        report_tokens(r, slots, n, seconds, written);
    for (int i = 0; i < n && !result; i++)
        if (slots[i].item->kind != EVAL_CHOICE)
            take_singles(r, &slots[i]);
    release_party(&p);
    return result;
}

/* ---- correction -------------------------------------------------------------------------------- */

static council_request again(const eval_run *r, eval_slot *s)
{
    council_request request = s->requests[r->control];
    const turn_answer *said = &s->replies[r->control];
    s->again[0] = s->question;
    s->again[1] = (chat_message){CHAT_ASSISTANT, said->text.v, said->text.len};
    s->again[2] = (chat_message){CHAT_USER, CHECK, sizeof CHECK - 1};
    request.messages = s->again;
    request.count = 3;
    return request;
}

/* An answer that failed, or said nothing, cannot be checked: it stays. */
static bool can_check(const eval_run *r, const eval_slot *s)
{
    return s->item->kind != EVAL_CHOICE && s->replies[r->control].stop != STOP_ERROR &&
           s->replies[r->control].text.len > 0;
}

int eval_run_correct(eval_run *r, eval_slot *slots, int n, int arm, error *err)
{
    party p;
    double seconds = 0;
    size_t written = 0;
    turn_answer *second = calloc((size_t)n, sizeof *second);
    int result = open_party(&p, (size_t)n, err);
    if (!second)
        result = error_memory(err, "the answers");
    for (int i = 0; i < n && !result; i++) {
        if (!can_check(r, &slots[i]))
            continue;
        council_request request = again(r, &slots[i]);
        join(&p, slots[i].first + r->control, &request, &second[i], &slots[i].memory);
    }
    if (!result)
        result = ask_party(r, &p, &seconds, &written, err);
    for (int i = 0; i < n && !result; i++) {
        eval_slot *s = &slots[i];
        if (s->item->kind == EVAL_CHOICE)
            continue;
        take_reply(can_check(r, s) ? &second[i] : &s->replies[r->control], &s->said[arm]);
        if (can_check(r, s))
            s->said[arm].tokens += (int)s->replies[r->control].ids.len;
    }
    r->seconds[arm] += seconds;
    free(second);
    release_party(&p);
    return result;
}

/* ---- draws ------------------------------------------------------------------------------------- */

/* The most frequent short answer; of equally frequent ones the one that was drawn first. Keys have no
 * part in it. */
int eval_run_count_draws(eval_run *r, eval_slot *s, int arm, error *err)
{
    int n = r->persona_count, best = 0, most = 0, written = 0;
    char(*value)[EVAL_VALUE] = calloc((size_t)n, sizeof *value);
    int result = value ? 0 : error_memory(err, "the answers");
    if (s->item->kind == EVAL_CHOICE) {
        free(value);
        return result;
    }
    for (int i = 0; i < n && !result; i++) {
        const turn_answer *a = &s->replies[r->draws + i];
        result = eval_match_short(a->text.v, a->text.len, value[i], err);
        written += (int)a->ids.len;
    }
    for (int i = 0; i < n && !result; i++) {
        int same = 0;
        for (int k = 0; k < n; k++)
            same += strcmp(value[i], value[k]) == 0;
        if (same > most) {
            most = same;
            best = i;
        }
    }
    if (!result) {
        take_reply(&s->replies[r->draws + best], &s->said[arm]);
        s->said[arm].tokens = written;
    }
    free(value);
    return result;
}
