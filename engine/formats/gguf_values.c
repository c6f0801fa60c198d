/* gguf_values.c - typed access to GGUF metadata.
 *
 * Bytes were checked when the file was read; here they are only fetched (with memcpy: values in a
 * GGUF file are not aligned) and converted, and a type that does not suit is an error, never a
 * guess.
 */
#include <math.h>
#include <string.h>

#include "../base/printable.h"
#include "gguf_internal.h"

const gguf_value *gguf_find(const gguf *g, const char *key)
{
    return metadata_find(&g->meta, key);
}

size_t gguf_count(const gguf *g)
{
    return g->meta.len;
}

const gguf_value *gguf_at(const gguf *g, size_t i)
{
    return &g->meta.v[i];
}

const char *gguf_key(const gguf_value *v)
{
    return v->key;
}

gguf_type gguf_value_type(const gguf_value *v)
{
    return v->array ? GGUF_ARRAY : (gguf_type)v->element;
}

size_t gguf_elements(const gguf_value *v)
{
    return v->count;
}

static const char *type_name(gguf_type type)
{
    static const char *const words[GGUF_TYPE_COUNT] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                       "i32", "f32", "bool", "string", "array",
                                                       "u64", "i64", "f64"};
    return words[type];
}

/* *out = element i, a T of the mapping. */
#define FETCH(T, v, i, out)                                                                        \
    do {                                                                                           \
        T fetched;                                                                                 \
        memcpy(&fetched, (v)->data + (i) * sizeof fetched, sizeof fetched);                        \
        *(out) = fetched;                                                                          \
    } while (0)

bool gguf_integer(const gguf_value *v, size_t i, int64_t *out)
{
    uint64_t wide;
    uint8_t byte;
    switch (v->element) {
    case GGUF_U8:
        FETCH(uint8_t, v, i, out);
        return true;
    case GGUF_I8:
        byte = v->data[i];
        *out = byte < 128 ? byte : byte - 256;
        return true;
    case GGUF_U16:
        FETCH(uint16_t, v, i, out);
        return true;
    case GGUF_I16:
        FETCH(int16_t, v, i, out);
        return true;
    case GGUF_U32:
        FETCH(uint32_t, v, i, out);
        return true;
    case GGUF_I32:
        FETCH(int32_t, v, i, out);
        return true;
    case GGUF_I64:
        FETCH(int64_t, v, i, out);
        return true;
    case GGUF_U64:
        FETCH(uint64_t, v, i, &wide);
        if (wide > INT64_MAX)
            return false;
        *out = (int64_t)wide;
        return true;
    default:
        return false;
    }
}

bool gguf_number(const gguf_value *v, size_t i, double *out)
{
    int64_t integer;
    if (v->element == GGUF_F32) {
        FETCH(float, v, i, out);
    } else if (v->element == GGUF_F64) {
        FETCH(double, v, i, out);
    } else {
        if (!gguf_integer(v, i, &integer))
            return false;
        *out = (double)integer;
    }
    return true;
}

bool gguf_bool(const gguf_value *v, size_t i, bool *out)
{
    if (v->element != GGUF_BOOL)
        return false;
    *out = v->data[i] != 0;
    return true;
}

bool gguf_string(const gguf_value *v, size_t i, const char **text, size_t *len)
{
    if (v->element != GGUF_STRING)
        return false;
    const uint8_t *at = v->data + (v->starts ? v->starts[i] : 0);
    uint64_t length;
    memcpy(&length, at, sizeof length);
    *text = (const char *)at + sizeof length;
    *len = (size_t)length;
    return true;
}

/* ---- by key --------------------------------------------------------------------------------- */

static int wrong_type(const gguf *g, const gguf_value *v, const char *wanted, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: %s is %s%s, expected %s", g->path,
                     printable_text(v->key).text, v->array ? "an array of " : "of type ",
                     type_name((gguf_type)v->element), wanted);
}

int gguf_get_integer(const gguf *g, const char *key, int64_t min, int64_t max, int64_t *out,
                     error *err)
{
    const gguf_value *v = gguf_find(g, key);
    uint64_t wide;
    int64_t value;
    if (!v)
        return 0;
    if (!v->array && v->element == GGUF_U64 && !gguf_integer(v, 0, &value)) {
        FETCH(uint64_t, v, 0, &wide);
        return error_set(err, ERROR_LOAD, "%s: %s is %llu, expected %lld to %lld", g->path, key,
                         (unsigned long long)wide, (long long)min, (long long)max);
    }
    if (v->array || !gguf_integer(v, 0, &value))
        return wrong_type(g, v, "an integer", err);
    if (value < min || value > max)
        return error_set(err, ERROR_LOAD, "%s: %s is %lld, expected %lld to %lld", g->path, key,
                         (long long)value, (long long)min, (long long)max);
    *out = value;
    return 1;
}

int gguf_get_number(const gguf *g, const char *key, double min, double max, double *out, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    double value;
    if (!v)
        return 0;
    if (v->array || !gguf_number(v, 0, &value))
        return wrong_type(g, v, "a number", err);
    if (!isfinite(value) || value < min || value > max)
        return error_set(err, ERROR_LOAD, "%s: %s is %.9g, expected %.9g to %.9g", g->path, key,
                         value, min, max);
    *out = value;
    return 1;
}

int gguf_get_bool(const gguf *g, const char *key, bool *out, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    if (v->array || !gguf_bool(v, 0, out))
        return wrong_type(g, v, "a boolean", err);
    return 1;
}

int gguf_get_string(const gguf *g, const char *key, const char **text, size_t *len, error *err)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    if (v->array || !gguf_string(v, 0, text, len))
        return wrong_type(g, v, "a string", err);
    return 1;
}

int gguf_get_array(const gguf *g, const char *key, gguf_type element, const gguf_value **out,
                   error *err)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    if (!v->array || v->element != element)
        return error_set(err, ERROR_LOAD, "%s: %s is %s%s, expected an array of %s", g->path, key,
                         v->array ? "an array of " : "of type ", type_name((gguf_type)v->element),
                         type_name(element));
    *out = v;
    return 1;
}
