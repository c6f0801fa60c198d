/* report.c - keeping answers, and the lines of figures that text and Markdown share. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "human.h"

int report_keep(report *r, int i, const seat *s, const answer *a, error *err)
{
    kept_answer *k = &r->answers[i];
    size_t layers = (size_t)engine_config(r->engine)->layers;
    *k = (kept_answer){.name = s->name,
                       .acts_by = s->acts_by,
                       .color = s->color,
                       .len = a->len - a->thought,
                       .prompt_tokens = a->prompt_tokens,
                       .seat = s,
                       .stop = a->stop,
                       .failure = a->failure,
                       .seed = a->seed,
                       .seconds = a->seconds,
                       .tokens_per_second = a->tokens_per_second,
                       .banned_mass = a->banned_mass,
                       .allowed = a->allowed};
    k->thought = strndup(a->text, a->thought);
    k->text = malloc(k->len + 1);
    k->used = calloc(layers, sizeof *k->used);
    if (!k->thought || !k->text || !k->used)
        return error_memory(err, "an answer");
    memcpy(k->text, a->text + a->thought, k->len);
    k->text[k->len] = '\0';
    memcpy(k->used, a->used, layers * sizeof *k->used);
    return tokens_append(&k->ids, a->tokens, a->token_count, err);
}

void report_release(report *r)
{
    for (int i = 0; r->answers && i < r->count; i++) {
        free(r->answers[i].text);
        free(r->answers[i].thought);
        free(r->answers[i].used);
        tokens_release(&r->answers[i].ids);
    }
    free(r->answers);
    if (r->merged)
        merge_release(&r->merge);
    *r = (report){0};
}

int report_experts(const report *r, const seat *s, buf *out, error *err)
{
    const model_config *m = engine_config(r->engine);
    int least = s->asked_experts;
    for (int i = 0; i < m->layers; i++) {
        int allowed = s->program ? router_program_allowed(s->program, i) : m->experts;
        if (m->moe_layer[i] && allowed < least)
            least = allowed;
    }
    if (least < s->asked_experts)
        return buf_format(out, err, "%d of %d experts", least, s->asked_experts);
    return buf_format(out, err, "%d expert%s", least, least == 1 ? "" : "s");
}

int report_figures(const report *r, int i, buf *out, error *err)
{
    const kept_answer *k = &r->answers[i];
    char time[HUMAN_TEXT];
    int result = buf_format(out, err, "%s, %zu token%s, %.1f tokens/s, %s", k->acts_by, k->ids.len,
                            k->ids.len == 1 ? "" : "s", k->tokens_per_second,
                            human_seconds(time, k->seconds));
    if (!result && k->seat->asked_experts)
        result = buf_text(out, ", ", err) || report_experts(r, k->seat, out, err) ? -1 : 0;
    if (!result && k->stop != STOP_END)
        result = buf_format(out, err, ", %s", pass_stop_name(k->stop));
    return result;
}

static int add_shares(const report *r, buf *out, error *err)
{
    const merge_result *m = &r->merge;
    bool *told = calloc((size_t)m->passes, sizeof *told);
    if (!told)
        return error_memory(err, "the merge");
    int result = 0;
    for (int n = 0; n < m->passes && !result; n++) {
        int best = -1;
        for (int i = 0; i < m->passes; i++)
            if (!told[i] && (best < 0 || m->shares[i] > m->shares[best]))
                best = i;
        told[best] = true;
        result = buf_format(out, err, "%s%s %.2f", n ? ", " : ": ", r->answers[best].name,
                            m->shares[best]);
    }
    free(told);
    return result;
}

int report_merge_line(const report *r, buf *out, error *err)
{
    const merge_result *m = &r->merge;
    char time[HUMAN_TEXT];
    int result = buf_text(out, merge_name(m->method), err);
    if (!result && m->shares)
        result = add_shares(r, out, err);
    if (!result && !m->shares && m->by)
        result = buf_format(out, err, " by %s", m->by);
    if (!result && m->note)
        result = buf_format(out, err, " (%s)", m->note);
    return result ? -1 : buf_format(out, err, ", %s", human_seconds(time, m->seconds));
}
