/* train_view.c - see train_view.h. Losses of steps are shown as means over a few, as many as a cell of the
 * picture stands for. */
#include "train_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/array.h"
#include "../../engine/base/paths.h"
#include "../screen/curve.h"
#include "../screen/display_width.h"
#include "../screen/human.h"

enum { ROWS = 10, WIDEST = 120, ANSWER = 160 };
static const double FRAME_SECONDS = 0.25;

typedef struct points {
    double *x, *y;
    size_t len, cap_x, cap_y;
} points;

struct train_view {
    console *con;
    bool ndjson, failed; /* failed: standard output takes no more */
    bool due;            /* a line about the last check, which its answers may still add to */
    points steps, checks, best;
    train_event last;   /* of a step */
    double held, voice; /* the last ones; negative = none yet */
    int answers, ended, looped;
    char answer[ANSWER];
    double drawn; /* seconds, when */
};

train_view *train_view_open(console *con, bool ndjson, error *err)
{
    train_view *v = calloc(1, sizeof *v);
    if (v)
        *v = (train_view){.con = con, .ndjson = ndjson, .held = -1, .voice = -1};
    else
        (void)error_memory(err, "the view of training");
    return v;
}

static void release_points(points *p)
{
    free(p->x);
    free(p->y);
}

void train_view_close(train_view *v)
{
    if (!v)
        return;
    console_frame_end(v->con);
    release_points(&v->steps);
    release_points(&v->checks);
    release_points(&v->best);
    free(v);
}

static void add_point(points *p, double x, double y)
{
    double *a = array_room(p->x, p->len, &p->cap_x, sizeof *a, "a curve", NULL);
    p->x = a ? a : p->x;
    double *b = array_room(p->y, p->len, &p->cap_y, sizeof *b, "a curve", NULL);
    p->y = b ? b : p->y;
    if (!a || !b)
        return; /* a picture that lacks a point */
    p->x[p->len] = x;
    p->y[p->len++] = y;
}

/* ---- before it starts --------------------------------------------------------------------------- */

/* Lines go on under their text: they are indented, and in columns (fold.h). */
static void put_learned(text_writer *w, const train_plan *p)
{
    char count[HUMAN_TEXT];
    text_put(w, "  learns   ");
    if (p->experts)
        text_format(w, " %d new experts, %d wide,", p->experts, p->width);
    if (p->whole)
        text_format(w, " %d of the model's experts,", p->whole);
    if (p->updated)
        text_format(w, "%s rank-%d updates of %d experts,", p->experts ? " and" : "", p->rank,
                    p->updated);
    if (p->rows)
        text_format(w, "%s %d router rows,", p->experts || p->whole || p->updated ? " and" : "",
                    p->rows);
    text_format(w, " in each of layers %d-%d: %s numbers\n", p->first, p->last,
                human_count(count, p->trainable));
    if (p->experts)
        text_format(w, "            %s\n",
                    p->pool_layers
                        ? "they begin as nothing, and the mask keeps no others"
                        : "they begin as copies of the most called, which the mask bans");
}

static void put_sources(train_view *v, text_writer *w, const train_source *sources, int count)
{
    for (int i = 0; i < count; i++) {
        text_format(w, "  %-8s  %zu in ", i ? "" : "lessons", sources[i].lessons);
        console_put_quoted(v->con, w, paths_name(sources[i].path));
        text_put(w, "\n");
    }
}

static void put_samples(text_writer *w, const train_plan *p)
{
    char time[HUMAN_TEXT];
    text_format(w, "  from      %zu samples (%zu tokens); %zu more are held out (%zu tokens)\n",
                p->learned, p->learned_tokens, p->held_out, p->held_out_tokens);
    if (p->near)
        text_format(w,
                    "  keeps     near the plain model on %zu windows of other text (weight %g)\n",
                    p->near, p->near_weight);
    if (p->seconds > 0 && !p->resumed)
        text_format(w, "  steps     as many as fit %s, at a rate of %g\n",
                    human_seconds(time, p->seconds), p->rate);
    else
        text_format(w, "  steps     %d, %d times through the samples, at a rate of %g\n", p->steps,
                    p->epochs, p->rate);
    if (p->resumed)
        text_format(w, "            going on behind step %d\n", p->resumed);
}

/* The folder of both is told once. */
static void put_files(train_view *v, text_writer *w, const train_plan *p)
{
    char memory[HUMAN_TEXT], result[HUMAN_TEXT];
    const char *name = paths_name(p->adapter);
    text_format(w, "  memory    %s, besides the model\n  writes    ",
                human_bytes(memory, p->memory));
    console_put_quoted(v->con, w, name);
    text_format(w, " (%s)\n", human_bytes(result, p->result));
    if (p->mask) {
        text_put(w, "            ");
        console_put_quoted(v->con, w, paths_name(p->mask));
        text_put(w, "\n");
    }
    if (name == p->adapter)
        return;
    buf folder = {0};
    text_put(w, "  in        ");
    if (buf_add(&folder, p->adapter, (size_t)(name - p->adapter) - 1, NULL) == 0)
        console_put_quoted(v->con, w, folder.v);
    text_put(w, "\n");
    buf_release(&folder);
}

static int start_json(train_view *v, const char *name, const char *model,
                      const train_source *sources, int count, const train_plan *p, error *err)
{
    buf text = {0};
    json_writer j = {.out = &text, .err = err};
    json_begin_object(&j, NULL);
    json_put_text(&j, "event", "start");
    json_put_text(&j, "persona", name);
    json_put_text(&j, "model", model);
    json_begin_array(&j, "lessons");
    for (int i = 0; i < count; i++) {
        json_begin_object(&j, NULL);
        json_put_text(&j, "path", sources[i].path);
        json_put_count(&j, "count", sources[i].lessons);
        json_end(&j);
    }
    json_end(&j);
    json_put_count(&j, "learned", p->learned);
    json_put_count(&j, "held_out", p->held_out);
    json_put_count(&j, "near", p->near);
    json_put_count(&j, "trainable", p->trainable);
    json_put_int(&j, "steps", p->steps);
    json_put_int(&j, "epochs", p->epochs);
    json_put_count(&j, "memory", p->memory);
    json_put_text(&j, "adapter", p->adapter);
    json_put_text(&j, "mask", p->mask);
    json_put_text(&j, "state", p->state);
    json_put_int(&j, "resumed", p->resumed);
    json_end(&j);
    return console_json(v->con, &j, err);
}

int train_view_plan(train_view *v, const char *name, const char *model, const train_source *sources,
                    int count, const train_plan *plan, error *err)
{
    buf text = {0};
    text_writer w = {.out = &text, .err = err};
    console_progress_end(v->con);
    if (v->ndjson)
        return start_json(v, name, model, sources, count, plan, err);
    text_put(&w, "training ");
    console_put_quoted(v->con, &w, name);
    text_put(&w, " on ");
    console_put_quoted(v->con, &w, model);
    text_put(&w, "\n");
    put_learned(&w, plan);
    put_sources(v, &w, sources, count);
    put_samples(&w, plan);
    put_files(v, &w, plan);
    if (!v->con->quiet && !w.failed)
        console_say(v->con, &text);
    buf_release(&text);
    return w.failed ? -1 : 0;
}

/* ---- events as JSON ---------------------------------------------------------------------------- */

static void put_left(json_writer *j, double left)
{
    if (left < 0)
        json_put_null(j, "left");
    else
        json_put_number(j, "left", round(left * 10) / 10);
}

static void event_fields(json_writer *j, const train_event *e)
{
    switch (e->kind) {
    case TRAIN_SURVEY:
        break;
    case TRAIN_READING:
        json_put_text(j, "event", "reading");
        json_put_int(j, "done", e->done);
        json_put_int(j, "total", e->total);
        break;
    case TRAIN_STEP:
        json_put_text(j, "event", "step");
        json_put_int(j, "step", e->step);
        json_put_int(j, "steps", e->steps);
        json_put_number(j, "loss", e->loss);
        json_put_number(j, "seconds", round(e->seconds * 10) / 10);
        put_left(j, e->left);
        break;
    case TRAIN_VALIDATION:
        json_put_text(j, "event", "validation");
        json_put_int(j, "step", e->step);
        json_put_number(j, "loss", e->loss);
        json_put_number(j, "control", e->control);
        break;
    case TRAIN_PROBE:
    case TRAIN_BEST:
        json_put_text(j, "event", e->kind == TRAIN_PROBE ? "probe" : "best");
        json_put_int(j, "step", e->step);
        json_put_number(j, "loss", e->loss);
        if (e->voice >= 0)
            json_put_number(j, "voice", e->voice);
        else
            json_put_null(j, "voice");
        json_put_int(j, "answers", e->answers);
        json_put_int(j, "ended", e->ended);
        json_put_int(j, "looped", e->looped);
        if (e->kind == TRAIN_PROBE)
            json_put_text(j, "text", e->text);
        break;
    }
}

/* A reader that went away ends the process at its next write of another kind: a run is not stopped by it. */
static void event_json(train_view *v, const train_event *e)
{
    buf text = {0};
    error err;
    json_writer j = {.out = &text, .err = &err};
    json_begin_object(&j, NULL);
    event_fields(&j, e);
    json_end(&j);
    v->failed = v->failed || console_json(v->con, &j, &err) != 0;
}

/* ---- the frame --------------------------------------------------------------------------------- */

/* Means over `each` steps. */
static points smoothed(const points *p, double last, int columns)
{
    points out = {0};
    size_t each = (size_t)(last / (2 * columns)) + 1;
    each = each < 4 && last > 60 ? 4 : each;
    for (size_t at = 0; at < p->len; at += each) {
        double sum = 0;
        size_t n = p->len - at < each ? p->len - at : each;
        for (size_t i = 0; i < n; i++)
            sum += p->y[at + i];
        add_point(&out, p->x[at + n - 1], sum / (double)n);
    }
    return out;
}

static void put_curve(const train_view *v, text_writer *w, int columns)
{
    points mean = smoothed(&v->steps, v->last.steps, columns);
    curve c = {.columns = columns,
               .rows = ROWS,
               .utf8 = !v->con->ascii,
               .last = v->last.steps,
               .level = v->last.control,
               .series = {{mean.x, mean.y, (int)mean.len, NULL, "."},
                          {v->checks.x, v->checks.y, (int)v->checks.len, "\xe2\x97\x8b", "o"},
                          {v->best.x, v->best.y, (int)v->best.len, "\xe2\x98\x85", "*"}},
               .count = 3};
    curve_draw(&c, w);
    release_points(&mean);
}

static const char *dot(const train_view *v)
{
    return v->con->ascii ? "," : " \xc2\xb7";
}

/* A line of at most so many columns; what it lacks is told by a sign. */
static void put_cut(const train_view *v, text_writer *w, const buf *line, int columns)
{
    buf fit = {0};
    if (display_fit(&fit, line->v, line->len, (size_t)columns, !v->con->ascii, NULL, w->err) == 0)
        text_put_bytes(w, fit.v, fit.len);
    text_put(w, "\n");
    buf_release(&fit);
}

/* What is wanted most stands first: a narrow terminal cuts the end. */
static void put_figures(const train_view *v, text_writer *w)
{
    const train_event *e = &v->last;
    char spent[HUMAN_TEXT], left[HUMAN_TEXT];
    text_format(w, "step %d/%d", e->step, e->steps);
    if (e->left >= 0 && e->step < e->steps)
        text_format(w, " (%s left)", human_seconds(left, e->left));
    text_format(w, "%s loss %.2f", dot(v), e->loss);
    if (v->held >= 0)
        text_format(w, "%s held out %.2f (plain %.2f)", dot(v), v->held, e->control);
    if (v->voice >= 0)
        text_format(w, "%s voice %.2f", dot(v), v->voice);
    text_format(w, "%s %s", dot(v), human_seconds(spent, e->seconds));
}

static void put_answer(const train_view *v, text_writer *w)
{
    text_format(w, "answers   %d of %d end%s", v->ended, v->answers,
                v->looped ? ", some circle" : "");
    text_format(w, "; \"");
    console_put_quoted(v->con, w, v->answer);
    text_put(w, "\"");
}

static void draw(train_view *v, bool now)
{
    double seconds = console_seconds();
    if (!v->con->moving || v->ndjson || (!now && seconds - v->drawn < FRAME_SECONDS))
        return;
    v->drawn = seconds;
    int columns = console_columns() - 1;
    columns = columns > WIDEST ? WIDEST : columns;
    buf text = {0}, line = {0};
    text_writer w = {.out = &text}, l = {.out = &line};
    put_curve(v, &w, columns);
    put_figures(v, &l);
    put_cut(v, &w, &line, columns);
    if (v->answers) {
        buf_clear(&line);
        put_answer(v, &l);
        put_cut(v, &w, &line, columns);
    }
    if (!w.failed && !l.failed)
        console_frame(v->con, &text);
    buf_release(&line);
    buf_release(&text);
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* One line about a check, once its answers are known. */
static void note_check(train_view *v)
{
    buf line = {0};
    if (!v->due)
        return;
    v->due = false;
    text_writer w = {.out = &line};
    put_figures(v, &w);
    if (v->voice >= 0)
        text_format(&w, "%s %d of %d answers end", dot(v), v->ended, v->answers);
    if (!w.failed)
        console_note(v->con, "%s", line.v);
    buf_release(&line);
}

static void take_probe(train_view *v, const train_event *e)
{
    v->voice = e->voice;
    v->answers = e->answers;
    v->ended = e->ended;
    v->looped = e->looped;
    (void)strncpy(v->answer, e->text ? e->text : "", sizeof v->answer - 1);
}

void train_view_event(void *user, const train_event *e)
{
    train_view *v = user;
    bool lines = !v->con->moving && !v->ndjson;
    if (v->ndjson && e->kind != TRAIN_SURVEY)
        event_json(v, e);
    switch (e->kind) {
    case TRAIN_SURVEY:
        console_progress(v->con, "looking which experts the lessons call: %d tokens", e->done);
        return;
    case TRAIN_READING:
        console_progress(v->con, "reading the samples: %d of %d tokens", e->done, e->total);
        return;
    case TRAIN_STEP:
        note_check(v);
        v->last = *e;
        add_point(&v->steps, e->step, e->loss);
        break;
    case TRAIN_VALIDATION:
        v->held = e->loss;
        v->last.control = e->control;
        v->last.steps = e->steps;
        add_point(&v->checks, e->step, e->loss);
        v->due = lines && e->step;
        break;
    case TRAIN_PROBE:
        take_probe(v, e);
        break;
    case TRAIN_BEST:
        v->best.len = 0;
        add_point(&v->best, e->step, e->loss);
        break;
    }
    if (e->step)
        draw(v, e->kind != TRAIN_STEP);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static int end_json(train_view *v, const train_result *r, bool interrupted, error *err)
{
    buf text = {0};
    json_writer j = {.out = &text, .err = err};
    json_begin_object(&j, NULL);
    json_put_text(&j, "event", "end");
    json_put_int(&j, "step", r->step);
    json_put_number(&j, "loss", r->loss);
    json_put_number(&j, "control", r->control);
    json_put_number(&j, "voice", r->voice < 0 ? NAN : r->voice);
    json_put_int(&j, "answers", r->answers);
    json_put_int(&j, "ended", r->ended);
    json_put_int(&j, "looped", r->looped);
    json_put_text(&j, "adapter", r->adapter);
    json_put_text(&j, "mask", r->mask);
    json_put_bool(&j, "previous", r->previous);
    json_put_bool(&j, "interrupted", interrupted);
    json_end(&j);
    return console_json(v->con, &j, err);
}

/* Below this share of the way to the lessons nobody would hear a difference. */
static const double VOICE_FAINT = 0.2;

int train_view_result(train_view *v, const train_result *r, bool interrupted, error *err)
{
    char bytes[HUMAN_TEXT], voice[64] = "";
    if (v->ndjson)
        return end_json(v, r, interrupted, err);
    note_check(v);
    console_frame_end(v->con);
    if (r->voice >= 0)
        (void)snprintf(voice, sizeof voice, ", voice %.2f, %d of %d greedy answers end", r->voice,
                       r->ended, r->answers);
    console_note(v->con, "kept step %d: held-out loss %.2f (the plain model's %.2f)%s; %s", r->step,
                 r->loss, r->control, voice, human_bytes(bytes, r->bytes));
    if (r->voice >= 0 && r->voice < VOICE_FAINT)
        console_note(v->con, "its answers still sound like the plain model's: more steps or more "
                             "lessons may help");
    if (r->previous)
        console_note(v->con, "what was there is kept with .previous behind its name; /untrain in a "
                             "conversation brings it back");
    if (console_line(v->con, r->adapter, err))
        return -1;
    return r->mask ? console_line(v->con, r->mask, err) : 0;
}
