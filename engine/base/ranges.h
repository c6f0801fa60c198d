/* ranges.h - "1,5,80-100": lists of experts and layers as people write them.
 *
 * Masks, rules and options name experts and layers by such lists; this is the one place that reads
 * them. Numbers are decimal, ranges run upwards, blanks are allowed around commas.
 */
#ifndef ENGINE_RANGES_H
#define ENGINE_RANGES_H

#include <stdint.h>

#include "../../kernels/error.h"

/* Sets set[i] = 1 for every number of the list; set [limit] keeps its other values. what: "expert"
 * or "layer", for the message. ERROR_LOAD for bad grammar or a number >= limit. */
int ranges_read(const char *text, const char *what, int limit, uint8_t *set, error *err);

/* The list that describes set [n], shortest form: "0-3,7". Writes at most size bytes with the NUL
 * and returns the length that the whole text has. */
int ranges_write(const uint8_t *set, int n, char *out, int size);

#endif
