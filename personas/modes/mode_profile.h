/* mode_profile.h - whose experts the plain model calls while it reads a prompt.
 *
 * The router is listened to, not changed: while the plain model reads the prompt, what it gives to the
 * experts that only one persona's program lets through (softmax of its logits) is taken as shares of the
 * personas, in each layer for each token, and added up. A persona's excess is how far its share lies above
 * that of sixteen everyday prompts, in standard deviations of those. It costs the reading of at most
 * MODE_PROFILE_TOKENS tokens, and once of the everyday prompts.
 */
#ifndef PERSONAS_MODE_PROFILE_H
#define PERSONAS_MODE_PROFILE_H

#include "../roster/roster.h"
#include "../signs/guess.h"

enum { MODE_PROFILE_TOKENS = 128, MODE_PROFILE_PERSONAS = 16 };

typedef struct mode_profile mode_profile;

/* Of the seats of a roster that have experts of their own; NULL without an error when fewer than two have. e and r
 * must outlive it. Caller owns. */
int mode_profile_open(engine *e, const roster *r, mode_profile **out, error *err);
void mode_profile_close(mode_profile *p); /* NULL ok */

/* Borrowed until the next call. ERROR_CANCELLED. */
int mode_profile_read(mode_profile *p, const char *prompt, size_t len, guess_calls *out,
                      error *err);

#endif
