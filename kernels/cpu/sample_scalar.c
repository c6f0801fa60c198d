/* sample_scalar.c - see sample.h: the kernels in plain C.
 *
 * The weight is not libm's exp, whose last bit depends on its version and on the processor: 2^-n times
 * the Taylor series on |r| <= ln(2)/2, good to 2e-16, each operation rounded once.
 */
#include <math.h>

#include "sample.h"
#include "sample_weight.h"

static bool scan(const float *z, size_t n, float *most)
{
    float largest = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!(z[i] < INFINITY))
            return false;
        largest = z[i] > largest ? z[i] : largest;
    }
    *most = largest;
    return true;
}

static size_t list(const float *z, size_t n, float cut, double *logit, int *id)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(z[i] >= cut))
            continue;
        logit[count] = (double)z[i];
        id[count++] = (int)i;
    }
    return count;
}

static void weigh(const double *logit, size_t n, double best, double temperature, uint64_t *weight,
                  uint16_t *bucket)
{
    for (size_t i = 0; i < n; i++)
        sample_weigh_one(logit[i], best, temperature, &weight[i], &bucket[i]);
}

const sample_kernels *sample_baseline(void)
{
    static const sample_kernels kernels = {.scan = scan, .list = list, .weigh = weigh};
    return &kernels;
}
