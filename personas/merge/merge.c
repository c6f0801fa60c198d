/* merge.c - choosing and running a merge; merge.h says what each one does. */
#include "merge.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/buf.h"
#include "../council/loop.h"
#include "merge_state.h"

static const char *const NAMES[] = {"auto", "none", "vote", "synth", "debate", "blend"};

const char *merge_name(merge_method m)
{
    return NAMES[m];
}

int merge_parse(const char *text, merge_method *method, int *rounds, error *err)
{
    *rounds = 1;
    for (int i = 0; i < (int)(sizeof NAMES / sizeof *NAMES); i++) {
        size_t n = strlen(NAMES[i]);
        if (strncmp(text, NAMES[i], n) != 0)
            continue;
        *method = (merge_method)i;
        if (text[n] == '\0')
            return 0;
        if (*method == MERGE_DEBATE && text[n] == ':' && text[n + 1] >= '1' && text[n + 1] <= '9' &&
            text[n + 2] == '\0') {
            *rounds = text[n + 1] - '0';
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "merge \"%.40s\": must be auto, synth, vote, debate[:1-9], blend or none",
                     text);
}

/* ---- what the merges share --------------------------------------------------------------------- */

chat_message merge_reply(const council *c, int i)
{
    size_t n = council_turns(c, i);
    if (n == 0 || council_turn(c, i, n - 1)->role != CHAT_ASSISTANT)
        return (chat_message){CHAT_ASSISTANT, "", 0};
    return *council_turn(c, i, n - 1);
}

merge_candidate *merge_candidates(const council *c, error *err)
{
    const tokenizer *t = engine_tokenizer(council_engine(c));
    int n = council_passes(c), need = council_settings(c)->loop;
    merge_candidate *b = calloc((size_t)n, sizeof *b);
    if (!b) {
        error_memory(err, "a merge");
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        pass_stop stop = council_answer(c, i)->stop;
        chat_message reply = merge_reply(c, i);
        b[i] = (merge_candidate){.text = reply.text, .len = reply.len};
        /* One that was let go on, or stopped by somebody else, may loop all the same. */
        int loops = loop_ends(t, reply.text, reply.len, need > 0 ? need : LOOP_TOKENS, err);
        if (loops < 0) {
            free(b);
            return NULL;
        }
        b[i].barred = loops || stop == STOP_LOOP || stop == STOP_ERROR || b[i].len == 0;
    }
    return b;
}

int merge_set_text(merge_result *out, const char *text, size_t len, error *err)
{
    char *copy = malloc(len + 1);
    if (!copy)
        return error_memory(err, "a merge");
    memcpy(copy, text, len);
    copy[len] = '\0';
    free(out->text);
    out->text = copy;
    out->len = len;
    return 0;
}

int merge_set_note(merge_result *out, error *err, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    free(out->note);
    out->note = strdup(text);
    return out->note ? 0 : error_memory(err, "a merge");
}

/* Behind the last sentence that fits, else behind the last word. */
size_t merge_cut(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    static const char ends[] = {'.', '!', '?', ':', '\n'};
    size_t sentence = 0, word = 0;
    for (size_t i = 0; i < most; i++) {
        if (text[i] == ' ' || text[i] == '\n') {
            word = i;
            if (i > 0 && memchr(ends, text[i - 1], sizeof ends))
                sentence = i;
        }
    }
    return sentence > most / 2 ? sentence : word;
}

int merge_quote(buf *out, const char *text, size_t len, size_t most, int *cut, error *err)
{
    size_t n = merge_cut(text, len, most);
    *cut += n < len;
    return buf_add(out, text, n, err) || (n < len && buf_text(out, " [cut]", err)) ? -1 : 0;
}

int merge_reserve(const council *c, int max_tokens)
{
    int quarter = council_settings(c)->context / 4;
    return max_tokens < quarter ? max_tokens : quarter;
}

void merge_weights(double *nll, int n)
{
    double least = nll[0], sum = 0;
    for (int i = 1; i < n; i++)
        least = fmin(least, nll[i]);
    for (int i = 0; i < n; i++)
        sum += nll[i] = exp(least - nll[i]);
    for (int i = 0; i < n; i++)
        nll[i] /= sum;
}

/* ---- auto -------------------------------------------------------------------------------------- */

/* Elements of all tensors: near enough to the number of parameters for a rule of thumb. */
static double parameters(const engine *e)
{
    const checkpoint *file = engine_checkpoint(e);
    double total = 0;
    for (int i = 0; i < checkpoint_count(file); i++) {
        checkpoint_tensor t;
        checkpoint_at(file, i, &t);
        double elements = 1;
        for (int d = 0; d < t.dims; d++)
            elements *= (double)t.shape[d];
        total += elements;
    }
    return total;
}

/* A small model writes no good synthesis, and likelihoods cost one reading; raw text has no chair. */
merge_method merge_chosen(const council *c)
{
    static const double SMALL = 1e9;
    if (council_settings(c)->raw || parameters(council_engine(c)) < SMALL)
        return MERGE_VOTE;
    return MERGE_SYNTH;
}

/* ---- public ------------------------------------------------------------------------------------ */

static int run_vote(council *c, merge_result *out, const council_events *events, error *err)
{
    merge_candidate *candidates = merge_candidates(c, err);
    int result = candidates ? merge_vote(c, candidates, out, events, err) : -1;
    free(candidates);
    return result;
}

int merge_run(council *c, const merge_options *options, merge_result *out,
              const council_events *events, error *err)
{
    merge_method m = options->method == MERGE_AUTO ? merge_chosen(c) : options->method;
    *out = (merge_result){.method = m, .winner = -1, .passes = council_passes(c)};
    double start = council_clock();
    int result = 0;
    if (m == MERGE_VOTE)
        result = run_vote(c, out, events, err);
    else if (m == MERGE_SYNTH)
        result = merge_synth(c, options, out, events, err);
    else if (m == MERGE_DEBATE)
        result = merge_debate(c, options, out, events, err);
    else if (m == MERGE_BLEND)
        result = merge_blend(c, options, out, events, err);
    out->seconds = council_clock() - start;
    if (result)
        merge_release(out);
    return result;
}

void merge_release(merge_result *r)
{
    for (int i = 0; r->revised && i < r->passes; i++)
        buf_release(&r->revised[i]);
    free(r->revised);
    free(r->by);
    free(r->text);
    tokens_release(&r->ids);
    free(r->scores);
    free(r->shares);
    free(r->divergence);
    free(r->note);
    *r = (merge_result){.winner = -1};
}
