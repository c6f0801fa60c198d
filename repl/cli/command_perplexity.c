/* command_perplexity.c - how well a model predicts a text.
 *
 * Windows of 512 tokens that do not overlap; in each, the tokens at positions 256..511 are scored
 * given everything before them in the window; what is left over is dropped; no BOS. The logits at
 * position p - 1 predict the token at p, so 255 tokens are read for their keys and values alone and
 * the next 256 for their logits; the last token of a window is only ever a target.
 *
 * Besides the loss for each token that for each byte is told: what stays when tokenizers differ.
 *
 * nll is the mean, in nats, of log(sum exp logits) - logit[target], summed in double.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/json_writer.h"
#include "../../engine/text/tokenizer_file.h"
#include "../options/open_model.h"
#include "../options/routing_options.h"
#include "../screen/human.h"
#include "../system/input.h"
#include "commands.h"

enum { WINDOW = 512, SCORED = 256 };

typedef struct score {
    engine *engine;
    session *session;
    console *con;
    float *logits; /* [chunk, vocabulary] */
    int chunk;     /* positions whose logits are computed at once */
    size_t windows, done;
    size_t text_tokens, text_bytes; /* of all that was read */
    size_t bytes;                   /* of the scored tokens */
    double nll;                     /* sum over the scored tokens */
    double began;                   /* seconds */
} score;

/* -log softmax(logits)[target] in nats. */
static double surprise(const float *logits, int n, int target)
{
    float most = logits[0];
    for (int i = 1; i < n; i++)
        if (logits[i] > most)
            most = logits[i];
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp((double)logits[i] - (double)most);
    return log(sum) + (double)most - (double)logits[target];
}

static int score_window(score *s, const int *ids, error *err)
{
    int vocabulary = engine_config(s->engine)->vocabulary;
    step before = {s->session, ids, WINDOW - SCORED - 1, LOGITS_NONE, NULL};
    session_rewind(s->session, 0);
    if (engine_advance(s->engine, &before, 1, err))
        return -1;
    for (int at = WINDOW - SCORED - 1; at < WINDOW - 1; at += s->chunk) {
        int n = WINDOW - 1 - at < s->chunk ? WINDOW - 1 - at : s->chunk;
        step st = {s->session, ids + at, n, LOGITS_ALL, s->logits};
        if (engine_advance(s->engine, &st, 1, err))
            return -1;
        for (int i = 0; i < n; i++)
            s->nll +=
                surprise(s->logits + (size_t)i * (size_t)vocabulary, vocabulary, ids[at + i + 1]);
    }
    return 0;
}

static double mean(const score *s)
{
    return s->nll / (double)(s->done * SCORED);
}

/* Nats for each byte of the scored text: what tokenizers can be compared by. */
static double by_bytes(const score *s)
{
    return s->bytes ? s->nll / (double)s->bytes : 0;
}

static void show_progress(score *s)
{
    char left[HUMAN_TEXT];
    double spent = console_seconds() - s->began;
    if (s->done == 0)
        console_progress(s->con, "perplexity: window 1 of %zu", s->windows);
    else
        console_progress(
            s->con, "perplexity: %.4f after %zu of %zu windows, about %s left", exp(mean(s)),
            s->done, s->windows,
            human_seconds(left, spent / (double)s->done * (double)(s->windows - s->done)));
}

static int score_all(score *s, const int *ids, error *err)
{
    s->began = console_seconds();
    for (; s->done < s->windows; s->done++) {
        show_progress(s);
        if (score_window(s, ids + s->done * WINDOW, err)) {
            if (err->code == ERROR_CANCELLED && s->done)
                console_note(s->con, "perplexity %.4f after %zu of %zu windows", exp(mean(s)),
                             s->done, s->windows);
            return -1;
        }
        if (!isfinite(s->nll))
            return error_set(err, ERROR_RUN,
                             "the model gives no finite probability to a token of window %zu",
                             s->done + 1);
    }
    return 0;
}

static int print_json(const score *s, error *err)
{
    buf out = {0};
    json_writer e = {.out = &out, .err = err};
    json_begin_object(&e, NULL);
    json_put_number(&e, "nll", mean(s));
    json_put_count(&e, "tokens", s->windows * SCORED);
    json_put_number(&e, "ppl", exp(mean(s)));
    json_put_count(&e, "bytes", s->bytes);
    json_put_number(&e, "nll_per_byte", by_bytes(s));
    json_put_count(&e, "text_tokens", s->text_tokens);
    json_put_count(&e, "text_bytes", s->text_bytes);
    json_end(&e);
    return console_json(s->con, &e, err);
}

static int print_text(const score *s, error *err)
{
    buf out = {0};
    int result = buf_format(&out, err,
                            "perplexity %.4f   nll %.6f nats a token, %.6f a byte   %zu tokens "
                            "scored in %zu window%s   text: %zu tokens, %zu bytes\n",
                            exp(mean(s)), mean(s), by_bytes(s), s->windows * SCORED, s->windows,
                            s->windows == 1 ? "" : "s", s->text_tokens, s->text_bytes);
    if (!result)
        result = console_text(s->con, &out, err);
    buf_release(&out);
    return result;
}

/* The text's tokens; at least one window of them. */
static int encode(const tokenizer *t, const buf *text, const options *opt, console *con,
                  tokens *ids, error *err)
{
    if (input_encode(t, opt->words[0], text, con, ids, err))
        return -1;
    if (ids->len < WINDOW)
        return error_set(err, ERROR_USAGE,
                         "%s: the text has %zu tokens; perplexity needs at least %d", opt->words[0],
                         ids->len, WINDOW);
    return 0;
}

static int open_score(score *s, const options *opt, const router_program *program, error *err)
{
    s->chunk = open_model_logit_rows(s->engine);
    s->logits =
        malloc((size_t)s->chunk * (size_t)engine_config(s->engine)->vocabulary * sizeof *s->logits);
    if (!s->logits)
        return error_memory(err, "logits");
    s->session = session_open(s->engine, WINDOW, open_model_kv(opt, DTYPE_F32), err);
    return s->session ? session_set_program(s->session, program, err) : -1;
}

static int check_context(const options *opt, const engine *e, error *err)
{
    int context;
    if (open_model_context(opt, e, &context, err))
        return -1;
    if (context < WINDOW)
        return error_set(err, ERROR_CONTEXT, "a window has %d tokens; the context holds %d", WINDOW,
                         context);
    return 0;
}

static int run(engine *e, const buf *text, const options *opt, console *con, error *err)
{
    const tokenizer *t = engine_tokenizer(e);
    if (!t)
        return error_set(err, ERROR_LOAD, "%s: the model brings no tokenizer",
                         checkpoint_path(engine_checkpoint(e)));
    if (check_context(opt, e, err))
        return -1;
    tokens ids = {0};
    score s = {.engine = e, .con = con};
    roster *one = routing_options_seat(opt, e, con, err);
    int result = -1;
    if (one && encode(t, text, opt, con, &ids, err) == 0 &&
        open_score(&s, opt, roster_seat(one, 0)->program, err) == 0) {
        s.windows = ids.len / WINDOW;
        s.text_tokens = ids.len;
        s.text_bytes = text->len;
        for (size_t w = 0; w < s.windows; w++)
            s.bytes += tokenizer_bytes(t, ids.v + w * WINDOW + (WINDOW - SCORED), SCORED);
        result = score_all(&s, ids.v, err);
        if (result == 0)
            result = options_want_json(opt) ? print_json(&s, err) : print_text(&s, err);
    }
    session_close(s.session);
    roster_close(one);
    free(s.logits);
    tokens_release(&ids);
    return result;
}

int command_perplexity(const options *opt, console *con, error *err)
{
    buf text = {0};
    engine *e = NULL;
    if (routing_options_check(opt, err) == 0 && input_read(opt->words[0], &text, con, err) == 0)
        e = open_model(opt, con, err);
    int result = e ? run(e, &text, opt, con, err) : -1;
    engine_close(e);
    buf_release(&text);
    return result;
}
