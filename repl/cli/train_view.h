/* train_view.h - a run of training as people and programs see it while it goes on.
 *
 * On a terminal one frame moves: the curve of the loss by steps (dots), the held-out loss (circles) under the
 * plain model's (a dashed line), the best so far (a star), a line of figures and how a greedy answer begins.
 * Elsewhere, and with --plain, a line is written whenever something was looked at. With --format ndjson each
 * event is a line of JSON on standard output:
 *
 *     {"event":"start","persona","model","lessons":[{"path","count"}],"learned","held_out","near","trainable","steps","epochs",
 *      "memory","adapter","mask","state","resumed"}
 *     {"event":"reading","done","total"}                                 tokens
 *     {"event":"step","step","steps","loss","seconds","left"}            left: null = not known yet
 *     {"event":"validation","step","loss","control"}
 *     {"event":"probe","step","voice","answers","ended","looped","text"}
 *     {"event":"best","step","loss","voice"}
 *     {"event":"end","step","loss","control","voice","answers","ended","looped","adapter","mask",
 *      "previous","interrupted"}
 *
 * "end" comes only when a result was written.
 */
#ifndef REPL_TRAIN_VIEW_H
#define REPL_TRAIN_VIEW_H

#include "../../personas/train/train.h"
#include "../screen/console.h"

typedef struct train_view train_view;

/* Caller owns. */
train_view *train_view_open(console *con, bool ndjson, error *err);
void train_view_close(train_view *v); /* NULL ok; leaves the frame as it is */
/* A file of lessons that is learned from. Borrowed. */
typedef struct train_source {
    const char *path;
    size_t lessons;
} train_source;
/* What is told before it starts. name: the persona; model: its title. */
int train_view_plan(train_view *v, const char *name, const char *model, const train_source *sources,
                    int count, const train_plan *plan, error *err);
/* A train_listener; user: the view. */
void train_view_event(void *user, const train_event *event);
int train_view_result(train_view *v, const train_result *r, bool interrupted, error *err);

#endif
