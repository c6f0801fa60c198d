/* view.h - answers as they grow: columns, stacked, or one in focus.
 *
 * The view owns the live window at the bottom of the screen. Rows that cannot change any more go to
 * the scrollback once, as ordinary lines, and are never touched again; only the window below them is
 * repainted, at most 20 times a second, in one write between synchronized-update marks. No alternate
 * screen, nothing that the terminal would not keep when the program dies.
 *
 *   cols    a column for each pass, side by side, as long as each gets 32 cells
 *   stack   one answer after another; the first that is not complete streams
 *   focus   one answer at full width, the others as one line of figures each
 *   linear  no moving at all: each answer whole when it is complete, under its heading (pipes,
 *           TERM=dumb, --plain, screen readers)
 *
 * Text passes safe_text.h before anything else, so no byte of a model reaches the terminal raw.
 * Width is counted in cells by grapheme. A resize rewraps the window; what is in the scrollback stays.
 */
#ifndef REPL_VIEW_H
#define REPL_VIEW_H

#include "heatmap.h"
#include "terminal.h"

typedef enum view_layout { VIEW_AUTO, VIEW_COLS, VIEW_STACK, VIEW_FOCUS } view_layout;

/* "cols" and its like; NULL = auto. False for a word that is none. */
bool view_layout_parse(const char *name, view_layout *out);
const char *view_layout_name(view_layout layout);

typedef struct view_column {
    const char *name, *acts_by, *color; /* color: a name or NULL; all borrowed until view_close */
    const char *experts;                /* "4 of 8 experts", or NULL */
} view_column;

typedef struct view view;

/* One exchange: columns [count]; none when only a merge or a footer will be shown. focus: a column's
 * name, for VIEW_FOCUS. terminal: see terminal.h; borrowed. Caller owns. A frame that fails makes all
 * that follows do nothing; view_settle() tells why. */
view *view_open(terminal *t, view_layout layout, const char *focus, const view_column *columns,
                int count, error *err);
void view_close(view *v); /* NULL ok; whatever is still in the window goes to the scrollback */

/* All of it is taken from the screen, as if nothing had been asked; nothing is shown any more. */
void view_discard(view *v);

/* A picture below each column for as long as answers grow, of numbers that may change between any two
 * events; the last one stays. Of map: numbers, size, most and colour; the room is the view's. */
typedef struct view_picture {
    heatmap map;
    buf caption; /* our own words */
} view_picture;
/* of [count], borrowed until view_close; NULL = none. Linear views show none. */
void view_pictures(view *v, const view_picture *of);

/* How much of the prompt is read, in tokens. */
void view_prefill(view *v, int done, int total);
/* Bytes that answer i gains; any cut, also inside a character. */
void view_token(view *v, int i, const char *bytes, size_t n, bool thinking);
/* Answer i is complete: how it ended ("end", "length", "loop", "interrupted", "error"), and why. */
void view_answer(view *v, int i, const char *stop, const char *failure, int tokens,
                 double tokens_per_second, double seconds);
/* All answers are complete: they go to the scrollback; what follows is written below them. One that
 * was not told to be complete was interrupted. Merge and footer settle by themselves. */
int view_settle(view *v, error *err);

/* The merge: its line of figures, then its text at full width (streams for a synthesis). */
void view_merge_progress(view *v, const char *method, int tokens);
/* Of a vote: how much the judges have read. */
void view_merge_judge(view *v, const char *method, int done, int total);
/* The column whose answer a vote chose is marked below it, where columns are side by side. */
void view_merge_winner(view *v, int i);
void view_merge_token(view *v, const char *bytes, size_t n);
/* line, footer: our own words, with names already harmless; line may have several rows. text NULL: it
 * was streamed, or stands there already. */
int view_merge(view *v, const char *line, const char *text, size_t n, error *err);
/* That merge stands there for good; another may follow below it. */
void view_merge_next(view *v);
int view_footer(view *v, const char *left, const char *right, error *err);

/* Between tokens, as often as possible: repaints when the clock or the terminal's size asks for it,
 * and suspends when Ctrl-Z was typed. */
void view_tick(view *v);
/* The pass in focus, or -1: who Ctrl-C stops. */
int view_focused(const view *v);

/* A whole answer at full width, unwrapped and unadorned: ready to select (/show). */
int view_plain(terminal *t, const char *text, size_t n, error *err);

#endif
