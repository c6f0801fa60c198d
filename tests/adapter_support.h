/* adapter_support.h - files of adapter experts, for tests. */
#ifndef TESTS_ADAPTER_SUPPORT_H
#define TESTS_ADAPTER_SUPPORT_H

#include <stdint.h>

enum { ADAPTER_SUPPORT_WIDTH = 32 }; /* of the model in routing_support.h */

typedef struct adapter_plan {
    const char *path;
    unsigned layers; /* bit i = layer i of 0 and 1 */
    int count, ffn;  /* experts in each, and their width */
} adapter_plan;

/* Writes a file of random experts; the same seed, the same bytes. */
void adapter_support_write(const adapter_plan *plan, uint32_t seed);

#endif
