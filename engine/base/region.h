/* region.h - many small things that live and die together.
 *
 * What is taken lies in chunks that never move, so every pointer stays good until the release,
 * which is one call. Chunks grow from half a kilobyte to 64, by a half each: a short turn costs
 * little and a long history few allocations.
 */
#ifndef ENGINE_REGION_H
#define ENGINE_REGION_H

#include <stddef.h>

#include "../../kernels/error.h"

/* {0} is valid and empty. */
typedef struct region {
    struct region_chunk *chunks;
} region;

/* size bytes, zeroed, aligned for anything; NULL without memory. */
void *region_take(region *a, size_t size, error *err);
/* A copy of bytes[0..n) with a NUL behind it. */
char *region_keep(region *a, const void *bytes, size_t n, error *err);
/* The same of a text that ends in NUL; NULL stays NULL. */
char *region_keep_text(region *a, const char *text, error *err);
/* list, `count` items of `size` bytes, gets room for `more` and counts them; returns the first
 * new one, all zeroed, or NULL without memory. Storage is a power of two of items; when it
 * grows the old one stays behind. */
void *region_add(region *a, void *list, int *count, int more, size_t size, error *err);
/* What `from` holds belongs to `a` from now on. */
void region_join(region *a, region *from);
void region_release(region *a); /* frees and empties */

#endif
