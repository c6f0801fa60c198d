/* parse_expression.c - expressions by precedence, from "a if b else c" down to filters and calls.
 *
 * Two things are not as in Python: "**" is of the same side as "*" (from the left), and a filter
 * binds closer than a sign only when it stands behind the whole signed name: -1|abs is 1.
 */
#include <string.h>

#include "jinja.h"
#include "natives.h"
#include "parse.h"

static node *parse_unary(parser *p, bool with_filter);

static node *make_pair(parser *p, node_kind kind, const token *at, node *a, node *b)
{
    node *n = a && b ? parse_node(p, kind, at) : NULL;
    if (n == NULL)
        return NULL;
    n->a = a;
    n->b = b;
    return parse_done(p, n);
}

/* ---- operators ---------------------------------------------------------------------------------- */

static node *parse_pow(parser *p)
{
    node *left = parse_unary(p, true);
    while (left != NULL && parse_is_op(&p->now, "**")) {
        token at = p->now;
        if (parse_advance(p))
            return NULL;
        left = make_pair(p, N_BINARY, &at, left, parse_unary(p, true));
        if (left != NULL)
            left->op = OP_POW;
    }
    return left;
}

typedef struct binary_op {
    const char *word;
    operator op;
} binary_op;

static const binary_op *find_op(const token *t, const binary_op *ops)
{
    for (; ops->word != NULL; ops++)
        if (parse_is_op(t, ops->word))
            return ops;
    return NULL;
}

static node *parse_product(parser *p)
{
    static const binary_op ops[] = {
        {"*", OP_MUL}, {"/", OP_DIV}, {"//", OP_FLOORDIV}, {"%", OP_MOD}, {0}};
    node *left = parse_pow(p);
    const binary_op *op;
    while (left != NULL && (op = find_op(&p->now, ops))) {
        token at = p->now;
        if (parse_advance(p))
            return NULL;
        left = make_pair(p, N_BINARY, &at, left, parse_pow(p));
        if (left != NULL)
            left->op = (uint8_t)op->op;
    }
    return left;
}

static node *parse_concat(parser *p)
{
    node *first = parse_product(p);
    if (first == NULL || !parse_is_op(&p->now, "~"))
        return first;
    node *n = parse_node(p, N_CONCAT, &p->now);
    if (n == NULL || parse_add(p, &n->list, first))
        return NULL;
    while (parse_is_op(&p->now, "~"))
        if (parse_advance(p) || parse_add(p, &n->list, parse_product(p)))
            return NULL;
    return parse_done(p, n);
}

static node *parse_sum(parser *p)
{
    static const binary_op ops[] = {{"+", OP_ADD}, {"-", OP_SUB}, {0}};
    node *left = parse_concat(p);
    const binary_op *op;
    while (left != NULL && (op = find_op(&p->now, ops))) {
        token at = p->now;
        if (parse_advance(p))
            return NULL;
        left = make_pair(p, N_BINARY, &at, left, parse_concat(p));
        if (left != NULL)
            left->op = (uint8_t)op->op;
    }
    return left;
}

/* The comparison that stands next: 1 and *op, its words consumed; 0 for none. */
static int compare_op(parser *p, operator* op)
{
    static const binary_op ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<", OP_LT}, {"<=", OP_LE},
                                    {">", OP_GT},  {">=", OP_GE}, {0}};
    const binary_op *found = find_op(&p->now, ops);
    if (found != NULL)
        *op = found->op;
    else if (parse_is_name(&p->now, "in"))
        *op = OP_IN;
    else if (parse_is_name(&p->now, "not") && parse_is_name(&p->next, "in"))
        *op = OP_NOT_IN;
    else
        return 0;
    return parse_advance(p) || (*op == OP_NOT_IN && parse_advance(p)) ? -1 : 1;
}

static node *parse_compare(parser *p)
{
    token at = p->now;
    node *first = parse_sum(p), *n = NULL;
    operator op = OP_EQ;
    for (int found; first != NULL && (found = compare_op(p, &op)) != 0; at = p->now) {
        if (found < 0 || (n == NULL && !(n = parse_node(p, N_COMPARE, &at))))
            return NULL;
        n->a = first;
        node *operand = parse_node(p, N_OPERAND, &p->now);
        if (operand == NULL || !(operand->a = parse_sum(p)))
            return NULL;
        operand->op = (uint8_t)op;
        if (parse_add(p, &n->list, parse_done(p, operand)))
            return NULL;
    }
    return n == NULL ? first : parse_done(p, n);
}

static node *parse_not(parser *p)
{
    if (!parse_is_name(&p->now, "not"))
        return parse_compare(p);
    node *n = parse_node(p, N_NOT, &p->now);
    if (n == NULL || parse_enter(p) || parse_advance(p) || !(n->a = parse_not(p)))
        return NULL;
    parse_leave(p);
    return parse_done(p, n);
}

static node *parse_and(parser *p)
{
    node *left = parse_not(p);
    while (left != NULL && parse_is_name(&p->now, "and")) {
        token at = p->now;
        left = parse_advance(p) ? NULL : make_pair(p, N_AND, &at, left, parse_not(p));
    }
    return left;
}

static node *parse_or(parser *p)
{
    node *left = parse_and(p);
    while (left != NULL && parse_is_name(&p->now, "or")) {
        token at = p->now;
        left = parse_advance(p) ? NULL : make_pair(p, N_OR, &at, left, parse_and(p));
    }
    return left;
}

static node *parse_conditional(parser *p)
{
    bool soft = p->soft;
    token unknown = p->unknown;
    node *whole = parse_or(p);
    while (whole != NULL && parse_is_name(&p->now, "if")) {
        node *n = parse_node(p, N_COND, &p->now);
        if (n == NULL || parse_advance(p))
            return NULL;
        p->soft = true;
        p->unknown = unknown;
        n->a = whole;
        n->b = parse_or(p);
        int otherwise = n->b ? parse_skip_name(p, "else") : -1;
        if (otherwise < 0 || (otherwise && !(n->c = parse_expression(p, true))))
            return NULL;
        p->soft = soft;
        whole = parse_done(p, n);
    }
    return whole;
}

node *parse_expression(parser *p, bool conditional)
{
    if (parse_enter(p))
        return NULL;
    node *n = conditional ? parse_conditional(p) : parse_or(p);
    parse_leave(p);
    return n;
}

/* ---- atoms -------------------------------------------------------------------------------------- */

static bool tuple_ends(const parser *p, const char *end_name)
{
    return p->now.kind == T_OUTPUT_END || p->now.kind == T_BLOCK_END || parse_is_op(&p->now, ")") ||
           (end_name != NULL && parse_is_name(&p->now, end_name));
}

node *parse_tuple(parser *p, const tuple_rules *rules)
{
    token at = p->now;
    nodes parts = {0};
    bool is_tuple = false;
    for (;;) {
        if (parts.n > 0 && parse_expect_op(p, ","))
            return NULL;
        if (tuple_ends(p, rules->end_name))
            break;
        node *part = rules->simplified ? parse_primary(p, rules->attributes)
                                       : parse_expression(p, rules->conditional);
        if (parse_add(p, &parts, part))
            return NULL;
        if (!parse_is_op(&p->now, ","))
            break;
        is_tuple = true;
    }
    if (!is_tuple && parts.n > 0)
        return parts.v[0];
    if (!is_tuple && !rules->parentheses) {
        parse_fail(p, &at, "expected an expression");
        return NULL;
    }
    node *n = parse_node(p, N_TUPLE, &at);
    if (n == NULL)
        return NULL;
    n->list = parts;
    return parse_done(p, n);
}

static node *parse_list(parser *p)
{
    node *n = parse_node(p, N_LIST, &p->now);
    if (n == NULL || parse_advance(p))
        return NULL;
    while (!parse_is_op(&p->now, "]")) {
        if (n->list.n > 0 && parse_expect_op(p, ","))
            return NULL;
        if (parse_is_op(&p->now, "]"))
            break;
        if (parse_add(p, &n->list, parse_expression(p, true)))
            return NULL;
    }
    return parse_advance(p) ? NULL : parse_done(p, n);
}

static node *parse_dict(parser *p)
{
    node *n = parse_node(p, N_DICT, &p->now);
    if (n == NULL || parse_advance(p))
        return NULL;
    while (!parse_is_op(&p->now, "}")) {
        if (n->list.n > 0 && parse_expect_op(p, ","))
            return NULL;
        if (parse_is_op(&p->now, "}"))
            break;
        if (parse_add(p, &n->list, parse_expression(p, true)) || parse_expect_op(p, ":") ||
            parse_add(p, &n->list, parse_expression(p, true)))
            return NULL;
    }
    return parse_advance(p) ? NULL : parse_done(p, n);
}

static void note_special(parser *p, uint32_t sym)
{
    if (sym == p->t->sym_caller)
        p->special |= MACRO_CALLER;
    else if (sym == p->t->sym_kwargs)
        p->special |= MACRO_KWARGS;
    else if (sym == p->t->sym_varargs)
        p->special |= MACRO_VARARGS;
}

static node *parse_name(parser *p, bool attributes)
{
    token at = p->now;
    bool yes = parse_is_name(&at, "true") || parse_is_name(&at, "True");
    bool no = parse_is_name(&at, "false") || parse_is_name(&at, "False");
    bool none = parse_is_name(&at, "none") || parse_is_name(&at, "None");
    node *n = parse_node(p, yes || no || none ? N_CONST : N_NAME, &at);
    if (n == NULL || parse_advance(p))
        return NULL;
    if (n->kind == N_CONST) {
        n->v = none ? value_none() : value_bool(yes);
        return n;
    }
    if (parse_symbol(p, &at, &n->sym))
        return NULL;
    if (!attributes || !parse_is_op(&p->now, ".")) {
        note_special(p, n->sym);
        return n;
    }
    n->kind = N_NSREF;
    if (parse_advance(p) || (p->now.kind == T_NAME && parse_word(p, &p->now, &n->v)) ||
        parse_expect_kind(p, T_NAME, "a name"))
        return NULL;
    return n;
}

/* Strings side by side are one. */
static node *parse_string(parser *p)
{
    node *n = parse_node(p, N_CONST, &p->now);
    text all = p->now.v.u.t;
    while (n != NULL && p->next.kind == T_STRING) {
        text more = p->next.v.u.t;
        char *v = arena_take(&p->t->mem, (size_t)all.len + more.len + 1);
        if (v != NULL) {
            memcpy(v, text_bytes(all), all.len);
            memcpy(v + all.len, text_bytes(more), more.len);
        }
        if (v == NULL ||
            !text_keep(&p->t->mem, v, (size_t)all.len + more.len, JINJA_TEMPLATE, 0, &all)) {
            error_memory(p->err, "a template");
            return NULL;
        }
        if (parse_advance(p))
            return NULL;
    }
    if (n == NULL)
        return NULL;
    n->v = value_text(all);
    token word = {.at = text_bytes(all), .len = all.len};
    value unused;
    return parse_word(p, &word, &unused) || parse_advance(p) ? NULL : n;
}

node *parse_primary(parser *p, bool attributes)
{
    static const tuple_rules inside = {.conditional = true, .parentheses = true};
    token at = p->now;
    node *n = NULL;
    if (parse_enter(p))
        return NULL;
    if (at.kind == T_NAME) {
        n = parse_name(p, attributes);
    } else if (at.kind == T_STRING) {
        n = parse_string(p);
    } else if (at.kind == T_INT || at.kind == T_FLOAT) {
        n = parse_node(p, N_CONST, &at);
        if (n == NULL || parse_advance(p))
            return NULL;
        n->v = at.v;
    } else if (parse_is_op(&at, "(")) {
        if (parse_advance(p) || !(n = parse_tuple(p, &inside)) || parse_expect_op(p, ")"))
            return NULL;
    } else if (parse_is_op(&at, "[")) {
        n = parse_list(p);
    } else if (parse_is_op(&at, "{")) {
        n = parse_dict(p);
    } else {
        parse_fail(p, &at, "expected an expression");
    }
    parse_leave(p);
    return n;
}

static node *parse_unary(parser *p, bool with_filter)
{
    bool minus = parse_is_op(&p->now, "-");
    node *n;
    if (minus || parse_is_op(&p->now, "+")) {
        n = parse_node(p, N_UNARY, &p->now);
        if (n == NULL || parse_enter(p) || parse_advance(p) || !(n->a = parse_unary(p, false)))
            return NULL;
        parse_leave(p);
        n->op = minus ? OP_SUB : OP_ADD;
        n = parse_done(p, n);
    } else {
        n = parse_primary(p, false);
    }
    n = n ? parse_postfix(p, n) : NULL;
    return n && with_filter ? parse_filter_expr(p, n) : n;
}
