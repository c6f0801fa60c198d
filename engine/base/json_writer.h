/* json_writer.h - writing JSON: commas, nesting, numbers and quoting in one place.
 *
 * Values are appended in order; inside an object each has a key, inside an array the key is NULL.
 * The first failure (only memory can run out) is kept and reported once by emit_finish(), so that
 * writers stay straight lines. Strings are quoted by json_quote(): the document is always valid
 * UTF-8. It is compact, on one line.
 */
#ifndef ENGINE_JSON_WRITER_H
#define ENGINE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "buf.h"

/* Room for any value of json.h, and some levels around it. */
enum { EMIT_DEPTH = 80 };

/* {.out = &buffer, .err = err} is ready to use. */
typedef struct emitter {
    buf *out;
    error *err;
    bool failed;
    bool comma;            /* a value stands before the next one */
    char ends[EMIT_DEPTH]; /* the brackets that are still open, innermost last */
    int depth;
} emitter;

void emit_object(emitter *e, const char *key);
void emit_array(emitter *e, const char *key);
void emit_end(emitter *e); /* of the innermost object or array */

void emit_text(emitter *e, const char *key, const char *text); /* NULL = null */
void emit_bytes(emitter *e, const char *key, const char *bytes, size_t n);
void emit_int(emitter *e, const char *key, int64_t value);
void emit_count(emitter *e, const char *key, uint64_t value);
/* The shortest decimal that reads back as the same number; null for NaN and infinities. */
void emit_number(emitter *e, const char *key, double value);
void emit_float(emitter *e, const char *key, float value);
void emit_bool(emitter *e, const char *key, bool value);
void emit_null(emitter *e, const char *key);
/* A json of json.h as it was read; NULL = null. */
struct cJSON;
void emit_value(emitter *e, const char *key, const struct cJSON *v);

/* 0, or -1 when something could not be written. Everything that was opened must be closed. */
int emit_finish(emitter *e);

#endif
