/* agreement.h - do two texts say the same? A rule on words, that anybody can check by hand.
 *
 * A text becomes a claim: the set of its content words, its numbers, and whether it denies.
 *   - Words are those of words.h; those of English and Russian that carry
 *     no content (the, и), and words of one or two letters, are left out. A word loses a common
 *     ending (-ing, -ed, -es, -s, -ly, -e; -ами, -ого, ...) when at least three letters stay, and then all
 *     but six letters: a stem of the simplest kind.
 *   - Numbers are words that begin with a digit.
 *   - It denies when it has an odd number of not, no, never, n't; не, нет, нельзя; 不, 没, 無.
 *
 * Two claims agree when both deny or neither does, the numbers of one are all among those of the other
 * (or one has none), and either both have the same words, two or more, or they share three or more
 * that the question does not have, by Dice's coefficient (1945) of 0.6 or more: twice what they share
 * by all that both have. Words of the question prove nothing: every answer has them.
 *
 * What whole answers share is Dice's coefficient of their content words without the question's.
 *
 * The invariant: all of it is symmetric, and a function of the texts alone.
 */
#ifndef PERSONAS_AGREEMENT_H
#define PERSONAS_AGREEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"

/* Hashes of words, ascending and distinct. {0} is empty. */
typedef struct word_set {
    uint64_t *v;
    size_t len, cap;
} word_set;

typedef struct claim {
    word_set words;   /* numbers included */
    word_set fresh;   /* those of them that the question does not have */
    word_set numbers; /* of the fresh ones */
    bool denies;
} claim;

/* Reads well-formed UTF-8; question may be NULL. *out is set; release it even after an error. */
int claim_read(const char *text, size_t len, const claim *question, claim *out, error *err);
void claim_release(claim *c);

bool claims_agree(const claim *a, const claim *b);
/* Dice's coefficient of the fresh words, 0 to 1. */
double claims_share(const claim *a, const claim *b);

#endif
