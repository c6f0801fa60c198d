/* live_window.h - the few rows at the bottom of the screen that may still change.
 *
 * The caller hands in frames: rows that are final now, and the live rows below them. The window
 * compares a frame with what stands on the screen and writes only the rows that differ, in one write
 * between synchronized-update marks. Final rows leave the window upwards and are never touched again;
 * as the window sits at the bottom of the ordinary screen, the terminal itself moves them into its
 * scrollback.
 *
 * Between frames the cursor rests at the window's first cell. That is what makes a resize harmless:
 * whatever a terminal does to long lines, it keeps the cursor in its line, so everything from there
 * down is ours and can be drawn anew. All moves are relative to it.
 *
 * One row above the window may be rewritten as well, as long as it is certainly still on the screen and
 * nothing was resized since: the row of figures at the head of a column.
 */
#ifndef REPL_LIVE_WINDOW_H
#define REPL_LIVE_WINDOW_H

#include "terminal.h"

/* Rows of ready-made text with our own sequences, each narrower than the screen. */
typedef struct live_frame {
    buf *rows;
    size_t count, cap;
    size_t final; /* the first ones, from now on */
    buf above;    /* new text of row `above_at`, or empty */
    size_t above_at;
} live_frame;

buf *live_frame_row(live_frame *f, error *err); /* a new empty row at the end, or NULL */
void live_frame_clear(live_frame *f);           /* storage is kept */
void live_frame_release(live_frame *f);

typedef struct live_window {
    terminal *t; /* borrowed */
    buf *shown;  /* the live rows on the screen */
    size_t count, cap;
    size_t passed;  /* final rows so far: the absolute number of the window's first row */
    size_t floor;   /* rows before this one are out of reach */
    double resized; /* when */
    buf out;
    bool erase; /* what is below the cursor is not what `shown` says */
} live_window;

void live_window_open(live_window *w, terminal *t);
void live_window_release(live_window *w);

/* Shows a frame. Without live rows the cursor ends on an empty row below everything. */
int live_window_paint(live_window *w, const live_frame *f, error *err);
/* True when row `at` can still be rewritten once the window has `rows` rows from its first on. */
bool live_window_reaches(const live_window *w, size_t at, size_t rows);
/* The screen was resized: the next frame is drawn anew. */
void live_window_resized(live_window *w);
/* Takes the live rows off the screen, before somebody else writes there. */
int live_window_hide(live_window *w, error *err);

#endif
