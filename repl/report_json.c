/* report_json.c - the answers as JSON, field for field what scripts rely on. */
#include <math.h>
#include <string.h>

#include "../engine/json.h"
#include "report.h"

/* A number; what is none (a likelihood of -inf) is null. */
static int add_number(buf *out, double v, error *err)
{
    return isfinite(v) ? buf_format(out, err, "%.9g", v) : buf_text(out, "null", err);
}

static int add_ints(buf *out, const int *v, int n, error *err)
{
    int result = buf_text(out, "[", err);
    for (int i = 0; i < n && !result; i++)
        result = buf_format(out, err, "%s%d", i ? "," : "", v[i]);
    return result ? -1 : buf_text(out, "]", err);
}

static int add_text(buf *out, const char *name, const char *text, size_t len, error *err)
{
    return buf_format(out, err, "\"%s\":", name) || json_quote(out, text, len, err) ? -1 : 0;
}

int report_json_model(const report *r, buf *out, error *err)
{
    const model_config *m = engine_config(r->engine);
    const char *path = checkpoint_path(engine_checkpoint(r->engine));
    const char *fingerprint = engine_fingerprint(r->engine, err);
    if (!fingerprint || buf_text(out, "{", err) || add_text(out, "path", path, strlen(path), err))
        return -1;
    return buf_format(out, err,
                      ",\"architecture\":\"%s\",\"fingerprint\":\"%s\",\"layers\":%d,"
                      "\"experts\":%d,\"experts_per_token\":%d}",
                      architecture_name(m->arch), fingerprint, m->layers, m->experts,
                      m->experts_per_token);
}

static int add_routing(const report *r, const kept_answer *k, buf *out, error *err)
{
    int layers = engine_config(r->engine)->layers;
    if (buf_text(out, ",\"routing\":{\"allowed\":", err) ||
        add_ints(out, k->allowed, layers, err) || buf_text(out, ",\"used\":", err) ||
        add_ints(out, k->used, layers, err) || buf_text(out, ",\"banned_mass\":", err) ||
        add_number(out, k->banned_mass, err))
        return -1;
    return buf_text(out, "}", err);
}

int report_json_answer(const report *r, int i, buf *out, error *err)
{
    const kept_answer *k = &r->answers[i];
    if (buf_text(out, "{", err) || add_text(out, "persona", k->name, strlen(k->name), err) ||
        buf_text(out, ",", err) || add_text(out, "text", k->text, k->len, err) ||
        buf_text(out, ",\"tokens\":", err) || add_ints(out, k->ids.v, (int)k->ids.len, err) ||
        buf_format(out, err,
                   ",\"prompt_tokens\":%d,\"stop\":\"%s\",\"seed\":%llu,\"seconds\":%.6g,"
                   "\"tokens_per_second\":%.6g,\"acts_by\":\"%s\"",
                   k->prompt_tokens, pass_stop_name(k->stop), (unsigned long long)k->seed,
                   k->seconds, k->tokens_per_second, k->acts_by) ||
        add_routing(r, k, out, err))
        return -1;
    if (k->thought[0] &&
        (buf_text(out, ",", err) || add_text(out, "thought", k->thought, strlen(k->thought), err)))
        return -1;
    if (k->stop == STOP_ERROR &&
        (buf_text(out, ",", err) ||
         add_text(out, "error", k->failure.text, strlen(k->failure.text), err)))
        return -1;
    return buf_text(out, "}", err);
}

static int add_scores(const merge_result *m, buf *out, error *err)
{
    int result = buf_text(out, ",\"scores\":[", err);
    for (int j = 0; j < m->passes && m->scores && !result; j++) {
        result = buf_text(out, j ? ",[" : "[", err);
        for (int a = 0; a < m->passes && !result; a++)
            result = buf_text(out, a ? "," : "", err) ||
                             add_number(out, m->scores[j * m->passes + a], err)
                         ? -1
                         : 0;
        if (!result)
            result = buf_text(out, "]", err);
    }
    return result ? -1 : buf_text(out, "]", err);
}

static int add_doubles(buf *out, const char *name, const double *v, size_t n, error *err)
{
    int result = buf_format(out, err, ",\"%s\":[", name);
    for (size_t i = 0; i < n && !result; i++)
        result = buf_text(out, i ? "," : "", err) || add_number(out, v[i], err) ? -1 : 0;
    return result ? -1 : buf_text(out, "]", err);
}

static int add_revised(const merge_result *m, buf *out, error *err)
{
    int result = buf_text(out, ",\"revised\":[", err);
    for (int i = 0; i < m->passes && !result; i++)
        result = buf_text(out, i ? "," : "", err) ||
                         json_quote(out, m->revised[i], strlen(m->revised[i]), err)
                     ? -1
                     : 0;
    return result ? -1 : buf_text(out, "]", err);
}

int report_json_merge(const report *r, buf *out, error *err)
{
    const merge_result *m = &r->merge;
    if (!r->merged || m->method == MERGE_NONE)
        return buf_text(out, "null", err);
    if (buf_format(out, err, "{\"method\":\"%s\",\"by\":", merge_name(m->method)) ||
        (m->by ? json_quote(out, m->by, strlen(m->by), err) : buf_text(out, "null", err)) ||
        buf_text(out, ",", err) || add_text(out, "text", m->text, m->len, err) ||
        add_scores(m, out, err))
        return -1;
    if (m->shares && (add_doubles(out, "shares", m->shares, (size_t)m->passes, err) ||
                      buf_format(out, err, ",\"tie\":%s", m->tie ? "true" : "false")))
        return -1;
    if (m->revised && add_revised(m, out, err))
        return -1;
    if (m->divergence && add_doubles(out, "divergence", m->divergence, m->ids.len, err))
        return -1;
    if (m->note &&
        (buf_text(out, ",", err) || add_text(out, "note", m->note, strlen(m->note), err)))
        return -1;
    return buf_text(out, "}", err);
}

int report_json_timings(const report *r, buf *out, error *err)
{
    return buf_format(out, err,
                      "{\"load\":%.6g,\"prefill\":%.6g,\"decode\":%.6g,\"merge\":%.6g,"
                      "\"union_experts_per_step\":%.6g,\"picks_per_step\":%.6g,"
                      "\"prefill_mode\":\"%s\"}",
                      r->load, r->timings.prefill, r->timings.decode,
                      r->merged ? r->merge.seconds : 0, r->timings.union_experts_per_step,
                      r->timings.picks_per_step, r->timings.shared_prefill ? "shared" : "own");
}

int report_json(const report *r, buf *out, error *err)
{
    if (buf_text(out, "{\"consilium\":1,\"model\":", err) || report_json_model(r, out, err) ||
        buf_text(out, ",", err) || add_text(out, "prompt", r->prompt, r->prompt_len, err) ||
        buf_text(out, ",\"answers\":[", err))
        return -1;
    for (int i = 0; i < r->count; i++)
        if (buf_text(out, i ? "," : "", err) || report_json_answer(r, i, out, err))
            return -1;
    if (buf_text(out, "],\"merge\":", err) || report_json_merge(r, out, err) ||
        buf_text(out, ",\"timings\":", err) || report_json_timings(r, out, err))
        return -1;
    return buf_text(out, "}\n", err);
}
