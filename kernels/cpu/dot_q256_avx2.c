/* dot_q256_avx2.c - weights of 256-element blocks: see dot.h for the definition.
 *
 * A block is eight vectors of 32 codes. Multiplying one with the activations leaves sixteen int16
 * pairs; two such vectors are halved into one while int16 still holds the sums (the largest, of
 * Q6_K, is 4 * 63 * 127 = 32004); a second multiplication brings in the scales of the sub-blocks and
 * widens. So the whole block stays in integers, and one float step ends it. IQ4_XS has signed codes
 * whose pairs already reach 2 * 127 * 127: its vectors are widened one by one.
 *
 * The float step is shared by four products: four rows with one column, or one row with four
 * columns; their sums of codes and of minimums stand side by side in one vector.
 *
 * Codes are unsigned; the offset of Q6_K and Q3_K is taken off with the stored sums of the
 * activations.
 */
#include "block_size.h"
#include "dot_sets.h"

enum { VECTORS = QUANT_K / 32, QUAD = 4 };

/* ---- scales --------------------------------------------------------------------------------------- */

/* The scales of a block as int16, arranged so that the same shuffle picks those of vector k in both
 * halves, and as the sums of the activations want them. */
typedef struct scales {
    __m256i spread;  /* half h, int16 k: the scale of half h of vector k */
    __m256i natural; /* sub-block j: for the offset (Q3_K, Q6_K) */
    __m256i min16;   /* Q2_K: the minimums of 16 sub-blocks */
    __m128i min32;   /* Q4_K, Q5_K: of 8 */
} scales;

/* Bytes 0 2 4 .. 14, then 1 3 5 .. 15. */
VECTOR_INLINE __m128i even_then_odd(__m128i bytes)
{
    return _mm_shuffle_epi8(bytes,
                            _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
}

VECTOR_INLINE void scales_of_16(__m128i bytes, scales *s)
{
    s->spread = _mm256_cvtepi8_epi16(even_then_odd(bytes));
    s->natural = _mm256_cvtepi8_epi16(bytes);
}

VECTOR_INLINE void scales_of_q2_k(const block_q2_k *b, scales *s)
{
    const __m128i four = _mm_set1_epi8(15);
    __m128i bytes = vector_load16(b->scales);
    s->spread = _mm256_cvtepi8_epi16(even_then_odd(_mm_and_si128(bytes, four)));
    s->min16 = _mm256_cvtepi8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), four));
}

/* The packing of quant_q3_k_scales, in words: low nibbles in two words, then bits 4 and 5. */
VECTOR_INLINE __m128i bytes_of_q3_k(const uint8_t packed[12])
{
    uint32_t a = vector_load_u32(packed), b = vector_load_u32(packed + 4);
    uint32_t high = vector_load_u32(packed + 8);
    const uint32_t four = 0x0F0F0F0Fu, two = 0x03030303u;
    uint32_t w0 = (a & four) | (high & two) << 4;
    uint32_t w1 = (b & four) | (high >> 2 & two) << 4;
    uint32_t w2 = (a >> 4 & four) | (high >> 4 & two) << 4;
    uint32_t w3 = (b >> 4 & four) | (high >> 6 & two) << 4;
    return _mm_sub_epi8(_mm_setr_epi32((int)w0, (int)w1, (int)w2, (int)w3), _mm_set1_epi8(32));
}

/* The packing of quant_q4_k_scales: four scales and four mins in each 64-bit word. */
VECTOR_INLINE void scales_of_q4_k(const uint8_t packed[12], scales *s)
{
    uint64_t low, high = vector_load_u32(packed + 8);
    memcpy(&low, packed, sizeof low);
    high = (high | high << 28) & 0x0F0F0F0F0F0F0F0Full;
    high |= low >> 2 & 0x3030303030303030ull;
    low &= 0x3F3F3F3F3F3F3F3Full;
    __m128i words = _mm_set_epi64x((long long)high, (long long)low);
    __m256i both = _mm256_cvtepi8_epi16(_mm_shuffle_epi32(words, 0xD8));
    s->spread = _mm256_permute4x64_epi64(both, 0x44);
    s->min32 = _mm256_extracti128_si256(both, 1);
}

VECTOR_INLINE void scales_of_iq4_xs(const block_iq4_xs *b, scales *s)
{
    const __m128i shifts_low = _mm_setr_epi32(0, 4, 8, 12);
    uint32_t low = vector_load_u32(b->scales_l), high = b->scales_h;
    __m128i l = _mm_set1_epi32((int)low), h = _mm_set1_epi32((int)high);
    __m128i l0 = _mm_srlv_epi32(l, shifts_low), l1 = _mm_srli_epi32(l0, 16);
    __m128i h0 = _mm_srlv_epi32(h, _mm_setr_epi32(0, 2, 4, 6)), h1 = _mm_srli_epi32(h0, 8);
    __m128i four = _mm_set1_epi32(15), two = _mm_set1_epi32(3);
    __m128i s0 = _mm_or_si128(_mm_and_si128(l0, four), _mm_slli_epi32(_mm_and_si128(h0, two), 4));
    __m128i s1 = _mm_or_si128(_mm_and_si128(l1, four), _mm_slli_epi32(_mm_and_si128(h1, two), 4));
    __m128i eight = _mm_sub_epi16(_mm_packs_epi32(s0, s1), _mm_set1_epi16(32));
    s->spread = _mm256_broadcastsi128_si256(eight);
}

VECTOR_INLINE void open_scales(dtype type, const uint8_t *block, scales *s)
{
    if (type == DTYPE_Q2_K)
        scales_of_q2_k((const block_q2_k *)block, s);
    else if (type == DTYPE_Q3_K)
        scales_of_16(bytes_of_q3_k(((const block_q3_k *)block)->scales), s);
    else if (type == DTYPE_Q6_K)
        scales_of_16(vector_load16(((const block_q6_k *)block)->scales), s);
    else if (type == DTYPE_IQ4_XS)
        scales_of_iq4_xs((const block_iq4_xs *)block, s);
    else
        scales_of_q4_k(((const block_q4_k *)block)->scales, s);
}

/* The scale of vector k in all its int16. */
VECTOR_INLINE __m256i scale_of_vector(const scales *s, int k)
{
    const short at = (short)(2 * k | (2 * k + 1) << 8);
    return _mm256_shuffle_epi8(s->spread, _mm256_set1_epi16(at));
}

/* The scale of vector 2p in the first four int16 of each half, that of 2p + 1 in the others. */
VECTOR_INLINE __m256i scale_of_pair(const scales *s, int p)
{
    const long long a = 0x0100010001000100ll + 0x0404040404040404ll * p;
    const long long b = a + 0x0202020202020202ll;
    return _mm256_shuffle_epi8(s->spread, _mm256_setr_epi64x(a, b, a, b));
}

/* d in the low half of the word, dmin (or 0) in the high one. */
VECTOR_INLINE uint32_t halves_of(dtype type, const uint8_t *block)
{
    switch ((int)type) {
    case DTYPE_Q2_K:
        return vector_load_u32(block + 80);
    case DTYPE_Q3_K:
        return vector_load_u16(block + 108);
    case DTYPE_Q6_K:
        return vector_load_u16(block + 208);
    case DTYPE_IQ4_XS:
        return vector_load_u16(block);
    default:
        return vector_load_u32(block);
    }
}

/* ---- codes ---------------------------------------------------------------------------------------- */

VECTOR_INLINE __m256i masked(__m256i bytes, char mask)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(mask));
}

/* Bits shift..shift+1 of each byte, moved to bit 4 (Q6_K) or left at bit 0 (Q2_K, Q3_K). */
VECTOR_INLINE __m256i two_bits(__m256i bytes, int shift)
{
    return masked(_mm256_srli_epi16(bytes, shift), 3);
}

VECTOR_INLINE __m256i two_bits_at_4(__m256i bytes, int shift)
{
    __m256i moved =
        shift < 4 ? _mm256_slli_epi16(bytes, 4 - shift) : _mm256_srli_epi16(bytes, shift - 4);
    return masked(moved, 0x30);
}

/* Bit k of each byte, moved to bit `to`. */
VECTOR_INLINE __m256i one_bit(__m256i bytes, int k, int to)
{
    __m256i moved = k < to ? _mm256_slli_epi16(bytes, to - k) : _mm256_srli_epi16(bytes, k - to);
    return masked(moved, (char)(1 << to));
}

/* Nibbles as Q4_K and Q5_K hold them: vectors 2h and 2h + 1 share 32 bytes. */
VECTOR_INLINE __m256i nibbles(const uint8_t *qs, int k)
{
    __m256i bytes = vector_load32(qs + k / 2 * 32);
    return masked(k % 2 ? _mm256_srli_epi16(bytes, 4) : bytes, 15);
}

VECTOR_INLINE __m256i codes_of_q6_k(const block_q6_k *b, int k)
{
    __m256i low = vector_load32(b->ql + k / 4 * 64 + k % 2 * 32);
    __m256i high = vector_load32(b->qh + k / 4 * 32);
    low = masked(k % 4 < 2 ? low : _mm256_srli_epi16(low, 4), 15);
    return _mm256_or_si256(low, two_bits_at_4(high, k % 4 * 2));
}

VECTOR_INLINE __m256i codes_of_iq4_xs(const block_iq4_xs *b, int k)
{
    __m128i bytes = vector_load16(b->qs + 16 * k);
    __m256i both =
        _mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1);
    __m256i values = _mm256_broadcastsi128_si256(vector_load16(quant_iq4_values));
    return _mm256_shuffle_epi8(values, masked(both, 15));
}

/* The 32 codes of vector k. */
VECTOR_INLINE __m256i codes_of(dtype type, const uint8_t *block, int k)
{
    const block_q2_k *q2 = (const block_q2_k *)block;
    const block_q3_k *q3 = (const block_q3_k *)block;
    const block_q4_k *q4 = (const block_q4_k *)block;
    const block_q5_k *q5 = (const block_q5_k *)block;
    switch ((int)type) {
    case DTYPE_Q2_K:
        return two_bits(vector_load32(q2->qs + k / 4 * 32), k % 4 * 2);
    case DTYPE_Q3_K:
        return _mm256_or_si256(two_bits(vector_load32(q3->qs + k / 4 * 32), k % 4 * 2),
                               one_bit(vector_load32(q3->hmask), k, 2));
    case DTYPE_Q4_K:
        return nibbles(q4->qs, k);
    case DTYPE_Q5_K:
        return _mm256_or_si256(nibbles(q5->qs, k), one_bit(vector_load32(q5->qh), k, 4));
    case DTYPE_Q6_K:
        return codes_of_q6_k((const block_q6_k *)block, k);
    default:
        return codes_of_iq4_xs((const block_iq4_xs *)block, k);
    }
}

/* ---- multiplying ---------------------------------------------------------------------------------- */

VECTOR_INLINE int is_signed(dtype type)
{
    return type == DTYPE_IQ4_XS;
}

/* Vectors of scales in a block: one for each vector of codes, or for each pair. */
VECTOR_INLINE int scale_count(dtype type)
{
    return is_signed(type) ? VECTORS : VECTORS / 2;
}

VECTOR_INLINE __m256i scale_at(dtype type, const scales *s, int k)
{
    return is_signed(type) ? scale_of_vector(s, k) : scale_of_pair(s, k);
}

/* What the codes that share scale vector k contribute: eight int32. */
VECTOR_INLINE __m256i scaled(dtype type, const __m256i *codes, __m256i scale, const int8_t *a)
{
    __m256i a0 = vector_load32(a);
    if (is_signed(type))
        return _mm256_madd_epi16(
            _mm256_maddubs_epi16(_mm256_abs_epi8(codes[0]), _mm256_sign_epi8(a0, codes[0])), scale);
    __m256i p0 = _mm256_maddubs_epi16(codes[0], a0);
    __m256i p1 = _mm256_maddubs_epi16(codes[1], vector_load32(a + 32));
    return _mm256_madd_epi16(
        _mm256_add_epi16(_mm256_unpacklo_epi64(p0, p1), _mm256_unpackhi_epi64(p0, p1)), scale);
}

VECTOR_INLINE __m128i add_halves(__m256i v)
{
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* The offset of the codes, as a power of two; 0 = none. */
VECTOR_INLINE int offset_bits(dtype type)
{
    return type == DTYPE_Q6_K ? 5 : type == DTYPE_Q3_K ? 2 : 0;
}

/* Finishes one product: two int32 that add up to its S, then two that add up to its M. */
VECTOR_INLINE __m128i finish(dtype type, __m256i sums, const scales *s, const activation_q256 *a)
{
    if (offset_bits(type)) {
        __m256i all = _mm256_madd_epi16(s->natural, vector_load32(a->sum16));
        sums = _mm256_sub_epi32(sums, _mm256_slli_epi32(all, offset_bits(type)));
    }
    __m128i codes = add_halves(sums), mins = _mm_setzero_si128();
    if (type == DTYPE_Q2_K)
        mins = add_halves(_mm256_madd_epi16(s->min16, vector_load32(a->sum16)));
    if (type == DTYPE_Q4_K || type == DTYPE_Q5_K)
        mins = _mm_madd_epi16(s->min32, vector_load16(a->sum32));
    return _mm_add_epi32(_mm_unpacklo_epi64(codes, mins), _mm_unpackhi_epi64(codes, mins));
}

/* S M of products 0 to 3, in this order, from what finish() left. */
VECTOR_INLINE __m256 sums_of_quad(const __m128i y[QUAD])
{
    __m256i even = _mm256_inserti128_si256(_mm256_castsi128_si256(y[0]), y[2], 1);
    __m256i odd = _mm256_inserti128_si256(_mm256_castsi128_si256(y[1]), y[3], 1);
    __m256 a = _mm256_castsi256_ps(even), b = _mm256_castsi256_ps(odd);
    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)),
                                               _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD))));
}

/* s - m of each product. */
VECTOR_INLINE __m128 results_of_quad(__m256 acc)
{
    __m128 low = _mm256_castps256_ps128(acc), high = _mm256_extractf128_ps(acc, 1);
    return _mm_sub_ps(_mm_shuffle_ps(low, high, 0x88), _mm_shuffle_ps(low, high, 0xDD));
}

/* ---- one column: four rows at a time --------------------------------------------------------------- */

VECTOR_INLINE __m128i one_block(dtype type, const uint8_t *block, const activation_q256 *a)
{
    scales s;
    open_scales(type, block, &s);
    __m256i sums = _mm256_setzero_si256();
    const int step = VECTORS / scale_count(type);
    for (int k = 0; k < scale_count(type); k++) {
        __m256i codes[2];
        for (int i = 0; i < step; i++)
            codes[i] = codes_of(type, block, step * k + i);
        __m256i part = scaled(type, codes, scale_at(type, &s, k), a->q + 32 * step * k);
        sums = _mm256_add_epi32(sums, part);
    }
    return finish(type, sums, &s, a);
}

/* A quad that passes the last row repeats it and stores only what is wanted. */
VECTOR_INLINE void one_column(dtype type, const uint8_t *weight, size_t blocks, size_t first,
                              size_t last, const activation_q256 *x, float *out)
{
    size_t size = block_size(type), stride = blocks * size;
    for (size_t r = first; r < last; r += QUAD) {
        const uint8_t *row[QUAD];
        for (size_t i = 0; i < QUAD; i++)
            row[i] = weight + (r + i < last ? r + i : last - 1) * stride;
        uintptr_t ahead = (uintptr_t)weight + r * stride + DOT_AHEAD;
        __m256 acc = _mm256_setzero_ps();
        for (size_t b = 0; b < blocks; b++) {
            __m128i y[QUAD], halves;
            vector_prefetch_early(ahead + b * QUAD * size, QUAD * size);
            for (int i = 0; i < QUAD; i++)
                y[i] = one_block(type, row[i] + b * size, x + b);
            halves = _mm_setr_epi32(
                (int)halves_of(type, row[0] + b * size), (int)halves_of(type, row[1] + b * size),
                (int)halves_of(type, row[2] + b * size), (int)halves_of(type, row[3] + b * size));
            __m256 d = _mm256_mul_ps(_mm256_cvtph_ps(halves), _mm256_set1_ps(x[b].scale));
            acc = _mm256_fmadd_ps(d, sums_of_quad(y), acc);
        }
        float results[QUAD];
        _mm_storeu_ps(results, results_of_quad(acc));
        memcpy(out + r, results, (last - r < QUAD ? last - r : QUAD) * sizeof *results);
    }
}

/* ---- several columns: one row, opened once ---------------------------------------------------------- */

typedef struct opened {
    __m256i codes[VECTORS], scale[VECTORS];
    scales s;
    __m256 d; /* d dmin d dmin .. */
} opened;

VECTOR_INLINE void open_block(dtype type, const uint8_t *block, opened *o)
{
    open_scales(type, block, &o->s);
    for (int k = 0; k < VECTORS; k++)
        o->codes[k] = codes_of(type, block, k);
    for (int k = 0; k < scale_count(type); k++)
        o->scale[k] = scale_at(type, &o->s, k);
    o->d = _mm256_cvtph_ps(_mm_set1_epi32((int)halves_of(type, block)));
}

VECTOR_INLINE __m128i multiply(dtype type, const opened *o, const activation_q256 *a)
{
    __m256i sums = _mm256_setzero_si256();
    const int step = VECTORS / scale_count(type);
    for (int k = 0; k < scale_count(type); k++) {
        __m256i part = scaled(type, &o->codes[step * k], o->scale[k], a->q + 32 * step * k);
        sums = _mm256_add_epi32(sums, part);
    }
    return finish(type, sums, &o->s, a);
}

/* a0 a0 a1 a1 a2 a2 a3 a3 */
VECTOR_INLINE __m256 scales_of_columns(const activation_q256 *const a[QUAD])
{
    __m128 four = _mm_setr_ps(a[0]->scale, a[1]->scale, a[2]->scale, a[3]->scale);
    __m128 low = _mm_unpacklo_ps(four, four), high = _mm_unpackhi_ps(four, four);
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

/* n is a constant where this is inlined. Columns past n repeat the last one. */
VECTOR_INLINE void columns(dtype type, const uint8_t *row, size_t blocks, const void *const *x,
                           size_t n, float *const *out, size_t r)
{
    size_t size = block_size(type), quads = (n + QUAD - 1) / QUAD;
    __m256 acc[DOT_COLUMNS / QUAD];
    for (size_t q = 0; q < quads; q++)
        acc[q] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        opened o;
        open_block(type, row + b * size, &o);
        for (size_t q = 0; q < quads; q++) {
            const activation_q256 *a[QUAD];
            __m128i y[QUAD];
            for (size_t i = 0; i < QUAD; i++) {
                size_t c = q * QUAD + i;
                a[i] = (const activation_q256 *)x[c < n ? c : n - 1] + b;
                y[i] = c < n ? multiply(type, &o, a[i]) : y[0];
            }
            __m256 d = _mm256_mul_ps(o.d, scales_of_columns(a));
            acc[q] = _mm256_fmadd_ps(d, sums_of_quad(y), acc[q]);
        }
    }
    for (size_t q = 0; q < quads; q++) {
        float results[QUAD];
        _mm_storeu_ps(results, results_of_quad(acc[q]));
        for (size_t c = q * QUAD; c < n && c < (q + 1) * QUAD; c++)
            out[c][r] = results[c % QUAD];
    }
}

VECTOR_INLINE void rows(dtype type, const uint8_t *weight, size_t cols, size_t first, size_t last,
                        const void *const *x, size_t n, float *const *out)
{
    size_t blocks = cols / QUANT_K, stride = blocks * block_size(type);
    if (n == 1) {
        one_column(type, weight, blocks, first, last, x[0], out[0]);
        return;
    }
    /* Five to seven columns are computed as eight, some of them twice. */
    const void *filled_x[DOT_COLUMNS];
    float *filled_out[DOT_COLUMNS];
    for (size_t i = 0; i < DOT_COLUMNS; i++) {
        filled_x[i] = x[i < n ? i : n - 1];
        filled_out[i] = out[i < n ? i : n - 1];
    }
    for (size_t r = first; r < last; r++) {
        const uint8_t *row = weight + r * stride;
        if (n == 2)
            columns(type, row, blocks, x, 2, out, r);
        else if (n == 3)
            columns(type, row, blocks, x, 3, out, r);
        else if (n == 4)
            columns(type, row, blocks, x, 4, out, r);
        else
            columns(type, row, blocks, filled_x, DOT_COLUMNS, filled_out, r);
    }
}

#define ROWS(lower, UPPER)                                                                         \
    void dot_avx2_##lower(const void *weight, size_t cols, size_t first, size_t last,              \
                          const void *const *x, size_t n, float *const *out)                       \
    {                                                                                              \
        rows(DTYPE_##UPPER, weight, cols, first, last, x, n, out);                                 \
    }
ROWS(q2_k, Q2_K)
ROWS(q3_k, Q3_K)
ROWS(q4_k, Q4_K)
ROWS(q5_k, Q5_K)
ROWS(q6_k, Q6_K)
ROWS(iq4_xs, IQ4_XS)
