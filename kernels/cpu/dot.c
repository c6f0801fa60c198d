/* dot.c - see dot.h: the choice of a set of kernels at run time. */
#include "dot.h"

#include <stdbool.h>
#include <string.h>

#include "dot_sets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static bool processor_has_avx2(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d; /* clang 14 has no name for F16C */
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

const dot_kernels *dot_select(const char *isa, error *err)
{
    bool baseline = strcmp(isa, dot_baseline.name) == 0;
    bool any = strcmp(isa, "auto") == 0;
#if defined(__x86_64__)
    if ((any || strcmp(isa, dot_avx2.name) == 0) && processor_has_avx2())
        return &dot_avx2;
#endif
    if (any || baseline)
        return &dot_baseline;
    if (strcmp(isa, "avx2") == 0)
        error_set(err, ERROR_RUN, "this processor lacks AVX2, FMA or F16C: use --isa baseline");
    else
        error_set(err, ERROR_USAGE, "unknown ISA \"%s\": auto, baseline or avx2", isa);
    return NULL;
}
