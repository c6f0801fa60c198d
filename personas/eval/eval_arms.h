/* eval_arms.h - what is compared: the ways of answering that an evaluation runs.
 *
 *   control      the plain model
 *   NAME         a persona
 *   vote, ...    a merge of the personas' answers, as --merge writes it (merge_table.h), auto too
 *   consistency  the plain model, drawn as often as there are personas; of the short answers that
 *                come out (extract.h) the most frequent one counts (Wang et al. 2022)
 *   correction   the plain model, asked once more to check its own answer
 *
 * Two figures need no arm of their own: the oracle (some persona is right) and the blind pick (the mean
 * of the personas). A persona that is called as another arm has to go without.
 */
#ifndef PERSONAS_EVAL_ARMS_H
#define PERSONAS_EVAL_ARMS_H

#include "../merge/merge.h"

typedef enum eval_arm_kind {
    EVAL_CONTROL,
    EVAL_PERSONA,
    EVAL_MERGE,
    EVAL_CONSISTENCY,
    EVAL_CORRECTION
} eval_arm_kind;

enum { EVAL_ARMS = 64, EVAL_ARM_NAME = 80 };

typedef struct eval_arm {
    eval_arm_kind kind;
    char name[EVAL_ARM_NAME];
    int persona;         /* index among the personas */
    merge_method method; /* of a merge, and its rounds */
    int rounds;
} eval_arm;

typedef struct eval_arms {
    eval_arm v[EVAL_ARMS];
    int count;
} eval_arms;

/* "control,coder,vote"; NULL = all that make sense: without a chat format (raw) no chair, no debate
 * and no correction, and with one persona no merge. personas [n]: their names. ERROR_USAGE. */
int eval_arms_read(const char *text, const char *const *personas, int n, bool raw, eval_arms *out,
                   error *err);
/* Whether one of them is of this kind. */
bool eval_arms_have(const eval_arms *a, eval_arm_kind kind);
/* Index of the arm of this persona, or -1. */
int eval_arms_persona(const eval_arms *a, int persona);

#endif
