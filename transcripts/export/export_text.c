/* export_text.c - see export_text.h. */
#include "export_text.h"

#include <string.h>
#include <time.h>

#include "export.h"

/* ---- figures ----------------------------------------------------------------------------------- */

int export_date(buf *out, double seconds, error *err)
{
    char text[64];
    time_t when = (time_t)seconds;
    struct tm parts;
    if (!(seconds > 0) || !(seconds < 1e11) || !gmtime_r(&when, &parts) ||
        !strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts))
        return 0;
    return buf_text(out, text, err);
}

/* A group's: what its merge made of the answers of its members. */
static int joined_figures(buf *out, const turn_answer *a, error *err)
{
    if (export_merge_line(out, a->joined, err) ||
        buf_format(out, err, ", seed %llu", (unsigned long long)a->seed))
        return -1;
    return a->stop != STOP_END && !turn_merge_cut(a->joined)
               ? buf_format(out, err, ", %s", pass_stop_name(a->stop))
               : 0;
}

int export_figures(buf *out, const turn_answer *a, error *err)
{
    if (a->joined)
        return joined_figures(out, a, err);
    int result = buf_format(out, err, "%zu token%s", a->ids.len, a->ids.len == 1 ? "" : "s");
    if (!result && a->tokens_per_second > 0)
        result = buf_format(out, err, ", %.1f tokens/s", a->tokens_per_second);
    if (!result && a->seconds > 0)
        result = buf_format(out, err, ", %.1f s", a->seconds);
    if (!result)
        result = buf_format(out, err, ", seed %llu", (unsigned long long)a->seed);
    if (!result && a->stop != STOP_END)
        result = buf_format(out, err, ", %s", pass_stop_name(a->stop));
    return result ? -1 : 0;
}

static int add_shares(buf *out, const turn_merge *m, error *err)
{
    const char *between = ": ";
    for (int i = -1; (i = turn_next_share(m, i)) >= 0; between = ", ")
        if (buf_text(out, between, err) || clean_line(out, m->of ? m->of[i] : NULL, err) ||
            buf_format(out, err, " %.2f", m->shares[i]))
            return -1;
    return 0;
}

int export_merge_line(buf *out, const turn_merge *m, error *err)
{
    int result = clean_line(out, m->method, err);
    if (!result && m->shares)
        result = add_shares(out, m, err);
    else if (!result && m->by)
        result = buf_text(out, " by ", err) || clean_line(out, m->by, err);
    if (!result && turn_merge_cut(m))
        result = buf_format(out, err, ", %s", turn_merge_cut(m));
    if (!result && m->note)
        result =
            buf_text(out, " (", err) || clean_line(out, m->note, err) || buf_text(out, ")", err);
    if (!result && !m->note && m->tie)
        result = buf_text(out, " (nearly a tie)", err);
    if (!result && m->seconds > 0)
        result = buf_format(out, err, ", %.1f s", m->seconds);
    return result ? -1 : 0;
}

int export_memory_line(buf *out, const history *h, int turn, error *err)
{
    const struct turn *t = &h->turns[turn];
    int result = 0;
    if (t->only)
        result = buf_text(out, "Only ", err) || clean_line(out, t->only, err) ||
                 buf_text(out, strchr(t->only, ',') ? " were asked. " : " was asked. ", err);
    if (!result && t->parent && t->context != CONTEXT_OWN)
        result = buf_format(out, err, "All passes remembered the %s answers. ",
                            context_policy_name(t->context));
    if (!result && turn && t->parent && t->parent != h->turns[turn - 1].number)
        result = buf_format(out, err, "This turn goes on from turn %d. ", t->parent);
    if (!result && t->from >= t->number && t->parent)
        result = buf_text(out, "Earlier turns were not remembered. ", err);
    else if (!result && t->from < t->number && t->from > t->root)
        result = buf_format(out, err, "Turns before %d were not remembered. ", t->from);
    if (!result && t->blind)
        result = buf_text(out, "The columns were shown without names. ", err);
    return result ? -1 : 0;
}

/* ---- what counts ------------------------------------------------------------------------------- */

const turn_answer *export_column(const struct turn *t, int i)
{
    const turn_answer *a = &t->answers[i];
    return a->first == i ? &t->answers[a->last] : NULL;
}

int export_undone(const history *h)
{
    int n = 0;
    for (int i = 0; i < h->turn_count; i++)
        n += h->turns[i].undone;
    return n;
}

int export_damage(buf *out, const history *h, error *err)
{
    int result = 0;
    if (h->damaged)
        result = buf_format(out, err,
                            "%zu line%s of the transcript %s damaged (the first is line %zu); what "
                            "belongs to %s is missing here. ",
                            h->damaged, h->damaged == 1 ? "" : "s", h->damaged == 1 ? "is" : "are",
                            h->first_damaged, h->damaged == 1 ? "it" : "them");
    if (!result && h->torn)
        result =
            buf_format(out, err, "The last line is unfinished: %zu bytes were not read. ", h->torn);
    return result;
}

/* ---- one door for all formats ------------------------------------------------------------------ */

bool export_format_named(const char *name, export_format *out)
{
    static const char *const names[] = {"md", "json", "html"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (export_format)i;
            return true;
        }
    return false;
}

int export_as(export_format format, const history *h, buf *out, error *err)
{
    return format == EXPORT_MARKDOWN ? export_markdown(h, out, err)
           : format == EXPORT_JSON   ? export_json(h, out, err)
                                     : export_html(h, out, err);
}
