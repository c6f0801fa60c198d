/* globals.c - the functions every template finds: range, dict, namespace, raise_exception, ...
 *
 * They are looked up by scope_get() behind all variables, so a variable of the same name hides
 * one. A range is kept as three numbers and counted out when it is gone through, at most
 * RANGE_MAX of them. raise_exception() is how a template refuses a conversation: its words
 * become the error's.
 */
#include <string.h>

#include "natives.h"

static bool global_range(machine *m, value self, const value *a, const arguments *all, value *out)
{
    int64_t at[3] = {0, 0, 1};
    (void)self, (void)a;
    if (all->n < 1 || all->n > 3 || all->n_named > 0)
        return fail(m, "range takes 1 to 3 integers");
    for (size_t i = 0; i < all->n; i++)
        if (!argument_int(m, all->v[i], "range: an argument", &at[all->n == 1 ? 1 : i]))
            return false;
    const int64_t limit = INT64_MAX / 4;
    if (at[2] == 0)
        return fail(m, "range: the step is not 0");
    for (int i = 0; i < 3; i++)
        if (at[i] > limit || at[i] < -limit)
            return fail(m, "range: an argument is too large");
    range *r = take(m, sizeof *r);
    if (r == NULL)
        return false;
    int64_t n =
        at[2] > 0 ? (at[1] - at[0] + at[2] - 1) / at[2] : (at[0] - at[1] - at[2] - 1) / -at[2];
    *r = (range){at[0], at[1], at[2], (at[2] > 0 ? at[0] < at[1] : at[0] > at[1]) ? n : 0};
    if (r->n > RANGE_MAX)
        return fail(m, "range: more than %d numbers", RANGE_MAX);
    *out = (value){.kind = V_RANGE, .u.range = r};
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].origin != JINJA_TEMPLATE)
            out->origin = all->v[i].origin;
    return true;
}

static bool copy_entries(machine *m, value from, dict *to)
{
    list pairs, pair;
    if (from.kind == V_UNDEFINED)
        return fail_undefined(m, from);
    if (from.kind == V_DICT) {
        from.kind = V_VIEW;
        from.flag = VIEW_ITEMS;
    }
    if (!elements(m, from, &pairs))
        return false;
    for (size_t i = 0; i < pairs.n; i++) {
        if (!elements(m, pairs.v[i], &pair))
            return false;
        if (pair.n != 2)
            return fail(m, "a dict is made of pairs");
        if (!put(m, to, pair.v[0], pair.v[1]))
            return false;
    }
    return true;
}

/* dict(other or pairs, name=value ...) */
static dict *make_dict(machine *m, const arguments *all)
{
    dict *d = dict_new(&m->mem);
    if (d == NULL) {
        fail_memory(m);
        return NULL;
    }
    if (all->n > 1) {
        fail(m, "dict and namespace take one positional argument");
        return NULL;
    }
    if (all->n == 1 && !copy_entries(m, all->v[0], d))
        return NULL;
    for (size_t i = 0; i < all->n_named; i++)
        if (!put(m, d, value_text(all->named[i].name), all->named[i].v))
            return NULL;
    return d;
}

static bool global_dict(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)self, (void)a;
    dict *d = make_dict(m, all);
    *out = value_dict(d, all->n == 1 ? value_origin(all->v[0]) : JINJA_TEMPLATE);
    return d != NULL;
}

static bool global_namespace(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    (void)self, (void)a;
    dict *d = make_dict(m, all);
    for (size_t i = 0; d != NULL && i < d->n; i++)
        if (d->v[i].key.kind == V_TEXT && text_bytes(d->v[i].key.u.t)[0] == '_')
            return fail(m, "a namespace's attribute cannot begin with an underscore");
    *out = (value){.kind = V_NAMESPACE, .u.dict = d};
    return d != NULL;
}

static bool global_raise(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text t;
    (void)self, (void)all, (void)out;
    if (!str_of(m, a[0], &t))
        return false;
    size_t n = t.len > 300 ? 300 : t.len;
    while (n < t.len && n > 0 && ((unsigned char)text_bytes(t)[n] & 0xc0) == 0x80)
        n--;
    return fail(m, "the template refuses: %.*s", (int)n, text_bytes(t));
}

static bool global_cycler(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)self, (void)a;
    cycler *c = take(m, sizeof *c);
    list *l = make_list(m, all->n);
    if (c == NULL || l == NULL)
        return false;
    if (all->n == 0 || all->n_named > 0)
        return fail(m, "cycler takes at least one item");
    for (size_t i = 0; i < all->n; i++)
        l->v[l->n++] = all->v[i];
    *c = (cycler){*l, 0};
    *out = (value){.kind = V_CYCLER, .u.cycler = c};
    return true;
}

static bool global_joiner(machine *m, value self, const value *a, const arguments *all, value *out)
{
    value between = a[0];
    (void)self, (void)all;
    cycler *c = take(m, sizeof *c);
    list *l = make_list(m, 1);
    if (c == NULL || l == NULL || (between.kind == V_MISSING && !word_value(m, ", ", &between)))
        return false;
    l->v[l->n++] = between;
    *c = (cycler){*l, 0};
    *out = (value){.kind = V_JOINER, .u.cycler = c};
    return true;
}

const native_row *global_find(text name)
{
    static const native_row rows[] = {
        {"range", global_range, "*"},
        {"dict", global_dict, "*"},
        {"namespace", global_namespace, "*"},
        {"raise_exception", global_raise, "message"},
        {"strftime_now", strftime_now, "format"},
        {"cycler", global_cycler, "*"},
        {"joiner", global_joiner, "sep?"},
        {"lipsum", NULL, ""},
        {0},
    };
    return row_find(rows, name);
}
