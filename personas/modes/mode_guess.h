/* mode_guess.h - which mode a prompt asks for, and why.
 *
 * A tag at the beginning or the end of the prompt decides (#code, #deep) and is no part of what is
 * asked. Else every mode that has signs adds up what of them the prompt shows, and the highest sum
 * wins: a sum of weights that stand in the modes' files, so that each decision can be read and
 * changed there. The same prompt, files and profile always give the same mode.
 */
#ifndef PERSONAS_MODE_GUESS_H
#define PERSONAS_MODE_GUESS_H

#include <stddef.h>

#include "mode.h"

enum { MODE_WHY = 320, MODE_READ_MOST = 16384 /* bytes of a prompt that are looked at */ };

/* How much of what the plain model calls while it reads the prompt is a persona's, above the mean of
 * all personas, in standard deviations of what neutral text shows (mode_profile.h). */
typedef struct mode_call {
    char name[MODE_TEXT_MOST + 1];
    double excess;
} mode_call;

typedef struct mode_calls {
    mode_call *v;
    int n;
} mode_calls;

typedef struct mode_guess {
    int mode; /* in the list; -1 when none has signs */
    mode_depth depth;
    bool tagged;        /* a tag said so */
    double lead;        /* of its sum before the next best; 0 when it is alone or tagged */
    size_t from, to;    /* the prompt without its tags */
    char why[MODE_WHY]; /* "code in the prompt, \"function\"" */
} mode_guess;

/* prompt: UTF-8. fixed: the mode that was chosen: then only the
 * depth is asked, unless a tag names another mode; -1 = auto. calls
 * may be NULL. Only memory can fail. */
int mode_guess_make(const mode_list *l, int fixed, const char *prompt, size_t len,
                    const mode_calls *calls, mode_guess *out, error *err);

/* The marks of a text, each from 0 to 1. words: how many there are. */
void mode_guess_marks(const char *text, size_t len, double marks[MODE_MARKS], int *words);

#endif
