/* guess.h - which of several a prompt asks for, and why: a mode, or a persona.
 *
 * A tag at the beginning or the end of the prompt decides (#code, #deep) and is no part of what is
 * asked. Else every candidate adds up what of its signs the prompt shows, and the highest sum wins, the
 * first of equal ones: a sum of weights that stand in files, so that each decision can be read and
 * changed there. The same prompt, files and profile always give the same choice.
 */
#ifndef PERSONAS_GUESS_H
#define PERSONAS_GUESS_H

#include <stddef.h>

#include "signs.h"

enum { GUESS_WHY = 320, GUESS_READ_MOST = 16384 /* bytes of a prompt that are looked at */ };

/* How far a persona's experts are called while the plain model reads the prompt, in standard deviations
 * above what everyday prompts show (personas/modes/mode_profile.h). */
typedef struct guess_call {
    char name[SIGN_TEXT_MOST + 1];
    double excess;
} guess_call;

typedef struct guess_calls {
    guess_call *v;
    int n;
} guess_calls;

/* How much is asked for: tags, or the number of words, say so. */
typedef enum guess_depth { DEPTH_USUAL, DEPTH_FAST, DEPTH_DEEP, DEPTHS } guess_depth;
extern const char *const guess_depths[DEPTHS]; /* "usual", "fast", "deep" */

typedef struct guess_candidate {
    const char *name;
    const signs *signs;
} guess_candidate;

typedef struct guess_among {
    const guess_candidate *v; /* [n] */
    int n;
    int fixed;   /* the one that was chosen: then only the depth is asked, unless a tag names
                    another; -1 = none */
    bool depths; /* #fast and #deep are tags too */
} guess_among;

typedef struct guessed {
    int choice; /* -1 when none has signs */
    guess_depth depth;
    bool tagged;         /* a tag said so */
    double lead;         /* of its sum before the next best; 0 when it is alone or tagged */
    size_t from, to;     /* the prompt without its tags */
    char why[GUESS_WHY]; /* "code in the prompt, \"function\"" */
} guessed;

/* prompt: UTF-8. calls may be NULL. Only memory can fail. */
int guess_make(const guess_among *among, const char *prompt, size_t len, const guess_calls *calls,
               guessed *out, error *err);

/* The marks of a text, each from 0 to 1. words: how many there are. */
void guess_marks(const char *text, size_t len, double marks[SIGN_MARKS], int *words);

#endif
