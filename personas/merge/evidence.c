/* evidence.c - see evidence.h. */
#include "evidence.h"

#include <stdlib.h>
#include <string.h>

#include "agreement.h"
#include "counted.h"

typedef struct opinion {
    char value[EXTRACT_BYTES]; /* "" = none */
    claim claim;
} opinion;

int evidence_kind(const turn_merge *m, const char *between, buf *out, error *err)
{
    bool picked = m->scores && m->winner >= 0;
    if (!picked && !m->basis)
        return 0;
    if (!m->basis)
        return buf_format(out, err, "%spicked as likeliest by the others", between);
    return buf_format(out, err, "%s%s%s", between, picked ? "picked by " : "", m->basis);
}

/* ---- dissent ----------------------------------------------------------------------------------- */

static turn_text said(const struct turn *t, const turn_merge *m, int i)
{
    const turn_answer *a = turn_answer_of(t, m->of[i]);
    if (m->revised && m->revised[i].v)
        return m->revised[i];
    return a && a->stop != STOP_ERROR ? a->text : (turn_text){"", 0};
}

static int read_opinion(const struct turn *t, const turn_text *text, const claim *question,
                        opinion *out, error *err)
{
    buf mended = {0};
    int result = buf_text(&mended, "", err) || buf_mend(&mended, text->v, text->len, err) ||
                         claim_read(mended.v, mended.len, question, &out->claim, err)
                     ? -1
                     : 0;
    if (result || !counted_answer(t->prompt.v, t->prompt.len, mended.v, mended.len, out->value))
        out->value[0] = '\0';
    buf_release(&mended);
    return result;
}

static bool values_differ(const opinion *o, int n)
{
    const char *first = NULL;
    for (int i = 0; i < n; i++) {
        if (!*o[i].value)
            continue;
        if (first && strcmp(first, o[i].value) != 0)
            return true;
        first = o[i].value;
    }
    return false;
}

/* A common short answer outweighs other words. */
static bool share_little(const opinion *o, int n)
{
    double sum = 0;
    int pairs = 0;
    for (int i = 0; i < n; i++) {
        if (o[i].claim.fresh.len < EVIDENCE_WORDS || *o[i].value)
            return false;
        for (int k = 0; k < i; k++, pairs++)
            sum += claims_share(&o[i].claim, &o[k].claim);
    }
    return pairs && sum / pairs < EVIDENCE_LITTLE;
}

static int add_dissent(const opinion *o, int n, const char *const *called, buf *out, error *err)
{
    if (!values_differ(o, n))
        return share_little(o, n) ? buf_text(out, "the answers share little: read each", err) : 0;
    const char *between = "the answers disagree: ";
    for (int i = 0; i < n; i++) {
        if (!*o[i].value)
            continue;
        if (buf_format(out, err, "%s%s says %s", between, called[i], o[i].value))
            return -1;
        between = ", ";
    }
    return 0;
}

static int read_opinions(const struct turn *t, const turn_merge *m, const claim *question,
                         opinion *o, error *err)
{
    for (int i = 0; i < m->passes; i++) {
        turn_text text = said(t, m, i);
        if (read_opinion(t, &text, question, &o[i], err))
            return -1;
    }
    return 0;
}

int evidence_dissent(const struct turn *t, const turn_merge *m, const char *const *called, buf *out,
                     error *err)
{
    int n = m->passes;
    if (!t || !m->of || n < 2)
        return 0;
    opinion *o = calloc((size_t)n, sizeof *o);
    if (!o)
        return error_memory(err, "a merge");
    buf prompt = {0};
    claim question = {0};
    int result = buf_text(&prompt, "", err) || buf_mend(&prompt, t->prompt.v, t->prompt.len, err) ||
                         claim_read(prompt.v, prompt.len, NULL, &question, err) ||
                         read_opinions(t, m, &question, o, err)
                     ? -1
                     : add_dissent(o, n, called, out, err);
    for (int i = 0; i < n; i++)
        claim_release(&o[i].claim);
    free(o);
    claim_release(&question);
    buf_release(&prompt);
    return result;
}
