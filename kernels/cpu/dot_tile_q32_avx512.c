/* dot_tile_q32_avx512.c - weights of 32-element blocks with many columns: see dot.h for the definition.
 *
 * The tiles of dot_tile_avx512.c: a lane of a vector belongs to one of sixteen rows. Here a block ends
 * in a float step of its own, onto one of eight lanes of the definition; those are eight vectors for
 * each column, and their tree adds whole vectors. They are too many for registers and, with all columns,
 * for the first cache: a tile is opened again for every PART columns.
 *
 * Codes are unsigned; what they are too large by comes off with the sums of the activations.
 */
#include "dot_sets_avx512.h"
#include "tile_avx512.h"

enum {
    WORDS = 8, /* vectors of four codes a row in a block */
    LANES = 8, /* blocks of a group */
    PART = 32, /* columns at a time */
};

/* A block of sixteen rows, opened. */
typedef struct tile {
    __m512i codes[WORDS];
    __m512 d, m;
} tile;

/* Those of a group; the last group may have fewer. */
typedef struct group {
    tile block[LANES];
    size_t count;
} group;

/* lane[l][c]: lane l of the sixteen products with column c. */
typedef struct sums {
    __m512 lane[LANES][PART];
} sums;

/* What was added to the codes to make them unsigned. */
VECTOR_INLINE int excess_of(dtype type)
{
    switch ((int)type) {
    case DTYPE_Q4_0:
        return 8;
    case DTYPE_Q5_0:
        return 16;
    case DTYPE_MXFP4:
        return 12;
    case DTYPE_Q8_0:
    case DTYPE_IQ4_NL:
        return 128;
    default:
        return 0;
    }
}

/* ---- opening ---------------------------------------------------------------------------------- */

/* e < 2 ? 0x00200000 << e : (e - 1) << 23, as a float: quant_e8m0_half. */
VECTOR_INLINE __m512 powers(__m512i words)
{
    __m512i e = bits(words, 0, 0xFF);
    __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    __mmask16 small = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(
        _mm512_mask_sllv_epi32(normal, small, _mm512_set1_epi32(0x00200000), e));
}

/* Bits 4i to 4i + 3 of qh as bit 4 of the bytes of word i. */
VECTOR_INLINE __m512i fifth_bits(__m512i qh, unsigned i)
{
#define SPREAD(n) (((n)&1) << 4 | ((n)&2) << 11 | ((n)&4) << 18 | ((n)&8) << 25)
    const __m512i bytes =
        _mm512_setr_epi32(SPREAD(0), SPREAD(1), SPREAD(2), SPREAD(3), SPREAD(4), SPREAD(5),
                          SPREAD(6), SPREAD(7), SPREAD(8), SPREAD(9), SPREAD(10), SPREAD(11),
                          SPREAD(12), SPREAD(13), SPREAD(14), SPREAD(15));
#undef SPREAD
    return _mm512_permutexvar_epi32(_mm512_srli_epi32(qh, 4 * i), bytes);
}

/* The book of the types that have one, made unsigned. */
VECTOR_INLINE __m512i book_of(dtype type)
{
    const int8_t *values = type == DTYPE_MXFP4 ? quant_mxfp4_values : quant_iq4_values;
    __m128i book = _mm_add_epi8(vector_load16(values), _mm_set1_epi8((char)excess_of(type)));
    return _mm512_broadcast_i32x4(book);
}

VECTOR_INLINE void open_codes(dtype type, const rows_of *r, __m512i qh, tile *t)
{
    __m512i w[4];
    words_of_rows(r, block_size(type) - 16, w);
    for (unsigned i = 0; i < WORDS; i++) {
        __m512i codes = bits_at(w[i % 4], i / 4 * 4, 0, 15);
        if (type == DTYPE_Q5_0 || type == DTYPE_Q5_1)
            codes = _mm512_or_si512(codes, fifth_bits(qh, i));
        if (type == DTYPE_IQ4_NL || type == DTYPE_MXFP4)
            codes = _mm512_shuffle_epi8(book_of(type), codes);
        t->codes[i] = codes;
    }
}

VECTOR_INLINE void open_tile(dtype type, const rows_of *r, tile *t)
{
    __m512i head[4]; /* the first words of the block: d, and what stands before the codes */
    words_of_rows(r, 0, head);
    t->d = type == DTYPE_MXFP4 ? powers(head[0]) : halves(head[0]);
    if (has_minimum(type))
        t->m = halves(_mm512_srli_epi32(head[0], 16));
    if (type == DTYPE_Q8_0) {
        words_of_rows(r, 2, t->codes);
        words_of_rows(r, 18, t->codes + 4);
        for (int i = 0; i < WORDS; i++)
            t->codes[i] = _mm512_xor_si512(t->codes[i], _mm512_set1_epi8((char)0x80));
    } else if (type == DTYPE_Q5_0) {
        __m512i qh =
            _mm512_or_si512(_mm512_srli_epi32(head[0], 16), _mm512_slli_epi32(head[1], 16));
        open_codes(type, r, qh, t);
    } else {
        open_codes(type, r, head[1], t);
    }
}

/* ---- multiplying ------------------------------------------------------------------------------ */

/* The float step of block `lane` of a group with one column. */
VECTOR_INLINE void finish(const tile *t, int minimum, __m512i sum, __m512i excess,
                          const activation_q32 *a, size_t lane, __m512 *to)
{
    if (!minimum)
        sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(_mm512_set1_epi32(a->sum[lane]), excess));
    __m512 d = _mm512_mul_ps(t->d, _mm512_set1_ps(a->scale[lane]));
    __m512 result = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(sum), *to);
    if (minimum)
        result = _mm512_fmadd_ps(t->m, _mm512_set1_ps(a->offset[lane]), result);
    *to = result;
}

/* Group g of the rows with n columns; n is a constant. to: their sums of lane 0, those of the next lane
 * PART further on. Of memory `piece` bytes are asked for with each block. */
VECTOR_INLINE void multiply(const group *w, int minimum, __m512i excess, const void *const *x,
                            size_t g, size_t n, __m512 *to, uintptr_t ahead, size_t piece)
{
#define BEGIN(c) const activation_q32 *a##c = (const activation_q32 *)x[(c) % n] + g;
#define CLEAR(c) __m512i sum##c = _mm512_setzero_si512();
#define ADD(c)                                                                                     \
    if ((c) < n)                                                                                   \
        sum##c =                                                                                   \
            _mm512_dpbusd_epi32(sum##c, codes, spread(a##c->q + place + i / 4 * 32 + i % 4 * 4));
#define FINISH(c)                                                                                  \
    if ((c) < n)                                                                                   \
        finish(t, minimum, sum##c, excess, a##c, lane, to + lane * PART + (c));
    EACH(BEGIN)
    for (size_t b = 0; b < w->count; b++) {
        const tile *t = &w->block[b];
        const size_t lane = ACTIVATION_LANE(b), place = ACTIVATION_PLACE(b, 0);
        vector_prefetch_early(ahead + b * piece, piece);
        EACH(CLEAR)
#pragma GCC unroll 8
        for (size_t i = 0; i < WORDS; i++) {
            const __m512i codes = t->codes[i];
            EACH(ADD)
        }
        EACH(FINISH)
    }
#undef BEGIN
#undef CLEAR
#undef ADD
#undef FINISH
}

/* All columns, at most PART. Meanwhile memory is asked for `bytes` from `ahead` on. */
VECTOR_INLINE void multiply_all(const group *w, int minimum, __m512i excess, const void *const *x,
                                size_t g, size_t n, sums *to, uintptr_t ahead, size_t bytes)
{
    size_t calls = n / TOGETHER + n % TOGETHER / 4 + n % 4;
    size_t piece = (bytes + 64 * LANES * calls - 1) / (64 * LANES * calls) * 64;
    for (size_t c = 0; c < n; ahead += LANES * piece) {
        if (n - c >= TOGETHER) {
            multiply(w, minimum, excess, x + c, g, TOGETHER, to->lane[0] + c, ahead, piece);
            c += TOGETHER;
        } else if (n - c >= 4) {
            multiply(w, minimum, excess, x + c, g, 4, to->lane[0] + c, ahead, piece);
            c += 4;
        } else {
            multiply(w, minimum, excess, x + c, g, 1, to->lane[0] + c, ahead, piece);
            c++;
        }
    }
}

/* Functions of their own: a tile says nothing of its type any more. */
static __attribute__((noinline)) void multiply_plain(const group *w, int excess,
                                                     const void *const *x, size_t g, size_t n,
                                                     sums *to, uintptr_t ahead, size_t bytes)
{
    multiply_all(w, 0, _mm512_set1_epi32(excess), x, g, n, to, ahead, bytes);
}

static __attribute__((noinline)) void multiply_minimum(const group *w, const void *const *x,
                                                       size_t g, size_t n, sums *to,
                                                       uintptr_t ahead, size_t bytes)
{
    multiply_all(w, 1, _mm512_setzero_si512(), x, g, n, to, ahead, bytes);
}

/* ---- rows ------------------------------------------------------------------------------------- */

/* The tree of dot.h over the lanes of column c. */
VECTOR_INLINE __m512 total(const sums *s, size_t c)
{
    __m512 a = _mm512_add_ps(_mm512_add_ps(s->lane[0][c], s->lane[4][c]),
                             _mm512_add_ps(s->lane[2][c], s->lane[6][c]));
    __m512 b = _mm512_add_ps(_mm512_add_ps(s->lane[1][c], s->lane[5][c]),
                             _mm512_add_ps(s->lane[3][c], s->lane[7][c]));
    return _mm512_add_ps(a, b);
}

/* Sixteen rows with up to PART columns. ahead: what to ask memory for meanwhile, or 0. */
VECTOR_INLINE void one_tile(dtype type, rows_of r, size_t blocks, const void *const *x, size_t n,
                            uintptr_t ahead, sums *to)
{
    const size_t size = block_size(type), bytes = ahead ? LANES * ROWS * size : 0;
    group w;
    for (size_t l = 0; l < LANES; l++)
        for (size_t c = 0; c < n; c++)
            to->lane[l][c] = _mm512_setzero_ps();
    for (size_t g = 0; g * LANES < blocks; g++) {
        w.count = blocks - g * LANES < LANES ? blocks - g * LANES : LANES;
        for (size_t b = 0; b < w.count; b++) {
            open_tile(type, &r, &w.block[b]);
            for (size_t i = 0; i < ROWS; i++)
                r.row[i] += size;
        }
        if (has_minimum(type))
            multiply_minimum(&w, x, g, n, to, ahead + g * bytes, bytes);
        else
            multiply_plain(&w, excess_of(type), x, g, n, to, ahead + g * bytes, bytes);
    }
    /* Blocks that fill up the last group add a zero, which is seen where a lane is -0. */
    for (size_t b = blocks; b % LANES; b++)
        for (size_t c = 0; c < n; c++)
            to->lane[ACTIVATION_LANE(b % LANES)][c] =
                _mm512_add_ps(to->lane[ACTIVATION_LANE(b % LANES)][c], _mm512_setzero_ps());
}

/* A tile that passes the last row repeats it and stores only what is wanted. */
VECTOR_INLINE void tiles(dtype type, const uint8_t *weight, size_t blocks, size_t first,
                         size_t last, const void *const *x, size_t n, float *const *out)
{
    const size_t stride = blocks * block_size(type);
    sums to;
    for (size_t r = first; r < last; r += ROWS) {
        rows_of rows;
        size_t count = last - r < ROWS ? last - r : ROWS;
        uintptr_t next = (uintptr_t)weight + (r + ROWS) * stride;
        for (size_t i = 0; i < ROWS; i++)
            rows.row[i] = weight + (r + (i < count ? i : count - 1)) * stride;
        for (size_t c = 0; c < n; c += PART) {
            size_t some = n - c < PART ? n - c : PART;
            one_tile(type, rows, blocks, x + c, some, c ? 0 : next, &to);
            for (size_t i = 0; i < some; i++)
                _mm512_mask_storeu_ps(out[c + i] + r, (__mmask16)(0xFFFFu >> (ROWS - count)),
                                      total(&to, i));
        }
    }
}

#define TILES(lower, UPPER)                                                                        \
    void dot_avx512_many_##lower(const void *weight, size_t cols, size_t first, size_t last,       \
                                 const void *const *x, size_t n, float *const *out)                \
    {                                                                                              \
        tiles(DTYPE_##UPPER, weight, cols / 32, first, last, x, n, out);                           \
    }
TILES(q4_0, Q4_0)
TILES(q4_1, Q4_1)
TILES(q5_0, Q5_0)
TILES(q5_1, Q5_1)
TILES(q8_0, Q8_0)
TILES(iq4_nl, IQ4_NL)
TILES(mxfp4, MXFP4)
