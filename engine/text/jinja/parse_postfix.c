/* parse_postfix.c - what follows an atom: attributes, items, slices, calls, filters and tests.
 *
 * Two loops, from the left: parse_postfix() takes .name, [..] and (..), parse_filter_expr()
 * then takes | and "is". Each turns the node so far into the first child of the next, so a
 * chain is as high as it is long, and parse_done() refuses one that is too high. Filters and
 * tests are looked up here, once: a name that nobody knows is an error at once, unless it
 * stands under an "if" that may keep it from ever being run, where jinja2 does not complain
 * either.
 */
#include <string.h>

#include "jinja.h"
#include "natives.h"
#include "parse.h"

/* ---- [ ] ---------------------------------------------------------------------------------------- */

static bool slice_ends(const parser *p)
{
    return parse_is_op(&p->now, "]") || parse_is_op(&p->now, ",") || parse_is_op(&p->now, ":");
}

/* An index or start:stop:step with any of them left out. */
static node *parse_subscript(parser *p)
{
    node *n = parse_node(p, N_SLICE, &p->now);
    if (n == NULL)
        return NULL;
    if (!parse_is_op(&p->now, ":")) {
        n->a = parse_expression(p, true);
        if (n->a == NULL || !parse_is_op(&p->now, ":"))
            return n->a;
    }
    if (parse_advance(p) || (!slice_ends(p) && !(n->b = parse_expression(p, true))))
        return NULL;
    int step = parse_skip_op(p, ":");
    if (step < 0 || (step && !slice_ends(p) && !(n->c = parse_expression(p, true))))
        return NULL;
    return parse_done(p, n);
}

static node *parse_item(parser *p, node *of)
{
    node *n = parse_node(p, N_GETITEM, &p->now);
    nodes parts = {0};
    if (n == NULL || parse_advance(p))
        return NULL;
    while (!parse_is_op(&p->now, "]"))
        if ((parts.n > 0 && parse_expect_op(p, ",")) || parse_add(p, &parts, parse_subscript(p)))
            return NULL;
    n->a = of;
    if (parts.n == 1) {
        n->b = parts.v[0];
    } else {
        for (uint32_t i = 0; i < parts.n; i++)
            if (parts.v[i]->kind == N_SLICE) {
                parse_fail(p, &p->now, "slices in more than one dimension are not supported");
                return NULL;
            }
        if (!(n->b = parse_node(p, N_TUPLE, &p->now)))
            return NULL;
        n->b->list = parts;
        if (!parse_done(p, n->b))
            return NULL;
    }
    return parse_advance(p) ? NULL : parse_done(p, n);
}

static node *parse_attribute(parser *p, node *of)
{
    token at = p->now;
    if (parse_advance(p))
        return NULL;
    node *n = parse_node(p, p->now.kind == T_INT ? N_GETITEM : N_GETATTR, &at);
    if (n == NULL)
        return NULL;
    n->a = of;
    if (p->now.kind == T_INT) {
        if (!(n->b = parse_node(p, N_CONST, &p->now)))
            return NULL;
        n->b->v = p->now.v;
        return parse_advance(p) ? NULL : parse_done(p, n);
    }
    if ((p->now.kind == T_NAME && parse_word(p, &p->now, &n->v)) ||
        parse_expect_kind(p, T_NAME, "a name or number"))
        return NULL;
    return parse_done(p, n);
}

/* ---- calls -------------------------------------------------------------------------------------- */

static int parse_keyword(parser *p, node *call)
{
    node *n = parse_node(p, N_KEYWORD, &p->now);
    token at = p->now;
    if (n == NULL || parse_word(p, &at, &n->v) || parse_advance(p) || parse_advance(p) ||
        !(n->a = parse_expression(p, true)))
        return -1;
    for (uint32_t i = 0; i < call->more.n; i++)
        if (text_equal(call->more.v[i]->v.u.t, n->v.u.t))
            return parse_fail(p, &at, "the argument '%.*s' is given twice", (int)at.len, at.at);
    return parse_add(p, &call->more, parse_done(p, n));
}

/* One argument: expression, name=expression, *expression or **expression. */
static int parse_argument(parser *p, node *call)
{
    bool all = parse_is_op(&p->now, "*"), named = parse_is_op(&p->now, "**");
    bool keyword = p->now.kind == T_NAME && parse_is_op(&p->next, "=");
    if (call->c != NULL || (call->b != NULL && !named && !keyword) ||
        (call->more.n > 0 && !all && !named && !keyword))
        return parse_fail(p, &p->now, "invalid order of arguments");
    if (keyword)
        return parse_keyword(p, call);
    if (!all && !named)
        return parse_add(p, &call->list, parse_expression(p, true));
    if (parse_advance(p))
        return -1;
    node *n = parse_expression(p, true);
    if (named)
        call->c = n;
    else
        call->b = n;
    return n ? 0 : -1;
}

static int parse_arguments(parser *p, node *call)
{
    if (parse_expect_op(p, "("))
        return -1;
    for (bool first = true; !parse_is_op(&p->now, ")"); first = false) {
        if (!first && parse_expect_op(p, ","))
            return -1;
        if (!first && parse_is_op(&p->now, ")"))
            break;
        if (parse_argument(p, call))
            return -1;
    }
    return parse_advance(p);
}

static node *parse_call(parser *p, node *of)
{
    node *n = parse_node(p, N_CALL, &p->now);
    if (n == NULL)
        return NULL;
    n->a = of;
    return parse_arguments(p, n) ? NULL : parse_done(p, n);
}

node *parse_postfix(parser *p, node *n)
{
    while (n != NULL) {
        if (parse_is_op(&p->now, "."))
            n = parse_attribute(p, n);
        else if (parse_is_op(&p->now, "["))
            n = parse_item(p, n);
        else if (parse_is_op(&p->now, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* ---- filters and tests -------------------------------------------------------------------------- */

/* The name of a filter or test and its row. An unknown one within an "if", or before an inline one,
 * fails only when it is run. */
static int parse_native(parser *p, node *n, const native_row *(*find)(text))
{
    token at = p->now;
    if ((at.kind == T_NAME && parse_word(p, &at, &n->v)) || parse_expect_kind(p, T_NAME, "a name"))
        return -1;
    n->row = parse_is_op(&p->now, ".") ? NULL : find(n->v.u.t);
    if (parse_is_op(&p->now, "."))
        return parse_fail(p, &p->now, "names with dots are not known");
    if ((n->row == NULL || n->row->run == NULL) && !p->soft && p->unknown.kind == T_EOF)
        p->unknown = at;
    return 0;
}

int parse_check_known(parser *p)
{
    token at = p->unknown;
    if (at.kind == T_EOF)
        return 0;
    return parse_fail(p, &at, "no filter or test named '%.*s' is supported",
                      at.len > 40 ? 40 : (int)at.len, at.at);
}

int parse_filters(parser *p, node *input, bool inline_start, node **out)
{
    while (inline_start || parse_is_op(&p->now, "|")) {
        if (!inline_start && parse_advance(p))
            return -1;
        inline_start = false;
        node *n = parse_node(p, N_FILTER, &p->now);
        if (n == NULL || parse_native(p, n, filter_find) ||
            (parse_is_op(&p->now, "(") && parse_arguments(p, n)))
            return -1;
        n->a = input;
        if (!(input = parse_done(p, n)))
            return -1;
    }
    *out = input;
    return 0;
}

/* A test's argument may stand behind it without brackets. */
static bool starts_argument(const parser *p)
{
    const token *t = &p->now;
    if (t->kind == T_NAME)
        return !parse_is_name(t, "else") && !parse_is_name(t, "or") && !parse_is_name(t, "and");
    return t->kind == T_STRING || t->kind == T_INT || t->kind == T_FLOAT || parse_is_op(t, "[") ||
           parse_is_op(t, "{");
}

static node *parse_test(parser *p, node *of)
{
    token at = p->now;
    int negated = parse_advance(p) ? -1 : parse_skip_name(p, "not");
    node *n = negated < 0 ? NULL : parse_node(p, N_TEST, &at);
    if (n == NULL || parse_native(p, n, test_find))
        return NULL;
    if (parse_is_op(&p->now, "(")) {
        if (parse_arguments(p, n))
            return NULL;
    } else if (starts_argument(p)) {
        if (parse_is_name(&p->now, "is")) {
            parse_fail(p, &p->now, "tests cannot be chained");
            return NULL;
        }
        node *argument = parse_primary(p, false);
        if (!argument || parse_add(p, &n->list, parse_postfix(p, argument)))
            return NULL;
    }
    n->a = of;
    n = parse_done(p, n);
    if (!negated || n == NULL)
        return n;
    node *not = parse_node(p, N_NOT, &at);
    if (not == NULL)
        return NULL;
    not ->a = n;
    return parse_done(p, not );
}

node *parse_filter_expr(parser *p, node *n)
{
    while (n != NULL) {
        if (parse_is_op(&p->now, "|")) {
            if (parse_filters(p, n, false, &n))
                return NULL;
        } else if (parse_is_name(&p->now, "is")) {
            n = parse_test(p, n);
        } else if (parse_is_op(&p->now, "(")) {
            n = parse_call(p, n);
        } else {
            break;
        }
    }
    return n;
}
