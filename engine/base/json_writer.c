/* json_writer.c - see json_writer.h.
 *
 * Two things are remembered between calls: whether a comma stands before the next value, and
 * the brackets that are open. Everything else goes straight to the buffer; after a failure all
 * calls do nothing. Numbers are written with the fewest digits that read back as the same
 * number.
 */
#include "json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

_Static_assert((int)JSON_WRITER_DEPTH >= (int)JSON_MAX_DEPTH + 16,
               "a value that was read can be written");

static void append(json_writer *e, const char *text)
{
    if (!e->failed && buf_text(e->out, text, e->err))
        e->failed = true;
}

static void quote(json_writer *e, const char *bytes, size_t n)
{
    if (!e->failed && json_quote(e->out, bytes, n, e->err))
        e->failed = true;
}

/* What stands before every value. */
static void begin(json_writer *e, const char *key)
{
    if (e->comma)
        append(e, ",");
    if (key) {
        quote(e, key, strlen(key));
        append(e, ":");
    }
    e->comma = true;
}

static void open_bracket(json_writer *e, const char *key, const char *bracket, char end)
{
    begin(e, key);
    append(e, bracket);
    e->comma = false;
    if (e->depth == JSON_WRITER_DEPTH && !e->failed) {
        e->failed = true;
        (void)error_set(e->err, ERROR_RUN, "a JSON document is nested too deeply");
    }
    if (!e->failed)
        e->ends[e->depth++] = end;
}

void json_begin_object(json_writer *e, const char *key)
{
    open_bracket(e, key, "{", '}');
}

void json_begin_array(json_writer *e, const char *key)
{
    open_bracket(e, key, "[", ']');
}

void json_end(json_writer *e)
{
    if (e->failed || e->depth == 0)
        return;
    char end[2] = {e->ends[--e->depth], '\0'};
    append(e, end);
    e->comma = true;
}

void json_put_text(json_writer *e, const char *key, const char *text)
{
    if (text)
        json_put_bytes(e, key, text, strlen(text));
    else
        json_put_null(e, key);
}

void json_put_bytes(json_writer *e, const char *key, const char *bytes, size_t n)
{
    begin(e, key);
    quote(e, bytes, n);
}

void json_put_int(json_writer *e, const char *key, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    begin(e, key);
    append(e, text);
}

void json_put_count(json_writer *e, const char *key, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    begin(e, key);
    append(e, text);
}

void json_put_number(json_writer *e, const char *key, double value)
{
    if (!isfinite(value)) {
        json_put_null(e, key);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    begin(e, key);
    append(e, text);
}

void json_put_float(json_writer *e, const char *key, float value)
{
    if (!isfinite(value)) {
        json_put_null(e, key);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    begin(e, key);
    append(e, text);
}

void json_put_bool(json_writer *e, const char *key, bool value)
{
    begin(e, key);
    append(e, value ? "true" : "false");
}

void json_put_null(json_writer *e, const char *key)
{
    begin(e, key);
    append(e, "null");
}

static void put_children(json_writer *e, const json *v, bool keyed)
{
    for (const json *c = json_first(v); c; c = json_next(c))
        json_put_value(e, keyed ? json_key(c) : NULL, c);
    json_end(e);
}

void json_put_value(json_writer *e, const char *key, const json *v)
{
    switch (v ? json_type(v) : JSON_NULL) {
    case JSON_OBJECT:
        json_begin_object(e, key);
        put_children(e, v, true);
        break;
    case JSON_ARRAY:
        json_begin_array(e, key);
        put_children(e, v, false);
        break;
    case JSON_STRING:
        json_put_text(e, key, json_string(v));
        break;
    case JSON_NUMBER:
        json_put_number(e, key, json_number(v));
        break;
    case JSON_BOOL:
        json_put_bool(e, key, json_true(v));
        break;
    case JSON_NULL:
        json_put_null(e, key);
        break;
    }
}

int json_writer_finish(json_writer *e)
{
    return e->failed ? -1 : 0;
}
