/* distribution.c - see distribution.h. */
#include "distribution.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

void distribution_softmax(const float *z, int n, double *p)
{
    float most = z[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        most = z[i] > most ? z[i] : most;
    for (int i = 0; i < n; i++)
        sum += p[i] = exp((double)z[i] - (double)most);
    for (int i = 0; i < n; i++)
        p[i] /= sum;
}

/* -sum p ln p. */
static double entropy(const double *p, int n)
{
    double h = 0;
    for (int i = 0; i < n; i++)
        if (p[i] > 0)
            h -= p[i] * log(p[i]);
    return h;
}

double distribution_divergence(const double *p, const double *weights, int count, int n,
                               double *mixed)
{
    double inner = 0;
    memset(mixed, 0, (size_t)n * sizeof *mixed);
    for (int i = 0; i < count; i++) {
        const double *row = p + (size_t)i * (size_t)n;
        if (!(weights[i] > 0))
            continue;
        for (int t = 0; t < n; t++)
            mixed[t] += weights[i] * row[t];
        inner += weights[i] * entropy(row, n);
    }
    double outer = entropy(mixed, n);
    return outer > inner ? outer - inner : 0;
}
