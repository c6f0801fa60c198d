/* report.c - the lines of figures that text and Markdown share. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "../../personas/merge/evidence.h"
#include "../screen/human.h"

void report_release(report *r)
{
    free(r->answers);
    *r = (report){0};
}

int report_acts_by(const seat *s, buf *out, error *err)
{
    if (buf_text(out, s->acts_by, err) ||
        (s->mask_penalty > 0 && buf_format(out, err, " x%g", s->mask_penalty)))
        return -1;
    if (s->strength > 0 && s->strength != 1)
        return buf_format(out, err, " strength %g", s->strength);
    return s->strength > 0 ? 0 : buf_text(out, " silent", err);
}

bool report_stands_there(const report *r)
{
    return r->merge && merge_took_one(r->merge->method);
}

bool report_tells_experts(const char *acts_by, int asked)
{
    return asked && !(acts_by && strstr(acts_by, "experts"));
}

int report_experts(int asked, int least, buf *out, error *err)
{
    if (least < asked)
        return buf_format(out, err, "%d of %d experts", least, asked);
    return buf_format(out, err, "%d expert%s", least, least == 1 ? "" : "s");
}

int report_figures(const report *r, int i, buf *out, error *err)
{
    const turn_answer *k = r->answers[i];
    char time[HUMAN_TEXT];
    if (k->joined)
        return report_joined_line(r, k, out, err) ||
                       buf_format(out, err, ", %s", human_seconds(time, k->seconds)) ||
                       (k->stop != STOP_END &&
                        buf_format(out, err, ", %s", pass_stop_name(k->stop)))
                   ? -1
                   : 0;
    int result = buf_format(out, err, "%s, %zu token%s, %.1f tokens/s, %s", k->acts_by, k->ids.len,
                            k->ids.len == 1 ? "" : "s", k->tokens_per_second,
                            human_seconds(time, k->seconds));
    if (!result && report_tells_experts(k->acts_by, k->asked_experts))
        result =
            buf_text(out, ", ", err) || report_experts(k->asked_experts, k->least_allowed, out, err)
                ? -1
                : 0;
    if (!result && k->stop != STOP_END)
        result = buf_format(out, err, ", %s", pass_stop_name(k->stop));
    return result;
}

const char *report_taken_from(const turn_answer *a)
{
    bool there = a->joined && a->text.len && a->joined->winner >= 0;
    return there && merge_took_one(a->joined->method) ? a->joined->of[a->joined->winner] : NULL;
}

static int add_shares(const report *r, const turn_merge *m, buf *out, error *err)
{
    const char *between = ": ";
    for (int i = -1; (i = turn_next_share(m, i)) >= 0; between = ", ")
        if (buf_format(out, err, "%s%s%s %.2f", between, i == m->winner ? r->star : "", m->of[i],
                       m->shares[i]))
            return -1;
    return 0;
}

/* By whose vote and how far ahead; where the answers disagree, that instead. */
static int add_tally(const report *r, const turn_merge *m, buf *out, error *err)
{
    buf words = {0};
    int result = evidence_dissent(r->turn, m, m->of, &words, err);
    if (!result && !words.len && m->scores && m->winner >= 0)
        result = merge_tally(m, m->of, "; ", &words, err);
    if (!result && words.len)
        result = buf_text(out, "; ", err) || buf_add(out, words.v, words.len, err) ? -1 : 0;
    buf_release(&words);
    return result;
}

static int add_line(const report *r, const turn_merge *m, buf *out, error *err)
{
    int result = buf_text(out, m->method, err);
    if (!result && m->shares)
        result = add_shares(r, m, out, err);
    if (!result && !m->shares && m->by && m->winner >= 0)
        result = buf_format(out, err, ": %s%s", r->star, m->by);
    else if (!result && !m->shares && m->by)
        result = buf_format(out, err, " by %s", m->by);
    if (!result)
        result = evidence_kind(m, "; ", out, err);
    if (!result)
        result = add_tally(r, m, out, err);
    if (!result && turn_merge_cut(m))
        result = buf_format(out, err, ", %s", turn_merge_cut(m));
    if (!result && m->note)
        result = buf_format(out, err, " (%s)", m->note);
    return result;
}

int report_merge_line(const report *r, buf *out, error *err)
{
    return add_line(r, r->merge, out, err);
}

int report_joined_line(const report *r, const turn_answer *a, buf *out, error *err)
{
    return add_line(r, a->joined, out, err);
}

int report_unmerged_line(const report *r, buf *out, error *err)
{
    return buf_format(out, err, "none: %s", r->unmerged);
}

int report_merge_seconds(const report *r, buf *out, error *err)
{
    char time[HUMAN_TEXT];
    return buf_format(out, err, ", %s", human_seconds(time, r->merge->seconds));
}
