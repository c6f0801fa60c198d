/* adapter_support.h - files of a persona's own experts, for tests. */
#ifndef TESTS_ADAPTER_SUPPORT_H
#define TESTS_ADAPTER_SUPPORT_H

#include <stdint.h>

enum { OWN_SUPPORT_WIDTH = 32 }; /* of the model in routing_support.h */

typedef struct own_plan {
    const char *path;
    unsigned layers; /* bit i = layer i of 0 and 1 */
    int count, ffn;  /* experts in each, and their width */
} own_plan;

/* Writes a file of random experts; the same seed, the same bytes. */
void own_support_write(const own_plan *plan, uint32_t seed);

#endif
