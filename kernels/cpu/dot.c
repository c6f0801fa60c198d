/* dot.c - see dot.h: the choice of a set of kernels at run time. */
#include "dot.h"

#include <string.h>

#include "dot_sets.h"

const dot_kernels *dot_select(const char *isa, error *err)
{
    if (strcmp(isa, "auto") == 0 || strcmp(isa, dot_baseline.name) == 0)
        return &dot_baseline;
    error_set(err, ERROR_USAGE, "unknown ISA \"%s\": auto or baseline", isa);
    return NULL;
}
