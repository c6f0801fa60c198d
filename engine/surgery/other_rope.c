/* other_rope.c - see other_rope.h. */
#include "other_rope.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static const double TWO_PI = 6.28318530717958647692;

static double wavelength(const rope_config *r, int j)
{
    return TWO_PI * pow(r->theta, 2.0 * j / r->dim);
}

static double divisor(const rope_config *r, int j)
{
    double smooth =
        (r->original_context / wavelength(r, j) - r->low_freq) / (r->high_freq - r->low_freq);
    smooth = fmin(fmax(smooth, 0), 1);
    return 1 / (smooth + (1 - smooth) / r->factor);
}

void rope_divisors(const rope_config *llama3, float *out)
{
    for (int j = 0; j < llama3->dim / 2; j++)
        out[j] = (float)divisor(llama3, j);
}

static bool explains(const rope_config *guess, const float *divisors)
{
    for (int j = 0; j < guess->dim / 2; j++)
        if (!(fabs(divisor(guess, j) / (double)divisors[j] - 1) <= 1e-5))
            return false;
    return true;
}

/* The longest wavelength is divided by the whole factor; one on the ramp tells the context. */
int rope_from_divisors(const rope_config *r, rope_config *out)
{
    rope_config guess = *r;
    const float *divisors = r->factors; /* out may be r */
    int n = r->dim / 2, ramp = -1;
    guess.kind = ROPE_LLAMA3;
    guess.factors = NULL;
    guess.low_freq = 1;
    guess.high_freq = 4;
    guess.factor = (double)divisors[n - 1];
    for (int j = 0; j < n; j++)
        if (divisors[j] > 1.0001F && (double)divisors[j] < guess.factor * 0.9999)
            ramp = j;
    *out = guess;
    if (ramp >= 0) {
        double inverse = 1 / guess.factor;
        double smooth = (1 / (double)divisors[ramp] - inverse) / (1 - inverse);
        out->original_context = round(wavelength(out, ramp) * (smooth * 3 + 1));
        return explains(out, divisors) ? 0 : -1;
    }
    if (guess.factor >
        1) { /* none is: a context between those that are kept and those that are not */
        int kept = 0;
        while (kept < n && divisors[kept] == 1)
            kept++;
        double least = kept ? wavelength(out, kept - 1) * guess.high_freq : 1;
        out->original_context = exp2(ceil(log2(least)));
        return explains(out, divisors) ? 0 : -1;
    }
    out->kind = ROPE_PLAIN;
    out->factor = 1;
    for (int j = 0; j < n; j++)
        if (divisors[j] != 1)
            return -1;
    return 0;
}
