/* attention_chunk_avx512.c - the inner loops of attention on sixteen lanes, bit-equal to the baseline.
 *
 * A score is a sum in eight lanes, so one wide vector holds the lanes of two positions: keys j and j + 4
 * side by side meet a query that stands in both halves. In accumulate every element is by itself: sixteen
 * at a time. Tiles are four queries by four vectors of sums. Q8_0 keys are widened first, eight
 * positions at a time. What does not fit (the last few positions, odd sizes) goes to the kernels for AVX2,
 * and softmax and storing, which are little work, are theirs altogether.
 */
#include "attention_chunk_avx2.h"

enum {
    QUERIES = 4,   /* most queries in one pass */
    VECTORS = 4,   /* wide vectors in one pass */
    POSITIONS = 8, /* in one pass of score: two a vector */
    STRIP = 16 * VECTORS,
    WIDE = 256, /* most elements of a Q8_0 key */
};

VECTOR_INLINE __m512 join(__m256 low, __m256 high)
{
    __m512d both = _mm512_castpd256_pd512(_mm256_castps_pd(low));
    return _mm512_castpd_ps(_mm512_insertf64x4(both, _mm256_castps_pd(high), 1));
}

VECTOR_INLINE __m256 upper(__m512 v)
{
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
}

/* Eight elements of a query in both halves. */
VECTOR_INLINE __m512 twice(const float *x)
{
    return _mm512_castpd_ps(_mm512_broadcast_f64x4(_mm256_castps_pd(_mm256_loadu_ps(x))));
}

/* Elements [at, at + 8) of two vectors. */
VECTOR_INLINE __m512 two_keys(dtype type, const char *a, const char *b, size_t at)
{
    if (type == DTYPE_F16)
        return _mm512_cvtph_ps(vector_join16(a + 2 * at, b + 2 * at));
    return join(load_f32(a, at), load_f32(b, at));
}

/* Elements [at, at + 16) of one vector. */
VECTOR_INLINE __m512 sixteen(dtype type, const char *vector, size_t at)
{
    if (type == DTYPE_F16)
        return _mm512_cvtph_ps(vector_load32(vector + 2 * at));
    if (type == DTYPE_F32)
        return _mm512_loadu_ps(vector + 4 * at);
    const char *block = vector + at / 32 * sizeof(block_q8_0);
    __m512 d = _mm512_set1_ps(_cvtsh_ss(vector_load_u16(block)));
    __m512i codes = _mm512_cvtepi8_epi32(vector_load16(block + 2 + at % 32));
    return _mm512_mul_ps(d, _mm512_cvtepi32_ps(codes));
}

/* ---- scores ----------------------------------------------------------------------------------- */

/* `queries` queries x eight positions, whose keys begin at `from`. */
VECTOR_INLINE void score_tile(dtype type, const char *from, size_t stride, size_t dim,
                              const float *const *q, int queries, int j, float scale,
                              float (*scores)[KV_PAGE])
{
    __m512 sums[QUERIES][VECTORS];
    for (int i = 0; i < queries; i++)
        for (int v = 0; v < VECTORS; v++)
            sums[i][v] = _mm512_setzero_ps();
    for (size_t at = 0; at < dim; at += 8) {
        __m512 parts[QUERIES];
        for (int i = 0; i < queries; i++)
            parts[i] = twice(q[i] + at);
        for (int v = 0; v < VECTORS; v++) {
            const char *key = from + (size_t)v * stride;
            __m512 keys = two_keys(type, key, key + VECTORS * stride, at);
            for (int i = 0; i < queries; i++)
                sums[i][v] = _mm512_fmadd_ps(parts[i], keys, sums[i][v]);
        }
    }
    for (int i = 0; i < queries; i++) {
        const __m512 *s = sums[i];
        __m128 low = fold_four(_mm512_castps512_ps256(s[0]), _mm512_castps512_ps256(s[1]),
                               _mm512_castps512_ps256(s[2]), _mm512_castps512_ps256(s[3]));
        __m128 high = fold_four(upper(s[0]), upper(s[1]), upper(s[2]), upper(s[3]));
        _mm_storeu_ps(&scores[i][j], _mm_mul_ps(low, _mm_set1_ps(scale)));
        _mm_storeu_ps(&scores[i][j + 4], _mm_mul_ps(high, _mm_set1_ps(scale)));
    }
}

/* The same for all queries. */
VECTOR_INLINE void score_positions(dtype type, const char *from, size_t stride, size_t dim,
                                   const float *const *q, int queries, int j, float scale,
                                   float (*scores)[KV_PAGE])
{
    int i = 0;
    for (; i + QUERIES <= queries; i += QUERIES)
        score_tile(type, from, stride, dim, q + i, QUERIES, j, scale, scores + i);
    if (queries - i == 3)
        score_tile(type, from, stride, dim, q + i, 3, j, scale, scores + i);
    else if (queries - i == 2)
        score_tile(type, from, stride, dim, q + i, 2, j, scale, scores + i);
    else if (queries - i == 1)
        score_tile(type, from, stride, dim, q + i, 1, j, scale, scores + i);
}

VECTOR_INLINE void score_type(dtype type, const attention_chunk *keys, const float *const *q,
                              int queries, float scale, float (*scores)[KV_PAGE])
{
    size_t stride = dtype_row_bytes(keys->type, keys->dim);
    const char *from = keys->data;
    float wide[POSITIONS * WIDE];
    int j = 0;
    for (; j + POSITIONS <= keys->positions; j += POSITIONS, from += POSITIONS * stride) {
        expect(keys, (size_t)j * stride, POSITIONS * stride);
        if (type == DTYPE_Q8_0) {
            for (size_t r = 0; r < POSITIONS; r++)
                for (size_t at = 0; at < keys->dim; at += 16)
                    _mm512_storeu_ps(wide + r * keys->dim + at,
                                     sixteen(type, from + r * stride, at));
            score_positions(DTYPE_F32, (const char *)wide, keys->dim * sizeof *wide, keys->dim, q,
                            queries, j, scale, scores);
        } else {
            score_positions(type, from, stride, keys->dim, q, queries, j, scale, scores);
        }
    }
    if (j == keys->positions)
        return;
    attention_chunk rest = {
        .type = keys->type, .data = from, .dim = keys->dim, .positions = keys->positions - j};
    attention_avx2()->score(&rest, q, queries, scale, (float(*)[KV_PAGE])(void *)&scores[0][j]);
}

static void score(const attention_chunk *keys, const float *const *q, int queries, float scale,
                  float (*scores)[KV_PAGE])
{
    if (keys->dim % 16 != 0 || keys->dim > WIDE)
        attention_avx2()->score(keys, q, queries, scale, scores);
    else if (keys->type == DTYPE_F16)
        score_type(DTYPE_F16, keys, q, queries, scale, scores);
    else if (keys->type == DTYPE_F32)
        score_type(DTYPE_F32, keys, q, queries, scale, scores);
    else
        score_type(DTYPE_Q8_0, keys, q, queries, scale, scores);
}

/* ---- values ----------------------------------------------------------------------------------- */

/* `queries` queries x `vectors` vectors of sixteen elements, from element `at` on. */
VECTOR_INLINE void blend_columns(dtype type, const attention_chunk *values, size_t stride,
                                 size_t at, float (*p)[KV_PAGE], const float *keep, int queries,
                                 size_t vectors, float *const *acc)
{
    __m512 sums[QUERIES][VECTORS];
    const char *from = values->data;
    for (int i = 0; i < queries; i++)
        for (size_t v = 0; v < vectors; v++)
            sums[i][v] =
                _mm512_mul_ps(_mm512_loadu_ps(acc[i] + at + 16 * v), _mm512_set1_ps(keep[i]));
    for (int j = 0; j < values->positions; j++, from += stride) {
        __m512 weights[QUERIES];
        for (int i = 0; i < queries; i++)
            weights[i] = _mm512_set1_ps(p[i][j]);
        for (size_t v = 0; v < vectors; v++) {
            __m512 value = sixteen(type, from, at + 16 * v);
            for (int i = 0; i < queries; i++)
                sums[i][v] = _mm512_fmadd_ps(weights[i], value, sums[i][v]);
        }
    }
    for (int i = 0; i < queries; i++)
        for (size_t v = 0; v < vectors; v++)
            _mm512_storeu_ps(acc[i] + at + 16 * v, sums[i][v]);
}

VECTOR_INLINE void blend_queries(dtype type, const attention_chunk *values, size_t stride,
                                 float (*p)[KV_PAGE], const float *keep, int queries, bool first,
                                 float *const *acc)
{
    size_t at = 0, bytes = (size_t)values->positions * stride;
    for (; at + STRIP <= values->dim; at += STRIP) {
        size_t share = bytes * STRIP / values->dim / ATTENTION_LINE * ATTENTION_LINE;
        if (first)
            expect(values, at / STRIP * share, share);
        blend_columns(type, values, stride, at, p, keep, queries, VECTORS, acc);
    }
    for (; at < values->dim; at += 16)
        blend_columns(type, values, stride, at, p, keep, queries, 1, acc);
}

VECTOR_INLINE void blend_type(dtype type, const attention_chunk *values, float (*p)[KV_PAGE],
                              const float *keep, int queries, float *const *acc)
{
    size_t stride = dtype_row_bytes(values->type, values->dim);
    int i = 0;
    for (; i + QUERIES <= queries; i += QUERIES)
        blend_queries(type, values, stride, p + i, keep + i, QUERIES, i == 0, acc + i);
    if (queries - i == 3)
        blend_queries(type, values, stride, p + i, keep + i, 3, i == 0, acc + i);
    else if (queries - i == 2)
        blend_queries(type, values, stride, p + i, keep + i, 2, i == 0, acc + i);
    else if (queries - i == 1)
        blend_queries(type, values, stride, p + i, keep + i, 1, i == 0, acc + i);
}

static void accumulate(const attention_chunk *values, float (*p)[KV_PAGE], const float *keep,
                       int queries, float *const *acc)
{
    if (values->dim % 16 != 0)
        attention_avx2()->accumulate(values, p, keep, queries, acc);
    else if (values->type == DTYPE_F16)
        blend_type(DTYPE_F16, values, p, keep, queries, acc);
    else if (values->type == DTYPE_F32)
        blend_type(DTYPE_F32, values, p, keep, queries, acc);
    else
        blend_type(DTYPE_Q8_0, values, p, keep, queries, acc);
}

/* ---- the set ---------------------------------------------------------------------------------- */

static void store(dtype type, const float *x, void *to, size_t n)
{
    attention_avx2()->store(type, x, to, n);
}

static float softmax(float *scores, int n, float *most)
{
    return attention_avx2()->softmax(scores, n, most);
}

const attention_kernels *attention_avx512(void)
{
    static const attention_kernels kernels = {store, score, softmax, accumulate};
    return &kernels;
}
