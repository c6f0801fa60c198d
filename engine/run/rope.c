/* rope.c - see rope.h. */
#include "rope.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* Everything below is f32 with one rounding an operation, in the order of the reference: at position
 * 131,071 a frequency that is more exact than the reference's would turn an angle by 0.008. */

/* Llama 3.1: long wavelengths are stretched by the factor, short ones kept, a ramp in between. */
static float llama3_frequency(const rope_config *rope, float f)
{
    float wavelength = (float)(2 * PI) / f, factor = (float)rope->factor;
    if (wavelength > (float)(rope->original_context / rope->low_freq))
        return f / factor;
    if (wavelength < (float)(rope->original_context / rope->high_freq))
        return f;
    float smooth = ((float)rope->original_context / wavelength - (float)rope->low_freq) /
                   (float)(rope->high_freq - rope->low_freq);
    return (1 - smooth) * f / factor + smooth * f;
}

/* YaRN: the (fractional) dimension that turns `rotations` times over the original context. */
static double correction_dim(const rope_config *rope, double rotations)
{
    return rope->dim * log(rope->original_context / (rotations * 2 * PI)) / (2 * log(rope->theta));
}

/* YaRN: the share of interpolation of dimension j rises linearly between two corrections. */
static float yarn_frequency(const rope_config *rope, float period, int j)
{
    double low = correction_dim(rope, rope->beta_fast);
    double high = correction_dim(rope, rope->beta_slow);
    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, rope->dim - 1);
    if (low == high)
        high += 0.001; /* the reference avoids the division by zero in the same way */
    float ramp = fminf(fmaxf(((float)j - (float)low) / (float)(high - low), 0), 1);
    float kept = 1 - ramp;
    return 1 / ((float)rope->factor * period) * (1 - kept) + 1 / period * kept;
}

void rope_frequencies(const rope_config *rope, float *frequencies)
{
    for (int j = 0; j < rope->dim / 2; j++) {
        float exponent = (float)(2 * j) / (float)rope->dim;
        float period = (float)pow(rope->theta, exponent);
        float f = 1 / period;
        if (rope->kind == ROPE_LINEAR)
            f /= (float)rope->factor;
        else if (rope->kind == ROPE_LLAMA3)
            f = llama3_frequency(rope, f);
        else if (rope->kind == ROPE_YARN)
            f = yarn_frequency(rope, period, j);
        frequencies[j] = rope->factors ? f / rope->factors[j] : f;
    }
}

/* Sine and cosine of 0 <= x < 2^24 in double, within an ulp or two: far below what f32 can show.
 * Cody-Waite reduction: pi/2 in three pieces of 33 bits, so that the first products are exact. */
static void sine_cosine(double x, double *sine, double *cosine)
{
    double quarter = floor(x * (2 / PI) + 0.5);
    double r = x - quarter * 0x1.921fb544p+0;
    r -= quarter * 0x1.0b4611a6p-34;
    r -= quarter * 0x1.3198a2e037073p-69;
    double r2 = r * r;
    /* Taylor series on [-pi/4, pi/4]; the first term left out is below 2^-57. */
    double s =
        r + r * r2 *
                (-1.0 / 6 +
                 r2 * (1.0 / 120 + r2 * (-1.0 / 5040 +
                                         r2 * (1.0 / 362880 + r2 * (-1.0 / 39916800 +
                                                                    r2 * (1.0 / 6227020800 -
                                                                          r2 / 1307674368000))))));
    double c =
        1 + r2 * (-0.5 +
                  r2 * (1.0 / 24 +
                        r2 * (-1.0 / 720 +
                              r2 * (1.0 / 40320 +
                                    r2 * (-1.0 / 3628800 +
                                          r2 * (1.0 / 479001600 - r2 * (1.0 / 87178291200 -
                                                                        r2 / 20922789888000)))))));
    switch ((long long)quarter & 3) {
    case 0:
        *sine = s, *cosine = c;
        break;
    case 1:
        *sine = c, *cosine = -s;
        break;
    case 2:
        *sine = -s, *cosine = -c;
        break;
    default:
        *sine = -c, *cosine = s;
    }
}

void rope_angles(const rope_config *rope, const float *frequencies, int position, float *cosines,
                 float *sines)
{
    for (int j = 0; j < rope->dim / 2; j++) {
        float angle = (float)position * frequencies[j];
        double s, c;
        sine_cosine(angle, &s, &c);
        cosines[j] = (float)(c * rope->attention_factor);
        sines[j] = (float)(s * rope->attention_factor);
    }
}
