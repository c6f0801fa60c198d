/* compare_report.h - what a comparison found, for people and for programs.
 *
 * One question has its answers and a table; text, Markdown and JSON say the same of it. What models and
 * strangers wrote is made harmless where it is put into text.
 */
#ifndef REPL_COMPARE_REPORT_H
#define REPL_COMPARE_REPORT_H

#include "../../personas/compare/compare.h"
#include "../screen/console.h"

typedef struct compare_report {
    const compare *compare;
    const compare_result *result;
    const char *prompt;
    size_t prompt_len;
} compare_report;

/* "experts 2", "temperature=0": what a column acts by, else its words, else "as it is". Borrowed, or in
 * `room`. */
const char *compare_acts(const compare_column *k);

/* The answers one below the other. */
void compare_report_answers(const compare_report *r, const console *con, text_writer *w);
/* The table, and the matrix of losses where there are more columns than two. */
void compare_report_table(const compare_report *r, text_writer *w);
void compare_report_markdown(const compare_report *r, const console *con, text_writer *w);
/* {"consilium":1,"compare":1,...} */
int compare_report_json(const compare_report *r, engine *e, json_writer *out, error *err);

#endif
