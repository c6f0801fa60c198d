/* merge_debate.c - each pass reads what the others said and revises, in lockstep; then a vote.
 *
 * The rounds are turns of the same council. Afterwards they are forgotten and each pass remembers
 * the user's prompt with its revised answer, as if it had said that at once. Quoted answers are
 * content: nothing in them becomes a special token.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/buf.h"
#include "merge_state.h"

static const char REVISE[] = "Others answered the same question:\n";
static const char TASK[] =
    "\nWhere are they right and where are you? Write your answer again, better, "
    "in your own voice.";

typedef struct debate {
    council *council;
    char **texts; /* [passes] the answers as they stand */
    int passes;
} debate;

static int keep_texts(debate *d, error *err)
{
    for (int i = 0; i < d->passes; i++) {
        chat_message reply = merge_reply(d->council, i);
        char *copy = strndup(reply.text, reply.len);
        if (!copy)
            return error_memory(err, "a debate");
        /* A pass that failed to revise stays with what it said. */
        if (council_answer(d->council, i)->stop == STOP_ERROR || *copy == '\0') {
            free(copy);
            copy = d->texts[i] ? NULL : strdup("");
        }
        if (copy) {
            free(d->texts[i]);
            d->texts[i] = copy;
        }
    }
    return 0;
}

static int write_prompt(const debate *d, int reader, buf *out, error *err)
{
    buf_clear(out);
    if (buf_text(out, REVISE, err))
        return -1;
    for (int i = 0; i < d->passes; i++)
        if (i != reader && d->texts[i][0] && buf_format(out, err, "\n%s\n", d->texts[i]))
            return -1;
    return buf_text(out, TASK, err);
}

static int one_round(debate *d, buf *prompts, const council_events *events, error *err)
{
    chat_message *messages = calloc((size_t)d->passes, sizeof *messages);
    int result = messages ? 0 : error_memory(err, "a debate");
    for (int i = 0; i < d->passes && !result; i++) {
        result = write_prompt(d, i, &prompts[i], err);
        messages[i] = (chat_message){CHAT_USER, prompts[i].v, prompts[i].len};
    }
    if (!result)
        result = council_ask_each(d->council, messages, events, err);
    free(messages);
    return result ? -1 : keep_texts(d, err);
}

/* The rounds go, the revised answers stay. */
static int settle(debate *d, int rounds, error *err)
{
    for (int i = 0; i < rounds; i++)
        council_forget_turn(d->council);
    for (int i = 0; i < d->passes; i++)
        if (council_remember(d->council, i, d->texts[i], strlen(d->texts[i]), err))
            return -1;
    return 0;
}

static int vote(debate *d, merge_result *out, error *err)
{
    ballot *ballots = merge_ballots(d->council, err);
    if (!ballots)
        return -1;
    for (int i = 0; i < d->passes; i++) {
        ballots[i].text = d->texts[i];
        ballots[i].len = strlen(d->texts[i]);
    }
    int result = merge_vote(d->council, ballots, out, err);
    free(ballots);
    return result;
}

int merge_debate(council *c, const merge_options *options, merge_result *out,
                 const council_events *events, error *err)
{
    if (council_settings(c)->raw)
        return error_set(err, ERROR_USAGE, "a debate needs a chat format; --raw has none");
    debate d = {.council = c, .passes = council_passes(c)};
    d.texts = calloc((size_t)d.passes, sizeof *d.texts);
    buf *prompts = calloc((size_t)d.passes, sizeof *prompts);
    int result = d.texts && prompts ? keep_texts(&d, err) : error_memory(err, "a debate");
    int done = 0;
    while (!result && done < options->rounds) {
        result = one_round(&d, prompts, events, err);
        done += !result;
    }
    if (!result)
        result = vote(&d, out, err);
    error ignored;
    if (settle(&d, done, result ? &ignored : err))
        result = -1;
    for (int i = 0; prompts && i < d.passes; i++)
        buf_release(&prompts[i]);
    free(prompts);
    out->revised = d.texts;
    return result;
}
