/* merge_synth.c - a chair, unmasked unless another is named, reads all answers and writes one.
 *
 * The answers come to it as "Answer A", "Answer B", ... in an order drawn from the seed: no names,
 * no first place for a favourite. What a persona wrote is content, so text in it that looks like a
 * special token stays text. When the answers do not fit beside the chair's own answer, each gets an
 * equal share of the room and is cut at the end of a sentence; the prompt says "[cut]" and the
 * result's note says how much. The chair's own answer keeps room for max_tokens, at most a quarter
 * of the context. What it wrote is looked over (written.h): labels of its prompt and long copies of
 * one answer are told in the note.
 */
#include <stdlib.h>
#include <string.h>

#include "../council/council_state.h"
#include "merge_state.h"
#include "written.h"

static const char CHAIR[] =
    "You chair a council. Read the question and the answers, then write one answer to the "
    "question. "
    "Say in a sentence where the answers agree, say where they disagree and which side you take, "
    "and end with one sentence that begins with \"Dropped:\" and names what you left out.";

const char *merge_chair(void)
{
    return CHAIR;
}

typedef struct synthesis {
    const merging *merge;
    int passes;
    merge_candidate *candidates; /* [passes] */
    buf texts;                   /* theirs */
    int *order;                  /* [passes] which answer is read as A, B, ... */
    council *chair;
    buf prompt;
    int cut; /* answers that were shortened */
} synthesis;

/* Fisher-Yates with keyed random numbers: the same seed reads in the same order. */
static void shuffle(synthesis *s)
{
    for (int i = 0; i < s->passes; i++)
        s->order[i] = i;
    for (int i = s->passes - 1; i > 0; i--) {
        double at = keyed_uniform(s->merge->options->seed, "chair", 0, (uint32_t)i);
        int j = (int)(at * (i + 1));
        int swap = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = swap;
    }
}

/* The chair's prompt with at most `most` bytes of each answer. */
static int write_prompt(synthesis *s, size_t most, error *err)
{
    const council_request *asked = &s->merge->round->requests[0];
    const chat_message *question = &asked->messages[asked->count - 1];
    buf *out = &s->prompt;
    buf_clear(out);
    s->cut = 0;
    if (buf_text(out, "Question:\n", err) || buf_add(out, question->text, question->len, err))
        return -1;
    char label = 'A';
    for (int i = 0; i < s->passes; i++) {
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
    for (int i = 0; i < s->passes; i++)
        if (s->candidates[i].len > longest)
            longest = s->candidates[i].len;
    return longest;
}

/* Asks the chair; while the prompt is too long for the context, the answers get shorter by a fifth. */
static int ask_chair(synthesis *s, error *err)
{
    const merge_options *o = s->merge->options;
    for (size_t most = longest_answer(s);; most = most * 4 / 5) {
        if (write_prompt(s, most, err))
            return -1;
        chat_message task = {CHAT_USER, s->prompt.v, s->prompt.len};
        council_request request = {.instruction = o->chair ? o->chair : CHAIR,
                                   .messages = &task,
                                   .count = 1,
                                   .seed = o->seed};
        error why = {0};
        if (council_ask(s->chair, &request, &why) == 0)
            return 0;
        *err = why;
        if (why.code != ERROR_CONTEXT || most <= MERGE_SHORTEST)
            return -1;
    }
}

/* A council of its own, heard by whoever hears the passes, of whom it is none. */
static council *open_chair(const merging *m, error *err)
{
    static const int NO_PASS[] = {-1};
    const merge_options *o = m->options;
    council_options options = *council_settings(m->council);
    options.max_tokens = o->max_tokens;
    options.prefill = PREFILL_OWN;
    options.reserve = merge_reserve(m->council, o->max_tokens);
    council *chair = council_open(council_engine(m->council), &options, err);
    pass_options seat = {
        .name = o->by ? o->by : "chair", .program = o->program, .sampling = sampling_defaults()};
    seat.sampling.temperature = 0;
    if (!chair)
        return NULL;
    if (council_add(chair, &seat, err) == 0 &&
        council_share_subscribers(chair, m->council, NO_PASS, err) == 0)
        return chair;
    council_close(chair);
    return NULL;
}

/* The largest share that was copied from one answer, and whose it is; reads the answers as they are. */
static int find_source(const synthesis *s, const turn_text *text, double *most, int *source,
                       error *err)
{
    *most = 0;
    for (int i = 0; i < s->passes; i++) {
        const merge_candidate *b = &s->candidates[i];
        double share;
        if (written_copied(text->v, text->len, b->text, b->len, &share, err))
            return -1;
        if (share > *most)
            *source = i;
        *most = share > *most ? share : *most;
    }
    return 0;
}

/* What a reader must know of it: shortened answers, labels that only the chair has seen, copies. */
static int note_written(const synthesis *s, turn_merge *out, error *err)
{
    double copied;
    int source = 0, answers = 0, result = 0;
    buf note = {0};
    for (int i = 0; i < s->passes; i++)
        answers += s->candidates[i].len > 0;
    if (find_source(s, &out->text, &copied, &source, err))
        return -1;
    if (s->cut)
        result = buf_format(&note, err, "%d of %d answers were cut to fit the context", s->cut,
                            s->passes);
    if (!result && written_leaks(out->text.v, out->text.len, (char)('A' + answers - 1)))
        result = buf_format(&note, err, "%sit speaks of labels that only the chair has seen",
                            note.len ? "; " : "");
    if (!result && copied >= WRITTEN_COPIED)
        result = buf_format(&note, err, "%s%.0f %% of its words are copied from %s",
                            note.len ? "; " : "", 100 * copied, s->merge->parties[source].name);
    if (!result && note.len)
        result = merge_set_note(s->merge, out, err, "%s", note.v);
    buf_release(&note);
    return result;
}

static int take_answer(const synthesis *s, turn_merge *out, error *err)
{
    turn_answer a;
    if (turn_answer_copy(s->merge->memory, council_answer(s->chair, 0), &a, err))
        return -1;
    out->stop = a.stop;
    out->by = a.name;
    out->text = a.text;
    out->ids = a.ids;
    return note_written(s, out, err);
}

static int synthesise(synthesis *s, turn_merge *out, error *err)
{
    const merging *m = s->merge;
    s->order = calloc((size_t)s->passes, sizeof *s->order);
    if (!s->order)
        return error_memory(err, "a merge");
    if (!(s->candidates = merge_candidates(m, &s->texts, err)) || !(s->chair = open_chair(m, err)))
        return -1;
    shuffle(s);
    return ask_chair(s, err) ? -1 : take_answer(s, out, err);
}

int merge_synth(const merging *m, turn_merge *out, error *err)
{
    synthesis s = {.merge = m, .passes = m->count};
    if (!m->options->by && merge_small(m->council))
        return merge_quotes(m, out, err);
    if (council_settings(m->council)->raw)
        return error_set(err, ERROR_USAGE, "a synthesis needs a chat format; --raw has none");
    int result = synthesise(&s, out, err);
    council_close(s.chair);
    buf_release(&s.prompt);
    buf_release(&s.texts);
    free(s.candidates);
    free(s.order);
    return result;
}
