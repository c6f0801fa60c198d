/* voice.h - how much an answer sounds like the lessons, and unlike the plain model: without a judge.
 *
 * A mark is something that an answer has or has not: a word, two words in a row, the words it begins
 * with, a sign of punctuation, how it ends, a list, a fence of code. A mark of the voice is one that a
 * fair share of the lessons' answers has and few of the plain model's answers to the same questions
 * have; as the questions are the same, what an answer is about is no mark. Each weighs as much as it tells:
 *
 *     w = ln((own + 1/2) / (own answers + 1)) - ln((control + 1/2) / (control answers + 1))
 *
 * times the share of the lessons that has it. The likeness of an answer is the sum over the marks it has,
 * on a scale where the mean of the plain model's answers is 0 and that of the lessons that are held
 * out is 1 (at most 1: to be more like the lessons than they are is not better). It knows
 * nothing of meaning; it hears whether the voice is there, and that is all it is used for.
 */
#ifndef PERSONAS_VOICE_H
#define PERSONAS_VOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../kernels/error.h"

typedef struct voice voice;

typedef enum voice_side {
    VOICE_OWN,     /* an answer of a lesson that is learned */
    VOICE_HELD,    /* of one that is held out: sets the scale alone */
    VOICE_CONTROL, /* of the plain model to a question of the lessons */
    VOICE_SIDES,
} voice_side;

voice *voice_open(error *err); /* caller owns */
void voice_close(voice *v);    /* NULL ok */
int voice_add(voice *v, voice_side side, const char *text, size_t len, error *err);
/* Chooses the marks and the scale, behind the last voice_add(). Without held out answers the learned ones
 * set the scale. */
int voice_settle(voice *v, error *err);
int voice_marks(const voice *v); /* how many; 0 = the two sides cannot be told apart */
/* 0 = as the plain model, 1 = as the lessons; 0 without marks. */
double voice_likeness(const voice *v, const char *text, size_t len);

#endif
