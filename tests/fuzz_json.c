/* fuzz_json.c - any bytes as JSON: scanned, and when accepted, built, walked and quoted again.
 *
 * What is accepted must be read back equal: every string of the tree, quoted by json_quote(), is
 * again a JSON text that scans.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/base/buf.h"
#include "../engine/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const json *v, buf *out)
{
    for (; v; v = json_next(v)) {
        if (json_key(v) && json_member(v, json_key(v)))
            (void)json_count(v);
        if (json_type(v) == JSON_STRING) {
            buf_clear(out);
            if (json_quote(out, json_string(v), strlen(json_string(v)), NULL) ||
                json_scan("quoted", out->v, out->len, NULL))
                abort();
        }
        walk(json_first(v), out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err = {0};
    buf out = {0};
    int scanned = json_scan("input", (const char *)data, size, &err);
    json_document *d = json_parse("input", (const char *)data, size, &err);
    if (d && scanned)
        abort(); /* the tree must never know more than the scan */
    if (d)
        walk(json_root(d), &out);
    buf_release(&out);
    json_close(d);
    return 0;
}
