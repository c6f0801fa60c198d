/* view_section.c - sections, one after another, as frames. See view_state.h.
 *
 * view_paint() walks: as long as the open section is over, it is ended, all of it final, and
 * the next one begins; the one that is not over gives the live rows.
 *
 * A section is a head, the rows of its members' texts side by side, and a foot. From the top,
 * the rows that no member can change any more may leave for the scrollback, once they stood
 * for SETTLING_FRAMES; the head goes with the first of them. Its row of figures is then
 * rewritten in place as long as the window reaches it; when it no longer does, it is frozen
 * without figures, and the foot shows them. What left is dropped from the texts, so the next
 * section begins where this one ended, whatever its width or layout.
 */
#include <string.h>

#include "view_state.h"

/* While a window is dragged to another size nothing is drawn but a mark. Terminals fold long rows at
 * each step, count the folds as content and move everything up; what is not there cannot be folded. */
static const double drag_seconds = 0.4;
/* So many frames (0.3 s) rows stay in the window although nothing changes them: a terminal may have
 * another width already and not have said so, and then they must be wrapped again. */
enum { SETTLING_FRAMES = 6 };

/* ---- which section ----------------------------------------------------------------------------- */

/* All that it had to say was shown for good. */
static bool is_shown(const column *c)
{
    return c->complete && c->headed && c->body.over && column_text_rows(&c->body) == 0 &&
           c->body.read == c->body.text.len;
}

/* Those that were not shown, into members unless that is NULL. */
static int unshown(const view *v, column **members)
{
    int count = 0;
    for (int i = 0; i < v->count; i++) {
        if (is_shown(&v->columns[i]))
            continue;
        if (members)
            members[count] = &v->columns[i];
        count++;
    }
    return count;
}

static section_kind choose(const view *v)
{
    if (v->merging)
        return SECTION_MERGE;
    if (v->layout == VIEW_FOCUS && v->focus >= 0)
        return SECTION_FOCUS;
    return v->layout != VIEW_STACK && view_columns_fit(v) ? SECTION_COLUMNS : SECTION_SINGLE;
}

/* Text keeps a blank on either side. */
static int set_widths(view *v, error *err)
{
    for (int i = 0; i < v->section.count; i++) {
        size_t start, width;
        view_span(v, v->section.count, i, &start, &width);
        if (column_text_set_width(&v->section.members[i]->body, width > 3 ? width - 2 : 1, err))
            return -1;
    }
    return 0;
}

static void choose_members(view *v)
{
    section *s = &v->section;
    s->count = unshown(v, s->members);
    s->kind = choose(v);
    if (s->kind == SECTION_MERGE)
        s->members[0] = &v->merge;
    if (s->kind == SECTION_FOCUS)
        s->members[0] = &v->columns[v->focus];
    if (s->kind != SECTION_COLUMNS && s->count > 1)
        s->count = 1;
    if (s->kind == SECTION_MERGE || s->kind == SECTION_FOCUS)
        s->count = 1;
}

/* Text that had the whole width has it still: it needs no second head. */
static bool goes_on(const section *s, section_kind kind, const column *member)
{
    return s->head_final && s->count == 1 && s->kind == kind && kind != SECTION_COLUMNS &&
           s->members[0] == member;
}

/* Opens the section that shows what is left, in the layout that fits now. */
static int begin(view *v, error *err)
{
    section *s = &v->section, before = *s;
    column *member = s->count ? s->members[0] : NULL;
    choose_members(v);
    s->open = s->count > 0;
    before.members = &member;
    s->head_final = s->frozen = s->open && goes_on(&before, s->kind, s->members[0]);
    s->settled = s->settling = 0;
    buf_clear(&s->head);
    return set_widths(v, err);
}

void view_section_end(view *v)
{
    v->section.open = false;
}

/* ---- its parts --------------------------------------------------------------------------------- */

/* Nothing in it will change any more. Under focus the others' figures are part of it. */
static bool is_over(const view *v)
{
    const section *s = &v->section;
    for (int i = 0; i < s->count; i++)
        if (!s->members[i]->complete)
            return false;
    for (int i = 0; s->kind == SECTION_FOCUS && i < v->count; i++)
        if (!v->columns[i].complete)
            return false;
    return true;
}

/* Below the column that was chosen its mark, then the line. */
static int add_merge_head(view *v, error *err)
{
    bool mark = v->winner >= 0 && v->count > 1 && v->layout != VIEW_STACK &&
                v->layout != VIEW_FOCUS && view_columns_fit(v);
    buf *row = mark ? live_frame_row(&v->frame, err) : NULL;
    if (mark && (!row || view_winner_row(v, row, err)))
        return -1;
    return view_message(v, v->merge_line.v ? v->merge_line.v : "", false, err);
}

/* Names and a row of figures, or one row of both. */
static int add_head(view *v, error *err)
{
    section *s = &v->section;
    buf *row = s->kind == SECTION_COLUMNS ? live_frame_row(&v->frame, err) : NULL;
    if (s->kind == SECTION_COLUMNS && (!row || view_names_row(v, row, err)))
        return -1;
    if (s->kind == SECTION_MERGE && v->merge.complete)
        return add_merge_head(v, err);
    row = live_frame_row(&v->frame, err);
    if (!row || view_head_row(v, !s->frozen, row, err))
        return -1;
    s->head_at = v->window.passed + v->frame.count - 1; /* true when it becomes final now */
    return 0;
}

static size_t most_rows(const view *v)
{
    size_t most = 0;
    for (int i = 0; i < v->section.count; i++) {
        size_t rows = column_text_rows(&v->section.members[i]->body);
        most = rows > most ? rows : most;
    }
    return most;
}

/* Rows from the top that no member can change any more. */
static size_t final_rows(const view *v)
{
    size_t final = most_rows(v);
    for (int i = 0; i < v->section.count; i++) {
        const column_text *f = &v->section.members[i]->body;
        if (!f->over && f->rows.count < final)
            final = f->rows.count;
    }
    return final;
}

/* Final rows that were so for SETTLING_FRAMES frames: they may leave for the scrollback. */
static size_t settled_rows(view *v, size_t final)
{
    section *s = &v->section;
    double now = console_seconds();
    if (now - s->looked >= SETTLING_FRAMES * terminal_frame(v->t)) {
        s->settled = s->settling < final ? s->settling : final;
        s->settling = final;
        s->looked = now;
    }
    return s->settled;
}

static int add_body(view *v, size_t rows, size_t pictures, error *err)
{
    for (size_t r = 0; r < rows + pictures; r++) {
        buf *row = live_frame_row(&v->frame, err);
        if (!row ||
            (r < rows ? view_body_row(v, r, row, err) : view_picture_row(v, r - rows, row, err)))
            return -1;
    }
    return 0;
}

/* A merge whose head is out of reach says below its text what it was. */
static int add_merge_foot(view *v, error *err)
{
    if (!v->section.frozen)
        return 0;
    if (v->merge.complete)
        return view_message(v, v->merge_line.v ? v->merge_line.v : "", false, err);
    buf *row = live_frame_row(&v->frame, err);
    return row ? view_head_row(v, true, row, err) : -1;
}

/* The line below, and where one answer is shown a row for each of the others: under focus they stay,
 * in a stack they are there only while their answers wait above the next head. */
static int add_foot(view *v, bool over, error *err)
{
    section *s = &v->section;
    if (s->kind == SECTION_MERGE)
        return add_merge_foot(v, err);
    if (s->kind == SECTION_COLUMNS || s->frozen) {
        buf *row = live_frame_row(&v->frame, err);
        if (!row || view_rule_row(v, s->frozen, -1, row, err))
            return -1;
    }
    if (s->kind == SECTION_COLUMNS || (s->kind == SECTION_SINGLE && over))
        return 0;
    for (int i = 0; i < v->count; i++) {
        if (&v->columns[i] == s->members[0])
            continue;
        if (s->kind == SECTION_SINGLE && v->columns[i].complete && &v->columns[i] < s->members[0])
            continue; /* it stands above */
        buf *row = live_frame_row(&v->frame, err);
        if (!row || view_status_row(v, &v->columns[i], row, err))
            return -1;
    }
    return 0;
}

/* The head's figures are kept true while they can be reached; before they cannot, they are taken
 * away, and the foot shows them. */
static int follow_head(view *v, size_t window_rows, error *err)
{
    section *s = &v->section;
    if (!s->head_final || s->frozen)
        return 0;
    s->frozen = !live_window_reaches(&v->window, s->head_at, window_rows);
    bool too_long = s->kind == SECTION_MERGE && v->merge.complete &&
                    (safe_text_width(v->merge_line.v, v->merge_line.len) >= view_width(v) ||
                     memchr(v->merge_line.v, '\n', v->merge_line.len));
    s->frozen = s->frozen || too_long;
    buf *above = &v->frame.above;
    if (view_head_row(v, !s->frozen, above, err))
        return -1;
    v->frame.above_at = s->head_at;
    if (above->len == s->head.len && memcmp(above->v, s->head.v, above->len) == 0) {
        buf_clear(above);
        return 0;
    }
    buf_clear(&s->head);
    return buf_add(&s->head, above->v, above->len, err);
}

/* ---- one frame --------------------------------------------------------------------------------- */

static int update_texts(view *v, error *err)
{
    for (int i = 0; i < v->section.count; i++)
        if (column_text_update(&v->section.members[i]->body, err))
            return -1;
    return 0;
}

/* The rows of the open section behind those that the frame has. *over: all of them are final. */
static int add_section(view *v, bool *over, error *err)
{
    section *s = &v->section;
    live_frame *f = &v->frame;
    if (update_texts(v, err))
        return -1;
    *over = is_over(v);
    size_t rows = most_rows(v), final = final_rows(v), head = 0, before = f->count;
    size_t pictures = view_picture_rows(v), all = rows + pictures;
    if (!*over)
        final = settled_rows(v, final);
    bool head_says_all = s->kind == SECTION_MERGE && v->merge.complete; /* its head says it all */
    if (!s->head_final && !head_says_all && all + 6 > (size_t)terminal_rows(v->t))
        s->frozen = true; /* by the end of this frame it may be gone */
    if (!s->head_final && add_head(v, err))
        return -1;
    head = f->count - before;
    if (before == 0 && follow_head(v, all + 4, err))
        return -1;
    if (add_body(v, rows, pictures, err) || add_foot(v, *over, err))
        return -1;
    if (*over)
        f->final = f->count;
    else if (final || s->head_final)
        f->final = before + head + final;
    if (f->final > before && !s->head_final) {
        s->head_final = true;
        buf_clear(&s->head);
    }
    for (int i = 0; i < s->count; i++) {
        column_text_shown(&s->members[i]->body, final);
        s->members[i]->headed = s->members[i]->headed || s->head_final;
    }
    s->settled -= s->settled < final ? s->settled : final;
    s->settling -= s->settling < final ? s->settling : final;
    return 0;
}

/* Another answer of a stack; columns that a wide window left over. */
static bool more_to_come(const view *v)
{
    if (v->section.kind != SECTION_SINGLE && v->section.kind != SECTION_COLUMNS)
        return false;
    return unshown(v, NULL) > 0;
}

/* Below the last answer of a stack stands a line, as below columns. */
static int add_end(view *v, error *err)
{
    section_kind kind = v->section.kind;
    if (kind == SECTION_COLUMNS || kind == SECTION_MERGE)
        return 0;
    buf *row = live_frame_row(&v->frame, err);
    v->frame.final = v->frame.count;
    return row ? view_rule_row(v, false, 0, row, err) : -1;
}

/* The whole window while the user drags. */
static int paint_mark(view *v, error *err)
{
    buf *row = live_frame_row(&v->frame, err);
    v->dirty = true;
    if (!row || buf_text(row, v->style.utf8 ? " …" : " ...", err))
        return -1;
    return live_window_paint(&v->window, &v->frame, err);
}

int view_paint(view *v, error *err)
{
    bool over = false;
    v->painted = console_seconds();
    v->dirty = false;
    if (v->shown)
        return 0;
    live_frame_clear(&v->frame);
    if (!view_complete(v) && v->painted - v->resized < drag_seconds)
        return paint_mark(v, err);
    if (!v->section.open && begin(v, err))
        return -1;
    while (v->section.open) {
        if (add_section(v, &over, err))
            return -1;
        if (!over || !more_to_come(v))
            break;
        if (begin(v, err))
            return -1;
    }
    v->shown = over;
    if (over && add_end(v, err))
        return -1;
    return live_window_paint(&v->window, &v->frame, err);
}
