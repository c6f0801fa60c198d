/* dot_tile_avx512.c - weights of 256-element blocks with many columns: see dot.h for the definition.
 *
 * With few columns a product is bound by the reading of weights, with many by its own operations. So
 * here a block of sixteen rows is opened once for all of them, into a form that wants the fewest: the
 * rows stand side by side in the 32-bit lanes of a vector, four codes each, and a vector of four
 * activations of one column is the same in all lanes. What a lane adds up is the sum of its own row, so
 * nothing crosses lanes, and scales, minimums and the float step are shared by sixteen results.
 *
 * Opening is transposing: sixteen bytes of sixteen rows become four vectors of which each has one
 * double word of every row (words_of_rows). Codes, scales and halves are then taken apart for all rows
 * at once, whatever the type.
 *
 * Codes are unsigned. What they are too large by (Q3_K, Q6_K, IQ4_XS), times the scale, is taken off
 * with the stored sums of the activations, by the same multiplication that gives the minimums of the
 * other types. All of it is exact in integers (below 2^29), and the float step is that of dot.h, block
 * by block.
 */
#include "dot_sets_avx512.h"
#include "tile_avx512.h"

enum {
    WORDS = 64, /* vectors of four codes a row in a block */
    SUBS = 16,  /* sub-blocks, or 8 */
};

/* A block of sixteen rows, opened; a vector has one lane for each row. */
typedef struct tile {
    __m512i codes[WORDS];
    __m512i scale[SUBS];
    __m512i pair[SUBS / 2]; /* int16 for two sub-blocks: their minimums, or excess times scale */
    __m512 d, dmin;
} tile;

VECTOR_INLINE int subs_of(dtype type)
{
    return type == DTYPE_Q2_K || type == DTYPE_Q3_K || type == DTYPE_Q6_K ? 16 : 8;
}

/* What was added to the codes to make them unsigned, as a power of two. */
VECTOR_INLINE int excess_bits(dtype type)
{
    return type == DTYPE_Q3_K ? 2 : type == DTYPE_Q6_K ? 5 : 7;
}

VECTOR_INLINE __m512i pair_of(__m512i even, __m512i odd)
{
    return _mm512_mask_blend_epi16(0xAAAAAAAA, even, _mm512_slli_epi32(odd, 16));
}

/* ---- scales ----------------------------------------------------------------------------------- */

/* The packing of quant_q4_k_scales, after d and dmin. */
VECTOR_INLINE void open_q4_k(const rows_of *r, tile *t)
{
    __m512i w[4], min[8];
    words_of_rows(r, 0, w);
    t->d = halves(w[0]);
    t->dmin = halves(_mm512_srli_epi32(w[0], 16));
    for (unsigned j = 0; j < 4; j++) {
        t->scale[j] = bits(w[1], 8 * j, 63);
        min[j] = bits(w[2], 8 * j, 63);
        __m512i high = _mm512_slli_epi32(bits(w[1], 8 * j + 6, 3), 4);
        t->scale[4 + j] = _mm512_or_si512(bits(w[3], 8 * j, 15), high);
        high = _mm512_slli_epi32(bits(w[2], 8 * j + 6, 3), 4);
        min[4 + j] = _mm512_or_si512(bits(w[3], 8 * j + 4, 15), high);
    }
    for (int j = 0; j < 4; j++)
        t->pair[j] = pair_of(min[2 * j], min[2 * j + 1]);
}

VECTOR_INLINE void open_q2_k(const rows_of *r, tile *t)
{
    __m512i w[4], last[4];
    words_of_rows(r, offsetof(block_q2_k, scales), w);
    words_of_rows(r, sizeof(block_q2_k) - 16, last); /* ends in d and dmin */
    t->d = halves(last[3]);
    t->dmin = halves(_mm512_srli_epi32(last[3], 16));
    for (unsigned j = 0; j < 16; j++)
        t->scale[j] = bits(w[j / 4], j % 4 * 8, 15);
    for (unsigned j = 0; j < 16; j += 2)
        t->pair[j / 2] =
            pair_of(bits(w[j / 4], j % 4 * 8 + 4, 15), bits(w[j / 4], j % 4 * 8 + 12, 15));
}

/* The excess of the codes times the scale: int16. */
VECTOR_INLINE void open_excess(dtype type, tile *t)
{
    for (int j = 0; j < subs_of(type); j += 2)
        t->pair[j / 2] = pair_of(_mm512_slli_epi32(t->scale[j], (unsigned)excess_bits(type)),
                                 _mm512_slli_epi32(t->scale[j + 1], (unsigned)excess_bits(type)));
}

/* The packing of quant_q3_k_scales: low nibbles in two words, then bits 4 and 5; d behind them. */
VECTOR_INLINE void open_q3_k(const rows_of *r, tile *t)
{
    const __m512i middle = _mm512_set1_epi32(32);
    __m512i w[4], last[4];
    words_of_rows(r, offsetof(block_q3_k, scales) - 4, w);
    words_of_rows(r, sizeof(block_q3_k) - 16, last);
    t->d = halves(_mm512_srli_epi32(last[3], 16));
    for (unsigned j = 0; j < 16; j++) {
        __m512i low = bits(w[1 + j / 4 % 2], j % 4 * 8 + j / 8 * 4, 15);
        __m512i high = _mm512_slli_epi32(bits(w[3], j % 4 * 8 + j / 4 * 2, 3), 4);
        t->scale[j] = _mm512_sub_epi32(_mm512_or_si512(low, high), middle);
    }
    open_excess(DTYPE_Q3_K, t);
}

VECTOR_INLINE void open_q6_k(const rows_of *r, tile *t)
{
    __m512i w[4], last[4];
    words_of_rows(r, offsetof(block_q6_k, scales), w);
    words_of_rows(r, sizeof(block_q6_k) - 16, last);
    t->d = halves(_mm512_srli_epi32(last[3], 16));
    for (unsigned j = 0; j < 16; j++)
        t->scale[j] = _mm512_srai_epi32(_mm512_slli_epi32(w[j / 4], 24 - j % 4 * 8), 24);
    open_excess(DTYPE_Q6_K, t);
}

VECTOR_INLINE void open_iq4_xs(const rows_of *r, tile *t)
{
    const __m512i middle = _mm512_set1_epi32(32);
    __m512i w[4];
    words_of_rows(r, 0, w); /* d, high bits, low nibbles */
    t->d = halves(w[0]);
    for (unsigned j = 0; j < 8; j++) {
        __m512i high = _mm512_slli_epi32(bits(w[0], 16 + 2 * j, 3), 4);
        t->scale[j] = _mm512_sub_epi32(_mm512_or_si512(bits(w[1], 4 * j, 15), high), middle);
    }
    open_excess(DTYPE_IQ4_XS, t);
}

/* ---- codes ------------------------------------------------------------------------------------ */

/* Vectors 2h and 2h + 1 of 32 codes share 32 bytes of nibbles; bit k of qh is bit 4 of vector k. */
VECTOR_INLINE void codes_of_q4_k(dtype type, const rows_of *r, tile *t)
{
    const size_t qs = type == DTYPE_Q5_K ? offsetof(block_q5_k, qs) : offsetof(block_q4_k, qs);
    __m512i w[4], high[8];
    for (size_t i = 0; type == DTYPE_Q5_K && i < 8; i += 4)
        words_of_rows(r, offsetof(block_q5_k, qh) + 4 * i, high + i);
    for (unsigned p = 0; p < 4; p++)
        for (size_t i = 0; i < 8; i += 4) {
            words_of_rows(r, qs + 32 * p + 4 * i, w);
            for (size_t k = 0; k < 4; k++) {
                __m512i low = bits_at(w[k], 0, 0, 15), up = bits_at(w[k], 4, 0, 15);
                if (type == DTYPE_Q5_K) {
                    low = _mm512_or_si512(low, bits_at(high[i + k], 2 * p, 4, 16));
                    up = _mm512_or_si512(up, bits_at(high[i + k], 2 * p + 1, 4, 16));
                }
                t->codes[16 * p + i + k] = low;
                t->codes[16 * p + 8 + i + k] = up;
            }
        }
}

/* Four vectors of 32 codes share 32 bytes of bit pairs; bit k of hmask is bit 2 of vector k. */
VECTOR_INLINE void codes_of_q2_k(dtype type, const rows_of *r, tile *t)
{
    const size_t qs = type == DTYPE_Q3_K ? offsetof(block_q3_k, qs) : offsetof(block_q2_k, qs);
    __m512i w[4], high[4];
    for (size_t i = 0; i < 8; i += 4) {
        if (type == DTYPE_Q3_K)
            words_of_rows(r, offsetof(block_q3_k, hmask) + 4 * i, high);
        for (unsigned h = 0; h < 2; h++) {
            words_of_rows(r, qs + 32 * h + 4 * i, w);
            for (unsigned q = 0; q < 4; q++)
                for (size_t k = 0; k < 4; k++) {
                    __m512i codes = bits_at(w[k], 2 * q, 0, 3);
                    if (type == DTYPE_Q3_K)
                        codes = _mm512_or_si512(codes, bits_at(high[k], 4 * h + q, 2, 4));
                    t->codes[32 * h + 8 * q + i + k] = codes;
                }
        }
    }
}

/* Half h of a block has 64 bytes of ql, vectors 0 and 1 in their low nibbles, 2 and 3 in the high ones,
 * and 32 bytes of qh, two bits for each vector. */
VECTOR_INLINE void codes_of_q6_k(const rows_of *r, tile *t)
{
    __m512i low[2][4], high[4];
    for (unsigned h = 0; h < 2; h++)
        for (size_t i = 0; i < 8; i += 4) {
            words_of_rows(r, 64 * h + 4 * i, low[0]);
            words_of_rows(r, 64 * h + 32 + 4 * i, low[1]);
            words_of_rows(r, offsetof(block_q6_k, qh) + 32 * h + 4 * i, high);
            for (unsigned q = 0; q < 4; q++)
                for (size_t k = 0; k < 4; k++)
                    t->codes[32 * h + 8 * q + i + k] = _mm512_or_si512(
                        bits_at(low[q % 2][k], q / 2 * 4, 0, 15), bits_at(high[k], 2 * q, 4, 0x30));
        }
}

/* 16 bytes a sub-block: its first half in the low nibbles, its second in the high ones. */
VECTOR_INLINE void codes_of_iq4_xs(const rows_of *r, tile *t)
{
    __m128i values = _mm_xor_si128(vector_load16(quant_iq4_values), _mm_set1_epi8((char)0x80));
    const __m512i table = _mm512_broadcast_i32x4(values);
    __m512i w[4];
    for (size_t j = 0; j < 8; j++) {
        words_of_rows(r, offsetof(block_iq4_xs, qs) + 16 * j, w);
        for (size_t k = 0; k < 4; k++) {
            t->codes[8 * j + k] = _mm512_shuffle_epi8(table, bits_at(w[k], 0, 0, 15));
            t->codes[8 * j + 4 + k] = _mm512_shuffle_epi8(table, bits_at(w[k], 4, 0, 15));
        }
    }
}

VECTOR_INLINE void open_tile(dtype type, const rows_of *r, tile *t)
{
    if (type == DTYPE_Q2_K)
        open_q2_k(r, t);
    else if (type == DTYPE_Q3_K)
        open_q3_k(r, t);
    else if (type == DTYPE_Q6_K)
        open_q6_k(r, t);
    else if (type == DTYPE_IQ4_XS)
        open_iq4_xs(r, t);
    else
        open_q4_k(r, t);
    if (type == DTYPE_Q6_K)
        codes_of_q6_k(r, t);
    else if (type == DTYPE_IQ4_XS)
        codes_of_iq4_xs(r, t);
    else if (type == DTYPE_Q2_K || type == DTYPE_Q3_K)
        codes_of_q2_k(type, r, t);
    else
        codes_of_q4_k(type, r, t);
}

/* ---- multiplying ------------------------------------------------------------------------------ */

/* The sums of sixteen rows with one column, so far. */
typedef struct sums {
    __m512 s, m;
} sums;

/* The minimums, or the excess, times the sums of the activations. */
VECTOR_INLINE __m512i times_sums(const tile *t, int subs, const activation_q256 *a)
{
    const int16_t *of = subs == 16 ? a->sum16 : a->sum32;
    __m512i sum = _mm512_setzero_si512();
    for (int j = 0; j < subs / 2; j++)
        sum = _mm512_dpwssd_epi32(sum, t->pair[j], spread(of + 2 * j));
    return sum;
}

/* The float step of a column. */
VECTOR_INLINE void finish(const tile *t, int subs, int minimum, __m512i sum,
                          const activation_q256 *a, sums *to)
{
    __m512 scale = _mm512_set1_ps(a->scale);
    __m512i other = times_sums(t, subs, a);
    if (minimum)
        to->m = _mm512_fmadd_ps(_mm512_mul_ps(t->dmin, scale), _mm512_cvtepi32_ps(other), to->m);
    else
        sum = _mm512_sub_epi32(sum, other);
    to->s = _mm512_fmadd_ps(_mm512_mul_ps(t->d, scale), _mm512_cvtepi32_ps(sum), to->s);
}

/* One block with n columns; n is a constant. */
VECTOR_INLINE void multiply(const tile *t, int subs, int minimum, const void *const *x,
                            size_t block, size_t n, sums *to, uintptr_t ahead, size_t bytes)
{
    const __m512i zero = _mm512_setzero_si512();
    const int words = WORDS / subs;
#define BEGIN(c)                                                                                   \
    const activation_q256 *a##c = (const activation_q256 *)x[(c) % n] + block;                     \
    __m512i sum##c = zero;
#define CLEAR(c) __m512i part##c = zero;
#define ADD(c)                                                                                     \
    if ((c) < n)                                                                                   \
        part##c = _mm512_dpbusd_epi32(part##c, codes, spread(a##c->q + 4 * (j * words + i)));
#define SCALE(c)                                                                                   \
    if ((c) < n)                                                                                   \
        sum##c = _mm512_add_epi32(sum##c, _mm512_mullo_epi32(part##c, scale));
#define FINISH(c)                                                                                  \
    if ((c) < n)                                                                                   \
        finish(t, subs, minimum, sum##c, a##c, to + (c));
    EACH(BEGIN)
    for (int j = 0; j < subs; j++) {
        const __m512i scale = t->scale[j];
        vector_prefetch_early(ahead + (size_t)j * bytes, bytes);
        EACH(CLEAR)
#pragma GCC unroll 8
        for (int i = 0; i < words; i++) {
            const __m512i codes = t->codes[j * words + i];
            EACH(ADD)
        }
        EACH(SCALE)
    }
    EACH(FINISH)
#undef BEGIN
#undef CLEAR
#undef ADD
#undef SCALE
#undef FINISH
}

/* All columns. Meanwhile memory is asked for `bytes` from `ahead` on, a little at a time: asking for
 * many lines at once makes what is needed now wait. */
VECTOR_INLINE void multiply_all(const tile *t, int subs, int minimum, const void *const *x,
                                size_t block, size_t n, sums *to, uintptr_t ahead, size_t bytes)
{
    size_t groups = n / TOGETHER + n % TOGETHER / 4 + n % 4, step = (size_t)subs * groups;
    size_t piece = (bytes + 64 * step - 1) / (64 * step) * 64;
    for (size_t c = 0; c < n; ahead += (size_t)subs * piece) {
        if (n - c >= TOGETHER) {
            multiply(t, subs, minimum, x + c, block, TOGETHER, to + c, ahead, piece);
            c += TOGETHER;
        } else if (n - c >= 4) {
            multiply(t, subs, minimum, x + c, block, 4, to + c, ahead, piece);
            c += 4;
        } else {
            multiply(t, subs, minimum, x + c, block, 1, to + c, ahead, piece);
            c++;
        }
    }
}

/* Functions of their own: a tile says nothing of its type any more. */
#define MULTIPLY(name, subs, minimum)                                                              \
    static __attribute__((noinline)) void name(const tile *t, const void *const *x, size_t block,  \
                                               size_t n, sums *to, uintptr_t ahead, size_t bytes)  \
    {                                                                                              \
        multiply_all(t, subs, minimum, x, block, n, to, ahead, bytes);                             \
    }
MULTIPLY(multiply_8, 8, 0)
MULTIPLY(multiply_16, 16, 0)
MULTIPLY(multiply_8_minimum, 8, 1)
MULTIPLY(multiply_16_minimum, 16, 1)

VECTOR_INLINE void multiply_tile(dtype type, const tile *t, const void *const *x, size_t block,
                                 size_t n, sums *to, uintptr_t ahead)
{
    const size_t bytes = ROWS * block_size(type);
    if (has_minimum(type) && subs_of(type) == 8)
        multiply_8_minimum(t, x, block, n, to, ahead, bytes);
    else if (has_minimum(type))
        multiply_16_minimum(t, x, block, n, to, ahead, bytes);
    else if (subs_of(type) == 8)
        multiply_8(t, x, block, n, to, ahead, bytes);
    else
        multiply_16(t, x, block, n, to, ahead, bytes);
}

/* ---- rows ------------------------------------------------------------------------------------- */

/* A tile that passes the last row repeats it and stores only what is wanted. Sixteen streams are more than
 * the processor follows by itself: while a tile is computed, memory is asked for the next one. */
VECTOR_INLINE void tiles(dtype type, const uint8_t *weight, size_t blocks, size_t first,
                         size_t last, const void *const *x, size_t n, float *const *out)
{
    const size_t size = block_size(type), stride = blocks * size;
    sums to[DOT_MANY];
    for (size_t r = first; r < last; r += ROWS) {
        rows_of rows;
        tile t;
        size_t count = last - r < ROWS ? last - r : ROWS;
        for (size_t i = 0; i < ROWS; i++)
            rows.row[i] = weight + (r + (i < count ? i : count - 1)) * stride;
        for (size_t c = 0; c < n; c++)
            to[c] = (sums){_mm512_setzero_ps(), _mm512_setzero_ps()};
        uintptr_t next = (uintptr_t)weight + (r + ROWS) * stride;
        for (size_t b = 0; b < blocks; b++) {
            open_tile(type, &rows, &t);
            multiply_tile(type, &t, x, b, n, to, next + b * ROWS * size);
            for (size_t i = 0; i < ROWS; i++)
                rows.row[i] += size;
        }
        for (size_t c = 0; c < n; c++)
            _mm512_mask_storeu_ps(out[c] + r, (__mmask16)(0xFFFFu >> (ROWS - count)),
                                  _mm512_sub_ps(to[c].s, to[c].m));
    }
}

#define TILES(lower, UPPER)                                                                        \
    void dot_avx512_many_##lower(const void *weight, size_t cols, size_t first, size_t last,       \
                                 const void *const *x, size_t n, float *const *out)                \
    {                                                                                              \
        tiles(DTYPE_##UPPER, weight, cols / QUANT_K, first, last, x, n, out);                      \
    }
TILES(q2_k, Q2_K)
TILES(q3_k, Q3_K)
TILES(q4_k, Q4_K)
TILES(q5_k, Q5_K)
TILES(q6_k, Q6_K)
TILES(iq4_xs, IQ4_XS)
