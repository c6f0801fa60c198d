/* compare_set_report.h - what a comparison over a set of questions found: text, Markdown, JSON, a page.
 *
 * One struct is filled once; all forms say the same of it. Names of levels and files are foreign and
 * made harmless where they are put into text.
 */
#ifndef REPL_COMPARE_SET_REPORT_H
#define REPL_COMPARE_SET_REPORT_H

#include "../../personas/compare/compare_tally.h"
#include "../screen/console.h"

typedef struct compare_set_report {
    const compare *compare;
    const compare_set *set;
    const compare_sample *samples; /* [count][columns] */
    int count;                     /* questions that were asked */
    const char *name, *model;      /* titles */
    uint64_t seed;
    const char *levels[COMPARE_LEVELS];
    int level_count;
    compare_figures *figures; /* [1 + level_count][columns]: all, then by level; owned */
} compare_set_report;

/* levels and figures of what the caller has filled in. compare_set_report_release in any case. */
int compare_set_report_count(compare_set_report *r, error *err);
void compare_set_report_release(compare_set_report *r);
/* level -1 = all. */
const compare_figures *compare_set_report_of(const compare_set_report *r, int level, int column);

void compare_set_report_text(const compare_set_report *r, const console *con, text_writer *w);
void compare_set_report_markdown(const compare_set_report *r, const console *con, text_writer *w);
/* {"consilium":1,"compare_set":1,...} */
int compare_set_report_json(const compare_set_report *r, engine *e, json_writer *out, error *err);
/* One page that needs nothing else and runs nothing. */
void compare_set_report_html(const compare_set_report *r, text_writer *w);

#endif
