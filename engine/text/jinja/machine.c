/* machine.c - errors, bounds, memory and scopes of a rendering; and jinja_render itself. */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "lex.h"
#include "natives.h"

bool fail(machine *m, const char *format, ...)
{
    char sentence[sizeof m->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    template_error(m->err, m->at ? m->at->line : 1, m->at ? m->at->column : 1, "%s", sentence);
    return false;
}

bool fail_memory(machine *m)
{
    if (m->mem.full)
        return fail(m, "more than %zu MiB of memory are needed", m->mem.limit >> 20);
    error_memory(m->err, "a chat template's text");
    return false;
}

bool spend(machine *m, size_t steps)
{
    if (m->steps < steps) {
        m->steps = 0;
        return fail(m, "the template runs for too long");
    }
    m->steps -= steps;
    return true;
}

bool spend_bytes(machine *m, size_t bytes)
{
    return spend(m, bytes / 16);
}

bool enter(machine *m)
{
    if (m->depth == DEPTH_MAX)
        return fail(m, "nested deeper than %d levels", DEPTH_MAX);
    m->depth++;
    return spend(m, 1);
}

void leave(machine *m)
{
    m->depth--;
}

void *take(machine *m, size_t n)
{
    void *p = arena_take(&m->mem, n);
    if (p == NULL)
        fail_memory(m);
    return p;
}

list *make_list(machine *m, size_t n)
{
    list *l = spend(m, n / 4) ? list_new(&m->mem, n) : NULL;
    if (l == NULL && m->steps > 0)
        fail_memory(m);
    return l;
}

bool push(machine *m, list *l, value v)
{
    return list_add(&m->mem, l, v) || fail_memory(m);
}

/* A key is read whole, to be hashed and compared. */
static bool spend_key(machine *m, value key)
{
    if (key.kind == V_TEXT)
        return spend_bytes(m, key.u.t.len);
    bool left = true;
    for (size_t i = 0; key.kind == V_TUPLE && left && i < key.u.list->n; i++)
        left = spend(m, 1) && spend_key(m, key.u.list->v[i]);
    return left;
}

bool put(machine *m, dict *d, value key, value v)
{
    size_t steps = 0;
    if (!value_hashable(key))
        return fail(m, "a %s cannot be the key of a dict", type_name(key));
    if (!spend_key(m, key))
        return false;
    if (dict_put(&m->mem, d, key, v, &steps))
        return fail_memory(m);
    return spend(m, steps / 4);
}

int lookup(machine *m, const dict *d, value key, value *out)
{
    size_t steps = 0;
    if (!value_hashable(key))
        return fail(m, "a %s cannot be the key of a dict", type_name(key)) - 1;
    if (!spend_key(m, key))
        return -1;
    value *found = dict_find(d, key, &steps);
    if (!spend(m, steps / 4))
        return -1;
    if (found != NULL)
        *out = *found;
    return found != NULL;
}

/* ---- scopes ------------------------------------------------------------------------------------- */

scope *scope_new(machine *m, scope *parent)
{
    scope *s = take(m, sizeof *s);
    if (s != NULL)
        *s = (scope){.parent = parent};
    return s;
}

bool scope_set(machine *m, uint32_t sym, value v)
{
    scope *s = m->scope;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].sym == sym) {
            s->v[i].v = v;
            return spend(m, i / 8);
        }
    if (s->n == s->cap) {
        size_t cap = s->cap < 4 ? 4 : 2 * s->cap;
        binding *grown = take(m, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        if (s->n > 0)
            memcpy(grown, s->v, s->n * sizeof *grown);
        s->v = grown;
        s->cap = cap;
    }
    s->v[s->n++] = (binding){sym, v};
    return spend(m, s->n / 8);
}

bool scope_get(machine *m, uint32_t sym, value *out)
{
    size_t steps = 0;
    for (const scope *s = m->scope; s != NULL; s = s->parent) {
        for (size_t i = 0; i < s->n; i++)
            if (s->v[i].sym == sym) {
                *out = s->v[i].v;
                return spend(m, (steps + i) / 8);
            }
        steps += s->n + 1;
    }
    text name = m->program->names[sym];
    int found = lookup(m, m->variables, value_text(name), out);
    if (found != 0)
        return found > 0;
    const native_row *global = global_find(name);
    *out =
        global ? (value){.kind = V_FUNCTION, .u.function = global} : value_undefined(U_NAME, name);
    return spend(m, steps / 8);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

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
