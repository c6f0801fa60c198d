/* slash_mask.c - /mask: what a persona's program lets through; switching, softening, comparing.
 *
 * To look: mask_view.h tells a program's figures layer by layer, and layers with the same
 * figures become one line. To change: talk_unmask() and talk_soften() seat the persona anew,
 * which may be refused, and what it acts by now is told.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../engine/base/paths.h"
#include "../../../personas/roster/mask_view.h"
#include "../../screen/human.h"
#include "../report.h"
#include "slash_commands.h"

/* ---- looking ----------------------------------------------------------------------------------- */

static bool same_figures(const mask_view_layer *a, const mask_view_layer *b)
{
    return a->allowed == b->allowed && a->biased == b->biased && a->k == b->k &&
           a->adapter_count == b->adapter_count;
}

/* Layers with the same figures stand on one line. */
static int add_layers(const mask_view *v, buf *out, error *err)
{
    for (int i = 0, end; i < v->count; i = end) {
        const mask_view_layer *l = &v->layers[i];
        float least = l->least_bias, most = l->most_bias;
        for (end = i + 1; end < v->count && same_figures(l, &v->layers[end]); end++) {
            least = v->layers[end].least_bias < least ? v->layers[end].least_bias : least;
            most = v->layers[end].most_bias > most ? v->layers[end].most_bias : most;
        }
        int last = v->layers[end - 1].layer;
        if (buf_format(out, err, last > l->layer ? "  layers %d-%d: " : "  layer %d: ", l->layer,
                       last) ||
            buf_format(out, err, "%d of %d experts, %d a token", l->allowed, v->experts, l->k) ||
            (l->adapter_count && buf_format(out, err, ", %d of its own", l->adapter_count)) ||
            (l->biased && buf_format(out, err, "; %d lean by %+.2f to %+.2f nats", l->biased,
                                     (double)least, (double)most)) ||
            buf_text(out, "\n", err))
            return -1;
    }
    return 0;
}

static int add_source(const seat *s, buf *out, error *err)
{
    int result = buf_format(out, err, "%s acts by ", s->name) || report_acts_by(s, out, err);
    if (!result && s->mask)
        result = buf_format(out, err, "; mask %s%s", paths_name(s->mask),
                            s->masks > 1 ? " and others" : "");
    if (!result && s->mask_penalty > 0)
        result = buf_format(out, err, ", softened to %g nats", s->mask_penalty);
    if (!result && s->unmasked)
        result = buf_text(out, "; its mask is off (/mask on)", err);
    return result || buf_text(out, "\n", err) ? -1 : 0;
}

static int show_mask(talk *t, const seat *s, error *err)
{
    mask_view v = {0};
    buf out = {0};
    int result = add_source(s, &out, err) ||
                         mask_view_describe(s->program, engine_config(t->engine), &v, err)
                     ? -1
                     : 0;
    if (!result && v.hash == 0)
        result = buf_text(&out, "  routes like the plain model\n", err);
    else if (!result)
        result = add_layers(&v, &out, err);
    if (!result && v.strength != 1)
        result =
            buf_format(&out, err, "  strength %g on the experts it names\n", (double)v.strength);
    if (!result && v.rules)
        result = buf_text(&out, "  and its rules act on some tokens\n", err);
    if (!result)
        result = talk_write(t, &out, err);
    mask_view_release(&v);
    buf_release(&out);
    return result;
}

static int list_masks(talk *t, error *err)
{
    buf out = {0};
    int result = 0;
    const roster *r = dialogue_roster(t->dialogue);
    for (int i = 0; i < roster_seats(r) && !result; i++)
        result = buf_text(&out, "  ", err) || add_source(roster_seat(r, i), &out, err) ? -1 : 0;
    if (!result)
        result = talk_write(t, &out, err);
    buf_release(&out);
    return result;
}

static bool same_overlap(const mask_view_overlap *a, const mask_view_overlap *b)
{
    return a->a == b->a && a->b == b->b && a->both == b->both &&
           a->bias_distance - b->bias_distance < 0.005 &&
           b->bias_distance - a->bias_distance < 0.005;
}

/* One line for the layers o->layer to `last`. */
static int add_overlap(const mask_view_overlap *o, int last, buf *out, error *err)
{
    if (buf_format(out, err, last > o->layer ? "  layers %d-%d: " : "  layer %d: ", o->layer, last))
        return -1;
    return buf_format(out, err, "%d and %d experts, %d in common; %.2f nats\n", o->a, o->b, o->both,
                      o->bias_distance);
}

static int compare(talk *t, const seat *a, const seat *b, error *err)
{
    mask_view_difference d = {0};
    buf out = {0};
    int result = mask_view_compare(a->program, b->program, engine_config(t->engine), &d, err);
    if (!result)
        result =
            buf_format(&out, err, "%s and %s: %.0f %% of the experts in common, %.2f nats apart\n",
                       a->name, b->name, 100 * d.jaccard, d.bias_distance);
    for (int i = 0, end; i < d.count && !result; i = end) {
        const mask_view_overlap *o = &d.layers[i];
        for (end = i + 1; end < d.count && same_overlap(o, &d.layers[end]); end++)
            ;
        int last = d.layers[end - 1].layer;
        if (o->jaccard < 1 || o->bias_distance > 0)
            result = add_overlap(o, last, &out, err);
    }
    if (!result)
        result = talk_write(t, &out, err);
    mask_view_difference_release(&d);
    buf_release(&out);
    return result;
}

/* ---- the command ------------------------------------------------------------------------------- */

static const seat *seat_named(const talk *t, const char *name, error *err)
{
    const roster *r = dialogue_roster(t->dialogue);
    int i = dialogue_find(t->dialogue, name);
    if (i >= 0 && i < roster_seats(r))
        return roster_seat(r, i);
    if (i >= 0) {
        error_set(err, ERROR_USAGE, "%.64s is a group: its members have masks, it has none", name);
        return NULL;
    }
    error_set(err, ERROR_USAGE, "%.64s does not speak; /personas shows who does", name);
    return NULL;
}

static int soften(talk *t, const seat *s, const char *text, error *err)
{
    char *end = NULL;
    bool off = text && strcmp(text, "off") == 0;
    double nats = off ? 0 : text ? strtod(text, &end) : 2;
    if (text && !off && (!*text || *end || !(nats > 0 && nats <= 100)))
        return error_set(err, ERROR_USAGE,
                         "/mask soften: \"%.40s\" is no number above 0, at most 100; /mask off %s "
                         "takes the mask away",
                         text, s->name);
    if (!s->persona)
        return error_set(err, ERROR_USAGE, "%s has no mask", s->name);
    if (!off && s->program && s->masks && !s->forbids)
        return error_set(err, ERROR_USAGE,
                         "the mask of %s forbids nothing, it leans already; /strength %s X weakens "
                         "the experts that it names",
                         s->name, s->name);
    char name[80] = "";
    strncpy(name, s->persona, sizeof name - 1);
    if (talk_soften(t, name, nats, err))
        return -1;
    s = seat_named(t, name, err);
    return s ? show_mask(t, s, err) : -1;
}

static int switch_mask(talk *t, const seat *s, bool off, error *err)
{
    if (!s->persona)
        return error_set(err, ERROR_USAGE, "%s has no mask", s->name);
    char name[80] = "";
    strncpy(name, s->persona, sizeof name - 1);
    if (talk_unmask(t, name, off, err))
        return -1;
    s = seat_named(t, name, err);
    buf acts = {0};
    int result = s ? report_acts_by(s, &acts, err) : -1;
    if (!result)
        result = talk_say(t, "%s acts by %s now", name, acts.v);
    buf_release(&acts);
    return result;
}

/* With everybody else at the table, or with the one named. */
static int differ(talk *t, const seat *s, const char *name, error *err)
{
    const seat *other = name ? seat_named(t, name, err) : NULL;
    if (name)
        return other ? compare(t, s, other, err) : -1;
    const roster *seats = dialogue_roster(t->dialogue);
    if (roster_seats(seats) < 2)
        return error_set(err, ERROR_USAGE, "there is nobody to compare %s with", s->name);
    int result = 0;
    for (int i = 0; i < roster_seats(seats) && !result; i++)
        if (roster_seat(seats, i) != s)
            result = compare(t, s, roster_seat(seats, i), err);
    return result;
}

int slash_mask(talk *t, const char *rest, char *const *words, int count, error *err)
{
    (void)rest;
    if (!count)
        return list_masks(t, err);
    const char *what = words[0];
    bool show = strcmp(what, "show") == 0;
    if (show && count == 1)
        return list_masks(t, err);
    bool known = show || strcmp(what, "on") == 0 || strcmp(what, "off") == 0 ||
                 strcmp(what, "soften") == 0 || strcmp(what, "diff") == 0;
    if (!known && count == 1 && dialogue_find(t->dialogue, what) >= 0)
        return show_mask(t, seat_named(t, what, err), err);
    if (!known || count < 2)
        return error_set(err, ERROR_USAGE, "/mask show, on, off, soften or diff, then a NAME");
    const seat *s = seat_named(t, words[1], err);
    if (!s)
        return -1;
    if (show)
        return show_mask(t, s, err);
    if (strcmp(what, "soften") == 0)
        return soften(t, s, count > 2 ? words[2] : NULL, err);
    if (strcmp(what, "diff") == 0)
        return differ(t, s, count > 2 ? words[2] : NULL, err);
    return switch_mask(t, s, strcmp(what, "off") == 0, err);
}
