/* report.c - see report.h. */
#include "report.h"

static const char *const modes[] = {[MASK_KEEP] = "keep", [MASK_BAN] = "ban", [MASK_BIAS] = "bias"};

/* ---- for people ---------------------------------------------------------------------------------- */

static int put_spoken(const derive_report *r, buf *out, error *err)
{
    if (!r->own_spoken)
        return 0;
    return buf_format(out, err,
                      "  the model went on by itself for %zu tokens (others: %zu): %.0f %% of its "
                      "experts' work is where it was in reading\n",
                      r->own_spoken, r->other_spoken, 100 * r->alike);
}

static int put_trials(const derive_report *r, buf *out, error *err)
{
    if (r->trial_count &&
        buf_text(out,
                 "  tried          experts  layers  own lose  others lose  gap, nats a token\n",
                 err))
        return -1;
    for (int i = 0; i < r->trial_count; i++) {
        const derive_trial *t = &r->trials[i];
        if (buf_format(out, err, "%s %-5s %-7.4g %7d %7d   %+8.4f     %+8.4f %+8.4f\n",
                       i == r->chosen ? "*" : " ", modes[t->mode], t->strength, t->named, t->layers,
                       t->own, t->other, t->other - t->own))
            return -1;
    }
    return 0;
}

static int put_verdict(const derive_report *r, buf *out, error *err)
{
    if (r->chosen < 0)
        return 0;
    return buf_format(out, err,
                      "  on texts it has not seen: gap %+.4f (%+.4f to %+.4f); its own lose "
                      "%+.4f, others %+.4f\n"
                      "  %d random masks of its size: gap %+.4f to %+.4f\n"
                      "  its own texts: KL to the plain model %.4f (99 %% below %.3f), same first "
                      "choice %.1f %%, %.1f %% of the router banned\n"
                      "  others' texts: KL %.4f, %.1f %% banned\n",
                      r->gap.value, r->gap.low, r->gap.high, r->own.value, r->other.value,
                      MEASURE_NULL, r->random[0], r->random[MEASURE_NULL - 1], r->kl, r->kl_p99,
                      100 * r->agreement, 100 * r->banned, r->other_kl, 100 * r->other_banned);
}

static int put_mask(const derive_report *r, buf *out, error *err)
{
    const derive_trial *t = r->found ? &r->trials[r->chosen] : NULL;
    if (t && buf_format(out, err, "  mask: %s, %d experts in %d layers%s", modes[t->mode], r->named,
                        r->layers, t->mode == MASK_KEEP ? "\n" : ""))
        return -1;
    if (t && t->mode != MASK_KEEP &&
        buf_format(out, err, ", the same in %.0f %% of random halves of what was read\n",
                   100 * r->stability))
        return -1;
    return t ? 0 : buf_format(out, err, "  %s\n", r->why);
}

int report_text(const char *name, const derive_report *r, buf *out, error *err)
{
    if (buf_format(out, err,
                   "%s: %zu tokens of its own, %zu of %d other%s; %.0f calls an expert%s\n", name,
                   r->own_tokens, r->other_tokens, r->others, r->others == 1 ? "" : "s",
                   r->calls_per_expert,
                   r->calls_per_expert < DERIVE_CALLS
                       ? ": few examples, 256 make the figures steady; more lessons or texts help"
                       : "") ||
        put_spoken(r, out, err) || put_trials(r, out, err) || put_verdict(r, out, err) ||
        put_mask(r, out, err))
        return -1;
    if (r->protected_count)
        return buf_format(out, err, "  left alone, layer:expert with outsized outputs: %s%s\n",
                          r->protected, r->protected_count > 16 ? ", and more" : "");
    return 0;
}

/* ---- for programs -------------------------------------------------------------------------------- */

static void put_interval(json_writer *e, const char *key, const measure_interval *v)
{
    json_begin_array(e, key);
    json_put_number(e, NULL, v->value);
    json_put_number(e, NULL, v->low);
    json_put_number(e, NULL, v->high);
    json_end(e);
}

static void put_json_trials(json_writer *e, const derive_report *r)
{
    json_begin_array(e, "tried");
    for (int i = 0; i < r->trial_count; i++) {
        const derive_trial *t = &r->trials[i];
        json_begin_object(e, NULL);
        json_put_text(e, "mode", modes[t->mode]);
        json_put_number(e, "strength", t->strength);
        json_put_int(e, "experts", t->named);
        json_put_int(e, "layers", t->layers);
        json_put_number(e, "own_loss", t->own);
        json_put_number(e, "other_loss", t->other);
        json_put_bool(e, "chosen", i == r->chosen);
        json_end(e);
    }
    json_end(e);
}

static void put_json_verdict(json_writer *e, const derive_report *r)
{
    put_interval(e, "gap", &r->gap);
    put_interval(e, "own_loss", &r->own);
    put_interval(e, "other_loss", &r->other);
    json_begin_array(e, "random_gaps");
    for (int i = 0; i < MEASURE_NULL; i++)
        json_put_number(e, NULL, r->random[i]);
    json_end(e);
    json_put_number(e, "own_kl", r->kl);
    json_put_number(e, "own_kl_p99", r->kl_p99);
    json_put_number(e, "own_agreement", r->agreement);
    json_put_number(e, "own_banned", r->banned);
    json_put_number(e, "other_kl", r->other_kl);
    json_put_number(e, "other_banned", r->other_banned);
}

void report_put(json_writer *e, const char *name, const derive_report *r, const char *path)
{
    json_begin_object(e, NULL);
    json_put_text(e, "persona", name);
    json_put_bool(e, "found", r->found);
    json_put_text(e, "why", r->found ? NULL : r->why);
    json_put_text(e, "mask", path);
    json_put_count(e, "own_tokens", r->own_tokens);
    json_put_count(e, "other_tokens", r->other_tokens);
    json_put_count(e, "own_spoken", r->own_spoken);
    json_put_count(e, "other_spoken", r->other_spoken);
    json_put_number(e, "spoken_alike", r->alike);
    json_put_int(e, "others", r->others);
    json_put_number(e, "calls_per_expert", r->calls_per_expert);
    put_json_trials(e, r);
    if (r->chosen >= 0)
        put_json_verdict(e, r);
    json_put_int(e, "experts", r->named);
    json_put_int(e, "layers", r->layers);
    json_put_number(e, "stability", r->stability);
    json_put_text(e, "protected", r->protected);
    json_put_int(e, "pools", r->pools);
    json_end(e);
}
