/* model_tweaks.c - see model_tweaks.h. The formulas of scaling are rope.c's. */
#include "model_tweaks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/printable.h"
#include "../base/ranges.h"

enum { POSITIONS_MOST = 1 << 24 };

bool model_tweaks_any(const model_tweaks *t)
{
    return t->rope_theta != 0 || t->rope_scaling || t->positions || t->skip;
}

static int refuse(const char *text, error *err)
{
    return error_set(err, ERROR_USAGE,
                     "rope_scaling: \"%s\" is none of none, linear:F, yarn:F[:ORIGINAL], "
                     "llama3:F[:ORIGINAL[:LOW:HIGH]], F from 1 to 1024 or auto",
                     printable_text(text).text);
}

/* ":X" at *at, which moves behind it; `standard` where nothing stands, NAN for what is no number. */
static double next_number(const char **at, double standard)
{
    char *end;
    if (**at != ':')
        return standard;
    double x = strtod(*at + 1, &end);
    bool number = end > *at + 1 && strchr("0123456789.", (*at)[1]) && (*end == ':' || !*end);
    *at = end;
    return number ? x : NAN;
}

/* F, or what brings the model's positions to those asked for. */
static double read_factor(const char **at, const model_tweaks *t, double original)
{
    static const char automatic[] = ":auto";
    size_t n = sizeof automatic - 1;
    if (strncmp(*at, automatic, n) != 0 || ((*at)[n] && (*at)[n] != ':'))
        return next_number(at, NAN);
    *at += n;
    return t->positions > original ? t->positions / original : 1;
}

static int take_scaling(const model_tweaks *t, model_config *c, error *err)
{
    static const char *const names[] = {"none", "linear", "llama3", "yarn"};
    const char *text = t->rope_scaling, *at = text + strcspn(text, ":");
    rope_config *r = &c->rope;
    double trained = r->original_context > 0 ? r->original_context : c->context;
    int kind = 0;
    while (kind < 4 && (strlen(names[kind]) != (size_t)(at - text) ||
                        strncmp(names[kind], text, (size_t)(at - text)) != 0))
        kind++;
    if (kind == 4 || (kind == ROPE_PLAIN) != !*at)
        return refuse(text, err);
    *r = (rope_config){.kind = (rope_kind)kind,
                       .dim = r->dim,
                       .pairs = r->pairs,
                       .theta = r->theta,
                       .attention_factor = 1,
                       .factor = 1};
    if (kind == ROPE_PLAIN)
        return 0;
    r->factor = read_factor(&at, t, trained);
    r->original_context = kind == ROPE_LINEAR ? trained : next_number(&at, trained);
    r->low_freq = kind == ROPE_LLAMA3 ? next_number(&at, 1) : 0;
    r->high_freq = kind == ROPE_LLAMA3 ? next_number(&at, 4) : 0;
    if (*at || !(r->factor >= 1 && r->factor <= 1024) || !(r->original_context >= 1) ||
        !(r->original_context <= POSITIONS_MOST) ||
        (kind == ROPE_LLAMA3 && !(r->low_freq > 0 && r->high_freq > r->low_freq)))
        return refuse(text, err);
    if (kind == ROPE_YARN) {
        r->beta_fast = 32;
        r->beta_slow = 1;
        r->truncate = true;
        r->attention_factor = r->factor > 1 ? 0.1 * log(r->factor) + 1 : 1;
    }
    c->context = (int)fmin(r->original_context * r->factor, POSITIONS_MOST);
    return 0;
}

static int take_skip(const char *text, model_config *c, error *err)
{
    int left = 0;
    if (ranges_read(text, "layer", c->layers, c->skip_layer, err)) {
        if (err && err->code == ERROR_LOAD)
            err->code = ERROR_USAGE;
        return error_prefix(err, "skip: ");
    }
    for (int i = 0; i < c->layers; i++)
        left += !c->skip_layer[i];
    return left ? 0 : error_set(err, ERROR_USAGE, "skip: no layer would be left");
}

int model_tweaks_apply(const model_tweaks *t, model_config *c, error *err)
{
    model_config changed = *c;
    if (t->rope_theta != 0 && !(t->rope_theta > 1 && t->rope_theta <= 1e18))
        return error_set(err, ERROR_USAGE, "rope_theta: %g is outside 1..1e18", t->rope_theta);
    if (t->rope_theta != 0)
        changed.rope.theta = t->rope_theta;
    if (t->rope_scaling && take_scaling(t, &changed, err))
        return -1;
    if (t->positions < 0 || t->positions > POSITIONS_MOST)
        return error_set(err, ERROR_USAGE, "positions: %d is outside 1..%d", t->positions,
                         POSITIONS_MOST);
    if (t->positions)
        changed.context = t->positions;
    if (t->skip && take_skip(t->skip, &changed, err))
        return -1;
    *c = changed;
    return 0;
}
