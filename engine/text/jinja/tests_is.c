/* tests_is.c - what may stand behind "is": defined, none, divisibleby(3), in [...], ...
 *
 * One function a test, each with the truth that jinja2's test of that name gives, and the table
 * that finds them. Comparisons ("is eq", "is lessthan") are those of ops.c. The tests "filter"
 * and "test" ask these tables themselves.
 */
#include <string.h>

#include "../../base/utf8.h"
#include "natives.h"
#include "unicode.h"

#define TEST(name, truth_of)                                                                       \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        (void)m, (void)a, (void)all;                                                               \
        *out = value_bool(truth_of);                                                               \
        return true;                                                                               \
    }
TEST(test_defined, self.kind != V_UNDEFINED)
TEST(test_undefined, self.kind == V_UNDEFINED)
TEST(test_none, self.kind == V_NONE)
TEST(test_boolean, self.kind == V_BOOL)
TEST(test_true, self.kind == V_BOOL && self.u.b)
TEST(test_false, self.kind == V_BOOL && !self.u.b)
TEST(test_integer, self.kind == V_INT)
TEST(test_float, self.kind == V_FLOAT)
TEST(test_number, value_is_number(self))
TEST(test_string, self.kind == V_TEXT)
TEST(test_mapping, self.kind == V_DICT)
TEST(test_iterable, is_iterable(self))
TEST(test_escaped, self.kind == V_TEXT && self.flag)
TEST(test_callable, self.kind == V_UNDEFINED || self.kind == V_MACRO || self.kind == V_FUNCTION ||
                        self.kind == V_METHOD || self.kind == V_JOINER || self.kind == V_LOOP)
TEST(test_sequence, self.kind == V_UNDEFINED || self.kind == V_TEXT || self.kind == V_LIST ||
                        self.kind == V_TUPLE || self.kind == V_DICT || self.kind == V_RANGE)

/* The value's remainder by n is `wanted`. */
static bool remainder_is(machine *m, value self, value n, int64_t wanted, value *out)
{
    value rest;
    bool is;
    if (!binary(m, OP_MOD, self, n, &rest) ||
        !equal(m, rest, value_int(wanted, JINJA_TEMPLATE), &is))
        return false;
    *out = value_bool(is);
    return true;
}

static bool test_odd(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    return remainder_is(m, self, value_int(2, JINJA_TEMPLATE), 1, out);
}

static bool test_even(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    return remainder_is(m, self, value_int(2, JINJA_TEMPLATE), 0, out);
}

static bool test_divisibleby(machine *m, value self, const value *a, const arguments *all,
                             value *out)
{
    (void)all;
    return remainder_is(m, self, a[0], 0, out);
}

/* All cased letters are of this case, and there is one. */
static bool all_case(machine *m, value self, bool upper, value *out)
{
    text t;
    bool any = false, all = true;
    if (!str_of(m, self, &t) || !spend_bytes(m, 4 * (size_t)t.len))
        return false;
    for (size_t at = 0; at < t.len && all;) {
        uint32_t c = utf8_next(text_bytes(t), &at);
        bool right = upper ? is_upper(c) : is_lower(c);
        any |= right;
        all = right || !is_cased(c);
    }
    *out = value_bool(any && all);
    return true;
}

static bool test_lower(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    return all_case(m, self, false, out);
}

static bool test_upper(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    return all_case(m, self, true, out);
}

static bool test_filter(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    if (self.kind == V_LIST || self.kind == V_DICT)
        return fail(m, "a %s is no name", type_name(self));
    *out = value_bool(self.kind == V_TEXT && filter_find(self.u.t) != NULL);
    return true;
}

static bool test_test(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)a, (void)all;
    if (self.kind == V_LIST || self.kind == V_DICT)
        return fail(m, "a %s is no name", type_name(self));
    *out = value_bool(self.kind == V_TEXT && test_find(self.u.t) != NULL);
    return true;
}

/* Whether two values are one object. Of texts and larger numbers Python itself does not say. */
static bool test_sameas(machine *m, value self, const value *a, const arguments *all, value *out)
{
    (void)all;
    value other = a[0];
    bool same = self.kind == other.kind;
    if (same && (self.kind == V_TEXT || self.kind == V_FLOAT || self.kind == V_UNDEFINED ||
                 (self.kind == V_INT && (self.u.i < -5 || self.u.i > 256))))
        return fail(m, "sameas is not supported for a %s", type_name(self));
    if (same && self.kind == V_INT)
        same = self.u.i == other.u.i;
    else if (same && self.kind == V_BOOL)
        same = self.u.b == other.u.b;
    else if (same && self.kind != V_NONE)
        same = self.u.list == other.u.list;
    *out = value_bool(same);
    return true;
}

static bool test_in(machine *m, value self, const value *a, const arguments *all, value *out)
{
    bool is;
    (void)all;
    if (!contains(m, a[0], self, &is))
        return false;
    *out = value_bool(is);
    return true;
}

#define COMPARE(name, op)                                                                          \
    static bool name(machine *m, value self, const value *a, const arguments *all, value *out)     \
    {                                                                                              \
        bool is;                                                                                   \
        (void)all;                                                                                 \
        if (!compare(m, op, self, a[0], &is))                                                      \
            return false;                                                                          \
        *out = value_bool(is);                                                                     \
        return true;                                                                               \
    }
COMPARE(test_eq, OP_EQ)
COMPARE(test_ne, OP_NE)
COMPARE(test_lt, OP_LT)
COMPARE(test_le, OP_LE)
COMPARE(test_gt, OP_GT)
COMPARE(test_ge, OP_GE)

const native_row *test_find(text name)
{
    static const native_row rows[] = {
        {"odd", test_odd, ""},
        {"even", test_even, ""},
        {"divisibleby", test_divisibleby, "num"},
        {"defined", test_defined, ""},
        {"undefined", test_undefined, ""},
        {"filter", test_filter, ""},
        {"test", test_test, ""},
        {"none", test_none, ""},
        {"boolean", test_boolean, ""},
        {"true", test_true, ""},
        {"false", test_false, ""},
        {"integer", test_integer, ""},
        {"float", test_float, ""},
        {"lower", test_lower, ""},
        {"upper", test_upper, ""},
        {"string", test_string, ""},
        {"mapping", test_mapping, ""},
        {"number", test_number, ""},
        {"sequence", test_sequence, ""},
        {"iterable", test_iterable, ""},
        {"callable", test_callable, ""},
        {"sameas", test_sameas, "other"},
        {"escaped", test_escaped, ""},
        {"in", test_in, "seq"},
        {"==", test_eq, "_"},
        {"eq", test_eq, "_"},
        {"equalto", test_eq, "_"},
        {"!=", test_ne, "_"},
        {"ne", test_ne, "_"},
        {">", test_gt, "_"},
        {"gt", test_gt, "_"},
        {"greaterthan", test_gt, "_"},
        {"ge", test_ge, "_"},
        {">=", test_ge, "_"},
        {"<", test_lt, "_"},
        {"lt", test_lt, "_"},
        {"lessthan", test_lt, "_"},
        {"<=", test_le, "_"},
        {"le", test_le, "_"},
        {0},
    };
    return row_find(rows, name);
}

const native_row *test_find_word(const char *name)
{
    text_buf buf = {.v = (char *)(uintptr_t)name, .used = (uint32_t)strlen(name)};
    return test_find((text){&buf, 0, buf.used});
}
