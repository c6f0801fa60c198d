/* machine.h - one rendering: its memory, its bounds, its variables and what it has written.
 *
 * Whatever can fail returns false after fail(), which writes the sentence with the line and column
 * of the node being run; nothing is undone, because the machine ends with the rendering. Every node
 * costs a step and every 16 bytes that are touched cost one more, so a template's time is bounded
 * by its steps whatever it does; depth bounds the C stack.
 */
#ifndef ENGINE_JINJA_MACHINE_H
#define ENGINE_JINJA_MACHINE_H

#include "jinja.h"
#include "node.h"
#include "value.h"

enum { DEPTH_MAX = 500, RANGE_MAX = 100000 };

typedef struct binding {
    uint32_t sym;
    value v;
} binding;

/* A for loop's iteration, a macro's call, a block: what is set in it is not seen outside. */
typedef struct scope {
    struct scope *parent;
    binding *v;
    size_t n, cap;
} scope;

/* A loop's filter is asked as late as jinja2 does it, because the body may change what it says:
 * items holds the elements that passed so far. */
typedef struct loop {
    const node *node;
    list items, source;
    size_t index, taken; /* the current item; how many of source were looked at */
    int64_t depth0;
    scope *outside;  /* where the loop stands */
    value changed;   /* the last arguments of loop.changed, a tuple; V_MISSING at first */
    uint32_t origin; /* of its length */
} loop;

typedef struct macro {
    const node *node;
    scope *outside;
} macro;

struct machine {
    arena mem;
    const jinja_template *program;
    const dict *variables;
    const struct tm *now;
    error *err;
    const node *at; /* what is being run */
    scope *scope;
    text *out; /* what output is added to */
    size_t steps, output_max;
    unsigned depth;
};

/* Writes the sentence with its place; returns false. */
bool fail(machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fail_memory(machine *m);
/* Takes steps; false when none are left. */
bool spend(machine *m, size_t steps);
bool spend_bytes(machine *m, size_t bytes);
bool enter(machine *m); /* one level deeper, or too deep */
void leave(machine *m);

void *take(machine *m, size_t n); /* NULL after fail_memory() */
list *make_list(machine *m, size_t n);
bool push(machine *m, list *l, value v);
bool put(machine *m, dict *d, value key, value v);
/* The value of a key: 1 = found, 0 = not there, -1 after fail(). */
int lookup(machine *m, const dict *d, value key, value *out);

/* ---- making text (make.c) ----------------------------------------------------------------------- */

/* t + more; t may grow where it is. */
bool add_text(machine *m, text *t, text more);
/* New characters that belong to an origin. */
bool add_bytes(machine *m, text *t, const char *bytes, size_t n, uint32_t origin);
bool add_word(machine *m, text *t, const char *word, uint32_t origin);
bool add_char(machine *m, text *t, uint32_t c, uint32_t origin);
bool add_repeated(machine *m, text *t, text piece, size_t times);
/* A word of the interpreter's own, which counts as the template's. */
bool word_value(machine *m, const char *word, value *out);

size_t text_chars(machine *m, text t); /* code points; SIZE_MAX after fail() */
/* The part from code point `from` up to `to`, both within the text. */
bool text_slice(machine *m, text t, size_t from, size_t to, text *out);
/* Where `needle` first stands in t from byte `from` on: its byte, or SIZE_MAX. Linear time. */
size_t text_find(text t, text needle, size_t from);
/* The same for the last one; it spends what it reads beyond once over t. */
bool text_rfind(machine *m, text t, text needle, size_t *out);

/* ---- variables and running (scope.c, eval.c, exec.c, call.c) --------------------------------------- */

scope *scope_new(machine *m, scope *parent);
bool scope_set(machine *m, uint32_t sym, value v); /* in the innermost scope */
bool scope_get(machine *m, uint32_t sym, value *out);

bool eval(machine *m, const node *n, value *out);

typedef enum flow { FLOW_FAIL, FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
flow run_body(machine *m, const nodes *body);
bool call_loop(machine *m, loop *outer, value items, value *out);
/* Looks at the source until there are n items, or no more. */
bool loop_fill(machine *m, loop *l, size_t n);

typedef struct named_argument {
    text name;
    value v;
} named_argument;

typedef struct arguments {
    value *v;
    size_t n;
    named_argument *named;
    size_t n_named;
} arguments;

bool eval_arguments(machine *m, const node *call, arguments *out);
bool call_value(machine *m, value callee, const arguments *args, value *out);
bool run_filter(machine *m, const node *n, value input, value *out);

/* ---- what operators and natives share (ops.c, attributes.c) ------------------------------------------ */

bool truth(machine *m, value v, bool *out);
const char *type_name(value v); /* as Python says it */
/* Python's == with lists and dicts; false only after fail(). */
bool equal(machine *m, value a, value b, bool *out);
/* <0, 0, >0 in *out, or 2 when neither is smaller (nan); fails for what has no order. */
bool order(machine *m, value a, value b, int *out);
bool compare(machine *m, operator op, value a, value b, bool *out);
bool contains(machine *m, value container, value v, bool *out);
bool binary(machine *m, operator op, value a, value b, value *out);
bool unary(machine *m, operator op, value a, value *out);
/* a + b of texts; Markup escapes what is none (markup.c). */
bool concat_texts(machine *m, value a, value b, value *out);
bool escape_text(machine *m, text t, text *out); /* & < > ' " for HTML */
/* "%s..." % b (format_percent.c); b is a tuple of arguments, a dict of them or the only one. */
bool format_percent(machine *m, value a, value b, value *out);
bool fail_undefined(machine *m, value v);
/* The elements of anything that can be gone through; *out is borrowed or new, not to be changed. */
bool elements(machine *m, value v, list *out);
bool is_iterable(value v);
/* The number of elements: 1, 0 when it has none to count, -1 after fail(). */
int length_of(machine *m, value v, int64_t *out, uint32_t *origin);
bool get_attribute(machine *m, value of, text name, value *out);
/* What Python's getattr finds: 1 = *out, 0 = nothing, -1 after fail(). */
int own_attribute(machine *m, value of, text name, value *out);
bool get_item(machine *m, value of, value key, value *out);
bool get_slice(machine *m, value of, const value bounds[3], value *out);
/* "a.0.b": attributes of attributes; path may also be an int. */
bool get_path(machine *m, value of, value path, value *out);
/* The same with what stands for anything undefined on the way; NULL or None for nothing. */
bool get_path_or(machine *m, value of, value path, const value *otherwise, value *out);

/* ---- printing (print.c, json_text.c, number.c) ------------------------------------------------------- */

bool add_str(machine *m, text *t, value v);  /* str(v) */
bool add_repr(machine *m, text *t, value v); /* repr(v) */
bool str_of(machine *m, value v, text *out); /* a text is itself */
typedef struct json_style {
    bool ascii, sort;
    bool broken; /* over lines, with this indent */
    text indent;
    bool given; /* the next two are */
    text between, colon;
} json_style;

/* repr of a float; out has room for 32 bytes. Returns the length. */
size_t format_double(double f, char out[32]);

#endif
