/* examples.h - one example of each file that people write: persona, mask, rule, lessons.
 *
 * The texts stand here once. `personas --help`, the manual page and the README show them, `personas
 * new` writes them with the user's name in, and the tests read them with the program's own readers,
 * so that what is shown is what works. `personas check` knows by the same texts what nobody has
 * changed yet.
 */
#ifndef REPL_EXAMPLES_H
#define REPL_EXAMPLES_H

#include "../../engine/base/buf.h"

enum { EXAMPLE_LESSONS = 3 };

typedef struct example {
    const char *kind, *file; /* "persona", "lawyer.json" */
    const char *about;       /* a sentence: where it stands and what it does */
} example;

/* [*count] kinds, in the order in which they are told. */
const example *examples(size_t *count);
/* Appends the text of example i, each line ended. */
int example_text(size_t i, buf *out, error *err);
/* All of them with their sentences, indented by two: for --help. At most 80 columns. */
int examples_help(buf *out, error *err);

/* What `personas new` writes for a persona: fields with words that are to be replaced. */
int example_persona(const char *name, buf *out, error *err);
/* The words that stand in "about" and in "instruction" there. */
int example_about(const char *name, buf *out, error *err);
int example_instruction(const char *name, buf *out, error *err);
/* And the file of lessons beside it: comments on what a lesson is, an example among them. */
int example_lessons(const char *name, buf *out, error *err);

#endif
