/* dialogue_merge.c - joining the answers of the last turn, as often as wanted, and those within a group.
 *
 * A group's answer is made as soon as its members have answered, the innermost group first, and stands among
 * the answers of the turn like any other. Its merge is part of it and none of the turn's own.
 *
 * The merge is handed the round as it was: the requests, made from the turns anew, and the answers in
 * force. So it is the same after a resume, a retry or another merge, and is a function of the turn, the
 * options and the seed.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "../../engine/base/folder.h"
#include "dialogue_parties.h"

typedef struct joining {
    dialogue *d;
    const dialogue_events *events;
    parties parties;
    stage stage;
    council_events heard;
    merge_options options;
    persona *persona;  /* "chair", or NULL */
    roster *guest;     /* a chair who does not sit here, or NULL */
    buf words;         /* of the chair who is named */
    bool round;        /* passes speak, not a chair */
    const seat *group; /* whose answer is made; NULL = the turn's merge */
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

/* Where the persona sits that is to write: in the group itself, where it is one's merge, or anywhere. */
static int find_seat(const joining *m, const char *by, error *err)
{
    char *within = m->group ? string_format(err, "%s/%s", m->group->name, by) : NULL;
    int i = within ? dialogue_find(m->d, within) : -1;
    free(within);
    return i < 0 ? dialogue_find(m->d, by) : i;
}

static int seat_chair(joining *m, const struct turn *t, const char *by, error *err)
{
    const roster *r = m->d->roster;
    int i = find_seat(m, by, err);
    if (i >= roster_seats(r))
        return error_set(err, ERROR_USAGE, "%.64s is a group: one persona writes a synthesis", by);
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
    merge_method method = m->options.method;
    int rounds;
    if (method == MERGE_AUTO)
        method = merge_chosen(m->stage.part, NULL, &rounds);
    for (int i = 0; i < m->parties.count && merge_needs(method, MERGE_BY_JUDGES); i++)
        if (seat_is_control(roster_seat(m->d->roster, m->parties.columns[i])))
            return error_set(err, ERROR_USAGE,
                             "%s is there to compare with: it takes no part in a %s",
                             m->parties.list[i].name, merge_name(method));
    return 0;
}

/* ---- running ----------------------------------------------------------------------------------- */

static int name_answers(const joining *m, region *memory, turn_merge *out, error *err)
{
    const char **of = region_take(memory, (size_t)m->parties.count * sizeof *of, err);
    for (int i = 0; of && i < m->parties.count; i++)
        if (!(of[i] = region_keep_text(memory, m->parties.list[i].name, err)))
            return -1;
    out->of = of;
    out->passes = m->parties.count;
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
    parties_reply(&m->parties, m->d, t, m->stage.replies);
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

/* Parties, the passes behind them, and who listens. names, group: as parties_open(). */
static int begin(joining *m, const struct turn *t, const char *const *names, int count, int group,
                 error *err)
{
    if (parties_open(m->d, t, names, count, group, &m->parties, err))
        return -1;
    if (m->parties.count < 2)
        return error_set(err, ERROR_USAGE,
                         "a merge needs two answers; turn %d has %d of those here%s", t->number,
                         m->parties.count, names ? "" : " (a control takes no part)");
    int *who = m->parties.who;
    m->parties.who = NULL;
    m->options.parties = m->parties.list;
    m->options.party_count = m->parties.count;
    if (m->options.max_tokens < 1)
        m->options.max_tokens = m->d->options.council.max_tokens;
    m->heard =
        (council_events){.user = m, .token = on_token, .answer = on_answer, .judge = on_judge};
    return dialogue_stage(m->d, who, m->parties.n, &m->stage, err) ||
                   council_subscribe(m->stage.part, &m->heard, err)
               ? -1
               : 0;
}

static void end(joining *m)
{
    dialogue_stage_close(&m->stage);
    parties_release(&m->parties);
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
    parties p = {0};
    int rounds = 1;
    if (wanted == MERGE_AUTO)
        method = merge_chosen(d->council, NULL, &rounds);
    if (wanted != MERGE_AUTO || !t || find_evidence(d, NULL) || !d->evidence)
        return method;
    council *part = NULL;
    if (parties_open(d, t, of, count, -1, &p, NULL) == 0 && p.n)
        part = council_part(d->council, p.who, p.n, NULL);
    if (part)
        method = merge_chosen(part, d->evidence, &rounds);
    council_close(part);
    parties_release(&p);
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
    parties p;
    int n = parties_open(d, t, NULL, 0, -1, &p, NULL) ? 0 : p.count;
    parties_release(&p);
    return n;
}

int dialogue_merge(dialogue *d, const merge_options *options, const char *const *of, int count,
                   const char *by, const dialogue_events *events, error *err)
{
    struct turn *t = dialogue_last(d);
    if (!t)
        return error_set(err, ERROR_USAGE, "nothing was asked yet");
    joining m = {.d = d, .events = events, .options = *options};
    int result = begin(&m, t, of, count, -1, err);
    if (!result)
        result = decide(&m, err) || check_voters(&m, err);
    if (!result)
        result = find_chair(&m, t, by, err);
    if (!result)
        result = merge_turn(&m, t, err);
    end(&m);
    return result;
}

/* ---- groups ------------------------------------------------------------------------------------ */

/* How many of its members have answered, and whether any has since `answer`; *cut = one was interrupted. */
static int answered_since(const dialogue *d, const struct turn *t, int group,
                          const turn_answer *answer, bool *since, bool *cut)
{
    int n = 0, columns = roster_seats(d->roster) + roster_groups(d->roster);
    *since = *cut = false;
    for (int i = 0; i < columns; i++) {
        const seat *s = roster_seat(d->roster, i);
        const turn_answer *a =
            s->group == group && !seat_is_control(s) ? turn_answer_of(t, s->name) : NULL;
        n += a != NULL;
        *since = *since || (a && (!answer || a > answer));
        *cut = *cut || (a && a->stop == STOP_INTERRUPTED);
    }
    return n;
}

/* One that is somebody's as it stands ended as that did. */
static pass_stop stop_of(const joining *m, const turn_merge *made)
{
    bool taken = made->winner >= 0 && merge_took_one(made->method);
    return taken ? m->parties.list[made->winner].reply->stop : made->stop;
}

/* The answer in the turn's memory; what failed is told by it. */
static int keep_answer(joining *m, struct turn *t, const turn_merge *made, const error *why,
                       error *err)
{
    turn_merge *joined = region_take(&t->memory, sizeof *joined, err);
    bool cut = why->code == ERROR_CANCELLED;
    if (!joined)
        return -1;
    *joined = *made;
    turn_answer a = {.stop = cut         ? STOP_INTERRUPTED
                             : why->code ? STOP_ERROR
                                         : stop_of(m, made),
                     .text = why->code ? (turn_text){"", 0} : made->text,
                     .thought = {"", 0},
                     .ids = why->code ? (turn_ids){0} : made->ids,
                     .seed = m->options.seed,
                     .seconds = made->seconds,
                     .joined = joined};
    a.name = region_keep_text(&t->memory, m->group->name, err);
    a.acts_by = region_keep_text(&t->memory, m->group->acts_by, err);
    a.color = region_keep_text(&t->memory, m->group->color, err);
    if (why->code && !cut)
        a.failure = region_keep_text(&t->memory, why->text, err);
    if (!a.name || !a.acts_by || !a.color != !m->group->color || turn_add_answers(t, &a, 1, err))
        return -1;
    if (m->events && m->events->answer)
        m->events->answer(m->events->user, dialogue_find(m->d, a.name),
                          &t->answers[t->answer_count - 1]);
    return 0;
}

static void tell_joining(const joining *m)
{
    merge_method method = m->options.method;
    int rounds;
    if (method == MERGE_AUTO)
        method = merge_chosen(m->stage.part, NULL, &rounds);
    if (m->events && m->events->join)
        m->events->join(m->events->user, dialogue_find(m->d, m->group->name), method);
}

/* cut: a member was interrupted, so nothing is made of them before that is asked for. */
static int join_group(dialogue *d, struct turn *t, int group, bool cut,
                      const dialogue_events *events, error *err)
{
    const seat_group *g = roster_group(d->roster, group);
    error why = {0};
    turn_merge made = {.method = merge_name(g->merge), .winner = -1};
    joining m = {.d = d,
                 .events = events,
                 .options = {.method = g->merge, .rounds = g->rounds},
                 .group = roster_seat(d->roster, roster_seats(d->roster) + group)};
    int result = begin(&m, t, NULL, 0, group, &why);
    if (!result) {
        m.options.seed = turn_answer_of(t, m.parties.list[0].name)->seed;
        result = cut ? error_set(&why, ERROR_CANCELLED, "interrupted") : decide(&m, &why);
    }
    if (!result)
        result = find_chair(&m, t, g->by, &why);
    if (!result) {
        tell_joining(&m);
        result = run(&m, t, &made, &why);
    }
    if (result)
        made = (turn_merge){.method = merge_name(g->merge), .winner = -1, .seconds = made.seconds};
    made.seed = m.options.seed;
    result = name_answers(&m, &t->memory, &made, err) || keep_answer(&m, t, &made, &why, err);
    end(&m);
    return result ? -1 : 0;
}

int dialogue_join_again(dialogue *d, const char *name, error *err)
{
    struct turn *t = dialogue_last(d);
    int group = dialogue_find(d, name) - (d->roster ? roster_seats(d->roster) : 0);
    if (!t || group < 0)
        return error_set(err, ERROR_USAGE, "%.64s is no group that speaks here", name);
    return join_group(d, t, group, false, NULL, err);
}

int dialogue_join(dialogue *d, bool cut_too, const dialogue_events *events, error *err)
{
    struct turn *t = dialogue_last(d);
    for (int g = 0; t && g < roster_groups(d->roster); g++) {
        const seat *s = roster_seat(d->roster, roster_seats(d->roster) + g);
        const turn_answer *a = turn_answer_of(t, s->name);
        bool since, cut, again = cut_too && a && a->stop == STOP_INTERRUPTED;
        if (answered_since(d, t, g, a, &since, &cut) < 2 || !(since || again))
            continue;
        if (join_group(d, t, g, cut && !cut_too, events, err))
            return -1;
    }
    return 0;
}
