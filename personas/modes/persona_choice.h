/* persona_choice.h - to which persona a prompt goes: by the signs in the personas' files, and by whose
 * experts the plain model calls while it reads the prompt.
 *
 * A persona is what has experts, adapters, rules and a way to draw, so a task that is sent to one is sent
 * to all of these. Each has the tag #NAME and, unless its file weighs experts itself ("auto":
 * {"personas": ..}), its own experts with weight 1; words, marks and a bias stand in the file. The model
 * is only read where no tag decides.
 */
#ifndef PERSONAS_PERSONA_CHOICE_H
#define PERSONAS_PERSONA_CHOICE_H

#include "mode_profile.h"

typedef struct persona_choice persona_choice;

/* Among names [n]. e: the model that is read, which must outlive it; NULL = by signs alone. Caller owns.
 * ERROR_LOAD by persona. */
persona_choice *persona_choice_open(engine *e, const char *const *names, int n, error *err);
void persona_choice_close(persona_choice *c); /* NULL ok */

/* What decides, for measuring: */
typedef enum choice_by { CHOICE_BY_ALL, CHOICE_BY_SIGNS, CHOICE_BY_EXPERTS } choice_by;

/* out->choice: in names. ERROR_CANCELLED. */
int persona_choice_make(persona_choice *c, choice_by by, const char *prompt, size_t len,
                        guessed *out, error *err);
/* No two of the personas have experts of their own here, or there is no model. */
bool persona_choice_is_blind(const persona_choice *c);
/* "persona coder: it calls coder's experts, "python""; appended. */
int persona_choice_line(const persona_choice *c, const guessed *g, buf *out, error *err);

#endif
