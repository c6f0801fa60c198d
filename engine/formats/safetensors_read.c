/* safetensors_read.c - the bytes of one safetensors file.
 *
 * The header has passed json_scan() when the reader below sees it, so every token is good, brackets
 * match and no key comes twice in one object; what is left to check is that the values have the
 * few shapes the format knows. Entries are collected, sorted by offset, and only then added to the
 * model's list: so the list is in file order, and holes and overlaps show as neighbours that do
 * not meet.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/file_check.h"
#include "../base/json.h"
#include "../base/json_lexer.h"
#include "../base/printable.h"
#include "safetensors.h"

enum { PREFIX = 8, MAX_DIMS = 4 };

/* Every dtype that the reference library writes in whole bytes; those with a dtype of ours can be
 * computed with, the others are listed and refused by whoever needs them. */
typedef struct kind {
    const char *name;
    uint8_t bytes;
    dtype type;
} kind;

static const kind kinds[] = {
    {"F32", 4, DTYPE_F32},       {"F16", 2, DTYPE_F16},       {"BF16", 2, DTYPE_BF16},
    {"F64", 8, DTYPE_COUNT},     {"I64", 8, DTYPE_COUNT},     {"I32", 4, DTYPE_COUNT},
    {"I16", 2, DTYPE_COUNT},     {"I8", 1, DTYPE_COUNT},      {"U64", 8, DTYPE_COUNT},
    {"U32", 4, DTYPE_COUNT},     {"U16", 2, DTYPE_COUNT},     {"U8", 1, DTYPE_COUNT},
    {"BOOL", 1, DTYPE_COUNT},    {"F8_E4M3", 1, DTYPE_COUNT}, {"F8_E5M2", 1, DTYPE_COUNT},
    {"F8_E8M0", 1, DTYPE_COUNT}, {"C64", 8, DTYPE_COUNT},
};

/* A tensor as the header says it; the name is still JSON text. */
typedef struct entry {
    uint64_t begin, end, shape[MAX_DIMS];
    size_t name, name_len; /* the token, in the header */
    uint8_t dims, kind;
    bool escaped;
} entry;

typedef struct reader {
    json_lexer x;
    entry *v;
    size_t len, cap;
    size_t metadata, metadata_len; /* in the header; 0 = none */
} reader;

static int fail(const reader *r, const json_token *t, const char *what, error *err)
{
    return error_set(err, ERROR_LOAD, "%s: offset %zu: %s", r->x.where, PREFIX + t->start, what);
}

/* ---- pieces of an entry --------------------------------------------------------------------- */

/* Digits only: no sign, point or exponent, within 64 bits. */
static int take_integer(const reader *r, const json_token *t, uint64_t *out, error *err)
{
    uint64_t value = 0;
    if (t->kind != JSON_TOKEN_NUMBER)
        return fail(r, t, "expected a whole number", err);
    for (size_t i = 0; i < t->len; i++) {
        char c = r->x.text[t->start + i];
        if (c < '0' || c > '9')
            return fail(r, t, "a size or offset is not written with digits alone", err);
        if (!checked_mul(value, 10, &value) || !checked_add(value, (uint64_t)(c - '0'), &value))
            return fail(r, t, "a size or offset is beyond 64 bits", err);
    }
    *out = value;
    return 0;
}

/* [ integer, ... ] with at most `max` of them. */
static int take_list(reader *r, uint64_t *out, unsigned max, unsigned *count, error *err)
{
    json_token t;
    if (json_lex(&r->x, &t, err))
        return -1;
    if (t.kind != JSON_TOKEN_OPEN_ARRAY)
        return fail(r, &t, "expected a list of whole numbers", err);
    *count = 0;
    for (;;) {
        if (json_lex(&r->x, &t, err))
            return -1;
        if (t.kind == JSON_TOKEN_CLOSE_ARRAY)
            return 0;
        if (t.kind == JSON_TOKEN_COMMA)
            continue;
        if (*count == max)
            return error_set(err, ERROR_LOAD, "%s: offset %zu: a list of more than %u numbers",
                             r->x.where, PREFIX + t.start, max);
        if (take_integer(r, &t, &out[(*count)++], err))
            return -1;
    }
}

/* "dtype": one of the known words, written exactly so. */
static int take_kind(reader *r, entry *e, error *err)
{
    json_token t;
    if (json_lex(&r->x, &t, err))
        return -1;
    const char *text = r->x.text + t.start;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && t.kind == JSON_TOKEN_STRING; i++)
        if (strlen(kinds[i].name) == t.len && memcmp(kinds[i].name, text, t.len) == 0) {
            e->kind = (uint8_t)i;
            return 0;
        }
    return error_set(err, ERROR_LOAD, "%s: offset %zu: the dtype \"%s\" is not known", r->x.where,
                     PREFIX + t.start, printable_of(text, t.len).text);
}

static bool is(const reader *r, const json_token *t, const char *word)
{
    return !t->escaped && strlen(word) == t->len && memcmp(word, r->x.text + t->start, t->len) == 0;
}

/* One field of an entry, its name in *t; *seen gets its bit. */
static int take_field(reader *r, const json_token *t, entry *e, unsigned *seen, error *err)
{
    json_token colon;
    uint64_t offsets[2] = {0, 0};
    unsigned count = 0;
    if (json_lex(&r->x, &colon, err))
        return -1;
    if (is(r, t, "dtype")) {
        *seen |= 1;
        return take_kind(r, e, err);
    }
    if (is(r, t, "shape")) {
        *seen |= 2;
        if (take_list(r, e->shape, MAX_DIMS, &count, err))
            return -1;
        e->dims = (uint8_t)count;
        return 0;
    }
    if (!is(r, t, "data_offsets"))
        return error_set(err, ERROR_LOAD, "%s: offset %zu: unknown field \"%s\" of a tensor",
                         r->x.where, PREFIX + t->start,
                         printable_of(r->x.text + t->start, t->len).text);
    *seen |= 4;
    if (take_list(r, offsets, 2, &count, err))
        return -1;
    if (count != 2)
        return fail(r, t, "data_offsets are not two numbers", err);
    e->begin = offsets[0];
    e->end = offsets[1];
    return 0;
}

/* dtype, shape and offsets must agree. */
static int check_entry(const reader *r, const json_token *name, const entry *e, error *err)
{
    uint64_t bytes;
    const char *rule = NULL;
    if (e->begin > e->end)
        rule = "begins behind its end";
    else if (!checked_product(e->shape, e->dims, &bytes) ||
             !checked_mul(bytes, kinds[e->kind].bytes, &bytes))
        rule = "has a size beyond 64 bits";
    else if (bytes != e->end - e->begin)
        rule = "has data_offsets that do not suit its shape and dtype";
    if (!rule)
        return 0;
    return error_set(err, ERROR_LOAD, "%s: offset %zu: tensor \"%s\" %s", r->x.where,
                     PREFIX + name->start, printable_of(r->x.text + name->start, name->len).text,
                     rule);
}

static int keep_entry(reader *r, const entry *e, error *err)
{
    if (r->len == r->cap) {
        size_t cap = r->cap + r->cap / 2 + 64;
        entry *v = realloc(r->v, cap * sizeof *v);
        if (!v)
            return error_memory(err, "the table of tensors");
        r->v = v;
        r->cap = cap;
    }
    r->v[r->len++] = *e;
    return 0;
}

/* { "dtype":.., "shape":.., "data_offsets":.. } */
static int take_entry(reader *r, const json_token *name, error *err)
{
    entry e = {.name = name->start, .name_len = name->len, .escaped = name->escaped};
    unsigned seen = 0;
    json_token t;
    if (json_lex(&r->x, &t, err))
        return -1;
    if (t.kind != JSON_TOKEN_OPEN_OBJECT)
        return fail(r, &t, "expected an object that describes a tensor", err);
    for (;;) {
        if (json_lex(&r->x, &t, err))
            return -1;
        if (t.kind == JSON_TOKEN_CLOSE_OBJECT)
            break;
        if (t.kind != JSON_TOKEN_COMMA && take_field(r, &t, &e, &seen, err))
            return -1;
    }
    if (seen != 7)
        return fail(r, name, "a tensor without dtype, shape or data_offsets", err);
    return check_entry(r, name, &e, err) ? -1 : keep_entry(r, &e, err);
}

/* "__metadata__": an object of strings. */
static int take_metadata(reader *r, error *err)
{
    json_token t;
    if (json_lex(&r->x, &t, err))
        return -1;
    if (t.kind != JSON_TOKEN_OPEN_OBJECT)
        return fail(r, &t, "__metadata__ is not an object", err);
    r->metadata = t.start;
    do {
        if (json_lex(&r->x, &t, err))
            return -1;
        if (t.kind > JSON_TOKEN_STRING || t.kind == JSON_TOKEN_OPEN_OBJECT ||
            t.kind == JSON_TOKEN_OPEN_ARRAY)
            return fail(r, &t, "a value of __metadata__ is not a string", err);
    } while (t.kind != JSON_TOKEN_CLOSE_OBJECT);
    r->metadata_len = t.start + t.len - r->metadata;
    return 0;
}

/* All entries. The scan has matched the brackets, so the loop ends with the text. */
static int take_header(reader *r, error *err)
{
    json_token t, colon;
    if (json_lex(&r->x, &t, err))
        return -1;
    for (;;) {
        if (json_lex(&r->x, &t, err))
            return -1;
        if (t.kind == JSON_TOKEN_CLOSE_OBJECT)
            return 0;
        if (t.kind == JSON_TOKEN_COMMA)
            continue;
        if (json_lex(&r->x, &colon, err))
            return -1;
        if (is(r, &t, "__metadata__") ? take_metadata(r, err) : take_entry(r, &t, err))
            return -1;
    }
}

/* ---- all entries together ------------------------------------------------------------------- */

/* By place in the data; empty tensors, which share one, keep the header's order. */
static int by_offset(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static int add_entry(const reader *r, const entry *e, const uint8_t *data, char *scratch,
                     tensor_list *tensors, error *err)
{
    json_token name = {.start = e->name, .len = e->name_len, .escaped = e->escaped};
    size_t len;
    const char *text = json_lexer_string(&r->x, &name, scratch, &len);
    checkpoint_tensor t = {.type = kinds[e->kind].type,
                           .type_name = kinds[e->kind].name,
                           .dims = e->dims,
                           .data = data + e->begin,
                           .bytes = e->end - e->begin};
    memcpy(t.shape, e->shape, sizeof t.shape);
    return tensor_list_add(tensors, r->x.where, text, len, &t, err);
}

/* Sorted entries must follow each other from the first byte of the data to the last. *longest: the
 * longest name that needs unescaping. */
static int check_cover(const reader *r, uint64_t data_size, size_t *longest, error *err)
{
    uint64_t expected = 0;
    *longest = 0;
    for (size_t i = 0; i < r->len; i++) {
        const entry *e = &r->v[i];
        if (e->begin != expected)
            return error_set(err, ERROR_LOAD,
                             "%s: offset %zu: the data of tensor \"%s\" begins at %llu, expected "
                             "%llu (right behind the tensor before it)",
                             r->x.where, PREFIX + e->name,
                             printable_of(r->x.text + e->name, e->name_len).text,
                             (unsigned long long)e->begin, (unsigned long long)expected);
        expected = e->end;
        *longest = e->escaped && e->name_len > *longest ? e->name_len : *longest;
    }
    if (expected == data_size)
        return 0;
    uint64_t before = PREFIX + r->x.len, needed;
    if (expected > data_size && checked_add(before, expected, &needed))
        return file_refuse_truncated(r->x.where, before, NULL, before + data_size, needed, err);
    return error_set(
        err, ERROR_LOAD, "%s: offset %zu: the tensors take %llu bytes of data, the file holds %llu",
        r->x.where, PREFIX + r->x.len, (unsigned long long)expected, (unsigned long long)data_size);
}

/* Sorts, checks and hands over. */
static int add_entries(reader *r, const uint8_t *data, uint64_t data_size, tensor_list *tensors,
                       error *err)
{
    size_t longest = 0;
    if (r->len)
        qsort(r->v, r->len, sizeof *r->v, by_offset);
    if (check_cover(r, data_size, &longest, err))
        return -1;
    char *scratch = malloc(longest + 1);
    int result = scratch ? tensor_list_reserve(tensors, r->len, err) : error_memory(err, "a name");
    for (size_t i = 0; i < r->len && result == 0; i++)
        result = add_entry(r, &r->v[i], data, scratch, tensors, err);
    free(scratch);
    return result;
}

int safetensors_read(const char *where, const uint8_t *data, size_t size, tensor_list *tensors,
                     error *err)
{
    const char *metadata;
    size_t len;
    return safetensors_read_all(where, data, size, tensors, &metadata, &len, err);
}

int safetensors_read_all(const char *where, const uint8_t *data, size_t size, tensor_list *tensors,
                         const char **metadata, size_t *metadata_len, error *err)
{
    uint64_t header;
    *metadata = NULL;
    *metadata_len = 0;
    bool plausible = size > PREFIX && data[PREFIX] == '{';
    if (!plausible && file_check_kind(where, data, size, WANTED_SAFETENSORS, err))
        return -1;
    if (size < PREFIX)
        return error_set(err, ERROR_LOAD, "%s: offset 0: a file of %zu bytes has no header", where,
                         size);
    memcpy(&header, data, sizeof header);
    if (header <= SAFETENSORS_MAX_HEADER && header > size - PREFIX)
        return error_set(err, ERROR_LOAD,
                         "%s: offset 0: the header's length is %llu, the file has %zu bytes: the "
                         "download probably stopped; let it finish, or download it again",
                         where, (unsigned long long)header, size);
    if (header > SAFETENSORS_MAX_HEADER)
        return error_set(err, ERROR_LOAD,
                         "%s: offset 0: the header's length is %llu, the file has %zu bytes (at "
                         "most %d are read)",
                         where, (unsigned long long)header, size, SAFETENSORS_MAX_HEADER);
    reader r = {.x = {.where = where, .text = (const char *)data + PREFIX, .len = (size_t)header}};
    uint64_t data_size = size - PREFIX - header;
    if (header == 0 || r.x.text[0] != '{')
        return error_set(err, ERROR_LOAD, "%s: offset 8: the header does not begin with \"{\"",
                         where);
    if (json_scan(where, r.x.text, r.x.len, err))
        return error_prefix(err, "the header (from offset 8) of ");
    int result = take_header(&r, err);
    if (result == 0)
        result = add_entries(&r, data + PREFIX + header, data_size, tensors, err);
    if (result == 0 && r.metadata_len) {
        *metadata = r.x.text + r.metadata;
        *metadata_len = r.metadata_len;
    }
    free(r.v);
    return result;
}
