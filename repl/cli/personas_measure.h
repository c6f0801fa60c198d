/* personas_measure.h - `personas check --measure`: what a persona's program does, in figures.
 *
 * Two sides are read: texts of its own and texts of others. Control, the persona's program and those of
 * other personas are measured on both; then come random programs of its size, greedy answers, and the
 * instruction by program square. Everything that is printed is in one struct, filled once.
 */
#ifndef REPL_PERSONAS_MEASURE_H
#define REPL_PERSONAS_MEASURE_H

#include "../../personas/measure/answers.h"
#include "../../personas/measure/trial.h"
#include "../../personas/roster/roster.h"
#include "../options/options.h"
#include "../screen/console.h"

enum { MEASURED_TOKENS = 1024, MEASURED_ANSWERS = 8, MEASURED_SEED = 1 };

/* One row of the table. */
typedef struct measured_program {
    char *name;
    roster *roster;                /* owns its program; NULL for control */
    const router_program *program; /* NULL = the plain model */
    measure_figures own, other;
} measured_program;

typedef struct measured {
    measure_samples own, other; /* other may be empty */
    buf own_from, other_from;   /* "its lessons", "the lessons of coder, critic", or paths */
    bool own_lessons;           /* own are lessons, not texts */
    measured_program programs[MEASURE_TOGETHER]; /* control, the persona, others */
    int count;
    trial trial;
    answers_figures answers[2]; /* control, the persona */
    size_t square_tokens;       /* 0: it has no instruction or no lessons */
    double square[2][2];        /* [instruction][program] loss on its own lessons */
} measured;

/* Whether the command line asks for it: --measure, or an option that means nothing without it. */
bool personas_measure_wanted(const options *opt);
/* program: the persona's on e, as `ask` would seat it; NULL = none. *out is released by the caller, on failure too. Tells
 * progress and notes. ERROR_CANCELLED, ERROR_LOAD for a dense model or a persona without texts. */
int personas_measure(const options *opt, console *con, engine *e, const persona *p,
                     const router_program *program, measured *out, error *err);
void measured_release(measured *m); /* {0} ok */

void measured_put_json(const measured *m, json_writer *e); /* the object "measured" */
void measured_put_text(const measured *m, const console *con, text_writer *w);

#endif
