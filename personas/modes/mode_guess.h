/* mode_guess.h - which mode a prompt asks for: guess.h among the modes that there are. */
#ifndef PERSONAS_MODE_GUESS_H
#define PERSONAS_MODE_GUESS_H

#include "mode.h"

/* fixed: in the list, or -1 = auto. out->choice: in the list. Only memory can fail. */
int mode_guess_make(const mode_list *l, int fixed, const char *prompt, size_t len,
                    const guess_calls *calls, guessed *out, error *err);

#endif
