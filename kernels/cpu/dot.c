/* dot.c - see dot.h: the choice of a set of kernels at run time. */
#include "dot.h"

#include <stdbool.h>
#include <string.h>

#include "dot_sets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__x86_64__)
static bool has_avx2(void)
{
    unsigned a, b, c, d; /* clang 14 has no name for F16C */
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

const dot_kernels *dot_select(const char *isa, error *err)
{
    bool any = strcmp(isa, "auto") == 0;
#if defined(__x86_64__)
    if ((any || strcmp(isa, dot_avx512.name) == 0) && has_avx512())
        return &dot_avx512;
    if ((any || strcmp(isa, dot_avx2.name) == 0) && has_avx2())
        return &dot_avx2;
#endif
    if (any || strcmp(isa, dot_baseline.name) == 0)
        return &dot_baseline;
    if (strcmp(isa, "avx512") == 0)
        error_set(err, ERROR_RUN,
                  "this processor lacks AVX-512 (F, BW, VL) or its VNNI: use --isa auto");
    else if (strcmp(isa, "avx2") == 0)
        error_set(err, ERROR_RUN, "this processor lacks AVX2, FMA or F16C: use --isa baseline");
    else
        error_set(err, ERROR_USAGE, "unknown ISA \"%s\": auto, baseline, avx2 or avx512", isa);
    return NULL;
}
