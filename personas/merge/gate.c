/* gate.c - see gate.h. */
#include "gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/hash.h"
#include "../../engine/base/mapped_file.h"

enum { FORM = 1, QUESTIONS_MOST = 1 << 24 };
static const double LARGE = 1e6;

/* ---- the file ---------------------------------------------------------------------------------- */

static int read_weights(const json *root, gate *g, error *err)
{
    const json *list = NULL;
    int at = 0;
    if (model_file_array(root, "weights", &list, err))
        return -1;
    if (json_count(list) != GATE_WEIGHTS)
        return error_set(err, ERROR_LOAD, "weights: must be %d numbers", GATE_WEIGHTS);
    for (const json *i = json_first(list); i; i = json_next(i), at++) {
        double v = json_type(i) == JSON_NUMBER ? json_number(i) : NAN;
        if (!(fabs(v) <= LARGE))
            return error_set(err, ERROR_LOAD, "weights[%d]: must be a number of at most %g", at,
                             LARGE);
        g->weights[at] = v;
    }
    return 0;
}

static int read_figures(const json *v, gate_figures *f, error *err)
{
    static const char *const known[] = {"questions", "tokens", "plain", "gated", "low", "high"};
    return json_check_members(v, known, 6, err) ||
                   model_file_int(v, "questions", QUESTIONS_MOST, &f->questions, err) ||
                   model_file_int(v, "tokens", QUESTIONS_MOST, &f->tokens, err) ||
                   model_file_number(v, "plain", -LARGE, 0, &f->plain, err) ||
                   model_file_number(v, "gated", -LARGE, 0, &f->gated, err) ||
                   model_file_number(v, "low", -LARGE, LARGE, &f->low, err) ||
                   model_file_number(v, "high", -LARGE, LARGE, &f->high, err)
               ? -1
               : 0;
}

static int fill(gate *g, const json *root, error *err)
{
    static const char *const known[] = {"gate", "model", "weights", "figures", "learned_from"};
    const json *figures = NULL;
    int form = 0;
    if (json_type(root) != JSON_OBJECT)
        return error_set(err, ERROR_LOAD, "is no gate: must be an object");
    if (json_check_members(root, known, 5, err) ||
        model_file_int(root, "gate", 1 << 20, &form, err))
        return -1;
    if (form != FORM)
        return error_set(err, ERROR_LOAD, "gate: form %d; this program reads form %d", form, FORM);
    if (model_identity_read(root, &g->model, err) || read_weights(root, g, err) ||
        model_file_object(root, "figures", &figures, err))
        return -1;
    if (read_figures(figures, &g->figures, err))
        return error_prefix(err, "figures: ");
    return model_file_hash(root, "learned_from", &g->learned_from, err);
}

gate *gate_read(const char *where, const char *text, size_t len, error *err)
{
    json_document *d = json_parse(where, text, len, err);
    gate *g = d ? calloc(1, sizeof *g) : NULL;
    if (d && !g)
        (void)error_memory(err, "the gate");
    if (g)
        g->hash = hash_bytes(HASH_START, text, len);
    if (g && fill(g, json_root(d), err)) {
        (void)error_prefix(err, "%s: ", where);
        free(g);
        g = NULL;
    }
    json_close(d);
    return g;
}

int gate_write(const gate *g, buf *out, error *err)
{
    json_writer w = {.out = out, .err = err};
    const gate_figures *f = &g->figures;
    json_begin_object(&w, NULL);
    json_put_int(&w, "gate", FORM);
    model_identity_write(&w, &g->model);
    json_begin_array(&w, "weights");
    for (int i = 0; i < GATE_WEIGHTS; i++)
        json_put_number(&w, NULL, g->weights[i]);
    json_end(&w);
    json_begin_object(&w, "figures");
    json_put_int(&w, "questions", f->questions);
    json_put_int(&w, "tokens", f->tokens);
    json_put_number(&w, "plain", f->plain);
    json_put_number(&w, "gated", f->gated);
    json_put_number(&w, "low", f->low);
    json_put_number(&w, "high", f->high);
    json_end(&w);
    model_file_put_hash(&w, "learned_from", g->learned_from);
    json_end(&w);
    return json_writer_finish(&w) || buf_text(out, "\n", err) ? -1 : 0;
}

int gate_find(engine *e, gate **out, error *err)
{
    char *path = NULL, *text = NULL;
    size_t len;
    *out = NULL;
    int result = model_file_find(e, "gate", &path, err);
    if (!result && path) {
        gate *g = file_read_all(path, GATE_BYTES, &text, &len, err)
                      ? NULL
                      : gate_read(path, text, len, err);
        result = g ? model_file_check(e, path, &g->model, err) : -1;
        if (result)
            free(g);
        else
            *out = g;
    }
    free(text);
    free(path);
    return result;
}

/* ---- what it sees ------------------------------------------------------------------------------ */

static int fill_mean(const double *p, const double *prior, int n, int vocabulary, double *mean)
{
    int speaking = 0;
    memset(mean, 0, (size_t)vocabulary * sizeof *mean);
    for (int i = 0; i < n; i++) {
        if (!(prior[i] > 0))
            continue;
        speaking++;
        for (int t = 0; t < vocabulary; t++)
            mean[t] += p[(size_t)i * (size_t)vocabulary + (size_t)t];
    }
    for (int t = 0; t < vocabulary; t++)
        mean[t] /= speaking;
    return speaking;
}

/* Entropy, the two largest, the likeliest token, and the divergence from the mean. */
static int look(const double *p, const double *mean, int vocabulary, double *f)
{
    int best = 0;
    double entropy = 0, divergence = 0, first = 0, second = 0;
    for (int t = 0; t < vocabulary; t++) {
        double v = p[t];
        if (v > 0) {
            double l = log(v);
            entropy -= v * l;
            divergence += v * (l - log(mean[t]));
        }
        if (v > first) {
            second = first;
            first = v;
            best = t;
        } else if (v > second) {
            second = v;
        }
    }
    f[0] = entropy / log(vocabulary);
    f[1] = first;
    f[2] = second;
    f[4] = fmin(divergence, 10) / 5;
    return best;
}

void gate_features(const double *p, const double *prior, int n, int vocabulary, int at,
                   double *mean, double *out)
{
    double entropies = 0;
    int speaking = fill_mean(p, prior, n, vocabulary, mean);
    memset(out, 0, (size_t)n * GATE_FEATURES * sizeof *out);
    for (int i = 0; i < n; i++) {
        double *f = out + (size_t)i * GATE_FEATURES;
        const double *own = p + (size_t)i * (size_t)vocabulary;
        if (!(prior[i] > 0))
            continue;
        int best = look(own, mean, vocabulary, f);
        f[3] = speaking > 1 ? (mean[best] * speaking - own[best]) / (speaking - 1) : 0;
        f[5] = fmax(log(prior[i]), -10) / 5;
        f[6] = log(1.0 + at) / 5;
        entropies += f[0] / speaking;
    }
    for (int i = 0; i < n; i++)
        if (prior[i] > 0)
            out[(size_t)i * GATE_FEATURES + 7] = entropies;
}

/* ---- what it says ------------------------------------------------------------------------------ */

/* out [GATE_HIDDEN] = tanh(offset + rows . in) */
static void layer(const double *rows, const double *offset, const double *in, int n, double *out)
{
    for (int h = 0; h < GATE_HIDDEN; h++) {
        double sum = offset[h];
        for (int i = 0; i < n; i++)
            sum += rows[h * n + i] * in[i];
        out[h] = tanh(sum);
    }
}

double gate_output(const double *weights, const double *features, double *hidden)
{
    double room[2 * GATE_HIDDEN], *one = hidden ? hidden : room, *two = one + GATE_HIDDEN, sum = 0;
    const double *first = weights, *first_offset = first + GATE_HIDDEN * GATE_FEATURES;
    const double *second = first_offset + GATE_HIDDEN;
    const double *second_offset = second + GATE_HIDDEN * GATE_HIDDEN;
    const double *last = second_offset + GATE_HIDDEN;
    layer(first, first_offset, features, GATE_FEATURES, one);
    layer(second, second_offset, one, GATE_HIDDEN, two);
    for (int h = 0; h < GATE_HIDDEN; h++)
        sum += last[h] * two[h];
    return sum;
}

void gate_mix(const double *weights, const double *features, const double *prior, int n, double *w)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) {
        w[i] = prior[i] > 0 ? gate_output(weights, features + (size_t)i * GATE_FEATURES, NULL) : 0;
        if (prior[i] > 0)
            most = fmax(most, w[i]);
    }
    for (int i = 0; i < n; i++)
        sum += w[i] = prior[i] > 0 ? prior[i] * exp(w[i] - most) : 0;
    for (int i = 0; i < n; i++)
        w[i] /= sum;
}
