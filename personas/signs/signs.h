/* signs.h - which prompts ask for a mode or a persona, as its file says under "auto".
 *
 *   {"tags": ["#code"], "bias": -0.5, "marks": {"code": 3}, "words": {"python": 2, "функци*": 1.5},
 *    "personas": {"coder": 0.3}, "fast_words": 6, "deep_words": 90}
 *
 * Numbers and words, nothing that could run: a sum of weights, so that every choice (guess.h) can be
 * read in the file and changed there. Strictly read: what nobody knows is refused by name.
 */
#ifndef PERSONAS_SIGNS_H
#define PERSONAS_SIGNS_H

#include <stdbool.h>

#include "../../engine/base/json.h"
#include "../../kernels/error.h"

enum {
    SIGN_LIST_MOST = 512, /* words, tags and names of one list */
    SIGN_TEXT_MOST = 64   /* bytes of one of them */
};

/* Marks of a prompt's text, each a number from 0 to 1: guess.h says how they are taken. */
typedef enum sign_mark {
    MARK_CODE,     /* code among the words */
    MARK_SHORT,    /* few words */
    MARK_LONG,     /* many */
    MARK_QUESTION, /* it ends by asking */
    MARK_CALL,     /* it ends with an exclamation mark */
    MARK_DIGITS,   /* numbers among the words */
    MARK_FOREIGN,  /* most letters are no Latin ones */
    SIGN_MARKS,
} sign_mark;

typedef struct sign_weight {
    char *
        text; /* a word or a phrase in small letters, a beginning of one ("функци*"), or a persona */
    double weight;
} sign_weight;

typedef struct sign_weights {
    sign_weight *v;
    int n;
} sign_weights;

/* Which prompts ask for it. */
typedef struct signs {
    char **tags; /* [tag_count] "#code" */
    int tag_count;
    double bias, marks[SIGN_MARKS];
    sign_weights words;
    sign_weights profile; /* of personas: of how far their experts are called above the others' */
    int fast_words;       /* a prompt of at most so many words is answered fast; 0 = never */
    int deep_words;       /* one of at least so many deeply */
    bool given;           /* the file has them: auto may choose it */
} signs;

/* Reads "auto" of a file's root; *s is zeroed before. 1 = it is there, 0 = it is not. ERROR_LOAD by
 * field. signs_release() in any case. */
int signs_read(const json *root, signs *s, error *err);
/* What is so of every persona, whatever its file says: #NAME is a tag of it, and where the file says
 * nothing of experts, its own count with weight 1. */
int signs_of_persona(signs *s, const char *name, error *err);
void signs_release(signs *s); /* {0} ok */

/* ["a", "b"]: texts of 1 to SIGN_TEXT_MOST bytes, at most SIGN_LIST_MOST; the same manners. */
int sign_names_read(const json *object, const char *field, char ***list, int *count, error *err);
void sign_names_free(char **list, int n);

#endif
