/* iq_rows.h - rows of a code book matrix times columns, for any width of vector.
 *
 * Four rows go together, one in each lane of the accumulators, so the float operations and their
 * order are dot.h's whatever computed the integer sums. The file that includes this has defined
 *
 *     iq_sums              a vector of partial sums
 *     no_sums              one that is zero
 *     sums_of_quad         [QUAD] of them -> the S of four rows
 *     head, open_TYPE      what a block brings before its codes are fetched
 *     next_part            adds the sums of part k of a block (of PARTS, 4 or 8) and one column
 *     less_excess          takes off what codes are too large by
 *     opened, open_part    the same part, kept for several columns; opened.h is the head
 *     add_opened           adds its sums with one of them
 *
 * and says IQ_ROWS(level) at its end, which defines dot_LEVEL_TYPE for every type.
 */
#ifndef CPU_IQ_ROWS_H
#define CPU_IQ_ROWS_H

/* ---- one block ------------------------------------------------------------------------------------ */

VECTOR_INLINE void open_head(dtype type, const uint8_t *block, head *h)
{
    if (type == DTYPE_IQ1_S)
        open_iq1_s((const block_iq1_s *)block, h);
    else if (type == DTYPE_IQ1_M)
        open_iq1_m((const block_iq1_m *)block, h);
    else if (type == DTYPE_IQ2_XXS)
        open_iq2_xxs((const block_iq2_xxs *)block, h);
    else if (type == DTYPE_IQ2_XS)
        open_iq2_xs((const block_iq2_xs *)block, h);
    else if (type == DTYPE_IQ2_S)
        open_iq2_s((const block_iq2_s *)block, h);
    else if (type == DTYPE_IQ3_XXS)
        open_iq3_xxs((const block_iq3_xxs *)block, h);
    else
        open_iq3_s((const block_iq3_s *)block, h);
}

/* One column: parts are used as they are opened. They are written out, here and below, since a
 * compiler that keeps a loop of eight keeps what it has opened in memory. */
VECTOR_INLINE iq_sums one_block(dtype type, const uint8_t *block, const activation_q256 *a)
{
    head h;
    iq_sums sum = no_sums();
    open_head(type, block, &h);
    sum = next_part(type, sum, block, &h, 0, a);
    sum = next_part(type, sum, block, &h, 1, a);
    sum = next_part(type, sum, block, &h, 2, a);
    sum = next_part(type, sum, block, &h, 3, a);
    if (PARTS == 8) {
        sum = next_part(type, sum, block, &h, 4, a);
        sum = next_part(type, sum, block, &h, 5, a);
        sum = next_part(type, sum, block, &h, 6, a);
        sum = next_part(type, sum, block, &h, 7, a);
    }
    return less_excess(type, sum, h.excess, a);
}

VECTOR_INLINE void open_block(dtype type, const uint8_t *block, opened *o)
{
    open_head(type, block, &o->h);
    open_part(type, block, 0, o);
    open_part(type, block, 1, o);
    open_part(type, block, 2, o);
    open_part(type, block, 3, o);
    if (PARTS == 8) {
        open_part(type, block, 4, o);
        open_part(type, block, 5, o);
        open_part(type, block, 6, o);
        open_part(type, block, 7, o);
    }
}

/* Several columns: the block is opened once. s[c][row] = its sums with column c. */
VECTOR_INLINE void columns_of_block(dtype type, const uint8_t *block, const void *const *x,
                                    size_t at, size_t n, iq_sums (*s)[QUAD], size_t row)
{
    opened o;
    open_block(type, block, &o);
    for (size_t c = 0; c < n; c++) {
        const activation_q256 *a = (const activation_q256 *)x[c] + at;
        iq_sums sum = no_sums();
        for (int k = 0; k < PARTS; k++)
            sum = add_opened(type, sum, &o, k, a);
        s[c][row] = less_excess(type, sum, o.h.excess, a);
    }
}

/* ---- rows ------------------------------------------------------------------------------------------ */

/* Block `at` of four rows with n columns, onto acc[c]: one row in each lane. */
VECTOR_INLINE void add_blocks(dtype type, const uint8_t *const row[QUAD], const void *const *x,
                              size_t at, size_t n, __m128 *acc)
{
    iq_sums s[DOT_COLUMNS][QUAD];
    uint16_t halves[8] = {0};
    for (size_t i = 0; i < QUAD; i++) {
        const uint8_t *block = row[i] + at * block_size(type);
        if (n == 1)
            s[0][i] = one_block(type, block, (const activation_q256 *)x[0] + at);
        else
            columns_of_block(type, block, x, at, n, s, i);
        halves[i] = iq_half(type, block);
    }
    __m128 d = _mm_mul_ps(_mm_cvtph_ps(vector_load16(halves)), _mm_set1_ps(iq_unit(type)));
    for (size_t c = 0; c < n; c++) {
        const activation_q256 *a = (const activation_q256 *)x[c] + at;
        __m128 scale = _mm_mul_ps(d, _mm_set1_ps(a->scale));
        acc[c] = _mm_fmadd_ps(scale, _mm_cvtepi32_ps(sums_of_quad(s[c])), acc[c]);
    }
}

/* n is 1, or not known, where this is inlined. A quad that passes the last row repeats it and stores
 * only what is wanted. */
VECTOR_INLINE void rows(dtype type, const uint8_t *weight, size_t blocks, size_t first, size_t last,
                        const void *const *x, size_t n, float *const *out)
{
    const size_t size = block_size(type), stride = blocks * size;
    for (size_t r = first; r < last; r += QUAD) {
        const uint8_t *row[QUAD];
        __m128 acc[DOT_COLUMNS];
        for (size_t i = 0; i < QUAD; i++)
            row[i] = weight + (r + i < last ? r + i : last - 1) * stride;
        uintptr_t ahead = (uintptr_t)weight + r * stride + DOT_AHEAD;
        for (size_t c = 0; c < n; c++)
            acc[c] = _mm_setzero_ps();
        for (size_t b = 0; b < blocks; b++) {
            vector_prefetch_early(ahead + b * QUAD * size, QUAD * size);
            add_blocks(type, row, x, b, n, acc);
        }
        for (size_t c = 0; c < n; c++) {
            float results[QUAD];
            _mm_storeu_ps(results, acc[c]);
            memcpy(out[c] + r, results, (last - r < QUAD ? last - r : QUAD) * sizeof *results);
        }
    }
}

#define IQ_ROWS_OF(level, lower, UPPER)                                                            \
    void dot_##level##_##lower(const void *weight, size_t cols, size_t first, size_t last,         \
                               const void *const *x, size_t n, float *const *out)                  \
    {                                                                                              \
        if (n == 1)                                                                                \
            rows(DTYPE_##UPPER, weight, cols / QUANT_K, first, last, x, 1, out);                   \
        else                                                                                       \
            rows(DTYPE_##UPPER, weight, cols / QUANT_K, first, last, x, n, out);                   \
    }
#define IQ_ROWS(level)                                                                             \
    IQ_ROWS_OF(level, iq1_s, IQ1_S)                                                                \
    IQ_ROWS_OF(level, iq1_m, IQ1_M)                                                                \
    IQ_ROWS_OF(level, iq2_xxs, IQ2_XXS)                                                            \
    IQ_ROWS_OF(level, iq2_xs, IQ2_XS)                                                              \
    IQ_ROWS_OF(level, iq2_s, IQ2_S)                                                                \
    IQ_ROWS_OF(level, iq3_xxs, IQ3_XXS)                                                            \
    IQ_ROWS_OF(level, iq3_s, IQ3_S)

#endif
