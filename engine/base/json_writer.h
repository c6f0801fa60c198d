/* json_writer.h - writing JSON: commas, nesting, numbers and quoting in one place.
 *
 * Values are appended in order; inside an object each has a key, inside an array the key is NULL.
 * The first failure (only memory can run out) is kept and reported once by json_writer_finish(),
 * so that writers stay straight lines. Strings are quoted by json_quote(): the document is always
 * valid UTF-8. It is compact, on one line.
 */
#ifndef ENGINE_JSON_WRITER_H
#define ENGINE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "buf.h"

/* Room for any value of json.h, and some levels around it. */
enum { JSON_WRITER_DEPTH = 80 };

/* {.out = &buffer, .err = err} is ready to use. */
typedef struct json_writer {
    buf *out;
    error *err;
    bool failed;
    bool comma;                   /* a value stands before the next one */
    char ends[JSON_WRITER_DEPTH]; /* the brackets that are still open, innermost last */
    int depth;
} json_writer;

void json_begin_object(json_writer *e, const char *key);
void json_begin_array(json_writer *e, const char *key);
void json_end(json_writer *e); /* of the innermost object or array */

void json_put_text(json_writer *e, const char *key, const char *text); /* NULL = null */
void json_put_bytes(json_writer *e, const char *key, const char *bytes, size_t n);
void json_put_int(json_writer *e, const char *key, int64_t value);
void json_put_count(json_writer *e, const char *key, uint64_t value);
/* The shortest decimal that reads back as the same number; null for NaN and infinities. */
void json_put_number(json_writer *e, const char *key, double value);
void json_put_float(json_writer *e, const char *key, float value);
void json_put_bool(json_writer *e, const char *key, bool value);
void json_put_null(json_writer *e, const char *key);
/* A json of json.h as it was read; NULL = null. */
struct cJSON;
void json_put_value(json_writer *e, const char *key, const struct cJSON *v);

/* 0, or -1 when something could not be written. Everything that was opened must be closed. */
int json_writer_finish(json_writer *e);

#endif
