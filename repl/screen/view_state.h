/* view_state.h - what the files of the view share (view.h is for everybody else).
 *
 * A screen is a list of sections, one below the other. A section shows one or more columns: a head
 * (names, a row of figures), the rows of their texts side by side, and a foot. Only the last section
 * is open. Its rows become final from the top as soon as no column can change them, and leave for
 * the scrollback; the rest is the live window. A new width, another layout or the next answer of a
 * stack is simply the next section, over what the texts have not shown yet: that is why nothing is
 * ever shown twice.
 *
 * Figures live in the head as long as it is on the screen, then in the foot.
 */
#ifndef REPL_VIEW_STATE_H
#define REPL_VIEW_STATE_H

#include "column_text.h"
#include "live_window.h"
#include "view.h"

typedef struct column {
    buf name, acts_by, experts; /* harmless */
    const char *color;          /* SGR, "" for none */
    column_text body;
    bool complete, thinking;
    bool headed; /* its head was shown for good */
    char stop[16];
    int tokens;            /* so far, as they came; the true number when complete */
    double begun, seconds; /* the first token's time; from then on */
    double speed;          /* tokens a second, when complete */
} column;

typedef enum section_kind {
    SECTION_COLUMNS,
    SECTION_SINGLE,
    SECTION_FOCUS,
    SECTION_MERGE
} section_kind;

typedef struct section {
    bool open;
    section_kind kind;
    column **members; /* [count], storage for all columns */
    int count;
    bool head_final, frozen;  /* frozen: the head shows no figures any more */
    size_t settled, settling; /* rows that may leave now, and at the next check */
    double looked;            /* when that was counted */
    size_t head_at;           /* absolute number of its row of figures */
    buf head;                 /* as it stands there */
} section;

struct view {
    terminal *t; /* borrowed */
    view_layout layout;
    int focus; /* or -1 */
    column *columns;
    int count;
    int done, total; /* of reading the prompt */
    double opened;
    light_style style;
    bool settled;
    bool shown; /* all there is (so far) is final and on the screen */
    column merge;
    bool merging;
    int judged, judge_total; /* tokens, while a vote goes on */
    double judge_begun;
    const view_picture *pictures; /* [count] or NULL */
    int winner;                   /* column marked as chosen, -1 = none */
    buf merge_line;               /* known when the merge is complete */
    section section;
    live_window window;
    live_frame frame;
    double painted, resized; /* times of the last frame and of the last new size */
    bool dirty;
    int written; /* linear: answers that were written */
    bool failed;
    error fault; /* the first one */
};

void column_release(column *c);
/* Remembers a failure; true when *err was one. */
bool view_failed(view *v, int result, const error *err);

/* All answers, and the merge if there is one. */
bool view_complete(const view *v);

/* ---- view_labels.c: words and figures ------------------------------------------------------------ */

/* "writing 12 tok · 39 t/s · 0.3 s": what a column does, or did, as far as `room` cells reach. */
int view_figures(const view *v, const column *c, size_t room, buf *out, error *err);
/* The same with the SGR of its meaning; *used: its cells. */
int view_figures_fit(const view *v, const column *c, size_t room, buf *out, size_t *used,
                     error *err);
/* "coder  mask  4 of 8 experts", cut to `room` cells. */
int view_title(const view *v, const column *c, size_t room, buf *out, size_t *used, error *err);
const char *view_sgr(const view *v, const char *sequence); /* "" without colour */
const char *view_dash(const view *v);
/* Rows of our own words, wrapped to the screen, dim or not, appended to the frame. */
int view_message(view *v, const char *text, bool dim, error *err);

/* ---- view_widths.c: how wide columns are ---------------------------------------------------------- */

size_t view_width(const view *v); /* cells that are used of a row */
/* Whether all columns have room side by side. */
bool view_columns_fit(const view *v);
/* Where the i-th of `count` columns begins, and how many cells it has, its blank on either side
 * included. */
void view_span(const view *v, int count, int i, size_t *start, size_t *width);

/* ---- view_section.c ----------------------------------------------------------------------------- */

/* Puts a frame together from the open section and those that follow, and shows it. */
int view_paint(view *v, error *err);
/* The open section gives way to another: after a resize, or when it is over. */
void view_section_end(view *v);

/* ---- view_rows.c: rows of a section -------------------------------------------------------------- */

/* The row that marks the chosen column. */
int view_winner_row(const view *v, buf *row, error *err);
int view_names_row(const view *v, buf *row, error *err);
/* A line across, with figures in it or without; joint: 0 none, +1 where columns begin, -1 end. */
int view_rule_row(const view *v, bool figures, int joint, buf *row, error *err);
/* Leaves the column on the left and draws the line to the one that begins at `start`. */
int view_separate(const view *v, size_t start, buf *row, error *err);
/* Row r of all members side by side. */
int view_body_row(const view *v, size_t r, buf *row, error *err);
int view_head_row(const view *v, bool figures, buf *row, error *err);
int view_status_row(const view *v, const column *c, buf *row, error *err);

/* ---- view_picture.c: what stands below the texts ------------------------------------------------- */

size_t view_picture_rows(const view *v); /* of the open section, with their captions; 0 = none */
int view_picture_row(const view *v, size_t r, buf *row, error *err);

/* ---- view_linear.c ------------------------------------------------------------------------------ */

/* Writes the answers that are complete, in the order of the seats; `all`: those that are not, too. */
int view_linear_answers(view *v, bool all, error *err);
int view_linear_merge(view *v, const char *line, error *err);

#endif
