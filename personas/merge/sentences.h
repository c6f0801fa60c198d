/* sentences.h - an answer as a list of what can be quoted from it: sentences, items, whole code.
 *
 * The key idea: Markdown's blocks come first (engine/base/markdown_blocks.h), sentences are looked for
 * within them. So code is one piece from its fence to its fence, and an item never runs into the next.
 * Within a block a sentence ends
 *   - behind . ! ? or an ellipsis, with the quotes and brackets that close behind it, when a blank
 *     follows and what comes then does not begin with a small letter;
 *   - behind the full stops of Chinese and Japanese, blank or not;
 *   - at a line's end when the next line does not begin with a small letter.
 * A dot ends none behind an abbreviation ("Dr.", "e.g.", "т.е.", "ул."), an initial ("J. Smith"), or
 * a number that the sentence begins with ("2. Stir"); nothing does within a span of code (`a. B`).
 *
 * The invariant: pieces borrow from the text, in its order, and do not overlap; what lies between
 * them are blanks, marks of Markdown and fences. A text of n bytes costs n steps.
 */
#ifndef PERSONAS_SENTENCES_H
#define PERSONAS_SENTENCES_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

typedef enum sentence_kind {
    SENTENCE_PROSE,
    SENTENCE_ITEM, /* of a list, or a part of one */
    SENTENCE_HEADING,
    SENTENCE_CODE,  /* with its fences; one that is not closed ends with the text */
    SENTENCE_TABLE, /* all its rows */
} sentence_kind;

typedef struct sentence {
    const char *text; /* borrowed; no blanks at its ends */
    size_t len;
    sentence_kind kind;
    bool ended; /* a mark says so; of code: its fence is closed */
    bool asks;  /* it ends with a question mark */
    bool leads; /* it ends with a colon: what it says comes behind it */
} sentence;

/* {0} is valid and empty. */
typedef struct sentence_list {
    sentence *v;
    size_t len, cap;
} sentence_list;

/* Fills *out, which is emptied first, from well-formed UTF-8. */
int sentences_split(const char *text, size_t len, sentence_list *out, error *err);
void sentences_release(sentence_list *list);

#endif
