/* view_merge.c - what comes below the answers: the merge and the footer. See view.h.
 *
 * The first event of a merge settles the answers and makes the merge the only member of one
 * more section (view_section.c); progress, a judge's reading and streamed tokens then
 * change its column as they change an answer's. view_merge() brings the line of figures,
 * which becomes the section's head, and the text unless it was streamed. The footer is a
 * final frame of its own: one row when both sides fit, else two messages. On a terminal
 * without moves the same is written once, as lines.
 */
#include <string.h>

#include "display_width.h"
#include "view_state.h"

/* Our own words where UTF-8 is not read: what stands between figures becomes a dash. */
static int add_words(const view *v, buf *out, const char *words, error *err)
{
    if (v->style.utf8)
        return buf_text(out, words, err);
    for (const char *at = words; *at; at++)
        if (((unsigned char)*at & 0xC0) != 0x80 && /* one dash for all bytes of a character */
            buf_add(out, (unsigned char)*at < 0x80 ? at : "-", 1, err))
            return -1;
    return 0;
}

/* The merge is one more section, with one column. */
static int begin_merge(view *v, const char *method, error *err)
{
    if (v->merging)
        return 0;
    if (view_settle(v, err))
        return -1;
    v->merging = true;
    v->painted = 0; /* at once: a vote says nothing more until it is over */
    v->merge.begun = console_seconds();
    v->shown = false;
    view_section_end(v);
    return buf_text(&v->merge.name, method, err);
}

static void show(view *v)
{
    v->dirty = true;
    view_tick(v);
}

void view_merge_progress(view *v, const char *method, int tokens)
{
    error err = {0};
    if (v->failed || v->merge.complete || view_failed(v, begin_merge(v, method, &err), &err))
        return;
    if (tokens && !v->merge.tokens)
        v->merge.begun = console_seconds();
    v->merge.tokens = tokens > v->merge.tokens ? tokens : v->merge.tokens;
    show(v);
}

void view_merge_judge(view *v, const char *method, int done, int total)
{
    error err = {0};
    if (v->failed || v->merge.complete || view_failed(v, begin_merge(v, method, &err), &err))
        return;
    if (!done || !v->judge_total)
        v->judge_begun = console_seconds();
    v->judged = done;
    v->judge_total = total;
    show(v);
}

void view_merge_winner(view *v, int i)
{
    v->winner = i;
}

void view_merge_token(view *v, const char *bytes, size_t n)
{
    error err = {0};
    if (v->failed || v->merge.complete || view_failed(v, begin_merge(v, "merge", &err), &err))
        return;
    (void)view_failed(v, column_text_add(&v->merge.body, bytes, n, &err), &err);
    show(v);
}

int view_merge(view *v, const char *line, const char *text, size_t n, error *err)
{
    if (begin_merge(v, "", err))
        return -1;
    v->merge.complete = true;
    if (add_words(v, &v->merge_line, line, err) ||
        (text && column_text_add(&v->merge.body, text, n, err)) ||
        column_text_end(&v->merge.body, NULL, err))
        return -1;
    if (terminal_linear(v->t))
        return view_linear_merge(v, v->merge_line.v ? v->merge_line.v : "", err);
    int result = view_paint(v, err);
    view_section_end(v);
    return result;
}

void view_merge_next(view *v)
{
    if (!v->merging || !v->merge.complete)
        return;
    column_release(&v->merge);
    v->merge = (column){.color = ""};
    column_text_open(&v->merge.body, v->style);
    buf_clear(&v->merge_line);
    v->merging = false;
    v->judged = v->judge_total = 0;
    v->winner = -1;
    v->section.head_final = false; /* its rows are another's */
}

static int footer_row(view *v, const char *left, const char *right, size_t room, buf *row,
                      error *err)
{
    if (buf_text(row, " ", err) || buf_text(row, view_sgr(v, "\033[2m"), err) ||
        buf_text(row, left, err) || display_repeat(row, " ", room, err) ||
        buf_text(row, right, err))
        return -1;
    return buf_text(row, view_sgr(v, "\033[0m"), err);
}

static int show_footer(view *v, const buf *left, const buf *right, error *err)
{
    size_t used = display_width(left->v, left->len) + display_width(right->v, right->len);
    live_frame_clear(&v->frame);
    if (used + 4 <= view_width(v)) {
        buf *row = live_frame_row(&v->frame, err);
        if (!row || footer_row(v, left->v, right->v, view_width(v) - 1 - used, row, err))
            return -1;
    } else if ((left->len && view_message(v, left->v, true, err)) ||
               (right->len && view_message(v, right->v, true, err))) {
        return -1;
    }
    v->frame.final = v->frame.count;
    return live_window_paint(&v->window, &v->frame, err);
}

static int write_footer(view *v, const buf *left, const buf *right, error *err)
{
    buf out = {0};
    int result =
        buf_format(&out, err, "%s%s%s\n", left->v, left->len && right->len ? "; " : "", right->v) ||
        terminal_write_folded(v->t, &out, err);
    buf_release(&out);
    return result ? -1 : 0;
}

int view_footer(view *v, const char *left, const char *right, error *err)
{
    buf l = {0}, r = {0};
    int result = view_settle(v, err) || buf_text(&l, "", err) || buf_text(&r, "", err) ||
                         add_words(v, &l, left ? left : "", err) ||
                         add_words(v, &r, right ? right : "", err)
                     ? -1
                     : 0;
    if (!result)
        result = terminal_linear(v->t) ? write_footer(v, &l, &r, err) : show_footer(v, &l, &r, err);
    buf_release(&l);
    buf_release(&r);
    return result;
}

int view_plain(terminal *t, const char *text, size_t n, error *err)
{
    buf out = {0};
    int result = safe_text_copy(&out, SAFE_PROSE, !terminal_utf8(t), text, n, err);
    if (!result && (!out.len || out.v[out.len - 1] != '\n'))
        result = buf_text(&out, "\n", err);
    if (!result)
        result = terminal_write_folded(t, &out, err);
    buf_release(&out);
    return result;
}
