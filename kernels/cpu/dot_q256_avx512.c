/* dot_q256_avx512.c - Q4_K, Q5_K and Q6_K with AVX-512 and VNNI: see dot.h for the definition.
 *
 * A vector of 64 bytes holds 16 bytes from each of four rows, one row in each 128-bit lane. So the
 * activations are the same in all lanes (a broadcast from memory), the scales of a row stay in its
 * lane, no sum crosses lanes before the end, and one float step ends a block of four rows.
 *
 * VPDPBUSD adds four products without saturating. Two such vectors, each of one sub-block, are
 * packed into int16 (the largest sum, of Q6_K, is 4 * 63 * 127 = 32004) and VPDPWSSD multiplies them
 * with their scales. Everything up to the float step is exact in integers, and that step is the one
 * of dot_q256_avx2.c, so the bytes are equal.
 *
 * One function serves one to eight columns: a block is opened once, however many there are.
 *
 * Four rows are four streams, more than the processor's own prefetching follows: asking for the
 * weights in a line, DOT_AHEAD bytes before they are needed, doubles the speed of one column.
 */
#include "block_size.h"
#include "dot_sets.h"

enum { QUAD = 4 };

/* The same block of four rows. */
typedef struct quad {
    const uint8_t *row[QUAD];
} quad;

/* 16 bytes at the same place of each row. */
VECTOR_INLINE __m512i load_quad(const quad *q, size_t at)
{
    __m512i v = _mm512_zextsi128_si512(vector_load16(q->row[0] + at));
    v = _mm512_mask_broadcast_i32x4(v, 0x00F0, vector_load16(q->row[1] + at));
    v = _mm512_mask_broadcast_i32x4(v, 0x0F00, vector_load16(q->row[2] + at));
    return _mm512_mask_broadcast_i32x4(v, 0xF000, vector_load16(q->row[3] + at));
}

/* 16 bytes in every lane. */
VECTOR_INLINE __m512i spread(const void *bytes)
{
    return _mm512_broadcast_i32x4(vector_load16(bytes));
}

VECTOR_INLINE __m512i masked(__m512i bytes, int mask)
{
    return _mm512_and_si512(bytes, _mm512_set1_epi8((char)mask));
}

/* ---- scales --------------------------------------------------------------------------------------- */

/* What a block of four rows brings beside its codes. */
typedef struct opened {
    __m512i scale[2]; /* int16: of sub-blocks 0 to 7, and of 8 to 15 (Q6_K) */
    __m512i min;      /* int16: of 8 sub-blocks (Q4_K, Q5_K) */
    __m512 d;         /* d dmin d dmin in each lane */
} opened;

/* The packing of quant_q4_k_scales: d and dmin, then words a b c. Bytes 0 to 7 become the scales, 8
 * to 15 the minimums. */
VECTOR_INLINE void open_q4_k(const quad *q, opened *o)
{
    const __m512i ab =
        spread((const int8_t[16]){4, 5, 6, 7, 4, 5, 6, 7, 8, 9, 10, 11, 8, 9, 10, 11});
    const __m512i c =
        spread((const int8_t[16]){-1, -1, -1, -1, 12, 13, 14, 15, -1, -1, -1, -1, 12, 13, 14, 15});
    const __m512i six = spread((const uint32_t[4]){0x3F3F3F3F, 0x30303030, 0x3F3F3F3F, 0x30303030});
    __m512i head = load_quad(q, 0);
    __m512i high =
        _mm512_srlv_epi32(_mm512_shuffle_epi8(head, ab), spread((const uint32_t[4]){0, 2, 0, 2}));
    __m512i low =
        _mm512_srlv_epi32(_mm512_shuffle_epi8(head, c), spread((const uint32_t[4]){0, 0, 0, 4}));
    __m512i bytes = _mm512_or_si512(_mm512_and_si512(high, six), masked(low, 15));
    o->scale[0] = _mm512_unpacklo_epi8(bytes, _mm512_setzero_si512());
    o->min = _mm512_unpackhi_epi8(bytes, _mm512_setzero_si512());
    const __m512i words = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 0, 0, 0, 0, 0, 0, 0, 0);
    o->d = _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_permutexvar_epi32(words, head)));
}

VECTOR_INLINE void open_q6_k(const quad *q, opened *o)
{
    __m512i bytes = load_quad(q, offsetof(block_q6_k, scales));
    o->scale[0] = _mm512_srai_epi16(_mm512_unpacklo_epi8(bytes, bytes), 8);
    o->scale[1] = _mm512_srai_epi16(_mm512_unpackhi_epi8(bytes, bytes), 8);
    const size_t at = offsetof(block_q6_k, d);
    __m128i d = _mm_setr_epi32(vector_load_u16(q->row[0] + at), vector_load_u16(q->row[1] + at),
                               vector_load_u16(q->row[2] + at), vector_load_u16(q->row[3] + at));
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    o->d = _mm512_cvtph_ps(_mm256_permutevar8x32_epi32(_mm256_castsi128_si256(d), twice));
}

/* int16 2k of the lane four times, then int16 2k + 1. */
VECTOR_INLINE __m512i scale_of_pair(__m512i scales, unsigned k)
{
    const long long first = 0x0100010001000100ll + 0x0404040404040404ll * k;
    return _mm512_shuffle_epi8(
        scales, _mm512_broadcast_i32x4(_mm_set_epi64x(first + 0x0202020202020202ll, first)));
}

/* ---- codes ---------------------------------------------------------------------------------------- */

/* A part is a quarter of a block, 64 elements: two sub-blocks of 32 (Q4_K, Q5_K) or four of 16
 * (Q6_K). codes[i]: elements 16i to 16i + 15 of part p. */
enum { CHUNKS = 4 };

VECTOR_INLINE void codes_of_nibbles(const quad *q, size_t qs, unsigned p, __m512i codes[CHUNKS])
{
    for (int i = 0; i < 2; i++) {
        __m512i bytes = load_quad(q, qs + 32 * p + (size_t)(16 * i));
        codes[i] = masked(bytes, 15);
        codes[2 + i] = masked(_mm512_srli_epi32(bytes, 4), 15);
    }
}

/* Bits `from` and up of each byte, those of `mask` = where they are to stand: bit 4 and up. */
VECTOR_INLINE __m512i high_bits(__m512i bytes, unsigned from, int mask)
{
    __m512i moved =
        from < 4 ? _mm512_slli_epi32(bytes, 4 - from) : _mm512_srli_epi32(bytes, from - 4);
    return masked(moved, mask);
}

/* Bit 2p of the 32 bytes of qh is bit 4 of the first sub-block, bit 2p + 1 that of the second. */
VECTOR_INLINE void codes_of_q5_k(const quad *q, unsigned p, __m512i codes[CHUNKS])
{
    codes_of_nibbles(q, offsetof(block_q5_k, qs), p, codes);
    for (int i = 0; i < 2; i++) {
        __m512i high = load_quad(q, offsetof(block_q5_k, qh) + (size_t)(16 * i));
        codes[i] = _mm512_or_si512(codes[i], high_bits(high, 2 * p, 16));
        codes[2 + i] = _mm512_or_si512(codes[2 + i], high_bits(high, 2 * p + 1, 16));
    }
}

/* Parts 2h and 2h + 1 share 64 bytes of ql, which hold their low nibbles and their high ones, and 32
 * bytes of qh: bits 4 and 5 of element 16i + l of part p are bits 4 (p % 2) + 2 (i / 2) and the next
 * of byte 16 (i % 2) + l. */
VECTOR_INLINE void codes_of_q6_k(const quad *q, unsigned p, __m512i codes[CHUNKS])
{
    for (int i = 0; i < 2; i++) {
        size_t at = p / 2 * 32 + (size_t)(16 * i);
        __m512i high = load_quad(q, offsetof(block_q6_k, qh) + at);
        __m512i first = load_quad(q, 2 * at - (size_t)(16 * i));
        __m512i second = load_quad(q, 2 * at - (size_t)(16 * i) + 32);
        if (p % 2) {
            first = _mm512_srli_epi32(first, 4);
            second = _mm512_srli_epi32(second, 4);
        }
        codes[i] = _mm512_or_si512(masked(first, 15), high_bits(high, p % 2 * 4, 0x30));
        codes[2 + i] = _mm512_or_si512(masked(second, 15), high_bits(high, p % 2 * 4 + 2, 0x30));
    }
}

VECTOR_INLINE void codes_of(dtype type, const quad *q, unsigned p, __m512i codes[CHUNKS])
{
    if (type == DTYPE_Q4_K)
        codes_of_nibbles(q, offsetof(block_q4_k, qs), p, codes);
    else if (type == DTYPE_Q5_K)
        codes_of_q5_k(q, p, codes);
    else
        codes_of_q6_k(q, p, codes);
}

/* ---- multiplying ---------------------------------------------------------------------------------- */

/* What part p contributes to four products, times their scales. */
VECTOR_INLINE __m512i add_part(dtype type, __m512i sum, const opened *o,
                               const __m512i codes[CHUNKS], unsigned p, const int8_t *a)
{
    const __m512i zero = _mm512_setzero_si512();
    if (type != DTYPE_Q6_K) {
        __m512i first = _mm512_dpbusd_epi32(zero, codes[0], spread(a));
        __m512i second = _mm512_dpbusd_epi32(zero, codes[2], spread(a + 32));
        first = _mm512_dpbusd_epi32(first, codes[1], spread(a + 16));
        second = _mm512_dpbusd_epi32(second, codes[3], spread(a + 48));
        return _mm512_dpwssd_epi32(sum, _mm512_packs_epi32(first, second),
                                   scale_of_pair(o->scale[0], p));
    }
    for (unsigned i = 0; i < CHUNKS; i += 2) {
        __m512i first = _mm512_dpbusd_epi32(zero, codes[i], spread(a + 16 * i));
        __m512i second = _mm512_dpbusd_epi32(zero, codes[i + 1], spread(a + 16 * i + 16));
        sum = _mm512_dpwssd_epi32(sum, _mm512_packs_epi32(first, second),
                                  scale_of_pair(o->scale[p / 2], p % 2 * 2 + i / 2));
    }
    return sum;
}

/* The float step: S M S M in each lane, times d dmin d dmin, onto acc. */
VECTOR_INLINE __m512 finish(dtype type, __m512 acc, __m512i sum, const opened *o,
                            const activation_q256 *a)
{
    __m512i min = _mm512_setzero_si512();
    if (type == DTYPE_Q6_K) {
        __m512i all = _mm512_madd_epi16(o->scale[0], spread(a->sum16));
        all = _mm512_dpwssd_epi32(all, o->scale[1], spread(a->sum16 + 8));
        sum = _mm512_sub_epi32(sum, _mm512_slli_epi32(all, 5));
    } else {
        min = _mm512_madd_epi16(o->min, spread(a->sum32));
    }
    __m512i both =
        _mm512_add_epi32(_mm512_unpacklo_epi32(sum, min), _mm512_unpackhi_epi32(sum, min));
    both = _mm512_add_epi32(both, _mm512_shuffle_epi32(both, _MM_PERM_BADC));
    __m512 d = _mm512_mul_ps(o->d, _mm512_set1_ps(a->scale));
    return _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(both), acc);
}

VECTOR_INLINE void add_parts(dtype type, const quad *q, const opened *o, unsigned p,
                             const void *const *x, size_t block, size_t n, __m512i *sum)
{
    __m512i codes[CHUNKS];
    codes_of(type, q, p, codes);
    for (size_t c = 0; c < n; c++)
        sum[c] =
            add_part(type, sum[c], o, codes, p, ((const activation_q256 *)x[c])[block].q + 64 * p);
}

/* One block of four rows with n columns. */
VECTOR_INLINE void add_block(dtype type, const quad *q, const void *const *x, size_t block,
                             size_t n, __m512 *acc)
{
    opened o;
    __m512i sum[DOT_COLUMNS];
    if (type == DTYPE_Q6_K)
        open_q6_k(q, &o);
    else
        open_q4_k(q, &o);
    for (size_t c = 0; c < n; c++)
        sum[c] = _mm512_setzero_si512();
    add_parts(type, q, &o, 0, x, block, n, sum);
    add_parts(type, q, &o, 1, x, block, n, sum);
    add_parts(type, q, &o, 2, x, block, n, sum);
    add_parts(type, q, &o, 3, x, block, n, sum);
    for (size_t c = 0; c < n; c++)
        acc[c] = finish(type, acc[c], sum[c], &o, (const activation_q256 *)x[c] + block);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

/* s - m of each lane. */
VECTOR_INLINE __m128 results_of(__m512 acc)
{
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 results = _mm512_sub_ps(acc, _mm512_movehdup_ps(acc));
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, results));
}

/* n is a constant where this is inlined. A quad that passes the last row repeats it and stores only
 * what is wanted. */
VECTOR_INLINE void rows(dtype type, const uint8_t *weight, size_t blocks, size_t first, size_t last,
                        const void *const *x, size_t n, float *const *out)
{
    const size_t size = block_size(type), stride = blocks * size;
    for (size_t r = first; r < last; r += QUAD) {
        __m512 acc[DOT_COLUMNS];
        quad q;
        for (size_t i = 0; i < QUAD; i++)
            q.row[i] = weight + (r + i < last ? r + i : last - 1) * stride;
        uintptr_t ahead = (uintptr_t)weight + r * stride + DOT_AHEAD;
        for (size_t c = 0; c < n; c++)
            acc[c] = _mm512_setzero_ps();
        for (size_t b = 0; b < blocks; b++) {
            vector_prefetch_early(ahead + b * QUAD * size, QUAD * size);
            add_block(type, &q, x, b, n, acc);
            for (size_t i = 0; i < QUAD; i++)
                q.row[i] += size;
        }
        for (size_t c = 0; c < n; c++) {
            float results[QUAD];
            _mm_storeu_ps(results, results_of(acc[c]));
            memcpy(out[c] + r, results, (last - r < QUAD ? last - r : QUAD) * sizeof *results);
        }
    }
}

#define CASE(UPPER, count)                                                                         \
    case count:                                                                                    \
        rows(DTYPE_##UPPER, weight, cols / QUANT_K, first, last, x, count, out);                   \
        break;
#define ROWS(lower, UPPER)                                                                         \
    void dot_avx512_##lower(const void *weight, size_t cols, size_t first, size_t last,            \
                            const void *const *x, size_t n, float *const *out)                     \
    {                                                                                              \
        switch (n) {                                                                               \
            CASE(UPPER, 1)                                                                         \
            CASE(UPPER, 2)                                                                         \
            CASE(UPPER, 3)                                                                         \
            CASE(UPPER, 4)                                                                         \
            CASE(UPPER, 5)                                                                         \
            CASE(UPPER, 6)                                                                         \
            CASE(UPPER, 7)                                                                         \
            CASE(UPPER, 8)                                                                         \
        }                                                                                          \
    }
ROWS(q4_k, Q4_K)
ROWS(q5_k, Q5_K)
ROWS(q6_k, Q6_K)
