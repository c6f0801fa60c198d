/* counted.h - answers that can be counted: who says which short answer to this question.
 *
 * extract.h finds a short answer in a text; whether it answers the question is asked here. Yes, no and
 * what stands behind "the answer is" always do. A lone number does only where the question has a
 * number itself or asks for one (how many, when, сколько, 多少, ...): "wait 3 days" in one answer is
 * no other opinion than "10 flowers" in the next. What goes on behind the value ("156, and it is a
 * mistake") is left off, and more than four words are no short answer.
 */
#ifndef PERSONAS_COUNTED_H
#define PERSONAS_COUNTED_H

#include "extract.h"

/* The short answer of a text to a question, as extract_answer(); false where it has none. */
bool counted_answer(const char *question, size_t question_len, const char *text, size_t len,
                    char out[EXTRACT_BYTES]);

#endif
