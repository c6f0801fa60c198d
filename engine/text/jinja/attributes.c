/* attributes.c - x.name, x[key], x[a:b:c], and what can be gone through.
 *
 * As in jinja2's sandbox, x.name is the object's own attribute first (a dict's method) and then its
 * item; x["name"] is the other way round. What is not there is undefined, never an error.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "machine.h"
#include "natives.h"

/* ---- elements ----------------------------------------------------------------------------------- */

bool is_iterable(value v)
{
    return v.kind == V_UNDEFINED || (v.kind >= V_TEXT && v.kind <= V_ITERATOR) || v.kind == V_LOOP;
}

static bool chars_of(machine *m, text t, list *out)
{
    size_t n = text_chars(m, t);
    list *l = n == SIZE_MAX ? NULL : make_list(m, n);
    if (l == NULL || !spend_bytes(m, t.len))
        return false;
    for (size_t at = 0; at < t.len;) {
        size_t start = at;
        utf8_next(text_bytes(t), &at);
        l->v[l->n++] = value_text(text_part(t, start, at - start));
    }
    *out = *l;
    return true;
}

static bool pair_of(machine *m, value a, value b, uint32_t origin, value *out)
{
    list *pair = make_list(m, 2);
    if (pair == NULL || !spend(m, 1))
        return false;
    pair->v[pair->n++] = a;
    pair->v[pair->n++] = b;
    *out = value_tuple(pair, origin);
    return true;
}

static bool entries_of(machine *m, value v, view_of of, list *out)
{
    const dict *d = v.u.dict;
    list *l = make_list(m, d->n);
    for (size_t i = 0; l != NULL && i < d->n; i++) {
        value one = of == VIEW_KEYS ? d->v[i].key : d->v[i].value;
        if (of == VIEW_ITEMS && !pair_of(m, d->v[i].key, d->v[i].value, v.origin, &one))
            return false;
        l->v[l->n++] = one;
    }
    if (l != NULL)
        *out = *l;
    return l != NULL;
}

static bool numbers_of(machine *m, value v, list *out)
{
    const range *r = v.u.range;
    list *l = make_list(m, (size_t)r->n);
    for (int64_t i = 0; l != NULL && i < r->n; i++)
        l->v[l->n++] = value_int(r->start + i * r->step, v.origin);
    if (l != NULL)
        *out = *l;
    return l != NULL;
}

bool elements(machine *m, value v, list *out)
{
    *out = (list){0};
    switch (v.kind) {
    case V_UNDEFINED:
        return true;
    case V_TEXT:
        return chars_of(m, v.u.t, out);
    case V_LIST:
    case V_TUPLE:
        *out = *v.u.list;
        return spend(m, 1);
    case V_DICT:
        return entries_of(m, v, VIEW_KEYS, out);
    case V_VIEW:
        return entries_of(m, v, (view_of)v.flag, out);
    case V_RANGE:
        return numbers_of(m, v, out);
    case V_ITERATOR:
        *out = v.u.iterator->items;
        if (v.u.iterator->at > 0)
            out->v += v.u.iterator->at;
        out->n -= v.u.iterator->at;
        v.u.iterator->at = v.u.iterator->items.n;
        return spend(m, 1);
    default:
        return fail(m, "a %s has no elements", type_name(v));
    }
}

int length_of(machine *m, value v, int64_t *out, uint32_t *origin)
{
    size_t n;
    *origin = v.origin;
    switch (v.kind) {
    case V_UNDEFINED:
        *out = 0;
        return 1;
    case V_TEXT:
        n = text_chars(m, v.u.t);
        *out = (int64_t)n;
        *origin = text_origin(v.u.t);
        return n == SIZE_MAX ? -1 : 1;
    case V_LIST:
    case V_TUPLE:
        *out = (int64_t)v.u.list->n;
        return 1;
    case V_DICT:
    case V_VIEW:
        *out = (int64_t)v.u.dict->n;
        return 1;
    case V_RANGE:
        *out = v.u.range->n;
        return 1;
    case V_LOOP:
        if (!loop_fill(m, v.u.loop, SIZE_MAX))
            return -1;
        *out = (int64_t)v.u.loop->items.n;
        *origin = v.u.loop->origin;
        return 1;
    default:
        return 0;
    }
}

/* ---- attributes ----------------------------------------------------------------------------------- */

static bool loop_attribute(machine *m, loop *l, text name, value *out)
{
    static const char *const numbers[] = {"index",  "index0", "revindex", "revindex0",
                                          "length", "depth",  "depth0"};
    size_t which = 0;
    while (which < 7 && !text_is(name, numbers[which]))
        which++;
    bool ahead = text_is(name, "last") || text_is(name, "nextitem"), all = which >= 2 && which <= 4;
    if ((ahead || all) && !loop_fill(m, l, all ? SIZE_MAX : l->index + 2))
        return false;
    const int64_t index = (int64_t)l->index, n = (int64_t)l->items.n;
    const int64_t is[] = {index + 1, index, n - index, n - index - 1, n, l->depth0 + 1, l->depth0};
    if (which < 7)
        *out = value_int(is[which], all ? l->origin : JINJA_TEMPLATE);
    else if (text_is(name, "first"))
        *out = value_bool(index == 0);
    else if (text_is(name, "last"))
        *out = value_bool(index == n - 1);
    else if (text_is(name, "previtem"))
        *out = index > 0 ? l->items.v[index - 1] : value_undefined(U_HINT, TEXT_EMPTY);
    else if (text_is(name, "nextitem"))
        *out = index + 1 < n ? l->items.v[index + 1] : value_undefined(U_HINT, TEXT_EMPTY);
    return true;
}

static bool macro_attribute(machine *m, const macro *of, text name, value *out)
{
    const node *n = of->node;
    if (text_is(name, "name")) {
        *out = n->v.kind == V_TEXT ? n->v : value_none();
    } else if (text_is(name, "catch_kwargs") || text_is(name, "catch_varargs")) {
        *out = value_bool(n->flag & (text_is(name, "catch_kwargs") ? MACRO_KWARGS : MACRO_VARARGS));
    } else if (text_is(name, "caller")) {
        *out = value_bool(n->flag & MACRO_CALLER);
    } else if (text_is(name, "arguments")) {
        list *l = make_list(m, n->list.n);
        for (uint32_t i = 0; l != NULL && i < n->list.n; i++)
            l->v[l->n++] = n->list.v[i]->v;
        if (l == NULL)
            return false;
        *out = value_tuple(l, JINJA_TEMPLATE);
    }
    return true;
}

/* The methods that change a list or dict: the sandbox hides them. */
static bool is_unsafe(value of, text name)
{
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    static const char *const of_list[] = {"append", "clear", "pop",    "reverse",
                                          "insert", "sort",  "extend", "remove"};
    bool is_dict = of.kind == V_DICT, is_list = of.kind == V_LIST;
    for (size_t i = 0; is_dict && i < sizeof of_dict / sizeof *of_dict; i++)
        if (text_is(name, of_dict[i]))
            return true;
    for (size_t i = 0; is_list && i < sizeof of_list / sizeof *of_list; i++)
        if (text_is(name, of_list[i]))
            return true;
    return name.len >= 2 && memcmp(text_bytes(name), "__", 2) == 0;
}

int own_attribute(machine *m, value of, text name, value *out)
{
    *out = (value){.kind = V_MISSING};
    if (of.kind == V_NAMESPACE) {
        value *found = dict_find(of.u.dict, value_text(name), NULL);
        if (found != NULL)
            *out = *found;
        return found != NULL;
    }
    if (is_unsafe(of, name)) {
        *out = value_undefined(U_UNSAFE, name);
        return 1;
    }
    if (of.kind == V_LOOP && !loop_attribute(m, of.u.loop, name, out))
        return -1;
    if (of.kind == V_MACRO && !macro_attribute(m, of.u.macro, name, out))
        return -1;
    if (of.kind == V_CYCLER && text_is(name, "current"))
        *out = of.u.cycler->items.v[of.u.cycler->at];
    if (of.kind == V_TUPLE && of.u.list->group &&
        (text_is(name, "grouper") || text_is(name, "list")))
        *out = of.u.list->v[text_is(name, "list")];
    if (out->kind != V_MISSING)
        return 1;
    const native_row *row = method_find(of, name);
    if (row == NULL)
        return 0;
    method *bound = take(m, sizeof *bound);
    if (bound == NULL)
        return -1;
    *bound = (method){of, row};
    *out = (value){.kind = V_METHOD, .u.method = bound};
    return 1;
}

/* of[key] as Python does it: 1 = *out, 0 = nothing there, -1 after fail(). */
static int own_item(machine *m, value of, value key, value *out)
{
    if (of.kind == V_DICT)
        return value_hashable(key) ? lookup(m, of.u.dict, key, out) : 0;
    if (of.kind != V_TEXT && of.kind != V_LIST && of.kind != V_TUPLE && of.kind != V_RANGE)
        return 0;
    if (key.kind != V_INT && key.kind != V_BOOL)
        return 0;
    int64_t n = 0, i = key.kind == V_INT ? key.u.i : key.u.b;
    uint32_t origin;
    if (length_of(m, of, &n, &origin) < 0)
        return -1;
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return 0;
    if (of.kind == V_TEXT) {
        *out = value_text(TEXT_EMPTY);
        return text_slice(m, of.u.t, (size_t)i, (size_t)i + 1, &out->u.t) ? 1 : -1;
    }
    *out = of.kind == V_RANGE ? value_int(of.u.range->start + i * of.u.range->step,
                                          of.origin != JINJA_TEMPLATE ? of.origin : key.origin)
                              : of.u.list->v[i];
    return 1;
}

bool get_attribute(machine *m, value of, text name, value *out)
{
    if (of.kind == V_UNDEFINED)
        return fail_undefined(m, of);
    int found = own_attribute(m, of, name, out);
    if (found == 0)
        found = own_item(m, of, value_text(name), out);
    if (found == 0)
        *out = value_undefined(U_ATTRIBUTE, name);
    return found >= 0;
}

bool get_item(machine *m, value of, value key, value *out)
{
    if (of.kind == V_UNDEFINED)
        return fail_undefined(m, of);
    int found = own_item(m, of, key, out);
    if (found == 0 && key.kind == V_TEXT)
        found = own_attribute(m, of, key.u.t, out);
    if (found == 0)
        *out = key.kind == V_TEXT ? value_undefined(U_ATTRIBUTE, key.u.t)
                                  : value_undefined(U_ELEMENT, TEXT_EMPTY);
    return found >= 0;
}

static bool all_digits(text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (text_bytes(t)[i] < '0' || text_bytes(t)[i] > '9')
            return false;
    return t.len > 0 && t.len < 18;
}

bool get_path(machine *m, value of, value path, value *out)
{
    *out = of;
    if (path.kind == V_NONE || path.kind == V_MISSING)
        return true;
    if (path.kind != V_TEXT)
        return get_item(m, of, path, out);
    text left = path.u.t;
    for (bool more = true; more;) {
        const char *dot = memchr(text_bytes(left), '.', left.len);
        size_t n = dot ? (size_t)(dot - text_bytes(left)) : left.len;
        text part = text_part(left, 0, n);
        value key = value_text(part), from = *out;
        if (all_digits(part)) {
            key = value_int(0, JINJA_TEMPLATE);
            for (size_t i = 0; i < n; i++)
                key.u.i = 10 * key.u.i + (text_bytes(part)[i] - '0');
        }
        if (!spend(m, 1) || !spend_bytes(m, 4 * n) || !get_item(m, from, key, out))
            return false;
        more = dot != NULL;
        if (more)
            left = text_part(left, n + 1, left.len - n - 1);
    }
    return true;
}

bool get_path_or(machine *m, value item, value path, const value *otherwise, value *out)
{
    text left = path.kind == V_TEXT ? path.u.t : TEXT_EMPTY;
    *out = item;
    for (bool more = true; more;) { /* the default stands in at every step */
        const char *dot = memchr(text_bytes(left), '.', left.len);
        size_t n = dot ? (size_t)(dot - text_bytes(left)) : left.len;
        if (path.kind == V_TEXT)
            path.u.t = text_part(left, 0, n);
        value from = *out;
        if (!get_path(m, from, path, out))
            return false;
        if (out->kind == V_UNDEFINED && otherwise != NULL && otherwise->kind != V_NONE)
            *out = *otherwise;
        more = dot != NULL;
        left = more ? text_part(left, n + 1, left.len - n - 1) : left;
    }
    return true;
}

/* ---- slices --------------------------------------------------------------------------------------- */

/* Python's slice.indices: bounds that were left out or lie outside are moved. */
static bool slice_indices(machine *m, const value bounds[3], int64_t n, int64_t *start,
                          int64_t *stop, int64_t *step)
{
    int64_t at[3];
    for (int i = 0; i < 3; i++)
        if (bounds[i].kind == V_UNDEFINED)
            return fail_undefined(m, bounds[i]);
        else if (bounds[i].kind != V_MISSING && bounds[i].kind != V_NONE &&
                 bounds[i].kind != V_INT && bounds[i].kind != V_BOOL)
            return fail(m, "slice bounds are integers, not a %s", type_name(bounds[i]));
        else
            at[i] = bounds[i].kind == V_BOOL ? bounds[i].u.b : bounds[i].u.i;
    bool given[3];
    for (int i = 0; i < 3; i++)
        given[i] = bounds[i].kind == V_INT || bounds[i].kind == V_BOOL;
    *step = given[2] ? at[2] : 1;
    if (*step == 0)
        return fail(m, "a slice's step is not 0");
    if (*step < -(1 << 30))
        *step = -(1 << 30);
    if (*step > 1 << 30)
        *step = 1 << 30;
    const int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        at[i] += given[i] && at[i] < 0 ? n : 0;
        at[i] = at[i] < low ? low : at[i] > high ? high : at[i];
    }
    *start = given[0] ? at[0] : *step < 0 ? high : low;
    *stop = given[1] ? at[1] : *step < 0 ? low : high;
    return true;
}

static bool slice_text(machine *m, text t, int64_t start, int64_t stop, int64_t step, text *out)
{
    *out = TEXT_EMPTY;
    if (step == 1)
        return start >= stop || text_slice(m, t, (size_t)start, (size_t)stop, out);
    list chars;
    if (!chars_of(m, t, &chars))
        return false;
    for (int64_t i = start; step < 0 ? i > stop : i < stop; i += step)
        if (!spend(m, 1) || !add_text(m, out, chars.v[i].u.t))
            return false;
    return true;
}

static bool slice_range(machine *m, value of, int64_t start, int64_t step, int64_t n, value *out)
{
    const range *r = of.u.range;
    range *part = take(m, sizeof *part);
    int64_t from, to, by;
    if (part == NULL)
        return false;
    if (__builtin_mul_overflow(start, r->step, &from) ||
        __builtin_add_overflow(from, r->start, &from) ||
        __builtin_mul_overflow(step, r->step, &by) || __builtin_mul_overflow(n, by, &to) ||
        __builtin_add_overflow(from, to, &to))
        return fail(m, "integers beyond 64 bits are not supported");
    *part = (range){from, to, by, n};
    *out = of;
    out->u.range = part;
    return true;
}

bool get_slice(machine *m, value of, const value bounds[3], value *out)
{
    int64_t n, start = 0, stop = 0, step = 1;
    uint32_t origin;
    if (of.kind == V_UNDEFINED)
        return fail_undefined(m, of);
    if (of.kind != V_TEXT && of.kind != V_LIST && of.kind != V_TUPLE && of.kind != V_RANGE)
        return fail(m, "a %s cannot be sliced", type_name(of));
    if (length_of(m, of, &n, &origin) < 0 || !slice_indices(m, bounds, n, &start, &stop, &step))
        return false;
    if (of.kind == V_TEXT) {
        *out = of;
        return slice_text(m, of.u.t, start, stop, step, &out->u.t);
    }
    int64_t count = step < 0 ? (start - stop - step - 1) / -step : (stop - start + step - 1) / step;
    count = (step < 0 ? start > stop : start < stop) ? count : 0;
    if (of.kind == V_RANGE)
        return slice_range(m, of, start, step, count, out);
    list *l = make_list(m, (size_t)count);
    for (int64_t i = 0; l != NULL && i < count; i++)
        l->v[l->n++] = of.u.list->v[start + i * step];
    *out = of;
    out->u.list = l;
    return l != NULL;
}
