/* methods.c - methods of dicts, lists, tuples, loops and cyclers; which type has which.
 *
 * A method is a row of a table like a filter, found by the type of its object (method_find). A
 * row without a function is a method that Python has and this interpreter refuses by name.
 * Methods that would change a list or a dict have no row: as in jinja2's immutable sandbox,
 * attributes.c calls them unsafe.
 */
#include <string.h>

#include "natives.h"

/* ---- dicts -------------------------------------------------------------------------------------- */

static bool method_get(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)all;
    int found = lookup(m, self.u.dict, a[0], out);
    if (found == 0)
        *out = a[1].kind == V_MISSING ? value_none() : a[1];
    return found >= 0;
}

#define VIEW_METHOD(name, of)                                                                      \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)m, (void)a, (void)all;                                                               \
        *out = self;                                                                               \
        out->kind = V_VIEW;                                                                        \
        out->flag = of;                                                                            \
        return true;                                                                               \
    }
VIEW_METHOD(method_keys, VIEW_KEYS)
VIEW_METHOD(method_values, VIEW_VALUES)
VIEW_METHOD(method_items, VIEW_ITEMS)

static bool method_dict_copy(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    dict *d = dict_new(&m->mem);
    (void)a, (void)all;
    for (size_t i = 0; d != NULL && i < self.u.dict->n; i++)
        if (!put(m, d, self.u.dict->v[i].key, self.u.dict->v[i].value))
            return false;
    *out = value_dict(d, self.origin);
    return d != NULL || fail_memory(m);
}

/* ---- lists and tuples --------------------------------------------------------------------------- */

static bool method_list_copy(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    const value whole[3] = {{.kind = V_MISSING}};
    (void)a, (void)all;
    return get_slice(m, self, whole, out);
}

static bool method_list_count(machine *m, value self, const value *a, const arguments *all,
                              value *out)
{
    int64_t n = 0;
    bool same;
    (void)all;
    for (size_t i = 0; i < self.u.list->n; i++) {
        if (!spend(m, 1) || !equal(m, self.u.list->v[i], a[0], &same))
            return false;
        n += same;
    }
    *out = value_int(n, self.origin);
    return true;
}

static bool method_list_index(machine *m, value self, const value *a, const arguments *all,
                              value *out)
{
    int64_t n = (int64_t)self.u.list->n, at[2] = {0, n};
    bool same = false;
    (void)all;
    for (int i = 0; i < 2; i++)
        if (a[1 + i].kind != V_MISSING) {
            if (!argument_int(m, a[1 + i], "index: a bound", &at[i]))
                return false;
            at[i] += at[i] < 0 ? n : 0;
            at[i] = at[i] < 0 ? 0 : at[i];
        }
    for (int64_t i = at[0]; i < at[1] && i < n; i++) {
        if (!spend(m, 1) || !equal(m, self.u.list->v[i], a[0], &same))
            return false;
        if (same) {
            *out = value_int(i, self.origin);
            return true;
        }
    }
    return fail(m, "index: the element is not in the list");
}

/* ---- loops, cyclers ----------------------------------------------------------------------------- */

static bool method_cycle(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a;
    if (all->n == 0 || all->n_named > 0)
        return fail(m, "loop.cycle takes values");
    *out = all->v[self.u.loop->index % all->n];
    return true;
}

static bool method_changed(machine *m, value self, const value *a, const arguments *all, value *out)
{
    loop *l = self.u.loop;
    bool same;
    list *now = make_list(m, all->n);
    (void)a;
    if (now == NULL)
        return false;
    for (size_t i = 0; i < all->n; i++)
        now->v[now->n++] = all->v[i];
    value v = value_tuple(now, JINJA_TEMPLATE);
    if (!equal(m, l->changed, v, &same))
        return false;
    l->changed = v;
    *out = value_bool(!same);
    return true;
}

static bool method_next(machine *m, value self, const value *a, const arguments *all, value *out)
{
    cycler *c = self.u.cycler;
    (void)m, (void)a, (void)all;
    *out = c->items.v[c->at];
    c->at = (c->at + 1) % c->items.n;
    return true;
}

static bool method_reset(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)m, (void)a, (void)all;
    self.u.cycler->at = 0;
    *out = value_none();
    return true;
}

static const native_row of_dict[] = {
    {"get", method_get, "_,_?"},
    {"keys", method_keys, ""},
    {"values", method_values, ""},
    {"items", method_items, ""},
    {"copy", method_dict_copy, ""},
    {"fromkeys", NULL, ""},
    {0},
};
static const native_row of_list[] = {
    {"copy", method_list_copy, ""},
    {"count", method_list_count, "_"},
    {"index", method_list_index, "_,_?,_?"},
    {0},
};
static const native_row of_tuple[] = {
    {"count", method_list_count, "_"}, {"index", method_list_index, "_,_?,_?"}, {0}};
static const native_row of_loop[] = {
    {"cycle", method_cycle, "*"}, {"changed", method_changed, "*"}, {0}};
static const native_row of_cycler[] = {{"next", method_next, ""}, {"reset", method_reset, ""}, {0}};
/* What Python's numbers and ranges have: found, so that it is refused and not undefined. */
static const native_row of_number[] = {{"real", NULL, ""},
                                       {"imag", NULL, ""},
                                       {"conjugate", NULL, ""},
                                       {"numerator", NULL, ""},
                                       {"denominator", NULL, ""},
                                       {"bit_length", NULL, ""},
                                       {"bit_count", NULL, ""},
                                       {"to_bytes", NULL, ""},
                                       {"from_bytes", NULL, ""},
                                       {"is_integer", NULL, ""},
                                       {"hex", NULL, ""},
                                       {"fromhex", NULL, ""},
                                       {"as_integer_ratio", NULL, ""},
                                       {0}};
static const native_row of_range[] = {{"start", NULL, ""}, {"stop", NULL, ""},  {"step", NULL, ""},
                                      {"count", NULL, ""}, {"index", NULL, ""}, {0}};
static const native_row of_view[] = {{"mapping", NULL, ""}, {"isdisjoint", NULL, ""}, {0}};

static const native_row *text_method_find(text name)
{
    const native_row *row = row_find(methods_text, name);
    return row ? row : row_find(methods_text_query, name);
}

const native_row *method_find(value of, text name)
{
    switch (of.kind) {
    case V_TEXT:
        return text_method_find(name);
    case V_DICT:
        return row_find(of_dict, name);
    case V_LIST:
        return row_find(of_list, name);
    case V_TUPLE:
        return row_find(of_tuple, name);
    case V_LOOP:
        return row_find(of_loop, name);
    case V_CYCLER:
        return row_find(of_cycler, name);
    case V_BOOL:
    case V_INT:
    case V_FLOAT:
        return row_find(of_number, name);
    case V_RANGE:
        return row_find(of_range, name);
    case V_VIEW:
        return row_find(of_view, name);
    default:
        return NULL;
    }
}
