/* json_writer.c - see json_writer.h. */
#include "json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

_Static_assert((int)EMIT_DEPTH >= (int)JSON_MAX_DEPTH + 16, "a value that was read can be written");

static void append(emitter *e, const char *text)
{
    if (!e->failed && buf_text(e->out, text, e->err))
        e->failed = true;
}

static void quote(emitter *e, const char *bytes, size_t n)
{
    if (!e->failed && json_quote(e->out, bytes, n, e->err))
        e->failed = true;
}

/* What stands before every value. */
static void begin(emitter *e, const char *key)
{
    if (e->comma)
        append(e, ",");
    if (key) {
        quote(e, key, strlen(key));
        append(e, ":");
    }
    e->comma = true;
}

static void open_bracket(emitter *e, const char *key, const char *bracket, char end)
{
    begin(e, key);
    append(e, bracket);
    e->comma = false;
    if (e->depth == EMIT_DEPTH && !e->failed) {
        e->failed = true;
        (void)error_set(e->err, ERROR_RUN, "a JSON document is nested too deeply");
    }
    if (!e->failed)
        e->ends[e->depth++] = end;
}

void emit_object(emitter *e, const char *key)
{
    open_bracket(e, key, "{", '}');
}

void emit_array(emitter *e, const char *key)
{
    open_bracket(e, key, "[", ']');
}

void emit_end(emitter *e)
{
    if (e->failed || e->depth == 0)
        return;
    char end[2] = {e->ends[--e->depth], '\0'};
    append(e, end);
    e->comma = true;
}

void emit_text(emitter *e, const char *key, const char *text)
{
    if (text)
        emit_bytes(e, key, text, strlen(text));
    else
        emit_null(e, key);
}

void emit_bytes(emitter *e, const char *key, const char *bytes, size_t n)
{
    begin(e, key);
    quote(e, bytes, n);
}

void emit_int(emitter *e, const char *key, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    begin(e, key);
    append(e, text);
}

void emit_count(emitter *e, const char *key, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    begin(e, key);
    append(e, text);
}

void emit_number(emitter *e, const char *key, double value)
{
    if (!isfinite(value)) {
        emit_null(e, key);
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

void emit_float(emitter *e, const char *key, float value)
{
    if (!isfinite(value)) {
        emit_null(e, key);
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

void emit_bool(emitter *e, const char *key, bool value)
{
    begin(e, key);
    append(e, value ? "true" : "false");
}

void emit_null(emitter *e, const char *key)
{
    begin(e, key);
    append(e, "null");
}

static void emit_children(emitter *e, const json *v, bool keyed)
{
    for (const json *c = json_first(v); c; c = json_next(c))
        emit_value(e, keyed ? json_key(c) : NULL, c);
    emit_end(e);
}

void emit_value(emitter *e, const char *key, const json *v)
{
    switch (v ? json_type(v) : JSON_NULL) {
    case JSON_OBJECT:
        emit_object(e, key);
        emit_children(e, v, true);
        break;
    case JSON_ARRAY:
        emit_array(e, key);
        emit_children(e, v, false);
        break;
    case JSON_STRING:
        emit_text(e, key, json_string(v));
        break;
    case JSON_NUMBER:
        emit_number(e, key, json_number(v));
        break;
    case JSON_BOOL:
        emit_bool(e, key, json_true(v));
        break;
    case JSON_NULL:
        emit_null(e, key);
        break;
    }
}

int emit_finish(emitter *e)
{
    return e->failed ? -1 : 0;
}
