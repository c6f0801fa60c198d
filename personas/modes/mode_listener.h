/* mode_listener.h - whose experts a prompt calls, for the modes that weigh that.
 *
 * Modes' files weigh personas ("auto": {"personas": {"coder": 0.3}}); a listener holds a profile
 * (mode_profile.h) of all personas that any of them weighs, on the model at hand. It is opened once: the everyday
 * prompts that a profile is held against are read then.
 */
#ifndef PERSONAS_MODE_LISTENER_H
#define PERSONAS_MODE_LISTENER_H

#include "mode.h"
#include "mode_profile.h"

typedef struct mode_listener mode_listener;

/* A listener without a profile, and without an error, where no two of the personas have experts of their own on
 * e, or where there is no such persona. e must outlive it. Caller owns. ERROR_CANCELLED. */
mode_listener *mode_listener_open(engine *e, const mode_list *modes, error *err);
void mode_listener_close(mode_listener *l); /* NULL ok */

/* No calls without a profile. Borrowed until the next. ERROR_CANCELLED. */
int mode_listener_read(mode_listener *l, const char *prompt, size_t len, guess_calls *out,
                       error *err);

#endif
