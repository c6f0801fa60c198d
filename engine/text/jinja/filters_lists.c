/* filters_lists.c - filters that count, take, order and group elements.
 *
 * Each takes anything that can be gone through: elements() makes a list of it first. Sorting
 * works on two arrays, the items and their keys (an attribute, in lower case unless case
 * counts), and merges, so it is stable and takes n log n comparisons whatever order() costs.
 * What jinja2 gives as a generator is an iterator here: its elements can be gone through once.
 * A row without a function is a filter that jinja2 has and this interpreter refuses by name.
 */
#include <string.h>

#include "natives.h"

/* ---- order -------------------------------------------------------------------------------------- */

/* A key to sort by: what is at the path, texts in lower case unless the case counts. */
static bool sort_key(machine *m, value item, value path, bool case_counts, value *out)
{
    if (!get_path(m, item, path, out))
        return false;
    return case_counts || out->kind != V_TEXT || change_case(m, out->u.t, CASE_LOWER, &out->u.t);
}

/* The keys of "a,b": a list of one key per path. */
static bool sort_keys(machine *m, value item, value path, bool case_counts, value *out)
{
    list *l = make_list(m, 1);
    text left = path.kind == V_TEXT ? path.u.t : TEXT_EMPTY;
    value key;
    for (bool more = l != NULL; more;) {
        const char *comma = memchr(text_bytes(left), ',', left.len);
        size_t n = comma ? (size_t)(comma - text_bytes(left)) : left.len;
        if (path.kind == V_TEXT)
            path.u.t = text_part(left, 0, n);
        if (!sort_key(m, item, path, case_counts, &key) || !push(m, l, key))
            return false;
        more = comma != NULL;
        left = more ? text_part(left, n + 1, left.len - n - 1) : left;
    }
    *out = value_list(l, JINJA_TEMPLATE);
    return l != NULL;
}

typedef struct sorter {
    const value *keys;
    bool reverse;
} sorter;

/* Merges from[low..middle) and from[middle..high) of places; equal keys stay as they were. */
static bool merge(machine *m, const sorter *s, const uint32_t *from, uint32_t *to, size_t low,
                  size_t middle, size_t high)
{
    size_t a = low, b = middle;
    for (size_t at = low; at < high; at++) {
        bool second = a == middle;
        if (a < middle && b < high) {
            int c;
            const value *x = &s->keys[from[s->reverse ? a : b]];
            const value *y = &s->keys[from[s->reverse ? b : a]];
            if (!spend(m, 1) || !order(m, *x, *y, &c))
                return false;
            second = c < 0;
        }
        to[at] = second ? from[b++] : from[a++];
    }
    return true;
}

/* Sorts items by their keys, stable. */
static bool sort_by(machine *m, list *items, const value *keys, bool reverse)
{
    const sorter s = {keys, reverse};
    const size_t n = items->n;
    uint32_t *from = take(m, (n + 1) * sizeof *from), *to = take(m, (n + 1) * sizeof *to);
    value *sorted = take(m, (n + 1) * sizeof *sorted);
    if (from == NULL || to == NULL || sorted == NULL || !spend(m, n / 4))
        return false;
    for (size_t i = 0; i < n; i++)
        from[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = low + width < n ? low + width : n;
            size_t high = low + 2 * width < n ? low + 2 * width : n;
            if (!merge(m, &s, from, to, low, middle, high))
                return false;
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = items->v[from[i]];
    items->v = sorted;
    items->cap = n + 1;
    return true;
}

static bool filter_sort(machine *m, value self, const value *a, const arguments *all, value *out)
{
    bool reverse, case_counts;
    list *l = make_list(m, 0);
    (void)all;
    if (l == NULL || !argument_true(m, a[0], &reverse) || !argument_true(m, a[1], &case_counts) ||
        !elements(m, self, l))
        return false;
    value *keys = take(m, (l->n + 1) * sizeof *keys);
    for (size_t i = 0; keys != NULL && i < l->n; i++)
        if (!spend(m, 1) || !sort_keys(m, l->v[i], a[2], case_counts, &keys[i]))
            return false;
    *out = value_list(l, value_origin(self));
    return keys != NULL && sort_by(m, l, keys, reverse);
}

static bool filter_dictsort(machine *m, value self, const value *a, const arguments *all,
                            value *out)
{
    bool case_counts, reverse, by_value = a[1].kind == V_TEXT && text_is(a[1].u.t, "value");
    list *l = make_list(m, 0);
    (void)all;
    if (a[1].kind != V_MISSING && !by_value && (a[1].kind != V_TEXT || !text_is(a[1].u.t, "key")))
        return fail(m, "dictsort: by is 'key' or 'value'");
    if (self.kind != V_DICT)
        return self.kind == V_UNDEFINED ? fail_undefined(m, self)
                                        : fail(m, "dictsort: a %s has no items", type_name(self));
    self.kind = V_VIEW;
    self.flag = VIEW_ITEMS;
    if (l == NULL || !argument_true(m, a[0], &case_counts) || !argument_true(m, a[2], &reverse) ||
        !elements(m, self, l))
        return false;
    value *keys = take(m, (l->n + 1) * sizeof *keys), none = {.kind = V_MISSING};
    for (size_t i = 0; keys != NULL && i < l->n; i++)
        if (!sort_key(m, l->v[i].u.list->v[by_value], none, case_counts, &keys[i]))
            return false;
    *out = value_list(l, value_origin(self));
    return keys != NULL && sort_by(m, l, keys, reverse);
}

static bool filter_unique(machine *m, value self, const value *a, const arguments *all, value *out)
{
    bool case_counts;
    list items, *l = make_list(m, 0);
    dict *seen = dict_new(&m->mem);
    value key, unused;
    (void)all;
    if (l == NULL || seen == NULL || !argument_true(m, a[0], &case_counts) ||
        !elements(m, self, &items))
        return l == NULL || seen != NULL ? false : fail_memory(m);
    for (size_t i = 0; i < items.n; i++) {
        if (!spend(m, 1) || !sort_key(m, items.v[i], a[1], case_counts, &key))
            return false;
        if (!value_hashable(key))
            return fail(m, "unique: a %s cannot be compared", type_name(key));
        int found = lookup(m, seen, key, &unused);
        if (found < 0 ||
            (found == 0 && (!put(m, seen, key, value_none()) || !push(m, l, items.v[i]))))
            return false;
    }
    return make_iterator(m, l, value_origin(self), out);
}

/* The least (greatest) item; the first of equal ones. */
static bool extreme(machine *m, value self, const value *a, int sign, value *out)
{
    bool case_counts;
    list items;
    value best, key;
    if (!argument_true(m, a[0], &case_counts) || !elements(m, self, &items))
        return false;
    *out = value_undefined(U_HINT, TEXT_EMPTY);
    for (size_t i = 0; i < items.n; i++) {
        int c = -1;
        if (!spend(m, 1) || !sort_key(m, items.v[i], a[1], case_counts, &key) ||
            (i > 0 && !order(m, sign > 0 ? best : key, sign > 0 ? key : best, &c)))
            return false;
        if (c < 0) {
            best = key;
            *out = items.v[i];
        }
    }
    return true;
}

static bool filter_min(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)all;
    return extreme(m, self, a, -1, out);
}

static bool filter_max(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)all;
    return extreme(m, self, a, 1, out);
}

/* ---- ends --------------------------------------------------------------------------------------- */

static bool filter_length(machine *m, value self, const value *a, const arguments *all, value *out)
{
    int64_t n;
    uint32_t origin;
    (void)a, (void)all;
    int known = length_of(m, self, &n, &origin);
    if (known == 0)
        return fail(m, "a %s has no length", type_name(self));
    *out = value_int(n, origin);
    return known > 0;
}

static bool filter_first(machine *m, value self, const value *a, const arguments *all, value *out)
{
    list items;
    (void)a, (void)all;
    size_t at = self.kind == V_ITERATOR ? self.u.iterator->at : 0;
    if (!elements(m, self, &items))
        return false;
    if (self.kind == V_ITERATOR && items.n > 0)
        self.u.iterator->at = at + 1; /* only one was taken */
    *out = items.n > 0 ? items.v[0] : value_undefined(U_HINT, TEXT_EMPTY);
    return true;
}

static bool filter_last(machine *m, value self, const value *a, const arguments *all, value *out)
{
    list items;
    (void)a, (void)all;
    if (self.kind == V_ITERATOR)
        return fail(m, "a generator has no last element");
    if (!elements(m, self, &items))
        return false;
    *out = items.n > 0 ? items.v[items.n - 1] : value_undefined(U_HINT, TEXT_EMPTY);
    return true;
}

static bool filter_list(machine *m, value self, const value *a, const arguments *all, value *out)
{
    list items;
    (void)a, (void)all;
    if (!elements(m, self, &items))
        return false;
    list *l = make_list(m, items.n);
    if (l == NULL)
        return false;
    if (items.n > 0)
        memcpy(l->v, items.v, items.n * sizeof *l->v);
    l->n = items.n;
    *out = value_list(l, value_origin(self));
    return true;
}

static bool filter_items(machine *m, value self, const value *a, const arguments *all, value *out)
{
    list items = {0};
    (void)a, (void)all;
    if (self.kind != V_UNDEFINED && self.kind != V_DICT)
        return fail(m, "items: a %s is no mapping", type_name(self));
    self.flag = VIEW_ITEMS;
    if (self.kind == V_DICT) {
        self.kind = V_VIEW;
        if (!elements(m, self, &items))
            return false;
    }
    return make_iterator(m, &items, value_origin(self), out);
}

static bool filter_reverse(machine *m, value self, const value *a, const arguments *all, value *out)
{
    list items;
    (void)a, (void)all;
    if (self.kind == V_TEXT) {
        const value back[3] = {{.kind = V_MISSING}, {.kind = V_MISSING}, value_int(-1, 0)};
        return get_slice(m, self, back, out);
    }
    if (!elements(m, self, &items))
        return false;
    list *l = make_list(m, items.n);
    for (size_t i = items.n; l != NULL && i-- > 0;)
        l->v[l->n++] = items.v[i];
    if (l == NULL)
        return false;
    if (self.kind != V_ITERATOR)
        return make_iterator(m, l, value_origin(self), out);
    *out = value_list(l, value_origin(self));
    return true;
}

/* ---- groups ------------------------------------------------------------------------------------- */

static bool filter_batch(machine *m, value self, const value *a, const arguments *all, value *out)
{
    int64_t size;
    list items, *batches = make_list(m, 0), *one = NULL;
    (void)all;
    if (batches == NULL || !argument_int(m, a[0], "batch: linecount", &size) ||
        !elements(m, self, &items))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        if (one == NULL || (int64_t)one->n == size)
            if (!(one = make_list(m, 0)) || !push(m, batches, value_list(one, value_origin(self))))
                return false;
        if (!spend(m, 1) || !push(m, one, items.v[i]))
            return false;
    }
    while (one != NULL && a[1].kind != V_MISSING && a[1].kind != V_NONE && (int64_t)one->n < size)
        if (!spend(m, 1) || !push(m, one, a[1]))
            return false;
    return make_iterator(m, batches, value_origin(self), out);
}

static bool filter_slice(machine *m, value self, const value *a, const arguments *all, value *out)
{
    int64_t n;
    list items, *slices = make_list(m, 0);
    (void)all;
    if (slices == NULL || !argument_int(m, a[0], "slice: slices", &n) || !elements(m, self, &items))
        return false;
    if (n == 0)
        return fail(m, "division by zero");
    const size_t count = n > 0 ? (size_t)n : 0, each = count ? items.n / count : 0,
                 extra = count ? items.n % count : 0;
    for (size_t i = 0, at = 0; i < count; i++) {
        list *one = make_list(m, 0);
        size_t size = each + (i < extra);
        if (one == NULL || !spend(m, 1) || !push(m, slices, value_list(one, value_origin(self))))
            return false;
        for (size_t k = 0; k < size; k++)
            if (!push(m, one, items.v[at++]))
                return false;
        if (a[1].kind != V_MISSING && a[1].kind != V_NONE && i >= extra && !push(m, one, a[1]))
            return false;
    }
    return make_iterator(m, slices, value_origin(self), out);
}

static bool group_key(machine *m, value item, const value *a, bool case_counts, value *out)
{
    if (!get_path_or(m, item, a[0], a[1].kind == V_MISSING ? NULL : &a[1], out))
        return false;
    return case_counts || out->kind != V_TEXT || change_case(m, out->u.t, CASE_LOWER, &out->u.t);
}

static bool start_group(machine *m, list *groups, value item, const value *a, list **members)
{
    list *pair = make_list(m, 2);
    *members = make_list(m, 0);
    if (pair == NULL || *members == NULL || !group_key(m, item, a, true, &pair->v[0]))
        return false;
    pair->v[1] = value_list(*members, JINJA_TEMPLATE);
    pair->n = 2;
    pair->group = true;
    return push(m, groups, value_tuple(pair, JINJA_TEMPLATE));
}

static bool filter_groupby(machine *m, value self, const value *a, const arguments *all, value *out)
{
    bool case_counts, same = false;
    list items, *groups = make_list(m, 0), *members = NULL;
    (void)all;
    if (groups == NULL || !argument_true(m, a[2], &case_counts) || !elements(m, self, &items))
        return false;
    value *keys = take(m, (items.n + 1) * sizeof *keys), last = {.kind = V_MISSING};
    for (size_t i = 0; keys != NULL && i < items.n; i++)
        if (!spend(m, 1) || !group_key(m, items.v[i], a, case_counts, &keys[i]))
            return false;
    if (keys == NULL || !sort_by(m, &items, keys, false))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        value key;
        if (!group_key(m, items.v[i], a, case_counts, &key) || !equal(m, key, last, &same))
            return false;
        if ((!same && !start_group(m, groups, items.v[i], a, &members)) ||
            !push(m, members, items.v[i]))
            return false;
        last = key;
    }
    *out = value_list(groups, value_origin(self));
    return true;
}

static bool filter_sum(machine *m, value self, const value *a, const arguments *all, value *out)
{
    list items;
    (void)all;
    *out = a[1].kind == V_MISSING ? value_int(0, JINJA_TEMPLATE) : a[1];
    if (out->kind == V_TEXT)
        return fail(m, "sum cannot add strings");
    if (!elements(m, self, &items))
        return false;
    for (size_t i = 0; i < items.n; i++) {
        value one, so_far = *out;
        if (!spend(m, 1) || !get_path(m, items.v[i], a[0], &one) ||
            !binary(m, OP_ADD, so_far, one, out))
            return false;
    }
    return true;
}

const native_row filters_lists[] = {
    {"sort", filter_sort, "reverse?,case_sensitive?,attribute?"},
    {"dictsort", filter_dictsort, "case_sensitive?,by?,reverse?"},
    {"unique", filter_unique, "case_sensitive?,attribute?"},
    {"min", filter_min, "case_sensitive?,attribute?"},
    {"max", filter_max, "case_sensitive?,attribute?"},
    {"length", filter_length, ""},
    {"count", filter_length, ""},
    {"first", filter_first, ""},
    {"last", filter_last, ""},
    {"list", filter_list, ""},
    {"items", filter_items, ""},
    {"reverse", filter_reverse, ""},
    {"batch", filter_batch, "linecount,fill_with?"},
    {"slice", filter_slice, "slices,fill_with?"},
    {"groupby", filter_groupby, "attribute,default?,case_sensitive?"},
    {"sum", filter_sum, "attribute?,start?"},
    {"random", NULL, ""},
    {0},
};
