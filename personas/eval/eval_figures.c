/* eval_figures.c - see eval_figures.h. */
#include "eval_figures.h"

#include <math.h>

double eval_mcnemar(int b, int c)
{
    int n = b + c, few = b < c ? b : c;
    double sum = 0;
    for (int k = 0; k <= few; k++)
        sum += exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * log(2.0));
    return fmin(1, 2 * sum);
}

/* The corrected one is the largest of (tests that are no smaller) times p, over all that are no larger. */
void eval_holm(double *p, int n)
{
    enum { MOST = 256 };
    double raw[MOST];
    n = n < MOST ? n : MOST;
    for (int i = 0; i < n; i++)
        raw[i] = p[i];
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n && !isnan(raw[i]); k++) {
            int rest = 0;
            if (isnan(raw[k]) || raw[k] > raw[i])
                continue;
            for (int m = 0; m < n; m++)
                rest += !isnan(raw[m]) && raw[m] >= raw[k];
            p[i] = fmax(p[i], fmin(1, rest * raw[k]));
        }
    }
}
