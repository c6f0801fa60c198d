/* merge_tally.c - a vote in words: who was for the winner, and by how much it leads. See merge.h. */
#include <math.h>

#include "merge.h"

/* Whom a judge of a vote finds best, of those that could win and are not its own; -1 = nobody. */
static int choice_of(const turn_merge *r, int judge)
{
    int best = -1;
    for (int a = 0; a < r->passes; a++) {
        double score = r->scores[judge * r->passes + a];
        if (a == judge || isnan(score) || !(r->shares[a] > 0))
            continue;
        if (best < 0 || score > r->scores[judge * r->passes + best])
            best = a;
    }
    return best;
}

/* How far the winner leads, as the shares are shown: with two decimals, so that nobody's sum differs. */
static double lead(double first, double next)
{
    return (rint(100 * first) - rint(100 * next)) / 100;
}

/* The share of the next best; 0 when there is none. */
static double runner_up(const turn_merge *r)
{
    double best = 0;
    for (int a = 0; a < r->passes; a++)
        if (a != r->winner && r->shares[a] > best)
            best = r->shares[a];
    return best;
}

static int add_lead(const turn_merge *r, const char *between, buf *out, error *err)
{
    double next = runner_up(r);
    return next > 0
               ? buf_format(out, err, "%sahead by %.2f", between, lead(r->shares[r->winner], next))
               : 0;
}

int merge_tally(const turn_merge *r, const char *const *called, const char *between, buf *out,
                error *err)
{
    int votes = 0, cast = 0, named = 0;
    if (!r->scores || !r->shares || r->winner < 0)
        return 0;
    if (r->basis)
        return add_lead(r, "", out, err);
    for (int j = 0; j < r->passes; j++) {
        int voted = choice_of(r, j);
        cast += voted >= 0;
        votes += voted == r->winner;
    }
    if (buf_format(out, err, "%d of %d vote%s", votes, cast, cast == 1 ? "" : "s"))
        return -1;
    for (int j = 0; j < r->passes; j++) {
        if (choice_of(r, j) != r->winner)
            continue;
        const char *before = !named ? ", by " : named + 1 == votes ? " and " : ", ";
        if (buf_text(out, before, err) || buf_text(out, called[j], err))
            return -1;
        named++;
    }
    return add_lead(r, between, out, err);
}
