/* merge_synth.c - a chair, unmasked unless another is named, reads all answers and writes one.
 *
 * The answers come to it as "Answer A", "Answer B", ... in an order drawn from the seed: no names,
 * no first place for a favourite. What a persona wrote is content, so text in it that looks like a
 * special token stays text. When the answers do not fit beside the chair's own answer, each gets an
 * equal share of the room and is cut at the end of a sentence; the prompt says "[cut]" and the
 * result's note says how much. The chair's own answer keeps room for max_tokens, at most a quarter
 * of the context.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "merge_state.h"

static const char CHAIR[] =
    "You chair a council. Read the question and the answers, then write one answer to the "
    "question. "
    "Say in a sentence where the answers agree, say where they disagree and which side you take, "
    "and "
    "end with one sentence that begins with \"Dropped:\" and names what you left out.";

const char *merge_chair(void)
{
    return CHAIR;
}

typedef struct synthesis {
    const council *from;
    const merge_options *options;
    const merge_candidate *candidates;
    int *order; /* [passes] which answer is read as A, B, ... */
    int cut;    /* answers that were shortened */
} synthesis;

/* Fisher-Yates with keyed random numbers: the same seed reads in the same order. */
static void shuffle(synthesis *s)
{
    int n = council_passes(s->from);
    for (int i = 0; i < n; i++)
        s->order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(keyed_uniform(s->options->seed, "chair", 0, (uint32_t)i) * (i + 1));
        int swap = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = swap;
    }
}

static const chat_message *question_of(const council *c)
{
    size_t n = council_turns(c, 0);
    for (size_t i = n; i > 0; i--)
        if (council_turn(c, 0, i - 1)->role == CHAT_USER)
            return council_turn(c, 0, i - 1);
    return NULL;
}

/* The chair's prompt with at most `most` bytes of each answer. */
static int write_prompt(synthesis *s, size_t most, buf *out, error *err)
{
    const chat_message *question = question_of(s->from);
    buf_clear(out);
    s->cut = 0;
    if (!question || buf_text(out, "Question:\n", err) ||
        buf_add(out, question->text, question->len, err))
        return question ? -1 : error_set(err, ERROR_USAGE, "nothing was asked yet");
    char label = 'A';
    for (int i = 0; i < council_passes(s->from); i++) {
        const merge_candidate *b = &s->candidates[s->order[i]];
        if (b->len == 0)
            continue;
        if (buf_format(out, err, "\n\nAnswer %c:\n", label++) ||
            merge_quote(out, b->text, b->len, most, &s->cut, err))
            return -1;
    }
    return buf_text(out, "\n\nWrite the council's answer.", err);
}

static size_t longest_answer(const synthesis *s)
{
    size_t longest = 0;
    for (int i = 0; i < council_passes(s->from); i++)
        if (s->candidates[i].len > longest)
            longest = s->candidates[i].len;
    return longest;
}

/* Asks the chair; while the prompt is too long for the context, the answers get shorter by a fifth. */
static int ask_chair(council *chair, synthesis *s, buf *prompt, const council_events *events,
                     error *err)
{
    size_t most = longest_answer(s);
    for (;;) {
        if (write_prompt(s, most, prompt, err))
            return -1;
        error why = {0};
        if (council_ask(chair, prompt->v, prompt->len, events, &why) == 0)
            return 0;
        *err = why;
        if (why.code != ERROR_CONTEXT || most <= MERGE_SHORTEST)
            return -1;
        most = most * 4 / 5;
    }
}

static council *open_chair(const council *c, const merge_options *o, error *err)
{
    council_options options = *council_settings(c);
    options.max_tokens = o->max_tokens;
    options.prefill = PREFILL_OWN;
    options.reserve = merge_reserve(c, o->max_tokens);
    council *chair = council_open(council_engine(c), &options, err);
    pass_options pass = {.name = o->by ? o->by : "chair",
                         .instruction = o->chair ? o->chair : CHAIR,
                         .program = o->program,
                         .sampling = sampling_defaults()};
    pass.sampling.seed = o->seed;
    pass.sampling.temperature = 0;
    if (chair && council_add(chair, &pass, err) < 0) {
        council_close(chair);
        return NULL;
    }
    return chair;
}

static int take_answer(const council *chair, const synthesis *s, merge_result *out, error *err)
{
    const answer *a = council_answer(chair, 0);
    out->stop = a->stop;
    out->by = strdup(a->name);
    if (!out->by)
        return error_memory(err, "a merge");
    if (merge_set_text(out, a->text + a->thought, a->len - a->thought, err) ||
        tokens_append(&out->ids, a->tokens, a->token_count, err))
        return -1;
    if (s->cut)
        return merge_set_note(out, err, "%d of %d answers were cut to fit the context", s->cut,
                              council_passes(s->from));
    return 0;
}

int merge_synth(council *c, const merge_options *options, merge_result *out,
                const council_events *events, error *err)
{
    if (council_settings(c)->raw)
        return error_set(err, ERROR_USAGE, "a synthesis needs a chat format; --raw has none");
    synthesis s = {.from = c, .options = options};
    s.candidates = merge_candidates(c, err);
    s.order = calloc((size_t)council_passes(c), sizeof *s.order);
    council *chair = s.candidates && s.order ? open_chair(c, options, err) : NULL;
    buf prompt = {0};
    int result = chair ? 0 : -1;
    if (chair) {
        shuffle(&s);
        result =
            ask_chair(chair, &s, &prompt, events, err) || take_answer(chair, &s, out, err) ? -1 : 0;
    }
    buf_release(&prompt);
    council_close(chair);
    free((void *)s.candidates);
    free(s.order);
    return result;
}
