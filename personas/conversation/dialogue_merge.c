/* dialogue_merge.c - joining the answers of the last turn, as often as wanted.
 *
 * The merge is handed the round as it was: the requests, made from the turns anew, and the answers in
 * force. So it is the same after a resume, a retry or another merge, and is a function of the turn, the
 * options and the seed.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "dialogue_state.h"

typedef struct joining {
    dialogue *d;
    const dialogue_events *events;
    stage stage;
    merge_options options;
    persona *persona; /* "chair", or NULL */
    roster *guest;    /* a chair who does not sit here, or NULL */
    buf words;        /* of the chair who is named */
    bool round;       /* passes speak, not a chair */
} joining;

static void on_token(void *user, int i, const char *bytes, size_t n, bool thinking)
{
    joining *m = user;
    int speaker = m->round && i >= 0 ? m->stage.who[i] : -1;
    if (m->events && m->events->merge_token)
        m->events->merge_token(m->events->user, speaker, bytes, n, thinking);
}

static void on_answer(void *user, int i, const turn_answer *a)
{
    joining *m = user;
    if (m->round && m->events && m->events->merge_answer)
        m->events->merge_answer(m->events->user, m->stage.who[i], a);
}

static void on_judge(void *user, int done, int total)
{
    joining *m = user;
    if (m->events && m->events->merge_judge)
        m->events->merge_judge(m->events->user, done, total);
}

/* ---- the chair --------------------------------------------------------------------------------- */

/* A persona's own words, and behind them what a chair has to do. */
static int give_chair(joining *m, const seat *s, const char *instruction, error *err)
{
    m->options.by = s->name;
    m->options.program = s->program;
    if (!instruction)
        return 0;
    const char *task = m->options.chair ? m->options.chair : merge_chair();
    if (buf_format(&m->words, err, "%s\n\n%s", instruction, task))
        return -1;
    m->options.chair = m->words.v;
    return 0;
}

static int seat_chair(joining *m, const struct turn *t, const char *by, error *err)
{
    const roster *r = m->d->roster;
    int i = dialogue_find(m->d, by);
    if (i < 0) {
        roster_options o = {.personas = &by,
                            .persona_count = 1,
                            .sampling = sampling_defaults(),
                            .prompt = t->prompt.v,
                            .prompt_len = t->prompt.len};
        r = m->guest = roster_open(m->d->engine, &o, NULL, NULL, err);
        i = 0;
    }
    if (!r)
        return -1;
    return give_chair(m, roster_seat(r, i), roster_instruction(r, i, t->prompt.v, t->prompt.len),
                      err);
}

/* The chair is a persona too, so that its words can be changed; without one the merge has its own. */
static int find_chair(joining *m, const struct turn *t, const char *by, error *err)
{
    static const char CHAIR[] = "chair";
    bool there = false;
    if (!merge_needs(m->options.method, MERGE_BY_CHAIR))
        return 0;
    if (!m->options.chair && persona_exists(CHAIR, &there, err))
        return -1;
    if (there && !(m->persona = persona_find(CHAIR, err)))
        return -1;
    if (m->persona)
        m->options.chair = persona_instruction(m->persona, t->prompt.v, t->prompt.len);
    if (by && strcmp(by, CHAIR) != 0)
        return seat_chair(m, t, by, err);
    if (by)
        m->options.by = by; /* said, so it is to write, also where nobody would */
    return 0;
}

/* A control is there to compare with: it neither judges nor wins. */
static int check_voters(const joining *m, error *err)
{
    const roster *r = m->d->roster;
    merge_method method = m->options.method;
    int rounds;
    if (method == MERGE_AUTO)
        method = merge_chosen(m->stage.part, NULL, &rounds);
    for (int i = 0; i < m->stage.n && merge_needs(method, MERGE_BY_JUDGES); i++)
        if (seat_is_control(roster_seat(r, m->stage.who[i])))
            return error_set(err, ERROR_USAGE,
                             "%s is there to compare with: it takes no part in a %s",
                             roster_seat(r, m->stage.who[i])->name, merge_name(method));
    return 0;
}

/* ---- running ----------------------------------------------------------------------------------- */

static int name_answers(const joining *m, region *memory, turn_merge *out, error *err)
{
    const char **of = region_take(memory, (size_t)m->stage.n * sizeof *of, err);
    for (int i = 0; of && i < m->stage.n; i++)
        if (!(of[i] =
                  region_keep_text(memory, roster_seat(m->d->roster, m->stage.who[i])->name, err)))
            return -1;
    out->of = of;
    out->passes = m->stage.n;
    return of ? 0 : -1;
}

static int add_note(turn_merge *out, struct turn *t, error *err)
{
    buf note = {0};
    int result = buf_format(&note, err, "%s%sdebated without what was said before turn %d",
                            out->note ? out->note : "", out->note ? "; " : "", t->number);
    if (!result && !(out->note = region_keep_text(&t->memory, note.v, err)))
        result = -1;
    buf_release(&note);
    return result;
}

static int run_from(joining *m, struct turn *t, int from, turn_merge *out, error *err)
{
    council_round round = dialogue_stage_turn(m->d, &m->stage, t, from, m->options.seed);
    return merge_run(m->stage.part, &round, &m->options, &t->memory, out, err);
}

/* A debate needs more room than the question did: when it must, it goes without the turns before. */
static int run(joining *m, struct turn *t, turn_merge *out, error *err)
{
    council_options o = m->d->options.council;
    o.max_tokens = m->options.max_tokens;
    council_adjust(m->stage.part, &o);
    m->round = merge_needs(m->options.method, MERGE_BY_ROUNDS);
    m->options.whole = t->from != t->number;
    int result = run_from(m, t, t->from, out, err);
    if (!result || !m->round || err->code != ERROR_CONTEXT || t->from == t->number)
        return result;
    m->options.whole = false;
    return run_from(m, t, t->number, out, err) ? -1 : add_note(out, t, err);
}

/* What was wanted, and why it did not come about. */
static int note_failure(const joining *m, struct turn *t, turn_merge *out, const error *why)
{
    *out = (turn_merge){.method = merge_name(m->options.method), .winner = -1};
    out->failure = region_keep_text(&t->memory, why->text, NULL);
    return out->failure ? 0 : -1;
}

static int merge_turn(joining *m, struct turn *t, error *err)
{
    turn_merge made;
    error why = {0};
    int result = run(m, t, &made, &why);
    bool keep = !result || (why.code != ERROR_USAGE && note_failure(m, t, &made, &why) == 0);
    made.seed = m->options.seed;
    made.answers = t->answer_count;
    if (keep && (name_answers(m, &t->memory, &made, &why) || turn_add_merge(t, &made, &why)))
        result = -1;
    if (result && err)
        *err = why;
    return result;
}

static void end(joining *m)
{
    dialogue_stage_close(&m->stage);
    persona_close(m->persona);
    roster_close(m->guest);
    buf_release(&m->words);
}

/* ---- what auto is ------------------------------------------------------------------------------ */

static int find_evidence(dialogue *d, error *err)
{
    if (d->looked)
        return 0;
    int result = evidence_table_find(d->engine, &d->evidence, NULL, err);
    d->looked = !result;
    return result;
}

/* The method that auto comes to takes its place where there is evidence. */
static int decide(joining *m, error *err)
{
    char why[EVIDENCE_WORDS_MOST];
    dialogue *d = m->d;
    if (find_evidence(d, err))
        return -1;
    m->options.evidence = d->evidence;
    if (m->options.method != MERGE_AUTO || !evidence_holds(d->evidence, m->stage.part))
        return 0;
    m->options.method = merge_chosen(m->stage.part, d->evidence, &m->options.rounds);
    return m->options.method == MERGE_NONE
               ? error_set(err, ERROR_USAGE, "%s", evidence_refusal(d->evidence, why))
               : 0;
}

merge_method dialogue_merge_method(dialogue *d, merge_method wanted, const char *const *of,
                                   int count, char *why)
{
    const struct turn *t = dialogue_last(d);
    merge_method method = wanted;
    int n = 0, *who = NULL, rounds = 1;
    if (wanted == MERGE_AUTO)
        method = merge_chosen(d->council, NULL, &rounds);
    if (wanted != MERGE_AUTO || !t || find_evidence(d, NULL) || !d->evidence ||
        dialogue_answered(d, t, of, count, &who, &n, NULL))
        return method;
    council *part = n ? council_part(d->council, who, n, NULL) : NULL;
    if (part)
        method = merge_chosen(part, d->evidence, &rounds);
    council_close(part);
    free(who);
    if (method == MERGE_NONE)
        (void)evidence_refusal(d->evidence, why);
    return method;
}

bool dialogue_hints_debate(const dialogue *d)
{
    int arm = d->evidence ? evidence_arm_of(d->evidence, "debate") : -1;
    return !d->evidence || (arm >= 0 && !evidence_loses(d->evidence, arm));
}

int dialogue_joined(const dialogue *d, const struct turn *t)
{
    int n = 0;
    for (int i = 0; i < roster_seats(d->roster); i++)
        n += !seat_is_control(roster_seat(d->roster, i)) &&
             turn_answer_of(t, roster_seat(d->roster, i)->name);
    return n;
}

int dialogue_merge(dialogue *d, const merge_options *options, const char *const *of, int count,
                   const char *by, const dialogue_events *events, error *err)
{
    struct turn *t = dialogue_last(d);
    int n = 0, *who = NULL;
    if (!t)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    if (dialogue_answered(d, t, of, count, &who, &n, err))
        return -1;
    if (n < 2) {
        free(who);
        return error_set(err, ERROR_USAGE,
                         "a merge needs two answers; turn %d has %d of those here%s", t->number, n,
                         of ? "" : " (a control takes no part)");
    }
    joining m = {.d = d, .events = events, .options = *options};
    if (m.options.max_tokens < 1)
        m.options.max_tokens = d->options.council.max_tokens;
    council_events heard = {.user = &m, .token = on_token, .answer = on_answer, .judge = on_judge};
    int result = dialogue_stage(d, who, n, &m.stage, err);
    if (!result)
        result = council_subscribe(m.stage.part, &heard, err);
    if (!result)
        result = decide(&m, err) || check_voters(&m, err);
    if (!result)
        result = find_chair(&m, t, by, err);
    if (!result)
        result = merge_turn(&m, t, err);
    end(&m);
    return result;
}
