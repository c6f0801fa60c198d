/* eval_convert.h - files of public benchmarks, as their makers publish them, made into sets.
 *
 *   gsm8k       JSON lines with "question" and "answer", whose last line is "#### 42": the number is the key
 *   mmlu        CSV without a heading: question, four choices, the letter of the right one
 *   truthfulqa  TruthfulQA.csv (best against incorrect answers), or mc_task.json ("mc1_targets"): choices
 *   humaneval   JSON lines with "task_id", "prompt", "test" and "entry_point": programs
 *
 * The formats are those of github.com/openai/grade-school-math, hendrycks/test, sylinrl/TruthfulQA and
 * openai/human-eval. Nothing is fetched: the user has the files. A row that cannot become an item (two
 * choices alike) is left out and counted; one that does not look like its format refuses the file.
 * Where a right choice would always be the first, the choices are turned by the hash of the question.
 */
#ifndef PERSONAS_EVAL_CONVERT_H
#define PERSONAS_EVAL_CONVERT_H

#include "eval_set.h"

#define EVAL_FORMATS "gsm8k|mmlu|truthfulqa|humaneval"

typedef struct eval_converted {
    buf text; /* the set */
    size_t items, left_out;
} eval_converted;

/* format: one of EVAL_FORMATS. ERROR_LOAD by path and line or row. eval_converted_release in any
 * case. */
int eval_convert(const char *format, const char *path, eval_converted *out, error *err);
void eval_converted_release(eval_converted *c);

#endif
