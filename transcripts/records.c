/* records.c - see records.h.
 *
 * Writing: a text that JSON cannot carry as it is goes out twice, once readable and once exact,
 * in base64. Reading a line is deliberately soft: whatever a crash or a lost block may have
 * left around a good record (NUL bytes before it) is damage to be counted, and the record is
 * still taken; a line that is no record is passed over. Only memory that is missing is an
 * error.
 */
#include "records.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/buf.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { KEY_MOST = 64 };

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_base64(json_writer *e, const char *key, const unsigned char *bytes, size_t n)
{
    buf out = {0};
    for (size_t i = 0; i < n && !e->failed; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        unsigned v = (unsigned)bytes[i] << 16 | (have > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                     (have > 2 ? (unsigned)bytes[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], have > 1 ? digits[v >> 6 & 63] : '=',
                        have > 2 ? digits[v & 63] : '='};
        e->failed = buf_add(&out, four, sizeof four, e->err) != 0;
    }
    json_put_bytes(e, key, out.v ? out.v : "", out.len);
    buf_release(&out);
}

static void exact_key(char out[KEY_MOST], const char *key)
{
    bool main_text = strcmp(key, "text") == 0;
    (void)snprintf(out, KEY_MOST, "exact%s%s", main_text ? "" : "_", main_text ? "" : key);
}

void records_text(json_writer *e, const char *key, const char *bytes, size_t n)
{
    if (n == 0 || !memchr(bytes, '\0', n)) {
        json_put_bytes(e, key, bytes ? bytes : "", n);
        return;
    }
    char name[KEY_MOST];
    buf shown = {0};
    for (size_t i = 0; i < n && !e->failed; i++)
        e->failed = (bytes[i] ? buf_add(&shown, bytes + i, 1, e->err)
                              : buf_text(&shown, "\xef\xbf\xbd", e->err)) != 0;
    json_put_bytes(e, key, shown.v ? shown.v : "", shown.len);
    buf_release(&shown);
    exact_key(name, key);
    put_base64(e, name, (const unsigned char *)bytes, n);
}

void records_put_model(json_writer *e, const char *key, const transcript_model *m)
{
    json_begin_object(e, key);
    json_put_text(e, "path", m->path);
    if (m->name)
        json_put_text(e, "name", m->name);
    json_put_text(e, "architecture", m->architecture);
    json_put_text(e, "fingerprint", m->fingerprint);
    json_put_int(e, "layers", m->layers);
    json_put_int(e, "experts", m->experts);
    json_put_int(e, "experts_per_token", m->experts_per_token);
    json_end(e);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Groups of four, '=' only at the end. False when `text` is no base64. */
static bool decode(const char *text, size_t n, char *out, size_t *len)
{
    *len = 0;
    if (n % 4)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        unsigned v = 0;
        size_t have = i + 4 < n || text[n - 1] != '=' ? 4 : text[n - 2] != '=' ? 3 : 2;
        for (size_t k = 0; k < 4; k++) {
            const char *at = k < have ? strchr(digits, text[i + k]) : digits;
            if (!at || !*at)
                return false;
            v = v << 6 | (unsigned)(at - digits);
        }
        for (size_t k = 0; k + 1 < have; k++)
            out[(*len)++] = (char)(v >> (16 - 8 * k) & 255);
    }
    return true;
}

const char *records_word(const json *object, const char *key)
{
    const char *text = json_text_at(object, key);
    return text ? text : "";
}

static int count_of(const json *object, const char *key)
{
    int64_t v = 0;
    (void)json_get_int(object, key, 0, 1 << 24, &v, NULL);
    return (int)v;
}

transcript_model records_read_model(const json *object, const char *key)
{
    const json *m = json_member(object, key);
    return (transcript_model){.path = records_word(m, "path"),
                              .architecture = records_word(m, "architecture"),
                              .fingerprint = records_word(m, "fingerprint"),
                              .layers = count_of(m, "layers"),
                              .experts = count_of(m, "experts"),
                              .experts_per_token = count_of(m, "experts_per_token")};
}

int records_read_text(const json *object, const char *key, char **bytes, size_t *n, error *err)
{
    char name[KEY_MOST];
    exact_key(name, key);
    const char *text = json_text_at(object, key), *exact = json_text_at(object, name);
    *bytes = NULL;
    *n = 0;
    if (!text)
        return 0;
    size_t len = strlen(text), exact_len = exact ? strlen(exact) : 0;
    char *out = malloc((len > exact_len ? len : exact_len) + 1);
    if (!out)
        return error_memory(err, "a transcript");
    if (!exact || !decode(exact, exact_len, out, n)) {
        memcpy(out, text, len);
        *n = len;
    }
    out[*n] = '\0';
    *bytes = out;
    return 1;
}

static size_t leading(const char *line, size_t n, const char *bytes, size_t count)
{
    size_t i = 0;
    while (i < n && memchr(bytes, line[i], count))
        i++;
    return i;
}

static bool is_record(const json *v)
{
    int64_t n;
    error unread;
    return json_text_at(v, "type") && json_get_int(v, "n", 1, RECORDS_MOST, &n, &unread) == 1;
}

int records_parse(const char *line, size_t n, json_document **out, bool *damaged, error *err)
{
    static const char nul[1], blank[] = {' ', '\t', '\r'};
    error why = {0};
    size_t lost = leading(line, n, nul, sizeof nul);
    *out = NULL;
    *damaged = lost > 0;
    if (leading(line + lost, n - lost, blank, sizeof blank) == n - lost)
        return 0;
    json_document *d = json_parse("a record", line + lost, n - lost, &why);
    if (!d && why.code == ERROR_RUN) {
        if (err)
            *err = why;
        return -1;
    }
    if (d && is_record(json_root(d))) {
        *out = d;
        return 0;
    }
    json_close(d);
    *damaged = true;
    return 0;
}

json_document *records_header(const char *path, const char *line, size_t n, error *err)
{
    int64_t version = 0;
    error why = {0};
    json_document *d = json_parse(path, line, n, &why);
    if (d && json_get_int(json_root(d), "transcript", 1, INT_MAX, &version, &why) == 1 &&
        version == 1)
        return d;
    json_close(d);
    if (why.code == ERROR_RUN) {
        if (err)
            *err = why;
    } else if (version > 1) {
        (void)error_set(err, ERROR_LOAD, "%s: a transcript of a later version (%d)", path,
                        (int)version);
    } else {
        (void)error_set(err, ERROR_LOAD, "%s: its first line is no transcript's header", path);
    }
    return NULL;
}
