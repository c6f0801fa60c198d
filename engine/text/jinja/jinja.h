/* jinja.h - runs the Jinja that chat templates are written in, and tells whose every character is.
 *
 * A chat template is a program in a file from strangers. It is run here by a small interpreter that
 * can do nothing but make text: it reaches no file, no environment and no network, knows no clock
 * but the day it is given, and is bounded in steps, depth, memory and output. What it means is what
 * jinja2 3.1's ImmutableSandboxedEnvironment makes of it with the settings of transformers
 * (trim_blocks, lstrip_blocks, loop controls, generation, tojson, raise_exception, strftime_now).
 * A construct, filter, test, method or option that is not built here is refused by its name, never
 * guessed; so are what jinja2 refuses and integers beyond 64 bits.
 *
 * Promise: every character of the output carries where it came from. A run says for a stretch of
 * bytes either JINJA_TEMPLATE (the template's own text and literals, and what the caller gave as
 * trusted: bos_token, eos_token) or the origin the caller named. Only characters of
 * JINJA_TEMPLATE may become special tokens. What came from an origin keeps it through every
 * operation: slices, trim, split, replace, join, sort, ~, +, *, %, format, upper, tojson (escapes
 * too), dict keys, namespaces, macros, captures and str() of a list that holds it. A character
 * that is computed from an origin's text or number (upper case, an escape, a digit of its length)
 * belongs to that origin as well, with offset JINJA_NOWHERE. Strings that are equal are never
 * exchanged for one another. Nothing turns an origin into JINJA_TEMPLATE. A template may of course
 * print its own text because of what an origin says ("if", or an index): that text is its own.
 *
 * So a special token is real only where all of its bytes are JINJA_TEMPLATE; one that is half of
 * the template and half of a message is text.
 *
 * A parsed template and filled data never change again: many threads may render them at once.
 */
#ifndef ENGINE_JINJA_JINJA_H
#define ENGINE_JINJA_JINJA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../../../kernels/error.h"

/* The origin of the template's characters and of what the caller vouches for. */
enum { JINJA_TEMPLATE = 0 };
/* The offset of a character that stands nowhere in its origin's text as it is. */
#define JINJA_NOWHERE ((size_t)-1)

/* ---- the program ------------------------------------------------------------------------------ */

typedef struct jinja_template jinja_template;

/* Parses UTF-8 text[0..len), which is copied. ERROR_LOAD "chat template, line L, column C: ..." for
 * what is no Jinja and for names of filters, tests and tags that are not known; L and C count from
 * 1, C in characters. Caller owns *out. */
int jinja_parse(const char *text, size_t len, jinja_template **out, error *err);
void jinja_close(jinja_template *t); /* NULL ok */

/* True when the template reads a variable of this name anywhere ("tools", "enable_thinking",
 * "strftime_now"), or an attribute or item of this name ("reasoning_content"). */
bool jinja_reads(const jinja_template *t, const char *name);

/* ---- what it is given --------------------------------------------------------------------------- */

/* A tree of values, its root a dict of the variables. The functions below copy what they get and
 * return a value that belongs to d. Memory that fails, text that is no UTF-8 and a NULL value are
 * remembered: jinja_render then fails with the reason, so nothing need be checked in between. The
 * same value may be put in several places. */
typedef struct jinja_data jinja_data;
typedef struct jinja_value jinja_value;

jinja_data *jinja_data_open(void);    /* NULL = no memory */
void jinja_data_close(jinja_data *d); /* NULL ok */
jinja_value *jinja_root(jinja_data *d);

/* origin: JINJA_TEMPLATE for trusted text, else any number that says to the caller whose it is. */
jinja_value *jinja_text(jinja_data *d, const char *text, size_t len, uint32_t origin);
jinja_value *jinja_int(jinja_data *d, int64_t number, uint32_t origin);
jinja_value *jinja_bool(jinja_data *d, bool is);
jinja_value *jinja_none(jinja_data *d);
jinja_value *jinja_list(jinja_data *d);
jinja_value *jinja_dict(jinja_data *d);
/* A whole JSON text: its strings, keys and numbers all have this origin, with JINJA_NOWHERE as
 * offsets. NULL and ERROR_LOAD "WHERE: offset N: ..." when it is none; that is not remembered. */
jinja_value *jinja_json(jinja_data *d, const char *where, const char *text, size_t len,
                        uint32_t origin, error *err);

void jinja_push(jinja_data *d, jinja_value *list, jinja_value *element);
/* The key is the program's own word ("role") and thus JINJA_TEMPLATE; jinja_put_text takes any
 * text value as key. A key that is there gets the new value. */
void jinja_put(jinja_data *d, jinja_value *dict, const char *key, jinja_value *value);
void jinja_put_text(jinja_data *d, jinja_value *dict, jinja_value *key, jinja_value *value);
/* The same for a variable: jinja_put into the root. */
void jinja_set(jinja_data *d, const char *name, jinja_value *value);
/* Every entry of a dict becomes a variable. */
void jinja_set_all(jinja_data *d, jinja_value *dict);

/* ---- running it --------------------------------------------------------------------------------- */

/* The bounds of a rendering where the caller names no others: below 64 MB all together. */
enum { JINJA_STEPS = 2000000, JINJA_MEMORY = 40 << 20, JINJA_OUTPUT = 8 << 20 };

/* 0 in any field = the default. */
typedef struct jinja_limits {
    size_t steps;  /* nodes evaluated and blocks of bytes touched; JINJA_STEPS */
    size_t memory; /* bytes that rendering allocates; JINJA_MEMORY */
    size_t output; /* bytes of the result; JINJA_OUTPUT */
} jinja_limits;

typedef struct jinja_run {
    size_t len;      /* bytes, > 0 */
    uint32_t origin; /* JINJA_TEMPLATE or the caller's */
    size_t offset;   /* byte offset in the text given to jinja_text, or JINJA_NOWHERE */
} jinja_run;

/* {0} is valid and empty. The runs cover text[0..len) in order; neighbours differ. */
typedef struct jinja_output {
    char *text; /* UTF-8 with a NUL behind it that is not counted */
    size_t len;
    jinja_run *runs;
    size_t n_runs;
} jinja_output;

/* now: what strftime_now is told, its tm_wday and tm_yday included; NULL refuses the call. limits:
 * NULL = defaults. ERROR_LOAD with line and column for what the template does wrong, what it says
 * with raise_exception ("... the template refuses: WORDS"; the words are its own and may hold
 * anything) and a bound it ran into; ERROR_RUN without memory. *out is empty after an error; caller
 * releases it. */
int jinja_render(const jinja_template *t, const jinja_data *d, const struct tm *now,
                 const jinja_limits *limits, jinja_output *out, error *err);
void jinja_output_release(jinja_output *o); /* frees and empties */

#endif
