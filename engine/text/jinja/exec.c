/* exec.c - statements. "if" makes no scope; loops, macros, blocks and captures do.
 *
 * run_body() runs one statement after the other and hands up what ends it early: a failure, a
 * break or a continue (flow). Output goes to m->out; a capture ({% set x %}, a filter block)
 * puts another text in its place while its body runs.
 *
 * A loop looks at its items as late as jinja2 does: with an "if", an item is tested when the
 * loop comes to it or when loop.length, loop.last or loop.nextitem ask (loop_fill), because the
 * body may change what the test says. A recursive loop is called like a function: it runs the
 * same node with other items, in the scope that the first one stands in.
 */
#include "machine.h"
#include "natives.h"

/* ---- assignment ----------------------------------------------------------------------------------- */

static bool assign_attribute(machine *m, const node *n, value v)
{
    value of;
    if (!scope_get(m, n->sym, &of))
        return false;
    m->at = n;
    if (of.kind != V_NAMESPACE)
        return fail(m, "only a namespace's attributes can be set");
    if (text_bytes(n->v.u.t)[0] == '_')
        return fail(m, "a namespace's attribute cannot begin with an underscore");
    return put(m, of.u.dict, n->v, v);
}

static bool assign(machine *m, const node *target, value v)
{
    list all;
    if (target->kind == N_NAME)
        return scope_set(m, target->sym, v);
    if (target->kind == N_NSREF)
        return assign_attribute(m, target, v);
    m->at = target;
    if (!is_iterable(v) || v.kind == V_LOOP)
        return fail(m, "a %s cannot be unpacked", type_name(v));
    if (!elements(m, v, &all))
        return false;
    if (all.n != target->list.n)
        return fail(m, "%zu values cannot be unpacked into %u names", all.n, target->list.n);
    for (uint32_t i = 0; i < target->list.n; i++)
        if (!assign(m, target->list.v[i], all.v[i]))
            return false;
    return true;
}

/* ---- captures ------------------------------------------------------------------------------------- */

/* Runs a body in a new scope; its output becomes *out. */
static flow capture(machine *m, const nodes *body, text *out)
{
    scope *outside = m->scope;
    text *output = m->out, written = TEXT_EMPTY;
    m->scope = scope_new(m, outside);
    m->out = &written;
    flow f = m->scope == NULL ? FLOW_FAIL : run_body(m, body);
    m->scope = outside;
    m->out = output;
    *out = written;
    return f;
}

static flow run_set_block(machine *m, const node *n)
{
    text t;
    flow f = capture(m, &n->list, &t);
    if (f != FLOW_ON)
        return f;
    value v = value_text(t);
    if (n->b != NULL && !run_filter(m, n->b, v, &v))
        return FLOW_FAIL;
    return assign(m, n->a, v) ? FLOW_ON : FLOW_FAIL;
}

static flow run_filter_block(machine *m, const node *n)
{
    text t;
    flow f = capture(m, &n->list, &t);
    if (f != FLOW_ON)
        return f;
    value v = value_text(t);
    return run_filter(m, n->b, v, &v) && add_str(m, m->out, v) ? FLOW_ON : FLOW_FAIL;
}

/* What {% generation %} encloses is printed as it is. */
static flow run_generation(machine *m, const node *n)
{
    scope *outside = m->scope;
    m->scope = scope_new(m, outside);
    flow f = m->scope == NULL ? FLOW_FAIL : run_body(m, &n->list);
    m->scope = outside;
    return f;
}

static flow run_with(machine *m, const node *n)
{
    scope *outside = m->scope, *inside = scope_new(m, outside);
    flow f = inside == NULL ? FLOW_FAIL : FLOW_ON;
    for (uint32_t i = 0; f == FLOW_ON && i < n->list.n; i += 2) {
        value v;
        m->scope = outside;
        if (!eval(m, n->list.v[i + 1], &v))
            f = FLOW_FAIL;
        m->scope = inside;
        if (f == FLOW_ON && !assign(m, n->list.v[i], v))
            f = FLOW_FAIL;
    }
    m->scope = inside;
    if (f == FLOW_ON)
        f = run_body(m, &n->more);
    m->scope = outside;
    return f;
}

/* ---- loops ---------------------------------------------------------------------------------------- */

static bool passes(machine *m, loop *l, value item, bool *out)
{
    scope *inside = m->scope;
    value v;
    *out = true;
    if (l->node->c == NULL)
        return true;
    m->scope = scope_new(m, l->outside);
    bool ok = m->scope != NULL && assign(m, l->node->a, item) && eval(m, l->node->c, &v) &&
              truth(m, v, out);
    m->scope = inside;
    return ok;
}

bool loop_fill(machine *m, loop *l, size_t n)
{
    const node *at = m->at;
    while (l->items.n < n && l->taken < l->source.n) {
        value item = l->source.v[l->taken++];
        bool yes;
        if (!spend(m, 1) || !passes(m, l, item, &yes) || (yes && !push(m, &l->items, item)))
            return false;
    }
    m->at = at;
    return true;
}

static flow run_iterations(machine *m, loop *l, bool *finished_one)
{
    const node *n = l->node;
    flow f = FLOW_ON;
    scope *inside = scope_new(m, l->outside);
    if (inside == NULL)
        return FLOW_FAIL;
    value self = {.kind = V_LOOP, .u.loop = l};
    for (l->index = 0; f != FLOW_BREAK; l->index++) {
        m->scope = l->outside;
        if (!loop_fill(m, l, l->index + 1))
            return FLOW_FAIL;
        if (l->index >= l->items.n)
            break;
        inside->n = 0;
        m->scope = inside;
        if (!spend(m, 1) || !scope_set(m, m->program->sym_loop, self) ||
            !assign(m, n->a, l->items.v[l->index]))
            return FLOW_FAIL;
        f = run_body(m, &n->list);
        if (f == FLOW_FAIL)
            return f;
        *finished_one |= f == FLOW_ON;
    }
    return FLOW_ON;
}

/* As in jinja2, "else" runs unless an iteration came to the end of the body. */
static flow run_loop(machine *m, loop *l, value items)
{
    bool finished_one = false;
    m->at = l->node->b;
    if (!is_iterable(items) || items.kind == V_LOOP)
        return fail(m, "a %s has no elements to go through", type_name(items)) ? FLOW_ON
                                                                               : FLOW_FAIL;
    l->origin = value_origin(items);
    if (!elements(m, items, &l->source))
        return FLOW_FAIL;
    if (l->node->c == NULL) {
        l->items = l->source;
        l->taken = l->source.n;
    }
    flow f = run_iterations(m, l, &finished_one);
    m->scope = l->outside;
    if (f != FLOW_ON || finished_one || l->node->more.n == 0)
        return f;
    m->scope = scope_new(m, l->outside);
    f = m->scope == NULL ? FLOW_FAIL : run_body(m, &l->node->more);
    m->scope = l->outside;
    return f;
}

static loop *loop_new(machine *m, const node *n, scope *outside)
{
    loop *l = take(m, sizeof *l);
    if (l != NULL)
        *l = (loop){.node = n, .outside = outside, .changed = {.kind = V_MISSING}};
    return l;
}

static flow run_for(machine *m, const node *n)
{
    value items;
    scope *outside = m->scope;
    if (!eval(m, n->b, &items))
        return FLOW_FAIL;
    loop *l = loop_new(m, n, outside);
    flow f = l == NULL ? FLOW_FAIL : run_loop(m, l, items);
    m->scope = outside;
    return f;
}

bool call_loop(machine *m, loop *outer, value items, value *out)
{
    scope *inside = m->scope;
    text *output = m->out, written = TEXT_EMPTY;
    if (!outer->node->flag)
        return fail(m, "this loop is not recursive");
    loop *l = loop_new(m, outer->node, outer->outside);
    if (l == NULL || !enter(m))
        return false;
    l->depth0 = outer->depth0 + 1;
    m->out = &written;
    m->scope = outer->outside;
    flow f = run_loop(m, l, items);
    m->scope = inside;
    m->out = output;
    leave(m);
    *out = value_text(written);
    return f != FLOW_FAIL;
}

/* ---- the rest ------------------------------------------------------------------------------------- */

static flow run_if(machine *m, const node *n)
{
    for (uint32_t i = 0; i < n->list.n; i++) {
        const node *branch = n->list.v[i];
        value v;
        bool yes;
        if (!eval(m, branch->a, &v) || !truth(m, v, &yes))
            return FLOW_FAIL;
        if (yes)
            return run_body(m, &branch->list);
    }
    return run_body(m, &n->more);
}

static macro *macro_new(machine *m, const node *n)
{
    macro *new = take(m, sizeof *new);
    if (new != NULL)
        *new = (macro){n, m->scope};
    return new;
}

static bool run_call_block(machine *m, const node *n)
{
    const node *call = n->a;
    value callee, out;
    arguments args;
    macro *body = macro_new(m, n->b);
    if (body == NULL || !eval(m, call->a, &callee) || !eval_arguments(m, call, &args))
        return false;
    named_argument *named = take(m, (args.n_named + 1) * sizeof *named);
    if (named == NULL)
        return false;
    for (size_t i = 0; i < args.n_named; i++)
        named[i] = args.named[i];
    named[args.n_named++] = (named_argument){m->program->names[m->program->sym_caller],
                                             {.kind = V_MACRO, .u.macro = body}};
    args.named = named;
    m->at = call;
    return call_value(m, callee, &args, &out) && add_str(m, m->out, out);
}

static bool run_output(machine *m, const node *n)
{
    for (uint32_t i = 0; i < n->list.n; i++) {
        value v;
        if (!eval(m, n->list.v[i], &v))
            return false;
        m->at = n->list.v[i];
        if (!add_str(m, m->out, v))
            return false;
    }
    return true;
}

static flow run_kind(machine *m, const node *n)
{
    value v;
    macro *new;
    switch (n->kind) {
    case N_DATA:
        return add_text(m, m->out, n->v.u.t) ? FLOW_ON : FLOW_FAIL;
    case N_OUTPUT:
        return run_output(m, n) ? FLOW_ON : FLOW_FAIL;
    case N_IF:
        return run_if(m, n);
    case N_FOR:
        return run_for(m, n);
    case N_SET:
        return eval(m, n->b, &v) && assign(m, n->a, v) ? FLOW_ON : FLOW_FAIL;
    case N_SET_BLOCK:
        return run_set_block(m, n);
    case N_MACRO:
        new = macro_new(m, n);
        v = (value){.kind = V_MACRO, .u.macro = new};
        return new &&scope_set(m, n->sym, v) ? FLOW_ON : FLOW_FAIL;
    case N_CALL_BLOCK:
        return run_call_block(m, n) ? FLOW_ON : FLOW_FAIL;
    case N_FILTER_BLOCK:
        return run_filter_block(m, n);
    case N_WITH:
        return run_with(m, n);
    case N_GENERATION:
        return run_generation(m, n);
    case N_BREAK:
        return FLOW_BREAK;
    default: /* N_CONTINUE */
        return FLOW_CONTINUE;
    }
}

flow run_body(machine *m, const nodes *body)
{
    for (uint32_t i = 0; i < body->n; i++) {
        m->at = body->v[i];
        if (!enter(m))
            return FLOW_FAIL;
        flow f = run_kind(m, body->v[i]);
        leave(m);
        if (f != FLOW_ON)
            return f;
    }
    return FLOW_ON;
}
