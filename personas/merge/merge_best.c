/* merge_best.c - the answer of the persona that is right most often, by the evidence (evidence_table.h).
 *
 * Nothing is read and nothing judged. An answer that loops, is empty or failed cannot be taken: then it is
 * that of the next persona in the order of the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge_state.h"

/* The party with this name whose answer can be taken, or -1. */
static int party_named(const merging *m, const merge_candidate *candidates, const char *name)
{
    for (int i = 0; i < m->count; i++)
        if (!candidates[i].barred && strcmp(m->parties[i].name, name) == 0)
            return i;
    return -1;
}

/* The persona with the most right answers on the development part whose answer can be taken. */
static int choose(const merging *m, const merge_candidate *candidates, int *arm)
{
    const evidence_table *t = m->options->evidence;
    evidence_part p = evidence_sum(t, true);
    int best = -1, most = -1;
    for (int a = 0; a < t->arm_count; a++) {
        int at = t->arms[a].kind == EVIDENCE_PERSONA && p.right[a] > most
                     ? party_named(m, candidates, t->arms[a].name)
                     : -1;
        if (at < 0)
            continue;
        best = at;
        most = p.right[a];
        *arm = a;
    }
    return best;
}

static int take(const merging *m, const merge_candidate *candidates, turn_merge *out, error *err)
{
    char figure[EVIDENCE_WORDS_MOST], words[2 * EVIDENCE_WORDS_MOST];
    int arm = -1, best = choose(m, candidates, &arm);
    if (best < 0)
        return error_set(err, ERROR_RUN, "no answer can win: each is empty, failed or loops");
    (void)evidence_figure(m->options->evidence, arm, figure);
    (void)snprintf(words, sizeof words, "right most often%s%s", *figure ? ": " : "", figure);
    out->winner = best;
    out->by = region_keep_text(m->memory, m->parties[best].name, err);
    out->basis = region_keep_text(m->memory, words, err);
    return !out->by || !out->basis ||
                   merge_set_text(m, out, candidates[best].text, candidates[best].len, err)
               ? -1
               : 0;
}

int merge_best(const merging *m, turn_merge *out, error *err)
{
    buf texts = {0};
    if (!evidence_holds(m->options->evidence, m->council))
        return error_set(err, ERROR_USAGE,
                         "it is not known which of them is right most often on this model: "
                         "`consilium eval SET --learn` finds out");
    merge_candidate *candidates = merge_candidates(m, &texts, err);
    int result = candidates ? take(m, candidates, out, err) : -1;
    buf_release(&texts);
    free(candidates);
    return result;
}
