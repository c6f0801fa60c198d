/* view_labels.c - names and figures in words. See view_state.h.
 *
 * Figures are made as a list of parts, the most important first, and joined as far as the
 * row has room: a further part is there whole or not at all, since half a number would be
 * another number. Of a title only the name is cut, so that how the persona acts stays
 * visible. Seconds and speeds lose digits as they grow, for the width of a row of figures
 * to stay nearly the same while it changes many times a second.
 */
#include <string.h>

#include "display_width.h"
#include "fold.h"
#include "view_state.h"

const char *view_sgr(const view *v, const char *sequence)
{
    return v->style.color ? sequence : "";
}

const char *view_dash(const view *v)
{
    return v->style.utf8 ? "─" : "-";
}

static int add_seconds(buf *out, double seconds, error *err)
{
    if (seconds < 9.95)
        return buf_format(out, err, "%.1f s", seconds);
    if (seconds < 100)
        return buf_format(out, err, "%.0f s", seconds);
    return buf_format(out, err, "%d:%02d min", (int)(seconds / 60), (int)seconds % 60);
}

static int add_speed(buf *out, double speed, error *err)
{
    return buf_format(out, err, speed < 9.95 ? "%.1f t/s" : "%.0f t/s", speed);
}

static int prefill(const view *v, buf *out, error *err)
{
    double gone = console_seconds() - v->opened;
    double share = (double)v->done / v->total;
    if (buf_format(out, err, "prefill %d %%", (int)(share * 100)))
        return -1;
    if (v->done == 0 || gone < 0.3)
        return 0;
    if (buf_text(out, terminal_dot(v->t), err) || add_seconds(out, gone / share - gone, err))
        return -1;
    return buf_text(out, " left", err);
}

/* "judging 42 % · 0.3 s left" */
static int judging(const view *v, buf parts[], error *err)
{
    double gone = console_seconds() - v->judge_begun;
    double share = (double)v->judged / v->judge_total;
    int n = 0;
    if (buf_format(&parts[n++], err, "judging %d %%", (int)(share * 100)))
        return -1;
    if (v->judged &&
        (add_seconds(&parts[n], gone / share - gone, err) || buf_text(&parts[n++], " left", err)))
        return -1;
    return buf_text(&parts[n++], "Ctrl-C skips", err) ? -1 : n;
}

enum { PARTS = 4 };

/* What there is to say, most important first. Returns how many parts; texts are short. */
static int figure_parts(const view *v, const column *c, buf parts[PARTS], error *err)
{
    bool whole = c->complete && strcmp(c->stop, "end") == 0;
    double seconds = c->complete ? c->seconds : console_seconds() - c->begun;
    double speed = c->complete ? c->speed : seconds > 0.2 ? (c->tokens - 1) / seconds : 0;
    int n = 0;
    if (c == &v->merge && !c->complete && v->judge_total)
        return judging(v, parts, err);
    if (!c->complete && !c->tokens) {
        bool reads = c != &v->merge && v->total && v->done < v->total;
        const char *state = c == &v->merge ? "at work" : "waiting";
        return (reads ? prefill(v, &parts[0], err) : buf_text(&parts[0], state, err)) ? -1 : 1;
    }
    if (c->complete && !whole && buf_text(&parts[n++], c->stop, err))
        return -1;
    const char *state = c->complete ? "" : c->thinking ? "thinking " : "writing ";
    if (buf_format(&parts[n++], err, "%s%d tok", state, c->tokens) ||
        (speed > 0 && add_speed(&parts[n++], speed, err)) || add_seconds(&parts[n++], seconds, err))
        return -1;
    return n;
}

int view_figures(const view *v, const column *c, size_t room, buf *out, error *err)
{
    buf parts[PARTS] = {{0}};
    int count = figure_parts(v, c, parts, err), result = count < 0 ? -1 : 0;
    size_t used = 0;
    for (int i = 0; i < count && !result; i++) {
        const char *before = i ? terminal_dot(v->t) : "";
        size_t more =
            display_width(before, strlen(before)) + display_width(parts[i].v, parts[i].len);
        if (i && used + more > room)
            break; /* figures are left out, never cut */
        used += more;
        result = buf_text(out, before, err) || buf_add(out, parts[i].v, parts[i].len, err) ? -1 : 0;
    }
    for (int i = 0; i < PARTS; i++)
        buf_release(&parts[i]);
    return result;
}

static const char *figures_sgr(const view *v, const column *c)
{
    if (!c->complete)
        return view_sgr(v, c->tokens ? "" : "\033[2m");
    if (strcmp(c->stop, "end") == 0)
        return view_sgr(v, "\033[2m");
    return view_sgr(v, strcmp(c->stop, "error") == 0 ? "\033[31m" : "\033[33m");
}

int view_figures_fit(const view *v, const column *c, size_t room, buf *out, size_t *used,
                     error *err)
{
    buf text = {0};
    int result = view_figures(v, c, room, &text, err) || buf_text(out, figures_sgr(v, c), err) ||
                 display_fit(out, text.v, text.len, room, v->style.utf8, used, err) ||
                 buf_text(out, view_sgr(v, "\033[0m"), err);
    buf_release(&text);
    return result ? -1 : 0;
}

static int add_part(const view *v, const buf *part, size_t room, buf *out, size_t *used, error *err)
{
    if (!part->len || *used + 2 + display_width(part->v, part->len) > room)
        return 0;
    *used += 2 + display_width(part->v, part->len);
    if (buf_text(out, "  ", err) || buf_text(out, view_sgr(v, "\033[2m"), err) ||
        buf_add(out, part->v, part->len, err))
        return -1;
    return buf_text(out, view_sgr(v, "\033[0m"), err);
}

int view_title(const view *v, const column *c, size_t room, buf *out, size_t *used, error *err)
{
    size_t after = c->acts_by.len ? display_width(c->acts_by.v, c->acts_by.len) + 2 : 0;
    size_t name = room > after + 8 ? room - after : room; /* a long name leaves room for the rest */
    if (buf_text(out, view_sgr(v, "\033[1m"), err) || buf_text(out, view_sgr(v, c->color), err) ||
        display_fit(out, c->name.v, c->name.len, name, v->style.utf8, used, err) ||
        buf_text(out, view_sgr(v, "\033[0m"), err) ||
        add_part(v, &c->acts_by, room, out, used, err))
        return -1;
    return add_part(v, &c->experts, room, out, used, err);
}

static int add_words_row(view *v, const char *text, size_t n, bool dim, error *err)
{
    buf *row = live_frame_row(&v->frame, err);
    if (!row || buf_text(row, " ", err) || buf_text(row, dim ? view_sgr(v, "\033[2m") : "", err) ||
        (n && buf_add(row, text, n, err)))
        return -1;
    return buf_text(row, dim ? view_sgr(v, "\033[0m") : "", err);
}

int view_message(view *v, const char *text, bool dim, error *err)
{
    buf safe = {0};
    size_t width = view_width(v) - 1;
    int result = safe_text_copy(&safe, SAFE_PROSE, v->style.ascii, text, strlen(text), err) ||
                 fold_text(&safe, width, err);
    for (size_t at = 0, n; at < safe.len && !result; at += n) {
        size_t line = strcspn(safe.v + at, "\n");
        n = display_cut(safe.v + at, line, width); /* a word that no row can hold */
        n = n ? n : line;
        result = add_words_row(v, safe.v + at, n, dim, err);
        n += n == line && safe.v[at + n] == '\n';
    }
    buf_release(&safe);
    return result ? -1 : 0;
}
