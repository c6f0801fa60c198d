/* attention_chunk_avx2.c - the inner loops of attention on eight lanes, bit-equal to the baseline.
 *
 * Each loaded and converted vector of keys or values is used by up to three queries, so that
 * loading does not bind: score keeps 3 queries x 4 positions of sums in registers, accumulate 3
 * queries x 4 vectors of accumulators. The functions on top are inlined with constant counts (and
 * a constant type), one copy for each; dim is a multiple of 8 there, other sizes (tiny test
 * models) go to the baseline. Q8_0 costs more to load than it is worth for each three of many queries:
 * for these it is widened once, a tile at a time, into the first cache. (F16 is not: it loads as fast.)
 *
 * A chunk is 8 KB or so at an address the hardware cannot foresee: while one is read, the one
 * needed next is asked for, piece by piece.
 */
#include <math.h>

#include "../quantize.h"
#include "attention_chunk_avx2.h"

enum {
    TILE = 4,    /* positions in one pass of score, and vectors in one of accumulate */
    QUERIES = 3, /* most queries in one pass */
    MANY = 5,    /* queries for which Q8_0 is widened */
    KEYS = 8,    /* positions of keys that are widened at a time, of at most */
    WIDE = 256,  /* so many elements */
    STRIP = 32,  /* elements of values that are, of all positions */
};

/* to [rows, cols] = elements [at, at + cols) of Q8_0 rows that lie `stride` bytes apart. */
VECTOR_INLINE void widen(const char *from, size_t stride, size_t rows, size_t at, size_t cols,
                         float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i += 8)
            _mm256_storeu_ps(to + r * cols + i, load_q8_0(from + r * stride, at + i));
}

/* ---- storing ---------------------------------------------------------------------------------- */

static void store_f16(const float *x, char *to, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((void *)(to + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    quantize_row(DTYPE_F16, x + i, to + 2 * i, n - i);
}

static void store(dtype type, const float *x, void *to, size_t n)
{
    if (type == DTYPE_F16)
        store_f16(x, to, n);
    else
        quantize_row(type, x, to, n);
}

/* ---- scores ----------------------------------------------------------------------------------- */

/* `queries` queries x `tile` positions from position j on. */
VECTOR_INLINE void score_tile(load_fn *load, const attention_chunk *keys, size_t stride,
                              const float *const *q, int queries, int tile, int j, float scale,
                              float (*scores)[KV_PAGE])
{
    const char *from = (const char *)keys->data + (size_t)j * stride;
    __m256 sums[QUERIES][TILE];
    for (int i = 0; i < queries; i++)
        for (int t = 0; t < tile; t++)
            sums[i][t] = _mm256_setzero_ps();
    for (size_t at = 0; at < keys->dim; at += 8) {
        __m256 parts[QUERIES];
        for (int i = 0; i < queries; i++)
            parts[i] = _mm256_loadu_ps(q[i] + at);
        for (int t = 0; t < tile; t++) {
            __m256 key = load(from + (size_t)t * stride, at);
            for (int i = 0; i < queries; i++)
                sums[i][t] = _mm256_fmadd_ps(parts[i], key, sums[i][t]);
        }
    }
    for (int i = 0; i < queries; i++) {
        __m128 folded = tile == TILE ? fold_four(sums[i][0], sums[i][1], sums[i][2], sums[i][3])
                                     : fold_four(sums[i][0], sums[i][0], sums[i][0], sums[i][0]);
        folded = _mm_mul_ps(folded, _mm_set1_ps(scale));
        if (tile == TILE)
            _mm_storeu_ps(&scores[i][j], folded);
        else
            _mm_store_ss(&scores[i][j], folded);
    }
}

VECTOR_INLINE void score_queries(load_fn *load, const attention_chunk *keys, size_t stride,
                                 const float *const *q, int queries, bool first, float scale,
                                 float (*scores)[KV_PAGE])
{
    int j = 0;
    for (; j + TILE <= keys->positions; j += TILE) {
        if (first)
            expect(keys, (size_t)j * stride, TILE * stride);
        score_tile(load, keys, stride, q, queries, TILE, j, scale, scores);
    }
    for (; j < keys->positions; j++)
        score_tile(load, keys, stride, q, queries, 1, j, scale, scores);
}

VECTOR_INLINE void score_type(load_fn *load, const attention_chunk *keys, const float *const *q,
                              int queries, float scale, float (*scores)[KV_PAGE])
{
    size_t stride = dtype_row_bytes(keys->type, keys->dim);
    for (int i = 0; i < queries;) {
        int left = queries - i;
        if (left >= 3 && left != 4) {
            score_queries(load, keys, stride, q + i, 3, i == 0, scale, scores + i);
            i += 3;
        } else if (left >= 2) {
            score_queries(load, keys, stride, q + i, 2, i == 0, scale, scores + i);
            i += 2;
        } else {
            score_queries(load, keys, stride, q + i, 1, i == 0, scale, scores + i);
            i += 1;
        }
    }
}

static void score_many_q8_0(const attention_chunk *keys, const float *const *q, int queries,
                            float scale, float (*scores)[KV_PAGE])
{
    size_t stride = dtype_row_bytes(keys->type, keys->dim);
    float wide[KEYS * WIDE];
    for (int j = 0; j < keys->positions; j += KEYS) {
        int left = keys->positions - j, n = left < KEYS ? left : KEYS;
        attention_chunk some = {.type = DTYPE_F32, .data = wide, .dim = keys->dim, .positions = n};
        expect(keys, (size_t)j * stride, (size_t)n * stride);
        widen((const char *)keys->data + (size_t)j * stride, stride, (size_t)n, 0, keys->dim, wide);
        score_type(load_f32, &some, q, queries, scale, (float(*)[KV_PAGE])(void *)&scores[0][j]);
    }
}

static void score(const attention_chunk *keys, const float *const *q, int queries, float scale,
                  float (*scores)[KV_PAGE])
{
    if (keys->dim % 8 != 0)
        attention_baseline()->score(keys, q, queries, scale, scores);
    else if (keys->type == DTYPE_F16)
        score_type(load_f16, keys, q, queries, scale, scores);
    else if (keys->type == DTYPE_F32)
        score_type(load_f32, keys, q, queries, scale, scores);
    else if (queries >= MANY && keys->dim <= WIDE)
        score_many_q8_0(keys, q, queries, scale, scores);
    else
        score_type(load_q8_0, keys, q, queries, scale, scores);
}

/* ---- softmax ---------------------------------------------------------------------------------- */

static float softmax(float *scores, int n, float *most)
{
    float lanes[8];
    int whole = n - n % 8;
    __m256 largest = _mm256_set1_ps(*most), sums = _mm256_setzero_ps();
    for (int j = 0; j < whole; j += 8)
        largest = _mm256_max_ps(_mm256_loadu_ps(scores + j), largest); /* a NaN is passed over */
    _mm256_storeu_ps(lanes, largest);
    for (int l = 0; l < 8; l++)
        *most = lanes[l] > *most ? lanes[l] : *most;
    for (int j = whole; j < n; j++)
        *most = scores[j] > *most ? scores[j] : *most;
    for (int j = 0; j < whole; j += 8) {
        __m256 p = vector_exp(_mm256_sub_ps(_mm256_loadu_ps(scores + j), _mm256_set1_ps(*most)));
        _mm256_storeu_ps(scores + j, p);
        sums = _mm256_add_ps(sums, p);
    }
    _mm256_storeu_ps(lanes, sums);
    for (int j = whole; j < n; j++) {
        scores[j] = mathx_exp(scores[j] - *most);
        lanes[j - whole] += scores[j];
    }
    return attention_fold(lanes);
}

/* ---- values ----------------------------------------------------------------------------------- */

/* `queries` queries x `vectors` vectors of eight elements, from element `at` on. */
VECTOR_INLINE void blend_columns(load_fn *load, const attention_chunk *values, size_t stride,
                                 size_t at, float (*p)[KV_PAGE], const float *keep, int queries,
                                 size_t vectors, float *const *acc)
{
    __m256 sums[QUERIES][TILE];
    for (int i = 0; i < queries; i++)
        for (size_t v = 0; v < vectors; v++)
            sums[i][v] =
                _mm256_mul_ps(_mm256_loadu_ps(acc[i] + at + 8 * v), _mm256_set1_ps(keep[i]));
    for (int j = 0; j < values->positions; j++) {
        const char *from = (const char *)values->data + (size_t)j * stride;
        __m256 weights[QUERIES];
        for (int i = 0; i < queries; i++)
            weights[i] = _mm256_set1_ps(p[i][j]);
        for (size_t v = 0; v < vectors; v++) {
            __m256 value = load(from, at + 8 * v);
            for (int i = 0; i < queries; i++)
                sums[i][v] = _mm256_fmadd_ps(weights[i], value, sums[i][v]);
        }
    }
    for (int i = 0; i < queries; i++)
        for (size_t v = 0; v < vectors; v++)
            _mm256_storeu_ps(acc[i] + at + 8 * v, sums[i][v]);
}

VECTOR_INLINE void blend_queries(load_fn *load, const attention_chunk *values, size_t stride,
                                 float (*p)[KV_PAGE], const float *keep, int queries, bool first,
                                 float *const *acc)
{
    size_t at = 0, bytes = (size_t)values->positions * stride;
    for (; at + 8 * TILE <= values->dim; at += 8 * TILE) {
        size_t share = bytes * 8 * TILE / values->dim / ATTENTION_LINE * ATTENTION_LINE;
        if (first)
            expect(values, at / (8 * TILE) * share, share);
        blend_columns(load, values, stride, at, p, keep, queries, TILE, acc);
    }
    for (; at < values->dim; at += 8)
        blend_columns(load, values, stride, at, p, keep, queries, 1, acc);
}

VECTOR_INLINE void blend_type(load_fn *load, const attention_chunk *values, float (*p)[KV_PAGE],
                              const float *keep, int queries, float *const *acc)
{
    size_t stride = dtype_row_bytes(values->type, values->dim);
    for (int i = 0; i < queries;) {
        int left = queries - i;
        if (left >= 3 && left != 4) {
            blend_queries(load, values, stride, p + i, keep + i, 3, i == 0, acc + i);
            i += 3;
        } else if (left >= 2) {
            blend_queries(load, values, stride, p + i, keep + i, 2, i == 0, acc + i);
            i += 2;
        } else {
            blend_queries(load, values, stride, p + i, keep + i, 1, i == 0, acc + i);
            i += 1;
        }
    }
}

static void blend_many_q8_0(const attention_chunk *values, float (*p)[KV_PAGE], const float *keep,
                            int queries, float *const *acc)
{
    size_t stride = dtype_row_bytes(values->type, values->dim);
    size_t share =
        (size_t)values->positions * stride * STRIP / values->dim / ATTENTION_LINE * ATTENTION_LINE;
    float wide[KV_PAGE * STRIP];
    for (size_t at = 0; at < values->dim; at += STRIP) {
        attention_chunk strip = {
            .type = DTYPE_F32, .data = wide, .dim = STRIP, .positions = values->positions};
        expect(values, at / STRIP * share, share);
        widen(values->data, stride, (size_t)values->positions, at, STRIP, wide);
        for (int i = 0, n; i < queries; i += n) {
            float *columns[MANY];
            n = queries - i > QUERIES + 1 ? QUERIES : queries - i;
            n = n == QUERIES + 1 ? 2 : n;
            for (int k = 0; k < n; k++)
                columns[k] = acc[i + k] + at;
            blend_type(load_f32, &strip, p + i, keep + i, n, columns);
        }
    }
}

static void accumulate(const attention_chunk *values, float (*p)[KV_PAGE], const float *keep,
                       int queries, float *const *acc)
{
    if (values->dim % 8 != 0)
        attention_baseline()->accumulate(values, p, keep, queries, acc);
    else if (values->type == DTYPE_F16)
        blend_type(load_f16, values, p, keep, queries, acc);
    else if (values->type == DTYPE_F32)
        blend_type(load_f32, values, p, keep, queries, acc);
    else if (queries >= MANY && values->dim % STRIP == 0)
        blend_many_q8_0(values, p, keep, queries, acc);
    else
        blend_type(load_q8_0, values, p, keep, queries, acc);
}

const attention_kernels *attention_avx2(void)
{
    static const attention_kernels kernels = {store, score, softmax, accumulate};
    return &kernels;
}
