/* distribution.h - distributions over the vocabulary, in double: softmax, entropy, how far several lie
 * apart. All logarithms are natural, so entropies and divergences are in nats.
 */
#ifndef PERSONAS_DISTRIBUTION_H
#define PERSONAS_DISTRIBUTION_H

/* p[n] = softmax of the logits z[n]. */
void distribution_softmax(const float *z, int n, double *p);
/* The Jensen-Shannon divergence of p [count][n] (Lin, 1991), each of weight weights[i] (sum 1; those
 * of weight 0 are not looked at): H(sum w p) - sum w H(p), from 0 to ln count. mixed [n] becomes the
 * weighted sum. */
double distribution_divergence(const double *p, const double *weights, int count, int n,
                               double *mixed);

#endif
