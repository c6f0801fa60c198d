/* wanted.c - see wanted.h. */
#include "wanted.h"

#include <math.h>

/* What a program sees of one row of logits. */
typedef struct logits {
    const layer_routing *routing;
    const float *z, *behind;
    int columns, experts;
} logits;

static float logit(const logits *v, int e)
{
    if (!v->routing->score)
        return v->z[e];
    int column = v->routing->score[e];
    return column < v->columns ? v->z[column] : v->behind[column - v->columns];
}

/* Where e belongs among the `len` best so far; equal ones keep their order. */
static int place_of(const logits *v, int e, const int32_t *ids, int len)
{
    int at = len;
    while (at > 0 && logit(v, e) > logit(v, ids[at - 1]))
        at--;
    return at;
}

static void rank(const logits *v, int k, int32_t *ids)
{
    int len = 0;
    for (int e = 0; e < v->experts; e++) {
        int at = place_of(v, e, ids, len);
        if (at >= k)
            continue;
        len += len < k;
        for (int i = len - 1; i > at; i--)
            ids[i] = ids[i - 1];
        ids[at] = e;
    }
}

/* Of exp(z - most) over all experts; 0 when one is not finite. */
static double sum_of(const logits *v, float most)
{
    double sum = 0;
    for (int e = 0; e < v->experts; e++) {
        if (!isfinite(logit(v, e)))
            return 0;
        sum += (double)expf(logit(v, e) - most);
    }
    return sum;
}

void wanted_experts(const layer_routing *routing, const float *z, int columns,
                    const float *adapter_z, int slots, int32_t *ids, float *shares)
{
    logits v = {routing, z, adapter_z, columns,
                columns + (routing->score ? routing->adapter_count : 0)};
    int k = routing->k < v.experts ? routing->k : v.experts;
    for (int i = 0; i < slots; i++) {
        ids[i] = -1;
        shares[i] = 0;
    }
    if (k > slots)
        k = slots;
    rank(&v, k, ids);
    float most = logit(&v, ids[0]);
    double sum = sum_of(&v, most);
    for (int i = 0; i < k; i++) {
        shares[i] = sum > 0 ? (float)((double)expf(logit(&v, ids[i]) - most) / sum) : 0;
        ids[i] = sum > 0 ? ids[i] : -1;
    }
}
