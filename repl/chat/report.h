/* report.h - what one question brought: the answers, the merge, the figures, ready to be printed.
 *
 * All of it is the turn's; a report only points there. Text of models is foreign: each printer
 * makes it harmless in the way its format needs.
 */
#ifndef REPL_REPORT_H
#define REPL_REPORT_H

#include "../../engine/base/buf.h"
#include "../../engine/base/json_writer.h"
#include "../../personas/merge/merge.h"
#include "../../personas/roster/roster.h"
#include "../screen/console.h"

typedef struct report {
    engine *engine;
    const char *title; /* of the model */
    const char *prompt;
    size_t prompt_len;
    const turn_answer **answers; /* [count], NULL until they are complete */
    int count;
    const struct turn *turn;         /* NULL before it has been asked */
    const turn_merge *merge;         /* NULL = none */
    const char *unmerged;            /* why auto joined nothing, or NULL */
    const char *chosen, *chosen_why; /* the persona that --personas auto came to, or NULL */
    const char *star;                /* stands before a vote's winner */
    error merge_failure;             /* code is not ERROR_NONE when the merge failed */
    double load;                     /* seconds */
    const char *session;             /* where it is saved, or NULL */
} report;

void report_release(report *r);

/* What `ask --format json` prints: {"consilium":1,...}. Which fields an answer and a merge have in it
 * says transcripts/turn_fields.c. */
void report_json(const report *r, json_writer *e);
/* Its members, also used one by one for a stream of events. */
void report_json_answer(const report *r, int i, const char *key, json_writer *e);
void report_json_merge(const report *r, const char *key, json_writer *e);
/* "merge_error": why there is no merge; nothing when none failed. */
void report_json_merge_error(const report *r, json_writer *e);
void report_json_model(const report *r, const char *key, json_writer *e);
/* "chosen": {"persona", "why"}; nothing when nobody was chosen. */
void report_json_chosen(const report *r, json_writer *e);
void report_json_timings(const report *r, const char *key, json_writer *e);

/* The whole exchange as Markdown. */
int report_markdown(const report *r, buf *out, error *err);

/* What a pass acts by, for its heading: "mask", "mask x0.3" where /mask soften has made it a bias of so
 * many nats, "mask strength 0.5", "mask silent" with a strength of 0. */
int report_acts_by(const seat *s, buf *out, error *err);
/* The merged text is one of the answers: it need not be printed again. */
bool report_stands_there(const report *r);
/* Whose answer a group's is as it stands there, or NULL: it was written, or is a revision. */
const char *report_taken_from(const turn_answer *a);
/* How a group's answer came about: "vote: * team/coder 0.73, team/critic 0.27; ...". */
int report_joined_line(const report *r, const turn_answer *a, buf *out, error *err);
/* Whether the experts that were asked for are told beside what it acts by: "experts 8" says it itself. */
bool report_tells_experts(const char *acts_by, int asked);
/* "8 experts", or "4 of 8 experts" where a mask allows fewer than were asked for. */
int report_experts(int asked, int least_allowed, buf *out, error *err);
/* One line of figures of an answer: "mask · 48 tokens · 39 t/s · 1.2 s · interrupted". */
int report_figures(const report *r, int i, buf *out, error *err);
/* One line on how the merge came about: "vote: * critic 0.41, coder 0.33; 2 of 2 votes, by coder; ahead
 * by 0.08 (nearly a tie)". */
int report_merge_line(const report *r, buf *out, error *err);
/* "none: no merge and no persona is right more often ..." */
int report_unmerged_line(const report *r, buf *out, error *err);
/* ", 1.3 s": apart, since it differs from run to run. */
int report_merge_seconds(const report *r, buf *out, error *err);

#endif
