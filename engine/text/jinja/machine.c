/* machine.c - errors, bounds and memory of a rendering. */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lex.h"

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
