/* eval_match.h - is this answer right? Text against keys.
 *
 * Both are brought into one form first: compatibility-decomposed, case-folded, without marks; words
 * are runs of letters and digits, without the articles a, an, the (unless a key is one); in numbers
 * thousands separators and zeros at the end of a fraction are left out, a sign counts where nothing
 * stands before it, and a unit that sticks to a number is a word of its own. A key matches where its
 * words stand in the answer, one behind the other.
 *
 * Blocks of code state nothing (x = 5 in one is no result): they are read only where an answer is
 * nothing else.
 *
 * An exact answer is judged by the first of these rules that has something to say:
 *   1. behind the last "####" (as in GSM8K), else in the last \boxed{..}: only what stands there counts;
 *   2. a key of a closed set (yes/no, true/false, да/нет): the first word of that set in the answer;
 *   3. a key that is a number: behind the last "answer is" or "answer:" the first number, unless a sum
 *      begins with it; else behind the last "=" that a number follows;
 *   4. any key, anywhere in the answer.
 *
 * A rubric counts its groups: one is met where a key of it stands, whose last word may go on ("cost"
 * is in "costly").
 */
#ifndef PERSONAS_EVAL_MATCH_H
#define PERSONAS_EVAL_MATCH_H

#include "eval_set.h"

enum {
    EVAL_VALUE = 72,
    /* Of the rules above. Raised when they read an answer otherwise: what was asked under other rules is
     * another evaluation, and its record is not gone on with. */
    EVAL_READING = 2
};

typedef struct eval_verdict {
    bool right;
    /* What it says, shortly: equal values agree. A right answer's is its first key, so that all
     * spellings of it agree; of a rubric "right" or "wrong". Never empty. */
    char value[EVAL_VALUE];
} eval_verdict;

/* Of an exact item or a rubric. The text may be broken UTF-8. -1 only without memory. */
int eval_match(const eval_item *item, const char *text, size_t len, eval_verdict *out, error *err);

/* What an answer says, shortly, read without any key: what stands behind "####" or in \boxed{..}; else
 * extract.h's short answer; else the number behind the last "="; else the last number; else a hash of
 * all words. Answers whose value[EVAL_VALUE] is equal agree. -1 only without memory. */
int eval_match_short(const char *text, size_t len, char *value, error *err);

/* The first block of code in an answer: between two lines of ```, or from the first to the end. False
 * when there is none. *code is borrowed from text. */
bool eval_match_code(const char *text, size_t len, const char **code, size_t *n);

#endif
