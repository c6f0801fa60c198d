/* parse_statements.c - tags. Source: the grammar of jinja2 3.1's parser, statement by statement.
 *
 * parse_body() reads data, {{ }} and tags until a tag that its caller waits for ("else",
 * "endif"), which it leaves unread. A tag's name picks its function from the table in tag_of();
 * each reads its head, then its bodies through parse_body() again. So nesting in the template
 * is recursion here, bounded by parse_enter().
 *
 * Bodies of macros, calls and filters are functions of their own in jinja2: "break" inside one
 * does not see the loop around it (parse_function). A macro notes while it is parsed whether it
 * reads caller, varargs or kwargs, because only then may it be given them.
 */
#include <stdio.h>
#include <string.h>

#include "jinja.h"
#include "parse.h"

typedef node *(*tag_parser)(parser *p, const token *at);

static const tuple_rules ANY = {.conditional = true};
static const tuple_rules NO_CONDITION = {0};

static bool sets_loop(const parser *p, const node *n)
{
    if (n->kind == N_TUPLE)
        for (uint32_t i = 0; i < n->list.n; i++)
            if (sets_loop(p, n->list.v[i]))
                return true;
    return n->kind == N_NAME && n->sym == p->t->sym_loop;
}

static bool can_assign(const node *n)
{
    if (n->kind == N_TUPLE)
        for (uint32_t i = 0; i < n->list.n; i++)
            if (!can_assign(n->list.v[i]))
                return false;
    return n->kind == N_NAME || n->kind == N_TUPLE || n->kind == N_NSREF;
}

static node *parse_target(parser *p, const char *end_name, bool attributes)
{
    token at = p->now;
    const tuple_rules rules = {.simplified = true, .end_name = end_name, .attributes = attributes};
    node *n = parse_tuple(p, &rules);
    if (n != NULL && !can_assign(n)) {
        parse_fail(p, &at, "this cannot be assigned to");
        return NULL;
    }
    if (n != NULL && (p->loops > 0 || end_name != NULL) && sets_loop(p, n)) {
        parse_fail(p, &at, "'loop' cannot be assigned to in a loop");
        return NULL;
    }
    return n;
}

static bool is_constant_name(const token *t)
{
    static const char *const names[] = {"true", "false", "none", "True", "False", "None"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (parse_is_name(t, names[i]))
            return true;
    return false;
}

/* A name that gets a value: of a macro or a parameter. */
static node *parse_name_target(parser *p, node_kind kind)
{
    node *n = parse_node(p, kind, &p->now);
    if (n == NULL)
        return NULL;
    if (p->now.kind == T_NAME && is_constant_name(&p->now)) {
        parse_fail(p, &p->now, "a constant cannot be assigned to");
        return NULL;
    }
    if (p->now.kind == T_NAME &&
        (parse_word(p, &p->now, &n->v) || parse_symbol(p, &p->now, &n->sym)))
        return NULL;
    return parse_expect_kind(p, T_NAME, "a name") ? NULL : n;
}

/* The body of a tag, from its "%}" (a ":" may stand before it) to one of the ends, whose name is
 * left. */
static int parse_block(parser *p, const char *const *ends, nodes *out)
{
    if (parse_skip_op(p, ":") < 0 || parse_expect_kind(p, T_BLOCK_END, "'%}'"))
        return -1;
    return parse_body(p, ends, out);
}

/* The same with one end, which is read too. */
static int parse_closed(parser *p, const char *end, nodes *out)
{
    const char *const ends[] = {end, NULL};
    return parse_block(p, ends, out) || parse_advance(p) ? -1 : 0;
}

static node *tag_set(parser *p, const token *at)
{
    node *n = parse_node(p, N_SET, at);
    if (n == NULL || !(n->a = parse_target(p, NULL, true)))
        return NULL;
    int assigns = parse_skip_op(p, "=");
    if (assigns < 0)
        return NULL;
    if (assigns)
        return (n->b = parse_tuple(p, &ANY)) ? parse_done(p, n) : NULL;
    n->kind = N_SET_BLOCK;
    if (parse_filters(p, NULL, false, &n->b) || parse_closed(p, "endset", &n->list))
        return NULL;
    return parse_done(p, n);
}

/* Bodies that are functions of their own in jinja2: no loop around them can be left. */
static int parse_function(parser *p, const char *end, nodes *out)
{
    unsigned loops = p->loops;
    bool soft = p->soft;
    p->loops = 0;
    p->soft = false;
    int failed = parse_closed(p, end, out);
    p->loops = loops;
    p->soft = soft;
    return failed;
}

static int parse_for_bodies(parser *p, node *n)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    bool soft = p->soft;
    p->soft = false;
    p->loops++;
    int failed = parse_block(p, ends, &n->list);
    p->loops--;
    if (!failed) {
        bool otherwise = parse_is_name(&p->now, "else");
        failed = parse_advance(p) || (otherwise && parse_closed(p, "endfor", &n->more));
    }
    p->soft = soft;
    return failed ? -1 : 0;
}

static node *tag_for(parser *p, const token *at)
{
    const tuple_rules rules = {.end_name = "recursive"};
    node *n = parse_node(p, N_FOR, at);
    if (n == NULL || !(n->a = parse_target(p, "in", false)) || parse_expect_name(p, "in") ||
        !(n->b = parse_tuple(p, &rules)))
        return NULL;
    int filtered = parse_skip_name(p, "if");
    if (filtered < 0 || (filtered && !(n->c = parse_expression(p, true))))
        return NULL;
    int recursive = parse_skip_name(p, "recursive");
    if (recursive < 0)
        return NULL;
    n->flag = (uint8_t)recursive;
    return parse_for_bodies(p, n) ? NULL : parse_done(p, n);
}

static int parse_branches(parser *p, node *n, token at)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    for (;;) {
        node *branch = parse_node(p, N_BRANCH, &at);
        if (branch == NULL || !(branch->a = parse_tuple(p, &NO_CONDITION)) ||
            parse_block(p, ends, &branch->list) || parse_add(p, &n->list, parse_done(p, branch)))
            return -1;
        at = p->now;
        bool again = parse_is_name(&at, "elif"), otherwise = parse_is_name(&at, "else");
        if (parse_advance(p))
            return -1;
        if (!again)
            return otherwise ? parse_closed(p, "endif", &n->more) : 0;
    }
}

static node *tag_if(parser *p, const token *at)
{
    node *n = parse_node(p, N_IF, at);
    bool soft = p->soft;
    p->soft = true;
    int failed = n == NULL || parse_branches(p, n, *at);
    p->soft = soft;
    return failed ? NULL : parse_done(p, n);
}

static int parse_signature(parser *p, node *macro)
{
    bool defaults = false;
    if (parse_expect_op(p, "("))
        return -1;
    while (!parse_is_op(&p->now, ")")) {
        if (macro->list.n > 0 && parse_expect_op(p, ","))
            return -1;
        token at = p->now;
        node *param = parse_name_target(p, N_PARAM);
        int given = param ? parse_skip_op(p, "=") : -1;
        if (given < 0 || (given && !(param->a = parse_expression(p, true))))
            return -1;
        if (defaults && !given)
            return parse_fail(p, &at, "a parameter without a default follows one with a default");
        if (!given && param->sym == p->t->sym_caller)
            return parse_fail(p, &at, "the parameter 'caller' needs a default");
        for (uint32_t i = 0; i < macro->list.n; i++)
            if (macro->list.v[i]->sym == param->sym)
                return parse_fail(p, &at, "two parameters have the same name");
        defaults |= given;
        if (parse_add(p, &macro->list, parse_done(p, param)))
            return -1;
    }
    return parse_advance(p);
}

/* The body of a macro; which special names it reads becomes the macro's flag. */
static node *parse_macro_body(parser *p, node *macro, const char *end)
{
    uint8_t outside = p->special;
    p->special = 0;
    if (parse_function(p, end, &macro->more))
        return NULL;
    macro->flag = p->special;
    p->special |= outside;
    return parse_done(p, macro);
}

static node *tag_macro(parser *p, const token *at)
{
    node *n = parse_name_target(p, N_MACRO);
    if (n == NULL || parse_signature(p, n))
        return NULL;
    n->line = at->line;
    n->column = at->column;
    return parse_macro_body(p, n, "endmacro");
}

static node *tag_call(parser *p, const token *at)
{
    node *n = parse_node(p, N_CALL_BLOCK, at), *body = parse_node(p, N_MACRO, at);
    if (n == NULL || body == NULL || (parse_is_op(&p->now, "(") && parse_signature(p, body)))
        return NULL;
    token call = p->now;
    if (!(n->a = parse_expression(p, true)))
        return NULL;
    if (n->a->kind != N_CALL) {
        parse_fail(p, &call, "expected a call");
        return NULL;
    }
    n->b = parse_macro_body(p, body, "endcall");
    return n->b ? parse_done(p, n) : NULL;
}

static node *tag_filter(parser *p, const token *at)
{
    node *n = parse_node(p, N_FILTER_BLOCK, at);
    if (n == NULL || parse_filters(p, NULL, true, &n->b) || parse_closed(p, "endfilter", &n->list))
        return NULL;
    return parse_done(p, n);
}

static node *tag_generation(parser *p, const token *at)
{
    node *n = parse_node(p, N_GENERATION, at);
    return n == NULL || parse_function(p, "endgeneration", &n->list) ? NULL : parse_done(p, n);
}

static node *tag_with(parser *p, const token *at)
{
    node *n = parse_node(p, N_WITH, at);
    if (n == NULL)
        return NULL;
    while (p->now.kind != T_BLOCK_END) {
        if (n->list.n > 0 && parse_expect_op(p, ","))
            return NULL;
        if (parse_add(p, &n->list, parse_target(p, NULL, false)) || parse_expect_op(p, "=") ||
            parse_add(p, &n->list, parse_expression(p, true)))
            return NULL;
    }
    return parse_closed(p, "endwith", &n->more) ? NULL : parse_done(p, n);
}

static node *tag_print(parser *p, const token *at)
{
    node *n = parse_node(p, N_OUTPUT, at);
    if (n == NULL)
        return NULL;
    while (p->now.kind != T_BLOCK_END) {
        if (n->list.n > 0 && parse_expect_op(p, ","))
            return NULL;
        if (parse_add(p, &n->list, parse_expression(p, true)))
            return NULL;
    }
    return parse_done(p, n);
}

static node *tag_jump(parser *p, const token *at)
{
    if (p->loops == 0) {
        parse_fail(p, at, "break or continue outside of a loop");
        return NULL;
    }
    return parse_node(p, at->at[0] == 'b' ? N_BREAK : N_CONTINUE, at);
}

static node *tag_refused(parser *p, const token *at)
{
    parse_fail(p, at, "the tag '%.*s' is not supported", (int)at->len, at->at);
    return NULL;
}

static tag_parser tag_of(const token *t)
{
    static const struct {
        const char *name;
        tag_parser parse;
    } tags[] = {
        {"set", tag_set},
        {"if", tag_if},
        {"for", tag_for},
        {"macro", tag_macro},
        {"call", tag_call},
        {"filter", tag_filter},
        {"with", tag_with},
        {"print", tag_print},
        {"break", tag_jump},
        {"continue", tag_jump},
        {"include", tag_refused},
        {"import", tag_refused},
        {"from", tag_refused},
        {"extends", tag_refused},
        {"block", tag_refused},
        {"autoescape", tag_refused},
        {"generation", tag_generation},
    };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (parse_is_name(t, tags[i].name))
            return tags[i].parse;
    return NULL;
}

/* One tag behind its "{%". */
static int parse_tag(parser *p, nodes *out)
{
    token at = p->now;
    tag_parser parse = tag_of(&at);
    if (at.kind != T_NAME)
        return parse_fail(p, &at, "a tag begins with a name");
    if (parse == NULL)
        return parse_fail(p, &at, "unknown tag '%.*s'", at.len > 40 ? 40 : (int)at.len, at.at);
    if (parse_enter(p) || parse_advance(p) || parse_add(p, out, parse(p, &at)))
        return -1;
    parse_leave(p);
    return parse_check_known(p) ? -1 : parse_expect_kind(p, T_BLOCK_END, "'%}'");
}

static int parse_output(parser *p, nodes *out)
{
    node *n = parse_node(p, N_OUTPUT, &p->now);
    if (n == NULL || parse_advance(p) || parse_add(p, &n->list, parse_tuple(p, &ANY)) ||
        parse_add(p, out, parse_done(p, n)) || parse_check_known(p))
        return -1;
    return parse_expect_kind(p, T_OUTPUT_END, "'}}'");
}

static int parse_data(parser *p, nodes *out)
{
    node *n = parse_node(p, N_DATA, &p->now);
    text t;
    if (n == NULL)
        return -1;
    if (!text_keep(&p->t->mem, p->now.at, p->now.len, JINJA_TEMPLATE, 0, &t))
        return error_memory(p->err, "a template");
    n->v = value_text(t);
    return parse_add(p, out, n) || parse_advance(p) ? -1 : 0;
}

static bool is_end(const token *t, const char *const *ends)
{
    for (; ends != NULL && *ends != NULL; ends++)
        if (parse_is_name(t, *ends))
            return true;
    return false;
}

int parse_body(parser *p, const char *const *ends, nodes *out)
{
    token begin = p->now;
    while (p->now.kind != T_EOF) {
        if (p->now.kind == T_DATA) {
            if (parse_data(p, out))
                return -1;
        } else if (p->now.kind == T_OUTPUT_BEGIN) {
            if (parse_output(p, out))
                return -1;
        } else {
            if (parse_expect_kind(p, T_BLOCK_BEGIN, "text or a tag"))
                return -1;
            if (is_end(&p->now, ends))
                return 0;
            if (parse_tag(p, out))
                return -1;
        }
    }
    return ends == NULL ? 0 : parse_fail(p, &begin, "this block has no {%% %s %%}", ends[0]);
}
