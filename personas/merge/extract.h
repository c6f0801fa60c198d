/* extract.h - the short answer inside a long one: a choice, a number, yes or no.
 *
 * Votes on free text compare likelihoods; but where the answers say "yes", "(b)" or "42", equal
 * values are counted first (self-consistency, Wang et al. 2022). The rules are few and plain:
 *   - a line or sentence "answer: X", "the answer is X", or \boxed{X}: X;
 *   - a first word yes or no (also in Russian: да, нет);
 *   - one single number in the whole text.
 * A text with none of these, or with two that disagree, has no short answer.
 */
#ifndef PERSONAS_EXTRACT_H
#define PERSONAS_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>

enum { EXTRACT_BYTES = 64 };

/* True and the value in canonical form (lower case, number without separators) in out. */
bool extract_answer(const char *text, size_t len, char out[EXTRACT_BYTES]);

#endif
