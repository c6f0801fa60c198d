/* adapter_support.h - adapters for tests: files of added experts, and all kinds in memory. */
#ifndef TESTS_ADAPTER_SUPPORT_H
#define TESTS_ADAPTER_SUPPORT_H

#include <stdint.h>

#include "../engine/routing/adapter.h"

enum { ADAPTER_SUPPORT_WIDTH = 32 }; /* of the model in routing_support.h */

typedef struct adapter_plan {
    const char *path;
    unsigned layers; /* bit i = layer i of 0 and 1 */
    int count, ffn;  /* experts in each, and their width */
} adapter_plan;

/* Of the model in routing_support.h. */
enum { ADAPTER_SUPPORT_FFN = 12, ADAPTER_SUPPORT_RANK = 3 };

/* What an adapter in memory brings to layers 0 and 1; each a list of experts, -1 = its end. */
typedef struct adapter_kinds {
    int added;           /* in each layer */
    const int *replaced; /* NULL = none; so with the others */
    const int *rows;
    const int *loras; /* of gate, up and down */
    float scale;      /* of the loras */
} adapter_kinds;

/* Random values; the same seed, the same adapter. NULL: no memory. Caller owns. */
adapter *adapter_support_make(const adapter_kinds *kinds, uint32_t seed, error *err);

/* Writes a file of random experts; the same seed, the same bytes. */
void adapter_support_write(const adapter_plan *plan, uint32_t seed);

#endif
