/* array.h - room in arrays that grow.
 *
 * A growing array is three members of whatever owns it: the items, how many there are, and for how
 * many there is room. It doubles, so that adding n items costs n in the end.
 */
#ifndef ENGINE_ARRAY_H
#define ENGINE_ARRAY_H

#include <stdlib.h>

#include "../../kernels/error.h"

/* v [*cap] items of `size` bytes, `len` of them in use, with room for one more: where they lie from
 * now on. NULL without memory for `what`; v is then as it was. Caller frees. */
static inline void *array_room(void *v, size_t len, size_t *cap, size_t size, const char *what,
                               error *err)
{
    if (len < *cap)
        return v;
    size_t more = *cap ? 2 * *cap : 16, bytes;
    void *grown = __builtin_mul_overflow(more, size, &bytes) ? NULL : realloc(v, bytes);
    if (grown)
        *cap = more;
    else
        (void)error_memory(err, what);
    return grown;
}

#endif
