/* eval_run_merge.c - the merges of one slot, by the code that `ask` runs. See eval_run.h. */
#include <string.h>

#include "eval_run_state.h"

bool eval_run_joins(const eval_run *r)
{
    return eval_arms_have(r->arms, EVAL_MERGE);
}

/* An arm that does the same as an arm before it: auto and what it stands for. */
static int twin_of(const eval_run *r, int arm)
{
    for (int a = 0; a < arm; a++) {
        const eval_arm *other = &r->arms->v[a];
        if (other->kind == EVAL_MERGE && r->rounds[a] == r->rounds[arm] &&
            r->methods[a] == r->methods[arm])
            return a;
    }
    return -1;
}

static int personas_tokens(const eval_run *r, const eval_slot *s)
{
    int written = 0;
    for (int k = 0; k < r->persona_count; k++)
        written += (int)s->replies[r->of_persona[k]].ids.len;
    return written;
}

static void take_merge(const eval_run *r, const eval_slot *s, const turn_merge *m, eval_said *out)
{
    *out = (eval_said){.defined = true,
                       .tie = m->tie,
                       .text = m->text,
                       .chose = -1,
                       .won = m->winner,
                       .stop = m->stop,
                       .tokens = personas_tokens(r, s) + (int)m->ids.len};
}

/* What a merge that failed leaves: nothing is right in it. */
static int take_failure(eval_slot *s, const error *why, eval_said *out, error *err)
{
    *out = (eval_said){.defined = true, .chose = -1, .won = -1, .text = {"", 0}};
    out->failure = region_keep_text(&s->memory, why->text, err);
    return out->failure ? 0 : -1;
}

static int run_merge(eval_run *r, eval_slot *s, int arm, council *part, eval_said *out, error *err)
{
    const persona *chair = r->o.chair;
    council_round round = {s->requests, s->replies, r->o.council.prefill == PREFILL_SHARED};
    merge_options o = {.method = r->methods[arm],
                       .rounds = r->rounds[arm],
                       .evidence = r->evidence,
                       .seed = s->seed,
                       .max_tokens = r->o.council.max_tokens};
    turn_merge m;
    error why = {0};
    if (chair)
        o.chair = persona_instruction(chair, s->question.text, s->question.len);
    int result = merge_run(part, &round, &o, &s->memory, &m, &why);
    if (why.code == ERROR_CANCELLED || (!result && m.stop == STOP_INTERRUPTED))
        return error_set(err, ERROR_CANCELLED, "interrupted");
    if (result)
        return take_failure(s, &why, out, err);
    take_merge(r, s, &m, out);
    return 0;
}

int eval_run_merge(eval_run *r, eval_slot *s, int arm, error *err)
{
    int twin = twin_of(r, arm), who[EVAL_PERSONAS];
    double start = council_clock();
    if (s->item->kind == EVAL_CHOICE || r->methods[arm] == MERGE_NONE)
        return 0;
    if (twin >= 0) {
        s->said[arm] = s->said[twin];
        return 0;
    }
    for (int k = 0; k < r->persona_count; k++)
        who[k] = s->first + r->of_persona[k];
    council *part = council_part(r->council, who, r->persona_count, err);
    int result = part ? run_merge(r, s, arm, part, &s->said[arm], err) : -1;
    council_close(part);
    r->seconds[arm] += council_clock() - start;
    return result;
}
