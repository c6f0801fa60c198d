/* compare_guide.h - a manual of any length, always the same: something long to have read.
 *
 * It is the handbook of a lighthouse that never was. What a question may ask for stands in its first
 * section and nowhere else: the keeper is Ilse Marlow, the lamp was first lit in 1874, the boat is called
 * Petrel, the key to the oil store hangs behind the blue door, and the signal for help is three short and
 * one long. Then come sections of rules and times, numbered, no two of them alike, made by arithmetic
 * on their number.
 */
#ifndef PERSONAS_COMPARE_GUIDE_H
#define PERSONAS_COMPARE_GUIDE_H

#include "../../engine/base/buf.h"
#include "../../engine/text/tokenizer.h"

/* Appends whole sections until the text has at least `tokens` tokens of t. */
int compare_guide(const tokenizer *t, int tokens, buf *out, error *err);

#endif
