/* roster_effect.h - what a seat acts by, in a word that is true on this model.
 *
 * A program is called after what it changes (router_program_changes()); one that changes nothing
 * here is called nothing. Besides an empty program that is one that speaks of nil experts alone, those
 * whose output is zero whatever they read: which of them is chosen makes no difference as long as no other
 * takes their place. That last part is looked up, not argued: such a program reads a short text beside
 * the plain model, and the predictions must be the same bytes. Only programs of this rare kind are
 * tried in that way.
 */
#ifndef PERSONAS_ROSTER_EFFECT_H
#define PERSONAS_ROSTER_EFFECT_H

#include "roster.h"

enum { ACTS_BYTES = 48 };

/* *acts = whether the program (NULL ok) changes anything on e's model. ERROR_CANCELLED. */
int roster_program_acts(engine *e, const router_program *p, bool *acts, error *err);

/* Writes the word into out: roster.h lists them. p: NULL for a program that does not act. */
void roster_acts_by(const router_program *p, bool instructed, char out[ACTS_BYTES]);

#endif
