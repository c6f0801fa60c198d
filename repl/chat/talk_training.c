/* talk_training.c - see talk_training.h.
 *
 * The file in memory grows while it is read: what ends in a newline is a line, the rest waits for the
 * next look. A line that begins with '{' is an event (cli/train_view.h), any other is a sentence of
 * the process, of which the last is kept: when it failed, that is why.
 */
#include "talk_training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../engine/base/array.h"
#include "../../engine/base/json.h"
#include "../screen/human.h"

enum { CURVE = 32 };

struct talk_training {
    char name[65];
    char *words; /* that it was started with */
    int fd;
    off_t at; /* read so far */
    buf rest; /* a line that has no end yet */
    char sentence[256];
    double *losses; /* [len] of the steps */
    size_t len, cap;
    int step, steps, status;
    double held, control, voice, left; /* negative = not known */
    int reading;                       /* per cent */
    bool runs, ended, interrupted;     /* ended: a result was written */
    int best;                          /* step of the result */
};

void talk_training_close(talk_training *g)
{
    if (!g)
        return;
    (void)close(g->fd);
    buf_release(&g->rest);
    free(g->words);
    free(g->losses);
    free(g);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static double number_at(const json *root, const char *key, double otherwise)
{
    const json *v = json_member(root, key);
    return v && json_type(v) == JSON_NUMBER ? json_number(v) : otherwise;
}

static void take_step(talk_training *g, const json *e)
{
    double *v = array_room(g->losses, g->len, &g->cap, sizeof *v, "the curve", NULL);
    g->step = (int)number_at(e, "step", g->step);
    g->steps = (int)number_at(e, "steps", g->steps);
    g->left = number_at(e, "left", -1);
    if (v) {
        g->losses = v;
        g->losses[g->len++] = number_at(e, "loss", 0);
    }
}

static void take_event(talk_training *g, const json *e)
{
    const char *kind = json_text_at(e, "event");
    if (!kind)
        return;
    if (strcmp(kind, "step") == 0)
        take_step(g, e);
    if (strcmp(kind, "reading") == 0)
        g->reading = (int)(100 * number_at(e, "done", 0) / (number_at(e, "total", 1) + 1e-9));
    if (strcmp(kind, "validation") == 0 || strcmp(kind, "end") == 0) {
        g->held = number_at(e, "loss", g->held);
        g->control = number_at(e, "control", g->control);
    }
    if (strcmp(kind, "probe") == 0 || strcmp(kind, "end") == 0)
        g->voice = number_at(e, "voice", g->voice);
    if (strcmp(kind, "end") == 0) {
        g->ended = true;
        g->interrupted = json_true(json_member(e, "interrupted"));
        g->best = (int)number_at(e, "step", g->step);
    }
}

static void take_line(talk_training *g, const char *line, size_t n)
{
    static const char OURS[] = "consilium: ";
    json_document *d = n && line[0] == '{' ? json_parse("training", line, n, NULL) : NULL;
    if (d) {
        take_event(g, json_root(d));
        json_close(d);
        return;
    }
    if (n >= sizeof OURS && memcmp(line, OURS, sizeof OURS - 1) == 0) {
        line += sizeof OURS - 1;
        n -= sizeof OURS - 1;
    }
    n = n < sizeof g->sentence ? n : sizeof g->sentence - 1;
    if (n) {
        memcpy(g->sentence, line, n);
        g->sentence[n] = '\0';
    }
}

static void take_lines(talk_training *g)
{
    size_t at = 0;
    for (const char *end; at < g->rest.len; at = (size_t)(end - g->rest.v) + 1) {
        end = memchr(g->rest.v + at, '\n', g->rest.len - at);
        if (!end)
            break;
        take_line(g, g->rest.v + at, (size_t)(end - g->rest.v) - at);
    }
    memmove(g->rest.v, g->rest.v + at, g->rest.len - at);
    g->rest.len -= at;
}

static void read_events(talk_training *g)
{
    char chunk[1 << 14];
    ssize_t n;
    while ((n = pread(g->fd, chunk, sizeof chunk, g->at)) > 0) {
        if (buf_add(&g->rest, chunk, (size_t)n, NULL))
            return;
        g->at += n;
        take_lines(g);
    }
}

/* True when it has ended since the last look. */
static bool look(talk *t)
{
    talk_training *g = t->training;
    training_state state;
    if (!g || !g->runs)
        return false;
    if (broker_training(t->broker, &state, &g->status, NULL))
        state = TRAINING_ENDED; /* with the broker */
    g->runs = state == TRAINING_RUNS;
    read_events(g); /* behind the state: nothing can come after its end */
    return !g->runs;
}

/* ---- telling ----------------------------------------------------------------------------------- */

/* Losses of the steps, a cell for each of up to CURVE equal stretches: high is bad. */
static int add_curve(const talk *t, const talk_training *g, buf *out, error *err)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-:=+*#";
    size_t cells = g->len < CURVE ? g->len : CURVE;
    double mean[CURVE], low = 0, high = 0;
    for (size_t i = 0; i < cells; i++) {
        size_t from = i * g->len / cells, to = (i + 1) * g->len / cells;
        mean[i] = 0;
        for (size_t k = from; k < to; k++)
            mean[i] += g->losses[k] / (double)(to - from);
        low = i == 0 || mean[i] < low ? mean[i] : low;
        high = i == 0 || mean[i] > high ? mean[i] : high;
    }
    for (size_t i = 0; i < cells; i++) {
        int level = high > low ? (int)(7.999 * (mean[i] - low) / (high - low)) : 0;
        if (terminal_utf8(t->term) ? buf_text(out, blocks[level], err)
                                   : buf_add(out, &ascii[level], 1, err))
            return -1;
    }
    return 0;
}

/* ", held out 2.31 (plain 3.02), voice 0.8" */
static int add_figures(const talk_training *g, buf *out, error *err)
{
    if (g->held >= 0 && buf_format(out, err, ", held out %.2f", g->held))
        return -1;
    if (g->held >= 0 && g->control >= 0 && buf_format(out, err, " (plain %.2f)", g->control))
        return -1;
    return g->voice >= 0 ? buf_format(out, err, ", voice %.2f", g->voice) : 0;
}

static int add_state(const talk *t, const talk_training *g, buf *out, error *err)
{
    char left[HUMAN_TEXT];
    if (!g->len)
        return buf_format(out, err, "%s: the model reads what is to be learned, %d %%", g->name,
                          g->reading);
    if (buf_format(out, err, "%s: step %d of %d, loss %.2f", g->name, g->step, g->steps,
                   g->losses[g->len - 1]) ||
        add_figures(g, out, err))
        return -1;
    if (g->left >= 0 && buf_format(out, err, ", %s left", human_seconds(left, g->left)))
        return -1;
    return buf_text(out, "  ", err) || add_curve(t, g, out, err) ? -1 : 0;
}

/* What became of it: a result, or why there is none; in short as news. */
static int add_end(const talk_training *g, bool news, buf *out, error *err)
{
    if (!g->ended)
        return buf_format(out, err, "%s was not trained: %s", g->name,
                          g->sentence[0] ? g->sentence : "it ended without a word");
    if (buf_format(out, err, "%s %s, ", g->name,
                   g->interrupted ? "was trained in part" : "is trained"))
        return -1;
    if (news)
        return buf_format(out, err, "held out %.2f (plain %.2f): /train use %s takes it", g->held,
                          g->control, g->name);
    if (buf_format(out, err, "best at step %d", g->best) || add_figures(g, out, err))
        return -1;
    return buf_format(out, err, ": /train use %s takes it, /untrain %s takes it back", g->name,
                      g->name);
}

static int say(talk *t, buf *text, int result)
{
    if (!result && text->v)
        result = talk_say(t, "%s", text->v);
    buf_release(text);
    return result ? -1 : 0;
}

int talk_training_tell(talk *t, error *err)
{
    buf text = {0};
    (void)look(t);
    const talk_training *g = t->training;
    if (!g)
        return talk_say(t, "nobody is being trained; /train NAME begins");
    return say(t, &text, g->runs ? add_state(t, g, &text, err) : add_end(g, false, &text, err));
}

void talk_training_look(talk *t)
{
    buf text = {0};
    if (look(t))
        (void)say(t, &text, add_end(t->training, true, &text, NULL));
}

bool talk_training_news(talk *t, buf *out)
{
    buf text = {0};
    bool told = look(t) && add_end(t->training, true, &text, NULL) == 0 &&
                console_quote(t->con, out, text.v, NULL) == 0 && buf_text(out, "\n", NULL) == 0;
    buf_release(&text);
    return told;
}

int talk_training_prompt(const talk *t, buf *out, error *err)
{
    const talk_training *g = t->training;
    if (!g || !g->runs)
        return 0;
    return buf_format(out, err, " training %s %d%%", g->name,
                      g->steps ? (int)(100LL * g->step / g->steps) : 0);
}

/* ---- beginning and ending ---------------------------------------------------------------------- */

static bool runs(const talk *t)
{
    return t->training && t->training->runs;
}

int talk_training_none(talk *t, error *err)
{
    talk_training_look(t);
    return runs(t) ? error_set(err, ERROR_USAGE, "%s is being trained; /train stop ends that",
                               t->training->name)
                   : 0;
}

int talk_train(talk *t, const char *name, const char *words, error *err)
{
    int fd = -1;
    if (talk_training_none(t, err))
        return -1;
    talk_training *g = calloc(1, sizeof *g);
    char *copy = g ? strdup(words) : NULL;
    if (!copy)
        (void)error_memory(err, "training");
    if (!copy || broker_train(t->broker, words, &fd, err)) {
        free(copy);
        free(g);
        return -1;
    }
    *g = (talk_training){
        .words = copy, .fd = fd, .runs = true, .held = -1, .control = -1, .voice = -1, .left = -1};
    (void)snprintf(g->name, sizeof g->name, "%s", name);
    talk_training_close(t->training);
    t->training = g;
    return talk_say(t,
                    "training %s beside the conversation; /train tells how it goes, /train stop "
                    "ends it and keeps what there is",
                    name);
}

int talk_training_stop(talk *t, error *err)
{
    talk_training_look(t);
    if (!runs(t))
        return error_set(err, ERROR_USAGE, "nobody is being trained");
    return broker_train_stop(t->broker, err)
               ? -1
               : talk_say(t, "%s ends its step and keeps what there is", t->training->name);
}

void talk_training_forget(talk *t, const char *name)
{
    if (!t->training || runs(t) || strcmp(t->training->name, name) != 0)
        return;
    talk_training_close(t->training);
    t->training = NULL;
}

/* The command that goes on: the same words, as a shell takes them. */
static int add_command(const talk_training *g, buf *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:,=+";
    int result = buf_text(out, "consilium train", NULL);
    for (const char *at = g->words; *at && !result;) {
        size_t n = strcspn(at, "\n");
        const char *quote = strspn(at, plain) >= n ? "" : "'";
        if (n != 2 || memcmp(at, "-q", 2) != 0)
            result = buf_format(out, NULL, " %s%.*s%s", quote, (int)n, at, quote);
        at += n + (at[n] == '\n');
    }
    return result ? result : buf_text(out, " --resume", NULL);
}

void talk_training_leave(talk *t)
{
    buf command = {0};
    talk_training_look(t);
    if (runs(t) && add_command(t->training, &command) == 0)
        console_note(t->con, "the training of %s is stopped; what it has is kept, and `%s` goes on",
                     t->training->name, command.v);
    buf_release(&command);
}
