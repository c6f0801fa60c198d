/* gather.h - whose masks are wanted, and whom they are compared with: persona files to voices.
 *
 * Every persona is read once, whether a mask is made for it or it is only compared with, so masks for
 * all cost little more than one; all in the same languages (voice_lessons.h). A file of somebody else's
 * that is broken or holds no lesson yet is told of and stands in nobody's way.
 *
 * What was trained for a persona on this model acts by experts that the plain model does not have, and
 * most often by a mask of its own: nothing is derived over it.
 */
#ifndef PERSONAS_GATHER_H
#define PERSONAS_GATHER_H

#include "../roster/persona.h"
#include "../roster/roster.h"
#include "derive.h"
#include "voice_lessons.h"

typedef struct gathered {
    persona *persona;
    int source;
} gathered;

typedef struct gathering {
    gathered *v; /* those that a mask is wanted for */
    size_t len, cap;
    buf languages; /* "en, ru", in which lessons are read; "" when nobody has several */
} gathering;

typedef struct gather_wish {
    const char *names;   /* "a,b"; NULL = all that have lessons */
    const char *against; /* the same; NULL = all others that have lessons */
    const char *lang;    /* "en,ru"; NULL = those that all have, beside texts one alone */
    roster_note *note;   /* hears who is not compared with, and why; may be NULL */
    roster_note *fault;  /* hears each fault of a file of lessons that has several; may be NULL */
    void *user;          /* of both */
    bool texts;          /* the one that is named comes with texts: its lessons are not read */
} gather_wish;

/* Adds the voices to d. ERROR_LOAD by persona and file, ERROR_USAGE for a name that stands on both
 * sides, for one that something was trained for, and as voice_choose(). Release in any case. */
int gather_voices(derivation *d, const gather_wish *wish, gathering *out, error *err);
void gathering_release(gathering *g); /* {0} ok */

/* ERROR_USAGE when something was trained for p on this model. */
int gather_untrained(engine *e, const persona *p, error *err);

/* Which modes are tried for a persona: "ban", "bias", "keep", "auto"; NULL = as its file says. */
void gather_modes(const persona *p, const char *mode, derive_wish *wish);

#endif
