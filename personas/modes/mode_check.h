/* mode_check.h - prompts whose mode, or whose persona, somebody wrote down: to measure how often the right
 * one is chosen.
 *
 * A file of JSON lines, {"mode": "code", "prompt": ".."}, or {"persona": "coder", "prompt": ".."} in all of
 * them; lines that begin with # are comments.
 */
#ifndef PERSONAS_MODE_CHECK_H
#define PERSONAS_MODE_CHECK_H

#include "../../engine/base/buf.h"
#include "../../engine/base/json.h"
#include "mode.h"

typedef struct mode_example {
    const char *label, *prompt; /* borrowed from the example's document */
    size_t line;
    json_document *document;
} mode_example;

typedef struct mode_examples {
    mode_example *v;
    size_t len, cap;
    bool personas; /* the labels are of personas */
} mode_examples;

/* Every mode that is named must be in the list. ERROR_LOAD: all faults are told in `faults`, one a line,
 * the first in err. mode_examples_release in any case. */
int mode_examples_load(const char *path, const mode_list *l, mode_examples *out, buf *faults,
                       error *err);
void mode_examples_release(mode_examples *e); /* {0} ok */

#endif
