/* json.h - JSON from strangers: one strict scan, then cJSON, then typed getters.
 *
 * cJSON accepts too much (trailing text, duplicate keys, broken UTF-8, 1000 levels) and converts
 * numbers through int. So json_parse() first scans the whole text: RFC 8259 grammar, valid UTF-8,
 * no byte order mark, no U+0000 in a string, at most JSON_MAX_DEPTH levels and JSON_MAX_VALUES
 * values, no key twice in one object (hashed: linear). Only then cJSON builds the tree; a number
 * longer than 63 characters, which cJSON cannot take, is refused by json_parse().
 *
 * This is the only file that includes cJSON. Getters name the field in their error; `where` in a
 * document is the file's name, put in front of every sentence.
 */
#ifndef ENGINE_JSON_H
#define ENGINE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kernels/error.h"
#include "buf.h"

enum { JSON_MAX_DEPTH = 64, JSON_MAX_VALUES = 8 << 20 };

typedef struct json_document json_document; /* owns the tree */
typedef struct cJSON json;                  /* one value, borrowed from its document */

typedef enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} json_kind;

/* Checks the grammar alone; used by fuzzers too. ERROR_LOAD with the byte offset. */
int json_scan(const char *where, const char *text, size_t len, error *err);

/* text need not end in NUL. Errors (ERROR_LOAD): "where: offset 12: ...". Caller owns. */
json_document *json_parse(const char *where, const char *text, size_t len, error *err);
/* The same for a whole regular file (links allowed) of at most max_bytes. */
json_document *json_load(const char *path, size_t max_bytes, error *err);
void json_close(json_document *d); /* NULL ok */
const json *json_root(const json_document *d);

json_kind json_type(const json *v);
const char *json_key(const json *v);                     /* of a member, or NULL */
const json *json_member(const json *v, const char *key); /* NULL if absent or v no object; linear */
const json *json_first(const json *v);                   /* first element or member, or NULL */
const json *json_next(const json *v);
size_t json_count(const json *v);       /* elements; linear */
bool json_true(const json *v);          /* JSON true; false for anything else, NULL too */
double json_number(const json *v);      /* of a JSON_NUMBER */
const char *json_string(const json *v); /* of a JSON_STRING: NUL-terminated UTF-8 */

/* The text of a member of an object; NULL if absent or no text. */
const char *json_text_at(const json *object, const char *key);

/* Getters for a member of an object. 1 = present and *out set, 0 = absent or null (*out left as it
 * was), -1 = wrong type or out of range (ERROR_LOAD naming the key, the value and the range). */
int json_get_int(const json *object, const char *key, int64_t min, int64_t max, int64_t *out,
                 error *err);
int json_get_number(const json *object, const char *key, double min, double max, double *out,
                    error *err);
int json_get_bool(const json *object, const char *key, bool *out, error *err);
int json_get_string(const json *object, const char *key, const char **out, error *err);
/* The same as a copy, the caller's to free. */
int json_get_copy(const json *object, const char *key, char **out, error *err);
int json_get_array(const json *object, const char *key, const json **out, error *err);
int json_get_object(const json *object, const char *key, const json **out, error *err);

/* Refuses (ERROR_LOAD, "KEY: no such field") a member of an object that is none of known[n]: what is
 * misspelt in a file that somebody wrote must not be silent. */
int json_check_members(const json *object, const char *const *known, size_t n, error *err);

/* Writing: appends text as a JSON string with quotes; control bytes and U+2028/9 escaped, broken
 * UTF-8 as U+FFFD. */
int json_quote(buf *out, const char *text, size_t len, error *err);

#endif
