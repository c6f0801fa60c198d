/* merge_debate.c - each pass reads what the others said and revises, in lockstep; then a vote.
 *
 * A round is a question behind the one before: each pass's request grows by its last reply and by what
 * the others said. The vote is held behind the prompts of the last round. Quoted answers are content:
 * nothing in them becomes a special token.
 *
 * Stopped by Ctrl-C it keeps what was revised so far, cut or not, and holds no vote.
 *
 * A round's prompts fit the context as the chair's does (merge_state.h); what was shortened is told,
 * and so is a debate that ended early because even the shortest quotes did not fit.
 *
 * A party that is no single pass (a group, whose answer was joined before) has nobody to revise it: its
 * answer stands as it is, is read by the others and may win.
 *
 * A short answer that can be counted (counted.h) is not talked away: a revision that has another one, or
 * none, is told, and its pass stays with what it said before.
 */
#include <stdlib.h>
#include <string.h>

#include "counted.h"
#include "merge_state.h"

static const char REVISE[] = "Others answered the same question:\n";
static const char TASK[] =
    "\nWhere are they right and where are you? Write your answer again, better, "
    "in your own voice.";

typedef struct debate {
    const merging *merge;
    council *council;        /* of those who revise */
    council *part;           /* the same, where not all do; else NULL */
    int *party_of;           /* [passes] whose answer a pass revises */
    council_request *asked;  /* [passes] of the last round that was held, or of the question */
    turn_answer *replies;    /* [passes] to it */
    chat_message **messages; /* [passes][room] of the requests: those from `given` on are owned */
    size_t *given;           /* [passes] messages that were there before */
    bool shared;             /* how the last round was read */
    buf *texts;              /* [parties] the answers as they stand */
    buf *prompts;            /* [passes] of the round at hand */
    buf question;
    char (*dropped)
        [EXTRACT_BYTES];   /* [parties] the short answer that a revision did not keep, or "" */
    merge_party *voters;   /* [parties] of the vote */
    merge_backing *behind; /* [passes] theirs */
    int passes, parties;
    int rounds, done;
    bool whole;   /* quotes may not be cut, nor rounds left out */
    bool full;    /* the next round did not fit */
    bool stopped; /* by Ctrl-C, after something was revised */
    int cut;      /* answers that were quoted shorter than they are */
} debate;

/* ---- what was said ----------------------------------------------------------------------------- */

/* Whether a whole revision lost the short answer that the text before it had. */
static bool drops_answer(debate *d, int i, pass_stop stop, const buf *revision)
{
    const buf *before = &d->texts[i], *q = &d->question;
    char had[EXTRACT_BYTES], has[EXTRACT_BYTES];
    if (!before->v || stop == STOP_INTERRUPTED ||
        !counted_answer(q->v, q->len, before->v, before->len, had) ||
        (counted_answer(q->v, q->len, revision->v, revision->len, has) && strcmp(had, has) == 0))
        return false;
    memcpy(d->dropped[i], had, sizeof had);
    return true;
}

static int keep_text(debate *d, int i, const turn_answer *r, buf *revision, error *err)
{
    bool failed = r->stop == STOP_ERROR || r->text.len == 0;
    /* A pass that failed to revise stays with what it said, and a whole revision is kept rather
     * than half of the next one. */
    bool half = r->stop == STOP_INTERRUPTED && d->done > 1;
    if (d->texts[i].v && (failed || half))
        return 0;
    if (buf_text(revision, "", err) || buf_mend(revision, r->text.v, failed ? 0 : r->text.len, err))
        return -1;
    if (drops_answer(d, i, r->stop, revision))
        return 0;
    buf_clear(&d->texts[i]);
    return buf_add(&d->texts[i], revision->v, revision->len, err);
}

static int keep_texts(debate *d, error *err)
{
    buf revision = {0};
    int result = 0;
    for (int i = 0; i < d->passes && !result; i++) {
        buf_clear(&revision);
        result = keep_text(d, d->party_of[i], &d->replies[i], &revision, err);
    }
    buf_release(&revision);
    return result;
}

/* Before anybody has revised. */
static int keep_answers(debate *d, error *err)
{
    buf text = {0};
    int result = 0;
    for (int i = 0; i < d->parties && !result; i++) {
        buf_clear(&text);
        result = keep_text(d, i, d->merge->parties[i].reply, &text, err);
    }
    buf_release(&text);
    return result;
}

/* Returns how many quotes were cut, or -1. */
static int write_prompt(debate *d, int reader, size_t most, error *err)
{
    buf *out = &d->prompts[reader];
    int cut = 0;
    buf_clear(out);
    if (buf_text(out, REVISE, err))
        return -1;
    for (int i = 0; i < d->parties; i++) {
        const buf *text = &d->texts[i];
        if (i == d->party_of[reader] || text->len == 0)
            continue;
        if (buf_text(out, "\n", err) || merge_quote(out, text->v, text->len, most, &cut, err) ||
            buf_text(out, "\n", err))
            return -1;
    }
    return buf_text(out, TASK, err) ? -1 : cut;
}

static int write_prompts(debate *d, size_t most, int *cut, error *err)
{
    *cut = 0;
    for (int i = 0; i < d->passes; i++) {
        int n = write_prompt(d, i, most, err);
        if (n < 0)
            return -1;
        *cut += n > 0;
    }
    return 0;
}

static size_t longest_text(const debate *d)
{
    size_t longest = 0;
    for (int i = 0; i < d->parties; i++)
        longest = d->texts[i].len > longest ? d->texts[i].len : longest;
    return longest;
}

/* ---- rounds ------------------------------------------------------------------------------------ */

static bool interrupted(const debate *d)
{
    for (int i = 0; i < d->passes; i++)
        if (d->replies[i].stop == STOP_INTERRUPTED)
            return true;
    return false;
}

/* The replies of the last round go into the requests, once however often the next one is tried. */
static int add_replies(debate *d, error *err)
{
    for (int i = 0; i < d->passes; i++) {
        const turn_answer *r = &d->replies[i];
        chat_message *m = &d->messages[i][d->asked[i].count];
        char *copy = malloc(r->text.len + 1);
        if (!copy)
            return error_memory(err, "a debate");
        memcpy(copy, r->text.v, r->text.len);
        free((void *)m->text);
        *m = (chat_message){CHAT_ASSISTANT, copy, r->text.len};
    }
    return 0;
}

/* The prompts that were written, behind the replies. */
static int ask_round(debate *d, error *err)
{
    council_request *next = calloc((unsigned)d->passes, sizeof *next);
    if (!next)
        return error_memory(err, "a debate");
    for (int i = 0; i < d->passes; i++) {
        next[i] = d->asked[i];
        next[i].count += 2;
        d->messages[i][next[i].count - 1] =
            (chat_message){CHAT_USER, d->prompts[i].v, d->prompts[i].len};
    }
    int result = council_ask(d->council, next, err);
    for (int i = 0; i < d->passes; i++) {
        chat_message *question = &d->messages[i][next[i].count - 1];
        if (result)
            *question = (chat_message){0}; /* the text is d->prompts' */
        else
            question->text = buf_detach(&d->prompts[i]);
    }
    if (!result)
        memcpy(d->asked, next, (size_t)d->passes * sizeof *next);
    free(next);
    return result;
}

static int keep_round(debate *d, error *err)
{
    for (int i = 0; i < d->passes; i++)
        d->replies[i] = *council_answer(d->council, i);
    d->shared = council_shared_prefill(d->council);
    d->done++;
    d->stopped = interrupted(d);
    return keep_texts(d, err);
}

/* Sets d->full, and holds no round, when not even the shortest quotes fit. */
static int hold_round(debate *d, error *err)
{
    if (add_replies(d, err))
        return -1;
    for (size_t most = longest_text(d);; most = most * 4 / 5) {
        error why = {0};
        int cut;
        if (write_prompts(d, most, &cut, err))
            return -1;
        if (ask_round(d, &why) == 0) {
            d->cut += cut;
            return keep_round(d, err);
        }
        d->full = why.code == ERROR_CONTEXT && !d->whole && most <= MERGE_SHORTEST;
        d->stopped = why.code == ERROR_CANCELLED && d->done;
        if (d->full || d->stopped)
            return 0;
        if (why.code != ERROR_CONTEXT || d->whole) {
            *err = why;
            return -1;
        }
    }
}

/* The rounds leave room for their answers; then the council is as it was. */
static int hold_rounds(debate *d, error *err)
{
    council_options before = *council_settings(d->council), roomy = before;
    int result = 0;
    roomy.reserve = merge_reserve(d->council, before.max_tokens);
    council_adjust(d->council, &roomy);
    while (!result && !d->full && !d->stopped && d->done < d->rounds)
        result = hold_round(d, err);
    council_adjust(d->council, &before);
    return result;
}

/* ---- the vote ---------------------------------------------------------------------------------- */

/* Those who revised stand behind their answers, nobody behind the others'. */
static void seat_voters(debate *d)
{
    for (int i = 0; i < d->parties; i++) {
        d->voters[i] = d->merge->parties[i];
        d->voters[i].count = 0;
    }
    for (int i = 0; i < d->passes; i++) {
        merge_party *p = &d->voters[d->party_of[i]];
        d->behind[i] = (merge_backing){i, 1};
        p->reply = &d->replies[i];
        p->behind = &d->behind[i];
        p->count = 1;
    }
}

/* Who may win says the last round; what they are judged by are the answers as they stand. */
static int vote(debate *d, turn_merge *out, error *err)
{
    council_round last = {d->asked, d->replies, d->shared};
    merging m = *d->merge;
    seat_voters(d);
    m.council = d->council;
    m.round = &last;
    m.parties = d->voters;
    buf texts = {0};
    merge_candidate *candidates = merge_candidates(&m, &texts, err);
    for (int i = 0; candidates && i < d->parties; i++) {
        candidates[i].text = d->texts[i].v;
        candidates[i].len = d->texts[i].len;
    }
    int result = candidates ? merge_vote_on(&m, candidates, out, err) : -1;
    buf_release(&texts);
    free(candidates);
    return result;
}

/* "coder dropped 8, critic dropped yes: what they said before stands", before what else is noted. */
static int note_dropped(const debate *d, turn_merge *out, error *err)
{
    buf note = {0};
    int result = 0;
    for (int i = 0; i < d->parties && !result; i++)
        if (*d->dropped[i])
            result = buf_format(&note, err, "%s%s dropped %s", note.len ? ", " : "",
                                d->merge->parties[i].name, d->dropped[i]);
    if (!result && note.len)
        result = merge_set_note(d->merge, out, err, "%s: what was said before stands%s%s", note.v,
                                out->note ? "; " : "", out->note ? out->note : "");
    buf_release(&note);
    return result;
}

/* What happened to the rounds stands before what the vote says. */
static int note_rounds(const debate *d, turn_merge *out, error *err)
{
    if (note_dropped(d, out, err))
        return -1;
    const char *behind = out->note ? out->note : "";
    const char *between = out->note ? "; " : "";
    if (d->full)
        return merge_set_note(d->merge, out, err, "%d of %d rounds fit the context%s%s", d->done,
                              d->rounds, between, behind);
    if (d->cut)
        return merge_set_note(d->merge, out, err, "quoted answers were cut to fit the context%s%s",
                              between, behind);
    return 0;
}

/* What was revised is kept, also when it was cut; nobody has won. */
static int note_interrupted(const debate *d, turn_merge *out, error *err)
{
    out->scores = out->shares = NULL;
    out->winner = -1;
    out->stop = STOP_INTERRUPTED;
    if (merge_set_text(d->merge, out, "", 0, err))
        return -1;
    return merge_set_note(d->merge, out, err, "interrupted in round %d of %d: no vote", d->done,
                          d->rounds);
}

static int take_texts(const debate *d, turn_merge *out, error *err)
{
    turn_text *revised = region_take(d->merge->memory, (size_t)d->parties * sizeof *revised, err);
    for (int i = 0; revised && i < d->parties; i++) {
        const buf *text = &d->texts[i];
        revised[i] = (turn_text){region_keep(d->merge->memory, text->v, text->len, err), text->len};
        if (!revised[i].v)
            return -1;
    }
    out->revised = revised;
    return revised ? 0 : -1;
}

/* The rounds are over; the vote may be stopped too. */
static int conclude(debate *d, turn_merge *out, error *err)
{
    error why = {0};
    if (!d->stopped && vote(d, out, &why)) {
        d->stopped = why.code == ERROR_CANCELLED;
        if (!d->stopped) {
            *err = why;
            return -1;
        }
    }
    return d->stopped ? note_interrupted(d, out, err) : note_rounds(d, out, err);
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* The pass that gave this answer, and nobody else; -1 = several did, or none. */
static int reviser(const merge_party *p)
{
    return p->count == 1 ? p->behind[0].pass : -1;
}

/* Who revises: of a council all, or a part that only they are. */
static int open_part(debate *d, error *err)
{
    council *all = d->merge->council;
    int *who = calloc((size_t)d->parties + 1, sizeof *who);
    if (!who)
        return error_memory(err, "a debate");
    for (int i = 0; i < d->parties; i++) {
        if (reviser(&d->merge->parties[i]) < 0)
            continue;
        who[d->passes] = reviser(&d->merge->parties[i]);
        d->party_of[d->passes++] = i;
    }
    bool whole = d->passes == council_passes(all);
    for (int i = 0; i < d->passes; i++)
        whole = whole && who[i] == i;
    if (!d->passes)
        (void)error_set(err, ERROR_USAGE,
                        "a debate needs an answer that a persona can revise; %s "
                        "and the others are groups",
                        d->merge->parties[0].name);
    else if (!whole)
        d->part = council_part(all, who, d->passes, err);
    d->council = whole ? all : d->part;
    free(who);
    return d->passes && d->council ? 0 : -1;
}

/* Room for all rounds behind what was asked. */
static int open_requests(debate *d, const council_round *round, error *err)
{
    for (int i = 0; i < d->passes; i++) {
        int at = reviser(&d->merge->parties[d->party_of[i]]);
        const council_request *r = &round->requests[at];
        d->messages[i] = calloc(r->count + 2 * (size_t)d->rounds, sizeof **d->messages);
        if (!d->messages[i])
            return error_memory(err, "a debate");
        memcpy(d->messages[i], r->messages, r->count * sizeof **d->messages);
        d->given[i] = r->count;
        d->asked[i] = *r;
        d->asked[i].messages = d->messages[i];
        d->replies[i] = round->replies[at];
    }
    return 0;
}

static int open_debate(debate *d, const council_round *round, error *err)
{
    size_t n = (size_t)d->parties;
    d->party_of = calloc(n, sizeof *d->party_of);
    d->voters = calloc(n, sizeof *d->voters);
    d->behind = calloc(n, sizeof *d->behind);
    d->asked = calloc(n, sizeof *d->asked);
    d->replies = calloc(n, sizeof *d->replies);
    d->messages = calloc(n, sizeof *d->messages);
    d->given = calloc(n, sizeof *d->given);
    d->texts = calloc(n, sizeof *d->texts);
    d->prompts = calloc(n, sizeof *d->prompts);
    d->dropped = calloc(n, sizeof *d->dropped);
    bool ready = d->asked && d->replies && d->messages && d->given && d->texts && d->prompts;
    if (!ready || !d->dropped || !d->party_of || !d->voters || !d->behind)
        return error_memory(err, "a debate");
    const council_request *asked = &round->requests[0];
    const chat_message *question = &asked->messages[asked->count - 1];
    if (buf_text(&d->question, "", err) ||
        buf_mend(&d->question, question->text, question->len, err))
        return -1;
    return open_part(d, err) || open_requests(d, round, err) ? -1 : keep_answers(d, err);
}

static void close_debate(debate *d)
{
    for (int i = 0; d->messages && i < d->passes; i++) {
        for (size_t k = d->given[i]; d->messages[i] && k < d->given[i] + 2 * (size_t)d->rounds; k++)
            free((void *)d->messages[i][k].text);
        free(d->messages[i]);
    }
    for (int i = 0; d->prompts && i < d->passes; i++)
        buf_release(&d->prompts[i]);
    for (int i = 0; d->texts && i < d->parties; i++)
        buf_release(&d->texts[i]);
    buf_release(&d->question);
    council_close(d->part);
    free(d->party_of);
    free(d->voters);
    free(d->behind);
    free(d->dropped);
    free(d->texts);
    free(d->asked);
    free(d->replies);
    free(d->messages);
    free(d->given);
    free(d->prompts);
}

int merge_debate(const merging *m, turn_merge *out, error *err)
{
    council *c = m->council;
    debate d = {.merge = m,
                .parties = m->count,
                .shared = m->round->shared,
                .rounds = m->options->rounds,
                .whole = m->options->whole};
    if (council_settings(c)->raw)
        return error_set(err, ERROR_USAGE, "a debate needs a chat format; --raw has none");
    int result = open_debate(&d, m->round, err);
    if (!result)
        result = hold_rounds(&d, err);
    if (!result)
        result = conclude(&d, out, err);
    if (!result)
        result = take_texts(&d, out, err);
    close_debate(&d);
    return result;
}
