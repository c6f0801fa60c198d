/* render.c - jinja_render(): a machine is set up, runs the body, and hands its output over. */
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "lex.h"
#include "machine.h"

static int output_runs(machine *m, text t, jinja_output *out)
{
    size_t covers, n = 0;
    for (size_t at = 0; at < t.len; at += covers) {
        text_run_at(t, at, &covers);
        n++;
    }
    if (m->mem.used + t.len + n * sizeof *out->runs > m->mem.limit) {
        m->mem.full = true;
        return fail_memory(m) - 1;
    }
    m->mem.full = false;
    out->text = malloc((size_t)t.len + 1);
    out->runs = malloc(n * sizeof *out->runs + 1);
    if (out->text == NULL || out->runs == NULL)
        return fail_memory(m) - 1;
    for (size_t at = 0; at < t.len; at += covers) {
        text_run r = text_run_at(t, at, &covers);
        out->runs[out->n_runs++] =
            (jinja_run){covers, r.origin, r.offset == NOWHERE ? JINJA_NOWHERE : (size_t)r.offset};
    }
    memcpy(out->text, text_bytes(t), t.len);
    out->text[t.len] = '\0';
    out->len = t.len;
    return 0;
}

static size_t limit_or(size_t given, size_t usual)
{
    return given > 0 ? given : usual;
}

int jinja_render(const jinja_template *t, const jinja_data *d, const struct tm *now,
                 const jinja_limits *limits, jinja_output *out, error *err)
{
    const jinja_limits l = limits ? *limits : (jinja_limits){0};
    text written = TEXT_EMPTY;
    error unused;
    *out = (jinja_output){0};
    machine m = {.mem = {.limit = limit_or(l.memory, JINJA_MEMORY)},
                 .program = t,
                 .now = now,
                 .err = err ? err : &unused,
                 .out = &written,
                 .steps = limit_or(l.steps, JINJA_STEPS),
                 .output_max = limit_or(l.output, JINJA_OUTPUT)};
    m.variables = data_variables(d, m.err);
    m.scope = m.variables ? scope_new(&m, NULL) : NULL;
    int failed =
        m.scope == NULL || run_body(&m, &t->body) != FLOW_ON || output_runs(&m, written, out);
    arena_release(&m.mem);
    if (failed)
        jinja_output_release(out);
    return failed ? -1 : 0;
}

void jinja_output_release(jinja_output *o)
{
    free(o->text);
    free(o->runs);
    *o = (jinja_output){0};
}
