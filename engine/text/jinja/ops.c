/* ops.c - truth, equality, order and arithmetic, as Python's operators define them.
 *
 * Each operator looks at the kinds of both sides: numbers first (True counts as 1, and an int
 * that meets a float becomes one), then texts, lists and tuples; what Python has no answer for
 * fails with the names that Python gives the types. Containers are compared element by element,
 * one level deeper each, so that a list in a list in a list is bounded like any template.
 *
 * Integers are 64 bits where Python's have no end: an overflow is an error, never a wrapped
 * number. Division and modulo round down, as Python's do and C's do not. A result belongs to
 * the first origin of its operands that is not the template's (either).
 */
#include <math.h>
#include <string.h>

#include "machine.h"
#include "natives.h"

const char *type_name(value v)
{
    static const char *const names[] = {
        [V_MISSING] = "missing value",
        [V_UNDEFINED] = "Undefined",
        [V_NONE] = "NoneType",
        [V_BOOL] = "bool",
        [V_INT] = "int",
        [V_FLOAT] = "float",
        [V_TEXT] = "str",
        [V_LIST] = "list",
        [V_TUPLE] = "tuple",
        [V_DICT] = "dict",
        [V_VIEW] = "dict view",
        [V_RANGE] = "range",
        [V_ITERATOR] = "generator",
        [V_NAMESPACE] = "Namespace",
        [V_LOOP] = "LoopContext",
        [V_MACRO] = "Macro",
        [V_FUNCTION] = "function",
        [V_METHOD] = "method",
        [V_CYCLER] = "Cycler",
        [V_JOINER] = "Joiner",
    };
    return names[v.kind];
}

bool fail_undefined(machine *m, value v)
{
    int n = v.u.t.len > 80 ? 80 : (int)v.u.t.len;
    const char *name = text_bytes(v.u.t);
    switch ((undefined_why)v.flag) {
    case U_NAME:
        return fail(m, "'%.*s' is undefined", n, name);
    case U_ATTRIBUTE:
        return fail(m, "there is no attribute '%.*s'", n, name);
    case U_ELEMENT:
        return fail(m, "there is no such element");
    case U_UNSAFE:
        return fail(m, "access to the attribute '%.*s' is unsafe", n, name);
    case U_PARAMETER:
        return fail(m, "parameter '%.*s' was not provided", n, name);
    default:
        return fail(m, "an undefined value is used%s%.*s", n > 0 ? ": " : "", n, name);
    }
}

bool truth(machine *m, value v, bool *out)
{
    int64_t n = 1;
    uint32_t origin;
    switch (v.kind) {
    case V_MISSING:
    case V_UNDEFINED:
    case V_NONE:
        *out = false;
        return true;
    case V_BOOL:
        *out = v.u.b;
        return true;
    case V_INT:
        *out = v.u.i != 0;
        return true;
    case V_FLOAT:
        *out = v.u.f != 0;
        return true;
    default:
        if (v.kind == V_TEXT)
            n = v.u.t.len;
        else if (v.kind != V_ITERATOR && v.kind != V_NAMESPACE && length_of(m, v, &n, &origin) < 0)
            return false;
        *out = n != 0;
        return true;
    }
}

/* ---- equality and order --------------------------------------------------------------------------- */

static bool equal_lists(machine *m, const list *a, const list *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++)
        if (!equal(m, a->v[i], b->v[i], out))
            return false;
    return true;
}

static bool equal_dicts(machine *m, const dict *a, const dict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        value other;
        int found = lookup(m, b, a->v[i].key, &other);
        *out = found > 0;
        if (found < 0 || (found > 0 && !equal(m, a->v[i].value, other, out)))
            return false;
    }
    return true;
}

static bool equal_objects(machine *m, value a, value b, bool *out)
{
    const range *x = a.u.range, *y = b.u.range;
    switch (a.kind) {
    case V_RANGE:
        *out = x->n == y->n &&
               (x->n == 0 || (x->start == y->start && (x->n == 1 || x->step == y->step)));
        return true;
    case V_VIEW:
        return fail(m, "comparing views of dicts is not supported");
    case V_METHOD:
    case V_FUNCTION:
        return fail(m, "comparing functions is not supported");
    default:
        *out = a.u.list == b.u.list; /* the same object */
        return true;
    }
}

bool equal(machine *m, value a, value b, bool *out)
{
    if (value_is_number(a) && value_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return true;
    }
    *out = false;
    if (a.kind != b.kind)
        return spend(m, 1);
    if (a.kind == V_TEXT) {
        *out = text_equal(a.u.t, b.u.t);
        return spend_bytes(m, *out ? a.u.t.len : 0);
    }
    if (a.kind == V_NONE || a.kind == V_UNDEFINED || a.kind == V_MISSING) {
        *out = true;
        return true;
    }
    if (!enter(m))
        return false;
    bool ok = a.kind == V_LIST || a.kind == V_TUPLE ? equal_lists(m, a.u.list, b.u.list, out)
              : a.kind == V_DICT                    ? equal_dicts(m, a.u.dict, b.u.dict, out)
                                                    : equal_objects(m, a, b, out);
    leave(m);
    return ok;
}

static bool order_lists(machine *m, const list *a, const list *b, int *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        if (!equal(m, a->v[i], b->v[i], &same))
            return false;
        if (!same)
            return order(m, a->v[i], b->v[i], out);
    }
    *out = a->n < b->n ? -1 : a->n > b->n;
    return true;
}

bool order(machine *m, value a, value b, int *out)
{
    if (a.kind == V_UNDEFINED || b.kind == V_UNDEFINED)
        return fail_undefined(m, a.kind == V_UNDEFINED ? a : b);
    if (value_is_number(a) && value_is_number(b)) {
        *out = compare_numbers(a, b);
        return true;
    }
    if (a.kind == V_TEXT && b.kind == V_TEXT) { /* the order of UTF-8 is that of code points */
        size_t n = a.u.t.len < b.u.t.len ? a.u.t.len : b.u.t.len;
        int c = memcmp(text_bytes(a.u.t), text_bytes(b.u.t), n);
        *out = c < 0 ? -1 : c > 0 ? 1 : a.u.t.len < b.u.t.len ? -1 : a.u.t.len > b.u.t.len;
        return spend_bytes(m, n);
    }
    if (a.kind != b.kind || (a.kind != V_LIST && a.kind != V_TUPLE))
        return fail(m, "a %s and a %s have no order", type_name(a), type_name(b));
    if (!enter(m) || !order_lists(m, a.u.list, b.u.list, out))
        return false;
    leave(m);
    return true;
}

static bool contains_element(machine *m, value container, value v, bool *out)
{
    list all;
    if (!elements(m, container, &all))
        return false;
    *out = false;
    for (size_t i = 0; !*out && i < all.n; i++) {
        if (!spend(m, 1) || !equal(m, all.v[i], v, out))
            return false;
        if (container.kind == V_ITERATOR) /* what was looked at is gone */
            container.u.iterator->at = container.u.iterator->items.n - all.n + i + 1;
    }
    return true;
}

bool contains(machine *m, value container, value v, bool *out)
{
    value unused;
    int found;
    switch (container.kind) {
    case V_TEXT:
        if (v.kind != V_TEXT)
            return fail(m, "'in <string>' requires a string, not a %s", type_name(v));
        *out = text_find(container.u.t, v.u.t, 0) != SIZE_MAX;
        return spend_bytes(m, container.u.t.len);
    case V_DICT:
        found = lookup(m, container.u.dict, v, &unused);
        *out = found > 0;
        return found >= 0;
    default:
        if (!is_iterable(container) || container.kind == V_LOOP)
            return fail(m, "a %s has no elements to look for", type_name(container));
        return contains_element(m, container, v, out);
    }
}

bool compare(machine *m, operator op, value a, value b, bool *out)
{
    int c = 0;
    if (op == OP_EQ || op == OP_NE) {
        if (!equal(m, a, b, out))
            return false;
        *out = *out == (op == OP_EQ);
        return true;
    }
    if (op == OP_IN || op == OP_NOT_IN) {
        if (!contains(m, b, a, out))
            return false;
        *out = *out == (op == OP_IN);
        return true;
    }
    if (!order(m, a, b, &c))
        return false;
    *out = c != 2 && (op == OP_LT ? c < 0 : op == OP_LE ? c <= 0 : op == OP_GT ? c > 0 : c >= 0);
    return true;
}

/* ---- arithmetic ----------------------------------------------------------------------------------- */

static uint32_t either(value a, value b)
{
    return a.origin != JINJA_TEMPLATE ? a.origin : b.origin;
}

static bool int_pow(machine *m, int64_t base, int64_t exponent, int64_t *out)
{
    int64_t result = 1;
    bool fits = true;
    while (exponent > 0 && fits) {
        if (exponent & 1)
            fits = !__builtin_mul_overflow(result, base, &result);
        exponent >>= 1;
        if (exponent > 0)
            fits = fits && !__builtin_mul_overflow(base, base, &base);
    }
    *out = result;
    return fits || fail(m, "integers beyond 64 bits are not supported");
}

static bool ints(machine *m, operator op, int64_t a, int64_t b, uint32_t origin, value *out)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case OP_ADD:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case OP_SUB:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case OP_MUL:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case OP_POW:
        if (b < 0) {
            if (a == 0)
                return fail(m, "0 cannot be raised to a negative power");
            *out = value_float(pow((double)a, (double)b), origin);
            return true;
        }
        if (!int_pow(m, a, b, &r))
            return false;
        break;
    default: /* division rounds towards minus infinity */
        if (b == 0)
            return fail(m, "division by zero");
        if (op == OP_DIV) {
            *out = value_float((double)((long double)a / (long double)b), origin);
            return true;
        }
        over = a == INT64_MIN && b == -1;
        if (!over && op == OP_FLOORDIV)
            r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        else if (!over)
            r = a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
    }
    if (over)
        return fail(m, "integers beyond 64 bits are not supported");
    *out = value_int(r, origin);
    return true;
}

static double floor_mod(double a, double b)
{
    double r = fmod(a, b);
    if (r == 0)
        return copysign(0, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

static double floor_div(double a, double b)
{
    double r = fmod(a, b), d = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0))
        d -= 1;
    if (d == 0)
        return copysign(0, a / b);
    double whole = floor(d);
    return d - whole > 0.5 ? whole + 1 : whole;
}

static bool floats(machine *m, operator op, double a, double b, uint32_t origin, value *out)
{
    double r = 0;
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return fail(m, "division by zero");
    switch (op) {
    case OP_ADD:
        r = a + b;
        break;
    case OP_SUB:
        r = a - b;
        break;
    case OP_MUL:
        r = a * b;
        break;
    case OP_DIV:
        r = a / b;
        break;
    case OP_FLOORDIV:
        r = floor_div(a, b);
        break;
    case OP_MOD:
        r = floor_mod(a, b);
        break;
    default:
        r = pow(a, b);
        if ((a == 0 && b < 0) || (isnan(r) && !isnan(a) && !isnan(b)) || (isinf(r) && !isinf(a)))
            return fail(m, "this power has no real value");
    }
    *out = value_float(r, origin);
    return true;
}

static bool concat_lists(machine *m, value a, value b, value *out)
{
    list *l = make_list(m, a.u.list->n + b.u.list->n);
    if (l == NULL || !spend(m, a.u.list->n / 4 + b.u.list->n / 4))
        return false;
    for (int side = 0; side < 2; side++) {
        const list *from = side ? b.u.list : a.u.list;
        if (from->n > 0)
            memcpy(l->v + l->n, from->v, from->n * sizeof *l->v);
        l->n += from->n;
    }
    *out = a.kind == V_LIST ? value_list(l, either(a, b)) : value_tuple(l, either(a, b));
    return true;
}

/* A text, list or tuple, several times. */
static bool repeat(machine *m, value a, int64_t times, value *out)
{
    times = times < 0 ? 0 : times;
    if (a.kind == V_TEXT) {
        text t = TEXT_EMPTY;
        *out = a;
        if (!add_repeated(m, &t, a.u.t, (size_t)times))
            return false;
        out->u.t = t;
        return true;
    }
    const list *from = a.u.list;
    if (from->n > 0 && times > (int64_t)(UINT32_MAX / from->n))
        return fail(m, "a list is too long");
    list *l = make_list(m, from->n * (size_t)times);
    for (int64_t i = 0; l != NULL && i < times && from->n > 0; i++) {
        memcpy(l->v + l->n, from->v, from->n * sizeof *l->v);
        l->n += from->n;
    }
    *out = a.kind == V_LIST ? value_list(l, a.origin) : value_tuple(l, a.origin);
    return l != NULL;
}

static bool is_sequence(value v)
{
    return v.kind == V_TEXT || v.kind == V_LIST || v.kind == V_TUPLE;
}

static bool is_whole(value v)
{
    return v.kind == V_INT || v.kind == V_BOOL;
}

static int64_t whole(value v)
{
    return v.kind == V_INT ? v.u.i : v.u.b;
}

bool binary(machine *m, operator op, value a, value b, value *out)
{
    if (a.kind == V_UNDEFINED || b.kind == V_UNDEFINED) {
        if (op != OP_MOD || a.kind != V_TEXT)
            return fail_undefined(m, a.kind == V_UNDEFINED ? a : b);
    }
    if (is_whole(a) && is_whole(b))
        return ints(m, op, whole(a), whole(b), either(a, b), out);
    if (value_is_number(a) && value_is_number(b))
        return floats(m, op, value_double(a), value_double(b), either(a, b), out);
    if (op == OP_ADD && a.kind == V_TEXT && b.kind == V_TEXT)
        return concat_texts(m, a, b, out);
    if (op == OP_ADD && a.kind == b.kind && is_sequence(a))
        return concat_lists(m, a, b, out);
    if (op == OP_MUL && is_sequence(a) && is_whole(b))
        return repeat(m, a, whole(b), out);
    if (op == OP_MUL && is_sequence(b) && is_whole(a))
        return repeat(m, b, whole(a), out);
    if (op == OP_MOD && a.kind == V_TEXT)
        return format_percent(m, a, b, out);
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    return fail(m, "'%s' is not defined for a %s and a %s", signs[op], type_name(a), type_name(b));
}

bool unary(machine *m, operator op, value a, value *out)
{
    if (a.kind == V_UNDEFINED)
        return fail_undefined(m, a);
    if (!value_is_number(a))
        return fail(m, "a %s has no sign", type_name(a));
    if (a.kind == V_FLOAT) {
        *out = value_float(op == OP_SUB ? -a.u.f : a.u.f, a.origin);
        return true;
    }
    return ints(m, op, 0, whole(a), a.origin, out);
}
