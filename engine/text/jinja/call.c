/* call.c - arguments, macros, and the table-driven call of everything built in.
 *
 * A call's arguments are evaluated into one list of values and one of names with values, * and
 * ** spread in between. Who is called then binds them. A macro gives each parameter its value
 * in a new scope, defaults last, because a default may name another parameter; what is left
 * over goes to varargs, kwargs and caller, if it reads them. Everything built in is a row of a
 * table (natives.h): the row's words say how many arguments it takes and what they are called,
 * so a native function is never entered with one too many or one missing.
 */
#include <string.h>

#include "machine.h"
#include "natives.h"

/* ---- arguments ------------------------------------------------------------------------------------ */

static bool spread_named(machine *m, value v, arguments *out, size_t *cap)
{
    if (v.kind != V_DICT)
        return fail(m, "what follows ** is a dict, not a %s", type_name(v));
    const dict *d = v.u.dict;
    named_argument *grown = take(m, (out->n_named + d->n) * sizeof *grown);
    if (grown == NULL || !spend(m, d->n))
        return false;
    for (size_t i = 0; i < out->n_named; i++)
        grown[i] = out->named[i];
    for (size_t i = 0; i < d->n; i++) {
        if (d->v[i].key.kind != V_TEXT)
            return fail(m, "the keys of what follows ** are strings");
        for (size_t k = 0; k < out->n_named; k++)
            if (!spend(m, 1) || text_equal(grown[k].name, d->v[i].key.u.t))
                return fail(m, "an argument is given twice");
        grown[out->n_named + i] = (named_argument){d->v[i].key.u.t, d->v[i].value};
    }
    out->named = grown;
    out->n_named += d->n;
    *cap = out->n_named;
    return true;
}

bool eval_arguments(machine *m, const node *call, arguments *out)
{
    list positional = {0};
    size_t cap = call->more.n;
    *out = (arguments){0};
    if (call->list.n > 0 && !(positional.v = take(m, call->list.n * sizeof(value))))
        return false;
    positional.cap = call->list.n;
    for (uint32_t i = 0; i < call->list.n; i++)
        if (!eval(m, call->list.v[i], &positional.v[positional.n++]))
            return false;
    if (cap > 0 && !(out->named = take(m, cap * sizeof *out->named)))
        return false;
    value v;
    list all;
    if (call->b != NULL) {
        if (!eval(m, call->b, &v))
            return false;
        if (!is_iterable(v) || v.kind == V_LOOP)
            return fail(m, "what follows * is a list, not a %s", type_name(v));
        if (!elements(m, v, &all))
            return false;
        for (size_t i = 0; i < all.n; i++)
            if (!push(m, &positional, all.v[i]))
                return false;
    }
    for (uint32_t i = 0; i < call->more.n; i++) {
        if (!eval(m, call->more.v[i]->a, &v))
            return false;
        out->named[out->n_named++] = (named_argument){call->more.v[i]->v.u.t, v};
    }
    out->v = positional.v;
    out->n = positional.n;
    return call->c == NULL || (eval(m, call->c, &v) && spread_named(m, v, out, &cap));
}

/* ---- macros --------------------------------------------------------------------------------------- */

/* What is left of the named arguments once those of parameters are taken out. */
typedef struct leftovers {
    const arguments *args;
    bool *used; /* [n_named] */
} leftovers;

static named_argument *take_named(leftovers *l, text name)
{
    for (size_t i = 0; i < l->args->n_named; i++)
        if (!l->used[i] && text_equal(l->args->named[i].name, name)) {
            l->used[i] = true;
            return &l->args->named[i];
        }
    return NULL;
}

static bool has_param(const node *n, uint32_t sym)
{
    for (uint32_t i = 0; i < n->list.n; i++)
        if (n->list.v[i]->sym == sym)
            return true;
    return false;
}

static bool bind_params(machine *m, const node *n, leftovers *l)
{
    const arguments *args = l->args;
    for (uint32_t i = 0; i < n->list.n; i++) { /* none is seen before it has its value */
        const node *param = n->list.v[i];
        value v = value_undefined(U_PARAMETER, param->v.u.t);
        const named_argument *named = i < args->n ? NULL : take_named(l, param->v.u.t);
        if (i < args->n)
            v = args->v[i];
        else if (named != NULL)
            v = named->v;
        else if (param->a != NULL)
            v = (value){.kind = V_MISSING};
        if (!scope_set(m, param->sym, v))
            return false;
    }
    for (uint32_t i = 0; i < n->list.n; i++) {
        const node *param = n->list.v[i];
        value v = m->scope->v[i].v;
        if (v.kind != V_MISSING)
            continue;
        m->scope->v[i].v = value_undefined(U_PARAMETER, param->v.u.t);
        if (!eval(m, param->a, &v))
            return false;
        m->scope->v[i].v = v;
    }
    return true;
}

static bool bind_rest(machine *m, const node *n, leftovers *l)
{
    const arguments *args = l->args;
    dict *d = dict_new(&m->mem);
    if (d == NULL)
        return fail_memory(m);
    for (size_t i = 0; i < args->n_named; i++)
        if (!l->used[i] && !put(m, d, value_text(args->named[i].name), args->named[i].v))
            return false;
    if ((n->flag & MACRO_KWARGS) && !has_param(n, m->program->sym_kwargs)) {
        if (!scope_set(m, m->program->sym_kwargs, value_dict(d, JINJA_TEMPLATE)))
            return false;
    } else if (d->n > 0) {
        text name = d->v[0].key.u.t;
        return fail(m, "the macro takes no argument named '%.*s'",
                    name.len > 40 ? 40 : (int)name.len, text_bytes(name));
    }
    list *rest = make_list(m, args->n);
    for (size_t i = n->list.n; rest != NULL && i < args->n; i++)
        rest->v[rest->n++] = args->v[i];
    if (rest == NULL)
        return false;
    if ((n->flag & MACRO_VARARGS) && !has_param(n, m->program->sym_varargs))
        return scope_set(m, m->program->sym_varargs, value_tuple(rest, JINJA_TEMPLATE));
    return rest->n == 0 || fail(m, "the macro takes %u arguments, not %zu", n->list.n, args->n);
}

static bool bind_macro(machine *m, const node *n, const arguments *args)
{
    leftovers l = {args, take(m, args->n_named + 1)};
    if (l.used == NULL || !spend(m, args->n + args->n_named * (1 + n->list.n / 8)))
        return false;
    memset(l.used, 0, args->n_named + 1);
    if (!bind_params(m, n, &l))
        return false;
    uint32_t caller = m->program->sym_caller;
    if ((n->flag & MACRO_CALLER) && !has_param(n, caller)) {
        named_argument *given = take_named(&l, m->program->names[caller]);
        text name = m->program->names[caller];
        if (!scope_set(m, caller, given ? given->v : value_undefined(U_NAME, name)))
            return false;
    }
    return bind_rest(m, n, &l);
}

static bool call_macro(machine *m, macro *callee, const arguments *args, value *out)
{
    scope *outside = m->scope;
    text *output = m->out, written = TEXT_EMPTY;
    if (!enter(m) || !(m->scope = scope_new(m, callee->outside)))
        return false;
    bool ok = bind_macro(m, callee->node, args);
    m->out = &written;
    ok = ok && run_body(m, &callee->node->more) != FLOW_FAIL;
    m->scope = outside;
    m->out = output;
    leave(m);
    *out = value_text(written);
    return ok;
}

/* ---- natives -------------------------------------------------------------------------------------- */

const native_row *row_find(const native_row *rows, text name)
{
    for (; rows->name != NULL; rows++)
        if (text_is(name, rows->name))
            return rows;
    return NULL;
}

typedef struct param {
    const char *name;
    size_t len; /* 0 = has no name */
    bool optional;
} param;

static size_t read_params(const char *spec, param out[PARAMS_MAX])
{
    size_t n = 0;
    while (*spec != '\0' && n < PARAMS_MAX) {
        size_t len = strcspn(spec, ",");
        bool optional = spec[len - 1] == '?';
        out[n++] = (param){spec, spec[0] == '_' ? 0 : len - optional, optional};
        spec += len + (spec[len] == ',');
    }
    return n;
}

static bool bind_named(machine *m, const native_row *row, const param *params, size_t n,
                       const named_argument *given, value *a)
{
    for (size_t i = 0; i < n; i++)
        if (params[i].len == given->name.len && params[i].len > 0 &&
            memcmp(params[i].name, text_bytes(given->name), params[i].len) == 0) {
            if (a[i].kind != V_MISSING)
                return fail(m, "%s: the argument '%.*s' is given twice", row->name,
                            (int)given->name.len, text_bytes(given->name));
            a[i] = given->v;
            return true;
        }
    return fail(m, "%s has no argument named '%.*s'", row->name,
                given->name.len > 40 ? 40 : (int)given->name.len, text_bytes(given->name));
}

bool call_native(machine *m, const native_row *row, value self, const arguments *args, value *out)
{
    param params[PARAMS_MAX];
    value a[PARAMS_MAX] = {0};
    if (!spend(m, 1))
        return false;
    if (row->run == NULL)
        return fail(m, "'%s' is not supported", row->name);
    if (strcmp(row->params, "*") == 0)
        return row->run(m, self, a, args, out);
    size_t n = read_params(row->params, params);
    if (args->n > n)
        return fail(m, "%s takes at most %zu arguments, not %zu", row->name, n, args->n);
    for (size_t i = 0; i < args->n; i++)
        a[i] = args->v[i];
    for (size_t i = 0; i < args->n_named; i++)
        if (!bind_named(m, row, params, n, &args->named[i], a))
            return false;
    for (size_t i = 0; i < n; i++)
        if (!params[i].optional && a[i].kind == V_MISSING)
            return fail(m, "%s: argument %zu is missing", row->name, i + 1);
    return row->run(m, self, a, args, out);
}

static bool call_joiner(machine *m, cycler *j, const arguments *args, value *out)
{
    if (args->n + args->n_named > 0)
        return fail(m, "a joiner takes no arguments");
    *out = j->at++ > 0 ? j->items.v[0] : value_text(TEXT_EMPTY);
    return true;
}

bool call_value(machine *m, value callee, const arguments *args, value *out)
{
    const value none = {.kind = V_MISSING};
    if (!enter(m))
        return false;
    bool ok = false;
    switch (callee.kind) {
    case V_MACRO:
        ok = call_macro(m, callee.u.macro, args, out);
        break;
    case V_FUNCTION:
        ok = call_native(m, callee.u.function, none, args, out);
        break;
    case V_METHOD:
        ok = call_native(m, callee.u.method->row, callee.u.method->self, args, out);
        break;
    case V_JOINER:
        ok = call_joiner(m, callee.u.cycler, args, out);
        break;
    case V_LOOP:
        if (args->n != 1 || args->n_named > 0)
            return fail(m, "a loop is called with one list");
        ok = call_loop(m, callee.u.loop, args->v[0], out);
        break;
    case V_UNDEFINED:
        return fail_undefined(m, callee);
    default:
        return fail(m, "a %s cannot be called", type_name(callee));
    }
    leave(m);
    return ok;
}

/* ---- reading arguments ------------------------------------------------------------------------------ */

bool argument_text(machine *m, value v, const char *what, text *out)
{
    if (v.kind == V_UNDEFINED)
        return fail_undefined(m, v);
    if (v.kind != V_TEXT)
        return fail(m, "%s must be a string, not a %s", what, type_name(v));
    *out = v.u.t;
    return true;
}

bool argument_int(machine *m, value v, const char *what, int64_t *out)
{
    if (v.kind == V_UNDEFINED)
        return fail_undefined(m, v);
    if (v.kind != V_INT && v.kind != V_BOOL)
        return fail(m, "%s must be an integer, not a %s", what, type_name(v));
    *out = v.kind == V_INT ? v.u.i : v.u.b;
    return true;
}

bool argument_true(machine *m, value v, bool *out)
{
    return truth(m, v, out);
}
