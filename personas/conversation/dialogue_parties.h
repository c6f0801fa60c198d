/* dialogue_parties.h - whose answers a merge joins, and which passes stand behind them.
 *
 * A column is a seat or, behind all seats, a group (roster.h). Parties are columns that have answered: of
 * a merge that names nobody those in no group, but controls; of a group's own merge what is in it. Behind a
 * seat stands its pass; behind a group the passes of its members that answered, each member with an equal
 * share, so that a group within a group weighs what a pass does there.
 */
#ifndef PERSONAS_DIALOGUE_PARTIES_H
#define PERSONAS_DIALOGUE_PARTIES_H

#include "dialogue_state.h"

typedef struct parties {
    int *columns; /* [count] */
    int count;
    int *who; /* [n] seats behind them; dialogue_stage() takes it */
    int n;
    merge_party *list;     /* [count] their replies: parties_reply() */
    merge_backing *behind; /* [n] */
    turn_answer *groups;   /* [count] replies of those that are groups */
} parties;

/* names [count], or NULL = those of `group`, -1 = of none. Each that is named must have answered. *out is set;
 * parties_release() in any case. */
int parties_open(const dialogue *d, const struct turn *t, const char *const *names, int count,
                 int group, parties *out, error *err);
/* Their answers: replies [n] of the passes, as dialogue_stage_turn() filled them, and the groups'. Borrowed. */
void parties_reply(parties *p, const dialogue *d, const struct turn *t, const turn_answer *replies);
void parties_release(parties *p); /* {0} ok */

#endif
