/* value.h - the values a template computes with, and the text that knows whose it is.
 *
 * A text is a view of a stretch of a buffer. The buffer holds UTF-8 and, beside it, runs: from
 * which byte on the characters are whose. Slices share the buffer, and what is joined is copied run
 * by run, so no operation has to think of origins; only one that makes new characters must say to
 * whom they belong. A buffer grows at its end while no other text has grown there (s = s ~ x is
 * linear), but never changes what a view can see. Buffers of templates and data never grow.
 *
 * Every value carries an origin: of a number, a truth or None whose characters they would be when
 * printed, of a container whose brackets and length they are.
 */
#ifndef ENGINE_JINJA_VALUE_H
#define ENGINE_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

typedef struct machine machine;

#define NOWHERE UINT32_MAX /* JINJA_NOWHERE within a buffer */

typedef struct text_run {
    uint32_t start;  /* in the buffer */
    uint32_t origin; /* JINJA_TEMPLATE ... */
    uint32_t offset; /* of the first character in its origin's text, or NOWHERE */
} text_run;

typedef struct text_buf {
    char *v;
    uint32_t used, cap;
    text_run *runs; /* at least one when used > 0; starts ascend from 0 */
    uint32_t n_runs, cap_runs;
    bool ascii; /* every byte so far is below 0x80 */
} text_buf;

typedef struct text {
    text_buf *buf; /* NULL when len is 0 */
    uint32_t off, len;
} text;

typedef enum value_kind {
    V_MISSING, /* an argument that was not given; never seen by a template */
    V_UNDEFINED,
    V_NONE,
    V_BOOL,
    V_INT,
    V_FLOAT,
    V_TEXT,
    V_LIST,
    V_TUPLE,
    V_DICT,
    V_VIEW,     /* keys(), values(), items() of a dict */
    V_RANGE,    /* range(...) */
    V_ITERATOR, /* what map, select, reverse, ... give: goes through its elements once */
    V_NAMESPACE,
    V_LOOP,
    V_MACRO,
    V_FUNCTION, /* a global: range, dict, namespace, ... */
    V_METHOD,   /* "text".upper, dict.items, ... bound to its object */
    V_CYCLER,
    V_JOINER,
} value_kind;

/* What an undefined value says about itself when it is used. */
typedef enum undefined_why {
    U_NAME,
    U_ATTRIBUTE,
    U_ELEMENT,
    U_UNSAFE,
    U_PARAMETER,
    U_HINT
} undefined_why;
typedef enum view_of { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS } view_of;

typedef struct value {
    uint8_t kind;
    uint8_t flag;    /* V_TEXT: it is Markup; V_UNDEFINED: its why; V_VIEW: of what */
    uint32_t origin; /* not of V_TEXT, whose runs say it */
    union {
        bool b;
        int64_t i;
        double f;
        text t; /* V_TEXT; V_UNDEFINED: the name or hint */
        struct list *list;
        struct dict *dict; /* V_DICT, V_VIEW, V_NAMESPACE */
        struct range *range;
        struct iterator *iterator;
        struct loop *loop;
        struct macro *macro;
        const struct native_row *function;
        struct method *method;
        struct cycler *cycler; /* V_CYCLER, V_JOINER */
    } u;
} value;

typedef struct list {
    value *v;
    size_t n, cap;
    bool group; /* a tuple of groupby: .grouper and .list */
} list;

typedef struct dict_entry {
    value key, value;
    uint64_t hash;
} dict_entry;

/* In order of insertion; nothing is ever removed. */
typedef struct dict {
    dict_entry *v;
    size_t n, cap;
    uint32_t *slots; /* entry + 1, open addressing; NULL while the dict is small */
    size_t n_slots;
} dict;

typedef struct range {
    int64_t start, stop, step;
    int64_t n;
} range;

typedef struct iterator {
    list items;
    size_t at;
} iterator;

typedef struct method {
    value self;
    const struct native_row *row;
} method;

typedef struct cycler {
    list items; /* a joiner's separator is items.v[0] */
    size_t at;
} cycler;

/* ---- making ------------------------------------------------------------------------------------- */

value value_undefined(undefined_why why, text name);
value value_none(void);
value value_bool(bool b);
value value_int(int64_t i, uint32_t origin);
value value_float(double f, uint32_t origin);
value value_text(text t);
value value_list(list *l, uint32_t origin);
value value_tuple(list *l, uint32_t origin);
value value_dict(dict *d, uint32_t origin);

/* An empty list with room for n elements; NULL = no memory. These take an arena, because data is
 * built without a machine. */
list *list_new(arena *a, size_t n);
bool list_add(arena *a, list *l, value v);
dict *dict_new(arena *a);
/* *steps (may be NULL) counts the probes. 0, or -1 without memory; the key is hashable. */
int dict_put(arena *a, dict *d, value key, value v, size_t *steps);
value *dict_find(const dict *d, value key, size_t *steps); /* NULL = absent */
value *dict_find_name(const dict *d, const char *name, size_t len);
bool value_hashable(value v);
int compare_numbers(value a, value b); /* <0, 0, >0; 2 = no order (nan) */
bool value_is_number(value v);         /* int, float or bool */
double value_double(value v);

/* ---- text --------------------------------------------------------------------------------------- */

#define TEXT_EMPTY ((text){0})

const char *text_bytes(text t); /* never NULL */
bool text_equal(text a, text b);
bool text_is(text t, const char *s);
/* The part of t from byte `from`, of n bytes. */
text text_part(text t, size_t from, size_t n);
/* A buffer of exactly these bytes, all of one origin, that never grows; false = no memory. */
bool text_keep(arena *a, const char *bytes, size_t n, uint32_t origin, uint32_t offset, text *out);
/* The origin that a character computed from all of t has: the first that is not the template's. */
uint32_t text_origin(text t);
uint32_t value_origin(value v); /* of what is counted or made of all of v */
/* The run at byte `at` < t.len of a text: its origin and offset there, and how many bytes of t
 * from there on it covers. */
text_run text_run_at(text t, size_t at, size_t *covers);

#endif
