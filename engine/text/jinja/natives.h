/* natives.h - filters, tests, methods and globals: tables of {name, function, parameters}.
 *
 * params is a list of names, "?" behind one that may be left out: "width?,first?". "_" is one that
 * has no name (positional only), "*" takes whatever is given. The caller binds and checks the
 * arguments, so a function finds a[i] set or V_MISSING and never counts.
 */
#ifndef ENGINE_JINJA_NATIVES_H
#define ENGINE_JINJA_NATIVES_H

#include "machine.h"

enum { PARAMS_MAX = 6 };

/* self: what the filter or test is applied to, the method's object; V_MISSING for a global. */
typedef bool native(machine *m, value self, const value *a, const arguments *all, value *out);

typedef struct native_row {
    const char *name;
    native *run;
    const char *params;
} native_row;

const native_row *filter_find(text name); /* NULL = no such filter */
const native_row *test_find(text name);
const native_row *test_find_word(const char *name); /* one that is known */
const native_row *global_find(text name);
/* NULL = the type has no such method. */
const native_row *method_find(value of, text name);

/* One row of a table that ends with a NULL name. */
const native_row *row_find(const native_row *rows, text name);
bool call_native(machine *m, const native_row *row, value self, const arguments *args, value *out);

/* Arguments of one type; the error says `what` they are. */
bool argument_text(machine *m, value v, const char *what, text *out);
bool argument_int(machine *m, value v, const char *what, int64_t *out);
bool argument_true(machine *m, value v, bool *out); /* V_MISSING is false */

/* The tables, one per file. */
extern const native_row filters_text[], filters_lists[], filters_select[];
extern const native_row methods_text[], methods_text_query[];

/* Shared by filters and methods of texts (text_ops.c). */
typedef enum letter_case {
    CASE_UPPER,
    CASE_LOWER,
    CASE_TITLE,
    CASE_CAPITAL,
    CASE_SWAP,
    CASE_FOLD
} letter_case;
bool change_case(machine *m, text t, letter_case to, text *out);
/* Takes characters of `chars` (white space when it is NULL) off both ends. */
bool strip_text(machine *m, text t, const text *chars, bool left, bool right, text *out);
bool replace_text(machine *m, text t, text old, text new, int64_t count, text *out);
bool pad_text(machine *m, text t, int64_t width, text fill, char align, text *out);
bool split_lines(machine *m, text t, bool keep_ends, list *out);
bool make_iterator(machine *m, const list *items, uint32_t origin, value *out);
/* str.format and format_map (format_fields.c). */
bool format_fields(machine *m, text pattern, const arguments *args, value *out);
bool strftime_now(machine *m, value self, const value *a, const arguments *all, value *out);
bool tojson(machine *m, value self, const value *a, const arguments *all, value *out);

#endif
