/* parse.h - tokens to a tree, as jinja2's parser does; private to parse*.c. */
#ifndef ENGINE_JINJA_PARSE_H
#define ENGINE_JINJA_PARSE_H

#include "jinja.h"
#include "lex.h"
#include "node.h"

enum { PARSE_DEPTH_MAX = 100, TEMPLATE_MEMORY = 20 << 20 };

typedef struct parser {
    jinja_template *t;
    error *err;
    lexer lex;
    token now, next; /* the current token and the one behind it */
    unsigned depth;  /* of constructs that are open */
    unsigned loops;  /* of which break and continue may leave one */
    bool soft;       /* within an if: unknown filters and tests are an error only when run */
    token unknown;   /* a filter or test that is not known, T_EOF while there is none */
    uint8_t special; /* MACRO_ bits: names read in the macro's body so far */
} parser;

int parse_fail(parser *p, const token *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int parse_advance(parser *p);
bool parse_is_op(const token *t, const char *op);
bool parse_is_name(const token *t, const char *name);
/* Consumes the token when it is this one; 1 = was, 0 = was not, -1 = the next token is broken. */
int parse_skip_op(parser *p, const char *op);
int parse_skip_name(parser *p, const char *name);
int parse_expect_op(parser *p, const char *op);
int parse_expect_name(parser *p, const char *name);
int parse_expect_kind(parser *p, token_kind kind, const char *what);
/* One construct deeper, or too deep; parse_leave() undoes it. */
int parse_enter(parser *p);
void parse_leave(parser *p);

node *parse_node(parser *p, node_kind kind, const token *at);
int parse_add(parser *p, nodes *to, node *n);
/* Sets n's height from all that is below it; NULL when it is too high. */
node *parse_done(parser *p, node *n);
/* The name in a token as a text value, and its number among the template's names. */
int parse_word(parser *p, const token *t, value *out);
int parse_symbol(parser *p, const token *t, uint32_t *sym);

typedef struct tuple_rules {
    bool simplified;      /* only names and literals */
    bool conditional;     /* "a if b" may stand in it */
    bool parentheses;     /* an empty one is a tuple */
    bool attributes;      /* "name.name" is a namespace's attribute */
    const char *end_name; /* a name that ends it, or NULL */
} tuple_rules;

node *parse_expression(parser *p, bool conditional);
node *parse_tuple(parser *p, const tuple_rules *rules);
node *parse_primary(parser *p, bool attributes);
node *parse_postfix(parser *p, node *n);
node *parse_filter_expr(parser *p, node *n);
/* Fails when an unknown filter or test was read that no inline "if" followed. */
int parse_check_known(parser *p);
/* A chain of filters; inline_start: without the first "|". *out stays NULL when there is none. */
int parse_filters(parser *p, node *input, bool inline_start, node **out);
/* parse_statements.c: up to a tag of `ends` (NULL-terminated; the names are left to be read). */
int parse_body(parser *p, const char *const *ends, nodes *out);

#endif
