/* filters_select.c - filters that apply another filter or a test to each element; default; attr. */
#include <string.h>

#include "natives.h"

/* ---- map ---------------------------------------------------------------------------------------- */

static const value *named(const arguments *all, const char *name)
{
    for (size_t i = 0; i < all->n_named; i++)
        if (text_is(all->named[i].name, name))
            return &all->named[i].v;
    return NULL;
}

static bool check_map_names(machine *m, const arguments *all)
{
    for (size_t i = 0; i < all->n_named; i++)
        if (!text_is(all->named[i].name, "attribute") && !text_is(all->named[i].name, "default"))
            return fail(m, "map has no argument named '%.*s'", (int)all->named[i].name.len,
                        text_bytes(all->named[i].name));
    return true;
}

/* The row that a filter or test is named by in the arguments, and what is left of them. */
static bool named_row(machine *m, const arguments *all, size_t at, const native_row *(*find)(text),
                      const char *what, const native_row **row, arguments *rest)
{
    text name;
    if (!argument_text(m, all->v[at], what, &name))
        return false;
    *row = find(name);
    if (*row == NULL)
        return fail(m, "no %s is named '%.*s'", what, name.len > 40 ? 40 : (int)name.len,
                    text_bytes(name));
    *rest = *all;
    rest->v += at + 1;
    rest->n -= at + 1;
    return true;
}

static bool filter_map(machine *m, value self, const value *a, const arguments *all, value *out)
{
    const value *path = all->n == 0 ? named(all, "attribute") : NULL;
    const native_row *row = NULL;
    arguments rest;
    bool any;
    list items = {0}, *l = make_list(m, 0);
    (void)a;
    if (l == NULL || !truth(m, self, &any))
        return false;
    if (any && !elements(m, self, &items))
        return false;
    if (any && path == NULL && all->n == 0)
        return fail(m, "map needs a filter or an attribute");
    if (any && !(path ? check_map_names(m, all)
                      : items.n == 0 || named_row(m, all, 0, filter_find, "filter", &row, &rest)))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        value v;
        if (!(path ? get_path_or(m, items.v[i], *path, named(all, "default"), &v)
                   : call_native(m, row, items.v[i], &rest, &v)) ||
            !push(m, l, v))
            return false;
    }
    return make_iterator(m, l, value_origin(self), out);
}

/* ---- select ------------------------------------------------------------------------------------- */

static bool pick(machine *m, value self, const arguments *all, bool attribute, bool want,
                 value *out)
{
    const size_t at = attribute;
    const native_row *row = NULL;
    arguments rest;
    bool any;
    list items = {0}, *l = make_list(m, 0);
    if (l == NULL || !truth(m, self, &any) || (any && !elements(m, self, &items)))
        return false;
    if (any && attribute && all->n == 0)
        return fail(m, "selectattr and rejectattr need an attribute");
    if (items.n > 0 && all->n > at && !named_row(m, all, at, test_find, "test", &row, &rest))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        value v = items.v[i], answer;
        bool is;
        if (!spend(m, 1) || (attribute && !get_path(m, items.v[i], all->v[0], &v)))
            return false;
        answer = v;
        if ((row != NULL && !call_native(m, row, v, &rest, &answer)) || !truth(m, answer, &is) ||
            (is == want && !push(m, l, items.v[i])))
            return false;
    }
    return make_iterator(m, l, value_origin(self), out);
}

#define PICK_FILTER(name, attribute, want)                                                         \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)a;                                                                                   \
        return pick(m, self, all, attribute, want, out);                                           \
    }
PICK_FILTER(filter_select, false, true)
PICK_FILTER(filter_reject, false, false)
PICK_FILTER(filter_selectattr, true, true)
PICK_FILTER(filter_rejectattr, true, false)

/* ---- single values -------------------------------------------------------------------------------- */

static bool filter_default(machine *m, value self, const value *a, const arguments *all, value *out)
{
    bool by_truth, is = true;
    (void)all;
    if (!argument_true(m, a[1], &by_truth) || (by_truth && !truth(m, self, &is)))
        return false;
    *out = self;
    if (self.kind == V_UNDEFINED || !is)
        *out = a[0].kind == V_MISSING ? value_text(TEXT_EMPTY) : a[0];
    return true;
}

/* As x.name, but never x["name"]. */
static bool filter_attr(machine *m, value self, const value *a, const arguments *all, value *out)
{
    text name;
    (void)all;
    if (!argument_text(m, a[0], "attr: name", &name))
        return false;
    if (self.kind == V_UNDEFINED)
        return fail_undefined(m, self);
    int found = own_attribute(m, self, name, out);
    if (found == 0)
        *out = value_undefined(U_ATTRIBUTE, name);
    return found >= 0;
}

const native_row filters_select[] = {
    {"map", filter_map, "*"},
    {"select", filter_select, "*"},
    {"reject", filter_reject, "*"},
    {"selectattr", filter_selectattr, "*"},
    {"rejectattr", filter_rejectattr, "*"},
    {"default", filter_default, "default_value?,boolean?"},
    {"d", filter_default, "default_value?,boolean?"},
    {"attr", filter_attr, "name"},
    {0},
};
