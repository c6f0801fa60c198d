/* gguf_read.c - the bytes of one GGUF file, walked once and checked field by field.
 *
 * A reader holds the whole file and a position. Nothing is read but through take(), which knows
 * the end; nothing from the file is added or multiplied but through checked.h. So the only thing
 * that each function below has to get right is the order of the fields and their limits.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/file_check.h"
#include "../base/printable.h"
#include "gguf_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF numbers are copied as they stand");

typedef struct reader {
    const char *where;
    const uint8_t *data;
    size_t size, at;
} reader;

/* ggml's types that exist and that we do not compute with: the running sum of offsets needs their
 * sizes all the same. Those that we do are described in kernels/quant.c. Source: gguf-py,
 * GGML_QUANT_SIZES. */
static const dtype_info unread_types[] = {
    {"Q8_1", 32, 40, 9},    {"Q8_K", 256, 292, 15}, {"I8", 1, 1, 24},      {"I16", 1, 2, 25},
    {"I32", 1, 4, 26},      {"I64", 1, 8, 27},      {"F64", 1, 8, 28},     {"TQ1_0", 256, 54, 34},
    {"TQ2_0", 256, 66, 35}, {"NVFP4", 64, 36, 40},  {"Q1_0", 128, 18, 41},
};

/* NULL when no type has the number. */
static const dtype_info *describe(uint32_t number)
{
    dtype type = dtype_from_ggml(number);
    if (type != DTYPE_COUNT)
        return dtype_describe(type);
    for (size_t i = 0; i < sizeof unread_types / sizeof *unread_types; i++)
        if ((uint32_t)unread_types[i].ggml == number)
            return &unread_types[i];
    return NULL;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* n bytes at the position, which moves behind them; NULL with an error when the file ends first. */
static const uint8_t *take(reader *r, uint64_t n, const char *field, error *err)
{
#ifdef PLANT_NO_BOUNDS /* a negative control for the tests: see the Makefile */
    bool ends_before = r->size < r->at && n;
#else
    bool ends_before = n > r->size - r->at;
#endif
    if (ends_before) {
        error_set(err, ERROR_LOAD,
                  "%s: offset %zu: %s needs %llu bytes, the file ends after %zu: the download "
                  "probably stopped; let it finish, or download it again",
                  r->where, r->at, field, (unsigned long long)n, r->size - r->at);
        return NULL;
    }
    const uint8_t *at = r->data + r->at;
    r->at += (size_t)n;
    return at;
}

static int take_u32(reader *r, const char *field, uint32_t *out, error *err)
{
    const uint8_t *at = take(r, sizeof *out, field, err);
    if (!at)
        return -1;
    memcpy(out, at, sizeof *out);
    return 0;
}

static int take_u64(reader *r, const char *field, uint64_t *out, error *err)
{
    const uint8_t *at = take(r, sizeof *out, field, err);
    if (!at)
        return -1;
    memcpy(out, at, sizeof *out);
    return 0;
}

/* "FILE: offset AT: FIELD is VALUE, RULE" */
static int refuse(const reader *r, size_t at, const char *field, uint64_t value, const char *rule,
                  error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset %zu: %s is %llu, %s", r->where, at, field,
                     (unsigned long long)value, rule);
}

/* A count that the rest of the file cannot hold. */
static int no_room(const reader *r, size_t at, const char *field, uint64_t value, error *err)
{
    return error_set(err, ERROR_LOAD,
                     "%s: offset %zu: %s is %llu, more than a file of %zu bytes has room for: the "
                     "download probably stopped; let it finish, or download it again",
                     r->where, at, field, (unsigned long long)value, r->size);
}

/* A length and that many bytes; at most `max`. NULL with an error. */
static const uint8_t *take_string(reader *r, const char *field, uint64_t max, size_t *len,
                                  error *err)
{
    size_t start = r->at;
    uint64_t n = 0;
    if (take_u64(r, field, &n, err))
        return NULL;
    if (n > max) {
        error_set(err, ERROR_LOAD,
                  "%s: offset %zu: the length of %s is %llu bytes, at most %llu are read", r->where,
                  start, field, (unsigned long long)n, (unsigned long long)max);
        return NULL;
    }
    *len = (size_t)n;
    return take(r, n, field, err);
}

/* Keys and tensor names: printable ASCII and not empty, so that they can be shown and compared. */
static const char *take_name(reader *r, const char *field, uint64_t max, size_t *len, error *err)
{
    size_t start = r->at;
    const uint8_t *text = take_string(r, field, max, len, err);
    if (!text)
        return NULL;
    bool good = *len > 0;
    for (size_t i = 0; i < *len; i++)
        good = good && text[i] >= 0x20 && text[i] <= 0x7e;
    if (good)
        return (const char *)text;
    if (*len == 0)
        error_set(err, ERROR_LOAD, "%s: offset %zu: %s is empty", r->where, start, field);
    else
        error_set(err, ERROR_LOAD, "%s: offset %zu: %s \"%s\" is not printable ASCII", r->where,
                  start, field, printable_of(text, *len).text);
    return NULL;
}

/* ---- metadata ------------------------------------------------------------------------------- */

/* Bytes of one element; 0 for strings, arrays and numbers that are no type. */
static size_t element_bytes(uint32_t type)
{
    static const uint8_t bytes[GGUF_TYPE_COUNT] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    return type < GGUF_TYPE_COUNT ? bytes[type] : 0;
}

/* v->count strings: remembers where each begins when there may be many. */
static int take_strings(reader *r, gguf_value *v, error *err)
{
    size_t first = r->at, len = 0;
    if (v->array) {
        /* each string takes 8 bytes at least, so the table is never larger than the file */
        if (v->count > (r->size - r->at) / 8)
            return no_room(r, r->at, v->key, v->count, err);
        v->starts = calloc(v->count + 1, sizeof *v->starts);
        if (!v->starts)
            return error_memory(err, "an array of strings");
    }
    for (size_t i = 0; i < v->count; i++) {
        if (v->array)
            v->starts[i] = r->at - first;
        if (!take_string(r, v->key, GGUF_MAX_STRING, &len, err))
            return -1;
    }
    return 0;
}

/* A third value would be true here and false there. */
static int check_bools(const reader *r, const gguf_value *v, error *err)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->data[i] > 1)
            return refuse(r, (size_t)(v->data + i - r->data), v->key, v->data[i],
                          "a boolean is 0 or 1", err);
    return 0;
}

/* The elements of a value whose type and count are known. */
static int take_elements(reader *r, gguf_value *v, error *err)
{
    uint64_t bytes;
    v->data = r->data + r->at;
    if (v->element == GGUF_STRING)
        return take_strings(r, v, err);
    if (!checked_mul(v->count, element_bytes(v->element), &bytes))
        return refuse(r, r->at, v->key, v->count, "more elements than any file holds", err);
    if (!take(r, bytes, v->key, err))
        return -1;
    return v->element == GGUF_BOOL ? check_bools(r, v, err) : 0;
}

/* u32 type, then the value; for an array u32 element type, u64 count and the elements. */
static int take_value(reader *r, gguf_value *v, error *err)
{
    uint32_t type;
    uint64_t count = 1;
    size_t at = r->at;
    if (take_u32(r, v->key, &type, err))
        return -1;
    if (type == GGUF_ARRAY) {
        v->array = 1;
        at = r->at;
        if (take_u32(r, v->key, &type, err) || take_u64(r, v->key, &count, err))
            return -1;
        if (type == GGUF_ARRAY)
            return refuse(r, at, v->key, type, "an array of arrays, which is not read", err);
        if (count > GGUF_MAX_ARRAY)
            return refuse(r, at + 4, v->key, count, "a count of elements beyond all reason", err);
    }
    if (type != GGUF_STRING && !element_bytes(type))
        return refuse(r, at, v->key, type, "no type of value", err);
    v->element = (uint8_t)type;
    v->count = (size_t)count;
    return take_elements(r, v, err);
}

static bool same_key(const void *owner, uint32_t number, const void *bytes, size_t len)
{
    const char *key = ((const metadata *)owner)->v[number].key;
    return strlen(key) == len && memcmp(key, bytes, len) == 0;
}

/* count times a key and its value. An entry is counted only when its key is in the index, so that a
 * release after any failure frees exactly what there is. */
static int take_metadata(reader *r, uint64_t count, metadata *m, error *err)
{
    m->v = calloc((size_t)count + 1, sizeof *m->v);
    if (!m->v)
        return error_memory(err, "the metadata");
    if (name_index_reserve(&m->index, (size_t)count, err))
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        size_t at = r->at, len = 0;
        uint32_t found;
        const char *text = take_name(r, "a key", GGUF_MAX_KEY, &len, err);
        if (!text)
            return -1;
        gguf_value *v = &m->v[m->len];
        v->key = region_keep(&m->keys, text, len, err);
        if (!v->key)
            return -1;
        int added =
            name_index_add(&m->index, 0, text, len, (uint32_t)m->len, same_key, m, &found, err);
        if (added == 1)
            return error_set(err, ERROR_LOAD, "%s: offset %zu: key \"%s\" appears twice", r->where,
                             at, printable_text(v->key).text);
        if (added)
            return -1;
        m->len++;
        if (take_value(r, v, err))
            return -1;
    }
    return 0;
}

const gguf_value *metadata_find(const metadata *m, const char *key)
{
    uint32_t found;
    return name_index_find(&m->index, 0, key, strlen(key), same_key, m, &found) ? &m->v[found]
                                                                                : NULL;
}

void metadata_release(metadata *m)
{
    for (size_t i = 0; i < m->len; i++)
        free(m->v[i].starts);
    free(m->v);
    name_index_release(&m->index);
    region_release(&m->keys);
    *m = (metadata){0};
}

/* ---- tensors -------------------------------------------------------------------------------- */

/* ne[] and the type to a size in bytes: whole blocks along ne[0], no wrap. */
static int tensor_size(const reader *r, size_t at, const char *name, uint32_t number,
                       const uint64_t ne[4], int dims, uint64_t *bytes, error *err)
{
    const dtype_info *type = describe(number);
    uint64_t elements;
    if (!type)
        return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor \"%s\" has the unknown type %u",
                         r->where, at, name, number);
    for (int i = 0; i < dims; i++)
        if (ne[i] == 0 || ne[i] > INT64_MAX)
            return error_set(err, ERROR_LOAD,
                             "%s: offset %zu: dimension %d of tensor \"%s\" is %llu", r->where, at,
                             i, name, (unsigned long long)ne[i]);
    if (ne[0] % (uint64_t)type->block)
        return error_set(err, ERROR_LOAD,
                         "%s: offset %zu: tensor \"%s\" has rows of %llu elements, %s comes in "
                         "blocks of %d",
                         r->where, at, name, (unsigned long long)ne[0], type->name, type->block);
    if (!checked_product(ne, dims, &elements) ||
        !checked_mul(elements / (uint64_t)type->block, (uint64_t)type->bytes, bytes))
        return error_set(err, ERROR_LOAD,
                         "%s: offset %zu: the size of tensor \"%s\" is beyond 64 bits", r->where,
                         at, name);
    return 0;
}

/* One entry of the table. Its offset must be *expected, the running sum, so only sizes need to be
 * kept; addresses follow once the start of the data section is known. */
static int take_tensor(reader *r, tensor_list *tensors, uint64_t alignment, uint64_t *expected,
                       error *err)
{
    uint64_t offset, ne[4] = {1, 1, 1, 1}, end;
    uint32_t dims, type;
    size_t at = r->at, len = 0;
    const char *name = take_name(r, "a tensor's name", GGUF_MAX_NAME, &len, err);
    if (!name)
        return -1;
    const printable shown = printable_of(name, len);
    if (take_u32(r, shown.text, &dims, err))
        return -1;
    if (dims < 1 || dims > 4)
        return error_set(err, ERROR_LOAD,
                         "%s: offset %zu: tensor \"%s\" has %u dimensions, expected 1 to 4",
                         r->where, at, shown.text, dims);
    for (uint32_t i = 0; i < dims; i++)
        if (take_u64(r, shown.text, &ne[i], err))
            return -1;
    checkpoint_tensor t = {.dims = (int)dims};
    if (take_u32(r, shown.text, &type, err) || take_u64(r, shown.text, &offset, err) ||
        tensor_size(r, at, shown.text, type, ne, t.dims, &t.bytes, err))
        return -1;
    if (offset != *expected)
        return error_set(err, ERROR_LOAD,
                         "%s: offset %zu: the data of tensor \"%s\" is at %llu, expected %llu "
                         "(right behind the one before it)",
                         r->where, at, shown.text, (unsigned long long)offset,
                         (unsigned long long)*expected);
    if (!checked_add(offset, t.bytes, &end) || !checked_align(end, alignment, expected))
        return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor \"%s\" ends beyond 64 bits",
                         r->where, at, shown.text);
    for (int i = 0; i < t.dims; i++)
        t.shape[i] = ne[t.dims - 1 - i];
    t.type = dtype_from_ggml(type);
    t.type_name = describe(type)->name;
    return tensor_list_add(tensors, r->where, name, len, &t, err);
}

/* Where the last tensor ends, when the data begin at `at`; UINT64_MAX when that is beyond 64 bits. */
static uint64_t bytes_needed(const tensor_list *tensors, size_t first, uint64_t at,
                             uint64_t alignment)
{
    uint64_t begin, end = at;
    for (size_t i = first; i < tensors->len; i++)
        if (!checked_align(end, alignment, &begin) ||
            !checked_add(begin, tensors->v[i].bytes, &end))
            return UINT64_MAX;
    return end;
}

/* Turns sizes into addresses, now that the data section's start is known: each tensor begins where
 * the one before it ends, aligned. Checks the end of the file. */
static int place_tensors(const reader *r, tensor_list *tensors, size_t first, uint64_t alignment,
                         error *err)
{
    uint64_t at = 0, end = r->at, begin, needed;
    if (tensors->len > first && !checked_align(r->at, alignment, &at))
        return error_set(err, ERROR_LOAD, "%s: offset %zu: the file ends before its tensors' data",
                         r->where, r->at);
    needed = bytes_needed(tensors, first, at, alignment);
    for (size_t i = first; i < tensors->len; i++) {
        checkpoint_tensor *t = &tensors->v[i];
        if (!checked_align(at, alignment, &begin) || !checked_add(begin, t->bytes, &end) ||
            end > r->size)
            return file_refuse_truncated(r->where, at, t->name, r->size, needed, err);
        t->data = r->data + begin;
        at = end;
    }
    if (r->size - end >= alignment)
        return error_set(err, ERROR_LOAD,
                         "%s: offset %llu: %llu bytes follow the last tensor, expected less than "
                         "%llu",
                         r->where, (unsigned long long)end, (unsigned long long)(r->size - end),
                         (unsigned long long)alignment);
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Magic, version and both counts. */
static int take_header(reader *r, uint64_t *tensor_count, uint64_t *kv_count, error *err)
{
    uint32_t version;
    if (r->size < 4 || memcmp(r->data, "GGUF", 4) != 0)
        return file_check_kind(r->where, r->data, r->size, WANTED_GGUF, err)
                   ? -1
                   : error_set(err, ERROR_LOAD,
                               "%s: offset 0: is no GGUF file: it does not begin with \"GGUF\"",
                               r->where);
    r->at = 4;
    if (take_u32(r, "the version", &version, err))
        return -1;
    if (version == 0x02000000 || version == 0x03000000)
        return error_set(err, ERROR_LOAD,
                         "%s: offset 4: the file is byte-swapped (for big-endian machines)",
                         r->where);
    if (version != 2 && version != 3)
        return refuse(r, 4, "the version", version, "versions 2 and 3 are read", err);
    if (take_u64(r, "the number of tensors", tensor_count, err) ||
        take_u64(r, "the number of keys", kv_count, err))
        return -1;
    /* the smallest tensor entry is 33 bytes, the smallest key 14: counts never outgrow the file */
    if (*tensor_count > GGUF_MAX_TENSORS || *kv_count > GGUF_MAX_KEYS)
        return *tensor_count > GGUF_MAX_TENSORS
                   ? refuse(r, 8, "the number of tensors", *tensor_count, "more than are read", err)
                   : refuse(r, 16, "the number of keys", *kv_count, "more than are read", err);
    if (*tensor_count > (r->size - r->at) / 33)
        return no_room(r, 8, "the number of tensors", *tensor_count, err);
    if (*kv_count > (r->size - r->at) / 14)
        return no_room(r, 16, "the number of keys", *kv_count, err);
    return 0;
}

/* general.alignment: what offsets are multiples of. Zero would divide, odd ones would not align. */
static int find_alignment(const char *where, const reader *r, const metadata *m,
                          uint64_t *alignment, error *err)
{
    const gguf_value *v = metadata_find(m, "general.alignment");
    uint32_t value = 32;
    if (v) {
        size_t at = (size_t)(v->data - r->data);
        if (v->array || v->element != GGUF_U32)
            return error_set(err, ERROR_LOAD, "%s: offset %zu: general.alignment is not a u32",
                             where, at);
        memcpy(&value, v->data, sizeof value);
        if (value == 0 || (value & (value - 1)) || value > GGUF_MAX_ALIGNMENT)
            return refuse(r, at, "general.alignment", value,
                          "expected a power of two up to 1048576", err);
    }
    *alignment = value;
    return 0;
}

int gguf_read(const char *where, const uint8_t *data, size_t size, metadata *meta,
              tensor_list *tensors, error *err)
{
    reader r = {.where = where, .data = data, .size = size};
    uint64_t tensor_count = 0, kv_count = 0, alignment = 32, expected = 0;
    size_t first = tensors->len;
    *meta = (metadata){0};
    if (take_header(&r, &tensor_count, &kv_count, err) || take_metadata(&r, kv_count, meta, err) ||
        find_alignment(where, &r, meta, &alignment, err) ||
        tensor_list_reserve(tensors, (size_t)tensor_count, err))
        return -1;
    for (uint64_t i = 0; i < tensor_count; i++)
        if (take_tensor(&r, tensors, alignment, &expected, err))
            return -1;
    return place_tensors(&r, tensors, first, alignment, err);
}
