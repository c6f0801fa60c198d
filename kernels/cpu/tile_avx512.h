/* tile_avx512.h - what the kernels for many columns share: sixteen rows of weights, side by side.
 *
 * Only for files compiled with AVX-512. A vector has one 32-bit lane for each row: four codes, a scale,
 * a sum. dot_tile_avx512.c says why.
 */
#ifndef CPU_TILE_AVX512_H
#define CPU_TILE_AVX512_H

#include "block_size.h"

enum {
    ROWS = 16,    /* side by side */
    TOGETHER = 8, /* columns whose sums are held in registers */
};

/* DO for each of them, by name: of arrays the compiler makes copies. */
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

typedef struct rows_of {
    const uint8_t *row[ROWS];
} rows_of;

/* ---- transposing ------------------------------------------------------------------------------ */

/* Rows i, 4 + i, 8 + i, 12 + i: 16 bytes of each. */
VECTOR_INLINE __m512i every_fourth(const rows_of *r, int i, size_t at)
{
    __m512i v = _mm512_zextsi128_si512(vector_load16(r->row[i] + at));
    v = _mm512_mask_broadcast_i32x4(v, 0x00F0, vector_load16(r->row[4 + i] + at));
    v = _mm512_mask_broadcast_i32x4(v, 0x0F00, vector_load16(r->row[8 + i] + at));
    return _mm512_mask_broadcast_i32x4(v, 0xF000, vector_load16(r->row[12 + i] + at));
}

/* words[k]: bytes at + 4k to at + 4k + 3 of every row. */
VECTOR_INLINE void words_of_rows(const rows_of *r, size_t at, __m512i words[4])
{
    __m512i a = every_fourth(r, 0, at), b = every_fourth(r, 1, at);
    __m512i c = every_fourth(r, 2, at), d = every_fourth(r, 3, at);
    __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
    words[0] = _mm512_unpacklo_epi64(ab, cd);
    words[1] = _mm512_unpackhi_epi64(ab, cd);
    ab = _mm512_unpackhi_epi32(a, b);
    cd = _mm512_unpackhi_epi32(c, d);
    words[2] = _mm512_unpacklo_epi64(ab, cd);
    words[3] = _mm512_unpackhi_epi64(ab, cd);
}

/* Bits from..from + 7 at most of each word, those of `mask`. */
VECTOR_INLINE __m512i bits(__m512i words, unsigned from, int mask)
{
    return _mm512_and_si512(_mm512_srli_epi32(words, from), _mm512_set1_epi32(mask));
}

/* Bits `from` and up of each byte, those of `mask` = where they are to stand: bit `to` and up. */
VECTOR_INLINE __m512i bits_at(__m512i bytes, unsigned from, unsigned to, int mask)
{
    __m512i moved =
        from < to ? _mm512_slli_epi32(bytes, to - from) : _mm512_srli_epi32(bytes, from - to);
    return _mm512_and_si512(moved, _mm512_set1_epi8((char)mask));
}

/* The lower 16 bits of each word as a float. */
VECTOR_INLINE __m512 halves(__m512i words)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words));
}

/* Four bytes in every lane. */
VECTOR_INLINE __m512i spread(const void *bytes)
{
    return _mm512_set1_epi32((int)vector_load_u32(bytes));
}

#endif
