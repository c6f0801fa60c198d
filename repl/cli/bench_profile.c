/* bench_profile.c - see bench_profile.h. */
#include "bench_profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../engine/run/weights.h"
#include "../screen/human.h"

static const char *name_in_layer(const layer_weights *w, const tensor *weight)
{
    const struct {
        const tensor *weight;
        const char *name;
    } known[] = {{w->q, "q k v"},
                 {w->o, "o"},
                 {w->router, "router"},
                 {w->gate, "gate up"},
                 {w->down, "down"},
                 {w->shared_gate, "shared gate up"},
                 {w->shared_down, "shared down"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].weight == weight)
            return known[i].name;
    return "other products";
}

static const char *name_of(void *user, int layer, const tensor *weight)
{
    const weights *w = engine_weights(user);
    if (layer >= 0)
        return name_in_layer(&w->layers[layer], weight);
    return weight == w->output ? "output matrix" : "other products";
}

backend_profile *bench_profile_open(engine *e, error *err)
{
    const model_config *c = engine_config(e);
    profile_options opt = {.max_rows = engine_max_rows(e),
                           .slots = c->experts ? c->experts_per_token : 0,
                           .name = name_of,
                           .user = e};
    return backend_profile_open(engine_backend(e), &opt, err);
}

static int slower(const void *a, const void *b)
{
    double x = ((const profile_part *)a)->seconds, y = ((const profile_part *)b)->seconds;
    return (x < y) - (x > y);
}

void bench_profile_take(backend_profile *p, int steps, double seconds, bench_phase *out)
{
    const profile_part *parts = backend_profile_parts(p, &out->count);
    double inside = 0;
    out->steps = steps;
    out->seconds = seconds;
    for (int i = 0; i < out->count; i++) {
        out->parts[i] = parts[i];
        inside += parts[i].seconds;
    }
    if (out->count < PROFILE_PARTS)
        out->parts[out->count++] = (profile_part){
            .name = "between ops", .calls = (uint64_t)steps, .seconds = seconds - inside};
    qsort(out->parts, (size_t)out->count, sizeof *out->parts, slower);
    backend_profile_reset(p);
}

/* Of those that read something: what, how fast, and how many operations a second. */
static int add_rates(const profile_part *part, int steps, double dram, buf *out, error *err)
{
    char bytes[HUMAN_TEXT];
    double rate = part->bytes / part->seconds;
    if (!part->reads || part->seconds <= 0)
        return buf_text(out, "\n", err);
    if (buf_format(out, err, "  %9s  %6.1f  %7.0f %%",
                   human_bytes(bytes, (uint64_t)(part->bytes / steps)), rate * 1e-9,
                   100 * rate / dram))
        return -1;
    if (part->operations > 0 &&
        buf_format(out, err, "  %7.1f", part->operations / part->seconds * 1e-9))
        return -1;
    return buf_text(out, "\n", err);
}

static int add_part(const bench_phase *phase, const profile_part *part, double dram, buf *out,
                    error *err)
{
    return buf_format(out, err, "  %-17s  %-7s  %9.3f  %5.1f %%", part->name,
                      part->reads ? dtype_describe(part->type)->name : "",
                      1e3 * part->seconds / phase->steps, 100 * part->seconds / phase->seconds) ||
           add_rates(part, phase->steps, dram, out, err);
}

int bench_profile_print(const bench_phase *phase, const char *title, double dram, console *con,
                        error *err)
{
    buf out = {0};
    int result =
        buf_format(&out, err, "\n%s: %.2f ms\n%s  %-17s  %-7s  %9s  %7s  %9s  %6s  %9s  %7s%s\n",
                   title, 1e3 * phase->seconds / phase->steps, console_dim(con), "part", "type",
                   "ms", "share", "reads", "GB/s", "of memory", "Gop/s", console_reset(con));
    for (int i = 0; result == 0 && i < phase->count; i++)
        result = add_part(phase, &phase->parts[i], dram, &out, err);
    if (result == 0)
        result = console_text(con, &out, err);
    buf_release(&out);
    return result ? -1 : 0;
}

void bench_profile_json(const bench_phase *phase, const char *key, double dram, json_writer *e)
{
    json_begin_object(e, key);
    json_put_int(e, "steps", phase->steps);
    json_put_number(e, "seconds", phase->seconds);
    json_begin_array(e, "parts");
    for (int i = 0; i < phase->count; i++) {
        const profile_part *part = &phase->parts[i];
        json_begin_object(e, NULL);
        json_put_text(e, "part", part->name);
        json_put_text(e, "type", part->reads ? dtype_describe(part->type)->name : NULL);
        json_put_count(e, "calls", part->calls);
        json_put_number(e, "seconds", part->seconds);
        json_put_count(e, "bytes", (uint64_t)part->bytes);
        json_put_number(e, "operations", part->operations);
        json_put_number(e, "share_of_dram",
                        part->seconds > 0 ? part->bytes / part->seconds / dram : 0);
        json_end(e);
    }
    json_end(e);
    json_end(e);
}
