/* eval_run.c - see eval_run.h: the plan, the groups, the record.
 *
 * The council is opened once, with all passes of all slots; a group takes the next items of the plan
 * into the slots, and what it comes to is written (eval_run_record.c) before the next one begins.
 * Each slot is a table of its own (pass_options.table), so its passes have the names, and the random
 * numbers, that they have in `ask`.
 */
#include "eval_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "eval_run_state.h"

static const uint64_t SEED_MASK = ((uint64_t)1 << 53) - 1;

const eval_results *eval_run_results(const eval_run *r)
{
    return &r->results;
}

size_t eval_run_skipped(const eval_run *r)
{
    return r->skipped;
}

const char *eval_run_method(const eval_run *r, int arm)
{
    return r->arms->v[arm].kind == EVAL_MERGE ? merge_name(r->methods[arm]) : "";
}

/* share: part of the group that is done. */
static void progress(eval_run *r, double share)
{
    double all = (double)r->results.planned, done = (double)r->results.done;
    double group = all - done < r->slots ? all - done : r->slots;
    if (r->o.progress)
        r->o.progress(r->o.user, r->results.done, r->results.planned,
                      all > 0 ? (done + share * group) / all : 1);
}

/* ---- the plan ---------------------------------------------------------------------------------- */

static int make_plan(eval_run *r, error *err)
{
    r->plan = calloc(r->set->len + 1, sizeof *r->plan);
    if (!r->plan)
        return error_memory(err, "the plan");
    for (size_t i = 0; i < r->set->len; i++) {
        const eval_item *item = &r->set->v[i];
        if (!eval_split_has(r->o.split, item))
            continue;
        if (item->kind == EVAL_PROGRAM && !r->o.code)
            r->skipped++;
        else
            r->plan[r->results.planned++] = i;
    }
    if (r->results.planned)
        return 0;
    return error_set(err, ERROR_USAGE, "there is nothing to ask: %zu items need --run-code%s",
                     r->skipped, r->o.split == EVAL_ALL ? "" : ", the others are not in --split");
}

/* ---- who answers ------------------------------------------------------------------------------- */

/* The passes of a slot; what is not needed is not there. */
static int choose_passes(eval_run *r, error *err)
{
    int seats = roster_seats(r->o.roster);
    bool joins = eval_run_joins(r);
    r->persona_count = seats - 1;
    r->control = r->draws = -1;
    if (r->persona_count > EVAL_PERSONAS)
        return error_set(err, ERROR_USAGE, "more than %d personas", EVAL_PERSONAS);
    for (int k = 0; k < r->persona_count; k++) {
        r->personas[k] = roster_seat(r->o.roster, k)->name;
        r->of_persona[k] = joins || eval_arms_persona(r->arms, k) >= 0 ? r->passes++ : -1;
    }
    if (eval_arms_have(r->arms, EVAL_CONTROL) || eval_arms_have(r->arms, EVAL_CORRECTION))
        r->control = r->passes++;
    if (eval_arms_have(r->arms, EVAL_CONSISTENCY)) {
        r->draws = r->passes;
        r->passes += r->persona_count;
    }
    return 0;
}

/* The seat that a pass of a slot sits in. */
static int seat_of(const eval_run *r, int pass)
{
    for (int k = 0; k < r->persona_count; k++)
        if (r->of_persona[k] == pass)
            return k;
    return r->persona_count;
}

static int add_pass(eval_run *r, int slot, int pass, error *err)
{
    char draw[32];
    pass_options o = roster_pass(r->o.roster, seat_of(r, pass));
    o.table = slot;
    if (r->draws >= 0 && pass >= r->draws) {
        (void)snprintf(draw, sizeof draw, "draw %d", pass - r->draws + 1);
        o.name = draw;
        o.sampling = r->o.drawn;
    }
    return council_add(r->council, &o, err) < 0 ? -1 : 0;
}

/* ---- room -------------------------------------------------------------------------------------- */

static council_request request_of(const eval_run *r, int pass, const chat_message *question,
                                  uint64_t seed)
{
    return (council_request){.instruction = roster_instruction(r->o.roster, seat_of(r, pass),
                                                               question->text, question->len),
                             .messages = question,
                             .count = 1,
                             .seed = seed};
}

/* *longest = tokens of the longest prompt of all items. */
static int measure_prompts(eval_run *r, int *longest, error *err)
{
    council_request *requests = calloc((size_t)r->passes + 1, sizeof *requests);
    int result = requests ? 0 : error_memory(err, "the questions");
    *longest = 0;
    for (size_t i = 0; i < r->results.planned && !result; i++) {
        const eval_item *item = &r->set->v[r->plan[i]];
        chat_message question = {CHAT_USER, item->question, strlen(item->question)};
        int n = 0;
        for (int p = 0; p < r->passes; p++)
            requests[p] = request_of(r, p, &question, 0);
        result = council_longest(r->council, requests, &n, err);
        *longest = n > *longest ? n : *longest;
        if (!result && n + 1 > r->o.council.context)
            result = error_set(err, ERROR_CONTEXT,
                               "item %.60s: the prompt has %d tokens; the context holds %d",
                               item->id, n, r->o.council.context);
    }
    free(requests);
    return result;
}

/* Room for what may be said: nothing that a merge quotes need be cut, where the context allows it. A choice
 * is no longer than its bytes. */
static int room_for(const eval_run *r, int longest)
{
    enum { WORDS_BETWEEN = 128 };
    int most = r->o.council.max_tokens, turns = 1;
    size_t choice = 0;
    for (size_t i = 0; i < r->results.planned; i++) {
        const eval_words *w = &r->set->v[r->plan[i]].choices;
        for (int c = 0; c < w->len; c++)
            choice = strlen(w->v[c]) > choice ? strlen(w->v[c]) : choice;
    }
    if (eval_arms_have(r->arms, EVAL_CORRECTION))
        turns = 2;
    for (int a = 0; a < r->arms->count; a++) {
        const eval_arm *arm = &r->arms->v[a];
        int quoted =
            arm->kind == EVAL_MERGE && arm->method != MERGE_VOTE && arm->method != MERGE_BLEND
                ? r->persona_count + 1
                : 1;
        int all = arm->method == MERGE_DEBATE ? 1 + arm->rounds * quoted : 1 + quoted;
        turns = quoted > 1 && all > turns ? all : turns;
        turns = quoted > 1 && turns < 4 ? 4 : turns; /* merge_reserve() takes a quarter */
    }
    int64_t room = (int64_t)longest + (int64_t)turns * most + (int64_t)choice + WORDS_BETWEEN;
    return room < r->o.council.context ? (int)room : r->o.council.context;
}

static int open_council(eval_run *r, int slots, const council_options *options, error *err)
{
    council_close(r->council);
    r->council = council_open(r->o.engine, options, err);
    for (int s = 0; r->council && s < slots; s++)
        for (int p = 0; p < r->passes; p++)
            if (add_pass(r, s, p, err))
                return -1;
    return r->council ? 0 : -1;
}

/* First one slot with little room, to measure the prompts; then all of them. */
static int seat_all(eval_run *r, error *err)
{
    council_options o = r->o.council;
    uint64_t bytes;
    int longest;
    if (o.prefill == PREFILL_AUTO)
        o.prefill = PREFILL_OWN; /* else it would depend on who shares the batch */
    r->o.council.prefill = o.prefill;
    council_options small = o;
    small.context = 1;
    if (open_council(r, 1, &small, err) || measure_prompts(r, &longest, err))
        return -1;
    o.context = r->o.council.context = room_for(r, longest);
    bytes = engine_kv_bytes(r->o.engine, o.context, o.kv) * (uint64_t)r->passes;
    r->slots = EVAL_TOGETHER / r->passes;
    if (bytes && (uint64_t)r->slots > EVAL_KV_BYTES / bytes)
        r->slots = (int)(EVAL_KV_BYTES / bytes);
    if ((size_t)r->slots > r->results.planned)
        r->slots = (int)r->results.planned;
    if (r->slots < 1)
        r->slots = 1;
    return open_council(r, r->slots, &o, err);
}

/* ---- what auto is ------------------------------------------------------------------------------ */

static bool goes_by_evidence(const eval_arm *a)
{
    return a->kind == EVAL_MERGE && (a->method == MERGE_AUTO || a->method == MERGE_BEST);
}

/* By the evidence for the personas of a slot. */
static int decide_methods(eval_run *r, error *err)
{
    int who[EVAL_PERSONAS], result = 0;
    council *part = NULL;
    for (int a = 0; a < r->arms->count; a++) {
        r->methods[a] = r->arms->v[a].method;
        r->rounds[a] = r->arms->v[a].rounds;
        if (!result && !part && goes_by_evidence(&r->arms->v[a])) {
            for (int k = 0; k < r->persona_count; k++)
                who[k] = r->of_persona[k];
            part = council_part(r->council, who, r->persona_count, err);
            result = !part || evidence_table_find(r->o.engine, &r->evidence, NULL, err) ? -1 : 0;
        }
        if (part && goes_by_evidence(&r->arms->v[a]) && r->methods[a] == MERGE_AUTO && !result)
            r->methods[a] = merge_chosen(part, r->evidence, &r->rounds[a]);
    }
    council_close(part);
    return result;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int check_model(const eval_options *o, error *err)
{
    if (!engine_tokenizer(o->engine))
        return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer",
                         checkpoint_path(engine_checkpoint(o->engine)));
    return 0;
}

static int fill(eval_run *r, error *err)
{
    if (check_model(&r->o, err) || make_plan(r, err) || choose_passes(r, err))
        return -1;
    r->results.set = r->set;
    r->results.arms = r->arms;
    r->results.personas = r->personas;
    r->results.persona_count = r->persona_count;
    r->results.plan = r->plan;
    return eval_results_open(&r->results, err) || seat_all(r, err) || decide_methods(r, err) ? -1
                                                                                             : 0;
}

eval_run *eval_run_open(const eval_options *o, const eval_set *set, const eval_arms *arms,
                        error *err)
{
    eval_run *r = calloc(1, sizeof *r);
    if (!r) {
        (void)error_memory(err, "the evaluation");
        return NULL;
    }
    r->o = *o;
    r->set = set;
    r->arms = arms;
    if (fill(r, err) == 0)
        return r;
    eval_run_close(r);
    return NULL;
}

void eval_run_close(eval_run *r)
{
    if (!r)
        return;
    council_close(r->council);
    eval_record_close(r->record);
    eval_results_release(&r->results);
    free(r->evidence);
    free(r->plan);
    free(r);
}

/* ---- groups ------------------------------------------------------------------------------------ */

static void release_slots(eval_slot *slots, int n)
{
    for (int i = 0; slots && i < n; i++)
        region_release(&slots[i].memory);
    free(slots);
}

static int fill_slot(const eval_run *r, eval_slot *s, int number, error *err)
{
    const eval_item *item = &r->set->v[r->plan[r->results.done + (size_t)number]];
    uint64_t hash = hash_bytes(HASH_START, &r->o.seed, sizeof r->o.seed);
    *s = (eval_slot){.item = item, .first = number * r->passes};
    s->seed = hash_bytes(hash, item->id, strlen(item->id)) & SEED_MASK;
    s->question = (chat_message){CHAT_USER, item->question, strlen(item->question)};
    s->requests = region_take(&s->memory, (size_t)r->passes * sizeof *s->requests, err);
    s->replies = region_take(&s->memory, (size_t)r->passes * sizeof *s->replies, err);
    s->said = region_take(&s->memory, (size_t)r->arms->count * sizeof *s->said, err);
    if (!s->requests || !s->replies || !s->said)
        return -1;
    for (int p = 0; p < r->passes; p++)
        s->requests[p] = request_of(r, p, &s->question, s->seed);
    return 0;
}

/* All arms that are not a single pass, one after the other. */
static int join_all(eval_run *r, eval_slot *slots, int n, error *err)
{
    int result = 0, arms = r->arms->count;
    for (int a = 0; a < arms && !result; a++) {
        eval_arm_kind kind = r->arms->v[a].kind;
        if (kind == EVAL_CORRECTION)
            result = eval_run_correct(r, slots, n, a, err);
        for (int i = 0; i < n && !result; i++) {
            progress(r, (1.0 + a + (double)i / n) / (1 + arms));
            if (kind == EVAL_MERGE)
                result = eval_run_merge(r, &slots[i], a, err);
            if (kind == EVAL_CONSISTENCY)
                result = eval_run_count_draws(r, &slots[i], a, err);
        }
    }
    return result;
}

static int run_group(eval_run *r, eval_slot *slots, int n, error *err)
{
    memset(r->seconds, 0, sizeof r->seconds);
    progress(r, 0);
    int result = eval_run_ask(r, slots, n, err) || eval_run_choose(r, slots, n, err) ||
                 join_all(r, slots, n, err);
    for (int i = 0; i < n && !result; i++)
        result = eval_run_judge(r, &slots[i], err);
    return result ? -1 : eval_run_write(r, slots, n, err);
}

int eval_run_all(eval_run *r, error *err)
{
    while (r->results.done < r->results.planned) {
        size_t left = r->results.planned - r->results.done;
        int n = left < (size_t)r->slots ? (int)left : r->slots, result = 0;
        eval_slot *slots = calloc((size_t)n, sizeof *slots);
        if (!slots)
            return error_memory(err, "the answers");
        for (int i = 0; i < n && !result; i++)
            result = fill_slot(r, &slots[i], i, err);
        if (!result)
            result = run_group(r, slots, n, err);
        release_slots(slots, n);
        if (result)
            return -1;
    }
    progress(r, 0);
    return 0;
}
