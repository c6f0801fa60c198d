/* eval_report.h - what an evaluation found, for people and for programs.
 *
 * One struct is filled once; text, Markdown, JSON and HTML say the same of it. Everything that was
 * written by strangers (names of sets, of arms) is made harmless where it is put into text.
 */
#ifndef REPL_EVAL_REPORT_H
#define REPL_EVAL_REPORT_H

#include "../../personas/eval/eval_run.h"
#include "../options/options.h"
#include "../screen/console.h"

enum { EVAL_TOPICS = 64 }; /* that are told apart; the others are not */

typedef struct eval_report {
    const eval_run *run;
    const eval_results *results;
    const char *set, *model; /* titles */
    const char *record;      /* path */
    eval_split split;
    uint64_t seed;
    eval_figures all, dev, rest; /* of what was asked; dev and rest only where both were */
    const char *topics[EVAL_TOPICS];
    eval_figures *of_topic; /* [topic_count]; owned */
    int topic_count;
} eval_report;

/* against: the arm to compare with, or NULL. run, set, model and record are filled by the caller.
 * ERROR_USAGE for an arm that is not there. eval_report_release in any case. */
int eval_report_count(eval_report *r, const char *against, error *err);
void eval_report_release(eval_report *r);

bool eval_report_has_parts(const eval_report *r); /* dev and rest */
/* What the arms are called: "auto (vote)". out [EVAL_ARM_NAME + 16]. */
const char *eval_report_name(const eval_report *r, int arm, char *out);
/* "0.042", "<0.001". */
enum { EVAL_P = 16 };
const char *eval_report_p(double p, char out[EVAL_P]);
/* How far a merge stays behind the oracle, on the items that both have: right answers. */
int eval_report_gap(const eval_report *r, int arm);

void eval_report_text(const eval_report *r, const console *con, text_writer *w);
void eval_report_markdown(const eval_report *r, const console *con, text_writer *w);
void eval_report_json(const eval_report *r, json_writer *e);
/* eval_evidence.c: keeps what was found for the model (personas/eval/eval_learn.h), and tells it. */
int eval_report_learn(const eval_report *r, engine *e, console *con, error *err);
/* One page that needs nothing else and runs nothing. */
void eval_report_html(const eval_report *r, text_writer *w);

#endif
