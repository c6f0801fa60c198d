/* text_pool.h - many short texts that live and die together.
 *
 * Names from files carry a length and no NUL, and the program wants C strings. They are copied
 * here, packed into chunks that never move, so every pointer stays good until the release.
 */
#ifndef ENGINE_TEXT_POOL_H
#define ENGINE_TEXT_POOL_H

#include <stddef.h>

#include "../../kernels/error.h"

/* {0} is valid and empty. */
typedef struct text_pool {
    struct text_chunk *chunks;
} text_pool;

/* A copy of bytes[0..len) with a NUL behind it, borrowed until the release; NULL = no memory. */
char *text_pool_keep(text_pool *p, const void *bytes, size_t len, error *err);
void text_pool_release(text_pool *p); /* frees and empties */

#endif
