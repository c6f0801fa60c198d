/* view.c - see view.h: what the conversation tells, kept for the next frame.
 *
 * An event writes to its column and marks the view as changed; a frame is painted only when
 * the last one is old enough, from the event or from the next tick. Figures that count
 * seconds make a change by themselves four times a second. Ticks and tokens look at the
 * terminal, too: a new size ends the open section, and time that was spent suspended is
 * taken out of every clock.
 *
 * Events cannot fail for their callers, who are in the middle of generating; so the first
 * error is kept in `fault`, all later events do nothing, and view_settle() hands it out.
 */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "view_state.h"

static const char *const layouts[] = {
    [VIEW_AUTO] = "auto", [VIEW_COLS] = "cols", [VIEW_STACK] = "stack", [VIEW_FOCUS] = "focus"};

bool view_layout_parse(const char *name, view_layout *out)
{
    *out = VIEW_AUTO;
    for (int i = VIEW_AUTO; name && i <= VIEW_FOCUS; i++) {
        if (strcmp(name, layouts[i]) != 0)
            continue;
        *out = (view_layout)i;
        return true;
    }
    return !name;
}

const char *view_layout_name(view_layout layout)
{
    return layouts[layout];
}

/* ---- opening ----------------------------------------------------------------------------------- */

static const char *color_sequence(const view *v, const char *name)
{
    static const char *const names[] = {"red",     "green", "yellow", "blue",
                                        "magenta", "cyan",  "white"};
    static const char *const codes[] = {"\033[31m", "\033[32m", "\033[33m", "\033[34m",
                                        "\033[35m", "\033[36m", "\033[37m"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (v->style.color && strcmp(name, names[i]) == 0)
            return codes[i];
    return "";
}

static int harmless(const view *v, buf *out, const char *text, error *err)
{
    return text ? safe_text_copy(out, SAFE_LINE, v->style.ascii, text, strlen(text), err) : 0;
}

static int column_open(view *v, column *c, const view_column *from, error *err)
{
    column_text_open(&c->body, v->style);
    c->color = color_sequence(v, from->color);
    if (harmless(v, &c->name, from->name, err) || harmless(v, &c->acts_by, from->acts_by, err))
        return -1;
    return harmless(v, &c->experts, from->experts, err);
}

void column_release(column *c)
{
    buf_release(&c->name);
    buf_release(&c->acts_by);
    buf_release(&c->experts);
    column_text_release(&c->body);
}

static int find_column(const view_column *columns, int count, const char *name)
{
    for (int i = 0; name && i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return i;
    return -1;
}

static int open_all(view *v, const view_column *columns, int count, error *err)
{
    v->columns = calloc((size_t)count + 1, sizeof *v->columns);
    v->section.members = calloc((size_t)count + 1, sizeof(column *));
    if (!v->columns || !v->section.members)
        return error_memory(err, "the view");
    v->count = count;
    for (int i = 0; i < count; i++)
        column_text_open(&v->columns[i].body, v->style);
    for (int i = 0; i < count; i++)
        if (column_open(v, &v->columns[i], &columns[i], err))
            return -1;
    return 0;
}

view *view_open(terminal *t, view_layout layout, const char *focus, const view_column *columns,
                int count, error *err)
{
    view *v = calloc(1, sizeof *v);
    if (!v) {
        (void)error_memory(err, "the view");
        return NULL;
    }
    v->t = t;
    if (!terminal_linear(t))
        console_hold(terminal_console(t));
    v->style = (light_style){
        .color = terminal_color(t), .utf8 = terminal_utf8(t), .ascii = terminal_console(t)->ascii};
    v->layout = layout;
    v->focus = layout == VIEW_FOCUS ? find_column(columns, count, focus) : -1;
    v->opened = console_seconds();
    v->resized = v->opened - 60;
    v->winner = -1;
    column_text_open(&v->merge.body, v->style);
    v->merge.color = "";
    live_window_open(&v->window, t);
    if (open_all(v, columns, count, err)) {
        v->failed = true; /* nothing to show at the end */
        view_close(v);
        return NULL;
    }
    return v;
}

void view_pictures(view *v, const view_picture *of)
{
    v->pictures = of;
}

void view_discard(view *v)
{
    error err = {0};
    if (!v->failed && !terminal_linear(v->t))
        (void)view_failed(v, live_window_hide(&v->window, &err), &err);
    v->failed = true;
}

void view_close(view *v)
{
    if (!v)
        return;
    (void)view_settle(v, NULL);
    for (int i = 0; i < v->count; i++)
        column_release(&v->columns[i]);
    free(v->columns);
    free(v->section.members);
    column_release(&v->merge);
    buf_release(&v->merge_line);
    buf_release(&v->section.head);
    live_frame_release(&v->frame);
    live_window_release(&v->window);
    if (!terminal_linear(v->t))
        console_let_go(terminal_console(v->t));
    free(v);
}

/* ---- frames ------------------------------------------------------------------------------------ */

bool view_failed(view *v, int result, const error *err)
{
    if (result && !v->failed)
        v->fault = *err;
    v->failed = v->failed || result != 0;
    return v->failed;
}

static void paint(view *v)
{
    error err = {0};
    if (!v->failed && !terminal_linear(v->t))
        (void)view_failed(v, view_paint(v, &err), &err);
}

/* Repaints when something changed and the last frame was long enough ago. */
static void paint_when_due(view *v)
{
    if (v->dirty && console_seconds() - v->painted >= terminal_frame(v->t))
        paint(v);
}

static void changed(view *v)
{
    v->dirty = true;
    paint_when_due(v);
}

/* Time while we were stopped is nobody's: figures do not count it. */
static void forget_seconds(view *v, double away)
{
    v->opened += away;
    v->merge.begun += away;
    v->judge_begun += away;
    for (int i = 0; i < v->count; i++)
        v->columns[i].begun += away;
}

/* What was begun at another width goes on as a new section, unless none of it is final yet. */
static void follow_terminal(view *v)
{
    error err = {0};
    if (terminal_linear(v->t)) {
        (void)terminal_suspended(v->t);
        return;
    }
    if (atomic_load(&terminal_signal_flags(v->t)->suspend)) {
        double since = console_seconds();
        (void)view_failed(v, live_window_hide(&v->window, &err), &err);
        (void)terminal_suspended(v->t);
        forget_seconds(v, console_seconds() - since);
        v->dirty = true;
    }
    if (terminal_resized(v->t)) {
        live_window_resized(&v->window);
        v->resized = console_seconds();
        view_section_end(v);
        v->dirty = true;
    }
}

bool view_complete(const view *v)
{
    for (int i = 0; i < v->count; i++)
        if (!v->columns[i].complete)
            return false;
    return !v->merging || v->merge.complete;
}

void view_tick(view *v)
{
    follow_terminal(v);
    if (!view_complete(v) &&
        console_seconds() - v->painted > 0.25) /* time goes on in the figures */
        v->dirty = true;
    paint_when_due(v);
}

/* ---- answers ----------------------------------------------------------------------------------- */

void view_prefill(view *v, int done, int total)
{
    v->done = done;
    v->total = total;
    view_tick(v);
    changed(v);
}

static void add_token(view *v, column *c, const char *bytes, size_t n, bool thinking)
{
    error err = {0};
    if (c->complete || v->failed)
        return;
    if (!c->tokens++)
        c->begun = console_seconds();
    c->thinking = thinking;
    int result =
        thinking ? column_text_think(&c->body, &err) : column_text_add(&c->body, bytes, n, &err);
    (void)view_failed(v, result, &err);
}

/* An answer's first words are waited for: they are shown at once. */
void view_token(view *v, int i, const char *bytes, size_t n, bool thinking)
{
    bool first = !v->columns[i].tokens;
    add_token(v, &v->columns[i], bytes, n, thinking);
    follow_terminal(v);
    v->dirty = true;
    if (first)
        paint(v);
    else
        paint_when_due(v);
}

static int complete(column *c, const char *stop, const char *failure, error *err)
{
    c->complete = true;
    c->thinking = false;
    size_t n = strlen(stop) < sizeof c->stop ? strlen(stop) : sizeof c->stop - 1;
    memcpy(c->stop, stop, n);
    c->stop[n] = '\0';
    return column_text_end(&c->body, failure, err);
}

void view_answer(view *v, int i, const char *stop, const char *failure, int tokens,
                 double tokens_per_second, double seconds)
{
    error err = {0};
    column *c = &v->columns[i];
    if (c->complete || v->failed)
        return;
    c->tokens = tokens;
    c->speed = tokens_per_second;
    c->seconds = seconds;
    int result = complete(c, stop, failure, &err);
    if (!result && terminal_linear(v->t))
        result = view_linear_answers(v, false, &err);
    (void)view_failed(v, result, &err);
    changed(v);
}

/* Whoever was not told to be complete was interrupted. */
static int complete_all(view *v, error *err)
{
    for (int i = 0; i < v->count; i++) {
        column *c = &v->columns[i];
        if (c->complete)
            continue;
        c->seconds = c->tokens ? console_seconds() - c->begun : 0;
        if (complete(c, "interrupted", NULL, err))
            return -1;
    }
    return 0;
}

int view_settle(view *v, error *err)
{
    if (!v->settled && !v->failed) {
        error fault = {0};
        follow_terminal(v);
        int result = complete_all(v, &fault);
        if (!result)
            result = terminal_linear(v->t) ? view_linear_answers(v, true, &fault)
                                           : view_paint(v, &fault);
        (void)view_failed(v, result, &fault);
        view_section_end(v);
    }
    v->settled = true;
    if (v->failed && err)
        *err = v->fault;
    return v->failed ? -1 : 0;
}

int view_focused(const view *v)
{
    return v->focus;
}
