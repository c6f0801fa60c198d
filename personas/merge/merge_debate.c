/* merge_debate.c - each pass reads what the others said and revises, in lockstep; then a vote.
 *
 * The rounds are turns of the same council. Afterwards they are forgotten and each pass remembers
 * the user's prompt with its revised answer, as if it had said that at once. Quoted answers are
 * content: nothing in them becomes a special token.
 *
 * Stopped by Ctrl-C it keeps what was revised so far, cut or not, and holds no vote.
 *
 * A round's prompts fit the context as the chair's does (merge_state.h); what was shortened is told,
 * and so is a debate that ended early because even the shortest quotes did not fit.
 */
#include <stdlib.h>
#include <string.h>

#include "merge_state.h"

static const char REVISE[] = "Others answered the same question:\n";
static const char TASK[] =
    "\nWhere are they right and where are you? Write your answer again, better, "
    "in your own voice.";

typedef struct debate {
    council *council;
    buf *texts;   /* [passes] the answers as they stand */
    buf *prompts; /* [passes] of the round at hand */
    chat_message *messages;
    int passes;
    int rounds, done;
    bool whole;   /* quotes may not be cut, nor rounds left out */
    bool full;    /* the next round did not fit */
    bool stopped; /* by Ctrl-C, after something was revised */
    int cut;      /* answers that were quoted shorter than they are */
} debate;

static int keep_texts(debate *d, error *err)
{
    for (int i = 0; i < d->passes; i++) {
        chat_message reply = merge_reply(d->council, i);
        bool failed = council_answer(d->council, i)->stop == STOP_ERROR || reply.len == 0;
        /* A pass that failed to revise stays with what it said, and a whole revision is kept rather
         * than half of the next one. */
        bool half = council_answer(d->council, i)->stop == STOP_INTERRUPTED && d->done > 1;
        if (d->texts[i].v && (failed || half))
            continue;
        buf_clear(&d->texts[i]);
        if (buf_add(&d->texts[i], reply.text, failed ? 0 : reply.len, err))
            return -1;
    }
    return 0;
}

/* Returns how many quotes were cut, or -1. */
static int write_prompt(debate *d, int reader, size_t most, error *err)
{
    buf *out = &d->prompts[reader];
    int cut = 0;
    buf_clear(out);
    if (buf_text(out, REVISE, err))
        return -1;
    for (int i = 0; i < d->passes; i++) {
        const buf *text = &d->texts[i];
        if (i == reader || text->len == 0)
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
        d->messages[i] = (chat_message){CHAT_USER, d->prompts[i].v, d->prompts[i].len};
        *cut += n > 0;
    }
    return 0;
}

static size_t longest_text(const debate *d)
{
    size_t longest = 0;
    for (int i = 0; i < d->passes; i++)
        longest = d->texts[i].len > longest ? d->texts[i].len : longest;
    return longest;
}

static bool interrupted(const debate *d)
{
    for (int i = 0; i < d->passes; i++)
        if (council_answer(d->council, i)->stop == STOP_INTERRUPTED)
            return true;
    return false;
}

/* Sets d->full, and holds no round, when not even the shortest quotes fit. */
static int hold_round(debate *d, const council_events *events, error *err)
{
    for (size_t most = longest_text(d);; most = most * 4 / 5) {
        error why = {0};
        int cut;
        if (write_prompts(d, most, &cut, err))
            return -1;
        if (council_ask_each(d->council, d->messages, events, &why) == 0) {
            d->cut += cut;
            d->done++;
            d->stopped = interrupted(d);
            return keep_texts(d, err);
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
static int hold_rounds(debate *d, const council_events *events, error *err)
{
    council_options before = *council_settings(d->council), roomy = before;
    int result = 0;
    roomy.reserve = merge_reserve(d->council, before.max_tokens);
    council_adjust(d->council, &roomy);
    while (!result && !d->full && !d->stopped && d->done < d->rounds)
        result = hold_round(d, events, err);
    council_adjust(d->council, &before);
    return result;
}

/* The rounds go, the revised answers stay. */
static int settle(debate *d, error *err)
{
    for (int i = 0; i < d->done; i++)
        council_forget_turn(d->council);
    for (int i = 0; i < d->passes; i++)
        if (council_remember(d->council, i, d->texts[i].v, d->texts[i].len, err))
            return -1;
    return 0;
}

static int vote(debate *d, merge_result *out, const council_events *events, error *err)
{
    merge_candidate *candidates = merge_candidates(d->council, err);
    if (!candidates)
        return -1;
    for (int i = 0; i < d->passes; i++) {
        candidates[i].text = d->texts[i].v;
        candidates[i].len = d->texts[i].len;
    }
    int result = merge_vote(d->council, candidates, out, events, err);
    free(candidates);
    return result;
}

/* What happened to the rounds stands before what the vote says. */
static int note_rounds(const debate *d, merge_result *out, error *err)
{
    const char *behind = out->note ? out->note : "";
    const char *between = out->note ? "; " : "";
    if (d->full)
        return merge_set_note(out, err, "%d of %d rounds fit the context%s%s", d->done, d->rounds,
                              between, behind);
    if (d->cut)
        return merge_set_note(out, err, "quoted answers were cut to fit the context%s%s", between,
                              behind);
    return 0;
}

/* What was revised is kept, also when it was cut; nobody has won. */
static int note_interrupted(const debate *d, merge_result *out, error *err)
{
    free(out->scores);
    free(out->shares);
    out->scores = out->shares = NULL;
    out->winner = -1;
    out->stop = STOP_INTERRUPTED;
    return merge_set_text(out, "", 0, err) ||
                   merge_set_note(out, err, "interrupted in round %d of %d: no vote", d->done,
                                  d->rounds)
               ? -1
               : 0;
}

/* The rounds are over; the vote may be stopped too. */
static int conclude(debate *d, merge_result *out, const council_events *events, error *err)
{
    error why = {0};
    if (!d->stopped && vote(d, out, events, &why)) {
        d->stopped = why.code == ERROR_CANCELLED;
        if (!d->stopped) {
            *err = why;
            return -1;
        }
    }
    return d->stopped ? note_interrupted(d, out, err) : note_rounds(d, out, err);
}

int merge_debate(council *c, const merge_options *options, merge_result *out,
                 const council_events *events, error *err)
{
    if (council_settings(c)->raw)
        return error_set(err, ERROR_USAGE, "a debate needs a chat format; --raw has none");
    debate d = {.council = c,
                .passes = council_passes(c),
                .rounds = options->rounds,
                .whole = options->whole};
    size_t n = (size_t)d.passes;
    d.texts = calloc(n, sizeof *d.texts);
    d.prompts = calloc(n, sizeof *d.prompts);
    d.messages = calloc(n, sizeof *d.messages);
    bool ready = d.texts && d.prompts && d.messages;
    int result = ready ? keep_texts(&d, err) : error_memory(err, "a debate");
    bool kept = result == 0;
    if (!result)
        result = hold_rounds(&d, events, err) || conclude(&d, out, events, err) ? -1 : 0;
    error ignored;
    if (kept && settle(&d, result ? &ignored : err))
        result = -1;
    for (size_t i = 0; d.prompts && i < n; i++)
        buf_release(&d.prompts[i]);
    free(d.prompts);
    free(d.messages);
    out->revised = d.texts;
    return result;
}
