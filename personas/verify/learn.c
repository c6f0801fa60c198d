/* learn.c - see learn.h. */
#include "learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { F = VOTE_FEATURES, STEPS_MOST = 50 };
static const double PENALTIES[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};
enum { PENALTY_COUNT = sizeof PENALTIES / sizeof *PENALTIES };

static bool has(const verify_examples *x, const bool *in, size_t i)
{
    return (!in || in[i]) && x->v[i].told;
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Root mean square of the centred features of what can win. */
static void measure_scale(const verify_examples *x, const bool *in, double *scale)
{
    double sum[F] = {0};
    size_t n = 0;
    for (size_t i = 0; i < x->len; i++) {
        if (in && !in[i])
            continue;
        for (int a = 0; a < x->v[i].passes; a++) {
            if (x->v[i].barred[a])
                continue;
            n++;
            for (int f = 0; f < F; f++) {
                double v = x->v[i].features[a * F + f];
                sum[f] += v * v;
            }
        }
    }
    for (int f = 0; f < F; f++) {
        double s = n ? sqrt(sum[f] / (double)n) : 0;
        scale[f] = s > 1e-6 ? s : 0;
    }
}

/* One pair of an example: the scaled difference of a right and a wrong answer. */
static void difference(const verify_example *e, int right, int wrong, const double *scale,
                       double *d)
{
    for (int f = 0; f < F; f++)
        d[f] =
            scale[f] > 0 ? (e->features[right * F + f] - e->features[wrong * F + f]) / scale[f] : 0;
}

static int pairs_of(const verify_example *e)
{
    int right = 0, wrong = 0;
    for (int a = 0; a < e->passes; a++) {
        right += e->right[a] && !e->barred[a];
        wrong += !e->right[a] && !e->barred[a];
    }
    return right * wrong;
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (int f = 0; f < F; f++)
        sum += a[f] * b[f];
    return sum;
}

/* Loss, gradient and Hessian of one example's pairs are added; the last two may be NULL. */
static double add_example(const verify_example *e, const double *scale, const double *w,
                          double *gradient, double *hessian)
{
    double loss = 0, share = 1.0 / pairs_of(e), d[F];
    for (int r = 0; r < e->passes; r++) {
        for (int s = 0; s < e->passes; s++) {
            if (!e->right[r] || e->right[s] || e->barred[r] || e->barred[s])
                continue;
            difference(e, r, s, scale, d);
            double z = dot(w, d), p = 1 / (1 + exp(z)); /* of being wrong */
            loss += share * (z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z);
            if (!gradient)
                continue;
            for (int f = 0; f < F; f++) {
                gradient[f] -= share * p * d[f];
                for (int g = 0; g <= f; g++)
                    hessian[f * F + g] += share * p * (1 - p) * d[f] * d[g];
            }
        }
    }
    return loss;
}

/* Solves H x = b in place by Cholesky (lower triangle); false when H is not positive definite. */
static bool solve(double *h, double *b)
{
    for (int i = 0; i < F; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = h[i * F + j];
            for (int k = 0; k < j; k++)
                sum -= h[i * F + k] * h[j * F + k];
            if (i == j && !(sum > 0))
                return false;
            h[i * F + j] = i == j ? sqrt(sum) : sum / h[j * F + j];
        }
    }
    for (int i = 0; i < F; i++) {
        for (int k = 0; k < i; k++)
            b[i] -= h[i * F + k] * b[k];
        b[i] /= h[i * F + i];
    }
    for (int i = F - 1; i >= 0; i--) {
        for (int k = i + 1; k < F; k++)
            b[i] -= h[k * F + i] * b[k];
        b[i] /= h[i * F + i];
    }
    return true;
}

static double loss_at(const verify_examples *x, const bool *in, const double *scale,
                      const double *w, double penalty)
{
    double loss = penalty / 2 * dot(w, w);
    for (size_t i = 0; i < x->len; i++)
        if (has(x, in, i))
            loss += add_example(&x->v[i], scale, w, NULL, NULL);
    return loss;
}

enum { HALVES = 20 };

/* One step of Newton, halved until the loss falls; returns by how much it fell, or -1. */
static double newton(const verify_examples *x, const bool *in, const double *scale, double *w,
                     double penalty)
{
    double h[F * F] = {0}, g[F] = {0}, next[F], before = penalty / 2 * dot(w, w);
    for (size_t i = 0; i < x->len; i++)
        if (has(x, in, i))
            before += add_example(&x->v[i], scale, w, g, h);
    for (int f = 0; f < F; f++) {
        g[f] += penalty * w[f];
        h[f * F + f] += penalty;
    }
    if (!solve(h, g))
        return -1;
    double size = 1;
    for (int halves = 0; halves < HALVES; halves++, size /= 2) {
        for (int f = 0; f < F; f++)
            next[f] = w[f] - size * g[f];
        double after = loss_at(x, in, scale, next, penalty);
        if (after <= before) {
            memcpy(w, next, sizeof next);
            return before - after;
        }
    }
    return 0;
}

int learn_weights(const verify_examples *x, const bool *in, double penalty, double *scale,
                  double *weight, error *err)
{
    measure_scale(x, in, scale);
    memset(weight, 0, F * sizeof *weight);
    for (int i = 0; i < STEPS_MOST; i++) {
        double fell = newton(x, in, scale, weight, penalty);
        if (fell < 0)
            break;
        if (fell < 1e-9)
            return 0;
    }
    return error_set(err, ERROR_RUN, "the verifier's weights do not converge");
}

/* ---- folds ------------------------------------------------------------------------------------- */

static int fold_of(const verify_example *e)
{
    return (int)((e->id >> 20) % LEARN_FOLDS);
}

/* in = those of `from` (NULL = all) that are not in the fold; out = the others of `from`. */
static void split(const verify_examples *x, const bool *from, int fold, bool *in, bool *out)
{
    for (size_t i = 0; i < x->len; i++) {
        bool mine = !from || from[i];
        in[i] = mine && fold_of(&x->v[i]) != fold;
        out[i] = mine && fold_of(&x->v[i]) == fold;
    }
}

/* The penalty with the least held-out loss over the folds of `from`. */
static int choose_penalty(const verify_examples *x, const bool *from, double *penalty, error *err)
{
    bool *in = calloc(x->len + 1, sizeof *in), *out = calloc(x->len + 1, sizeof *out);
    double least = INFINITY, scale[F], w[F];
    int result = in && out ? 0 : error_memory(err, "a verifier");
    for (int p = 0; p < PENALTY_COUNT && !result; p++) {
        double loss = 0;
        for (int fold = 0; fold < LEARN_FOLDS && !result; fold++) {
            split(x, from, fold, in, out);
            result = learn_weights(x, in, PENALTIES[p], scale, w, err);
            loss += loss_at(x, out, scale, w, 0);
        }
        if (loss < least) {
            least = loss;
            *penalty = PENALTIES[p];
        }
    }
    free(in);
    free(out);
    return result;
}

/* ---- figures ----------------------------------------------------------------------------------- */

static int pick(const verify_example *e, const double *scale, const double *w)
{
    int best = -1;
    double top = 0;
    for (int a = 0; a < e->passes; a++) {
        double mark = 0;
        for (int f = 0; f < F; f++)
            mark += scale[f] > 0 ? w[f] * e->features[a * F + f] / scale[f] : 0;
        if (!e->barred[a] && (best < 0 || mark > top)) {
            best = a;
            top = mark;
        }
    }
    return best;
}

/* Expected right answers of a pick by chance among those that can win. */
static double blind(const verify_example *e)
{
    int right = 0, can = 0;
    for (int a = 0; a < e->passes; a++) {
        right += e->right[a] && !e->barred[a];
        can += !e->barred[a];
    }
    return can ? (double)right / can : 0;
}

/* gain[i] = picked right less by chance, by weights that have not seen example i. */
static int pick_all(const verify_examples *x, double *right, error *err)
{
    bool *in = calloc(x->len + 1, sizeof *in), *out = calloc(x->len + 1, sizeof *out);
    double scale[F], w[F], penalty = 1;
    int result = in && out ? 0 : error_memory(err, "a verifier");
    for (int fold = 0; fold < LEARN_FOLDS && !result; fold++) {
        split(x, NULL, fold, in, out);
        result =
            choose_penalty(x, in, &penalty, err) || learn_weights(x, in, penalty, scale, w, err);
        for (size_t i = 0; i < x->len && !result; i++) {
            int a = out[i] ? pick(&x->v[i], scale, w) : -1;
            if (out[i])
                right[i] = a >= 0 && x->v[i].right[a];
        }
    }
    free(in);
    free(out);
    return result ? -1 : 0;
}

static double best_persona(const verify_examples *x)
{
    int most = 0, passes = x->len ? x->v[0].passes : 0;
    for (int a = 0; a < passes; a++) {
        int right = 0;
        for (size_t i = 0; i < x->len; i++)
            right += x->v[i].right[a];
        most = right > most ? right : most;
    }
    return (double)most / (double)x->len;
}

static void count(const verify_examples *x, const double *right, verifier_figures *g)
{
    double n = (double)x->len, gain = 0, squares = 0;
    *g = (verifier_figures){.questions = (int)x->len, .best = best_persona(x)};
    for (size_t i = 0; i < x->len; i++) {
        double chance = blind(&x->v[i]), d = right[i] - chance;
        bool any = false;
        for (int a = 0; a < x->v[i].passes; a++)
            any = any || x->v[i].right[a];
        g->told += x->v[i].told;
        g->right += right[i] / n;
        g->blind += chance / n;
        g->any += any / n;
        gain += d / n;
        squares += d * d / n;
    }
    double error_of_mean = sqrt((squares - gain * gain) / (n - 1));
    g->low = gain - 1.96 * error_of_mean;
    g->high = gain + 1.96 * error_of_mean;
}

int learn_verifier(const verify_examples *x, verifier_content *out, error *err)
{
    int told = 0;
    for (size_t i = 0; i < x->len; i++)
        told += x->v[i].told;
    if (told < LEARN_TOLD)
        return error_set(err, ERROR_RUN,
                         "%d of %zu questions have right and wrong answers: at least %d are needed",
                         told, x->len, LEARN_TOLD);
    double *right = calloc(x->len, sizeof *right);
    int result = right ? 0 : error_memory(err, "a verifier");
    if (!result)
        result = pick_all(x, right, err) || choose_penalty(x, NULL, &out->penalty, err) ||
                 learn_weights(x, NULL, out->penalty, out->scale, out->weight, err);
    if (!result)
        count(x, right, &out->figures);
    free(right);
    return result ? -1 : 0;
}
