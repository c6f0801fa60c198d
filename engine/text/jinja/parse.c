/* parse.c - what all of the parser shares: tokens, nodes, names; and jinja_parse itself.
 *
 * A parser by recursive descent with one token of look-ahead. Nodes, their lists and all words
 * of the template lie in the template's arena and never change after parsing. Every distinct
 * word is kept once; one that is used as a variable has a number besides, so that scopes
 * compare numbers and jinja_reads() can say whether a template ever asks for a name.
 *
 * Depth is bounded twice: parse_enter() while parsing, and the height of each finished node, so
 * that whoever walks the tree later needs no bound of its own.
 */
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/utf8.h"
#include "jinja.h"

int parse_fail(parser *p, const token *at, const char *format, ...)
{
    char sentence[sizeof p->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return template_error(p->err, at->line, at->column, "%s", sentence);
}

int parse_advance(parser *p)
{
    p->now = p->next;
    return p->next.kind == T_EOF ? 0 : lex_next(&p->lex, &p->next);
}

bool parse_is_op(const token *t, const char *op)
{
    return t->kind == T_OPERATOR && strcmp(t->op, op) == 0;
}

bool parse_is_name(const token *t, const char *name)
{
    return t->kind == T_NAME && t->len == strlen(name) && memcmp(t->at, name, t->len) == 0;
}

int parse_skip_op(parser *p, const char *op)
{
    return parse_is_op(&p->now, op) ? (parse_advance(p) ? -1 : 1) : 0;
}

int parse_skip_name(parser *p, const char *name)
{
    return parse_is_name(&p->now, name) ? (parse_advance(p) ? -1 : 1) : 0;
}

/* What a token is called in an error; out holds a cut name. */
static const char *token_name(const token *t, char out[64])
{
    static const char *const names[] = {
        [T_EOF] = "the end of the template",
        [T_DATA] = "text",
        [T_OUTPUT_BEGIN] = "'{{'",
        [T_OUTPUT_END] = "'}}'",
        [T_BLOCK_BEGIN] = "'{%'",
        [T_BLOCK_END] = "'%}'",
        [T_STRING] = "a string",
        [T_INT] = "a number",
        [T_FLOAT] = "a number",
    };
    if (t->kind == T_NAME)
        snprintf(out, 64, "'%.*s'", t->len > 40 ? 40 : (int)t->len, t->at);
    else if (t->kind == T_OPERATOR)
        snprintf(out, 64, "'%s'", t->op);
    else
        snprintf(out, 64, "%s", names[t->kind]);
    return out;
}

int parse_expect_op(parser *p, const char *op)
{
    char name[64];
    int was = parse_skip_op(p, op);
    return was ? (was > 0 ? 0 : -1)
               : parse_fail(p, &p->now, "expected '%s', not %s", op, token_name(&p->now, name));
}

int parse_expect_name(parser *p, const char *word)
{
    char name[64];
    int was = parse_skip_name(p, word);
    return was ? (was > 0 ? 0 : -1)
               : parse_fail(p, &p->now, "expected '%s', not %s", word, token_name(&p->now, name));
}

int parse_expect_kind(parser *p, token_kind kind, const char *what)
{
    char name[64];
    if (p->now.kind != kind)
        return parse_fail(p, &p->now, "expected %s, not %s", what, token_name(&p->now, name));
    return parse_advance(p);
}

int parse_enter(parser *p)
{
    if (p->depth == PARSE_DEPTH_MAX)
        return parse_fail(p, &p->now, "nested deeper than %d levels", PARSE_DEPTH_MAX);
    p->depth++;
    return 0;
}

void parse_leave(parser *p)
{
    p->depth--;
}

/* ---- nodes -------------------------------------------------------------------------------------- */

static int out_of_memory(parser *p)
{
    if (p->t->mem.full)
        return parse_fail(p, &p->now, "the template is too large");
    return error_memory(p->err, "a template");
}

node *parse_node(parser *p, node_kind kind, const token *at)
{
    node *n = arena_take(&p->t->mem, sizeof *n);
    if (n == NULL) {
        out_of_memory(p);
        return NULL;
    }
    *n = (node){.kind = (uint8_t)kind, .line = at->line, .column = at->column, .height = 1};
    return n;
}

int parse_add(parser *p, nodes *to, node *n)
{
    if (n == NULL)
        return -1;
    if (to->n == to->cap) {
        uint32_t cap = to->cap < 4 ? 4 : 2 * to->cap;
        node **grown = arena_array(&p->t->mem, cap, sizeof(node *));
        if (grown == NULL)
            return out_of_memory(p);
        if (to->n > 0)
            memcpy(grown, to->v, to->n * sizeof(node *));
        to->v = grown;
        to->cap = cap;
    }
    to->v[to->n++] = n;
    return 0;
}

static void raise_height(node *n, const node *below)
{
    if (below != NULL && below->height >= n->height)
        n->height = (uint16_t)(below->height + 1);
}

node *parse_done(parser *p, node *n)
{
    raise_height(n, n->a);
    raise_height(n, n->b);
    raise_height(n, n->c);
    for (uint32_t i = 0; i < n->list.n; i++)
        raise_height(n, n->list.v[i]);
    for (uint32_t i = 0; i < n->more.n; i++)
        raise_height(n, n->more.v[i]);
    if (n->height <= NODE_HEIGHT_MAX)
        return n;
    token at = {.line = n->line, .column = n->column};
    parse_fail(p, &at, "nested deeper than %d levels", NODE_HEIGHT_MAX);
    return NULL;
}

/* Every word is kept once, as the key of t->words; its value is the number of the name, if any. */
static int keep_word(parser *p, const char *bytes, size_t len, value **entry, value *key)
{
    text t;
    *entry = dict_find_name(p->t->words, bytes, len);
    if (!text_keep(&p->t->mem, bytes, len, JINJA_TEMPLATE, 0, &t))
        return out_of_memory(p);
    *key = value_text(t);
    if (*entry == NULL && dict_put(&p->t->mem, p->t->words, *key, value_none(), NULL))
        return out_of_memory(p);
    *entry = dict_find_name(p->t->words, bytes, len);
    return 0;
}

int parse_word(parser *p, const token *t, value *out)
{
    value *entry;
    return keep_word(p, t->at, t->len, &entry, out);
}

static int symbol(parser *p, const char *bytes, size_t len, uint32_t *sym)
{
    value *entry, key;
    if (keep_word(p, bytes, len, &entry, &key))
        return -1;
    if (entry->kind == V_INT) {
        *sym = (uint32_t)entry->u.i;
        return 0;
    }
    jinja_template *t = p->t;
    if (t->n_names == t->cap_names) {
        uint32_t cap = t->cap_names < 32 ? 32 : 2 * t->cap_names;
        text *grown = arena_array(&t->mem, cap, sizeof *grown);
        if (grown == NULL)
            return out_of_memory(p);
        if (t->n_names > 0)
            memcpy(grown, t->names, t->n_names * sizeof *grown);
        t->names = grown;
        t->cap_names = cap;
    }
    *sym = t->n_names;
    *entry = value_int(t->n_names, 0);
    t->names[t->n_names++] = key.u.t;
    return 0;
}

int parse_symbol(parser *p, const token *t, uint32_t *sym)
{
    return symbol(p, t->at, t->len, sym);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static int parse_start(parser *p, const char *source, size_t len)
{
    jinja_template *t = p->t;
    size_t offset;
    if (!utf8_check(source, len, &offset))
        return error_set(p->err, ERROR_LOAD, "chat template: offset %zu: not valid UTF-8", offset);
    t->words = dict_new(&t->mem);
    p->lex = (lexer){.mem = &t->mem, .err = p->err, .line = 1, .column = 1, .line_starting = true};
    p->lex.text = lex_normalise(&t->mem, source, len, &p->lex.len);
    if (t->words == NULL || p->lex.text == NULL)
        return out_of_memory(p);
    if (symbol(p, "loop", 4, &t->sym_loop) || symbol(p, "caller", 6, &t->sym_caller) ||
        symbol(p, "kwargs", 6, &t->sym_kwargs) || symbol(p, "varargs", 7, &t->sym_varargs))
        return -1;
    p->next.kind = T_DATA; /* anything but the end */
    return parse_advance(p) || parse_advance(p) ? -1 : 0;
}

int jinja_parse(const char *source, size_t len, jinja_template **out, error *err)
{
    error unused;
    *out = NULL;
    jinja_template *t = calloc(1, sizeof *t);
    if (t == NULL)
        return error_memory(err, "a template");
    t->mem.limit = TEMPLATE_MEMORY;
    parser *p = calloc(1, sizeof *p);
    int failed = -1;
    if (p == NULL) {
        error_memory(err, "a template");
    } else {
        p->t = t;
        p->err = err ? err : &unused;
        failed = parse_start(p, source, len) || parse_body(p, NULL, &t->body);
    }
    free(p);
    if (failed)
        jinja_close(t);
    else
        *out = t;
    return failed ? -1 : 0;
}

void jinja_close(jinja_template *t)
{
    if (t != NULL)
        arena_release(&t->mem);
    free(t);
}

bool jinja_reads(const jinja_template *t, const char *name)
{
    return dict_find_name(t->words, name, strlen(name)) != NULL;
}
