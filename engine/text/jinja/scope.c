/* scope.c - the variables of a rendering: what is set in a scope, and where a name is looked up. */
#include <string.h>

#include "natives.h"

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
