/* eval.c - the value of an expression.
 *
 * eval() enters a node (a step, a level), runs the function of its kind and leaves. What a node
 * is made of is evaluated from left to right and only as far as Python would: the other side of
 * "and", the branch not taken, what stands behind a comparison that is already false are never
 * run, so they cannot fail either. Names, attributes and items that are not there give an
 * undefined value, which fails only when it is used for more than printing or testing.
 */
#include "machine.h"
#include "natives.h"

static bool eval_list(machine *m, const node *n, value *out)
{
    list *l = make_list(m, n->list.n);
    if (l == NULL)
        return false;
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!eval(m, n->list.v[i], &l->v[i]))
            return false;
        l->n++;
    }
    *out = n->kind == N_LIST ? value_list(l, JINJA_TEMPLATE) : value_tuple(l, JINJA_TEMPLATE);
    return true;
}

static bool eval_dict(machine *m, const node *n, value *out)
{
    dict *d = dict_new(&m->mem);
    if (d == NULL)
        return fail_memory(m);
    for (uint32_t i = 0; i < n->list.n; i += 2) {
        value key, v;
        if (!eval(m, n->list.v[i], &key) || !eval(m, n->list.v[i + 1], &v) || !put(m, d, key, v))
            return false;
    }
    *out = value_dict(d, JINJA_TEMPLATE);
    return true;
}

static bool eval_truth(machine *m, const node *n, bool *out)
{
    value v;
    return eval(m, n, &v) && truth(m, v, out);
}

static bool eval_conditional(machine *m, const node *n, value *out)
{
    bool yes;
    if (!eval_truth(m, n->b, &yes))
        return false;
    if (yes || n->c != NULL)
        return eval(m, yes ? n->a : n->c, out);
    *out = value_undefined(U_HINT, TEXT_EMPTY);
    return true;
}

/* "and" and "or" give one of their sides, not its truth. */
static bool eval_logic(machine *m, const node *n, value *out)
{
    bool yes;
    if (!eval(m, n->a, out) || !truth(m, *out, &yes))
        return false;
    return yes == (n->kind == N_OR) || eval(m, n->b, out);
}

/* a < b < c: each is evaluated once, and no more after the first that is false. */
static bool eval_compare(machine *m, const node *n, value *out)
{
    value left, right;
    bool holds = true;
    if (!eval(m, n->a, &left))
        return false;
    for (uint32_t i = 0; holds && i < n->list.n; i++) {
        const node *operand = n->list.v[i];
        if (!eval(m, operand->a, &right))
            return false;
        m->at = operand;
        if (!compare(m, (operator)operand->op, left, right, &holds))
            return false;
        left = right;
    }
    *out = value_bool(holds);
    return true;
}

static bool eval_concat(machine *m, const node *n, value *out)
{
    text t = TEXT_EMPTY;
    for (uint32_t i = 0; i < n->list.n; i++) {
        value v;
        if (!eval(m, n->list.v[i], &v) || !add_str(m, &t, v))
            return false;
    }
    *out = value_text(t);
    return true;
}

static bool eval_binary(machine *m, const node *n, value *out)
{
    value a, b;
    if (!eval(m, n->a, &a) || !eval(m, n->b, &b))
        return false;
    m->at = n;
    return binary(m, (operator)n->op, a, b, out);
}

static bool eval_unary(machine *m, const node *n, value *out)
{
    value a;
    bool yes;
    if (!eval(m, n->a, &a))
        return false;
    m->at = n;
    if (n->kind == N_UNARY)
        return unary(m, (operator)n->op, a, out);
    if (!truth(m, a, &yes))
        return false;
    *out = value_bool(!yes);
    return true;
}

static bool eval_item(machine *m, const node *n, value *out)
{
    value of, key;
    if (!eval(m, n->a, &of))
        return false;
    if (n->b->kind != N_SLICE) {
        if (!eval(m, n->b, &key))
            return false;
        m->at = n;
        return get_item(m, of, key, out);
    }
    value bounds[3] = {0};
    const node *parts[] = {n->b->a, n->b->b, n->b->c};
    for (int i = 0; i < 3; i++)
        if (parts[i] != NULL && !eval(m, parts[i], &bounds[i]))
            return false;
    m->at = n;
    return get_slice(m, of, bounds, out);
}

static bool eval_attribute(machine *m, const node *n, value *out)
{
    value of;
    if (!eval(m, n->a, &of))
        return false;
    m->at = n;
    return get_attribute(m, of, n->v.u.t, out);
}

static bool eval_call(machine *m, const node *n, value *out)
{
    value callee;
    arguments args;
    if (!eval(m, n->a, &callee) || !eval_arguments(m, n, &args))
        return false;
    m->at = n;
    return call_value(m, callee, &args, out);
}

static bool eval_test(machine *m, const node *n, value *out)
{
    value v;
    arguments args;
    if (!eval(m, n->a, &v) || !eval_arguments(m, n, &args))
        return false;
    m->at = n;
    if (n->row == NULL)
        return fail(m, "no test is named '%.*s'", (int)n->v.u.t.len, text_bytes(n->v.u.t));
    return call_native(m, n->row, v, &args, out);
}

bool run_filter(machine *m, const node *n, value input, value *out)
{
    arguments args;
    if (n->a != NULL &&
        !(n->a->kind == N_FILTER ? run_filter(m, n->a, input, &input) : eval(m, n->a, &input)))
        return false;
    if (!spend(m, 1) || !eval_arguments(m, n, &args))
        return false;
    m->at = n;
    if (n->row == NULL)
        return fail(m, "no filter is named '%.*s'", (int)n->v.u.t.len, text_bytes(n->v.u.t));
    return call_native(m, n->row, input, &args, out);
}

static bool eval_kind(machine *m, const node *n, value *out)
{
    switch (n->kind) {
    case N_TUPLE:
    case N_LIST:
        return eval_list(m, n, out);
    case N_DICT:
        return eval_dict(m, n, out);
    case N_COND:
        return eval_conditional(m, n, out);
    case N_OR:
    case N_AND:
        return eval_logic(m, n, out);
    case N_COMPARE:
        return eval_compare(m, n, out);
    case N_NOT:
    case N_UNARY:
        return eval_unary(m, n, out);
    case N_BINARY:
        return eval_binary(m, n, out);
    case N_CONCAT:
        return eval_concat(m, n, out);
    case N_GETATTR:
        return eval_attribute(m, n, out);
    case N_GETITEM:
        return eval_item(m, n, out);
    case N_CALL:
        return eval_call(m, n, out);
    case N_FILTER:
        return run_filter(m, n, (value){.kind = V_MISSING}, out);
    case N_TEST:
        return eval_test(m, n, out);
    default:
        return fail(m, "this is no expression");
    }
}

bool eval(machine *m, const node *n, value *out)
{
    m->at = n;
    *out = n->v;
    if (n->kind == N_CONST)
        return spend(m, 1);
    if (n->kind == N_NAME)
        return spend(m, 1) && scope_get(m, n->sym, out);
    if (!enter(m) || !eval_kind(m, n, out))
        return false;
    leave(m);
    return true;
}
