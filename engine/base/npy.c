/* npy.c - see npy.h. */
#include "npy.h"

#include <assert.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values are written as they lie in memory"
#endif

enum { HEAD = 10, ALIGN = 64 }; /* magic, version and length; where the values begin */

static int put_shape(buf *out, const size_t *shape, int dimensions, error *err)
{
    int result = buf_text(out, "(", err);
    for (int i = 0; i < dimensions && !result; i++)
        result = buf_format(out, err, i ? ", %zu" : "%zu", shape[i]);
    return result || buf_text(out, dimensions == 1 ? ",)" : ")", err) ? -1 : 0;
}

static int put_head(buf *out, npy_type type, const size_t *shape, int dimensions, error *err)
{
    assert(dimensions <= NPY_DIMENSIONS);
    buf text = {0};
    int result = buf_format(&text, err, "{'descr': '%s', 'fortran_order': False, 'shape': ",
                            type == NPY_INT32 ? "<i4" : "<f4");
    if (!result)
        result = put_shape(&text, shape, dimensions, err) || buf_text(&text, ", }", err);
    while (!result && (HEAD + text.len + 1) % ALIGN)
        result = buf_text(&text, " ", err);
    if (!result)
        result = buf_text(&text, "\n", err);
    const uint8_t head[HEAD] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)text.len, (uint8_t)(text.len >> 8)};
    if (!result)
        result = buf_add(out, head, sizeof head, err) || buf_add(out, text.v, text.len, err);
    buf_release(&text);
    return result ? -1 : 0;
}

int npy_put(buf *out, npy_type type, const size_t *shape, int dimensions, const void *values,
            error *err)
{
    size_t bytes = 4;
    for (int i = 0; i < dimensions; i++)
        bytes *= shape[i];
    return put_head(out, type, shape, dimensions, err) ||
                   (bytes && buf_add(out, values, bytes, err))
               ? -1
               : 0;
}
