/* node.h - a parsed template: a tree of nodes that never changes again.
 *
 * Every node knows its line and column for error messages and how high the tree below it is: the
 * parser refuses trees that are too high, so whoever walks one needs no bound of its own.
 */
#ifndef ENGINE_JINJA_NODE_H
#define ENGINE_JINJA_NODE_H

#include "value.h"

enum { NODE_HEIGHT_MAX = 200 };

typedef enum node_kind {
    /* expressions; what stands in which field */
    N_CONST,   /* v */
    N_NAME,    /* sym */
    N_TUPLE,   /* list */
    N_LIST,    /* list */
    N_DICT,    /* list: key, value, key, value ... */
    N_COND,    /* a if b else c (c may be NULL) */
    N_OR,      /* a, b */
    N_AND,     /* a, b */
    N_NOT,     /* a */
    N_COMPARE, /* a, then list of N_OPERAND */
    N_OPERAND, /* op, a */
    N_BINARY,  /* op, a, b */
    N_UNARY,   /* op, a */
    N_CONCAT,  /* list */
    N_GETATTR, /* a . v (a text) */
    N_GETITEM, /* a [ b ] */
    N_SLICE,   /* a : b : c, each may be NULL */
    N_CALL,    /* a ( list, more: N_KEYWORD, *b, **c ) */
    N_FILTER,  /* a | v (its name); row, arguments as in N_CALL; a NULL = the block's text */
    N_TEST,    /* a is v; row, arguments as in N_CALL */
    N_KEYWORD, /* v (a text) = a */
    /* statements */
    N_OUTPUT,       /* a */
    N_DATA,         /* v */
    N_FOR,          /* a in b if c: list, else more; flag: recursive */
    N_IF,           /* list of N_BRANCH, else more */
    N_BRANCH,       /* a: list */
    N_SET,          /* a = b */
    N_SET_BLOCK,    /* a, filter b or NULL: list */
    N_MACRO,        /* v name, sym; list of N_PARAM: more; flag: MACRO_ bits */
    N_PARAM,        /* v name, sym; a default or NULL */
    N_CALL_BLOCK,   /* a the call, b the N_MACRO of its body */
    N_FILTER_BLOCK, /* b filter: list */
    N_WITH,         /* list: target, value ...; more: body */
    N_GENERATION,   /* list */
    N_BREAK,
    N_CONTINUE,
    N_NSREF, /* sym . v = */
} node_kind;

enum { MACRO_CALLER = 1, MACRO_KWARGS = 2, MACRO_VARARGS = 4 };

typedef enum operator{
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN,
}
operator;

typedef struct node node;

typedef struct nodes {
    node **v;
    uint32_t n, cap;
} nodes;

struct node {
    uint8_t kind, op, flag;
    uint16_t height;
    uint32_t line, column; /* from 1 */
    uint32_t sym;          /* index of a name in the template */
    node *a, *b, *c;
    nodes list, more;
    const struct native_row *row;
    value v;
};

struct jinja_template {
    arena mem;
    nodes body;
    text *names; /* [n_names] by sym */
    uint32_t n_names, cap_names;
    dict *words; /* every name, attribute and literal text, for jinja_reads() */
    uint32_t sym_loop, sym_caller, sym_kwargs, sym_varargs;
};

#endif
